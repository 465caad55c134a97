// What the live page costs, measured on the embedded default with the program that was built for release; nothing is judged here, as
// a machine with other work to do is slow. `scripts/page cost` runs it; it needs wrk.
//
//   rounds   POST throughput, CPU and memory of the gateway, in turn with the page closed and open
//   minute   2000 orders a second for a minute: frames and memory of the page, memory of the gateway
//   latency  from the effect that breaks an order to the banner that says so

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { launch, open } from "./browser.js";
import { embedded, startMall } from "./mall.js";

const ROUNDS = Number(process.env.ROUNDS ?? 3);
const SECONDS = Number(process.env.SECONDS ?? 10);
const MINUTE = Number(process.env.MINUTE ?? 60);
const RATE = Number(process.env.RATE ?? 2000);
const ORDER = JSON.stringify({ customerId: 1, productId: "100", productName: "TV", qty: 1, address: "SEOUL" });
const POST = join(tmpdir(), "mall-cost.lua");
const HEADERS = { "content-type": "application/json", accept: "application/json" };

const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const say = (text) => console.log(text);
const load = () => `load ${loadavg()[0].toFixed(1)}`;
const mebi = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

/** CPU seconds and resident bytes of a process. */
function used(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1];
  return { cpu: (Number(stat[11]) + Number(stat[12])) / 100, rss: Number(rss) * 1024 };
}

/** Whether the gateway gathers what a page shows. */
function gathers(pid) {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.some((task) => readFileSync(`/proc/${pid}/task/${task}/comm`, "utf8").startsWith("live-"));
}

async function told(url, path) {
  return fetch(new URL(path, url), { headers: HEADERS }).then((answer) => answer.json());
}

/** Waits until each order has its delivery. */
async function delivered(mall) {
  const many = async (what) => (await told(mall.url, `/${what}?size=1`)).page.totalElements;
  while ((await many("orders")) !== (await many("deliveries"))) await wait(500);
}

async function withMall(options, steps) {
  const mall = await startMall(embedded, options);
  try {
    const crew = await told(mall.url, "/live/crew");
    const role = (name) => crew.find((each) => each.name === name);
    await steps({ ...mall, gateway: role("gateway").pid, orders: role("order").url });
  } finally {
    await mall.stop();
  }
}

async function watched(browser, mall, steps) {
  const opened = await open(browser, mall.url);
  await opened.page.locator('#live[data-state="live"]').waitFor();
  try {
    return await steps(opened);
  } finally {
    await opened.context.close();
  }
}

async function round(mall, name) {
  const [before, began] = [used(mall.gateway), Date.now()];
  const { stdout } = spawnSync("wrk", ["-t2", "-c32", `-d${SECONDS}s`, "-s", POST, new URL("/orders", mall.url).href], {
    encoding: "utf8",
  });
  const [after, took] = [used(mall.gateway), (Date.now() - began) / 1000];
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)[1]);
  const [cpu, posts] = [after.cpu - before.cpu, rate * took];
  const each = ((cpu / posts) * 1e6).toFixed(0);
  say(
    `page ${name}: ${rate.toFixed(0)} POST/s; gateway ${cpu.toFixed(2)} CPU s in ${took.toFixed(1)} s, ${each} µs a POST, ${mebi(after.rss)}; ${load()}`,
  );
  await delivered(mall);
}

async function rounds(browser) {
  writeFileSync(
    POST,
    `wrk.method = "POST"\nwrk.body = '${ORDER}'\nwrk.headers["content-type"] = "application/json"\nwrk.headers["accept"] = "application/json"\n`,
  );
  await withMall(["--modify-delay=0s", "--partitions=4"], async (mall) => {
    for (let each = 0; each < ROUNDS; each += 1) {
      while (gathers(mall.gateway)) await wait(500);
      await round(mall, "closed");
      await watched(browser, mall, () => round(mall, "open"));
    }
    while (gathers(mall.gateway)) await wait(500);
    const idle = used(mall.gateway);
    await wait(SECONDS * 1000);
    const still = used(mall.gateway);
    say(`nobody looks and nothing happens: ${(still.cpu - idle.cpu).toFixed(2)} CPU s in ${SECONDS} s`);
    await watched(browser, mall, async () => {
      await wait(5000);
      const [first, began] = [used(mall.gateway), Date.now()];
      await wait(SECONDS * 1000);
      const cpu = used(mall.gateway).cpu - first.cpu;
      say(
        `a page is open and nothing happens: ${cpu.toFixed(2)} CPU s in ${((Date.now() - began) / 1000).toFixed(1)} s`,
      );
    });
  });
}

/** Places orders at this rate; answers with how many were placed. */
async function paced(url, rate, seconds) {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const { hostname, port } = new URL(url);
  let [placed, open] = [0, 0];
  const post = () =>
    new Promise((done) => {
      open += 1;
      const asked = request({ agent, hostname, port, path: "/orders", method: "POST", headers: HEADERS }, (answer) => {
        if (answer.statusCode === 201) placed += 1;
        answer.resume().on("end", done);
      });
      asked.on("error", done);
      asked.end(ORDER);
    }).then(() => {
      open -= 1;
    });
  const began = Date.now();
  let sent = 0;
  while (Date.now() - began < seconds * 1000) {
    const due = Math.floor(((Date.now() - began) / 1000) * rate) - sent;
    for (let each = 0; each < due && open < 256; each += 1) {
      sent += 1;
      post();
    }
    await wait(5);
  }
  while (open) await wait(20);
  agent.destroy();
  return placed;
}

async function heap(cdp) {
  await cdp.send("HeapProfiler.collectGarbage");
  const { metrics } = await cdp.send("Performance.getMetrics");
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
}

/** Of the frames that were drawn during `steps`, the CPU milliseconds that the page's thread took, with styles, layout and paint. */
async function frames(browser, steps) {
  const cdp = await browser.newBrowserCDPSession();
  const events = [];
  cdp.on("Tracing.dataCollected", ({ value }) => events.push(...value.filter(({ tdur }) => tdur !== undefined)));
  const includedCategories = ["devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel"];
  await cdp.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories } });
  await steps();
  const complete = new Promise((done) => cdp.once("Tracing.tracingComplete", done));
  await cdp.send("Tracing.end");
  await complete;
  // A frame in which nothing but the measuring ran takes a few microseconds.
  const draws = events.filter(({ name, tdur }) => name === "FireAnimationFrame" && tdur > 500);
  const tasks = events.filter(({ name, tid, pid }) => name === "RunTask" && draws.some((draw) => isOf(draw, pid, tid)));
  const around = tasks.filter((task) => draws.some((draw) => draw.ts >= task.ts && draw.ts <= task.ts + task.dur));
  return around.map(({ tdur }) => tdur / 1000);
}

function isOf(event, pid, tid) {
  return event.pid === pid && event.tid === tid;
}

/** The median, the 99th of a hundred, and the largest. */
function spread(numbers) {
  const sorted = numbers.toSorted((one, other) => one - other);
  const at = (part) => (sorted[Math.floor((sorted.length - 1) * part)] ?? 0).toFixed(1);
  return `median ${at(0.5)} ms, 99 % within ${at(0.99)} ms, longest ${at(1)} ms, of ${sorted.length}`;
}

async function minute(browser) {
  await withMall(["--modify-delay=0s", "--partitions=4"], async (mall) => {
    await watched(browser, mall, async ({ page, context, redraws }) => {
      const cdp = await context.newCDPSession(page);
      await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
      await page.evaluate(() => {
        globalThis.intervals = [];
        let last = performance.now();
        const step = (now) => {
          globalThis.intervals.push(now - last);
          last = now;
          globalThis.unmeasured(step);
        };
        globalThis.unmeasured(step);
      });
      await wait(2000);
      await redraws();
      await page.evaluate(() => globalThis.intervals.splice(0));
      const [page0, gateway0] = [await heap(cdp), used(mall.gateway)];
      let placed = 0;
      const drawn = await frames(browser, async () => {
        placed = await paced(mall.orders, RATE, MINUTE);
      });
      const intervals = await page.evaluate(() => globalThis.intervals.splice(0));
      const [page1, gateway1] = [await heap(cdp), used(mall.gateway)];
      say(`${placed} orders in ${MINUTE} s, ${(placed / MINUTE).toFixed(0)} a second; ${load()}`);
      say(`between frames: ${spread(intervals)}`);
      say(`CPU of a frame: ${spread(drawn)}`);
      say(`${await redraws()}; of the page's thread ${(page1.TaskDuration - page0.TaskDuration).toFixed(1)} CPU s`);
      const [heap0, heap1] = [page0, page1].map(({ JSHeapUsedSize }) => mebi(JSHeapUsedSize));
      say(`page: ${heap0} and ${page0.Nodes} nodes before, ${heap1} and ${page1.Nodes} nodes after`);
      say(
        `gateway: ${mebi(gateway0.rss)} before, ${mebi(gateway1.rss)} after, ${(gateway1.cpu - gateway0.cpu).toFixed(1)} CPU s`,
      );
      await delivered(mall);
      await page.waitForFunction(
        (many) => document.getElementById("verdict-why").textContent.includes(`Orders judged: ${many}.`),
        placed,
        { timeout: 600_000 },
      );
      const after = [await heap(cdp), used(mall.gateway)];
      say(`all judged: page ${mebi(after[0].JSHeapUsedSize)}, gateway ${mebi(after[1].rss)}`);
    });
  });
}

async function latency(browser) {
  const options = ["--course", "--modify-delay=1s", "--partitions=2", "--deliveries=2"];
  await withMall(options, async (mall) => {
    await watched(browser, mall, async ({ page }) => {
      // Each instance has to have its partition, or one of them reads both in turn.
      await page.waitForFunction(() => {
        const held = [...document.querySelectorAll("#tracks .card-partitions")].map((each) => each.textContent);
        return held.length === 2 && held.every((each) => /^P\d$/.test(each));
      });
      await page.evaluate(() => {
        const [stream, word] = [new EventSource("/live"), document.getElementById("verdict-word")];
        // When an event of each order first took effect out of its turn, and when the banner first told of so many orders.
        globalThis.broken = new Map();
        globalThis.told = [];
        stream.addEventListener("seen", ({ data }) => {
          const bad = JSON.parse(data).filter(({ ending }) => ending === "applied-early" || ending === "out-of-order");
          for (const { event, at } of bad)
            if (!globalThis.broken.has(event.order)) globalThis.broken.set(event.order, at);
        });
        new MutationObserver(() => {
          const many = Number(/\d+/.exec(word.textContent)?.[0] ?? 0);
          globalThis.told[many] ??= Date.now();
        }).observe(word, { childList: true, characterData: true, subtree: true });
      });
      for (let each = 1; each <= 10; each += 1) {
        await page.locator("#kim-all").click();
        await page.waitForFunction((many) => globalThis.told[many] && globalThis.broken.size >= many, each);
      }
      const took = await page.evaluate(() =>
        [...globalThis.broken.values()].map((at, each) => globalThis.told[each + 1] - at),
      );
      say(`from the effect to the banner: ${took.sort((one, other) => one - other).join(", ")} ms; ${load()}`);
    });
  });
}

const browser = await launch();
const parts = { rounds, minute, latency };
for (const name of process.argv.slice(2).length ? process.argv.slice(2) : Object.keys(parts)) {
  say(`# ${name}, ${new Date().toISOString()}, ${load()}`);
  await parts[name](browser);
}
await browser.close();
