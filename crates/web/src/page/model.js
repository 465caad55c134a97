// The picture as a pure function of the frames of `GET /live`, or of a recorded file: apply(state, frame) → state.
//
//   frame  { event: "seen" | "records" | …, data, at? }
//   state  { known, now, mall, roles, group, partitions, records, orders, owners, deliveries, verdict, rates, growth, away, missed, resynced, log }
//
// Invariants
// * A state is never changed: a frame makes a new one, which shares with the old one what the frame is not about. To keep a
//   state, for going back to it, costs no more than its reference.
// * Bounded whatever the load: 40 records of a partition, 60 orders and those in trouble, 100 lines of the log.
// * What is shown was observed. Nothing is guessed from what usually happens.

import { PARTS } from "./checked.js";
import { BROKEN, changeWorks, observe, unknown } from "./orders.js";

const RECORDS = 40;
const ORDERS = 60;
const IN_TROUBLE = 100;
const DELIVERIES = 200;
const GROWTH = 20;
const LOG = 100;

/** The state before the first frame. */
export const initial = Object.freeze({
  known: false,
  now: 0,
  mall: null,
  roles: [],
  group: null,
  partitions: [],
  records: new Map(),
  orders: new Map(),
  owners: new Map(),
  deliveries: new Map(),
  verdict: null,
  rates: null,
  growth: [],
  away: [],
  missed: 0,
  resynced: false,
  log: [],
});

/** The state after a frame. A frame of a kind that is not known changes nothing but the time. */
export function apply(state, frame) {
  const draft = new Draft(state);
  draft.pass(frame.at);
  FRAMES[frame.event]?.(draft, frame.data);
  return draft.state;
}

/** The orders of which harm was found, or seen. */
export function troubled(state) {
  const orders = new Set();
  for (const { order, kind } of state.verdict?.found ?? []) if (kind === "harm") orders.add(order);
  for (const order of state.orders.values()) if (order.effects.some(isBroken)) orders.add(order.id);
  return orders;
}

/** Whether an effect came where it had no place. */
export function isBroken(effect) {
  return BROKEN.has(effect.ending);
}

/** Who reads a partition: as the group says, or as the instances said last. None if nobody does. */
export function ownerOf(state, partition) {
  const member = state.group?.members?.find((each) => each.partitions.includes(partition));
  return member?.name ?? state.owners.get(partition)?.by ?? null;
}

const FRAMES = {
  snapshot(draft, data) {
    draft.state = { ...initial, known: true, resynced: data.resync === true, now: data.now ?? draft.state.now };
    draft.fresh.clear();
    draft.state.mall = data.mall ?? null;
    for (const part of PARTS) {
      if (data[part]) FRAMES[part](draft, data[part]);
    }
  },
  away: replace("away"),
  mall: replace("mall"),
  group: replace("group"),
  rates: replace("rates"),
  partitions: replace("partitions"),
  roles(draft, roles) {
    draft.state.roles = roles;
    const named = (...states) => new Set(roles.filter((role) => states.includes(role.state)).map((role) => role.name));
    const [gone, away, back] = [named("stopped"), named("away"), named("serving", "frozen")];
    draft.changeWorks((work) => gone.has(work.by), { left: "gone" });
    draft.changeWorks((work) => away.has(work.by) && !work.left, { left: "away" });
    draft.changeWorks((work) => back.has(work.by) && work.left === "away", { left: undefined });
  },
  records(draft, records) {
    for (const record of records) draft.record(record);
  },
  growth(draft, growth) {
    draft.state.growth = [...draft.state.growth, ...growth].slice(-GROWTH);
  },
  deliveries(draft, rows) {
    const deliveries = draft.map("deliveries");
    for (const row of rows) {
      deliveries.delete(row.order);
      if (!row.gone) deliveries.set(row.order, row);
    }
    trim(deliveries, DELIVERIES);
  },
  verdict(draft, verdict) {
    draft.state.verdict = verdict;
    for (const found of verdict.found ?? []) if (found.kind === "harm") draft.log(found, foundAt(found));
  },
  missed(draft, { missed }) {
    draft.state.missed += missed ?? 1;
  },
  seen(draft, observations) {
    for (const seen of observations) {
      draft.pass(seen.at);
      draft.seen(seen);
    }
    draft.trimOrders();
  },
};

function replace(part) {
  return (draft, data) => {
    draft.state[part] = data;
  };
}

/** A state in the making, which copies what it changes once for each frame. */
class Draft {
  constructor(state) {
    this.state = { ...state };
    this.fresh = new Set();
  }

  pass(at) {
    if (at > this.state.now) this.state.now = at;
  }

  map(name) {
    if (!this.fresh.has(name)) {
      this.state[name] = new Map(this.state[name]);
      this.fresh.add(name);
    }
    return this.state[name];
  }

  seen(seen) {
    const order = seen.event?.order ?? seen.order;
    if (seen.place) this.placed(seen);
    if (seen.what === "verdict")
      return this.log({ ...seen, says: { english: seen.english, korean: seen.korean } }, seen.at);
    if (order !== undefined && seen.event?.delivery === undefined) return this.order(order, seen);
    PROCESSES[seen.what]?.(this, seen);
  }

  /** What an observation says about the record that it names. */
  placed(seen) {
    const { event, place, what, key } = seen;
    const told = { ...place, order: event?.order ?? null, version: event?.version ?? null, name: event?.name ?? null };
    if (event?.delivery !== undefined) told.delivery = event.delivery;
    if (!event) delete told.order;
    if (what === "published") Object.assign(told, { at: seen.at, key: key ?? null });
    if (what === "skipped") told.skipped = seen.who;
    if (what === "finished" && !event) Object.assign(told, { ending: seen.ending, why: seen.why });
    this.record(told);
  }

  record(told) {
    const all = this.map("records");
    const own = `records ${told.partition}`;
    const records = this.fresh.has(own) ? all.get(told.partition) : [...(all.get(told.partition) ?? [])];
    this.fresh.add(own);
    const at = records.findLastIndex((record) => record.offset <= told.offset);
    if (records[at]?.offset === told.offset) records[at] = merged(records[at], told);
    else records.splice(at + 1, 0, told);
    if (records.length > RECORDS) records.splice(0, records.length - RECORDS);
    all.set(told.partition, records);
  }

  order(id, seen) {
    const orders = this.map("orders");
    const order = observe(orders.get(id) ?? unknown(id), seen);
    // Whoever is touched last stands last, so that the first one is the one to forget.
    orders.delete(id);
    orders.set(id, order);
  }

  changeWorks(when, change) {
    const orders = this.map("orders");
    for (const [id, order] of orders) orders.set(id, changeWorks(order, when, change));
  }

  trimOrders() {
    const orders = this.state.orders;
    if (orders.size <= ORDERS) return;
    const kept = this.map("orders");
    const trouble = troubled(this.state);
    for (const id of orders.keys()) {
      if (kept.size <= ORDERS) return;
      if (!trouble.has(id) || kept.size > ORDERS + IN_TROUBLE) kept.delete(id);
    }
  }

  /** A line of the log, unless it stands there already. */
  log(found, at) {
    const key = `${found.order} ${found.name}`;
    if (found.harm === false || this.state.log.some((line) => line.key === key)) return;
    const { order, name, says } = found;
    this.state.log = [...this.state.log, { key, at: at ?? this.state.now, order, name, says }].slice(-LOG);
  }
}

const PROCESSES = {
  // Roles are heard each in its own order, but one of them may be heard later than what another did afterwards.
  assigned(draft, { who, at, partitions }) {
    const owners = draft.map("owners");
    for (const { partition, epoch } of partitions) {
      if (at >= (owners.get(partition)?.at ?? 0)) owners.set(partition, { by: who, epoch, at });
      // Whoever still works on what was taken from it before has lost it, and does not know yet.
      const lost = (work) =>
        work.place?.partition === partition && work.by !== who && work.at < at && work.left !== "gone";
      draft.changeWorks(lost, { zombie: at });
    }
  },
  revoked: disown,
  lost: disown,
  killed: leave,
  started: leave,
};

/** The process that did it is gone, and with it what it had begun until then. */
function leave(draft, { who, at }) {
  draft.changeWorks((work) => work.by === who && work.at <= at, { left: "gone" });
}

function disown(draft, { who, partitions }) {
  const owners = draft.map("owners");
  for (const partition of partitions) if (owners.get(partition)?.by === who) owners.delete(partition);
}

/** What is known of a record from two sides; what one of them doesn't know is the other's. */
function merged(known, told) {
  const news = Object.entries(told).filter(([, value]) => value !== null && value !== undefined);
  return { ...known, ...Object.fromEntries(news) };
}

/** When harm came about: the time of its last piece of evidence. */
function foundAt(found) {
  const times = (found.evidence ?? []).map((fact) => fact.timestamp).filter((time) => time);
  return times.length ? Math.max(...times) : undefined;
}

function trim(map, most) {
  while (map.size > most) map.delete(map.keys().next().value);
}
