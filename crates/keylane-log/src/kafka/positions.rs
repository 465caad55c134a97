//! Where a member begins in the partitions that it was given.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::kafka::client::{self, Watch};
use crate::kafka::rebalances::Events;
use crate::kafka::scan;
use crate::kafka::settings::Settings;
use crate::kafka::{ANSWER, convert, coordinator, fault};
use crate::port::{Assignment, Extent, Result, Subscription};
use crate::record::{Offset, TopicPartition};

/// Before asking again about partitions that this client does not know yet.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// The committed positions, with the metadata of their commits, in the order of `list`. A committed offset outside of the
/// log (a truncated or restored topic) counts as none.
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
    let explain = |error: KafkaError| fault::passing(watch.explain(&what, &error));
    let committed = coordinator::committed(client, list, ANSWER).map_err(explain)?;
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

/// From the last commit if that lies inside of the log, otherwise from the log's start.
fn assignment(partition: TopicPartition, last: Option<(Offset, String)>, extent: Extent) -> Assignment {
    if let Some((committed, _)) = last
        && !(extent.start..=extent.end).contains(&committed)
    {
        tracing::warn!(%partition, committed = committed.0, start = extent.start.0, end = extent.end.0,
            "the committed offset is outside of the log; reading from its start");
    }
    let inside = last.filter(|(committed, _)| (extent.start..=extent.end).contains(committed));
    let (position, metadata) = inside.unwrap_or((extent.start, String::new()));
    Assignment {
        partition,
        position,
        metadata,
    }
}

/// What the partitions hold. Where a grant is eager a client of its own asks: learning of new partitions while the grant
/// waits for its answer has librdkafka join anew without asking for the grant back.
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

/// A broker that assigns (KIP-848) may know a new partition before this client does. If it stays unknown, any position
/// will do: librdkafka corrects one that lies outside of the log.
fn extents_by<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    subscription: &Subscription,
    list: &TopicPartitionList,
) -> Vec<Extent> {
    let deadline = Instant::now() + ANSWER;
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
        thread::sleep(ASK_AGAIN);
        for topic in &subscription.topics {
            let _refreshed = client.fetch_metadata(Some(topic), ANSWER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Partition;

    #[test]
    fn only_a_commit_inside_of_the_log_is_gone_on_from() {
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
