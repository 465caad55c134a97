// Draws what the picture shows as tables, for whoever doesn't see it, or would rather read.

import { byId, h, keyed, say as text } from "./dom.js";
import { stateWord } from "./layout-chip.js";
import { activity, elapsed, instances, stateName } from "./layout-instances.js";
import { recordState, versionName } from "./looks.js";
import { instancesInSight, partitionsInSight } from "./sight.js";

export function drawMirror(state, view) {
  const records = partitionsInSight(state, view.selected).shown.flatMap((partition) =>
    (state.records.get(partition.partition) ?? []).map((record) => ({ record, partition })),
  );
  keyed(
    byId("mirror-records"),
    records,
    ({ record }) => `${record.partition}@${record.offset}`,
    () => cells(6),
    (row, item) => {
      fill(row, recordCells(state, item, view));
    },
  );
  keyed(
    byId("mirror-instances"),
    instancesInSight(instances(state)).shown,
    (each) => each.name,
    () => cells(4),
    (row, each) => {
      fill(row, instanceCells(each, view));
    },
  );
}

/** What the table says of a record. */
export function recordCells(state, { record, partition }, { say }) {
  const found = recordState(state, record, partition.committed);
  const order = record.order ?? "–";
  const event = [record.name ?? "", (record.delivery ?? null) === null ? versionName(record.version) : ""]
    .join(" ")
    .trim();
  return [
    `P${record.partition}`,
    String(record.offset),
    String(order),
    event,
    stateWord(found, say),
    found.work?.by ?? "–",
  ];
}

function instanceCells(each, { say, now }) {
  const works = each.works.length ? `, ${elapsed(each.works[0], now, say)}` : "";
  const names = each.partitions.map((partition) => `P${partition}`).join(" ");
  return [each.name, stateName(each.state, say), names || "–", `${activity(each, say)}${works}`];
}

function cells(many) {
  return h("tr", {}, ...Array.from({ length: many }, () => h("td")));
}

function fill(row, words) {
  for (const [at, word] of words.entries()) text(row.children[at], word);
}
