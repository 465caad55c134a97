//! A member of a consumer group.
//!
//! ```text
//!   poll ─▶ librdkafka's poll ─▶ rebalance event noted ─▶ librdkafka's poll returns
//!                                                          │ same thread, next statement
//!           assign:  committed offsets ─▶ assign ─▶ Rebalance::assigned
//!           revoke:  Rebalance::revoke … drained ─▶ commit ─▶ unassign
//!           lost:    Rebalance::lost ─▶ unassign
//! ```
//!
//! librdkafka reports a rebalance as an *event*, and then waits for a call of assign or unassign, whether that comes
//! from within its callback or later. Meanwhile its queue delivers nothing else, and the other members of the group
//! wait. Another poll in between would be dangerous, because it can bring a newer assignment, which the late answer
//! would then discard. So the callback only notes the event, and [`Member::poll`] answers it before anything else. This
//! also lets the borrowed [`Rebalance`] stay an ordinary argument.
//!
//! # Invariants
//! * librdkafka is not polled while an event is unanswered. An answer that fails is tried again by the next poll.
//! * Only partitions in `assigned` are committed, because the broker checks the member and its generation, but not
//!   whether the partition is the member's.
//! * A record is never handed out after the revoke of its partition, and not twice in a row.

mod commits;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::kafka::bootstrap::{self, Bootstrap};
use crate::kafka::client;
use crate::kafka::committer::Committer;
use crate::kafka::fault::Right;
use crate::kafka::native::queue::Queue;
use crate::kafka::page::Page;
use crate::kafka::positions::positions;
use crate::kafka::rebalances::{Event, Events, unassign};
use crate::kafka::repeats::Repeats;
use crate::kafka::session::SessionKeeper;
use crate::kafka::settings::Settings;
use crate::kafka::timeouts::CALL_TIMEOUT;
use crate::kafka::{convert, fault};
use crate::port::{Consumer, LogError, Position, Rebalance, Result, Subscription};
use crate::record::{Record, TopicPartition};

/// The most records that one poll hands out.
const POLL_RECORDS: usize = 500;

/// How long a drain is waited for before it is checked whether the group has given the member up.
const DRAIN_CHECK: Duration = Duration::from_millis(50);

/// For how long an error that may pass is returned if it is not reported again. librdkafka tries to connect once a
/// second.
const TROUBLE_KEPT: Duration = Duration::from_millis(2500);

/// How often a member that gets no records checks whether it has a connection.
const CONNECTION_CHECK: Duration = Duration::from_secs(1);

/// How long a commit waits for an earlier one that was not answered in time, and for the end of a rebalance. It is
/// short, so that the polling thread goes on reading while the coordinator is away.
const COMMIT_WAIT: Duration = Duration::from_millis(50);

/// A member of a group.
pub(super) struct Member {
    /// Stands before `client`, so that it is dropped first: the client closes once its last owner is gone.
    committer: Committer,
    /// `None` if the broker assigns partitions.
    session_keeper: Option<SessionKeeper>,
    queue: Queue,
    client: Arc<BaseConsumer<Events>>,
    bootstrap: Bootstrap,
    /// When records came last, or when the connection was checked last.
    connection_checked: Instant,
    /// The settings of another client, which asks for extents where `client` must not.
    settings: Settings,
    subscription: Subscription,
    assigned: BTreeSet<TopicPartition>,
    topics: convert::Topics,
    page: Page,
    repeats: Repeats,
    /// The error of every later call: librdkafka has failed for good, or the member has left.
    ended: Option<LogError>,
    /// The last error that may pass, and when it was reported last.
    trouble: Option<(Instant, LogError)>,
    /// An error event that came behind records. They were handed out first, and the next poll looks at the event.
    postponed_event: Option<KafkaError>,
}

impl Member {
    /// Subscribes. The group is joined while the member polls.
    pub(super) fn join(settings: &Settings, subscription: &Subscription) -> Result<Self> {
        let client: BaseConsumer<Events> = client::start(&settings.member(subscription)?, Events::default())?;
        let topics: Vec<&str> = subscription.topics.iter().map(String::as_str).collect();
        let what = format!("group {} can't be joined", subscription.group);
        client.subscribe(&topics).map_err(|error| fault::sort(&what, &error))?;
        let client = Arc::new(client);
        let session = settings.session(subscription);
        let session_keeper = (!settings.broker_assigns()).then(|| SessionKeeper::start(&client, subscription, session));
        Ok(Self {
            committer: Committer::start(&client)?,
            session_keeper: session_keeper.transpose()?,
            queue: Queue::of(&client),
            client,
            bootstrap: Bootstrap::new(settings),
            connection_checked: Instant::now(),
            settings: settings.clone(),
            subscription: subscription.clone(),
            assigned: BTreeSet::new(),
            topics: convert::Topics::default(),
            page: Page::default(),
            repeats: Repeats::default(),
            ended: None,
            trouble: None,
            postponed_event: None,
        })
    }

    /// Answers all waiting events. Records of partitions that are given back are removed from `records`.
    fn answer_events(&mut self, records: &mut Vec<Record>, rebalance: &mut dyn Rebalance) -> Result<()> {
        self.repeats.keep(records);
        while let Some(event) = self.client.context().first() {
            match &event {
                Event::Assign(list) => {
                    self.give_back_unasked(list, records, rebalance);
                    self.assign(list, rebalance)?;
                }
                Event::Revoke(list) => {
                    let partitions = self.owned(list);
                    records.retain(|record| !partitions.contains(&record.topic_partition()));
                    self.give_back(&partitions, rebalance);
                    self.release(list)?;
                }
            }
            self.client.context().answered();
        }
        Ok(())
    }

    /// Gives back all partitions before an assignment of the eager protocol replaces them. librdkafka does not always
    /// ask for that: it joins anew at once if it learns of new partitions while an assignment waits for its answer.
    /// Partitions that are assigned again are given back with a commit, so that they go on from there. The others may
    /// have new owners by now, and are lost.
    fn give_back_unasked(
        &mut self,
        list: &TopicPartitionList,
        records: &mut Vec<Record>,
        rebalance: &mut dyn Rebalance,
    ) {
        if self.assigned.is_empty() || matches!(self.client.rebalance_protocol(), RebalanceProtocol::Cooperative) {
            return;
        }
        records.retain(|record| !self.assigned.contains(&record.topic_partition()));
        let kept = self.owned(list);
        let gone: Vec<TopicPartition> = self
            .assigned
            .iter()
            .filter(|held| !kept.contains(held))
            .cloned()
            .collect();
        if !gone.is_empty() {
            rebalance.lost(&gone);
        }
        self.give_back(&kept, rebalance);
        self.assigned.clear();
    }

    /// Takes over partitions, at the positions that the group has committed.
    fn assign(&mut self, list: &TopicPartitionList, rebalance: &mut dyn Rebalance) -> Result<()> {
        let assignments = positions(&self.client, &self.settings, &self.subscription, list)?;
        let mut positioned = list.clone();
        let what = || {
            format!(
                "the partitions given by group {} can't be taken over",
                self.subscription.group
            )
        };
        let failed = |error: KafkaError| fault::sort(&what(), &error);
        for assignment in &assignments {
            let TopicPartition { topic, partition } = &assignment.partition;
            let offset = convert::native_offset(assignment.position);
            let set = positioned.set_partition_offset(topic, convert::native_partition(*partition), offset);
            set.map_err(failed)?;
        }
        let taken = match self.client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.client.incremental_assign(&positioned),
            _ => self.client.assign(&positioned),
        };
        taken.map_err(failed)?;
        if assignments.is_empty() {
            return Ok(());
        }
        let given: Vec<TopicPartition> = assignments.iter().map(|given| given.partition.clone()).collect();
        // librdkafka remembers a pause from an earlier assignment, so it is ended here.
        if let Err(error) = self.client.resume(&convert::list(&given)) {
            tracing::debug!(%error, "new partitions can't be resumed");
        }
        self.repeats.forget(&given);
        self.assigned.extend(given);
        rebalance.assigned(&assignments);
        Ok(())
    }

    /// Lets the caller finish its records in flight, and commits the positions.
    fn give_back(&mut self, partitions: &[TopicPartition], rebalance: &mut dyn Rebalance) {
        if partitions.is_empty() {
            return;
        }
        let drained = self.drain(partitions, rebalance);
        let Some(positions) = drained else {
            rebalance.lost(partitions);
            return;
        };
        let positions: Vec<Position> = positions
            .into_iter()
            .filter(|position| partitions.contains(&position.partition))
            .collect();
        match self.commit_positions(&positions, CALL_TIMEOUT) {
            Ok(refused) if refused.is_empty() => {}
            Ok(refused) => rebalance.lost(&refused),
            Err(error) => {
                tracing::warn!(%error, "positions could not be committed with a revoke; their records are handled again")
            }
        }
    }

    /// Asks the caller for the positions of drained partitions. Returns `None` if the partitions were lost meanwhile,
    /// or the time for a drain is over.
    fn drain(&self, partitions: &[TopicPartition], rebalance: &mut dyn Rebalance) -> Option<Vec<Position>> {
        let deadline = Instant::now() + self.subscription.drain_timeout;
        while !self.client.assignment_lost() {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(positions) = rebalance.revoke(partitions, left.min(DRAIN_CHECK)) {
                return Some(positions);
            }
            if left.is_zero() {
                tracing::warn!(?partitions, "records in flight did not end in time for a revoke");
                return None;
            }
        }
        None
    }

    /// Tells librdkafka, and with it the group, that these partitions are free.
    fn release(&mut self, list: &TopicPartitionList) -> Result<()> {
        for partition in self.owned(list) {
            self.assigned.remove(&partition);
        }
        unassign(&self.client, list).map_err(|error| fault::sort("partitions can't be given back", &error))
    }

    /// The partitions of the list that are this member's.
    fn owned(&mut self, list: &TopicPartitionList) -> Vec<TopicPartition> {
        let mut partitions = convert::partitions(list, &mut self.topics);
        partitions.retain(|partition| self.assigned.contains(partition));
        partitions
    }

    /// Interprets an error event. Returns an error that may pass, if the event means one, and fails with one that
    /// lasts.
    ///
    /// While the brokers are away, librdkafka queues one such event after the other, and only the last one says how
    /// things are now. So a poll goes through all of them: a caller that paused after each would hear of an outage long
    /// after its end.
    fn passing_trouble(&mut self, error: &KafkaError) -> Result<Option<LogError>> {
        match self.interpret(error) {
            Ok(()) => Ok(None),
            Err(LogError::Unavailable(reason)) => Ok(Some(LogError::Unavailable(reason))),
            Err(lasting) => Err(lasting),
        }
    }

    /// The result of a poll: records, or else the error that may pass, as long as that was reported recently. A moment
    /// without a report does not mean that it is over, since librdkafka reports a connection that fails only once per
    /// attempt.
    fn poll_result(&mut self, records: Vec<Record>, trouble: Option<LogError>) -> Result<Vec<Record>> {
        if !records.is_empty() {
            return self.hand_out(records);
        }
        if let Some(trouble) = trouble.or_else(|| self.check_connection()) {
            self.trouble = Some((Instant::now(), trouble));
        }
        match &self.trouble {
            Some((since, trouble)) if since.elapsed() < TROUBLE_KEPT => Err(trouble.clone()),
            _ => Ok(records),
        }
    }

    /// Returns records of a poll. That they came ends every trouble.
    fn hand_out(&mut self, records: Vec<Record>) -> Result<Vec<Record>> {
        self.repeats.keep(&records);
        self.trouble = None;
        self.connection_checked = Instant::now();
        Ok(records)
    }

    /// The error if there is no connection to any broker, which librdkafka does not always report.
    fn check_connection(&mut self) -> Option<LogError> {
        if self.connection_checked.elapsed() < CONNECTION_CHECK {
            return None;
        }
        self.connection_checked = Instant::now();
        if self.is_connected() {
            return None;
        }
        let watch = &self.client.context().watch;
        self.bootstrap.repeat_if_silent(&self.client, watch);
        let what = format!("group {} can't be read", self.subscription.group);
        let error = KafkaError::MessageConsumption(RDKafkaErrorCode::BrokerTransportFailure);
        Some(fault::as_unavailable(watch.explain(&what, &error)))
    }

    /// Whether there is a connection to a broker at this moment.
    fn is_connected(&self) -> bool {
        let topic = self.subscription.topics.first();
        topic.is_none_or(|topic| bootstrap::is_connected(&self.client, topic))
    }

    /// Returns the error that an error event means to the caller. Most events mean none, since librdkafka deals with
    /// them.
    fn interpret(&mut self, error: &KafkaError) -> Result<()> {
        let watch = &self.client.context().watch;
        let what = format!("group {} can't be read", self.subscription.group);
        match error.rdkafka_error_code() {
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                let error = LogError::Broken(watch.explain(&what, error).to_string());
                self.ended = Some(error.clone());
                Err(error)
            }
            // The event has waited in librdkafka's queue, and the client has connected since.
            Some(RDKafkaErrorCode::AllBrokersDown) if self.is_connected() => Ok(()),
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::UnknownTopicOrPartition) => {
                Err(fault::as_unavailable(watch.explain(&what, error)))
            }
            Some(RDKafkaErrorCode::PollExceeded) => {
                tracing::warn!("the group has given this member up: it did not poll for too long");
                Ok(())
            }
            Some(code) if fault::ends_membership(code) => Err(watch.explain(&what, error)),
            Some(code) if fault::forbids(code) => Err(fault::as_unavailable(
                self.denied(&what, code).unwrap_or_else(|| watch.explain(&what, error)),
            )),
            _ => Ok(()),
        }
    }

    /// The error for a missing right, if the code says that one is missing.
    fn denied(&self, what: &str, code: RDKafkaErrorCode) -> Option<LogError> {
        let group = Right::group("Read", &self.subscription.group).missing(what, Some(code));
        let topics = self.subscription.topics.join(",");
        group.or_else(|| Right::topic("Read", &topics).missing(what, Some(code)))
    }
}

impl Consumer for Member {
    fn poll(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        let deadline = Instant::now() + timeout;
        self.topics.renew();
        let mut records = Vec::new();
        self.answer_events(&mut records, rebalance)?;
        let mut trouble = match self.postponed_event.take() {
            Some(error) => self.passing_trouble(&error)?,
            None => None,
        };
        loop {
            let waiting = records.is_empty() && trouble.is_none();
            let left = || deadline.saturating_duration_since(Instant::now());
            let patience = if waiting { whole_millis(left()) } else { Duration::ZERO };
            let page = &mut self.page;
            match self.queue.pop(patience, &mut self.topics, |bytes| page.copy(bytes)) {
                Some(Ok(record)) => self.repeats.push(record, &mut records),
                Some(Err(error)) if records.is_empty() => trouble = self.passing_trouble(&error)?.or(trouble),
                Some(Err(error)) => {
                    self.postponed_event = Some(error);
                    return self.hand_out(records);
                }
                None => match self.answer_events(&mut records, rebalance) {
                    // librdkafka would not hand these records out again, so they are returned, and the event is kept.
                    Err(error) if !records.is_empty() => {
                        tracing::debug!(%error, "a rebalance will be answered by the next poll");
                        return self.hand_out(records);
                    }
                    Err(error) => return Err(error),
                    Ok(()) if patience.is_zero() => return self.poll_result(records, trouble),
                    Ok(()) => {}
                },
            }
            if records.len() >= POLL_RECORDS {
                return self.hand_out(records);
            }
        }
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        self.commit_positions(positions, COMMIT_WAIT)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let list = convert::list(partitions.iter().filter(|partition| self.assigned.contains(partition)));
        let paused = self.client.pause(&list);
        paused.map_err(|error| fault::sort("partitions can't be paused", &error))
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let list = convert::list(partitions.iter().filter(|partition| self.assigned.contains(partition)));
        let resumed = self.client.resume(&list);
        resumed.map_err(|error| fault::sort("partitions can't be resumed", &error))
    }

    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        let deadline = Instant::now() + self.subscription.drain_timeout + CALL_TIMEOUT;
        self.ended = Some(LogError::Refused("this member has left its group".into()));
        // Partitions are given back before closing, because librdkafka sends no heartbeats while it closes a
        // membership.
        let partitions: Vec<TopicPartition> = self.assigned.iter().cloned().collect();
        self.give_back(&partitions, rebalance);
        self.assigned.clear();
        self.session_keeper.take();
        self.client.context().abandon(&self.client);
        let closing = self.client.close_queue();
        closing.map_err(|error| fault::sort("the group can't be left", &error))?;
        while !self.client.closed() && Instant::now() < deadline {
            // Records that are still queued are dropped; the partitions' next owners read them again.
            let _dropped = self.client.poll(DRAIN_CHECK);
        }
        if self.client.closed() {
            return Ok(());
        }
        Err(LogError::Unavailable(
            "the group was not left in time; it will take this member for dead".into(),
        ))
    }
}

/// Without a call of `leave` nothing is drained, but librdkafka closes the membership when the client is dropped.
impl Drop for Member {
    fn drop(&mut self) {
        self.session_keeper.take();
        self.client.context().abandon(&self.client);
    }
}

/// Rounds up to whole milliseconds, because librdkafka would not wait at all for a fraction of one.
fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(time.as_micros().div_ceil(1000) as u64)
}
