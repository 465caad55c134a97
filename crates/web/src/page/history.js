// Histories as files: a header, and then the frames of `GET /live`, each a line of JSON. Pure.
//
//   history  { header, frames: [{ moment, at, event, data }] }
//
// What can't be read is told as a word of the dictionary with its values: `{ problem: "notAHistory" }`.

import { frameIs, isHeader } from "./checked.js";

/** The version of the format that this page writes, and the highest that it reads. */
const FORMAT = 1;
/** The longest file, in characters, and the most lines. */
export const LONGEST = 32 * 1024 * 1024;
const LINES = 200_000;

/** Reads a file. */
export function read(text) {
  if (text.length > LONGEST) return { problem: "tooLong", values: { most: LONGEST / 1024 / 1024 } };
  const lines = text.split("\n").filter((line) => line.trim());
  if (lines.length > LINES + 1) return { problem: "tooManyLines", values: { most: LINES } };
  const header = parsed(lines[0]);
  if (!isHeader(header)) return { problem: "notAHistory" };
  if (header.history > FORMAT) return { problem: "laterFormat", values: { version: header.history } };
  const frames = [];
  for (const [at, line] of lines.slice(1).entries()) {
    const frame = parsed(line);
    const is = frame === undefined ? "no" : frameIs(frame);
    if (is === "no") return { problem: "badLine", values: { line: at + 2 } };
    if (is === "yes") frames.push(frame);
  }
  if (frames[0]?.event !== "snapshot") return { problem: "noSnapshot" };
  return { header, frames };
}

function parsed(line) {
  try {
    return JSON.parse(line ?? "");
  } catch {
    return undefined;
  }
}

/** The text of a file. */
export function write({ header, frames }) {
  return [header, ...frames].map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** The header of a history that was recorded by a page. */
export function liveHeader(mall) {
  return { history: FORMAT, mall: null, source: "live", topic: mall?.topic ?? null };
}

/** A name for a file: `mall-zombie-broken.jsonl`, `mall-live-20261201-1000.jsonl`. Nothing of a header but letters gets in. */
export function fileName(header, now = new Date()) {
  const word = (text) =>
    String(text)
      .replace(/[^\w-]/g, "")
      .slice(0, 60);
  const two = (number) => String(number).padStart(2, "0");
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const names = header.scenario
    ? [header.scenario.name, header.run ?? ""]
    : [header.source ?? "history", `${day}-${two(now.getHours())}${two(now.getMinutes())}`];
  return `${["mall", ...names.map(word).filter(Boolean)].join("-")}.jsonl`;
}
