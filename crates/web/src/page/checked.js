// Whether a frame of a file is one that the page can show. A file may come from anywhere, so what does not have the shape that
// `GET /live` gives it is not shown at all. Pure.

/** The longest text, the longest list, and the highest time of a date. */
const TEXT = 20_000;
const MANY = 5000;
const LATEST = 8.64e15;

const int = (value) => Number.isSafeInteger(value);
const number = (value) => typeof value === "number" && Number.isFinite(value);
const time = (value) => int(value) && Math.abs(value) <= LATEST;
const text = (value) => typeof value === "string" && value.length <= TEXT;
const flag = (value) => typeof value === "boolean";
const object = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
/** It may be there or not; null counts as not. */
const maybe = (is) => (value) => value === undefined || value === null || is(value);
const list = (is) => (value) => Array.isArray(value) && value.length <= MANY && value.every(is);
const one = (...words) => {
  const known = new Set(words);
  return (value) => known.has(value);
};
const has = (parts) => (value) =>
  object(value) &&
  Object.entries(parts).every(([name, is]) => is(Object.hasOwn(value, name) ? value[name] : undefined));
const either = (one, other) => (value) => one(value) || other(value);

const said = either(text, has({ english: maybe(text), korean: maybe(text) }));
const place = has({ partition: int, offset: int });
const event = has({ order: int, delivery: maybe(int), version: maybe(int), name: maybe(text) });
const side = has({ status: maybe(text), version: maybe(int) });
const modes = has({ key: maybe(text), guard: maybe(text), lanes: maybe(int) });

const WHATS = [
  ...["committed", "published", "assigned", "revoked", "lost", "taken", "skipped", "rewound", "offset-committed"],
  ...["offset-refused", "begun", "tried-again", "handed-over", "passed-over", "finished", "lease-won", "lease-lost"],
  ...["grown", "started", "stopped", "killed", "frozen", "woken", "verdict"],
];
const ENDINGS = [
  ...["applied", "out-of-order", "applied-again", "applied-early", "duplicate", "early", "parked", "stale", "poison"],
  ...["buried", "given-up", "ignored", "foreign"],
];
const STATES = ["serving", "starting", "frozen", "stopping", "stopped", "away", "unheard"];

/** `partitions` of an observation: numbers where they are given back, assignments where they are taken. */
const observed = has({
  at: time,
  who: text,
  what: one(...WHATS),
  event: maybe(event),
  place: maybe(place),
  key: maybe(text),
  partition: maybe(int),
  position: maybe(int),
  epoch: maybe(int),
  order: maybe(int),
  version: maybe(int),
  takes: maybe(number),
  took: maybe(number),
  why: maybe(text),
  turn: maybe(text),
  ending: maybe(one(...ENDINGS)),
  status: maybe(text),
  reason: maybe(text),
  next: maybe(int),
  name: maybe(text),
  english: maybe(text),
  korean: maybe(text),
  before: maybe(has({ version: maybe(int) })),
  worker: maybe(has({ instance: text })),
  by: maybe(has({ instance: text })),
});
const takes = { committed: "event", published: "place", taken: "place", begun: "event", "handed-over": "event" };

function seen(value) {
  if (!observed(value)) return false;
  if (value.what === "assigned") return list(has({ partition: int, epoch: maybe(int) }))(value.partitions);
  if (value.what === "revoked" || value.what === "lost") return list(int)(value.partitions);
  if (value.what === "finished" && !value.ending) return false;
  return !takes[value.what] || Boolean(value[takes[value.what]]);
}

const fact = has({
  what: said,
  version: maybe(int),
  partition: maybe(int),
  offset: maybe(int),
  instance: maybe(text),
  timestamp: maybe(time),
});
const found = has({
  order: int,
  name: text,
  kind: one("harm", "hazard"),
  says: said,
  evidence: maybe(list(fact)),
  cause: maybe(text),
  remedy: maybe(said),
});

const FRAMES = {
  seen: list(seen),
  records: list(
    has({
      partition: int,
      offset: int,
      at: maybe(time),
      key: maybe(text),
      order: maybe(int),
      version: maybe(int),
      name: maybe(text),
      delivery: maybe(int),
    }),
  ),
  partitions: list(has({ partition: int, start: int, end: int, committed: maybe(int), lag: int })),
  growth: list(has({ at: time, from: int, to: int, ends: list(int) })),
  group: maybe(
    has({
      state: text,
      generation: maybe(int),
      members: list(has({ name: text, modes: maybe(modes), partitions: list(int), idle: maybe(text) })),
    }),
  ),
  roles: list(
    has({
      name: text,
      kind: text,
      url: maybe(text),
      supervised: maybe(flag),
      state: one(...STATES),
      modes: maybe(modes),
      instance: maybe(text),
      pid: maybe(int),
    }),
  ),
  deliveries: list(
    either(
      has({ order: int, gone: (value) => value === true }),
      has({ order: int, expected: maybe(side), actual: maybe(side), inFlight: maybe(flag) }),
    ),
  ),
  verdict: has({
    state: one("ordered", "harm", "unknown", "starting", "away"),
    orders: int,
    harm: int,
    hazards: int,
    underWay: maybe(flag),
    found: list(found),
    doubts: maybe(list(has({ says: said }))),
  }),
  rates: maybe(has({ committed: number, published: number, applied: number, lag: number, thinned: maybe(flag) })),
  away: list(has({ what: text, why: text })),
  missed: has({ who: maybe(text), missed: maybe(int) }),
  mall: maybe(
    has({ topic: maybe(text), group: maybe(text), log: maybe(text), database: maybe(text), commands: maybe(text) }),
  ),
  says: has({ english: text, korean: text, tone: one("plain", "step", "bad", "good"), who: maybe(text) }),
  outcome: has({
    asExpected: flag,
    harm: flag,
    failure: maybe(said),
    came: list(text),
    answer: maybe(said),
    cure: maybe(said),
  }),
};

/** The parts of a snapshot; each has the shape of its own frame. */
export const PARTS = [
  "roles",
  "partitions",
  "records",
  "growth",
  "seen",
  "group",
  "deliveries",
  "verdict",
  "rates",
  "away",
];

function snapshot(value) {
  if (!has({ now: maybe(time), mall: FRAMES.mall })(value)) return false;
  return PARTS.every((part) => !Object.hasOwn(value, part) || maybe(FRAMES[part])(value[part]));
}

/** Whether a frame can be shown: "yes", "no", or "unknown" for one of a kind that a later version may have. */
export function frameIs(frame) {
  if (!has({ event: text, at: maybe(time), moment: maybe(int) })(frame)) return "no";
  if (frame.event === "snapshot") return snapshot(frame.data) ? "yes" : "no";
  if (!Object.hasOwn(FRAMES, frame.event)) return "unknown";
  return FRAMES[frame.event](frame.data) ? "yes" : "no";
}

/** Whether the first line of a file is a header that can be read. */
export const isHeader = has({
  history: int,
  mall: maybe(text),
  source: maybe(text),
  scenario: maybe(has({ name: text, title: maybe(said) })),
  run: maybe(text),
  world: maybe(text),
  order: maybe(int),
  orders: maybe(int),
  shown: maybe(int),
});
