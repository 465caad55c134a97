// The buttons for the processes of the mall. They are there only where whoever runs the mall can be asked, and where that takes a
// token once the token is there. It is kept in this object alone: no storage has it, and a page that is loaded again asks anew.

import {
  addInstance,
  addPartition,
  ask,
  crew,
  mayCommand,
  movesKeys,
  needsToken,
  removeInstance,
  switchMode,
} from "./commands.js";
import { byId, h, keyed, set, say as text } from "./dom.js";
import { stateName } from "./layout-instances.js";
import { modes } from "./verdict.js";
import { readIn } from "./words.js";

const MODES = ["key", "guard", "lanes"];
/** Why there are no commands, by what the gateway says. */
const WHY = { "read-only": "readOnly", "no-token": "noToken", unsupervised: "noCommands" };
/** What is said of a token, by the status of the answer. */
const TOKEN = { 401: "tokenWrong", 429: "tokensTooMany" };
const ROLE = { start: "startRole", stop: "stopRole", kill: "killRole", freeze: "freezeRole", wake: "wakeRole" };

export class Commands {
  /** `shown` gives the state that is shown, `told` gets the command that does the same in a terminal. */
  constructor({ shown, told, language, say }) {
    Object.assign(this, { shown, told, language, say, outcome: null, busy: false, warned: false });
    this.token = null;
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.unlock();
    });
    byId("add-partition").addEventListener("click", () => this.grow());
    byId("add-instance").addEventListener("click", () => this.want(addInstance()));
    for (const name of MODES) byId(`switch-${name}`).addEventListener("click", () => this.switch(name));
    byId("crew").addEventListener("click", ({ target }) => {
      const { wish, role } = target.closest("button")?.dataset ?? {};
      if (wish) this.want({ do: wish, role });
    });
  }

  switch(name) {
    return this.want(switchMode(this.shown(), name));
  }

  removeInstance() {
    return this.want(removeInstance(this.shown()));
  }

  /** A partition more; of a keyed topic only once it was said that keys will move. */
  grow() {
    if (movesKeys(this.shown()) && !this.warned) {
      this.warned = true;
      return this.draw();
    }
    this.warned = false;
    return this.want(addPartition(this.shown()));
  }

  /** Takes the token that was typed. Whether it is the right one, the first command tells. */
  unlock() {
    this.token = byId("token").value.trim() || null;
    byId("token").value = "";
    this.outcome = null;
    this.draw();
  }

  async want(wish) {
    if (wish === null || this.busy || !mayCommand(this.shown()) || this.locked()) return;
    this.busy = true;
    this.draw();
    this.outcome = { wish, ...(await ask(wish, this.token)) };
    this.busy = false;
    if (this.outcome.status === 401) this.token = null;
    if (this.outcome.shell) this.told(this.outcome.shell);
    this.draw();
  }

  locked() {
    return needsToken(this.shown()) && !this.token;
  }

  draw() {
    const [state, say] = [this.shown(), this.say()];
    const [may, locked] = [mayCommand(state), this.locked()];
    byId("commands").hidden = !may || locked;
    byId("token-form").hidden = !locked;
    byId("no-commands").hidden = may || !state.known;
    text(byId("no-commands"), say(WHY[state.mall?.commands] ?? "noCommands"));
    const of = locked ? "token-outcome" : "commands-outcome";
    set(byId(of), "data-ok", this.outcome ? String(this.outcome.ok) : null);
    text(byId(of), this.busy ? say("asking") : this.said(say));
    if (may && !locked) this.drawButtons(state, say);
  }

  drawButtons(state, say) {
    text(byId("add-partition"), say(this.warned ? "addPartitionAnyway" : "addPartition"));
    text(byId("grow-warning"), this.warned ? say("keysMove") : "");
    for (const [at, mode] of modes(state, say).entries()) this.drawSwitch(MODES[at], mode, state);
    keyed(
      byId("crew"),
      crew(state),
      (member) => member.name,
      makeMember,
      (row, member) => this.drawMember(row, member),
    );
    for (const button of byId("commands").querySelectorAll("button"))
      button.disabled = this.busy || button.dataset.unable === "true";
  }

  drawSwitch(name, mode, state) {
    const button = byId(`switch-${name}`);
    const wish = switchMode(state, name);
    button.dataset.unable = String(wish === null);
    text(button, switchSays(mode, wish, name, this.say()));
  }

  drawMember(row, { name, state, wishes }) {
    const say = this.say();
    const [head, buttons] = row.children;
    text(head, state === "serving" ? name : `${name}, ${stateName(state, say)}`);
    keyed(
      buttons,
      wishes,
      (wish) => wish.do,
      (wish) => h("button", { type: "button", class: "quiet", "data-wish": wish.do, "data-role": name }),
      (button, wish) => {
        text(button, say(ROLE[wish.do]));
        set(button, "aria-label", `${say(ROLE[wish.do])} ${name}`);
      },
    );
  }

  said(say) {
    const { outcome } = this;
    if (!outcome) return "";
    if (outcome.ok) return say("done");
    if (TOKEN[outcome.status]) return say(TOKEN[outcome.status]);
    return outcome.message
      ? readIn(this.language(), outcome.message)
      : say("unanswered", { method: "POST", path: "/live/commands" });
  }
}

/** `key: none → order id` */
function switchSays(mode, wish, name, say) {
  if (wish === null) return `${mode.name}: ${mode.value}`;
  const other = { "order-id": "keyOn", none: "keyOff", version: "guardOn", off: "guardOff" }[wish[name]];
  return `${mode.name}: ${mode.value} → ${other ? say(other) : wish[name]}`;
}

function makeMember() {
  return h("div", { class: "member" }, h("span", {}), h("span", { class: "member-buttons" }));
}
