// The frames of `GET /live` as they come. The browser connects again by itself and says how far it was; whoever can't be given
// what follows gets a whole snapshot, which is a frame like any other.

const KINDS = [
  "snapshot",
  "seen",
  "records",
  "partitions",
  "growth",
  "group",
  "roles",
  "deliveries",
  "verdict",
  "rates",
  "away",
  "missed",
  "mall",
];
/** After so long a browser that has given up, as after an answer that is no stream, is told to try again. */
const AGAIN = 2000;

/** Follows the stream. `heard` gets each frame, `state` hears "live" and "away". */
export class Stream {
  constructor({ heard, state, source = EventSource, path = "/live" }) {
    Object.assign(this, { heard, state, source, path, last: null, order: null });
  }

  /** Connects, behind what was heard before. */
  open() {
    this.close();
    const query = new URLSearchParams();
    if (this.last) query.set("after", this.last);
    if (this.order !== null) query.set("order", this.order);
    const events = new this.source(`${this.path}${query.size ? `?${query}` : ""}`);
    events.addEventListener("open", () => this.state("live"));
    events.addEventListener("error", () => this.broken(events));
    for (const kind of KINDS) events.addEventListener(kind, (event) => this.told(kind, event));
    this.events = events;
  }

  /** Asks that all of one order's events come, also when so much happens that others' are left out; null: of none. */
  follow(order) {
    if (order === this.order) return;
    this.order = order;
    this.open();
  }

  close() {
    clearTimeout(this.again);
    this.events?.close();
    this.events = null;
  }

  told(event, { data, lastEventId }) {
    if (lastEventId) this.last = lastEventId;
    this.heard({ event, data: JSON.parse(data) }, data.length);
  }

  broken(events) {
    if (events !== this.events) return;
    this.state("away");
    if (events.readyState === 2) this.again = setTimeout(() => this.open(), AGAIN);
  }
}
