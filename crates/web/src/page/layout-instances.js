// The instances of the delivery service, each as a card: what it reads, what it works on and for how long, why it is idle.

import { cut, length, widthOf } from "./format.js";
import { glyph, look, versionName } from "./looks.js";
import { ownerOf } from "./model.js";
import { isOpen } from "./orders.js";
import { band, box, group, label, title } from "./shapes.js";
import { instancesInSight } from "./sight.js";

const CARD = 4.9;
const GAP = 0.6;
/** The least width of a card. */
const NARROWEST = 18;

/** Every instance, by name, with what is known of it. */
export function instances(state) {
  const names = new Set();
  for (const role of state.roles) if (role.kind === "delivery") names.add(role.name);
  for (const member of state.group?.members ?? []) names.add(member.name);
  for (const { by } of state.owners.values()) names.add(by);
  return [...names].sort(byNumber).map((name) => instance(state, name));
}

function byNumber(one, other) {
  return one.localeCompare(other, "en", { numeric: true });
}

function instance(state, name) {
  const role = state.roles.find((each) => each.name === name);
  const member = state.group?.members?.find((each) => each.name === name);
  const owned = state.partitions.filter((each) => ownerOf(state, each.partition) === name);
  const partitions = owned.map((each) => each.partition);
  return {
    name,
    role,
    lag: owned.reduce((sum, each) => sum + each.lag, 0),
    state: role?.state ?? "unheard",
    modes: member?.modes ?? role?.modes ?? null,
    partitions,
    idle: member?.idle ?? null,
    isMember: Boolean(member),
    works: works(state, name),
  };
}

/** What an instance works on, what it began first in front; records that only wait for their turn stand behind. */
function works(state, name) {
  const open = [];
  for (const order of state.orders.values()) {
    for (const version of order.versions.values()) {
      const found = version.works.filter((work) => work.by === name && isOpen(work));
      open.push(...found.map((work) => ({ order: order.id, version, work })));
    }
  }
  const rank = ({ work }) => (work.begun !== undefined || work.handed ? 0 : 1);
  return open.sort((one, other) => rank(one) - rank(other) || one.work.at - other.work.at);
}

const STATES = {
  serving: "serving",
  starting: "startingRole",
  frozen: "frozen",
  stopping: "stopping",
  stopped: "stopped",
  away: "awayRole",
  unheard: "unheard",
};

/** What a role's state is called. */
export function stateName(state, say) {
  return say(STATES[state] ?? "notKnown");
}

/** What an instance does, in words. */
export function activity(instance, say) {
  const { works, partitions, idle } = instance;
  const zombie = works.find(({ work }) => work.zombie);
  if (zombie) return say("holding", { partition: zombie.work.place.partition });
  if (works.length) return say("workingOn", { event: eventName(works[0]) });
  if (instance.state === "stopped" || instance.state === "away") return "";
  if (partitions.length) return instance.lag > 0 ? say("idleUncommitted", { lag: instance.lag }) : say("idle");
  if (idle === "more-instances-than-partitions") return say("idleMore");
  return idle ? say("idleOther", { why: idle.replaceAll("-", " ") }) : say("idleUnassigned");
}

/** `#3 v2 ✎` */
export function eventName({ order, version }) {
  return `#${order} ${versionName(version.version)} ${glyph(version.name)}`;
}

/** How long an attempt has been going on, and how long it will take, where it said so. */
export function elapsed({ work }, now, say) {
  const since = length(Math.max(0, now - (work.begun ?? work.at)));
  return work.takes
    ? say("workingFor", { elapsed: since, takes: length(work.takes) })
    : say("workingSince", { elapsed: since });
}

/** The cards, as many beside each other as have room; where the connectors end, and where the last one ends. */
export function cardShapes(state, view, [x, y, width]) {
  const { em, say } = view;
  const { shown: all, more } = instancesInSight(instances(state));
  const columns = Math.max(1, Math.min(all.length, Math.floor(width / (NARROWEST * em))));
  const own = (width - (columns - 1) * GAP * em) / columns;
  const places = new Map();
  const shapes = all.map((each, index) => {
    const left = x + (index % columns) * (own + GAP * em);
    const top = y + Math.floor(index / columns) * (CARD + GAP) * em;
    places.set(each.name, { x: left, y: top + (CARD / 2) * em, held: each.works.some(({ work }) => work.zombie) });
    return card(each, view, [left, top, own]);
  });
  if (!all.length) shapes.push(label("nobody", x, y + 1.6 * em, say("noInstances"), { class: "small muted" }));
  const below = more ? 1.4 * em : 0;
  const bottom = y + Math.max(1, Math.ceil(all.length / columns)) * (CARD + GAP) * em;
  if (more)
    shapes.push(label("more", x, bottom + 0.6 * em, say("moreInstances", { count: more }), { class: "small muted" }));
  return { shapes, places, bottom: bottom + below };
}

function card(each, view, [x, y, width]) {
  const { em, say } = view;
  const zombie = each.works.some(({ work }) => work.zombie);
  const gone = each.state === "stopped" || each.state === "away";
  const names = each.partitions.map((partition) => `P${partition}`).join(" ");
  const state = stateName(each.state, say);
  const inner = width / em - 1.6;
  const shapes = [
    box("body", [0, 0, width, CARD * em], 0.4 * em, { class: "card-body" }),
    label("name", 0.8 * em, 1.45 * em, cut(each.name, inner - widthOf(names) - widthOf(state) * 0.8 - 2), {
      class: "card-name",
    }),
    label("state", (widthOf(each.name) + 1.6) * em, 1.42 * em, each.state === "serving" ? "" : state, {
      class: "small strong",
    }),
    label("partitions", width - 0.8 * em, 1.45 * em, names, { class: "card-partitions" }),
    ...(each.works.length ? working(each, view, width) : resting(each, view, inner)),
    title([each.name, state, names, activity(each, say)].filter(Boolean).join(", ")),
  ];
  const word = zombie ? "zombie" : gone ? "gone" : each.state === "frozen" ? "frozen" : "";
  return group(`i ${each.name}`, x, y, { class: `card ${word}` }, shapes);
}

function resting(each, { em, say }, inner) {
  const said = cut(activity(each, say), inner / 0.85);
  return [label("does", 0.8 * em, 3.1 * em, said, { class: "small muted" })];
}

function working(each, view, width) {
  const { em, say, now, selected } = view;
  const [first, ...rest] = each.works;
  const { work } = first;
  const begun = work.begun ?? work.at;
  const part = work.takes ? Math.min(1, Math.max(0, (now - begun) / work.takes)) : 0;
  const bar = [0.8 * em, 3.15 * em, width - 1.6 * em, 0.36 * em];
  const done = [bar[0], bar[1], bar[2] * part, bar[3]];
  const behind = rest.filter((other) => other.work.begun === undefined && !other.work.handed).length;
  const beside = rest.length - behind;
  const notes = [
    work.zombie ? say("holding", { partition: work.place.partition }) : "",
    beside ? say("moreWork", { count: beside }) : "",
    behind ? say("waitingBehind", { count: behind }) : "",
  ];
  const note = cut(notes.filter(Boolean).join(" · "), (width / em - 1.6) / 0.82);
  return [
    band("band", [0.8 * em, 1.95 * em, 0.5 * em, 0.95 * em], 0.15 * em, look(first.order)),
    label("does", 1.6 * em, 2.75 * em, eventName(first), { class: first.order === selected ? "does strong" : "does" }),
    label("elapsed", width - 0.8 * em, 2.75 * em, elapsed(first, now, say), { class: "does end-aligned" }),
    box("bar", bar, 0.18 * em, { class: "bar" }),
    box("part", done, 0.18 * em, { class: `fill hue${look(first.order).hue}` }),
    label("note", 0.8 * em, 4.4 * em, note, { class: work.zombie ? "small strong" : "small muted" }),
  ];
}
