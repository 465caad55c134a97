// The reducer: what frames add up to. The observations in `observed/` are those of real malls.

import assert from "node:assert/strict";
import { test } from "node:test";
import { recordState } from "../src/page/looks.js";
import { apply, initial, ownerOf, troubled } from "../src/page/model.js";
import { gathered, observed, plain, START, snapshot, Told } from "./frames.js";

const at = (partition, offset) => ({ partition, offset });
const run = (frames, from = initial) => frames.reduce(apply, from);
const seen = (...observations) => ({ event: "seen", data: observations });

function after(told, made) {
  return run([{ ...snapshot(made), at: START }, seen(...told.all)]);
}

function word(state, partition, offset) {
  const record = state.records.get(partition).find((each) => each.offset === offset);
  const { committed } = state.partitions.find((each) => each.partition === partition);
  return recordState(state, record, committed).word;
}

test("the course's second experiment breaks the order, and says so where it happens", () => {
  const state = run(gathered(observed("keyless")));
  const order = state.orders.get(1);
  assert.deepEqual(
    order.effects.map(({ version, ending }) => [version, ending]),
    [
      [1, "applied"],
      [3, "applied-early"],
      [2, "out-of-order"],
    ],
  );
  assert.deepEqual([...troubled(state)], [1]);
  assert.equal(word(state, 1, 0), "broken");
  assert.equal(word(state, 0, 0), "done");
  assert.equal(word(state, 0, 1), "delivery");
  assert.equal(state.deliveries.get(1).actual.status, "DELIVERY MODIFIED");
  assert.deepEqual(
    state.log.map(({ name }) => name),
    ["skip", "inversion", "resurrection", "divergence"],
  );
});

test("behind the fence the early event waits, is handed over, and nothing is in trouble", () => {
  const frames = gathered(observed("fence"));
  const early = frames.findIndex(({ event, data }) => event === "seen" && data[0].ending === "early");
  const waiting = run(frames.slice(0, early + 1));
  assert.equal(word(waiting, 0, 2), "parked");
  assert.equal(word(waiting, 1, 0), "working");
  const { parked } = waiting.orders.get(1).versions.get(3);
  assert.deepEqual([parked.next, parked.worker, parked.until], [2, "delivery-2", undefined]);
  const end = run(frames.slice(early + 1), waiting);
  assert.equal(word(end, 0, 2), "done");
  assert.equal(end.orders.get(1).versions.get(3).works.at(-1).handed, "reached");
  assert.ok(end.orders.get(1).versions.get(3).parked.until > parked.at);
  assert.equal(troubled(end).size, 0);
});

test("a state is never changed by what follows it, and going over the frames again gives the same", () => {
  const frames = gathered(observed("keyless"));
  const states = [];
  let state = initial;
  for (const frame of frames) {
    state = apply(state, frame);
    states.push([state, JSON.stringify(plain(state))]);
  }
  for (const [kept, text] of states) assert.equal(JSON.stringify(plain(kept)), text);
  assert.equal(JSON.stringify(plain(run(frames))), states.at(-1)[1]);
  const half = Math.floor(frames.length / 2);
  assert.equal(JSON.stringify(plain(run(frames.slice(half), states[half - 1][0]))), states.at(-1)[1]);
});

test("a snapshot begins anew", () => {
  const state = run([...gathered(observed("keyless")), snapshot({ now: START + 99_999_999 })]);
  assert.equal(state.orders.size, 0);
  assert.equal(state.records.size, 0);
  assert.deepEqual(state.log, []);
  assert.equal(state.now, START + 99_999_999);
});

test("a slow handler is at work until its partition is somebody else's, then it is a zombie", () => {
  const told = new Told()
    .say("delivery-1", "assigned", { partitions: [{ partition: 0, position: 0, epoch: 1 }] })
    .written(1, 1, "OrderModified", at(0, 0))
    .taken("delivery-1", 1, 1, "OrderModified", at(0, 0))
    .say("delivery-1", "begun", { event: { order: 1, version: 1 }, place: at(0, 0), takes: 10_000_000 })
    .wait(60_000);
  const slow = after(told);
  assert.equal(word(slow, 0, 0), "working");
  const lost = run(
    [
      seen({
        seq: 99,
        at: told.at,
        who: "delivery-2",
        what: "assigned",
        partitions: [{ partition: 0, position: 0, epoch: 1 }],
      }),
    ],
    slow,
  );
  assert.equal(word(lost, 0, 0), "zombie");
  assert.equal(slow.orders.get(1).versions.get(1).works[0].zombie, undefined, "the state before stays as it was");
  const stale = new Told(told.at).finished("delivery-1", 1, 1, "OrderModified", at(0, 0), { ending: "stale" });
  assert.equal(word(run([seen(...stale.all)], lost), 0, 0), "stale");
});

test("an assignment of long ago that is heard late makes nobody a zombie", () => {
  const told = new Told()
    .wait(1000)
    .say("delivery-2", "assigned", { partitions: [{ partition: 0, position: 0, epoch: 1 }] })
    .written(1, 1, "OrderPlaced", at(0, 0))
    .taken("delivery-2", 1, 1, "OrderPlaced", at(0, 0));
  told.all.push({
    seq: 1,
    at: START,
    who: "delivery-1",
    what: "assigned",
    partitions: [{ partition: 0, position: 0, epoch: 1 }],
  });
  const state = after(told, { deliveries: 0 });
  assert.equal(word(state, 0, 0), "taken");
  assert.equal(ownerOf(state, 0), "delivery-2");
});

test("who was done before its partition went to somebody else is no zombie, whatever is heard first", () => {
  const told = new Told().written(1, 1, "OrderPlaced", at(0, 0)).taken("delivery-1", 1, 1, "OrderPlaced", at(0, 0));
  const done = { ending: "applied", delivery: 1, status: "DELIVERY STARTED" };
  const finished = new Told(told.at).finished("delivery-1", 1, 1, "OrderPlaced", at(0, 0), done);
  const assigned = new Told(told.at + 500).say("delivery-2", "assigned", {
    partitions: [{ partition: 0, position: 1, epoch: 1 }],
  });
  const state = run([seen(...assigned.all), seen(...finished.all)], after(told));
  const [work] = state.orders.get(1).versions.get(1).works;
  assert.deepEqual([work.zombie, work.ending], [undefined, "applied"]);
});

test("an event whose handing over is heard before its parking waits no longer", () => {
  const all = observed("fence");
  const of = (who) => all.filter((each) => each.who === who);
  const late = [...of("order"), ...of("delivery-2"), ...of("delivery-1")];
  const state = run([{ ...snapshot(), at: START }, seen(...late)]);
  const { parked } = state.orders.get(1).versions.get(3);
  assert.ok(parked.until > parked.at);
  assert.equal(word(state, 0, 2), "done");
  assert.equal(troubled(state).size, 0);
});

test("what is told twice is counted once", () => {
  const all = observed("fence");
  const once = run([{ ...snapshot(), at: START }, seen(...all)]);
  const twice = run([seen(...all)], once);
  assert.deepEqual(plain(twice.orders), plain(once.orders));
});

test("two records of one version in the same millisecond are two attempts", () => {
  const placed = { event: { order: 1, version: 1, name: "OrderPlaced" }, epoch: 1 };
  const told = new Told();
  for (const offset of [0, 1]) told.say("delivery-1", "taken", { ...placed, place: at(0, offset) });
  for (const [offset, ending] of ["applied", "duplicate"].entries()) {
    told.say("delivery-1", "finished", { ...placed, place: at(0, offset), took: 1, ending });
  }
  const state = after(told);
  assert.deepEqual(
    state.orders
      .get(1)
      .versions.get(1)
      .works.map(({ ending }) => ending),
    ["applied", "duplicate"],
  );
});

test("what a killed instance had begun waits for somebody else", () => {
  const told = new Told()
    .written(1, 1, "OrderPlaced", at(0, 0))
    .taken("delivery-1", 1, 1, "OrderPlaced", at(0, 0))
    .say("delivery-1", "killed", {});
  assert.equal(word(after(told), 0, 0), "waiting");
  const away = [{ name: "delivery-1", kind: "delivery", state: "away" }];
  const alive = after(
    new Told().written(1, 1, "OrderPlaced", at(0, 0)).taken("delivery-1", 1, 1, "OrderPlaced", at(0, 0)),
  );
  assert.equal(word(alive, 0, 0), "taken");
  const lost = apply(alive, { event: "roles", data: away });
  assert.equal(word(lost, 0, 0), "waiting");
  const back = [{ ...away[0], state: "serving" }];
  assert.equal(word(apply(lost, { event: "roles", data: back }), 0, 0), "taken", "it was only out of reach");
});

test("what came again and what can't be handled is told apart", () => {
  const placed = [1, 1, "OrderPlaced"];
  const told = new Told()
    .written(...placed, at(0, 0))
    .taken("delivery-1", ...placed, at(0, 0))
    .finished("delivery-1", ...placed, at(0, 0), { ending: "applied", delivery: 1, status: "DELIVERY STARTED" })
    .taken("delivery-1", ...placed, at(0, 1))
    .finished("delivery-1", ...placed, at(0, 1), { ending: "duplicate" })
    .taken("delivery-1", 2, 1, "OrderPlaced", at(0, 2))
    .finished("delivery-1", 2, 1, "OrderPlaced", at(0, 2), { ending: "poison", why: "the value is not JSON" })
    .say("delivery-1", "taken", { place: at(0, 3), epoch: 1 })
    .say("delivery-1", "finished", { place: at(0, 3), epoch: 1, took: 1, ending: "ignored", why: "no value" });
  const state = after(told);
  assert.deepEqual(
    [0, 1, 2, 3].map((offset) => word(state, 0, offset)),
    ["done", "same", "parked", "refused"],
  );
});

test("what was committed before anybody looked is done, and a position of none is none", () => {
  const records = [0, 1].map((offset) => ({
    ...at(0, offset),
    at: 1,
    key: "1",
    order: 1,
    version: offset + 1,
    name: "OrderPlaced",
    delivery: null,
  }));
  const partitions = (committed) => [{ partition: 0, start: 0, end: 2, committed, lag: 2 - (committed ?? 0) }];
  const before = run([snapshot(), { event: "records", data: records }]);
  const words = (state) => [word(state, 0, 0), word(state, 0, 1)];
  assert.deepEqual(words(apply(before, { event: "partitions", data: partitions(1) })), ["done", "waiting"]);
  assert.deepEqual(words(apply(before, { event: "partitions", data: partitions(null) })), ["waiting", "waiting"]);
});

test("records stand by offset whoever tells of them first", () => {
  const state = run([
    snapshot(),
    seen({
      seq: 1,
      at: 1,
      who: "delivery-1",
      what: "taken",
      event: { order: 7, version: 2 },
      place: at(0, 5),
      epoch: 1,
    }),
    {
      event: "records",
      data: [
        { ...at(0, 3), order: 6, version: 1, delivery: null },
        { ...at(0, 5), order: 7, version: 2, name: "OrderModified", key: "7", delivery: null },
      ],
    },
  ]);
  assert.deepEqual(
    state.records.get(0).map(({ offset, name }) => [offset, name]),
    [
      [3, undefined],
      [5, "OrderModified"],
    ],
  );
});

test("who reads a partition is told by the group, or by who was given it last", () => {
  const told = new Told()
    .say("delivery-9", "assigned", { partitions: [{ partition: 3, position: 0, epoch: 1 }] })
    .say("delivery-1", "revoked", { partitions: [0] });
  const state = after(told);
  assert.equal(ownerOf(state, 0), "delivery-1", "the group says so");
  assert.equal(ownerOf(state, 3), "delivery-9");
  const gone = new Told().say("delivery-9", "lost", { partitions: [3] });
  assert.equal(ownerOf(run([seen(...gone.all)], state), 3), null);
});

test("memory is bounded, and orders in trouble stay", () => {
  let state = run(gathered(observed("keyless")));
  for (let order = 2; order < 2000; order += 1) {
    const told = new Told()
      .written(order, 1, "OrderPlaced", at(0, order))
      .taken("delivery-1", order, 1, "OrderPlaced", at(0, order));
    state = apply(state, seen(...told.all));
  }
  assert.equal(state.records.get(0).length, 40);
  assert.equal(state.orders.size, 60);
  assert.ok(state.orders.has(1), "order 1 is in trouble");
  const many = Array.from({ length: 1000 }, (_, order) => ({ order, expected: null, actual: null, inFlight: false }));
  assert.equal(apply(state, { event: "deliveries", data: many }).deliveries.size, 200);
  const busy = new Told();
  for (let version = 1; version < 500; version += 1) busy.written(1, version, "OrderModified", at(0, version));
  assert.equal(apply(state, seen(...busy.all)).orders.get(1).versions.size, 16);
});

test("a burst of 500 events is one frame and loses none of a selected order's", () => {
  const told = new Told();
  for (let order = 1; order <= 50; order += 1) {
    for (let version = 1; version <= 5; version += 1)
      told.written(order, version, "OrderModified", at(order % 2, order * 5 + version));
  }
  assert.equal(told.all.length, 500);
  const state = apply(run([snapshot()]), seen(...told.all));
  assert.equal(state.orders.size, 50);
  for (const order of state.orders.values()) assert.equal(order.versions.size, 5);
});

test("a row of an order that is no longer kept goes, and what nobody knows changes nothing", () => {
  const state = run(gathered(observed("fence")));
  assert.equal(apply(state, { event: "deliveries", data: [{ order: 1, gone: true }] }).deliveries.size, 0);
  assert.deepEqual(plain(apply(state, { event: "of-tomorrow", data: 1 })), plain(state));
  assert.deepEqual(plain(apply(state, seen({ seq: 1, at: 1, who: "x", what: "of-tomorrow" }))), plain(state));
});

test("a verdict that a recorded history tells stands in the log once", () => {
  const verdict = {
    seq: 1,
    at: START + 1,
    who: "checker",
    what: "verdict",
    name: "inversion",
    order: 1,
    harm: true,
    english: "e",
    korean: "k",
  };
  const state = run([
    snapshot(),
    seen(verdict, { ...verdict, seq: 2 }, { ...verdict, seq: 3, name: "split-key", harm: false }),
  ]);
  assert.deepEqual(
    state.log.map(({ key, says }) => [key, says.korean]),
    [["1 inversion", "k"]],
  );
});
