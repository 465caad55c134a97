// The help: what the keys do and what the signs mean, the signs drawn as they are drawn in the picture.

import { byId, h } from "./dom.js";
import { draw } from "./draw.js";
import { signs } from "./layout-signs.js";

const KEYS = [
  ["Space", "helpPause"],
  ["P", "helpPlace"],
  ["Shift P", "helpPark"],
  ["M", "helpModify"],
  ["X", "helpCancel"],
  ["← → ↑ ↓", "helpArrows"],
  ["Enter", "helpEnter"],
  ["K", "helpKey"],
  ["G", "helpGuard"],
  ["[ ]", "helpInstances"],
  ["T", "helpTable"],
  ["L", "helpLanguage"],
  ["?", "helpHelp"],
];

/** What only a mall does whose processes can be commanded. */
const COMMANDS = new Set(["helpKey", "helpGuard", "helpInstances"]);

/** Writes the help in the language of `say`. */
export function drawHelp(say, em, commands) {
  const known = KEYS.filter(([, what]) => commands || !COMMANDS.has(what));
  const keys = known.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, say(what))]);
  byId("help-keys").replaceChildren(...keys);
  const drawn = signs(em, say).flatMap(({ shapes, says }) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("aria-hidden", "true");
    draw(svg, shapes);
    return [h("dt", {}, svg), h("dd", {}, says)];
  });
  byId("help-signs").replaceChildren(...drawn);
}
