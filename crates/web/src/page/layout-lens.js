// Orders in time: state → shapes. Each order has two rails, and its versions run from the upper one to the lower one.
//
//   written       v1    v2      v3
//                 │     │       └┄┄waits┄┄┐
//                 │     └━━━ work ━━━┐    │
//                 └━┐                │    │
//   took effect     v1               v2   v3
//
// The first version has the lowest row, so that no line crosses another one as long as effects come in the order in which the
// events were written. An effect that came out of its turn has a line that crosses, and an arrow back to where it belonged.
// Time goes to the right, but it is no scale: what happened close together is drawn apart.

import { axis, endOf, moments } from "./axis.js";
import { length, widthOf } from "./format.js";
import { warning } from "./layout-chip.js";
import { brokenEffect, glyph, look, versionName } from "./looks.js";
import { isBroken, troubled } from "./model.js";
import { isOpen } from "./orders.js";
import { band, box, group, label, line, round, shape, title } from "./shapes.js";

const LABEL = 8;
const LABEL_NARROW = 6.6;
const TOP = 1.9;
const ROW = 1.8;
const BOTTOM = 1.95;
const BOTTOM_WITH_ARROW = 3.5;
const NARROW = 40;
const BETWEEN = 0.6;
/** The most versions of one order that are drawn: the newest. */
const VERSIONS = 5;

/** The shapes, and the height that they take; `view` as for the tracks, and `lanes`, the most orders that are shown. */
export function layoutLens(state, view) {
  const { width, em, lanes } = view;
  let top = 0;
  const shapes = [];
  for (const order of chosen(state, view.selected).slice(0, lanes)) {
    const drawn = lane(order, { ...view, width, first: top === 0 });
    shapes.push(group(`o${order.id}`, 0, top, laneAttrs(order, view), drawn.shapes));
    top += drawn.height + BETWEEN * em;
  }
  return { shapes, height: Math.max(0, top - BETWEEN * em) };
}

/** The orders by how much they matter: the selected one, those in trouble, the ones that wait, then by what happened last. */
export function chosen(state, selected) {
  const trouble = troubled(state);
  const rank = (order) => {
    if (order.id === selected) return 0;
    if (trouble.has(order.id)) return 1;
    return [...order.versions.values()].some((version) => version.works.some(isOpen) || waits(version)) ? 2 : 3;
  };
  const ranked = [...state.orders.values()].map((order) => ({ order, rank: rank(order) }));
  ranked.sort((one, other) => one.rank - other.rank || other.order.touched - one.order.touched);
  return ranked.map(({ order }) => order);
}

function waits({ parked }) {
  return parked !== undefined && parked.until === undefined;
}

function laneAttrs(order, { selected }) {
  return {
    class: `lane hue${look(order.id).hue}${order.id === selected ? " selected" : ""}`,
    role: "button",
    tabindex: -1,
    "aria-pressed": String(order.id === selected),
    "data-order": order.id,
  };
}

/** The room for an order's number and the names of its rails. */
function labelWidth({ em, width }) {
  return (width < NARROW * em ? LABEL_NARROW : LABEL) * em;
}

function lane(order, view) {
  const { em, width, say } = view;
  const versions = [...order.versions.values()].sort(byVersion).slice(-VERSIONS);
  const left = labelWidth(view);
  const x = axis(moments(order, versions, view.now), [left + 0.8 * em, width - 2.4 * em], em);
  const bottom = (TOP + versions.length * ROW) * em;
  const broken = order.effects.some((effect) => isBroken(effect));
  const height = bottom + (broken ? BOTTOM_WITH_ARROW + (width < NARROW * em ? 0.8 : 0) : BOTTOM) * em;
  const rowOf = new Map(versions.map((version, at) => [version.key, (TOP + (versions.length - at - 0.45) * ROW) * em]));
  const shapes = [
    box("ground", [0, 0, width, height], 0.4 * em, { class: "lane-body" }),
    band("band", [0.5 * em, 0.6 * em, 0.55 * em, height - 1.2 * em], 0.2 * em, look(order.id)),
    label("name", 1.6 * em, 2.85 * em, `#${order.id}`, { class: "lane-name" }),
    label("written", left - 0.6 * em, TOP * em - 0.1 * em, say("written"), { class: "tiny muted end-aligned" }),
    label("effect", left - 0.6 * em, bottom + 0.35 * em, say("tookEffect"), { class: "tiny muted end-aligned" }),
    line("upper", [left, TOP * em - 0.4 * em, width - em, TOP * em - 0.4 * em], { class: "rail" }),
    line("lower", [left, bottom, width - em, bottom], { class: "rail" }),
    title([`${say("order")} ${order.id}`, broken ? say("broken") : ""].filter(Boolean).join(": ")),
  ];
  for (const version of versions) {
    shapes.push(
      ...path(order, version, { ...view, x, y: rowOf.get(version.key), upper: TOP * em - 0.4 * em, lower: bottom }),
    );
  }
  shapes.push(...arrows(order, versions, { ...view, x, bottom, rowOf }));
  return { shapes, height };
}

function byVersion(one, other) {
  return (one.version ?? 0) - (other.version ?? 0);
}

/** One version, from where it was written to where it took effect. */
function path(order, version, view) {
  const { x, y, upper, lower, em } = view;
  const key = (part) => `${version.key} ${part}`;
  const written = version.written ?? version.published;
  const first = version.works[0];
  const name = `${versionName(version.version)} ${glyph(version.name)}`;
  const shapes = [];
  if (written !== undefined) {
    const to = first ? Math.max(x(first.at), x(written)) : x(written) + 0.8 * em;
    const d = `M${round(x(written))} ${round(upper)}V${round(y)}H${round(to)}`;
    shapes.push(shape(key("waits"), "path", { d, class: "thread" }));
    shapes.push(dot(key("from"), x(written), upper, em, ""));
    shapes.push(label(key("name"), x(written), upper - 0.55 * em, name, { class: "small middle" }));
  }
  for (const [at, work] of version.works.entries()) {
    shapes.push(...attempt(work, { ...view, key: (part) => key(`${at} ${part}`) }));
  }
  if (version.parked) shapes.push(...bay(version.parked, { ...view, key, name: versionName(version.version) }));
  for (const effect of order.effects.filter((each) => each.key === version.key)) {
    const broken = brokenEffect(order, version) === effect;
    const down = key(`down ${effect.at}`);
    shapes.push(line(down, [x(effect.at), y, x(effect.at), lower], { class: broken ? "thread bad" : "thread" }));
    shapes.push(dot(`${down} dot`, x(effect.at), lower, em, broken ? "bad-fill" : ""));
    shapes.push(
      label(`${down} name`, x(effect.at), lower + 1.25 * em, name, {
        class: broken ? "small middle strong" : "small middle",
      }),
    );
  }
  if (version.passed)
    shapes.push(label(key("passed"), x(version.passed), lower - 0.4 * em, "⇥", { class: "small middle" }));
  return shapes.flatMap((each) => each ?? []);
}

function dot(key, x, y, em, kind) {
  return shape(key, "circle", { cx: round(x), cy: round(y), r: round(0.3 * em), class: `dot ${kind}` });
}

/** An attempt as a bar: how long, by whom. What quickly came to nothing is only a sign. */
function attempt(work, { x, y, em, now, key }) {
  const end = endOf(work, now);
  const [from, to] = [x(work.at), x(end)];
  const word = work.zombie ? " zombie" : isOpen(work) ? " open" : "";
  const place = [from, y - 0.32 * em, Math.max(0.3 * em, to - from), 0.64 * em];
  const shapes = [box(key("bar"), place, 0.2 * em, { class: `work${word}` })];
  const told = `${work.by} · ${length(end - (work.begun ?? work.at))}`;
  if (to - from > (widthOf(told) * 0.78 + 1) * em) {
    shapes.push(label(key("by"), (from + to) / 2, y - 0.55 * em, told, { class: "tiny muted middle" }));
  }
  const sign = { duplicate: "=", stale: "⊘", poison: "!", buried: "!" }[work.ending];
  if (sign) shapes.push(label(key("sign"), to + 0.5 * em, y + 0.3 * em, sign, { class: "small strong" }));
  return [...shapes, ...(work.handed ? handedOver(work, { x, y, em, key }) : [])];
}

function handedOver(work, { x, y, em, key }) {
  return [
    shape(key("handed"), "path", {
      d: `M${round(x(work.at) - 0.5 * em)} ${round(y - 0.5 * em)}l${round(0.5 * em)} ${round(0.5 * em)}l${round(-0.5 * em)} ${round(0.5 * em)}`,
      class: "thread",
    }),
  ];
}

/** The wait of an event that came early, as a bay beside the road, with what it waits for. */
function bay(parked, { x, y, em, now, key, say, name, width, lower }) {
  const [from, to] = [x(parked.at), x(parked.until ?? Math.max(now, parked.at))];
  const place = [from, y - 0.55 * em, Math.max(0.8 * em, to - from), 1.1 * em];
  const why = parked.reason === "poison" ? say("waitsPoison") : say(parked.worker ? "waitsForBy" : "waitsFor", parked);
  const shorter = parked.next === undefined ? "" : `‖ ${say("waitsFor", parked)}`;
  const fits = (told) => to - from > (widthOf(told) * 0.85 + 0.6) * em;
  const says = [`‖ ${name}: ${why}`, shorter].find((told) => told && fits(told));
  const shapes = [box(key("bay"), place, 0.3 * em, { class: parked.until === undefined ? "bay" : "bay over" })];
  if (says) shapes.push(label(key("bay says"), from + 0.45 * em, y + 0.28 * em, says, { class: "small" }));
  // What has no room in it stands below, at the end, where the event has not come yet.
  else if (parked.until === undefined) {
    const below = `‖ ${name}: ${shorter ? say("waitsFor", parked) : why}`;
    shapes.push(label(key("bay says"), width - 0.8 * em, lower + 1.25 * em, below, { class: "small end-aligned" }));
  }
  return shapes;
}

/** For each effect that came out of its turn an arrow that goes back to where it belonged, and what it says. */
function arrows(order, versions, view) {
  const { x, em, bottom, say, width } = view;
  const left = labelWidth(view);
  const shown = (key) => versions.some((version) => version.key === key);
  const effects = order.effects.filter((effect) => shown(effect.key));
  return effects.flatMap((effect) => {
    const told = wrong(effect, effects);
    if (!told) return [];
    const key = `arrow ${effect.key} ${effect.at}`;
    const [from, to] = [x(effect.at), told.to === undefined ? x(effect.at) : x(told.to)];
    const text = say(told.says, told);
    const half = (widthOf(text) / 2) * 0.84 * em;
    if (told.to === undefined) {
      const [start, end] = [from + 1.9 * em, from + 3.4 * em + 2 * half];
      const free = end < width && !effects.some((other) => x(other.at) > from && x(other.at) < end + em);
      return free ? note(key, start, bottom + 1.25 * em, text, em) : [];
    }
    const [y, deep] = [bottom + 1.6 * em, bottom + 2.9 * em];
    const lowest = y + 0.75 * (deep - y);
    const d = `M${round(from)} ${round(y)}C${round(from)} ${round(deep)} ${round(to)} ${round(deep)} ${round(to)} ${round(y + 0.1 * em)}`;
    const head = `M${round(to - 0.4 * em)} ${round(y + 0.55 * em)}L${round(to)} ${round(y)}l${round(0.4 * em)} ${round(0.55 * em)}`;
    return [
      shape(key, "path", { d, class: "arrow" }),
      shape(`${key} head`, "path", { d: head, class: "arrow" }),
      ...note(key, ...besideArrow([from, to], half, lowest, { em, left, width }), text, em),
    ];
  });
}

/** Where an arrow's words begin: upon it if it is long, else behind it, or below it where there is no room. */
function besideArrow([from, to], half, lowest, { em, left, width }) {
  const [first, last] = [Math.min(from, to), Math.max(from, to)];
  const least = (x) => Math.min(Math.max(x, left), width - 2 * half - 1.4 * em);
  if (last - first > 2 * half + 3 * em) return [least((first + last) / 2 - half), lowest + 0.28 * em];
  if (last + 2 * half + 2.6 * em < width) return [last + 1.1 * em, lowest + 0.28 * em];
  return [least((first + last) / 2 - half), lowest + 1.15 * em];
}

/** What went wrong, in words behind the sign of an anomaly. */
function note(key, x, y, text, em) {
  return [
    warning(`${key} sign`, x, y - 0.3 * em, 0.45 * em),
    label(`${key} says`, x + 0.75 * em, y, text, { class: "small strong" }),
  ];
}

/** Why an effect had no place where it came, as its instance saw it, with when that came before which it belonged, if it is drawn. */
function wrong({ key, at, version, ending, before }, effects) {
  const late = version ?? "?";
  const earlier = effects.filter((other) => other.at < at || (other.at === at && other.key !== key));
  if (ending === "applied-again")
    return { says: "twice", late, to: earlier.find((other) => other.version === version)?.at };
  if (ending === "applied-early") return { says: "early", late, missing: (before?.version ?? 0) + 1 };
  if (ending !== "out-of-order") return undefined;
  const higher = earlier.find((other) => other.version > version);
  return { says: "after", late, early: higher?.version ?? before?.version ?? "?", to: higher?.at };
}
