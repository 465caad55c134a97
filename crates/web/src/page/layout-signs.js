// The signs of the picture, each with what it means, for the help.

import { CHIP, CHIP_HEIGHT, chip, NARROW, warning } from "./layout-chip.js";
import { box, group } from "./shapes.js";

const PLACED = { partition: 0, order: 1, version: 1, name: "OrderPlaced" };

/** Each sign: its shapes in a drawing of 4 by 3.4 widths of the font, and its meaning. */
export function signs(em, say) {
  const now = 4000;
  const working = { by: "", begun: 0, takes: 10_000 };
  const parked = { parked: { reason: "gap", next: 2 } };
  const words = ["waiting", "taken", "working", "parked", "done", "broken", "zombie", "same", "stale", "refused"];
  const states = words.map((word) => {
    const found = {
      word,
      ...(word === "working" ? { work: working } : {}),
      ...(word === "parked" ? { version: parked } : {}),
    };
    const says = word === "refused" ? say("refusedState") : say(word);
    return { says, shapes: [drawn(word, PLACED, found, { em, say, now })] };
  });
  const kinds = [
    ["OrderPlaced", "signPlaced"],
    ["OrderModified", "signModified"],
    ["OrderCancelled", "signCancelled"],
  ].map(([name, key], at) => {
    const record = { ...PLACED, order: 2 + at, version: at + 1, name };
    return { says: say(key), shapes: [drawn("done", record, { word: "done" }, { em, say, now })] };
  });
  const bar = box("bar", [0.3 * em, 0.6 * em, NARROW * em, (CHIP_HEIGHT - 1) * em], 0.2 * em, { class: "foreign" });
  const own = drawn("done", { ...PLACED, order: 8 }, { word: "done" }, { em, say, now });
  return [
    ...kinds,
    { says: say("signHue"), shapes: [own] },
    ...states,
    { says: say("delivery"), shapes: [bar] },
    { says: say("anomalies"), shapes: [warning("sign", (CHIP / 4) * em, 1.2 * em, 0.7 * em)] },
  ];
}

function drawn(word, record, found, view) {
  const hue = `hue${record.order % 6}`;
  return group(word, 0.2 * view.em, 0.5 * view.em, { class: `chip ${word} ${hue}` }, chip(record, found, view));
}
