// The live page: frames come in, the picture goes out, at most once for each frame of the screen.
//
//   stream.js ─frames─▶ model.js ─state─▶ layout-*.js ─shapes─▶ draw.js
//                                   └───▶ view-*.js
//
// While the page is paused, frames are taken in as ever and what was shown stays.

import { addInstance, mayCommand, mayOrder } from "./commands.js";
import { byId, set, say as text } from "./dom.js";
import { draw } from "./draw.js";
import { meaning } from "./keys.js";
import { layoutLens } from "./layout-lens.js";
import { layoutTracks } from "./layout-tracks.js";
import { apply, initial } from "./model.js";
import { isOpen } from "./orders.js";
import { Stream } from "./stream.js";
import { drawBanner } from "./view-banner.js";
import { Commands } from "./view-commands.js";
import { Controls } from "./view-controls.js";
import { drawHelp } from "./view-help.js";
import { drawAnomalies, drawDeliveries } from "./view-lists.js";
import { drawMirror } from "./view-mirror.js";
import { preferred, sayIn } from "./words.js";

/** How often elapsed times and arcs move on while something is under way. */
const TICK = 200;
/** How often the tables are written anew, which nobody reads as fast as the picture moves. */
const READING = 1000;

let state = initial;
let shown = initial;
let link = "away";
let paused = false;
let selected = null;
/** How far the mall's clock is ahead of this browser's. */
let ahead = 0;
let language = stored("language") ?? preferred(navigator.languages);
let drawing = 0;
let reading = 0;
/** The font's size and the width of the drawings, in pixels: measured when they may have changed, not for each drawing. */
let room = { em: 16, width: 0 };

const stream = new Stream({ heard, state: connected });
const controls = new Controls({ select, say: () => sayIn(language) });
const commands = new Commands({
  shown: () => shown,
  told: (shell) => controls.tell(shell),
  language: () => language,
  say: () => sayIn(language),
});

function heard(frame) {
  state = apply(state, frame);
  if (frame.event === "snapshot" && frame.data.now) ahead = frame.data.now - Date.now();
  if (state.rates?.thinned) stream.follow(selected);
  if (!paused) soon();
}

function connected(now) {
  link = now;
  soon();
}

function soon() {
  if (drawing) return;
  drawing = requestAnimationFrame(() => {
    drawing = 0;
    if (!paused) shown = state;
    redraw();
  });
}

function redraw() {
  if (!room.width) measure();
  const view = viewed();
  drawBanner(shown, view);
  drawPicture(byId("tracks"), layoutTracks(shown, view));
  drawPicture(byId("lens"), layoutLens(shown, view));
  byId("lens-empty").hidden = shown.orders.size > 0;
  drawDeliveries(shown, view);
  drawAnomalies(shown, view);
  controls.allow(mayOrder(shown));
  commands.draw();
  read();
  rove();
}

function viewed() {
  const now = paused ? shown.now : Date.now() + ahead;
  return {
    language,
    say: sayIn(language),
    selected,
    link,
    paused,
    now,
    ...room,
    lanes: lanesFor(innerHeight / room.em),
  };
}

function measure() {
  const drawing = byId("tracks").parentElement;
  room = { em: Number.parseFloat(getComputedStyle(drawing).fontSize), width: drawing.clientWidth };
}

function drawPicture(svg, { shapes, height }) {
  set(svg, "height", Math.ceil(height));
  draw(svg, shapes);
}

/** Has the tables written once the last ones have stood for a while, and never within a frame of the picture. */
function read() {
  if (reading) return;
  reading = setTimeout(() => {
    reading = 0;
    drawMirror(shown, viewed());
    // Laid out here, or it would be with the next frame of the picture.
    byId("mirror").getBoundingClientRect();
  }, READING);
}

/** How many orders the lens shows in a window of that height, so that what came of it is in sight too. */
function lanesFor(height) {
  return Math.max(2, Math.min(5, Math.floor(height / 16)));
}

/** Selects an order everywhere; the same one again, or null, selects none. */
function select(order) {
  selected = order;
  controls.show(order);
  if (state.rates?.thinned) stream.follow(order);
  redrawNow();
}

/** Redraws what is shown, also while the page is paused. */
function redrawNow() {
  if (paused) redraw();
  else soon();
}

function pause() {
  paused = !paused;
  if (!paused) shown = state;
  write();
  redraw();
}

function speak(other) {
  language = other;
  store("language", language);
  write();
  redraw();
}

/** Writes the words that the document itself has. */
function write() {
  const say = sayIn(language);
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-say]")) text(element, say(element.dataset.say));
  for (const element of document.querySelectorAll("[data-say-label]"))
    set(element, "aria-label", say(element.dataset.sayLabel));
  text(byId("pause"), say(paused ? "resume" : "pause"));
  set(byId("pause"), "aria-pressed", String(paused));
  text(byId("language"), language === "ko" ? "EN" : "한");
  set(byId("language"), "aria-label", language === "ko" ? "EN, English" : "한국어");
  set(byId("language"), "lang", language === "ko" ? "en" : "ko");
  controls.draw();
}

function showHelp() {
  drawHelp(sayIn(language), room.em, { orders: mayOrder(shown), commands: mayCommand(shown) });
  byId("help-dialog").showModal();
}

function showTables() {
  drawMirror(shown, viewed());
  const on = byId("mirror").classList.toggle("shown");
  set(byId("table"), "aria-pressed", String(on));
  if (on) byId("mirror").scrollIntoView({ block: "nearest" });
}

/** Of the chips and lanes one can be reached by Tab, and from there the others by arrows. */
function rove() {
  for (const id of ["tracks", "lens"]) {
    const stops = [...byId(id).querySelectorAll('[role="button"]')];
    const current = stops.find((stop) => stop === document.activeElement) ?? stops.at(id === "tracks" ? -1 : 0);
    for (const stop of stops) set(stop, "tabindex", stop === current ? "0" : "-1");
  }
}

function go(where) {
  const current = document.activeElement.closest('[role="button"]');
  const svg = current?.closest("svg");
  if (!svg) return;
  const stops = [...svg.querySelectorAll('[role="button"]')];
  const to = { first: stops[0], last: stops.at(-1), ...next(stops, current) }[where];
  to?.focus();
  rove();
}

/** The neighbours of a chip: in its track to the left and right, and the nearest ones above and below. */
function next(stops, current) {
  const at = stops.indexOf(current);
  const here = current.getBoundingClientRect();
  const rows = stops.map((stop) => ({ stop, box: stop.getBoundingClientRect() }));
  const nearest = (below) => {
    const that = rows.filter(({ box }) => (below ? box.top > here.top + 1 : box.top < here.top - 1));
    const distance = ({ box }) => Math.abs(box.top - here.top) * 100 + Math.abs(box.left - here.left);
    return that.sort((one, other) => distance(one) - distance(other))[0]?.stop;
  };
  return { left: stops[at - 1], right: stops[at + 1], up: nearest(false), down: nearest(true) };
}

const DO = {
  pause,
  place: () => controls.place("kim"),
  park: () => controls.place("park"),
  modify: () => controls.modify(),
  cancel: () => controls.cancel(),
  key: () => commands.switch("key"),
  guard: () => commands.switch("guard"),
  more: () => commands.want(addInstance()),
  fewer: () => commands.removeInstance(),
  table: showTables,
  language: () => speak(language === "ko" ? "en" : "ko"),
  help: showHelp,
  close: () => document.activeElement?.blur?.(),
};

function onKey(event) {
  if (byId("help-dialog").open) return;
  if (event.target.closest?.('svg [role="button"]') && (event.code === "Enter" || event.code === "Space")) {
    event.preventDefault();
    return chooseFrom(event.target);
  }
  const what = meaning(event);
  if (!what) return;
  event.preventDefault();
  if (DO[what]) DO[what]();
  else go(what);
}

function chooseFrom(target) {
  const order = target.closest("[data-order]")?.dataset.order;
  if (order === undefined) return;
  select(Number(order) === selected && !target.closest("article") ? null : Number(order));
  if (target.closest("article")) byId("tracks").scrollIntoView({ block: "nearest" });
}

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function store(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // A browser that keeps nothing asks for its language again the next time.
  }
}

function underWay() {
  return [...shown.orders.values()].some((order) =>
    [...order.versions.values()].some(
      ({ works, parked }) => works.some(isOpen) || (parked && parked.until === undefined),
    ),
  );
}

byId("pause").addEventListener("click", pause);
byId("language").addEventListener("click", DO.language);
byId("table").addEventListener("click", showTables);
byId("help").addEventListener("click", showHelp);
document.addEventListener("keydown", onKey);
document.querySelector("main").addEventListener("click", (event) => chooseFrom(event.target));
new ResizeObserver(() => {
  measure();
  redrawNow();
}).observe(document.querySelector("main"));
setInterval(() => {
  if (!paused && !document.hidden && underWay()) soon();
}, TICK);

write();
redraw();
stream.open();
