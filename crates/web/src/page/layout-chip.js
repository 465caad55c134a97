// A record as a chip: its order by hue, hatch and number, its event by a glyph, its state by an outline and a sign.

import { cut } from "./format.js";
import { glyph, look, recordState, versionName } from "./looks.js";
import { band, box, group, label, round, shape, title } from "./shapes.js";

/** How wide a record is, and one of the delivery service's own, and how high, in widths of the font. */
export const CHIP = 4.1;
export const NARROW = 0.7;
export const CHIP_HEIGHT = 2.7;

/** Whether a record is none of an order's events, which are what this is about. */
export function isForeign(record) {
  return (record.delivery ?? null) !== null || record.ending === "foreign";
}

/** A record at its place in the track; `view` has x, y, em, the selected order, now, `say`, and what is committed. */
export function chipShape(state, record, view) {
  const { x, y, em, say } = view;
  const key = `p${record.partition} @${record.offset}`;
  if (isForeign(record)) {
    const told = `${record.name ?? say("delivery")}, P${record.partition}@${record.offset}`;
    const bar = box("bar", [0, 0.5 * em, NARROW * em, (CHIP_HEIGHT - 1) * em], 0.2 * em, { class: "foreign" });
    return group(key, x, y, {}, [bar, title(told)]);
  }
  const found = recordState(state, record, view.committed);
  return group(key, x, y, chipAttrs(record, found, view), chip(record, found, view));
}

function chipAttrs(record, found, { selected }) {
  const order = record.order ?? undefined;
  const pressed = order !== undefined && order === selected;
  return {
    class: `chip ${found.word} hue${look(order).hue}${pressed ? " selected" : ""}`,
    role: "button",
    tabindex: -1,
    "aria-pressed": String(pressed),
    "data-order": order,
  };
}

/** What a record is and how far it is, in words. */
export function describe(record, found, say) {
  const order = (record.order ?? null) === null ? say("notKnown") : `${say("order")} ${record.order}`;
  const what = [order, versionName(record.version), record.name ?? "", `P${record.partition}@${record.offset}`];
  return `${what.filter(Boolean).join(" ")}: ${stateWord(found, say)}${found.work ? `, ${found.work.by}` : ""}`;
}

/** The state of a record in words. */
export function stateWord({ word, version }, say) {
  if (word === "refused") return say("refusedState");
  if (word !== "parked") return say(word);
  const { parked } = version;
  if (parked.reason === "poison") return say("waitsPoison");
  return `${say("parked")}, ${say(parked.worker ? "waitsForBy" : "waitsFor", parked)}`;
}

/** A chip with an outline of its own, at 0,0. */
export function chip(record, found, { em, say, now }) {
  const height = CHIP_HEIGHT * em;
  const name = (record.order ?? null) === null ? "?" : `#${record.order}`;
  const below = `${versionName(record.version)} ${glyph(record.name)}`;
  return [
    box("halo", [-0.22 * em, -0.22 * em, (CHIP + 0.44) * em, height + 0.44 * em], 0.5 * em, { class: "halo" }),
    box("body", [0, 0, CHIP * em, height], 0.3 * em, { class: "body" }),
    band("band", [0.16 * em, 0.16 * em, 0.5 * em, height - 0.32 * em], 0.2 * em, look(record.order)),
    label("name", 0.85 * em, 1.15 * em, cut(name, 4.6), {
      class: `chip-name${["", " long", " longer"][Math.min(2, Math.max(0, name.length - 3))]}`,
    }),
    label("event", 0.85 * em, 2.25 * em, below, { class: "chip-event" }),
    label("offset", (CHIP / 2) * em, height + 0.95 * em, String(record.offset ?? ""), { class: "tiny muted middle" }),
    ...sign(found, now, em, name.length > 5 ? 1.95 : 0.8),
    title(describe(record, found, say)),
  ];
}

/** The sign at a chip's corner: what its outline means, for whoever doesn't see outlines. */
function sign({ word, work }, now, em, height) {
  const [x, y, r] = [(CHIP - 0.58) * em, height * em, 0.36 * em];
  if (word === "working") return arc(work, now, [x, y, r]);
  if (word === "broken") return [warning("sign", (CHIP - 0.35) * em, -0.05 * em, 0.62 * em)];
  if (word === "parked") {
    const d = [-0.2, 0.2].map((beside) => `M${round(x + beside * em)} ${round(y - r)}v${round(2 * r)}`).join("");
    return [shape("sign", "path", { d, class: "bars" })];
  }
  const signs = { same: "=", stale: "⊘", refused: "!", zombie: "z" };
  return signs[word] ? [label("sign", x, y + 0.33 * em, signs[word], { class: "chip-sign middle" })] : [];
}

/** The part of its work that is done, as an arc; of work whose length is not known, a quarter. */
function arc(work, now, [x, y, r]) {
  const ring = { cx: round(x), cy: round(y), r: round(r), pathLength: 100 };
  const part = work.takes ? Math.min(1, Math.max(0.03, (now - work.begun) / work.takes)) : 0.25;
  const turned = `rotate(-90 ${round(x)} ${round(y)})`;
  return [
    shape("ring", "circle", { ...ring, class: "ring" }),
    shape("sign", "circle", {
      ...ring,
      class: "arc",
      "stroke-dasharray": `${Math.round(part * 100)} 100`,
      transform: turned,
    }),
  ];
}

/** A triangle that points up: the sign of an anomaly. */
export function warning(key, x, y, r) {
  const [a, b] = [round(r), round(r * 0.75)];
  return shape(key, "path", {
    d: `M${round(x)} ${round(y - r)}l${a} ${round(r + b)}h${round(-2 * r)}z`,
    class: "warning",
  });
}
