// The page in a headless Chromium, driven as a person does, against a stand-in that tells what real malls have told.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "../browser.js";
import { Gathered, gathered, observed, START, snapshot, Told } from "../frames.js";
import { accessible, count, shownIn, text } from "../shown.js";

const at = (partition, offset) => ({ partition, offset });
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser.close());

const shown = (frames, options, steps) => shownIn(browser, frames, options, steps);

test("the second experiment: banner, arrow, wrong row, and a jump to the place", async () => {
  await shown(gathered(observed("keyless")), {}, async ({ page, here }) => {
    here.orders.set(1, [
      { type: "OrderCancelled", payload: { customerId: 2000, productName: "RADIO", qty: 3, address: "SEOUL" } },
    ]);
    await page.locator('#verdict[data-state="harm"]').waitFor();
    assert.equal(await text(page, "#verdict-word"), "▲ 1 ANOMALY");
    await count(page, "#lens .arrow", 2);
    assert.match(await text(page, "#deliveries tr.wrong"), /CANCELLED v3\s+MODIFIED v3/);
    await count(page, "#tracks .chip.broken", 2);
    await page.getByRole("button", { name: "Show order 1" }).click();
    await count(page, "#tracks .chip.selected", 3);
    await count(page, "#lens .lane.selected", 1);
    assert.match(await text(page, ".story.chosen"), /Evidence[\s\S]*Remedy[\s\S]*--key order-id/);
    assert.match(await text(page, "#log"), /order 1: inversion, v2 took effect after v3/);
  });
});

test("behind the fence: kept, and the early event visibly waits", async () => {
  const frames = gathered(observed("fence"), { guard: "version", lanes: 64 });
  const early = frames.findIndex(({ event, data }) => event === "seen" && data[0].ending === "early");
  await shown(frames.slice(0, early + 1), {}, async ({ page, here }) => {
    await page.locator("#tracks .chip.parked").waitFor();
    await count(page, "#lens .bay:not(.over)", 1);
    here.tell(...frames.slice(early + 1));
    await page.locator("#lens .bay.over").waitFor();
    assert.equal(await text(page, "#verdict-word"), "✓ ORDERED");
    await count(page, "#lens .arrow, .wrong, .story:not(.hazard)", 0);
  });
});

test("the modes, the group and the idle instance can't be overlooked", async () => {
  await shown([snapshot({ partitions: 1, deliveries: 2 })], {}, async ({ page }) => {
    assert.deepEqual(await page.locator("#modes .mode-value").allInnerTexts(), ["none", "off", "1"]);
    assert.match(await text(page, "#group"), /Stable, generation 2/);
    assert.match(await page.locator("#tracks").textContent(), /idle: more instances than partitions/);
  });
});

test("growth draws the line, and an instance that dies is shown gone", async () => {
  const mall = new Gathered(snapshot({ partitions: 1, deliveries: 1 }));
  for (const seen of new Told().written(1, 1, "OrderPlaced", at(0, 0)).all) mall.see(seen);
  await shown(mall.frames, {}, async ({ page, here }) => {
    here.tell({ event: "growth", data: [{ at: START + 100, from: 1, to: 2, ends: [1] }] });
    await page.locator("#tracks .growth").waitFor({ state: "attached" });
    const roles = structuredClone(mall.frames[0].data.roles);
    roles[1].state = "away";
    here.tell({ event: "roles", data: roles });
    await page.locator("#tracks .card.gone").waitFor();
  });
});

test("orders are placed, modified and cancelled, with the command shown, and a refusal is told", async () => {
  const options = { allowed: (text) => /status of 400/.test(text) };
  await shown([snapshot()], options, async ({ page, here }) => {
    await page.locator("#kim").click();
    await page.locator("#change").waitFor();
    assert.match(
      await text(page, "#command"),
      /^http :\d+\/orders customerId=2000 productId=100 productName=RADIO qty=3 address=PUSAN$/,
    );
    await page.locator("#modify").click();
    await page.waitForFunction(() => document.getElementById("selected-line").textContent.includes("SEOUL"));
    assert.equal(here.orders.get(1).at(-1).payload.address, "SEOUL");
    await page.locator("#address").fill("");
    await page.locator("#modify").click();
    await page.locator('#outcome[data-ok="false"]').waitFor();
    assert.match(await text(page, "#outcome"), /address: give one/);
    await page.locator("#cancel").click();
    await page.waitForFunction(() => document.getElementById("change").hidden);
    assert.equal(here.orders.get(1).at(-1).type, "OrderCancelled");
    assert.match(await text(page, "#command"), /^http DELETE :\d+\/orders\/1$/);
  });
});

test("all of it by keyboard alone, also with a Korean keyboard on", async () => {
  await shown(gathered(observed("keyless")), {}, async ({ page, here }) => {
    const press = (code, key, more = {}) =>
      page.evaluate(
        (init) =>
          document.body.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...init })),
        { code, key, ...more },
      );
    await press("KeyP", "ㅔ", { isComposing: true });
    await press("KeyP", "ㅔ");
    await page.locator("#change").waitFor();
    assert.equal(here.orders.size, 1, "what is being composed is no key");
    await page.keyboard.press("m");
    await page.waitForFunction(() => document.getElementById("selected-line").textContent.includes("SEOUL"));
    await page.keyboard.press("x");
    await page.waitForFunction(() => document.getElementById("change").hidden);
    await page.keyboard.press("Shift+Slash");
    await page.locator("#help-dialog[open]").waitFor();
    await page.keyboard.press("Escape");
    await page.locator("#help-dialog[open]").waitFor({ state: "detached" });
    await page.locator('#tracks [tabindex="0"]').focus();
    const focused = () => page.evaluate(() => document.activeElement.querySelector("title").textContent);
    const first = await focused();
    await page.keyboard.press("ArrowUp");
    const above = await focused();
    assert.notEqual(above, first);
    await page.keyboard.press("Home");
    assert.match(await focused(), /^order 1 v1 OrderPlaced P0@0: done/);
    await page.keyboard.press("Enter");
    await count(page, "#tracks .chip.selected", 0);
    await page.keyboard.press("Enter");
    await count(page, "#tracks .chip.selected", 3);
    await page.keyboard.press("t");
    assert.match(
      await text(page, "#mirror"),
      /P1\s+0\s+1\s+OrderModified v2\s+took effect out of its turn\s+delivery-2/,
    );
  });
});

test("processes and modes are commanded where that is possible, and a growing keyed topic warns first", async () => {
  await shown([snapshot({ commands: "open", key: "order-id" })], {}, async ({ page, here }) => {
    await page.locator("#commands").waitFor();
    await page.keyboard.press("g");
    await page.locator('#commands-outcome[data-ok="true"]').waitFor();
    assert.match(await text(page, "#command"), /^mall as asked: .*"guard":"version"/);
    await page.getByRole("button", { name: "kill delivery-2" }).click();
    await page.waitForFunction(() => document.getElementById("command").textContent.includes("delivery-2"));
    await page.locator("#add-partition").click();
    assert.match(await text(page, "#grow-warning"), /The keys will move/);
    await page.locator("#add-partition").click();
    await page.waitForFunction(() => document.getElementById("command").textContent.includes("grow"));
    assert.deepEqual(here.wishes, [
      { do: "switch", guard: "version" },
      { do: "kill", role: "delivery-2" },
      { do: "grow", partitions: 3 },
    ]);
    await accessible(page);
  });
});

test("a mall that takes no commands shows none, and says so", async () => {
  await shown([snapshot()], {}, async ({ page, here }) => {
    await page.locator("#no-commands").waitFor();
    assert.equal(await page.locator("#commands").isVisible(), false);
    await page.keyboard.press("g");
    await page.keyboard.press("BracketRight");
    assert.equal(here.wishes.length, 0);
  });
});

test("where commands need a token the page asks for it once, and again only if it was wrong", async () => {
  const options = { allowed: (text) => /status of 401/.test(text) };
  await shown([snapshot({ commands: "token" })], options, async ({ page, here }) => {
    await page.locator("#token-form").waitFor();
    assert.equal(await page.locator("#commands").isVisible(), false);
    await page.keyboard.press("g");
    await page.locator("#token").fill("not-the-right-one");
    await page.locator("#token").press("Enter");
    await page.locator("#add-instance").click();
    await page.locator('#token-outcome[data-ok="false"]', { hasText: "not the token" }).waitFor();
    assert.equal(await page.locator("#token").inputValue(), "");
    await accessible(page);
    here.token = "the-right-token-1";
    await page.locator("#token").fill("the-right-token-1");
    await page.locator("#token-form button").click();
    await page.locator("#add-instance").click();
    await page.locator('#commands-outcome[data-ok="true"]').waitFor();
    await page.locator("#switch-guard").click();
    await page.waitForFunction(() => document.getElementById("command").textContent.includes("guard"));
    assert.deepEqual(here.wishes, [{ do: "start" }, { do: "switch", guard: "version" }]);
    const kept = await page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
    );
    assert.doesNotMatch(kept, /right-token/);
    assert.doesNotMatch(await page.content(), /right-token/);
  });
});

test("a page for reading only offers nothing else, and says so", async () => {
  const frames = gathered(observed("keyless"));
  frames[0].data.mall.commands = "read-only";
  await shown(frames, {}, async ({ page, here }) => {
    await page.locator("#no-commands", { hasText: "--read-only" }).waitFor();
    here.orders.set(1, [
      { type: "OrderPlaced", payload: { customerId: 2000, productName: "RADIO", qty: 3, address: "PUSAN" } },
    ]);
    await page.getByRole("button", { name: "Show order 1" }).click();
    await page.waitForFunction(() => document.getElementById("selected-line").textContent.includes("RADIO"));
    for (const what of ["#choices", "#change", "#commands", "#token-form", "#command-part"])
      assert.equal(await page.locator(what).isVisible(), false, what);
    for (const key of ["p", "Shift+p", "m", "x", "k", "g", "BracketRight"]) await page.keyboard.press(key);
    await page.keyboard.press("Shift+Slash");
    assert.doesNotMatch(await text(page, "#help-keys"), /place|modify|switch/);
    const asked = here.requests.filter((request) => !request.startsWith("GET "));
    assert.deepEqual(asked, []);
    await accessible(page);
  });
});

test("pause keeps what is shown, and what came meanwhile is there afterwards", async () => {
  const frames = gathered(observed("keyless"));
  await shown(frames.slice(0, 10), {}, async ({ page, here }) => {
    await page.keyboard.press("Space");
    assert.equal(await text(page, "#live"), "PAUSED");
    here.tell(...frames.slice(10));
    await page.waitForTimeout(300);
    assert.equal(await text(page, "#verdict-word"), "NO ORDERS YET");
    await page.keyboard.press("Space");
    await page.locator('#verdict[data-state="harm"]').waitFor();
  });
});

test("a break is shown, and what followed comes without a gap or a double", async () => {
  const options = { allowed: (text) => /ERR_(?:INCOMPLETE|CONNECTION|EMPTY)/.test(text) };
  const frames = gathered(observed("fence"));
  await shown(frames.slice(0, 20), options, async ({ page, here }) => {
    here.hangUp();
    await page.locator('#live[data-state="away"]').waitFor();
    assert.match(await text(page, "#verdict-why"), /^As last heard\./);
    here.tell(...frames.slice(20));
    await page.locator('#live[data-state="live"]').waitFor();
    await page.locator("#verdict[data-stale]").waitFor({ state: "detached" });
    await page.locator("#lens .bay.over").waitFor();
    await count(page, "#lens .bay", 1);
    await count(page, "#tracks .chip", 3);
    assert.equal(here.requests.filter((request) => request.startsWith("GET /live")).length, 2);
  });
});

test("two tabs show the same", async () => {
  const frames = gathered(observed("keyless"));
  await shown(frames, {}, async ({ page, here }) => {
    const other = await open(browser, here.url);
    for (const each of [page, other.page]) await each.locator('#verdict[data-state="harm"]').waitFor();
    for (const each of [page, other.page]) await each.keyboard.press("t");
    const both = await Promise.all([page, other.page].map((each) => text(each, "#mirror-records")));
    assert.equal(both[0], both[1]);
    await other.context.close();
  });
});

test("nothing that orders and records bring becomes markup", async () => {
  const evil = '<img src=x onerror="globalThis.pwned=1"><script>globalThis.pwned=1</script>';
  const mall = new Gathered(snapshot());
  const told = new Told()
    .written(1, 1, evil, at(0, 0), evil)
    .taken(evil, 1, 1, evil, at(0, 0))
    .finished(evil, 1, 1, evil, at(0, 0), { ending: "applied", delivery: 1, status: evil });
  for (const seen of told.all) mall.see(seen);
  const says = { english: evil, korean: evil };
  const found = [
    {
      order: 1,
      name: evil,
      kind: "harm",
      says,
      remedy: says,
      evidence: [{ what: says, version: 1, instance: evil, timestamp: 1 }],
    },
  ];
  mall.add({ at: START }, "verdict", {
    state: "harm",
    orders: 1,
    harm: 1,
    hazards: 0,
    underWay: false,
    found,
    doubts: [],
  });
  await shown(mall.frames, {}, async ({ page, here }) => {
    here.orders.set(1, [
      {
        type: "OrderPlaced",
        payload: { customerId: 1, productId: evil, productName: evil, qty: 1, address: `"><b>${evil}` },
      },
    ]);
    await page.locator("#anomalies .order-button").click();
    await page.locator("#change").waitFor();
    await page.keyboard.press("t");
    await page.locator("#address").fill(evil);
    await page.locator("#modify").click();
    await page.waitForFunction((wanted) => document.getElementById("selected-line").textContent.includes(wanted), evil);
    await count(page, "img, b, script:not([src])", 0);
    assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
    assert.ok((await text(page, "#selected-line")).includes(evil), "it is shown as it is");
  });
});

for (const [name, options] of Object.entries({
  light: {},
  dark: { colorScheme: "dark" },
  korean: { locale: "ko-KR" },
  phone: { viewport: { width: 360, height: 740 } },
})) {
  test(`accessible: ${name}`, async () => {
    await shown(gathered(observed("keyless")), options, async ({ page }) => {
      await page.locator('#verdict[data-state="harm"]').waitFor();
      await page.keyboard.press("t");
      await accessible(page);
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wider <= 0, `the page is ${wider} px wider than the window`);
      await page.keyboard.press("Shift+Slash");
      await accessible(page);
    });
  });
}

test("Korean is the browser's wish, and one key away", async () => {
  await shown(gathered(observed("keyless")), { locale: "ko-KR" }, async ({ page }) => {
    assert.equal(await text(page, "#verdict-word"), "▲ 이상 1건");
    assert.equal(await page.evaluate(() => document.documentElement.lang), "ko");
    assert.match(await text(page, "#anomalies"), /v2가 v3보다 나중에 반영됨/);
    await page.keyboard.press("l");
    assert.equal(await text(page, "#verdict-word"), "▲ 1 ANOMALY");
  });
});

test("who wants no motion sees none", async () => {
  await shown(gathered(observed("fence")), { reducedMotion: "reduce" }, async ({ page }) => {
    const moves = await page
      .locator("#tracks .chip")
      .first()
      .evaluate((chip) => getComputedStyle(chip).transitionDuration);
    assert.equal(moves, "0s");
  });
});

test("a burst of 500 events is shown whole", async (context) => {
  await shown([snapshot({ partitions: 4 })], {}, async ({ page, here, redraws }) => {
    await redraws();
    const told = new Told();
    for (let each = 0; each < 250; each += 1)
      told.written((each % 50) + 1, Math.floor(each / 50) + 1, "OrderModified", at(each % 4, Math.floor(each / 4)));
    const mall = new Gathered(snapshot({ partitions: 4 }));
    for (const seen of told.all) mall.see(seen);
    const observations = mall.frames.filter(({ event }) => event === "seen").flatMap(({ data }) => data);
    assert.equal(observations.length, 500);
    for (let from = 0; from < 500; from += 50) here.tell({ event: "seen", data: observations.slice(from, from + 50) });
    here.tell(mall.frames.findLast(({ event }) => event === "partitions"));
    await page.waitForFunction(() => document.querySelectorAll("#mirror-records tr").length === 160);
    context.diagnostic(await redraws());
  });
});
