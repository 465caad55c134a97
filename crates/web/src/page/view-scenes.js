// The scenarios: one is chosen, its question is read, a guess is made, and a run of it is shown. And histories as files, which
// are opened and saved here; nothing of them leaves the browser.

import { byId, h, keyed, set, say as text } from "./dom.js";
import { fileName, LONGEST, read, write } from "./history.js";
import { Player } from "./player.js";
import { readIn } from "./words.js";

const RUNS = { broken: "runBroken", fixed: "runFixed" };
const RESULTS = { broken: "resultBroken", fixed: "resultFixed" };
const LIST = "/live/scenarios";

export class Scenes {
  /** `show` gets a player to be shown; `shown` gives the one that is. `kept` gives the history of the last minutes. */
  constructor({ show, shown, kept, language, say }) {
    Object.assign(this, { show, shown, kept, language, say });
    Object.assign(this, { all: null, chosen: null, guess: null, runs: new Map(), problem: null, busy: false });
    const on = (id, event, act) => byId(id).addEventListener(event, act);
    on("scene", "change", () => this.choose(byId("scene").value));
    on("guess", "change", ({ target }) => this.take(target.value));
    on("runs", "click", ({ target }) => this.run(target.closest("button")?.dataset.run));
    on("file", "change", () => this.openFile(byId("file").files[0]));
    on("save-live", "click", () => this.saveLive());
    addEventListener("dragover", (event) => dragged(event));
    addEventListener("drop", (event) => this.dropped(event));
  }

  /** Asks for the list, once it is wanted. */
  async list() {
    if (this.all || this.busy) return;
    this.busy = true;
    this.problem = null;
    const answer = await asked(LIST);
    this.busy = false;
    if (answer.ok) {
      this.all = JSON.parse(answer.text).scenarios.filter(({ runs }) => runs.length);
      this.choose(this.all[0]?.name);
    } else this.fail(answer);
    this.draw();
  }

  choose(name) {
    this.chosen = this.all.find((scene) => scene.name === name) ?? null;
    Object.assign(this, { guess: null, runs: new Map(), problem: null });
    this.draw();
  }

  take(choice) {
    this.guess = choice;
    this.draw();
  }

  /** Runs the chosen scenario, or shows the run that there is. */
  async run(run) {
    if (!run || this.busy || !this.chosen) return;
    this.problem = null;
    if (!this.runs.has(run)) {
      this.busy = true;
      this.draw();
      const answer = await asked(`${LIST}/${encodeURIComponent(this.chosen.name)}?run=${run}`);
      this.busy = false;
      if (answer.ok) this.opened(answer.text, (player) => this.runs.set(run, player));
      else this.fail(answer);
    }
    const player = this.runs.get(run);
    if (player && !this.problem) {
      player.seek(0);
      player.play(true);
      this.show(player);
    }
    this.draw();
  }

  opened(content, take) {
    const history = read(content);
    if (history.problem) {
      this.problem = history;
      return;
    }
    try {
      const player = new Player(history);
      player.at(player.last);
      take(player);
    } catch {
      this.problem = { problem: "cannotBeShown" };
    }
  }

  async openFile(file) {
    byId("file").value = "";
    if (!file) return;
    this.problem = null;
    if (file.size > 3 * LONGEST) this.problem = { problem: "tooLong", values: { most: LONGEST / 1024 / 1024 } };
    else this.opened(await file.text(), (player) => this.show(player));
    this.draw();
  }

  dropped(event) {
    if (!dragged(event)) return;
    this.openFile(event.dataTransfer.files[0]);
  }

  /** Saves the history that is shown. */
  save() {
    const player = this.shown();
    if (player) download(player.history);
  }

  saveLive() {
    const history = this.kept();
    this.problem = history.frames.length ? null : { problem: "nothingKept" };
    if (history.frames.length) download(history);
    this.draw();
  }

  fail({ status, message }) {
    this.problem = { problem: status ? "notRun" : "gatewayAway", values: { message } };
  }

  /** Says that the history which is shown can't be shown after all. */
  broken() {
    this.problem = { problem: "cannotBeShown" };
    this.draw();
  }

  draw() {
    if (byId("scenes").hidden) return;
    const [say, scene] = [this.say(), this.chosen];
    this.drawList();
    byId("scene-body").hidden = !scene;
    const outcome = byId("scenes-outcome");
    set(outcome, "data-ok", this.problem ? "false" : null);
    text(outcome, this.busy ? say("asking") : this.problem ? say(this.problem.problem, this.problem.values) : "");
    if (!scene) return;
    const reads = (words) => flowing(readIn(this.language(), words));
    text(byId("scene-question"), reads(scene.question));
    text(byId("scene-explanation"), reads(scene.explanation));
    text(byId("guess-asks"), readIn(this.language(), scene.asks));
    this.drawGuess(scene);
    keyed(byId("runs"), scene.runs, String, makeRun, (button, run) => this.drawRun(button, run));
    this.drawResults(scene);
  }

  drawList() {
    const name = ({ title, anomalies, lesson }) => {
      const numbers = lesson ? this.say()("lesson", { lesson }) : anomalies.map((number) => `A${number}`).join(", ");
      return `${numbers}: ${readIn(this.language(), title)}`;
    };
    keyed(
      byId("scene"),
      this.all ?? [],
      (scene) => scene.name,
      (scene) => h("option", { value: scene.name }),
      (option, scene) => text(option, name(scene)),
    );
  }

  drawGuess(scene) {
    keyed(
      byId("guesses"),
      scene.choices.map((choice) => ({ ...choice, of: scene.name })),
      (choice) => `${choice.of} ${choice.id}`,
      (choice) => h("label", {}, h("input", { type: "radio", name: "guess", value: choice.id }), h("span")),
      (label, choice) => {
        label.firstChild.checked = this.guess === choice.id;
        text(label.lastChild, readIn(this.language(), choice.says));
      },
    );
  }

  drawRun(button, run) {
    text(button, this.say()(RUNS[run]));
    set(button, "aria-pressed", String(this.runs.get(run) !== undefined && this.runs.get(run) === this.shown()));
    button.disabled = this.busy;
  }

  /** What came of the runs that were seen to their end, one below the other. */
  drawResults(scene) {
    const say = this.say();
    const players = scene.runs.map((run) => ({ run, player: this.runs.get(run) }));
    const seen = players.filter(({ player }) => player?.seen && player.outcome);
    keyed(
      byId("results"),
      seen.map(({ run, player }) => ({ run, outcome: player.outcome })),
      ({ run }) => run,
      () => h("div", { class: "result" }, h("h3"), h("p"), h("p", { class: "small" })),
      (element, { run, outcome }) => {
        const [head, came, guessed] = element.children;
        text(head, say(RESULTS[run]));
        set(came, "class", outcome.harm ? "sign-bad" : null);
        text(came, `${this.came(scene, outcome)} ${say(outcome.harm ? "withHarm" : "withoutHarm")}`);
        text(guessed, run === scene.runs[0] ? this.compared(scene, outcome) : "");
      },
    );
    const outcome = seen[0]?.player.outcome;
    byId("scene-answer").hidden = !outcome;
    text(byId("scene-answer-says"), flowing(readIn(this.language(), outcome?.answer)));
    text(byId("scene-cure"), readIn(this.language(), outcome?.cure));
  }

  came(scene, outcome) {
    if (outcome.failure) return readIn(this.language(), outcome.failure);
    const came = scene.choices.filter(({ id }) => outcome.came.includes(id));
    return came.map(({ says }) => `${readIn(this.language(), says)}.`).join(" ");
  }

  compared(scene, outcome) {
    const guess = scene.choices.find(({ id }) => id === this.guess);
    if (!guess) return "";
    const right = outcome.came.includes(guess.id);
    return this.say()(right ? "guessedRight" : "guessedWrong", { guess: readIn(this.language(), guess.says) });
  }
}

function makeRun(run) {
  return h("button", { type: "button", "data-run": run });
}

/** The lines of a file's text as one paragraph each. */
function flowing(words) {
  return words.replaceAll("\n", " ").trim();
}

/** Whether files are dragged over the page. They are taken from wherever they are dropped. */
function dragged(event) {
  if (!event.dataTransfer?.types.includes("Files")) return false;
  event.preventDefault();
  return true;
}

async function asked(path) {
  try {
    const answer = await fetch(path, { headers: { accept: "application/json, application/x-ndjson" } });
    const content = await answer.text();
    return { ok: answer.ok, status: answer.status, text: content, message: messageOf(answer, content) };
  } catch {
    return { ok: false, status: 0, text: "", message: "" };
  }
}

function messageOf(answer, content) {
  if (answer.ok) return "";
  try {
    return JSON.parse(content).message ?? answer.statusText;
  } catch {
    return answer.statusText;
  }
}

function download(history) {
  const address = URL.createObjectURL(new Blob([write(history)], { type: "application/x-ndjson" }));
  h("a", { href: address, download: fileName(history.header) }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
