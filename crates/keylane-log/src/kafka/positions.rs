//! Finds the positions from which a member reads newly assigned partitions.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::kafka::client::{self, Watch};
use crate::kafka::rebalances::Events;
use crate::kafka::scan;
use crate::kafka::settings::Settings;
use crate::kafka::timeouts::CALL_TIMEOUT;
use crate::kafka::{convert, coordinator, fault};
use crate::port::{Assignment, Extent, Result, Subscription};
use crate::record::{Offset, TopicPartition};

/// Pause before a client asks again about partitions that it does not know yet.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The positions of the partitions of `list`, in its order, with the metadata of their commits. A committed offset that
/// lies outside of the log, because the topic was truncated or restored, is not used.
pub(super) fn positions(
    client: &BaseConsumer<Events>,
    settings: &Settings,
    subscription: &Subscription,
    list: &TopicPartitionList,
) -> Result<Vec<Assignment>> {
    if list.count() == 0 {
        return Ok(Vec::new());
    }
    let watch = &client.context().watch;
    let what = format!("the committed offsets of group {} can't be read", subscription.group);
    let explain = |error: KafkaError| fault::as_unavailable(watch.explain(&what, &error));
    let committed = coordinator::committed(client, list, CALL_TIMEOUT).map_err(explain)?;
    watch.clear();
    let partitions = convert::partitions(list, &mut convert::Topics::default());
    let extents = extents(client, settings, subscription, list);
    let mut assignments = Vec::with_capacity(partitions.len());
    for (partition, extent) in partitions.into_iter().zip(extents) {
        let number = convert::native_partition(partition.partition);
        let last = match committed.find_partition(&partition.topic, number) {
            Some(element) => {
                element.error().map_err(explain)?;
                convert::offset(&element).map(|offset| (offset, element.metadata().to_owned()))
            }
            None => None,
        };
        assignments.push(assignment(partition, last, extent));
    }
    Ok(assignments)
}

/// Begins at the last commit if that lies within the log, or else at the log's start.
fn assignment(partition: TopicPartition, last: Option<(Offset, String)>, extent: Extent) -> Assignment {
    if let Some((committed, _)) = last
        && !(extent.start..=extent.end).contains(&committed)
    {
        tracing::warn!(%partition, committed = committed.0, start = extent.start.0, end = extent.end.0,
            "the committed offset is outside of the log; the partition is read from its start");
    }
    let inside = last.filter(|(committed, _)| (extent.start..=extent.end).contains(committed));
    let (position, metadata) = inside.unwrap_or((extent.start, String::new()));
    Assignment {
        partition,
        position,
        metadata,
    }
}

/// The extents of the partitions of `list`. In the eager protocol another client asks for them: if the member's own
/// client learnt of new partitions now, librdkafka would join the group anew without asking for the partitions back.
fn extents(
    client: &BaseConsumer<Events>,
    settings: &Settings,
    subscription: &Subscription,
    list: &TopicPartitionList,
) -> Vec<Extent> {
    let looker = match client.rebalance_protocol() {
        RebalanceProtocol::Cooperative => None,
        _ => client::start::<_, BaseConsumer<Watch>>(&settings.looker(), Watch::default()).ok(),
    };
    match looker {
        Some(looker) => extents_by(&looker, subscription, list),
        None => extents_by(client, subscription, list),
    }
}

/// The extents of the partitions of `list`, as `client` learns them. A broker that assigns (KIP-848) may know a new
/// partition before the client does, so the client asks again. If a partition stays unknown, an extent without bounds
/// is returned, since librdkafka corrects a position that lies outside of the log.
fn extents_by<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    subscription: &Subscription,
    list: &TopicPartitionList,
) -> Vec<Extent> {
    let deadline = Instant::now() + CALL_TIMEOUT;
    loop {
        let error = match scan::extents(client, list) {
            Ok(extents) => return extents,
            Err(error) => error,
        };
        if Instant::now() >= deadline {
            tracing::warn!(%error, "the extents of new partitions are not known");
            let any = Extent {
                start: Offset(0),
                end: Offset(u64::MAX),
            };
            return vec![any; list.count()];
        }
        thread::sleep(RETRY_PAUSE);
        for topic in &subscription.topics {
            let _refreshed = client.fetch_metadata(Some(topic), CALL_TIMEOUT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Partition;

    #[test]
    fn only_a_commit_within_the_log_is_used() {
        let extent = Extent {
            start: Offset(5),
            end: Offset(9),
        };
        let begin = |committed: Option<u64>| {
            let last = committed.map(|offset| (Offset(offset), "done".to_owned()));
            let begun = assignment(TopicPartition::new("orders", Partition(0)), last, extent);
            (begun.position.0, begun.metadata)
        };
        for inside in [5, 7, 9] {
            assert_eq!(begin(Some(inside)), (inside, "done".to_owned()));
        }
        for outside in [None, Some(4), Some(10)] {
            assert_eq!(begin(outside), (5, String::new()), "{outside:?}");
        }
    }
}
