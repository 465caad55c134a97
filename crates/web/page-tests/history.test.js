// Histories: reading, writing, going over them forth and back, and keeping the last minutes. Those in `recorded/` were written by
// `mall lab run --record`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileName, liveHeader, read, write } from "../src/page/history.js";
import { apply, initial, troubled } from "../src/page/model.js";
import { moments, Player } from "../src/page/player.js";
import { folded, Recent } from "../src/page/recent.js";
import { gathered, observed, plain, START, snapshot, Told } from "./frames.js";

const text = (name) => readFileSync(new URL(`recorded/${name}.jsonl`, import.meta.url), "utf8");
const player = (name) => new Player(read(text(name)));
const same = (one, other) => assert.equal(JSON.stringify(plain(one)), JSON.stringify(plain(other)));
const at = (partition, offset) => ({ partition, offset });

for (const name of ["missing-key-broken", "missing-key-fixed", "zombie-broken"]) {
  test(`every place is the same, whichever way one comes there: ${name}`, () => {
    const here = player(name);
    const states = [];
    let state = initial;
    for (const { at, frames } of here.moments) {
      state = frames.reduce((before, frame) => apply(before, { ...frame, at }), state);
      states.push(state);
    }
    for (let place = 0; place <= here.last; place += 1, here.step(1)) same(here.state(), states[place]);
    for (let place = here.last; place >= 0; place -= 1) {
      here.seek(place);
      same(here.state(), states[place]);
      same(player(name).at(place), states[place]);
    }
  });
}

test("in the broken run the row is wrong, and before the crossing nothing is", () => {
  const here = player("missing-key-broken");
  here.seek(here.last);
  const end = here.state();
  assert.deepEqual([...troubled(end)], [1]);
  assert.equal(end.verdict.state, "harm");
  assert.equal(end.deliveries.get(1).actual.status, "DELIVERY MODIFIED");
  assert.deepEqual(here.outcome.came, ["1"]);
  const early = here.moments.findIndex(({ frames }) =>
    frames.some(({ data }) => data?.[0]?.ending === "applied-early"),
  );
  here.seek(early - 1);
  assert.equal(troubled(here.state()).size, 0);
  assert.equal(here.state().verdict.state, "unknown", "nothing is final while events are under way");
});

test("a zombie's late write comes after what it overwrites", () => {
  const here = player("zombie-broken");
  const { effects } = here.at(here.last).orders.get(1);
  assert.deepEqual(effects.map(({ version, ending }) => [version, ending]).slice(-2), [
    [3, "applied"],
    [2, "out-of-order"],
  ]);
});

test("time is played at the speed that is wished, and long silences are shortened", () => {
  const here = player("missing-key-broken");
  here.play();
  while (here.playing) assert.ok(here.pass(10) || here.playing || here.ended);
  assert.ok(here.ended);
  here.play();
  assert.equal(here.place, 0, "it begins anew");
  const total = here.due.at(-1);
  here.speed = 4;
  here.pass(total / 4 - 1);
  assert.ok(!here.ended);
  here.pass(2);
  assert.ok(here.ended && !here.playing);
  here.play();
  here.speed = 0.25;
  here.pass(total);
  assert.ok(here.place > 0 && !here.ended);
  here.speed = "fast";
  for (let redraw = 0; redraw < 91; redraw += 1) here.pass(16);
  assert.ok(here.ended);
  const silent = new Player({
    header: {},
    frames: [
      { ...snapshot(), at: START },
      { event: "rates", data: null, at: START + 86_400_000 },
    ],
  });
  assert.ok(silent.due[1] <= 10_000);
});

test("between two moments the time of the mall goes on, but never beyond the next one", () => {
  const here = player("missing-key-broken");
  here.play();
  for (let step = 0; here.playing; step += 1) {
    here.pass(37);
    const [now, next] = [here.now(), here.moments[here.place + 1]?.at ?? Number.MAX_VALUE];
    assert.ok(now >= here.moments[here.place].at && now <= next, `${step}: ${now}`);
  }
  here.step(-1);
  assert.equal(here.now(), here.moments[here.place].at, "it stands");
});

test("of several observations in a frame each is a moment", () => {
  const told = new Told().written(1, 1, "OrderPlaced", at(0, 0)).taken("delivery-1", 1, 1, "OrderPlaced", at(0, 0)).all;
  const frames = [
    { ...snapshot(), at: START, moment: 0 },
    { event: "partitions", data: [], at: START + 50, moment: 1 },
    { event: "seen", data: told, at: START + 50, moment: 1 },
  ];
  const all = moments(frames);
  assert.deepEqual(
    all.map(({ frames }) => frames.map(({ event }) => event)),
    [["snapshot"], ["seen"], ["seen"], ["seen", "partitions"]],
  );
  assert.ok(all.every(({ at }, place) => place === 0 || at >= all[place - 1].at));
});

test("what was written is read as it was", () => {
  const history = read(text("zombie-broken"));
  assert.deepEqual(read(write(history)), history);
  assert.equal(fileName(history.header), "mall-zombie-broken.jsonl");
  assert.equal(fileName(liveHeader(null), new Date(2026, 10, 5, 9, 7)), "mall-live-20261105-0907.jsonl");
  const evil = { scenario: { name: '../../x"<b>' }, run: "\u0000/" };
  assert.equal(fileName(evil), "mall-xb.jsonl");
});

test("what is no history is refused with a reason", () => {
  const [header, first, ...others] = text("missing-key-broken").trim().split("\n");
  const problem = (...lines) => read(lines.join("\n")).problem;
  assert.equal(problem(""), "notAHistory");
  assert.equal(problem("hello"), "notAHistory");
  assert.equal(problem("[]"), "notAHistory");
  assert.equal(problem('{"a":1}'), "notAHistory");
  assert.equal(problem('{"history":2}', first), "laterFormat");
  assert.equal(problem(header), "noSnapshot");
  assert.equal(problem(header, ...others), "noSnapshot");
  assert.deepEqual(read([header, first, others[0], "{"].join("\n")), { problem: "badLine", values: { line: 4 } });
  assert.equal(problem(header, first, '{"event":"later-kind","at":1,"data":{}}'), undefined, "a later version's frame");
  assert.equal(read(`${header}\n${" ".repeat(33 * 1024 * 1024)}`).problem, "tooLong");
  assert.equal(read(`${header}\n${first}\n${"{}\n".repeat(200_001)}`).problem, "tooManyLines");
});

test("what would not fit into the picture is refused", () => {
  const [header, first] = text("missing-key-broken").trim().split("\n");
  const bad = (event, data, more = {}) =>
    assert.equal(
      read([header, first, JSON.stringify({ at: 1, event, data, ...more })].join("\n")).problem,
      "badLine",
      event,
    );
  bad("seen", {});
  bad("seen", [null]);
  bad("seen", [{ at: 1, who: "x", what: "constructor" }]);
  bad("seen", [{ at: 1, who: "x", what: "taken" }]);
  bad("seen", [{ at: 1, who: "x", what: "assigned", partitions: 7 }]);
  bad("seen", [{ at: 1, who: "x", what: "finished", event: { order: 1 }, ending: "toString" }]);
  bad("seen", [{ at: 1, who: "x", what: "finished", event: { order: "1" }, ending: "applied" }]);
  bad("seen", [{ at: 9e15, who: "x", what: "stopped" }]);
  bad("roles", [{ name: "x", kind: "delivery", state: "__proto__" }]);
  bad("partitions", [{ partition: 0, start: 0, end: null, lag: 0 }]);
  bad(
    "partitions",
    Array.from({ length: 5001 }, () => ({ partition: 0, start: 0, end: 0, lag: 0 })),
  );
  bad("verdict", { state: "harm", orders: 1, harm: 1, hazards: 0, found: [{ order: 1 }] });
  bad("deliveries", [{ order: 1, expected: "x" }]);
  bad("snapshot", { roles: "x" });
  bad("says", { english: "x", korean: "x".repeat(20_001), tone: "plain" });
  bad("rates", null, { at: "now" });
  assert.deepEqual({}.polluted, undefined);
});

test("the last minutes are kept within bounds, and a file of them gives the state that was shown", () => {
  const recent = new Recent({ minutes: 1 });
  assert.deepEqual(recent.taken(), []);
  let state = initial;
  const hear = (frame, time) => {
    state = apply(state, frame);
    recent.heard(frame, time, JSON.stringify(frame.data).length);
  };
  const frames = gathered(observed("keyless"));
  frames.forEach((frame, at) => {
    hear(frame, START + at * 4000);
  });
  const kept = recent.taken();
  assert.ok(kept.length < 20 && kept[0].event === "snapshot");
  const back = new Player(read(write({ header: liveHeader(state.mall), frames: kept })));
  const shown = back.at(back.last);
  for (const part of ["deliveries", "verdict", "roles", "group", "partitions"]) same(shown[part], state[part]);
  assert.deepEqual([...troubled(shown)], [1]);
});

test("a flood is kept in part, and no more than is bounded", () => {
  const recent = new Recent({ characters: 10_000 });
  recent.heard(snapshot(), START, 100);
  for (let each = 0; each < 5000; each += 1) {
    const told = new Told(START + each).written(each, 1, "OrderPlaced", at(0, each)).all;
    recent.heard({ event: "seen", data: told }, START + each, 500);
  }
  const kept = recent.taken();
  assert.equal(kept.length, 21);
  assert.equal(kept[0].data.seen.length, 400);
});

test("a snapshot after a frame holds what the gateway's would", () => {
  const first = snapshot().data;
  const record = (partition, offset) => ({ partition, offset, at: 1 });
  const many = Array.from({ length: 50 }, (_, offset) => record(0, offset));
  const records = folded(folded(first, "records", many), "records", [record(1, 0)]).records;
  assert.deepEqual([records.length, records[0].offset], [41, 10]);
  const rows = folded(folded(first, "deliveries", [{ order: 1 }, { order: 2 }]), "deliveries", [
    { order: 1, gone: true },
  ]);
  assert.deepEqual(rows.deliveries, [{ order: 2 }]);
  assert.equal(folded(first, "verdict", { state: "harm" }).verdict.state, "harm");
  assert.equal(folded(first, "missed", { missed: 1 }), first);
});
