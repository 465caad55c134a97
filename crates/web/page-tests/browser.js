// A headless Chromium and a page in it that notices everything that a page of ours must not do.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = [
  process.env.MALL_TEST_CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];

/** Starts the browser of this machine. */
export function launch() {
  const executablePath = PLACES.find((place) => place && existsSync(place));
  if (!executablePath)
    throw new Error("no Chromium: install the package chromium, or say where it is with MALL_TEST_CHROMIUM");
  // Whoever is root, as in a container, has no sandbox; the pages are our own.
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}

/** Opens an address. `complaints` are console errors, violations of the content policy, and requests to somewhere else. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-US", ...options });
  const page = await context.newPage();
  const complaints = [];
  const allowed = options.allowed ?? (() => false);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !allowed(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const there = new URL(request.url());
    if (there.protocol !== "data:" && there.origin !== new URL(url).origin) complaints.push(`asked ${request.url()}`);
  });
  await page.addInitScript(() => {
    globalThis.violations = [];
    globalThis.redraws = [];
    const next = globalThis.requestAnimationFrame;
    globalThis.unmeasured = (draw) => next(draw);
    globalThis.requestAnimationFrame = (draw) =>
      next((time) => {
        const began = performance.now();
        draw(time);
        globalThis.redraws.push(performance.now() - began);
      });
    document.addEventListener("securitypolicyviolation", (event) =>
      globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  await page.goto(url);
  const violations = () => page.evaluate(() => globalThis.violations);
  return { page, context, complaints, violations, redraws: () => redraws(page) };
}

/** How long redraws took since the page was asked last: measured, not judged, as a machine with other work to do draws slowly. */
async function redraws(page) {
  const all = await page.evaluate(() => globalThis.redraws.splice(0));
  all.sort((one, other) => one - other);
  const at = (part) => (all[Math.floor((all.length - 1) * part)] ?? 0).toFixed(1);
  return `${all.length} redraws: median ${at(0.5)} ms, 99 % within ${at(0.99)} ms, longest ${at(1)} ms`;
}
