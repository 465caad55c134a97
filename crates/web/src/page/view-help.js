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
  ["T", "helpTable"],
  ["L", "helpLanguage"],
  ["?", "helpHelp"],
];

/** Writes the help in the language of `say`. */
export function drawHelp(say, em) {
  const keys = KEYS.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, say(what))]);
  byId("help-keys").replaceChildren(...keys);
  const drawn = signs(em, say).flatMap(({ shapes, says }) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("aria-hidden", "true");
    draw(svg, shapes);
    return [h("dt", {}, svg), h("dd", {}, says)];
  });
  byId("help-signs").replaceChildren(...drawn);
}
