//! Keeps the rebalance events of librdkafka until they are answered.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use crate::kafka::client::Watch;
use crate::sync::lock;

/// A rebalance whose answer librdkafka waits for.
#[derive(Clone)]
pub(super) enum Event {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
}

/// The context of a member's client, which notes the rebalances that come out of librdkafka's queue.
#[derive(Default)]
pub(super) struct Events {
    pub(super) watch: Watch,
    waiting: Mutex<VecDeque<Event>>,
    /// Whether the member is gone, so that events are answered here.
    abandoned: AtomicBool,
}

impl Events {
    /// The event to be answered next.
    pub(super) fn first(&self) -> Option<Event> {
        lock(&self.waiting).front().cloned()
    }

    /// Removes the first event, which has been answered.
    pub(super) fn answered(&self) {
        lock(&self.waiting).pop_front();
    }

    /// Declines the waiting events, and from now on every event as it comes. An event without an answer would keep
    /// librdkafka from closing for ever.
    pub(super) fn abandon(&self, client: &BaseConsumer<Self>) {
        self.abandoned.store(true, Ordering::Release);
        while let Some(event) = self.first() {
            self.decline(client, &event);
            self.answered();
        }
    }

    /// Answers an event by taking no partition over, or by giving the revoked ones back.
    fn decline(&self, client: &BaseConsumer<Self>, event: &Event) {
        let declined = match (event, client.rebalance_protocol()) {
            (Event::Assign(_), RebalanceProtocol::Cooperative) => client.incremental_assign(&TopicPartitionList::new()),
            (Event::Assign(_), _) => client.unassign(),
            (Event::Revoke(list), _) => unassign(client, list),
        };
        if let Err(error) = declined {
            tracing::debug!(%error, "a rebalance could not be declined while closing");
        }
    }
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.note_log(level, facility, message);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.note(&error, reason);
    }
}

impl ConsumerContext for Events {
    fn rebalance(&self, client: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let event = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Event::Assign(list.clone()),
            _ => Event::Revoke(list.clone()),
        };
        if self.abandoned.load(Ordering::Acquire) {
            self.decline(client, &event);
        } else {
            lock(&self.waiting).push_back(event);
        }
    }
}

/// Gives partitions back, as the group's protocol requires it.
pub(super) fn unassign(client: &BaseConsumer<Events>, list: &TopicPartitionList) -> KafkaResult<()> {
    match client.rebalance_protocol() {
        RebalanceProtocol::Cooperative => client.incremental_unassign(list),
        _ => client.unassign(),
    }
}
