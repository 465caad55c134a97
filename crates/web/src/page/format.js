// Times and lengths of time as people read them.

/** `10:00:01.2`, in the reader's time zone. */
export function clock(ms) {
  if (!ms) return "–";
  const at = new Date(ms);
  const two = (number) => String(number).padStart(2, "0");
  const tenth = Math.floor(at.getMilliseconds() / 100);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${tenth}`;
}

/** `6.2 s`, `45 ms`, `3 min 20 s`. */
export function length(ms) {
  if (ms < 0) return "0 ms";
  if (ms < 995) return `${Math.round(ms)} ms`;
  if (ms < 99_500) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** A delivery's status without the word that all of them have: `CANCELLED`. */
export function shortStatus(status) {
  return (status ?? "").replace(/^DELIVERY /, "");
}

/** How wide a text is, in widths of its font: Hangul and Chinese letters are as wide as high. */
export function widthOf(text) {
  let width = 0;
  for (const letter of text) width += letter.codePointAt(0) > 0x10ff ? 1 : 0.56;
  return width;
}

/** The text, cut to a width, with an ellipsis where it was. */
export function cut(text, width) {
  if (widthOf(text) <= width) return text;
  let kept = "";
  for (const letter of text) {
    if (widthOf(`${kept}${letter}…`) > width) break;
    kept += letter;
  }
  return `${kept}…`;
}
