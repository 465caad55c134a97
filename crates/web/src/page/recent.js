// The last minutes of what was heard, so that they can be kept as a file. What is older is folded into the snapshot with which
// the file begins, so that memory has a bound.

import { PARTS } from "./checked.js";

/** For how long frames are kept, and about how many characters of them. */
const MINUTES = 10;
const CHARACTERS = 8 * 1024 * 1024;
/** What a snapshot holds, as the gateway's. */
const SEEN = 400;
const RECORDS = 40;
const GROWTH = 20;

export class Recent {
  constructor({ minutes = MINUTES, characters = CHARACTERS } = {}) {
    Object.assign(this, { longest: minutes * 60_000, most: characters, base: null, frames: [], first: 0, size: 0 });
  }

  /** Notes a frame that was heard; `at` is the mall's time, `length` about how long its data is. */
  heard({ event, data }, at, length) {
    if (!this.base && event !== "snapshot") return;
    if (!this.base) {
      this.base = { at, data };
      return;
    }
    this.frames.push({ at, event, data, length });
    this.size += length;
    while (this.frames.length > this.first && this.isTooMuch(at)) this.forget();
    if (this.first > 1000 && this.first > this.frames.length / 2) {
      this.frames.splice(0, this.first);
      this.first = 0;
    }
  }

  isTooMuch(now) {
    return this.size > this.most || this.frames[this.first].at < now - this.longest;
  }

  forget() {
    const { at, event, data, length } = this.frames[this.first];
    this.frames[this.first] = null;
    this.first += 1;
    this.size -= length;
    this.base = { at, data: folded(this.base.data, event, data) };
  }

  /** The frames of a file; none before anything was heard. */
  taken() {
    if (!this.base) return [];
    const { at, data } = this.base;
    const kept = this.frames.slice(this.first).map(({ at, event, data }) => ({ at, event, data }));
    return [{ at, event: "snapshot", data: { ...data, now: at } }, ...kept].map((frame, moment) => ({
      moment,
      ...frame,
    }));
  }
}

/** A snapshot after a frame. */
export function folded(snapshot, event, data) {
  if (event === "snapshot") return data;
  if (event === "seen") return { ...snapshot, seen: [...(snapshot.seen ?? []), ...data].slice(-SEEN) };
  if (event === "growth") return { ...snapshot, growth: [...(snapshot.growth ?? []), ...data].slice(-GROWTH) };
  if (event === "records") return { ...snapshot, records: lastOfEach([...(snapshot.records ?? []), ...data]) };
  if (event === "deliveries") {
    const changed = new Set(data.map(({ order }) => order));
    const others = (snapshot.deliveries ?? []).filter(({ order }) => !changed.has(order));
    return { ...snapshot, deliveries: [...others, ...data.filter(({ gone }) => !gone)] };
  }
  return PARTS.includes(event) ? { ...snapshot, [event]: data } : snapshot;
}

function lastOfEach(records) {
  const many = new Map();
  const kept = [];
  for (const record of [...records].reverse()) {
    const count = (many.get(record.partition) ?? 0) + 1;
    many.set(record.partition, count);
    if (count <= RECORDS) kept.push(record);
  }
  return kept.reverse();
}
