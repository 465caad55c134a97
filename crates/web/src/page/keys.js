// What a key means. Keys are told by their place on the keyboard (`code`), so that they work while a Korean keyboard is on, and
// none counts while a text is being composed or typed.

const MEANINGS = {
  Space: "pause",
  KeyP: "place",
  "Shift+KeyP": "park",
  KeyM: "modify",
  KeyX: "cancel",
  KeyK: "key",
  KeyG: "guard",
  BracketLeft: "fewer",
  BracketRight: "more",
  KeyS: "scenes",
  Comma: "back",
  Period: "on",
  KeyT: "table",
  KeyL: "language",
  "Shift+Slash": "help",
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
  Home: "first",
  End: "last",
  Escape: "close",
};

/** The meaning of a keydown event, or null. */
export function meaning(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) {
    return event.repeat && event.code?.startsWith("Arrow") && !event.isComposing ? arrows(event) : null;
  }
  if (typesText(event.target)) return event.code === "Escape" ? "close" : null;
  if (event.code === "Space" && pressable(event.target)) return null;
  if (event.code.startsWith("Arrow") || event.code === "Home" || event.code === "End") return arrows(event);
  return MEANINGS[`${event.shiftKey ? "Shift+" : ""}${event.code}`] ?? null;
}

/** Arrows go from record to record once one of these has the focus; before, they scroll as ever. */
function arrows({ code, target }) {
  return target?.closest?.("svg") ? (MEANINGS[code] ?? null) : null;
}

function typesText(target) {
  return /^(?:INPUT|TEXTAREA|SELECT)$/.test(target?.tagName ?? "");
}

/** Whether a press of the space bar is meant for what has the focus. */
function pressable(target) {
  return target?.tagName === "BUTTON" || target?.tagName === "SUMMARY" || target?.getAttribute?.("role") === "button";
}
