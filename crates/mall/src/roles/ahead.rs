//! Looks, once the order service has started, whether the topic holds versions that the journal lacks.
//!
//! A journal row is committed before its event is published. So such a version was written by another program, or by this
//! service before its database was emptied or restored from an older copy. Since anybody can forge records, the service
//! warns of it and goes on.

use std::collections::BTreeMap;

use anyhow::Result;
use keylane_log::{EventLog, Offset, Partition, TopicPartition};
use shop::LogCalls;
use shop::domain::{OrderId, Source, Version};
use shop::records::{self, Incoming};
use shop::store::Store;

use crate::adapters::RoleAdapters;

/// How many of the newest records are looked at in each partition.
const RECORDS: u64 = 20;
/// How many partitions are looked at. The first ones are enough to notice an emptied database.
const PARTITIONS: usize = 64;

/// Looks while the service does its work, and warns of what is found.
pub fn look(adapters: &RoleAdapters, topic: &str) {
    let (log, store, topic) = (adapters.log.clone(), adapters.store.clone(), topic.to_owned());
    tokio::spawn(async move {
        match unknown(&log, &*store, topic.clone()).await {
            Ok(unknown) if unknown.is_empty() => {}
            Ok(unknown) => tracing::warn!("{}", sentence(&topic, &unknown)),
            // The relay and the handlers say what is wrong with the log or the database.
            Err(error) => tracing::debug!("topic {topic} can't be compared with the journal: {error:#}"),
        }
    });
}

/// The versions at the topic's end that the journal lacks.
async fn unknown(log: &LogCalls, store: &dyn Store, topic: String) -> Result<BTreeMap<OrderId, Version>> {
    let mut newest = log.ask("read", move |log| newest(log, &topic)).await?;
    for order in newest.keys().copied().collect::<Vec<_>>() {
        let last = store.order_events(order).await?.last().map(|entry| entry.version);
        if last >= newest.get(&order).copied() {
            newest.remove(&order);
        }
    }
    Ok(newest)
}

/// The highest version of each order among the newest records that name this service as their source.
fn newest(log: &dyn EventLog, topic: &str) -> Result<BTreeMap<OrderId, Version>> {
    let mut newest = BTreeMap::new();
    for (number, extent) in (0..).zip(log.extents(topic)?).take(PARTITIONS) {
        let from = Offset(extent.end.0.saturating_sub(RECORDS)).max(extent.start);
        if from == extent.end {
            continue;
        }
        for record in log.read(&TopicPartition::new(topic, Partition(number)), from, RECORDS as usize)? {
            let source = records::header_text(&record, "ce_source").ok().flatten();
            let ours = source.as_deref() == Some(Source::Orders.path());
            if let (true, Incoming::Order(event)) = (ours, records::incoming(&record))
                && let Some(version) = event.version
            {
                let highest = newest.entry(event.order_id).or_insert(version);
                *highest = version.max(*highest);
            }
        }
    }
    Ok(newest)
}

fn sentence(topic: &str, unknown: &BTreeMap<OrderId, Version>) -> String {
    let (order, version) = unknown.iter().next_back().expect("at least one version is unknown");
    format!(
        "topic {topic} is ahead of this order service's journal, which lacks events of {} of the orders that its newest \
         records name (order {order} v{version}). Either the database was emptied or restored from an older copy, and order \
         numbers are given out a second time: stop, and restore the newer database or take a new topic. Or another program \
         writes to the topic as if it were this service.",
        unknown.len()
    )
}
