// Chips and lanes by keyboard: arrows go from one to the next.

import { byId, set } from "./dom.js";

/** Of the chips and lanes one can be reached by Tab, and from there the others by arrows. */
export function rove() {
  for (const id of ["tracks", "lens"]) {
    const stops = [...byId(id).querySelectorAll('[role="button"]')];
    const current = stops.find((stop) => stop === document.activeElement) ?? stops.at(id === "tracks" ? -1 : 0);
    for (const stop of stops) set(stop, "tabindex", stop === current ? "0" : "-1");
  }
}

export function go(where) {
  const current = document.activeElement.closest('[role="button"]');
  const svg = current?.closest("svg");
  if (!svg) return;
  const stops = [...svg.querySelectorAll('[role="button"]')];
  const to = { first: stops[0], last: stops.at(-1), ...next(stops, current) }[where];
  to?.focus();
  rove();
}

/** The neighbours of a chip: in its track to the left and right, and the nearest ones above and below. */
function next(stops, current) {
  const at = stops.indexOf(current);
  const here = current.getBoundingClientRect();
  const rows = stops.map((stop) => ({ stop, box: stop.getBoundingClientRect() }));
  const nearest = (below) => {
    const that = rows.filter(({ box }) => (below ? box.top > here.top + 1 : box.top < here.top - 1));
    const distance = ({ box }) => Math.abs(box.top - here.top) * 100 + Math.abs(box.left - here.left);
    return that.sort((one, other) => distance(one) - distance(other))[0]?.stop;
  };
  return { left: stops[at - 1], right: stops[at + 1], up: nearest(false), down: nearest(true) };
}
