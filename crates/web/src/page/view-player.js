// Draws the strip above a history: what it is, where it stands, what happens there, and the buttons that move it.

import { byId, set, say as text } from "./dom.js";
import { length } from "./format.js";
import { readIn } from "./words.js";

const SPEEDS = { "speed-quarter": 0.25, "speed-one": 1, "speed-four": 4, "speed-fast": "fast" };

export class PlayerView {
  /** `changed` is told of every move, `back` of the wish for the live mall, `save` of that for a file. */
  constructor({ player, changed, back, save, language, say }) {
    Object.assign(this, { player, changed, language, say });
    const on = (id, event, act) => byId(id).addEventListener(event, act);
    on("player-back", "click", back);
    on("player-save", "click", save);
    on("play", "click", () => this.play());
    on("step-back", "click", () => this.step(-1));
    on("step-on", "click", () => this.step(1));
    on("place", "input", () => this.seek(Number(byId("place").value)));
    for (const [id, speed] of Object.entries(SPEEDS)) on(id, "click", () => this.setSpeed(speed));
  }

  play() {
    this.player()?.play();
    this.changed();
  }

  step(by) {
    this.player()?.step(by);
    this.changed();
  }

  seek(place) {
    const player = this.player();
    if (!player) return;
    player.playing = false;
    player.seek(place);
    this.changed();
  }

  setSpeed(speed) {
    const player = this.player();
    if (!player) return;
    player.speed = speed;
    this.changed();
  }

  draw() {
    const player = this.player();
    byId("player").hidden = !player;
    if (!player) return;
    const say = this.say();
    text(byId("player-what"), whatItIs(player.header, this.language(), say));
    text(byId("play"), say(player.playing ? "pause" : "play"));
    set(byId("step-back"), "disabled", player.place === 0);
    set(byId("step-on"), "disabled", player.ended);
    const slider = byId("place");
    set(slider, "max", player.last);
    if (Number(slider.value) !== player.place) slider.value = player.place;
    const where = say("placeSays", {
      place: player.place + 1,
      all: player.last + 1,
      time: length(player.moments[player.place].at - player.moments[0].at),
    });
    set(slider, "aria-valuetext", where);
    text(byId("place-says"), where);
    for (const [id, speed] of Object.entries(SPEEDS)) set(byId(id), "aria-pressed", String(player.speed === speed));
    this.drawSays(player);
  }

  drawSays(player) {
    const says = player.says();
    const place = byId("player-says");
    // While it is played, nobody could listen as fast.
    set(place, "aria-live", player.playing ? "off" : "polite");
    set(place, "data-tone", says?.tone ?? null);
    const who = says?.who ? `${says.who}: ` : "";
    text(place, says ? `${says.tone === "step" ? "▶ " : who}${readIn(this.language(), says)}` : "");
  }
}

/** What a history is of, in a sentence. Its world stays a code, as in the commands. */
export function whatItIs(header, language, say) {
  const { source, scenario, run, world } = header;
  if (scenario) {
    const title = readIn(language, scenario.title) || scenario.name;
    return say(run === "fixed" ? "historyFixed" : "historyBroken", { title, world: world ?? "?" });
  }
  if (source === "live") return say("historyLive");
  if (source === "timeline") return say("historyTimeline", { order: header.order ?? "?" });
  if (source === "verify") return say("historyVerify", { orders: header.orders ?? "?", shown: header.shown ?? "?" });
  return say("historyOther");
}
