// Draws the banner, the badges of the modes, the group, and what stands below the page.

import { byId, h, keyed, set, say as text } from "./dom.js";
import { stateName } from "./layout-instances.js";
import { banner, modes } from "./verdict.js";

export function drawBanner(state, { language, say, link, paused }) {
  const { state: kind, word, why: told } = banner(state, language, say);
  const why = kind === "empty" && link === "recorded" ? say("recordedNoneWhy") : told;
  set(byId("verdict"), "data-state", kind);
  // What was true when the connection broke may be so no longer.
  const stale = state.known && link === "away";
  set(byId("verdict"), "data-stale", stale ? "true" : null);
  text(byId("verdict-word"), word);
  text(byId("verdict-why"), stale ? say("lastKnown", { why }) : why);
  document.title = `${word}, 12st Mall`;
  const shown = paused ? "paused" : link;
  set(byId("live"), "data-state", shown);
  text(byId("live"), say(shown));
  text(byId("group"), state.group ? groupSays(state.group, say) : "");
  keyed(byId("modes"), state.known ? modes(state, say) : [], (mode) => mode.name, makeMode, drawMode);
  drawFooter(state, say);
}

function groupSays({ state, generation }, say) {
  const says = generation === null || generation === undefined ? "groupStateOnly" : "groupState";
  return `${say("group")}: ${say(says, { state, generation })}`;
}

function makeMode() {
  return h("li", {}, h("span", { class: "mode-name" }), h("span", { class: "mode-value" }), h("span", { class: "sr" }));
}

function drawMode(element, mode) {
  set(element, "data-on", String(mode.on));
  set(element, "title", mode.means);
  const [name, value, means] = element.children;
  text(name, mode.name);
  text(value, mode.value);
  text(means, mode.means);
}

function drawFooter(state, say) {
  const { rates, away, missed, resynced } = state;
  text(byId("rates"), rates ? say("rates", rates) : "");
  const notices = [
    rates?.thinned ? say("thinned") : "",
    missed ? say("missed", { count: missed }) : "",
    resynced ? say("resynced") : "",
    ...away.map(({ what, why }) => say("unreadable", { what, why })),
  ];
  text(byId("notice"), notices.filter(Boolean).join(" "));
  const others = state.roles.filter((role) => role.kind !== "delivery");
  text(byId("roles"), others.map((role) => `${role.name} ${role.url ?? ""} ${stateName(role.state, say)}`).join(" · "));
}
