// From times to places: what happened later stands further to the right, but it is no scale, as labels need their room.

import { isOpen, tookEffect } from "./orders.js";

/** The room between two labels on one rail, and between two ends of bars, in widths of the font. */
const ROOM = { upper: 2.9, lower: 2.9, row: 0.7 };
/** The room between any two times that differ. */
const STEP = 0.35;
/** The most room that a second takes beyond that, so that what was quick looks quick. */
const SECOND = 5;

/** Everything of an order that is drawn, by time: `at`, and the rail or row on which it stands. */
export function moments(order, versions, now) {
  const shown = new Set(versions.map((version) => version.key));
  const effects = order.effects.filter((effect) => shown.has(effect.key)).map(({ at }) => ({ at, rail: "lower" }));
  const all = [...versions.flatMap((version) => ofVersion(version, now)), ...effects];
  return all.filter(({ at }) => at !== undefined).sort((one, other) => one.at - other.at);
}

function ofVersion(version, now) {
  const { parked } = version;
  return [
    { at: version.written ?? version.published, rail: "upper" },
    ...version.works.flatMap((work) => [
      { at: work.at, rail: "row" },
      { at: endOf(work, now), rail: tookEffect(work.ending) ? "lower" : "row" },
    ]),
    { at: parked && (parked.until ?? Math.max(now, parked.at)), rail: "row" },
  ];
}

/** When an attempt ended: now, if it goes on; when it began, if its process is gone. */
export function endOf(work, now) {
  return work.end ?? (isOpen(work) ? Math.max(now, work.at) : work.at);
}

/** A function from the time of a moment to its place between `from` and `to`. */
export function axis(moments, [from, to], em) {
  if (!moments.length) return () => from;
  const places = spread(moments);
  const [start, least] = [places[0].at, places.at(-1).x * em];
  const span = Math.max(1, places.at(-1).at - start);
  const squeeze = Math.min(1, (to - from) / Math.max(1, least));
  const spare = Math.max(0, Math.min(to - from - least, (span / 1000) * SECOND * em));
  const placed = new Map(places.map(({ at, x }) => [at, from + x * em * squeeze + (spare * (at - start)) / span]));
  return (at) => placed.get(at) ?? from;
}

/** Each time once, with the least place that leaves every label its room. */
function spread(moments) {
  const last = {};
  const places = [];
  let x = 0;
  for (const { at, rail } of moments) {
    const before = places.at(-1);
    if (before && before.at !== at) x += STEP;
    if (last[rail] && last[rail].at !== at) x = Math.max(x, last[rail].x + ROOM[rail]);
    last[rail] = { at, x };
    if (before?.at === at) before.x = x;
    else places.push({ at, x });
  }
  return places;
}
