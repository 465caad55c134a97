// The customers' actions: orders are placed, modified and cancelled by the requests that a terminal would send.

import { CUSTOMERS, cancel, fetchOrder, modify, otherAddress, place, send } from "./actions.js";
import { byId, set, say as text } from "./dom.js";

export class Controls {
  /** `select` is told of an order that was placed. */
  constructor({ select, say }) {
    Object.assign(this, { select, say, order: null, known: null, sent: null, shown: null, may: true });
    byId("kim").addEventListener("click", () => this.place("kim"));
    byId("park").addEventListener("click", () => this.place("park"));
    byId("kim-all").addEventListener("click", () => this.placeAndCancel());
    byId("cancel").addEventListener("click", () => this.cancel());
    byId("copy").addEventListener("click", () => this.copy());
    byId("selected-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.modify();
    });
    byId("address").addEventListener("input", () => this.draw());
    this.command = place(CUSTOMERS.kim, location.host).command;
  }

  /** Says whether orders can be placed and changed here. */
  allow(may) {
    if (may === this.may) return;
    this.may = may;
    this.draw();
  }

  place(customer) {
    return this.ask(place(CUSTOMERS[customer], location.host));
  }

  /** The course's experiment: what KIM does within the ten seconds that a modification takes. */
  async placeAndCancel() {
    const actions = [place(CUSTOMERS.kim, location.host)];
    const placed = await this.ask(actions[0]);
    if (!placed.ok || placed.order === null) return;
    for (const action of [modify(placed.order, "SEOUL", location.host), cancel(placed.order, location.host)]) {
      actions.push(action);
      const done = await this.ask(action);
      if (!done.ok) return;
    }
    this.command = actions.map((action) => action.command).join("\n");
    this.draw();
  }

  modify() {
    if (this.changeable()) return this.ask(modify(this.order, byId("address").value, location.host));
  }

  cancel() {
    if (this.changeable()) return this.ask(cancel(this.order, location.host));
  }

  changeable() {
    return this.known && !this.known.cancelled;
  }

  async ask(action) {
    if (!this.may) return { ok: false, order: null };
    this.command = action.command;
    const answer = await send(action);
    this.sent = { ...action, ...answer };
    if (answer.order !== null) this.select(answer.order);
    await this.look();
    return answer;
  }

  /** Shows another order, as it stands at the order service now. */
  async show(order) {
    if (order === this.order) return;
    this.order = order;
    this.known = null;
    await this.look();
  }

  async look() {
    const { order } = this;
    const known = order === null ? null : await fetchOrder(order);
    if (order !== this.order) return;
    this.known = known;
    if (known) byId("address").value = otherAddress(known.address);
    this.draw();
  }

  /** Shows a command that was given elsewhere on the page, as it is given in a terminal. */
  tell(command) {
    this.command = command;
    this.draw();
  }

  async copy() {
    await navigator.clipboard?.writeText(this.command);
    text(byId("copy"), this.say()("copied"));
  }

  draw() {
    const say = this.say();
    const { order, known, sent } = this;
    byId("selected-name").hidden = order === null;
    text(byId("selected-name"), say("selectedOrder", { order }));
    text(byId("selected-line"), this.line(say));
    byId("choices").hidden = !this.may;
    byId("change").hidden = !known || known.cancelled || !this.may;
    byId("command-part").hidden = !this.may;
    text(byId("command"), this.command);
    text(byId("copy"), say("copy"));
    set(byId("outcome"), "data-ok", sent ? String(sent.ok) : null);
    text(byId("outcome"), sent ? said(sent, say) : "");
  }

  line(say) {
    const { order, known } = this;
    if (order === null) return say(this.may ? "noneSelected" : "noneShown");
    if (!known) return say("orderUnknown");
    return say(known.cancelled ? "orderGone" : "orderLine", {
      customer: known.customerId,
      product: known.productName ?? known.productId,
      qty: known.qty,
      address: known.address,
    });
  }
}

function said(sent, say) {
  if (sent.ok) return say("asked", sent);
  return say(sent.status ? "refused" : "unanswered", sent);
}
