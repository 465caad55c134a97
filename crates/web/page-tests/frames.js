// Frames for tests: made of observations as a real mall has told them (`observed/`), or made up.
//
// What the gateway adds to the observations (records, positions, rows, verdict) is made up here, as simply as can be.

import { readFileSync } from "node:fs";

export const START = 1_796_085_910_000;

/** The observations of a file in `observed/`, oldest first. */
export function observed(name) {
  const text = readFileSync(new URL(`observed/${name}.jsonl`, import.meta.url), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** A snapshot of a mall in which nothing has happened. */
export function snapshot({
  partitions = 2,
  deliveries = 2,
  key = "none",
  guard = "off",
  lanes = 1,
  now = START,
  commands = "unsupervised",
} = {}) {
  const modes = { key, guard, lanes };
  const names = Array.from({ length: deliveries }, (_, at) => `delivery-${at + 1}`);
  const role = (name, kind, port) => ({
    name,
    kind,
    url: `http://127.0.0.1:${port}`,
    supervised: true,
    state: "serving",
    modes,
    instance: kind === "delivery" ? `${name}/1` : null,
    pid: 1,
  });
  return {
    event: "snapshot",
    data: {
      now,
      mall: {
        topic: "kafka.scaling",
        group: "delivery",
        log: "embedded",
        database: "sqlite",
        supervised: true,
        commands,
      },
      roles: [
        role("order", "order", 8081),
        ...names.map((name, at) => role(name, "delivery", 8082 + at)),
        role("gateway", "gateway", 8088),
      ],
      partitions: Array.from({ length: partitions }, (_, partition) => ({
        partition,
        start: 0,
        end: 0,
        committed: null,
        lag: 0,
      })),
      records: [],
      seen: [],
      deliveries: [],
      verdict: { state: "ordered", orders: 0, harm: 0, hazards: 0, underWay: false, found: [], doubts: [] },
      rates: { committed: 0, published: 0, applied: 0, lag: 0, thinned: false },
      growth: [],
      group: {
        state: "Stable",
        generation: 2,
        members: names.map((name, at) => ({
          name,
          modes,
          partitions: at < partitions ? [at] : [],
          idle: at < partitions ? null : "more-instances-than-partitions",
        })),
      },
    },
  };
}

const VERDICTS = {
  "out-of-order": [
    ["split-key", "hazard", "its events stand in the partitions 0, 1", "이벤트가 여러 파티션에 있음: 0, 1"],
    ["inversion", "harm", "v2 took effect after v3", "v2가 v3보다 나중에 반영됨"],
    ["resurrection", "harm", "v2 took effect after the cancellation", "취소된 뒤에 v2가 반영됨"],
    [
      "divergence",
      "harm",
      'status is "DELIVERY MODIFIED" and should be "DELIVERY CANCELLED"',
      '상태가 "DELIVERY CANCELLED"이어야 하는데 "DELIVERY MODIFIED"임',
    ],
  ],
  "applied-early": [["skip", "harm", "v3 took effect directly after v1", "v1 바로 다음에 v3이 반영됨"]],
};

const REMEDY = {
  english:
    "publish with --key order-id, so that the events of an order share a partition; and run the delivery instances with --guard version",
  korean: "--key order-id로 발행해 한 주문의 이벤트를 한 파티션에 넣고, 배송 인스턴스를 --guard version으로 실행할 것",
};

const STATUS = {
  OrderPlaced: "DELIVERY STARTED",
  OrderModified: "DELIVERY MODIFIED",
  OrderCancelled: "DELIVERY CANCELLED",
};

/** Frames that a gateway would make of observations: each one's time is that of its observation. */
export function gathered(observations, made = {}) {
  const mall = new Gathered(snapshot({ now: observations[0].at, ...made }));
  for (const seen of observations) mall.see(seen);
  return mall.frames;
}

/** A gateway in miniature. */
export class Gathered {
  constructor(first) {
    this.frames = [{ ...first, at: first.data.now }];
    this.partitions = new Map(first.data.partitions.map((each) => [each.partition, each]));
    this.rows = new Map();
    this.found = [];
    this.orders = new Set();
  }

  see(seen) {
    this.add(seen, "seen", [seen]);
    SEES[seen.what]?.(this, seen);
  }

  add({ at }, event, data) {
    this.frames.push({ at, event, data: structuredClone(data) });
  }

  partition(seen, number, change) {
    const known = this.partitions.get(number) ?? { partition: number, start: 0, end: 0, committed: null, lag: 0 };
    const next = { ...known, ...change(known) };
    next.lag = next.end - (next.committed ?? next.start);
    this.partitions.set(number, next);
    this.add(seen, "partitions", [...this.partitions.values()]);
  }

  row(seen, order, change) {
    const row = { order, expected: null, actual: null, inFlight: true, ...this.rows.get(order), ...change };
    row.inFlight = row.expected?.version !== undefined && (row.actual?.applied ?? 0) < row.expected.version;
    this.rows.set(order, row);
    this.add(seen, "deliveries", [row]);
  }

  verdict(seen) {
    const harm = new Set(this.found.filter(({ kind }) => kind === "harm").map(({ order }) => order)).size;
    const hazards = new Set(this.found.map(({ order }) => order)).size - harm;
    const underWay = [...this.rows.values()].some((row) => row.inFlight);
    const settled = underWay ? "unknown" : "ordered";
    const state = harm ? "harm" : settled;
    this.add(seen, "verdict", {
      state,
      orders: this.orders.size,
      harm,
      hazards,
      underWay,
      found: this.found,
      doubts: [],
    });
  }
}

const SEES = {
  committed(mall, seen) {
    const { order, version, name, delivery } = seen.event;
    if (delivery !== undefined) return;
    mall.orders.add(order);
    mall.row(seen, order, { expected: { status: STATUS[name], version } });
    mall.verdict(seen);
  },
  published(mall, seen) {
    const { order, version, name, delivery } = seen.event;
    const record = {
      ...seen.place,
      at: seen.at,
      key: seen.key ?? null,
      order,
      version,
      name,
      delivery: delivery ?? null,
    };
    mall.add(seen, "records", [record]);
    mall.partition(seen, seen.place.partition, (known) => ({ end: Math.max(known.end, seen.place.offset + 1) }));
  },
  "offset-committed"(mall, seen) {
    mall.partition(seen, seen.partition, () => ({ committed: seen.position }));
  },
  finished(mall, seen) {
    if (seen.status === undefined) return;
    const { order, version, name } = seen.event;
    const before = mall.rows.get(order)?.actual?.applied ?? 0;
    const actual = {
      status: seen.status,
      version: Math.max(before, version),
      applied: Math.max(before, version),
      delivery: seen.delivery,
    };
    mall.row(seen, order, { actual });
    for (const [verdict, kind, english, korean] of VERDICTS[seen.ending] ?? []) {
      const evidence = [
        {
          what: text("OrderCancelled applied", "OrderCancelled 반영"),
          version: 3,
          partition: 0,
          offset: 2,
          instance: "delivery-1",
          timestamp: seen.at - 9000,
        },
        {
          what: text(`${name} applied`, `${name} 반영`),
          version,
          ...seen.place,
          instance: seen.who,
          timestamp: seen.at,
        },
      ];
      const remedy = verdict === "split-key" || verdict === "skip" ? REMEDY : null;
      mall.found.push({ order, name: verdict, kind, says: text(english, korean), remedy, evidence });
    }
    mall.verdict(seen);
  },
};

function text(english, korean) {
  return { english, korean };
}

/** Made-up observations of one mall, at times of their own. */
export class Told {
  constructor(at = START) {
    this.at = at;
    this.seq = 0;
    this.all = [];
  }

  wait(ms) {
    this.at += ms;
    return this;
  }

  say(who, what, more) {
    this.seq += 1;
    this.all.push({ seq: this.seq, at: this.at, who, what, ...more });
    return this;
  }

  written(order, version, name, place, key) {
    const event = { order, version, name };
    return this.say("order", "committed", { event })
      .wait(5)
      .say("order", "published", { event, place, ...(key ? { key } : {}) });
  }

  taken(who, order, version, name, place, epoch = 1) {
    return this.wait(2).say(who, "taken", { event: { order, version, name }, place, epoch });
  }

  finished(who, order, version, name, place, ending) {
    return this.wait(3).say(who, "finished", {
      event: { order, version, name },
      place,
      epoch: 1,
      took: 3000,
      ...ending,
    });
  }
}

/** Everything that a state holds, so that it can be compared. */
export function plain(state) {
  return JSON.parse(JSON.stringify(state, (_, value) => (value instanceof Map ? [...value] : value)));
}
