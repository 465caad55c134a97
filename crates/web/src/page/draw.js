// Draws shapes as SVG, and changes only what is not as it was. Texts are set as texts, so nothing in them can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** Makes the children of `parent` be those shapes. */
export function draw(parent, shapes) {
  const known = parent.shapes ?? new Map();
  const next = new Map(shapes.map((shape) => [shape.key, kept(known.get(shape.key), shape) ?? made(shape)]));
  // What is gone goes first, so that nothing that stays has to move, which would cost it the focus.
  for (const [key, drawn] of known) if (next.get(key) !== drawn) drawn.element.remove();
  let after = null;
  for (const shape of shapes) {
    const drawn = next.get(shape.key);
    update(drawn, shape);
    if (drawn.element.previousSibling !== after || drawn.element.parentNode !== parent) {
      parent.insertBefore(drawn.element, after ? after.nextSibling : parent.firstChild);
    }
    after = drawn.element;
  }
  parent.shapes = next;
}

function kept(drawn, { tag }) {
  return drawn?.tag === tag ? drawn : undefined;
}

function made({ tag }) {
  return { tag, element: document.createElementNS(SVG, tag), attrs: {}, text: undefined };
}

function update(drawn, { attrs, text, children }) {
  const { element } = drawn;
  for (const name of Object.keys(drawn.attrs)) if (attrs[name] === undefined) element.removeAttribute(name);
  for (const [name, value] of Object.entries(attrs)) {
    if (value !== undefined && drawn.attrs[name] !== value) element.setAttribute(name, value);
  }
  drawn.attrs = attrs;
  if (text !== undefined && drawn.text !== text) {
    element.textContent = text;
    drawn.text = text;
  }
  if (children) draw(element, children);
}
