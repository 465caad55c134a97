// What the banner says: whether order holds, as the checker says, and under which modes. Pure.

import { readIn } from "./words.js";

/** The banner's state, word and reason. */
export function banner(state, language, say) {
  const verdict = state.verdict;
  if (!state.known || !verdict) return words("connecting", "…", say("connecting"), say("connectingWhy"));
  if (!verdict.orders && !state.away.length && isQuiet(verdict)) {
    return { state: "empty", word: say("orderedNone"), why: say("orderedNoneWhy") };
  }
  switch (verdict.state) {
    case "harm":
      return words("harm", "▲", countOf(verdict, say), harmWhy(verdict, language, say));
    case "ordered":
      return words("ordered", "✓", say("ordered"), withHazards("orderedWhy", verdict, say));
    case "starting":
      return words("starting", "…", say("starting"), say("startingWhy"));
    default:
      return unknown(state, language, say);
  }
}

function words(state, sign, word, why) {
  return { state, word: `${sign} ${word}`, why };
}

function countOf({ harm }, say) {
  return harm === 1 ? say("harmOne") : say("harm", { count: harm });
}

/** Whether nothing is known that could be judged, as `mall verify` can't tell anything about no orders. */
function isQuiet({ state, found, doubts }) {
  return (state === "ordered" || state === "unknown") && !found.length && !doubts?.length;
}

/** What can't be told: because something can't be read or judged, or only because events are under way. */
function unknown(state, language, say) {
  const { verdict } = state;
  const why = whyUnknown(state, language);
  if (verdict.state === "unknown" && verdict.underWay && !why)
    return words("so-far", "…", say("soFar"), withHazards("soFarWhy", verdict, say));
  return words("unknown", "…", say("unknown"), why || say("unknownWhy"));
}

function withHazards(why, { orders, hazards }, say) {
  const more = hazards ? ` ${capital(say("hazards", { count: hazards }))}` : "";
  return say(why, { orders }) + more;
}

function capital(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** The newest harm in a sentence: how the order broke, and what is wrong in the end. */
function harmWhy(verdict, language, say) {
  const story = stories(verdict).find(({ kind }) => kind === "harm");
  if (!story) return "";
  const harm = story.verdicts.filter(({ kind }) => kind === "harm");
  const named = (name) => harm.find((found) => found.name === name);
  const told = new Set([named("inversion") ?? named("double-apply") ?? harm[0], named("divergence") ?? harm.at(-1)]);
  const says = [...told].map((found) => readIn(language, found.says)).join("; ");
  return say("harmWhy", { order: story.order, says });
}

/** What can't be read, or else what can't be judged yet. */
function whyUnknown({ away, verdict }, language) {
  const doubts = (verdict.doubts ?? []).slice(0, 2).map((doubt) => readIn(language, doubt.says));
  return (away.length ? away.map(({ why }) => why) : doubts).join("; ");
}

/** What was found, an order a story, the newest harm first, hazards last. */
export function stories(verdict) {
  const byOrder = new Map();
  for (const found of verdict?.found ?? []) {
    const story = byOrder.get(found.order) ?? { order: found.order, kind: "hazard", verdicts: [] };
    story.verdicts.push(found);
    if (found.kind === "harm") story.kind = "harm";
    byOrder.delete(found.order);
    byOrder.set(found.order, story);
  }
  const newest = [...byOrder.values()].reverse();
  return [...newest.filter((story) => story.kind === "harm"), ...newest.filter((story) => story.kind !== "harm")];
}

/** The evidence of a story by time, each piece once, and what helps. */
export function evidence(story) {
  const facts = new Map();
  for (const found of story.verdicts) {
    for (const fact of found.evidence ?? []) {
      facts.set(
        `${fact.what?.english ?? fact.what} ${fact.version} ${fact.partition} ${fact.offset} ${fact.timestamp}`,
        fact,
      );
    }
  }
  const late = Number.MAX_SAFE_INTEGER;
  return [...facts.values()].sort((one, other) => (one.timestamp ?? late) - (other.timestamp ?? late));
}

/** What helps: the remedies of what the harm follows from; where there is no harm, all of them. */
export function remedies(story, language) {
  const harm = story.verdicts.filter(({ kind }) => kind === "harm");
  const causes = new Set(harm.map(({ name, cause }) => cause ?? name));
  const read = (all) => [...new Set(all.map((found) => readIn(language, found.remedy)).filter(Boolean))];
  const said = read(story.verdicts.filter(({ name }) => causes.has(name)));
  return said.length ? said : read(story.verdicts);
}

/** The three modes as badges: name, value, what it means, and whether it guards the order ("true", "false", "mixed"). */
export function modes(state, say) {
  const of = (kind) => state.roles.filter((role) => role.kind === kind && role.modes).map((role) => role.modes);
  const members = (state.group?.members ?? []).map((member) => member.modes).filter(Boolean);
  const deliveries = members.length ? members : of("delivery");
  const producers = of("order").length ? of("order") : deliveries;
  return [
    badge(
      "key",
      producers.map((each) => each.key),
      "order-id",
      say,
    ),
    badge(
      "guard",
      deliveries.map((each) => each.guard),
      "version",
      say,
    ),
    lanes(
      deliveries.map((each) => each.lanes),
      say,
    ),
  ];
}

function badge(name, values, good, say) {
  const value = same(values);
  if (value === undefined) return { name: say(name), value: say("notKnown"), means: "", on: "unknown" };
  if (value === null) return { name: say(name), value: say("mixed"), means: say("mixedMeans"), on: "mixed" };
  const on = value === good;
  return {
    name: say(name),
    value: say(`${name}${on ? "On" : "Off"}`),
    means: say(`${name}${on ? "On" : "Off"}Means`),
    on,
  };
}

function lanes(values, say) {
  const value = same(values);
  const name = say("lanes");
  if (value === undefined) return { name, value: say("notKnown"), means: "", on: "unknown" };
  if (value === null) return { name, value: say("mixed"), means: say("mixedMeans"), on: "mixed" };
  return { name, value: String(value), means: say("lanesMeans", { lanes: value }), on: "number" };
}

/** The value that all have; null if they differ, undefined if there is none. */
function same(values) {
  const different = new Set(values.filter((value) => value !== undefined && value !== null));
  if (different.size > 1) return null;
  return [...different][0];
}
