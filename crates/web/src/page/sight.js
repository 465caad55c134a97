// Which partitions and instances are drawn, where there are more of them than anybody could look at.

import { troubled } from "./model.js";

/** The most tracks and cards that are drawn. */
const PARTITIONS = 12;
const INSTANCES = 12;

/**
 * The partitions that are drawn, by number, how many `more` there are, and the `lag` of these. Those come first that hold
 * records of the selected order or of one in trouble, then those with lag, then those to which something was written last.
 */
export function partitionsInSight(state, selected) {
  const all = state.partitions;
  if (all.length <= PARTITIONS) return { shown: all, more: 0, lag: 0 };
  const trouble = troubled(state);
  const ranked = all.map((partition) => ({ partition, rank: rankOf(state, partition, selected, trouble) }));
  ranked.sort((one, other) => compare(one.rank, other.rank) || one.partition.partition - other.partition.partition);
  const shown = ranked.slice(0, PARTITIONS).map(({ partition }) => partition);
  const rest = ranked.slice(PARTITIONS).map(({ partition }) => partition);
  shown.sort((one, other) => one.partition - other.partition);
  return { shown, more: rest.length, lag: rest.reduce((sum, { lag }) => sum + lag, 0) };
}

function rankOf(state, { partition, lag }, selected, trouble) {
  const records = state.records.get(partition) ?? [];
  const orders = records.map(({ order }) => order);
  return [orders.includes(selected), orders.some((order) => trouble.has(order)), lag > 0, records.at(-1)?.at ?? 0].map(
    Number,
  );
}

/** Higher ranks come first. */
function compare(one, other) {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at < 0 ? 0 : other[at] - one[at];
}

/** The instances that are drawn, by name, and how many `more` there are. Those come first that are in trouble or at work. */
export function instancesInSight(all) {
  if (all.length <= INSTANCES) return { shown: all, more: 0 };
  const zombie = ({ works }) => works.some(({ work }) => work.zombie);
  const rank = (each) =>
    zombie(each) ? 0 : each.state !== "serving" ? 1 : each.works.length ? 2 : each.partitions.length ? 3 : 4;
  const first = [...all].sort((one, other) => rank(one) - rank(other)).slice(0, INSTANCES);
  return { shown: all.filter((each) => first.includes(each)), more: all.length - INSTANCES };
}
