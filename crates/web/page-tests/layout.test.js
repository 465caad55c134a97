// Where things stand: geometry as data, without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { axis, moments } from "../src/page/axis.js";
import { cut, length, shortStatus, widthOf } from "../src/page/format.js";
import { activity, instances } from "../src/page/layout-instances.js";
import { chosen, layoutLens } from "../src/page/layout-lens.js";
import { layoutTracks } from "../src/page/layout-tracks.js";
import { glyph, look } from "../src/page/looks.js";
import { apply, initial } from "../src/page/model.js";
import { sayIn } from "../src/page/words.js";
import { gathered, observed, START, snapshot, Told } from "./frames.js";

const say = sayIn("en");
const view = { width: 1000, em: 16, say, selected: null, now: START + 60_000, lanes: 4 };
const run = (frames) => frames.reduce(apply, initial);
const at = (partition, offset) => ({ partition, offset });

function flat(shapes) {
  return shapes.flatMap((shape) => [shape, ...flat(shape.children ?? [])]);
}

function find(shapes, key) {
  return flat(shapes).find((shape) => shape.key === key);
}

const placeOf = (shape) => Number(/translate\(([-\d.]+)/.exec(shape.attrs.transform)[1]);

/** A partition with so many records, of which so many are committed. */
function filled(many, committed, width = 1000) {
  const records = Array.from({ length: many }, (_, offset) => ({
    ...at(0, offset),
    order: offset + 1,
    version: 1,
    name: "OrderPlaced",
    delivery: null,
  }));
  const partitions = [{ partition: 0, start: 0, end: many, committed, lag: many - (committed ?? 0) }];
  const state = run([
    snapshot({ partitions: 1 }),
    { event: "records", data: records },
    { event: "partitions", data: partitions },
  ]);
  return layoutTracks(state, { ...view, width });
}

test("records stand by offset, and those without room are counted", () => {
  const { shapes } = filled(40, 38);
  const chips = shapes.filter(({ attrs }) => attrs.class?.startsWith("chip"));
  assert.ok(chips.length > 5 && chips.length < 20, `${chips.length}`);
  const places = chips.map(placeOf);
  assert.deepEqual(
    places,
    [...places].sort((one, other) => one - other),
  );
  assert.equal(chips.at(-1).key, "p0 @39");
  assert.equal(find(shapes, "p0 older").text, `+${40 - chips.length} older`);
  assert.ok(places.at(-1) < 1000 - 19 * 16, "beside the instances");
});

test("what is not committed is lag, and no position is a dash, not 0", () => {
  const none = filled(3, null).shapes;
  assert.equal(find(none, "p0 end name").text, "end 3, lag 3, committed –");
  assert.ok(find(none, "p0 lag"));
  assert.equal(find(none, "p0 committed"), undefined);
  const some = filled(3, 1).shapes;
  assert.equal(find(some, "p0 committed name").text, "committed 1");
  assert.equal(find(some, "p0 end name").text, "end 3, lag 2");
  const marked = Number(/M([\d.]+)/.exec(find(some, "p0 committed").attrs.d)[1]);
  assert.ok(placeOf(find(some, "p0 @0")) < marked && marked < placeOf(find(some, "p0 @1")), "before what is read next");
  const all = filled(3, 3).shapes;
  assert.equal(find(all, "p0 lag"), undefined);
  assert.equal(find(all, "p0 end name").text, "end 3, committed 3");
});

test("of many partitions and instances those are drawn that matter", () => {
  const told = new Told().written(7, 1, "OrderPlaced", at(97, 0)).written(8, 1, "OrderPlaced", at(98, 0));
  const first = snapshot({ partitions: 100, deliveries: 40 });
  first.data.partitions[50] = { partition: 50, start: 0, end: 9, committed: 4, lag: 5 };
  first.data.roles[30].state = "frozen";
  const state = run([first, { event: "seen", data: told.all }]);
  const { shapes, height } = layoutTracks(state, { ...view, selected: 7 });
  const names = shapes.filter(({ attrs }) => attrs.class === "track-name").map(({ text }) => text);
  assert.equal(names.length, 12);
  for (const name of ["P50", "P97", "P98"]) assert.ok(names.includes(name), `${name} of ${names}`);
  assert.equal(find(shapes, "more").text, "and 88 partitions in which less happens, lag 0");
  assert.ok(find(shapes, "i delivery-30"), "it is frozen");
  assert.ok(flat(shapes).some(({ text }) => text === "and 28 more instances"));
  assert.ok(height < 100 * 16);
});

test("on a phone everything is within its width, and the instances stand below", () => {
  const { shapes, height } = filled(40, 38, 330);
  for (const shape of shapes.filter(({ tag }) => tag === "g")) assert.ok(placeOf(shape) < 330, shape.key);
  assert.ok(height > 5 * 16 + 2 * 5 * 16);
  assert.equal(find(shapes, "p0 to"), undefined, "no line to an instance");
});

test("growth is a line behind what was written before", () => {
  const records = [0, 1, 2].map((offset) => ({ ...at(0, offset), order: 1, version: offset + 1, delivery: null }));
  const partitions = [0, 1].map((partition) => ({
    partition,
    start: 0,
    end: partition ? 0 : 3,
    committed: null,
    lag: 0,
  }));
  const growth = [{ at: START, from: 1, to: 2, ends: [2] }];
  const { shapes } = layoutTracks(
    run([
      snapshot(),
      { event: "records", data: records },
      { event: "partitions", data: partitions },
      { event: "growth", data: growth },
    ]),
    view,
  );
  const line = flat(shapes).find(({ attrs }) => attrs.class === "growth");
  const x = Number(/^M([\d.]+)/.exec(line.attrs.d)[1]);
  assert.ok(placeOf(find(shapes, "p0 @1")) < x && x < placeOf(find(shapes, "p0 @2")));
  assert.ok(flat(shapes).some(({ text }) => text === "1 → 2 partitions"));
});

test("an instance says what it works on and for how long, or why it is idle", () => {
  const told = new Told()
    .written(3, 2, "OrderModified", at(0, 0))
    .taken("delivery-1", 3, 2, "OrderModified", at(0, 0))
    .say("delivery-1", "begun", { event: { order: 3, version: 2 }, place: at(0, 0), takes: 10_000_000 })
    .taken("delivery-1", 4, 1, "OrderPlaced", at(0, 1));
  const state = run([snapshot({ deliveries: 3, now: START }), { event: "seen", data: told.all }]);
  const [one, two, three] = instances(state);
  assert.equal(activity(one, say), "works on #3 v2 ✎");
  assert.equal(one.works.length, 2);
  assert.equal(activity(two, say), "idle: nothing to read");
  assert.equal(activity({ ...two, lag: 2 }, say), "idle: nothing in work, 2 not committed yet");
  assert.equal(activity(three, say), "idle: more instances than partitions");
  const { shapes } = layoutTracks(state, { ...view, now: told.at + 6000 });
  const texts = flat(shapes).map(({ text }) => text);
  assert.ok(texts.includes("6.0 s of 10.0 s"), texts.join("|"));
  assert.ok(texts.includes("1 waiting behind it"));
});

test("in the lens lines cross only where the order broke", () => {
  const lens = (name) => flat(layoutLens(run(gathered(observed(name))), view).shapes);
  const broken = lens("keyless");
  const arrow = broken.find(({ attrs }) => attrs.class === "arrow");
  const [, from, to] = /^M([\d.]+) .* ([\d.]+) [\d.]+$/.exec(arrow.attrs.d);
  assert.ok(Number(to) < Number(from), "the arrow goes back");
  assert.ok(broken.some(({ text }) => text === "v2 after v3"));
  assert.equal(crossings(broken), 1);
  const kept = lens("fence");
  assert.equal(
    kept.find(({ attrs }) => attrs.class === "arrow"),
    undefined,
  );
  assert.equal(crossings(kept), 0);
});

test("effects that are heard in another order than they came in draw no arrow", () => {
  const told = new Told().written(1, 1, "OrderPlaced", at(0, 0)).written(1, 2, "OrderModified", at(0, 1));
  const done = { ending: "applied", delivery: 1, status: "DELIVERY MODIFIED" };
  const second = new Told(told.at + 500).finished("delivery-2", 1, 2, "OrderModified", at(0, 1), done);
  const first = new Told(told.at + 100).finished("delivery-1", 1, 1, "OrderPlaced", at(0, 0), done);
  const state = run([snapshot(), { event: "seen", data: [...told.all, ...second.all, ...first.all] }]);
  assert.deepEqual(
    state.orders.get(1).effects.map(({ version }) => version),
    [1, 2],
  );
  const drawn = flat(layoutLens(state, view).shapes);
  assert.equal(
    drawn.find(({ attrs }) => attrs.class === "arrow"),
    undefined,
  );
});

/** How many lines down to an effect meet the bar of another version's work. */
function crossings(shapes) {
  const bars = shapes.filter(({ tag, attrs }) => tag === "rect" && attrs.class?.startsWith("work"));
  const downs = shapes.filter(
    ({ tag, attrs, key }) => tag === "path" && attrs.class?.startsWith("thread") && / down \d+$/.test(key),
  );
  return downs.filter(({ attrs }) => {
    const [x, y1, , y2] = attrs.d.match(/[\d.]+/g).map(Number);
    return bars.some(
      ({ attrs: { x: left, y, width, height } }) => x > left + 1 && x < left + width - 1 && y > y1 && y + height < y2,
    );
  }).length;
}

test("the event that waits says for what and for whom", () => {
  const frames = gathered(observed("fence"));
  const early = frames.findIndex(({ event, data }) => event === "seen" && data[0].ending === "early");
  const state = run(frames.slice(0, early + 1));
  const texts = flat(layoutLens(state, { ...view, now: state.now + 5000 }).shapes).map(({ text }) => text);
  assert.ok(texts.includes("‖ v3: waits for v2, at work: delivery-2"), texts.join("|"));
});

test("the selected order comes first, then those in trouble", () => {
  const told = new Told(START + 90_000_000)
    .written(5, 1, "OrderPlaced", at(0, 9))
    .written(6, 1, "OrderPlaced", at(0, 10));
  const state = run([...gathered(observed("keyless")), { event: "seen", data: told.all }]);
  assert.deepEqual(
    chosen(state, null).map(({ id }) => id),
    [1, 6, 5],
  );
  assert.deepEqual(
    chosen(state, 5).map(({ id }) => id),
    [5, 1, 6],
  );
});

test("times keep their order, labels their room, and a narrow page squeezes both", () => {
  const state = run(gathered(observed("keyless")));
  const order = state.orders.get(1);
  const all = moments(order, [...order.versions.values()], state.now);
  for (const width of [200, 800, 3000]) {
    const x = axis(all, [100, 100 + width], 16);
    const places = all.map((moment) => x(moment.at));
    assert.deepEqual(
      places,
      [...places].sort((one, other) => one - other),
    );
    assert.ok(places.every((place) => place >= 100 && place <= 100 + width + 0.1));
  }
  const x = axis(all, [0, 1000], 16);
  const effects = order.effects.map((effect) => x(effect.at));
  for (let next = 1; next < effects.length; next += 1) assert.ok(effects[next] - effects[next - 1] >= 2.9 * 16 - 0.1);
});

test("orders next to each other look different, and vermillion is nobody's", () => {
  const looks = Array.from({ length: 24 }, (_, order) => JSON.stringify(look(order)));
  assert.equal(new Set(looks).size, 24);
  assert.notEqual(look(1).hue, look(2).hue);
  assert.deepEqual(["OrderPlaced", "OrderModified", "OrderCancelled", "Other", undefined].map(glyph), [
    "+",
    "✎",
    "×",
    "?",
    "",
  ]);
});

test("lengths and texts read as people write them", () => {
  assert.deepEqual([45, 999, 6200, 200_000].map(length), ["45 ms", "1.0 s", "6.2 s", "3 min 20 s"]);
  assert.equal(shortStatus("DELIVERY CANCELLED"), "CANCELLED");
  assert.equal(widthOf("파티션"), 3);
  assert.equal(cut("delivery-1", 100), "delivery-1");
  assert.ok(widthOf(cut("a rather long name", 4)) <= 4);
});
