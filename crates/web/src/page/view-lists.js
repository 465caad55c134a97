// Draws what came of it: deliveries expected beside actual, what was found with its evidence and remedy, the log of anomalies.

import { byId, h, keyed, set, say as text } from "./dom.js";
import { clock, shortStatus } from "./format.js";
import { look } from "./looks.js";
import { evidence, remedies, stories } from "./verdict.js";
import { readIn } from "./words.js";

/** The most deliveries that are listed. */
const ROWS = 60;

export function drawDeliveries(state, view) {
  const rows = [...state.deliveries.values()].map((row) => ({ row, ...compare(row, view.say) }));
  rows.sort((one, other) => rank(other) - rank(one) || other.row.order - one.row.order);
  keyed(
    byId("deliveries"),
    rows.slice(0, ROWS),
    ({ row }) => row.order,
    makeRow,
    (element, item) => drawRow(element, item, view),
  );
  byId("no-deliveries").hidden = rows.length > 0;
}

function rank({ kind }) {
  return kind === "different" ? 1 : 0;
}

/** How a delivery stands beside how it should: "equal", "different" or "inFlight". */
export function compare({ expected, actual, inFlight }, say) {
  const status = (side, none) =>
    side ? `${shortStatus(side.status)}${side.version ? ` v${side.version}` : ""}` : say(none);
  const equal = (expected?.status ?? null) === (actual?.status ?? null);
  const kind = inFlight ? "inFlight" : equal ? "equal" : "different";
  return { kind, expected: status(expected, "noOrder"), actual: status(actual, "noRow") };
}

const DELTA = { equal: "=", different: "≠", inFlight: "…" };

function makeRow() {
  return h("tr", {}, h("td", {}), h("td", {}), h("td", {}), h("td", { class: "delta" }));
}

function drawRow(element, { row, kind, expected, actual }, { say, selected }) {
  const chosen = row.order === selected;
  set(element, "class", [kind === "different" ? "wrong" : "", chosen ? "chosen" : ""].join(" ").trim() || null);
  set(element, "data-order", row.order);
  const [order, wanted, is, delta] = element.children;
  if (!order.firstChild) order.append(orderButton(row.order));
  set(order.firstChild, "aria-pressed", String(chosen));
  text(wanted, expected);
  text(is, actual);
  text(delta, DELTA[kind]);
  set(delta, "aria-label", say(kind));
  set(delta, "title", say(kind));
}

/** A button that selects an order, with the order's look. */
export function orderButton(order, words) {
  const { hue, hatch } = look(order);
  const swatch = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  swatch.setAttribute("class", "swatch");
  swatch.setAttribute("aria-hidden", "true");
  for (const fill of [`fill hue${hue}`, hatch ? hatch : null]) {
    if (fill === null) continue;
    const part = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    part.setAttribute("width", "100%");
    part.setAttribute("height", "100%");
    part.setAttribute("rx", "3");
    if (typeof fill === "string") part.setAttribute("class", fill);
    else part.setAttribute("fill", `url(#hatch${fill})`);
    swatch.append(part);
  }
  return h(
    "button",
    { type: "button", class: "quiet order-button", "data-order": order },
    swatch,
    h("span", {}, words ?? `#${order}`),
  );
}

export function drawAnomalies(state, view) {
  const found = stories(state.verdict);
  keyed(
    byId("anomalies"),
    found,
    (story) => story.order,
    makeStory,
    (element, story) => drawStory(element, story, { ...view, first: story === found[0] }),
  );
  byId("no-anomalies").hidden = found.length > 0;
  keyed(
    byId("log"),
    state.log,
    (line) => line.key,
    makeLine,
    (element, line) => drawLine(element, line, view),
  );
}

function makeStory(story) {
  const head = h("div", { class: "story-head" }, h("strong", {}), orderButton(story.order, ""));
  return h("article", { class: "story" }, head, h("dl"), h("h3"), h("ol"), h("h3"), h("div", { class: "remedy" }));
}

function drawStory(element, story, { language, say, selected, first }) {
  const chosen = story.order === selected;
  const harm = story.kind === "harm";
  set(element, "class", `story${harm ? "" : " hazard"}${chosen ? " chosen" : ""}`);
  set(element, "data-order", story.order);
  const [head, names, factsName, facts, remedyName, remedy] = element.children;
  const [name, button] = head.children;
  set(name, "class", harm ? "sign-bad" : null);
  text(name, say("selectedOrder", { order: story.order }));
  text(button.lastChild, say("show"));
  set(button, "aria-label", say("showOrder", { order: story.order }));
  set(button, "aria-pressed", String(chosen));
  keyed(
    names,
    story.verdicts,
    (each) => each.name,
    () => h("div", {}, h("dt"), h("dd")),
    (row, each) => {
      text(row.firstChild, each.name);
      text(row.lastChild, readIn(language, each.says));
    },
  );
  const open = chosen || (first && selected === null);
  for (const part of [factsName, facts, remedyName, remedy]) part.hidden = !open;
  text(factsName, say("evidence"));
  keyed(
    facts,
    open ? evidence(story) : [],
    factKey,
    () => h("li", {}, h("time"), h("span")),
    (row, fact) => {
      text(row.firstChild, fact.timestamp ? clock(fact.timestamp) : say("now"));
      text(row.lastChild, factSays(fact, language));
    },
  );
  text(remedyName, say("remedy"));
  const said = open ? remedies(story, language) : [];
  keyed(
    remedy,
    said,
    String,
    (each) => h("p", {}, each),
    () => {},
  );
  remedyName.hidden = remedy.hidden = !said.length;
}

function factKey(fact) {
  return `${fact.what?.english ?? fact.what} ${fact.version} ${fact.partition} ${fact.offset} ${fact.timestamp}`;
}

/** `v3 OrderCancelled applied, P0@2, delivery-1` */
function factSays(fact, language) {
  const place = fact.partition === null || fact.partition === undefined ? "" : `P${fact.partition}@${fact.offset}`;
  const version = fact.version === null || fact.version === undefined ? "" : `v${fact.version} `;
  return [`${version}${readIn(language, fact.what)}`, place, fact.instance ?? ""].filter(Boolean).join(", ");
}

function makeLine(line) {
  return h("div", {}, h("time", {}, clock(line.at)), h("span", { class: "sign-bad" }));
}

function drawLine(element, line, { language, say }) {
  text(element.lastChild, say("logLine", { order: line.order, name: line.name, says: readIn(language, line.says) }));
}
