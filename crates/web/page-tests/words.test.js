// Both languages say the same things.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { languages, preferred, readIn, sayIn } from "../src/page/words.js";

const PAGE = new URL("../src/page/", import.meta.url);
const places = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test("both languages have the same keys, with places for the same values", () => {
  const { en, ko } = languages;
  assert.deepEqual(Object.keys(ko).sort(), Object.keys(en).sort());
  for (const key of Object.keys(en)) assert.deepEqual(places(ko[key]), places(en[key]), key);
});

test("every word is used, and every word that is used is there", () => {
  const files = readdirSync(PAGE).filter((name) => /\.(?:js|html)$/.test(name) && !name.startsWith("words"));
  const text = files.map((name) => readFileSync(new URL(name, PAGE), "utf8")).join("\n");
  const said = new Set([...text.matchAll(/["'`]([a-z]\w*)["'`]/gi)].map(([, word]) => word));
  const made = (key) => /^(?:key|guard)(?:On|Off)(?:Means)?$/.test(key);
  const idle = Object.keys(languages.en).filter((key) => !said.has(key) && !made(key));
  assert.deepEqual(idle, [], "nothing says these");
  const asked = [...text.matchAll(/\bsay\(\s*"(\w+)"|data-say(?:-label)?="(\w+)"/g)].map(
    ([, one, other]) => one ?? other,
  );
  assert.deepEqual(
    asked.filter((key) => languages.en[key] === undefined),
    [],
  );
});

test("Korean has its words: partition, consumer and offset stay, lag is 지연", () => {
  const { ko } = languages;
  assert.match(ko.partitions, /파티션/);
  assert.match(ko.noReader, /컨슈머/);
  assert.match(ko.offset, /오프셋/);
  assert.match(ko.endLag, /지연/);
  const foreign = Object.entries(ko).filter(([, text]) => /[一-鿿]/.test(text));
  assert.deepEqual(foreign, []);
});

test("the language is the browser's", () => {
  assert.equal(preferred(["ko-KR", "en"]), "ko");
  assert.equal(preferred(["ko"]), "ko");
  assert.equal(preferred(["en-GB", "ko"]), "en");
  assert.equal(preferred(["de", "fr"]), "en");
  assert.equal(preferred([]), "en");
  assert.equal(preferred(undefined), "en");
});

test("values stand in their places, and a text of the server is read in the reader's language", () => {
  assert.equal(sayIn("en")("older", { count: 3 }), "+3 older");
  assert.equal(sayIn("ko")("older", { count: 3 }), "+3 이전");
  assert.equal(sayIn("xx")("pause"), "Pause");
  assert.equal(readIn("ko", { english: "e", korean: "k" }), "k");
  assert.equal(readIn("ko", { english: "e" }), "e");
  assert.equal(readIn("en", "as it is"), "as it is");
  assert.equal(readIn("en", null), "");
});
