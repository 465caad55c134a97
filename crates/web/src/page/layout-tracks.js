// Where everything of the topic and its readers stands: state → shapes.
//
//   P0  ┆+3 older  ▮#1+ ▮#1✎ │committed ▒▒▮#2+▒▒ ‖end ────▶ delivery-1
//   P1             ▮#1× ‖end ─────────────────────────────▶ delivery-2
//                      ┊ 1 → 2 partitions
//
// A track is a partition, and x grows with the offset; it is no scale, as records of the delivery service are drawn narrow.
// Lengths are in the font's size (`em`), so that a projector's larger type makes larger shapes.

import { widthOf } from "./format.js";
import { CHIP, CHIP_HEIGHT, chipShape, isForeign, NARROW } from "./layout-chip.js";
import { cardShapes } from "./layout-instances.js";
import { ownerOf } from "./model.js";
import { box, label, line, round, shape } from "./shapes.js";
import { partitionsInSight } from "./sight.js";

const LABEL = 2.6;
const GAP = 0.35;
/** The room for how many older records there are. */
const OLDER = 5;
const ROW = 5.6;
const CHIP_TOP = 1.45;
const CARDS = 19;
const CARDS_GAP = 5;
/** Below so many widths of the font there is no room for the instances beside the tracks. */
const WIDE = 52;

/** The shapes, and the height that they take. `view` has width and em in pixels, the selected order, now, and `say`. */
export function layoutTracks(state, view) {
  const { width, em } = view;
  const wide = width / em >= WIDE;
  const right = wide ? width - (CARDS + CARDS_GAP) * em : width - 0.5 * em;
  const sight = partitionsInSight(state, view.selected);
  const rows = sight.shown.map((partition, index) => {
    return track(state, partition, { ...view, left: LABEL * em, right, top: index * ROW * em });
  });
  const rowsHeight = (rows.length * ROW + (sight.more ? 1.6 : 0)) * em;
  const cards = wide
    ? cardShapes(state, view, [width - CARDS * em, 0.4 * em, CARDS * em])
    : cardShapes(state, view, [0, rowsHeight + 0.8 * em, width]);
  if (!rows.length && state.known) {
    cards.shapes.push(label("none", 0, 1.6 * em, view.say("noPartitions"), { class: "small muted" }));
  }
  const joined = wide ? connectors(rows, cards.places, em) : [];
  const more = sight.more
    ? [
        label("more", 0, rowsHeight - 0.6 * em, view.say("morePartitions", { count: sight.more, lag: sight.lag }), {
          class: "small muted",
        }),
      ]
    : [];
  const shapes = [
    ...rows.flatMap((row) => row.shapes),
    ...more,
    ...growthLines(state, rows, view),
    ...joined,
    ...cards.shapes,
  ];
  return { shapes, height: Math.max(rowsHeight, cards.bottom) + 0.3 * em };
}

function track(state, partition, view) {
  const { em, left, top, say } = view;
  const { partition: number, committed, lag } = partition;
  const records = state.records.get(number) ?? [];
  const { slots, older } = slotsOf(records, partition, view);
  const middle = top + (CHIP_TOP + CHIP_HEIGHT / 2) * em;
  const stop = slots.at(-1) ? slots.at(-1).x + slots.at(-1).width + GAP * em : left + (older ? OLDER : 0.6) * em;
  const at = (offset) => slots.find((slot) => slot.record.offset >= offset)?.x ?? stop + 0.05 * em;
  const positionX = committed === null ? null : at(committed) - (GAP / 2) * em;
  const shapes = [];
  const key = (part) => `p${number} ${part}`;

  shapes.push(label(key("name"), 0, middle + 0.45 * em, `P${number}`, { class: "track-name" }));
  shapes.push(line(key("rail"), [left + (older ? OLDER - 0.3 : 0) * em, middle, stop, middle], { class: "rail" }));
  if (lag > 0) {
    const from = positionX === null ? left : Math.max(left, positionX);
    const place = [from, top + (CHIP_TOP - 0.25) * em, stop - from, (CHIP_HEIGHT + 0.5) * em];
    shapes.push(box(key("lag"), place, 0.2 * em, { class: "lag" }));
  }
  if (older > 0) {
    shapes.push(label(key("older"), left, middle + 0.3 * em, say("older", { count: older }), { class: "small muted" }));
  }
  const chips = { ...view, y: top + CHIP_TOP * em, committed };
  shapes.push(...slots.map((slot) => chipShape(state, slot.record, { ...chips, x: slot.x })));
  shapes.push(line(key("end"), [stop, top + 1.15 * em, stop, top + 4.45 * em], { class: "end" }));
  shapes.push(...positions(partition, { ...view, key, stop, positionX }));
  const owner = ownerOf(state, number);
  if (owner === null && state.known) {
    shapes.push(label(key("nobody"), stop + 0.8 * em, middle + 0.3 * em, say("noReader"), { class: "small strong" }));
  }
  return { shapes, stop, middle, top, at, left, number, owner };
}

/** What is said above a track: up to where it is committed, where it ends, and how much lies between. */
function positions({ end, committed, lag }, { em, top, right, left, say, key, stop, positionX }) {
  const y = top + 0.9 * em;
  const said = committed === null ? say("committedNone") : say("committed", { position: committed });
  const ends = lag > 0 ? say("endLag", { end, lag }) : say("end", { end });
  const both = lag > 0 && committed !== null ? ends : `${ends}, ${said}`;
  const endsAt = Math.max(left, Math.min(stop, right - widthOf(both) * 0.84 * em));
  const shapes = [label(key("end name"), endsAt, y, both, { class: lag > 0 ? "small strong" : "small muted" })];
  if (lag > 0 && positionX !== null) {
    const bar = [positionX, top + 1.15 * em, positionX, top + 4.45 * em];
    const saidAt = Math.max(0, Math.min(positionX, endsAt - 0.8 * em) - widthOf(said) * 0.84 * em);
    shapes.push(line(key("committed"), bar, { class: "committed" }));
    shapes.push(label(key("committed name"), saidAt, y, said, { class: "small muted" }));
  }
  return shapes;
}

/** The newest records that have room, each with its place, and how many older ones there are. */
function slotsOf(records, partition, view) {
  const { em, left, right } = view;
  const wide = records.map((record) => ({ record, width: (isForeign(record) ? NARROW : CHIP) * em }));
  const room = right - left - 1.2 * em;
  const needed = (slots) => slots.reduce((sum, slot) => sum + slot.width + GAP * em, 0);
  let from = 0;
  const hides = () => from > 0 || (wide[0] && wide[0].record.offset > partition.start);
  while (from < wide.length && needed(wide.slice(from)) + (hides() ? OLDER * em : 0) > room) from += 1;
  const slots = wide.slice(from);
  const older = slots.length ? slots[0].record.offset - partition.start : partition.end - partition.start;
  let x = left + (older > 0 ? OLDER : 0.6) * em;
  for (const slot of slots) {
    slot.x = x;
    x += slot.width + GAP * em;
  }
  return { slots, older: Math.max(0, older) };
}

/** Where the topic grew: what stands left of the line was written while there were fewer partitions. */
function growthLines(state, rows, { em, say }) {
  return state.growth.flatMap((growth, index) => {
    const here = rows.filter((row) => row.number < growth.to);
    if (!here.length) return [];
    const points = here.flatMap((row) => {
      const end = growth.ends?.[row.number];
      const x = end === undefined ? row.left + 0.1 * em : Math.min(row.at(end), row.stop) - 0.17 * em;
      return [
        [x, row.top + 0.2 * em],
        [x, row.top + (ROW - 0.3) * em],
      ];
    });
    const d = points.map(([x, y], at) => `${at ? "L" : "M"}${round(x)} ${round(y)}`).join("");
    const [x, y] = points[0];
    const key = `growth ${index} ${growth.at}`;
    return [
      shape(key, "path", { d, class: "growth" }),
      growthName(`${key} name`, x, y + 0.7 * em, say("growth", growth), em),
    ];
  });
}

/** Beside the line: at its left, where no track ends, if there is room. */
function growthName(key, x, y, text, em) {
  const fits = x > widthOf(text) * 0.84 * em + em;
  return label(key, fits ? x - 0.35 * em : x + 0.35 * em, y, text, {
    class: `small growth-name${fits ? " end-aligned" : ""}`,
  });
}

/** Lines from the tracks to who reads them. */
function connectors(rows, places, em) {
  return rows.flatMap((row) => {
    const place = places.get(row.owner);
    if (!place) return [];
    const [from, to, y] = [row.stop + 0.5 * em, place.x, place.y];
    const bend = place.x - 2.4 * em;
    const d = `M${round(from)} ${round(row.middle)}H${round(bend - 2 * em)}C${round(bend)} ${round(row.middle)} ${round(bend)} ${round(y)} ${round(to - 0.7 * em)} ${round(y)}`;
    const head = `M${round(to - 0.9 * em)} ${round(y - 0.4 * em)}l${round(0.8 * em)} ${round(0.4 * em)}l${round(-0.8 * em)} ${round(0.4 * em)}`;
    return [
      shape(`p${row.number} to`, "path", { d, class: place.held ? "connector held" : "connector" }),
      shape(`p${row.number} head`, "path", { d: head, class: "connector" }),
    ];
  });
}
