// Scenarios and histories in a headless Chromium: chosen, guessed, run, gone over forth and back, opened from files and saved.
// The histories are those in `recorded/`, which `mall lab run --record` has written.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { launch } from "../browser.js";
import { gathered, observed, snapshot } from "../frames.js";
import { accessible, count, shownIn, text } from "../shown.js";

let browser;

before(async () => {
  browser = await launch();
});
after(() => browser.close());

const shown = (frames, options, steps) => shownIn(browser, frames, options, steps);
const recorded = (name) => readFileSync(new URL(`../recorded/${name}.jsonl`, import.meta.url), "utf8");
const place = (page) => page.evaluate(() => Number(document.getElementById("place").value));

/** Opens the scenarios, and waits for the list. */
async function scenes(page) {
  await page.locator("#side-scenes").click();
  await page.locator("#scene-body").waitFor();
}

/** Runs what is chosen, and waits until it has been played to its end at once. */
async function runToTheEnd(page, run) {
  await page.locator(`#runs button[data-run="${run}"]`).click();
  await page.locator("#speed-fast").click();
  await ended(page);
}

const ended = (page) =>
  page.waitForFunction(() => {
    const slider = document.getElementById("place");
    return slider.value === slider.max && document.getElementById("step-on").disabled;
  });

async function seek(page, to) {
  await page.locator("#place").fill(String(to));
  await page.waitForFunction((wanted) => document.getElementById("place").value === wanted, String(to));
}

/** Presses a key that steps, and waits until that is shown. Answers with the place. */
async function step(page, key, by) {
  const wanted = (await place(page)) + by;
  await page.keyboard.press(key);
  await page.waitForFunction((there) => Number(document.getElementById("place").value) === there, wanted);
  return wanted;
}

/** Opens a file, as by the dialog of the browser. */
function openFile(page, name, content) {
  return page.locator("#file").setInputFiles({ name, mimeType: "application/x-ndjson", buffer: Buffer.from(content) });
}

test("the keyless scenario: asked, guessed, broken, gone back over, fixed", async () => {
  await shown([snapshot()], {}, async ({ page, here }) => {
    await scenes(page);
    await page.locator("#scene").selectOption("missing-key");
    assert.match(await text(page, "#scene-question"), /What will the row say when both are done\?/);
    assert.equal(await text(page, "#guess-asks"), "What will KIM's delivery be in the end?");
    await page.getByLabel("DELIVERY CANCELLED").check();
    await page.locator('#runs button[data-run="broken"]').click();
    await page.locator("#player").waitFor();
    assert.match(await text(page, "#player"), /RECORDED, NOT THE LIVE MALL/);
    assert.match(await text(page, "#player-what"), /Missing key.*broken.*simulated/);
    assert.equal(await text(page, "#live"), "RECORDED");
    assert.equal(await page.locator("#kim").isVisible(), false, "nobody places an order at the live mall by mistake");
    await page.locator("#speed-fast").click();
    await ended(page);
    assert.equal(await text(page, "#verdict-word"), "▲ 1 ANOMALY");
    await count(page, "#lens .arrow", 2);
    assert.match(await text(page, "#deliveries tr.wrong"), /CANCELLED v3\s+MODIFIED v3/);
    assert.match(
      await text(page, "#results"),
      /DELIVERY MODIFIED\. Harm was done\.\s+You had guessed otherwise: DELIVERY CANCELLED\./,
    );
    assert.match(await text(page, "#scene-answer"), /With the order's number as the key/);
    await accessible(page);

    // Back to before the cancellation took effect: no arrow, no wrong row, no harm.
    let there = await place(page);
    const wrong = () => page.locator(".wrong, #lens .arrow, .story:not(.hazard)").count();
    while (there > 0 && (await wrong()) > 0) there = await step(page, "Comma", -1);
    assert.ok(there > 5, "only the end of it is wrong");
    assert.equal(await text(page, "#verdict-word"), "… ORDERED SO FAR");
    await step(page, "Period", 1);
    assert.ok((await wrong()) > 0);

    await runToTheEnd(page, "fixed");
    assert.match(await text(page, "#player-what"), /fixed/);
    assert.equal(await text(page, "#verdict-word"), "✓ ORDERED");
    await count(page, ".wrong, #lens .arrow", 0);
    assert.equal(await page.locator("#results .result").count(), 2, "both runs stand side by side");
    assert.match(await text(page, "#results"), /DELIVERY CANCELLED\. No harm\./);

    await page.locator("#player-back").click();
    await page.locator('#live[data-state="live"]').waitFor();
    assert.equal(await page.locator("#player").isVisible(), false);
    assert.ok(await page.locator("#kim").isVisible());
    assert.equal(here.orders.size, 0, "nothing was asked of the live mall");
    assert.ok(!here.requests.some((request) => /^\w+ \/(?:orders|deliveries|live\/commands)/.test(request)));
  });
});

test("what comes from the live mall meanwhile is there afterwards, and keys act on none of it", async () => {
  const frames = gathered(observed("keyless"));
  await shown(frames.slice(0, 10), {}, async ({ page, here }) => {
    await scenes(page);
    await page.locator("#scene").selectOption("missing-key");
    await runToTheEnd(page, "fixed");
    here.tell(...frames.slice(10));
    for (const key of ["p", "m", "x", "k", "g"]) await page.keyboard.press(key);
    await page.waitForTimeout(300);
    assert.equal(await text(page, "#verdict-word"), "✓ ORDERED");
    assert.equal(here.orders.size + here.wishes.length, 0);
    await page.keyboard.press("s");
    await page.locator('#verdict[data-state="harm"]').waitFor();
    assert.match(await text(page, "#deliveries tr.wrong"), /MODIFIED/);
  });
});

test("a history is played, paused, slowed down and scrubbed by keyboard alone", async () => {
  await shown([snapshot()], {}, async ({ page }) => {
    await page.keyboard.press("s");
    await page.locator("#scene-body").waitFor();
    await page.locator("#scene").selectOption("missing-key");
    await page.locator('#runs button[data-run="broken"]').focus();
    await page.keyboard.press("Enter");
    await page.locator("#speed-quarter").focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => Number(document.getElementById("place").value) > 2);
    await page.locator("#player-what").evaluate(() => document.activeElement.blur());
    await page.keyboard.press("Space");
    await page.locator("#play", { hasText: "Play" }).waitFor();
    const there = await place(page);
    await page.waitForTimeout(1200);
    assert.equal(await place(page), there, "it stands");
    await page.locator("#place").focus();
    await page.keyboard.press("End");
    await ended(page);
    await page.keyboard.press("Home");
    await page.waitForFunction(() => document.getElementById("place").value === "0");
    assert.equal(await text(page, "#verdict-word"), "NO ORDERS YET");
    assert.match(await text(page, "#verdict-why"), /Nothing has happened yet in this history/);
    assert.match(await page.locator("#place").getAttribute("aria-valuetext"), /^1 of \d+/);
    await page.keyboard.press("t");
    await seek(page, 30);
    await page.locator("#mirror-records tr").first().waitFor();
  });
});

test("a saved file is opened again, by the dialog and by dropping it", async () => {
  await shown([snapshot()], {}, async ({ page }) => {
    await page.locator("#side-scenes").click();
    await openFile(page, "zombie.jsonl", recorded("zombie-broken"));
    await page.locator("#player").waitFor();
    assert.match(await text(page, "#player-what"), /Zombie/);
    await seek(page, await page.evaluate(() => document.getElementById("place").max));
    await page.locator('#verdict[data-state="harm"]').waitFor();
    await count(page, "#lens .arrow", 2);
    const [saved] = await Promise.all([page.waitForEvent("download"), page.locator("#player-save").click()]);
    assert.equal(saved.suggestedFilename(), "mall-zombie-broken.jsonl");
    const content = readFileSync(await saved.path(), "utf8");
    assert.equal(content.split("\n").length, recorded("zombie-broken").split("\n").length);
    await page.locator("#player-back").click();
    const dropped = await page.evaluateHandle((words) => {
      const data = new DataTransfer();
      data.items.add(new File([words], "again.jsonl"));
      return data;
    }, content);
    await page.dispatchEvent("main", "drop", { dataTransfer: dropped });
    await page.locator("#player").waitFor();
    assert.match(await text(page, "#player-what"), /Zombie/);
  });
});

test("the last minutes of the live mall are saved, and opened elsewhere", async () => {
  await shown(gathered(observed("keyless")), {}, async ({ page }) => {
    await page.locator('#verdict[data-state="harm"]').waitFor();
    await page.locator("#side-scenes").click();
    const [saved] = await Promise.all([page.waitForEvent("download"), page.locator("#save-live").click()]);
    assert.match(saved.suggestedFilename(), /^mall-live-\d{8}-\d{4}\.jsonl$/);
    await openFile(page, "night.jsonl", readFileSync(await saved.path(), "utf8"));
    await page.locator("#player").waitFor();
    assert.match(await text(page, "#player-what"), /The last minutes of a mall/);
    await seek(page, await page.evaluate(() => document.getElementById("place").max));
    await page.locator("#deliveries tr.wrong").waitFor();
    await seek(page, 1);
    await count(page, "#deliveries tr.wrong", 0);
  });
});

test("files that are broken, foreign or hostile are refused in words, and change nothing", async () => {
  await shown([snapshot()], {}, async ({ page }) => {
    await page.locator("#side-scenes").click();
    const [header, first] = recorded("missing-key-broken").split("\n");
    const refused = async (content, says) => {
      await openFile(page, "x.jsonl", content);
      await page.locator("#scenes-outcome", { hasText: says }).waitFor();
      assert.equal(await page.locator("#player").isVisible(), false);
    };
    await refused("%PDF-1.7", "This file is no history");
    await refused(`${header}\n`, "doesn't begin with a snapshot");
    await refused(`${header}\n${first}\n{"event":"seen","data":[{"what":"__proto__"}]}`, "Line 3 of this file");
    await refused('{"history":99}\n', "has the format 99");
    await accessible(page);
  });
});

test("nothing that a file brings becomes markup", async () => {
  const evil = '<img src=x onerror="globalThis.pwned=1"><script>globalThis.pwned=1</script>';
  const told = recorded("missing-key-broken").replaceAll("KIM", "x").trim().split("\n");
  const lines = told.map((line) => JSON.stringify(poisoned(JSON.parse(line), evil)));
  await shown([snapshot()], {}, async ({ page }) => {
    await page.locator("#side-scenes").click();
    await openFile(page, "evil.jsonl", lines.join("\n"));
    await page.locator("#player").waitFor();
    await page.keyboard.press("t");
    const last = await page.evaluate(() => Number(document.getElementById("place").max));
    for (let at = 0; at <= last; at += 4) await seek(page, at);
    await seek(page, last);
    await count(page, "img, b, script:not([src])", 0);
    assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
    assert.ok((await text(page, "#player-what")).includes(evil), "it is shown as it is");
  });
});

const FREE = new Set(["english", "korean", "who", "name", "status", "key", "instance", "title", "world"]);

/** Puts a text in the place of every text that may be any. */
function poisoned(value, evil) {
  if (Array.isArray(value)) return value.map((each) => poisoned(each, evil));
  if (value === null || typeof value !== "object") return value;
  const changed = Object.entries(value).map(([name, part]) => [
    name,
    FREE.has(name) && typeof part === "string" ? evil : poisoned(part, evil),
  ]);
  return Object.fromEntries(changed);
}

test("a gateway that is busy or away is told, and one can ask again", async () => {
  const options = { allowed: (text) => /status of 503/.test(text) };
  await shown([snapshot()], options, async ({ page }) => {
    await scenes(page);
    await page.locator("#scene").selectOption("zombie");
    await page.locator('#runs button[data-run="fixed"]').click();
    await page.locator('#scenes-outcome[data-ok="false"]').waitFor();
    assert.match(await text(page, "#scenes-outcome"), /It could not be run: 2 scenarios run at this moment/);
    await page.locator('#runs button[data-run="broken"]').click();
    await page.locator("#player").waitFor();
    assert.equal(await text(page, "#scenes-outcome"), "");
  });
});

for (const [name, options] of Object.entries({
  dark: { colorScheme: "dark" },
  korean: { locale: "ko-KR" },
  phone: { viewport: { width: 360, height: 740 } },
  still: { reducedMotion: "reduce" },
})) {
  test(`scenarios are accessible: ${name}`, async () => {
    await shown([snapshot()], options, async ({ page }) => {
      await scenes(page);
      await page.locator("#scene").selectOption("missing-key");
      await accessible(page);
      await runToTheEnd(page, "broken");
      await page.keyboard.press("t");
      await accessible(page);
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wider <= 0, `the page is ${wider} px wider than the window`);
      if (name === "korean") assert.match(await text(page, "#player"), /녹화된 내용이며 실시간 mall이 아닙니다/);
    });
  });
}
