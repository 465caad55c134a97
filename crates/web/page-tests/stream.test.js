// How frames come: from where the page was, and again after a break.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Stream } from "../src/page/stream.js";

class Source {
  static all = [];
  constructor(url) {
    Object.assign(this, { url, listeners: new Map(), readyState: 1, closed: false });
    Source.all.push(this);
  }
  addEventListener(kind, listener) {
    this.listeners.set(kind, listener);
  }
  close() {
    this.closed = true;
  }
  tell(kind, event = {}) {
    this.listeners.get(kind)(event);
  }
}

function opened() {
  Source.all = [];
  const frames = [];
  const states = [];
  const stream = new Stream({ heard: (frame) => frames.push(frame), state: (now) => states.push(now), source: Source });
  stream.open();
  return { stream, frames, states, source: () => Source.all.at(-1) };
}

test("frames are the events' data, and the state is the connection's", () => {
  const { frames, states, source } = opened();
  assert.equal(source().url, "/live");
  source().tell("open");
  source().tell("rates", { data: '{"lag":3}', lastEventId: "7-1" });
  source().tell("error");
  assert.deepEqual(frames, [{ event: "rates", data: { lag: 3 } }]);
  assert.deepEqual(states, ["live", "away"]);
});

test("to follow an order the page goes on where it was", () => {
  const { stream, source } = opened();
  const first = source();
  source().tell("rates", { data: "{}", lastEventId: "7-41" });
  stream.follow(null);
  assert.equal(source(), first, "nothing changes");
  stream.follow(2);
  assert.ok(first.closed);
  assert.equal(source().url, "/live?after=7-41&order=2");
});

test("a browser that has given up is told to try again", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { source, states } = opened();
  const first = source();
  first.tell("error");
  context.mock.timers.tick(10_000);
  assert.equal(source(), first, "the browser itself tries again");
  first.readyState = 2;
  first.tell("error");
  context.mock.timers.tick(2000);
  assert.notEqual(source(), first);
  assert.deepEqual(states, ["away", "away"]);
});
