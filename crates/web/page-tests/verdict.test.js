// What the banner and the badges say.

import assert from "node:assert/strict";
import { test } from "node:test";
import { apply, initial } from "../src/page/model.js";
import { banner, evidence, modes, remedies, stories } from "../src/page/verdict.js";
import { compare } from "../src/page/view-lists.js";
import { sayIn } from "../src/page/words.js";
import { gathered, observed, snapshot } from "./frames.js";

const say = sayIn("en");
const run = (frames) => frames.reduce(apply, initial);
const says = (state) => banner(state, "en", say);
const judged = (verdict) => run([snapshot(), { event: "verdict", data: verdict }]);

test("the banner says whether order holds, and why it isn't known", () => {
  assert.equal(says(initial).state, "connecting");
  assert.equal(says(run([snapshot()])).word, "NO ORDERS YET");
  assert.equal(says(run(gathered(observed("fence")))).word, "✓ ORDERED");
  const broken = says(run(gathered(observed("keyless"))));
  assert.deepEqual([broken.state, broken.word], ["harm", "▲ 1 ANOMALY"]);
  assert.match(broken.why, /^Order 1: v2 took effect after v3; status is "DELIVERY MODIFIED"/);
  const doubts = [
    { name: "lagging", order: null, says: { english: "partition 0: the group has come to 3 of 5", korean: "k" } },
  ];
  const unknown = says(judged({ state: "unknown", orders: 1, harm: 0, hazards: 0, underWay: true, found: [], doubts }));
  assert.deepEqual([unknown.word, unknown.why], ["… NOT KNOWN YET", "partition 0: the group has come to 3 of 5"]);
  const soFar = says(
    judged({ state: "unknown", orders: 3, harm: 0, hazards: 1, underWay: true, found: [], doubts: [] }),
  );
  assert.deepEqual([soFar.state, soFar.word], ["so-far", "… ORDERED SO FAR"], "what is under way is not final");
  assert.match(soFar.why, /Orders without harm: 3\. Hazards without harm: 1\./);
  assert.equal(
    says(judged({ state: "starting", orders: 0, harm: 0, hazards: 0, underWay: true, found: [] })).state,
    "starting",
  );
});

test("what can't be read is told, and no verdict claimed", () => {
  const verdict = { state: "away", orders: 3, harm: 0, hazards: 0, underWay: false, found: [], doubts: [] };
  const away = [{ what: "database", why: "the database is away" }];
  const state = apply(judged(verdict), { event: "away", data: away });
  assert.deepEqual([says(state).state, says(state).why], ["unknown", "the database is away"]);
});

test("harmless hazards leave the verdict as it is, and are counted", () => {
  const found = [
    { order: 1, name: "split-key", kind: "hazard", says: { english: "e", korean: "k" }, remedy: null, evidence: [] },
  ];
  const state = judged({ state: "ordered", orders: 1, harm: 0, hazards: 1, underWay: false, found, doubts: [] });
  assert.match(says(state).why, /Hazards without harm: 1/);
});

test("an order's verdicts are one story, with each piece of evidence once, and its remedies", () => {
  const { verdict } = run(gathered(observed("keyless")));
  const [story, ...others] = stories(verdict);
  assert.deepEqual(others, []);
  assert.equal(story.verdicts.length, 5);
  const facts = evidence(story);
  assert.deepEqual(
    facts.map(({ timestamp }) => timestamp),
    facts.map(({ timestamp }) => timestamp).sort(),
  );
  assert.equal(new Set(facts.map((fact) => JSON.stringify(fact))).size, facts.length);
  assert.equal(remedies(story, "en").length, 1);
  assert.match(remedies(story, "ko")[0], /발행/);
});

test("what helps is what helps against the harm", () => {
  const verdict = (name, kind, more) => ({
    order: 1,
    name,
    kind,
    says: { english: name },
    evidence: [],
    remedy: null,
    ...more,
  });
  const text = (english) => ({ english, korean: english });
  const hazard = verdict("split-key", "hazard", { remedy: text("none is needed") });
  const alone = stories({ found: [hazard] })[0];
  assert.deepEqual(remedies(alone, "en"), ["none is needed"]);
  const skip = verdict("skip", "harm", { cause: "skip", remedy: text("the guard") });
  const inversion = verdict("inversion", "harm", { cause: "skip" });
  assert.deepEqual(remedies(stories({ found: [hazard, skip, inversion] })[0], "en"), ["the guard"]);
  const cause = { ...hazard, remedy: text("a key") };
  const followed = verdict("inversion", "harm", { cause: "split-key" });
  assert.deepEqual(remedies(stories({ found: [cause, followed] })[0], "en"), ["a key"]);
});

test("the badges say the modes, and that processes don't agree", () => {
  const shown = (state) => modes(state, say).map(({ value, on }) => [value, on]);
  assert.deepEqual(shown(run([snapshot()])), [
    ["none", false],
    ["off", false],
    ["1", "number"],
  ]);
  assert.deepEqual(shown(run([snapshot({ key: "order-id", guard: "version", lanes: 64 })])), [
    ["order id", true],
    ["version", true],
    ["64", "number"],
  ]);
  const group = structuredClone(snapshot().data.group);
  group.members[1].modes = { ...group.members[1].modes, guard: "version" };
  assert.deepEqual(shown(run([snapshot(), { event: "group", data: group }]))[1], ["mixed", "mixed"]);
  assert.deepEqual(shown(initial)[0], ["not known", "unknown"]);
});

test("a delivery stands beside how it should be", () => {
  const row = (expected, actual, inFlight = false) => compare({ expected, actual, inFlight }, say);
  const [cancelled, modified] = ["DELIVERY CANCELLED", "DELIVERY MODIFIED"].map((status) => ({ status, version: 3 }));
  assert.deepEqual(row(cancelled, modified), { kind: "different", expected: "CANCELLED v3", actual: "MODIFIED v3" });
  assert.equal(row(cancelled, cancelled).kind, "equal");
  assert.deepEqual(row(modified, null, true), { kind: "inFlight", expected: "MODIFIED v3", actual: "no row" });
  assert.equal(row(null, modified).expected, "no such order");
});
