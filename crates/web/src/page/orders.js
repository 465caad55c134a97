// What an observation does to what is known of an order: a pure function of the order and the observation.
//
//   order    { id, touched, versions: Map(key → version), effects: [effect] }
//   version  { version, name, written, published, places, works: [work], parked, passed }
//   work     { by, at, place, epoch, begun, takes, handed, tries, why, end, ending, zombie, left }
//   effect   { version, at, by, place, ending, status, before }
//
// Times are ms since 1970; `zombie` is when somebody else got the work's partition. A version is one step of the order; each
// attempt of an instance to handle it is a work. Effects stand by time, as instances are not heard in the order of what they do.

/** The most versions and effects that are kept of one order, and attempts of one version. */
const VERSIONS = 16;
const EFFECTS = 32;
const WORKS = 6;

/** The endings with which an event took effect, although that was not its place. */
export const BROKEN = new Set(["out-of-order", "applied-again", "applied-early"]);

/** An order of which nothing is known yet. */
export function unknown(id) {
  return { id, touched: 0, versions: new Map(), effects: [] };
}

/** Whether an ending is one in which the event took effect. */
export function tookEffect(ending) {
  return ending === "applied" || BROKEN.has(ending);
}

/** Whether an instance is still at work: begun, not ended, and its process neither gone (`left: "gone"`) nor out of reach (`left: "away"`). */
export function isOpen(work) {
  return work.end === undefined && !work.left;
}

/** Under what a version is kept: its number or, where the producer numbers none, the place of its record. */
export function versionKey(event, place) {
  return event.version ?? (place ? placeKey(place) : "?");
}

/** `0@7` */
export function placeKey(place) {
  return `${place.partition}@${place.offset}`;
}

/** The order after an observation about one of its events. */
export function observe(order, seen) {
  const act = ACTS[seen.what];
  if (!act) return order;
  const key = seen.event ? versionKey(seen.event, seen.place) : seen.version;
  const before = order.versions.get(key) ?? fresh(seen, key);
  if (isKnown(before, seen)) return order;
  const { version, effect } = act(before, seen);
  const versions = bounded(new Map(order.versions).set(key, version));
  const effects = effect
    ? [...order.effects, effect].sort((one, other) => one.at - other.at).slice(-EFFECTS)
    : order.effects;
  return { ...order, touched: Math.max(order.touched, seen.at), versions, effects };
}

/** The order after a change of every attempt that has not ended and for which `when` holds. */
export function changeWorks(order, when, change) {
  const hit = (work) => work.end === undefined && when(work);
  if (![...order.versions.values()].some((version) => version.works.some(hit))) return order;
  const versions = new Map();
  for (const [key, version] of order.versions) {
    const works = version.works.map((work) => (hit(work) ? { ...work, ...change } : work));
    versions.set(key, version.works.some(hit) ? { ...version, works } : version);
  }
  return { ...order, versions };
}

function isSame(one, other) {
  return one?.partition === other?.partition && one?.offset === other?.offset;
}

/** Whether an attempt's beginning or end was told before, as when a role's observations are read anew. */
function isKnown({ works }, { what, who, at, place }) {
  const time = { taken: "at", "handed-over": "at", begun: "begun", finished: "end" }[what];
  const same = (work) => work.by === who && work[time] === at && isSame(work.place, place);
  return time !== undefined && works.some(same);
}

const ACTS = {
  committed: (version, seen) => ({ version: { ...version, written: seen.at } }),
  published: (version, seen) => ({ version: placed({ ...version, published: seen.at }, seen.place) }),
  taken: (version, seen) => ({ version: placed(begin(version, seen, {}), seen.place) }),
  begun: (version, seen) => ({ version: change(version, seen, { begun: seen.at, takes: seen.takes / 1000 }) }),
  "tried-again": (version, seen) => ({
    version: change(version, seen, (work) => ({ tries: (work.tries ?? 0) + 1, why: seen.why })),
  }),
  "handed-over": (version, seen) => ({
    version: begin({ ...version, parked: over(version.parked, seen) }, seen, { handed: seen.turn }),
  }),
  "passed-over": (version, seen) => ({ version: { ...version, passed: seen.at } }),
  finished,
};

function finished(version, seen) {
  const ended = change(version, seen, (work) => ({
    end: seen.at,
    ending: seen.ending,
    // Who was done before its partition went to somebody else was none, although that was heard first.
    zombie: seen.at > work.zombie ? work.zombie : undefined,
    at: Math.min(work.at, seen.at),
    why: seen.why,
    ended: seen.by?.instance,
  }));
  if (tookEffect(seen.ending)) {
    const { at, who: by, place, ending, status, before } = seen;
    return {
      version: { ...ended, parked: over(ended.parked, seen) },
      effect: { version: version.version, key: version.key, at, by, place, ending, status, before },
    };
  }
  return { version: { ...ended, parked: parkedBy(ended, seen) } };
}

/** What is known of a parked event's wait, once an attempt has ended without an effect. */
function parkedBy({ parked, works }, seen) {
  const { at, who: by, ending, reason, next, why } = seen;
  // Whoever went on with it may have been heard first.
  const until = works.find((work) => work.at >= at && (work.handed || tookEffect(work.ending)))?.at;
  if (ending === "early") return { at, by, reason, next, worker: seen.worker?.instance ?? null, until };
  if (ending === "poison") return { at, by, reason: "poison", why, until };
  return parked;
}

function over(parked, seen) {
  return parked && parked.until === undefined ? { ...parked, until: seen.at, turn: seen.turn } : parked;
}

function fresh(seen, key) {
  return { key, version: seen.event?.version ?? seen.version, name: seen.event?.name, places: [], works: [] };
}

function placed(version, place) {
  const known = version.places.some((other) => placeKey(other) === placeKey(place));
  return known ? version : { ...version, places: [...version.places, place].slice(-WORKS) };
}

function begin(version, seen, more) {
  const work = { by: seen.who, at: seen.at, place: seen.place, epoch: seen.epoch, ...more };
  return { ...version, name: version.name ?? seen.event.name, works: [...version.works, work].slice(-WORKS) };
}

/** Changes the attempt that the observation is about. Of one whose beginning nobody saw, that is made up for first. */
function change(version, seen, changes) {
  const own = (work) => work.by === seen.who && work.end === undefined && isSame(work.place, seen.place);
  const at = version.works.findLastIndex(own);
  if (at < 0) {
    const began = { ...seen, at: seen.at - (seen.took ?? 0) / 1000 };
    return change(begin(version, began, {}), seen, changes);
  }
  const work = version.works[at];
  const values = typeof changes === "function" ? changes(work) : changes;
  return { ...version, works: version.works.with(at, { ...work, left: undefined, ...values }) };
}

function bounded(versions) {
  while (versions.size > VERSIONS) versions.delete(versions.keys().next().value);
  return versions;
}
