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
  ["S", "helpScenes"],
  ["Space", "helpPlay"],
  [", .", "helpSteps"],
  ["T", "helpTable"],
  ["L", "helpLanguage"],
  ["?", "helpHelp"],
];

/** What keys do only where that can be done. */
const ONLY = {
  orders: ["helpPlace", "helpPark", "helpModify", "helpCancel"],
  commands: ["helpKey", "helpGuard", "helpInstances"],
};

/** Writes the help in the language of `say`, of the keys that do something here. */
export function drawHelp(say, em, may) {
  const idle = Object.keys(ONLY).flatMap((what) => (may[what] ? [] : ONLY[what]));
  const known = KEYS.filter(([, what]) => !idle.includes(what));
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
