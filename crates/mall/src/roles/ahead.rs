//! Looks, once the order service has started, whether the topic is ahead of its journal.
//!
//! A journal row is committed before its event is published, so a version in the topic that the journal lacks was written
//! by somebody else, or by this service before its database was emptied or restored from an older copy. Records can be
//! forged, so this is told and refuses nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use keylane_log::{EventLog, Offset, Partition, TopicPartition};
use shop::domain::{OrderId, Source, Version};
use shop::records::{self, Incoming};
use shop::store::Store;

use super::adapters::Adapters;

/// Records looked at in each partition, the newest, and in how many partitions: enough to notice, and done in a moment.
const RECORDS: u64 = 20;
const PARTITIONS: usize = 64;

/// Looks beside the service's own work, and warns of what it finds.
pub fn look(adapters: &Adapters, topic: &str) {
    let (log, store, topic) = (adapters.log.clone(), adapters.store.clone(), topic.to_owned());
    tokio::spawn(async move {
        match unknown(log, &*store, topic.clone()).await {
            Ok(unknown) if unknown.is_empty() => {}
            Ok(unknown) => tracing::warn!("{}", sentence(&topic, &unknown)),
            // Whoever goes on using them says what is wrong with the log or the database.
            Err(error) => tracing::debug!("topic {topic} can't be compared with the journal: {error:#}"),
        }
    });
}

/// The versions at the topic's end that the journal lacks.
async fn unknown(log: Arc<dyn EventLog>, store: &dyn Store, topic: String) -> Result<BTreeMap<OrderId, Version>> {
    let mut newest = tokio::task::spawn_blocking(move || newest(&*log, &topic)).await??;
    for order in newest.keys().copied().collect::<Vec<_>>() {
        let last = store.order_events(order).await?.last().map(|entry| entry.version);
        if last >= newest.get(&order).copied() {
            newest.remove(&order);
        }
    }
    Ok(newest)
}

/// The highest version of each order among the newest records that say to be this service's.
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
    let (order, version) = unknown.iter().next_back().expect("there is one");
    format!(
        "topic {topic} is ahead of this order service's journal, which lacks events of {} of the orders that its newest \
         records name (order {order} v{version}). Either the database was emptied or restored from an older copy, and order \
         numbers are given out a second time: stop, and restore the newer database or take a new topic. Or another program \
         writes to the topic as if it were this service.",
        unknown.len()
    )
}
