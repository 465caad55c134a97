// Shapes: what a layout is made of, as plain data that `draw.js` turns into SVG.
//
//   shape  { key, tag, attrs, text?, children? }
//
// A key is unique among its siblings and stays the same while the thing that it shows does, so that a redraw moves what is there.

/** A shape without children. */
export function shape(key, tag, attrs, text) {
  return text === undefined ? { key, tag, attrs } : { key, tag, attrs, text };
}

/** A group, moved to a place. */
export function group(key, x, y, attrs, children) {
  return { key, tag: "g", attrs: { ...attrs, transform: `translate(${round(x)} ${round(y)})` }, children };
}

/** A rectangle with round corners. */
export function box(key, [x, y, width, height], radius, attrs) {
  const place = {
    x: round(x),
    y: round(y),
    width: round(Math.max(0, width)),
    height: round(height),
    rx: round(radius),
  };
  return shape(key, "rect", { ...place, ...attrs });
}

/** A straight line. */
export function line(key, [x1, y1, x2, y2], attrs) {
  return shape(key, "path", { d: `M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}`, ...attrs });
}

/** A text; its place is that of its baseline. */
export function label(key, x, y, text, attrs) {
  return shape(key, "text", { x: round(x), y: round(y), ...attrs }, text);
}

/** What a pointer that rests on the shape is told, and what is read aloud. */
export function title(text) {
  return shape("title", "title", {}, text);
}

/** The band of an order: its hue, and over it its hatch. */
export function band(key, place, radius, { hue, hatch }) {
  return {
    key,
    tag: "g",
    attrs: {},
    children: [
      box("hue", place, radius, { class: `fill hue${hue}` }),
      ...(hatch ? [box("hatch", place, radius, { fill: `url(#hatch${hatch})` })] : []),
    ],
  };
}

/** A number with one digit behind the point, so that what did not move is written alike. */
export function round(number) {
  return Math.round(number * 10) / 10;
}
