// The page's words in English and Korean. Names of the field (partition, consumer, offset) and codes stay what engineers call
// them; both languages have the same keys and the same places for values.

import { english } from "./words-en.js";
import { korean } from "./words-ko.js";

export const languages = { en: english, ko: korean };

/** The language of the reader's browser: Korean if it is asked for, else English. */
export function preferred(wanted) {
  return (wanted ?? []).some((tag) => /^ko\b/i.test(tag)) && !/^en\b/i.test(wanted[0]) ? "ko" : "en";
}

/** A function that says something in a language: `say("older", { count: 3 })`. */
export function sayIn(language) {
  const words = languages[language] ?? english;
  return (key, values = {}) => {
    const text = words[key];
    if (text === undefined) return key;
    return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  };
}

/** Of a text that the server sends in both languages, the one to read. */
export function readIn(language, text) {
  if (text === null || text === undefined) return "";
  if (typeof text === "string") return text;
  return (language === "ko" ? text.korean : text.english) ?? text.english ?? text.korean ?? "";
}
