// What can be asked of a running mall, and when.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addPartition,
  ask,
  crew,
  mayCommand,
  mayOrder,
  movesKeys,
  needsToken,
  removeInstance,
  switchMode,
} from "../src/page/commands.js";
import { apply, initial } from "../src/page/model.js";
import { snapshot } from "./frames.js";

const shown = (made) => apply(initial, snapshot({ commands: "open", ...made }));

test("nothing can be asked of a mall that says so, or of which nothing is known", () => {
  assert.equal(mayCommand(initial), false);
  const may = (commands) => [mayOrder, mayCommand, needsToken].map((asked) => asked(shown({ commands })));
  assert.deepEqual(may("open"), [true, true, false]);
  assert.deepEqual(may("token"), [true, true, true]);
  assert.deepEqual(may("no-token"), [true, false, false]);
  assert.deepEqual(may("unsupervised"), [true, false, false]);
  assert.deepEqual(may("read-only"), [false, false, false]);
});

test("a mode is switched to what it isn't, unless that isn't known", () => {
  const course = shown();
  assert.deepEqual(
    ["key", "guard", "lanes"].map((name) => switchMode(course, name)),
    [
      { do: "switch", key: "order-id" },
      { do: "switch", guard: "version" },
      { do: "switch", lanes: 64 },
    ],
  );
  const kept = shown({ key: "order-id", guard: "version", lanes: 64 });
  assert.deepEqual(switchMode(kept, "key"), { do: "switch", key: "none" });
  assert.deepEqual(switchMode(kept, "guard"), { do: "switch", guard: "off" });
  assert.deepEqual(switchMode(kept, "lanes"), { do: "switch", lanes: 1 });
  assert.equal(switchMode(initial, "key"), null);
});

test("what can be asked of an instance goes by its state, and of those of others nothing", () => {
  const roles = shown({ deliveries: 4 }).roles.map((role) => ({ ...role }));
  for (const [at, state] of ["serving", "frozen", "stopped"].entries()) roles[at + 1].state = state;
  roles[4].supervised = false;
  const state = apply(shown(), { event: "roles", data: roles });
  const asked = crew(state).map(({ name, wishes }) => [name, wishes.map((wish) => wish.do)]);
  assert.deepEqual(asked, [
    ["delivery-1", ["freeze", "kill", "stop"]],
    ["delivery-2", ["wake", "kill"]],
    ["delivery-3", ["start"]],
  ]);
  assert.equal(removeInstance(state), null, "the only one that runs stays");
  assert.deepEqual(removeInstance(shown()), { do: "stop", role: "delivery-2" });
});

test("growth says how many partitions there will be, and whether keys move", () => {
  assert.deepEqual(addPartition(shown({ partitions: 3 })), { do: "grow", partitions: 4 });
  assert.equal(addPartition(initial), null);
  assert.equal(movesKeys(shown()), false);
  assert.equal(movesKeys(shown({ key: "order-id" })), true);
});

test("an answer tells the command for a terminal, a refusal its reason in both languages", async () => {
  const answer = (status, body) => async () => new Response(body, { status });
  const done = await ask({ do: "start" }, null, answer(200, '{"done":true,"shell":"mall delivery"}'));
  assert.deepEqual([done.ok, done.shell], [true, "mall delivery"]);
  const refused = await ask({ do: "start" }, null, answer(409, '{"message":"no","korean":"안 됨"}'));
  assert.deepEqual(refused.message, { english: "no", korean: "안 됨" });
  const away = await ask({ do: "start" }, null, async () => Promise.reject(new TypeError("away")));
  assert.equal(away.message, null);
});

test("the token is sent as the gateway wants it, and only if there is one", async () => {
  const sent = [];
  const fetching = async (_, { headers }) => {
    sent.push(headers.authorization);
    return new Response("{}");
  };
  await ask({ do: "start" }, "a-token", fetching);
  await ask({ do: "start" }, null, fetching);
  assert.deepEqual(sent, ["Bearer a-token", undefined]);
});
