// What a key means, whatever keyboard is on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { meaning } from "../src/page/keys.js";

const body = { tagName: "BODY", closest: () => null, getAttribute: () => null };
const chip = {
  tagName: "g",
  closest: (what) => (what === "svg" ? {} : null),
  getAttribute: (name) => (name === "role" ? "button" : null),
};
const press = (code, more = {}) => meaning({ code, key: "?", target: body, isComposing: false, ...more });

test("keys are told by their place, so that a Korean keyboard changes nothing", () => {
  assert.equal(press("KeyP", { key: "ㅔ" }), "place");
  assert.equal(press("KeyP", { key: "ㅖ", shiftKey: true }), "park");
  assert.equal(press("KeyM", { key: "ㅡ" }), "modify");
  assert.equal(press("KeyX", { key: "ㅌ" }), "cancel");
  assert.equal(press("Space"), "pause");
  assert.equal(press("Slash", { shiftKey: true }), "help");
  assert.equal(press("Slash"), null);
  assert.equal(press("KeyQ"), null);
});

test("nothing counts while a text is composed or typed, or with a modifier", () => {
  assert.equal(press("KeyP", { isComposing: true }), null);
  assert.equal(press("KeyP", { target: { ...body, tagName: "INPUT" } }), null);
  assert.equal(press("Escape", { target: { ...body, tagName: "INPUT" } }), "close");
  assert.equal(press("KeyP", { ctrlKey: true }), null);
  assert.equal(press("KeyP", { metaKey: true }), null);
  assert.equal(press("KeyP", { repeat: true }), null, "a key that is held places one order");
});

test("the space bar presses a button that has the focus", () => {
  assert.equal(press("Space", { target: { ...body, tagName: "BUTTON" } }), null);
  assert.equal(press("Space", { target: chip }), null);
});

test("arrows go between records once one has the focus, and scroll before", () => {
  assert.equal(press("ArrowLeft"), null);
  assert.equal(press("ArrowLeft", { target: chip }), "left");
  assert.equal(press("ArrowDown", { target: chip, repeat: true }), "down");
  assert.equal(press("End", { target: chip }), "last");
});
