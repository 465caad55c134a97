// Goes over a history, forth and back: pure but for the place at which it stands.
//
//   frames ─▶ moments: what happened, one event after the other ─▶ at(n): the state after the first n + 1 of them
//
// Every `EACH` moments a state is kept, which costs its reference only, and what lies between is applied again.

import { apply, initial } from "./model.js";

const EACH = 25;
/** How long a moment is shown at least, and a silence at most, at the speed of 1, in ms. */
const LEAST = 140;
const MOST = 8000;
/** In about so many redraws everything is shown, as fast as it goes. */
const REDRAWS = 90;

/**
 * The moments of a history, each with its time and its frames. Frames of one moment belong together; of several observations
 * in one frame each is a moment of its own.
 */
export function moments(frames) {
  const moments = [];
  let latest = Number.NEGATIVE_INFINITY;
  const add = (at, own) => {
    latest = Math.max(latest, at ?? latest);
    moments.push({ at: latest, frames: own });
  };
  for (const group of grouped(frames)) {
    const { at } = group[0];
    const first = group.filter(({ event }) => event !== "seen");
    const seen = group.filter(({ event }) => event === "seen").flatMap(({ data }) => data);
    if (seen.length < 2) {
      add(at ?? group[0].data?.now, group);
      continue;
    }
    for (const each of seen.slice(0, -1)) add(each.at, [{ event: "seen", at: each.at, data: [each] }]);
    add(at ?? seen.at(-1).at, [{ event: "seen", at: seen.at(-1).at, data: [seen.at(-1)] }, ...first]);
  }
  return moments;
}

function grouped(frames) {
  const groups = [];
  let last;
  for (const frame of frames) {
    const same = frame.moment !== undefined && frame.moment === last && frame.event !== "snapshot";
    if (same) groups.at(-1).push(frame);
    else groups.push([frame]);
    last = frame.moment;
  }
  return groups;
}

/** An observation in its own words: `taken #1 v2 P1@0`. */
function plainly({ what, event, place, ending, partition, position }) {
  const order = event ? `#${event.order} v${event.version ?? "?"}` : "";
  const where = place ? `P${place.partition}@${place.offset}` : "";
  const committed = position === undefined ? "" : `P${partition}@${position}`;
  return [what, order, where, committed, ending].filter(Boolean).join(" ");
}

/** A place in a history, and how it moves. */
export class Player {
  constructor({ header, frames }) {
    this.history = { header, frames };
    this.header = header;
    this.moments = moments(frames);
    this.kept = new Map();
    this.place = 0;
    this.speed = 1;
    this.playing = false;
    /** When each moment is shown, at the speed of 1. */
    this.due = [0];
    for (let at = 1; at < this.moments.length; at += 1) {
      const silence = this.moments[at].at - this.moments[at - 1].at;
      this.due.push(this.due[at - 1] + Math.min(MOST, Math.max(LEAST, silence)));
    }
    this.clock = 0;
    this.outcome = frames.findLast(({ event }) => event === "outcome")?.data ?? null;
  }

  get last() {
    return this.moments.length - 1;
  }

  get ended() {
    return this.place === this.last;
  }

  /** The state after a moment. */
  at(place) {
    let from = place - (place % EACH);
    while (from > 0 && !this.kept.has(from)) from -= EACH;
    let state = this.kept.get(from);
    if (!state) {
      from = 0;
      state = this.after(initial, 0);
      this.kept.set(0, state);
    }
    for (let next = from + 1; next <= place; next += 1) {
      state = this.after(state, next);
      if (next % EACH === 0) this.kept.set(next, state);
    }
    return state;
  }

  after(state, place) {
    const { at, frames } = this.moments[place];
    return frames.reduce((before, frame) => apply(before, { ...frame, at }), state);
  }

  /** The state at the place where it stands. */
  state() {
    if (this.shown?.place !== this.place) {
      const next =
        this.shown?.place === this.place - 1 ? this.after(this.shown.state, this.place) : this.at(this.place);
      this.shown = { place: this.place, state: next };
    }
    return this.shown.state;
  }

  /** The time of the mall there. While it is played, time goes on between two moments. */
  now() {
    const here = this.moments[this.place].at;
    const next = this.moments[this.place + 1]?.at ?? here;
    return Math.min(next, here + Math.max(0, this.clock - this.due[this.place]));
  }

  /** What is said of what happens there, in the shape of the frame's data: told by the history, or else by the observation. */
  says() {
    const { frames } = this.moments[this.place];
    const told = frames.findLast(({ event }) => event === "says")?.data;
    const seen = frames.findLast(({ event }) => event === "seen")?.data.at(-1);
    return told ?? (seen ? { tone: "plain", who: seen.who, english: plainly(seen) } : null);
  }

  seek(place) {
    this.place = Math.max(0, Math.min(this.last, Math.round(place) || 0));
    this.clock = this.due[this.place];
  }

  step(by) {
    this.playing = false;
    this.seek(this.place + by);
  }

  /** Plays, from the beginning if it stands at the end; or stops. */
  play(playing = !this.playing) {
    if (playing && this.ended) this.seek(0);
    this.playing = playing && this.last > 0;
  }

  /** Lets so many ms pass. True if it has moved. */
  pass(ms) {
    if (!this.playing) return false;
    const before = this.place;
    if (this.speed === "fast") this.seek(this.place + Math.max(1, Math.ceil(this.last / REDRAWS)));
    else {
      this.clock += ms * this.speed;
      while (this.place < this.last && this.due[this.place + 1] <= this.clock) this.place += 1;
    }
    if (this.ended) this.playing = false;
    return this.place !== before;
  }
}
