// The live page: frames come in, the picture goes out, at most once for each frame of the screen.
//
//   stream.js ─frames─▶ model.js ─state─▶ layout-*.js ─shapes─▶ draw.js
//                                   └───▶ view-*.js
//
// While the page is paused, frames are taken in as ever and what was shown stays. So they are while a history is shown, whose
// frames a player.js goes over.

import { addInstance, mayCommand, mayOrder } from "./commands.js";
import { byId, set, say as text } from "./dom.js";
import { draw } from "./draw.js";
import { liveHeader } from "./history.js";
import { meaning } from "./keys.js";
import { layoutLens } from "./layout-lens.js";
import { layoutTracks } from "./layout-tracks.js";
import { apply, initial } from "./model.js";
import { isOpen } from "./orders.js";
import { Recent } from "./recent.js";
import { go, rove } from "./roving.js";
import { Stream } from "./stream.js";
import { drawBanner } from "./view-banner.js";
import { Commands } from "./view-commands.js";
import { Controls } from "./view-controls.js";
import { drawHelp } from "./view-help.js";
import { drawAnomalies, drawDeliveries } from "./view-lists.js";
import { drawMirror } from "./view-mirror.js";
import { PlayerView } from "./view-player.js";
import { Scenes } from "./view-scenes.js";
import { preferred, sayIn } from "./words.js";

/** How often elapsed times and arcs move on while something is under way. */
const TICK = 200;
/** How often the tables are written anew, which nobody reads as fast as the picture moves. */
const READING = 1000;
/** A browser that has drawn nothing for longer, as in a tab behind others, has shown nothing either. */
const LONGEST_PAUSE = 250;

let state = initial;
let shown = initial;
let link = "away";
let paused = false;
/** The history that is shown; none while it is the live mall. */
let player = null;
/** When it last went on, by the clock of the screen's frames. */
let played = null;
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
const recent = new Recent();
const scenes = new Scenes({
  show: (history) => look(history),
  shown: () => player,
  kept: () => ({ header: liveHeader(state.mall), frames: recent.taken() }),
  language: () => language,
  say: () => sayIn(language),
});
const strip = new PlayerView({
  player: () => player,
  changed: soon,
  back: () => look(null),
  save: () => scenes.save(),
  language: () => language,
  say: () => sayIn(language),
});

function heard(frame, length) {
  state = apply(state, frame);
  if (frame.event === "snapshot" && frame.data.now) ahead = frame.data.now - Date.now();
  recent.heard(frame, Date.now() + ahead, length);
  if (state.rates?.thinned && !player) stream.follow(selected);
  if (!paused && !player) soon();
}

function connected(now) {
  link = now;
  soon();
}

function soon() {
  if (drawing) return;
  drawing = requestAnimationFrame((time) => {
    drawing = 0;
    if (player) return drawHistory(time);
    if (!paused) shown = state;
    redraw();
  });
}

/** A file may hold what nobody has thought of. It must not keep the page from showing the live mall again. */
function drawHistory(time) {
  try {
    playOn(time);
    redraw();
  } catch {
    look(null);
    showSide("scenes");
    scenes.broken();
  }
}

/** Shows a history, or the live mall again. */
function look(history) {
  player = history;
  paused = false;
  selected = null;
  controls.show(null);
  showSide(history ? "scenes" : "mall");
  shown = history ? shown : state;
  write();
  soon();
  // Where the banner doesn't stay in sight by itself, as on a phone.
  byId("banner").scrollIntoView({ block: "nearest" });
}

function playOn(time) {
  if (played !== null) player.pass(Math.min(LONGEST_PAUSE, time - played));
  played = player.playing ? time : null;
  shown = player.state();
  if (player.ended) player.seen = true;
  if (player.playing) soon();
}

/** The left column: what can be done with the live mall, or the scenarios. */
function showSide(side) {
  const asked = side === "scenes";
  byId("controls").hidden = asked;
  byId("scenes").hidden = !asked;
  set(byId("side-mall"), "aria-pressed", String(!asked));
  set(byId("side-scenes"), "aria-pressed", String(asked));
  if (asked) scenes.list();
}

/** Goes to the side that is not shown. Who leaves the scenarios comes back to the live mall. */
function otherSide(side = byId("scenes").hidden ? "scenes" : "mall") {
  if (side === "mall" && player) look(null);
  else showSide(side);
}

function redraw() {
  if (!room.width) measure();
  const view = viewed();
  strip.draw();
  scenes.draw();
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
  return {
    language,
    say: sayIn(language),
    selected,
    link: player ? "recorded" : link,
    paused,
    now: timeShown(),
    ...room,
    lanes: lanesFor(innerHeight / room.em),
  };
}

function timeShown() {
  if (player) return player.now();
  return paused ? shown.now : Date.now() + ahead;
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
  // The orders of a history are not those of the live mall.
  if (!player) controls.show(order);
  if (state.rates?.thinned && !player) stream.follow(order);
  redrawNow();
}

/** Redraws what is shown, also while the page is paused. */
function redrawNow() {
  if (paused && !player) redraw();
  else soon();
}

function pause() {
  if (player) return strip.play();
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
  // The strip has a button of its own.
  byId("pause").hidden = player !== null;
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

/** What is done to the live mall, and not while a history is shown. */
const LIVE = new Set(["place", "park", "modify", "cancel", "key", "guard", "more", "fewer"]);

const DO = {
  pause,
  scenes: () => otherSide(),
  back: () => strip.step(-1),
  on: () => strip.step(1),
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
  if (!what || (player && LIVE.has(what))) return;
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
byId("side-mall").addEventListener("click", () => otherSide("mall"));
byId("side-scenes").addEventListener("click", () => otherSide("scenes"));
document.addEventListener("keydown", onKey);
document.querySelector("main").addEventListener("click", (event) => chooseFrom(event.target));
new ResizeObserver(() => {
  measure();
  redrawNow();
}).observe(document.querySelector("main"));
setInterval(() => {
  if (!paused && !player && !document.hidden && underWay()) soon();
}, TICK);

showSide("mall");
write();
redraw();
stream.open();
