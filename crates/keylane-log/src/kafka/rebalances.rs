//! Rebalances as librdkafka reports them, until they are answered.

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
use crate::kafka::lock;

/// A rebalance that librdkafka waits to have answered.
#[derive(Clone)]
pub(super) enum Event {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
}

/// Notes rebalances as they come out of librdkafka's queue.
#[derive(Default)]
pub(super) struct Events {
    pub(super) watch: Watch,
    waiting: Mutex<VecDeque<Event>>,
    /// Nobody answers events any more.
    abandoned: AtomicBool,
}

impl Events {
    /// The event to be answered next.
    pub(super) fn first(&self) -> Option<Event> {
        lock(&self.waiting).front().cloned()
    }

    /// The first event has its answer.
    pub(super) fn answered(&self) {
        lock(&self.waiting).pop_front();
    }

    /// From now on every event is answered as it comes: nothing is taken over, everything is let go. An event without an
    /// answer would keep librdkafka from closing for ever.
    pub(super) fn abandon(&self, client: &BaseConsumer<Self>) {
        self.abandoned.store(true, Ordering::Release);
        while let Some(event) = self.first() {
            self.decline(client, &event);
            self.answered();
        }
    }

    fn decline(&self, client: &BaseConsumer<Self>, event: &Event) {
        let declined = match (event, client.rebalance_protocol()) {
            (Event::Assign(_), RebalanceProtocol::Cooperative) => client.incremental_assign(&TopicPartitionList::new()),
            (Event::Assign(_), _) => client.unassign(),
            (Event::Revoke(list), _) => unassign(client, list),
        };
        if let Err(error) = declined {
            tracing::debug!(%error, "a rebalance while closing");
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

/// Lets partitions go, in the way of the group's protocol.
pub(super) fn unassign(client: &BaseConsumer<Events>, list: &TopicPartitionList) -> KafkaResult<()> {
    match client.rebalance_protocol() {
        RebalanceProtocol::Cooperative => client.incremental_unassign(list),
        _ => client.unassign(),
    }
}
