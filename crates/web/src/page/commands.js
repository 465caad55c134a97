// What can be asked of whoever runs the processes of this mall, as wishes for `POST /live/commands`. Pure.
//
//   wish  { do: "start" | "stop" | "kill" | "freeze" | "wake", role } | { do: "grow", partitions } | { do: "switch", key | guard | lanes }

import { modes } from "./verdict.js";

/** The lanes of the course, and those of the mall. */
const LANES = { 1: 64, 64: 1 };
const OTHER = { "order-id": "none", none: "order-id", version: "off", off: "version" };

/** Whether this page may ask for anything at all. */
export function mayCommand(state) {
  return state.mall?.commands === "open" || needsToken(state);
}

/** Whether it may ask only with the token that the mall was started with. */
export function needsToken(state) {
  return state.mall?.commands === "token";
}

/** Whether orders can be placed and changed here. */
export function mayOrder(state) {
  return state.mall?.commands !== "read-only";
}

/** The delivery instances that can be started, stopped, killed, frozen and woken, each with what can be asked of it now. */
export function crew(state) {
  const own = state.roles.filter((role) => role.kind === "delivery" && role.supervised);
  return own.map((role) => ({ name: role.name, state: role.state, wishes: wishesFor(role) }));
}

const WISHES = {
  serving: ["freeze", "kill", "stop"],
  frozen: ["wake", "kill"],
  stopped: ["start"],
  starting: ["kill", "stop"],
  stopping: ["kill"],
};

function wishesFor({ name, state }) {
  return (WISHES[state] ?? []).map((wish) => ({ do: wish, role: name }));
}

/** One more instance. */
export function addInstance() {
  return { do: "start" };
}

/** One instance less: the last one that runs; null if there is none but the first. */
export function removeInstance(state) {
  const running = crew(state).filter(({ wishes }) => wishes.some((wish) => wish.do === "stop"));
  return running.length > 1 ? { do: "stop", role: running.at(-1).name } : null;
}

/** One more partition; null if it isn't known how many there are. */
export function addPartition(state) {
  const many = state.partitions.length;
  return many ? { do: "grow", partitions: many + 1 } : null;
}

/** Whether another partition moves keys, so that an order's events part. */
export function movesKeys(state) {
  return raw(state, "key") === "order-id";
}

/** A wish that a mode be what it isn't now; null if it isn't known, or the processes don't agree. */
export function switchMode(state, name) {
  const value = raw(state, name);
  if (value === undefined) return null;
  return { do: "switch", [name]: name === "lanes" ? (LANES[value] ?? 1) : OTHER[value] };
}

/** The value of a mode that all processes share, as the option has it. */
function raw(state, name) {
  const [key, guard, lanes] = modes(state, (word) => word);
  if (name === "lanes") return lanes.on === "number" ? Number(lanes.value) : undefined;
  const { on } = name === "key" ? key : guard;
  if (typeof on !== "boolean") return undefined;
  if (name === "key") return on ? "order-id" : "none";
  return on ? "version" : "off";
}

/**
 * Asks for a wish, with the token if there is one. The outcome has `ok`, the `shell` command that does the same, or the `message` of
 * a refusal in both languages.
 */
export async function ask(wish, token = null, fetching = fetch) {
  const headers = { accept: "application/json", "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  try {
    const answer = await fetching("/live/commands", { method: "POST", headers, body: JSON.stringify(wish) });
    const told = await answer.json().catch(() => ({}));
    const message = {
      english: told.message ?? answer.statusText,
      korean: told.korean ?? told.message ?? answer.statusText,
    };
    return { ok: answer.ok, status: answer.status, shell: told.shell ?? "", message };
  } catch {
    return { ok: false, status: 0, shell: "", message: null };
  }
}
