// How orders, events and states look: never by colour alone.
//
//   order  a hue of Okabe and Ito's, a hatch and its printed number; vermillion is kept for anomalies
//   event  a glyph: + placed, ✎ modified, × cancelled
//   state  an outline: hollow waiting, arc in flight, solid done, dashed zombie, bars parked

import { isBroken } from "./model.js";
import { isOpen, placeKey, tookEffect, versionKey } from "./orders.js";

const HUES = 6;
const HATCHES = 4;

/** The number of an order's hue and that of its hatch; orders next to each other differ in hue. */
export function look(order) {
  const number = Math.abs(Math.trunc(order ?? 0));
  return { hue: number % HUES, hatch: Math.floor(number / HUES) % HATCHES };
}

/** The glyph of an event's kind. */
export function glyph(name) {
  if (/Placed|Started/.test(name ?? "")) return "+";
  if (/Modified/.test(name ?? "")) return "✎";
  if (/Cancelled/.test(name ?? "")) return "×";
  return name ? "?" : "";
}

/** `v2`, or `v?` where the producer numbers no events. */
export function versionName(version) {
  return `v${version ?? "?"}`;
}

/** What became of a record, in one word, with the attempt that says so. */
export function recordState(state, record, committed) {
  if (record.delivery !== undefined && record.delivery !== null) return { word: "delivery" };
  if (record.skipped) return { word: "done" };
  const version = versionOf(state, record);
  const here = placeKey(record);
  const works = version?.works.filter((work) => work.place && placeKey(work.place) === here) ?? [];
  const work = works.findLast((each) => each.zombie && isOpen(each)) ?? works.at(-1);
  if (work) return { word: wordOf(version, work, state), work, version };
  if (record.ending) return { word: record.ending === "foreign" ? "delivery" : "refused" };
  return { word: committed !== null && committed !== undefined && record.offset < committed ? "done" : "waiting" };
}

/** Which effect of a version broke the order; none if none did. */
export function brokenEffect(order, version) {
  return order?.effects.find((effect) => effect.key === version.key && isBroken(effect));
}

function versionOf(state, record) {
  if (record.order === null || record.order === undefined) return undefined;
  return state.orders.get(record.order)?.versions.get(versionKey(record, record));
}

function wordOf(version, work, state) {
  if (work.left && work.end === undefined) return "waiting";
  if (work.zombie && work.end === undefined) return "zombie";
  if (isOpen(work)) return work.begun === undefined && !work.handed ? "taken" : "working";
  if (tookEffect(work.ending)) return isBroken(work) ? "broken" : "done";
  if (version.parked && version.parked.until === undefined) return "parked";
  return ENDED[work.ending] ?? doneLater(version, state);
}

const ENDED = { duplicate: "same", stale: "stale", buried: "refused", "given-up": "same", ignored: "same" };

/** A record that was parked, and whose event an attempt after it has handled. */
function doneLater(version) {
  const effect = version.works.findLast((work) => tookEffect(work.ending));
  if (effect) return isBroken(effect) ? "broken" : "done";
  return version.works.some(isOpen) ? "working" : "done";
}
