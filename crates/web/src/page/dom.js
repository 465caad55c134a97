// The few things that the page does to its own document. Texts are set as texts, and no attribute is ever parsed as markup.

/** An element, such as `h("button", { type: "button", class: "quiet" }, "Copy")`. A child that is null is left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets an attribute unless it is so already; null, undefined and false remove it. */
export function set(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : value);
}

/** Sets an element's text unless it says so already. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The element of an id; the page's own document has each of them. */
export function byId(id) {
  return document.getElementById(id);
}

/** Makes the children of `parent` be one for each item: made once for each key, and then kept up to date. */
export function keyed(parent, items, keyOf, make, update) {
  const known = parent.keyed ?? new Map();
  const next = new Map(items.map((item) => [keyOf(item), known.get(keyOf(item)) ?? make(item)]));
  for (const [key, element] of known) if (!next.has(key)) element.remove();
  let after = null;
  for (const item of items) {
    const element = next.get(keyOf(item));
    update(element, item);
    if (element.previousSibling !== after || element.parentNode !== parent) {
      parent.insertBefore(element, after ? after.nextSibling : parent.firstChild);
    }
    after = element;
  }
  parent.keyed = next;
}
