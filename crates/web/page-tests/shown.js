// A page that is shown frames by the stand-in, and what every page is held to.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { open } from "./browser.js";
import { standIn } from "./serve.js";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Runs a test on a page that is shown these frames, and holds the page to what every page must not do. */
export async function shownIn(browser, frames, options, steps) {
  const [first, ...others] = frames;
  const here = await standIn(first);
  here.tell(...others);
  const opened = await open(browser, here.url, options);
  try {
    await opened.page.locator('#live[data-state="live"]').waitFor();
    await steps({ ...opened, here });
    assert.deepEqual(opened.complaints, []);
    assert.deepEqual(await opened.violations(), []);
  } finally {
    await opened.context.close();
    await here.close();
  }
}

export async function accessible(page) {
  // The page's own policy forbids scripts within it, so that the checker comes by the browser's side door.
  const source = await import("node:fs").then(({ readFileSync }) => readFileSync(AXE, "utf8"));
  await page.evaluate(source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  assert.deepEqual(told, []);
}

// biome-ignore lint/performance/useDomNodeTextContent: what a person reads is what matters, as laid out.
export const text = (page, selector) => page.locator(selector).innerText();

/** Waits until there are so many. */
export const count = (page, selector, many) =>
  page.waitForFunction(([what, wanted]) => document.querySelectorAll(what).length === wanted, [selector, many]);
