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
//! librdkafka hands a rebalance over as an *event*, and from then on waits for the call of assign or unassign, whether
//! that comes from within the callback or behind it: its queue delivers nothing else meanwhile, and the group's other
//! members wait. What is dangerous is another poll in between, because it can bring a newer grant which the late answer
//! then discards. So the callback only notes the event and [`Member::poll`] answers it before anything else, which lets
//! the borrowed [`Rebalance`] stay an ordinary argument.
//!
//! # Invariants
//! * No poll of librdkafka while an event is unanswered. An answer that fails is tried again by the next poll.
//! * Only partitions in `assigned` are committed: the broker checks the member and its generation, never whether the
//!   partition is that member's.
//! * A record of a partition is never handed out behind its revoke, and not twice in a row.

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
use crate::kafka::positions::positions;
use crate::kafka::pulse::Pulse;
use crate::kafka::rebalances::{Event, Events, unassign};
use crate::kafka::repeats::Repeats;
use crate::kafka::settings::Settings;
use crate::kafka::{ANSWER, convert, fault};
use crate::port::{Consumer, LogError, Position, Rebalance, Result, Subscription};
use crate::record::{Record, TopicPartition};

/// The most records one poll hands out.
const BATCH: usize = 500;

/// How long a drain is waited for before looking whether the group has given the member up.
const LOOK_UP: Duration = Duration::from_millis(50);

/// For how long a trouble stands that is not told again: librdkafka makes an attempt a second.
const STANDS: Duration = Duration::from_millis(2500);

/// How often a member that hears nothing looks whether it has a connection.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// How long a commit waits for an earlier one that was not answered in time. Whoever polls goes on reading while the
/// coordinator is away, and does not wait for it again and again.
const EARLIER: Duration = Duration::from_millis(50);

/// How often an offset commit is repeated that the member's epoch overtook (KIP-848).
const EPOCH_RETRIES: usize = 20;

/// The longest metadata a broker keeps with an offset, in characters.
const METADATA: usize = 4096;

/// A member of a group, as long as it has not left.
pub(super) struct Member {
    /// Before `client`, which closes when nobody holds it any more.
    committer: Committer,
    /// None where the broker assigns.
    pulse: Option<Pulse>,
    client: Arc<BaseConsumer<Events>>,
    bootstrap: Bootstrap,
    /// When something was heard, or it was last looked whether there is a connection.
    looked: Instant,
    /// For a client that asks what partitions hold where `client` must not.
    settings: Settings,
    subscription: Subscription,
    assigned: BTreeSet<TopicPartition>,
    topics: convert::Topics,
    repeats: Repeats,
    /// An error after which librdkafka does nothing any more.
    fatal: Option<LogError>,
    /// What kept the brokers from answering, and when that was last told.
    troubled: Option<(Instant, LogError)>,
    /// An error event that came behind records, which were handed out first.
    unheeded: Option<KafkaError>,
}

impl Member {
    /// Subscribes; the group is joined by polling.
    pub(super) fn join(settings: &Settings, subscription: &Subscription) -> Result<Self> {
        let client: BaseConsumer<Events> = client::start(&settings.member(subscription)?, Events::default())?;
        let topics: Vec<&str> = subscription.topics.iter().map(String::as_str).collect();
        let what = format!("group {} can't be joined", subscription.group);
        client.subscribe(&topics).map_err(|error| fault::sort(&what, &error))?;
        let client = Arc::new(client);
        let session = settings.session(subscription);
        let pulse = (!settings.broker_assigns()).then(|| Pulse::start(&client, subscription, session));
        Ok(Self {
            committer: Committer::start(&client)?,
            pulse: pulse.transpose()?,
            client,
            bootstrap: Bootstrap::new(settings),
            looked: Instant::now(),
            settings: settings.clone(),
            subscription: subscription.clone(),
            assigned: BTreeSet::new(),
            topics: convert::Topics::default(),
            repeats: Repeats::default(),
            fatal: None,
            troubled: None,
            unheeded: None,
        })
    }

    /// Answers every event that is waiting; the records of what is given back are dropped.
    fn answer_events(&mut self, records: &mut Vec<Record>, rebalance: &mut dyn Rebalance) -> Result<()> {
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

    /// In the eager protocol a grant replaces whatever is held, and librdkafka does not always ask for that back first:
    /// it joins anew at once if it learns of new partitions while a grant waits for its answer. What it kept is given
    /// back here, so that it is taken over where its work stands; what it lost may have another owner by now.
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

    /// Takes partitions over, at the positions the group has committed.
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
        // A partition that was paused when it was last this member's must not come back paused.
        if let Err(error) = self.client.resume(&convert::list(&given)) {
            tracing::debug!(%error, "new partitions can't be resumed");
        }
        self.repeats.forget(&given);
        self.assigned.extend(given);
        rebalance.assigned(&assignments);
        Ok(())
    }

    /// Lets the caller finish what it started, and commits where it stands.
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
        match self.commit_within(&positions, ANSWER) {
            Ok(refused) if refused.is_empty() => {}
            Ok(refused) => rebalance.lost(&refused),
            Err(error) => tracing::warn!(%error, "positions could not be committed with a revoke; their work repeats"),
        }
    }

    /// Asks for positions until they are there, or the partitions are lost, or the time for a drain is over.
    fn drain(&self, partitions: &[TopicPartition], rebalance: &mut dyn Rebalance) -> Option<Vec<Position>> {
        let deadline = Instant::now() + self.subscription.drain_timeout;
        while !self.client.assignment_lost() {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(positions) = rebalance.revoke(partitions, left.min(LOOK_UP)) {
                return Some(positions);
            }
            if left.is_zero() {
                tracing::warn!(?partitions, "work in flight did not end in time for a revoke");
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

    /// Those of the list that are this member's.
    fn owned(&mut self, list: &TopicPartitionList) -> Vec<TopicPartition> {
        let mut partitions = convert::partitions(list, &mut self.topics);
        partitions.retain(|partition| self.assigned.contains(partition));
        partitions
    }

    /// What an error event says that may pass, if it says anything. While the brokers are away librdkafka queues one such
    /// event after the other, and only the last tells how things are: a poll goes through all of them, since a caller that
    /// paused at each would still hear of an outage long after its end.
    fn passing_trouble(&mut self, error: &KafkaError) -> Result<Option<LogError>> {
        match self.heed(error) {
            Ok(()) => Ok(None),
            Err(LogError::Unavailable(reason)) => Ok(Some(LogError::Unavailable(reason))),
            Err(lasting) => Err(lasting),
        }
    }

    /// What a poll answers. That nothing came for a moment does not end a trouble: a connection that is taken and closed
    /// again, by another program say, is told anew with each attempt, and is none in between.
    fn outcome(&mut self, records: Vec<Record>, trouble: Option<LogError>) -> Result<Vec<Record>> {
        if !records.is_empty() {
            self.troubled = None;
            self.looked = Instant::now();
            return Ok(records);
        }
        if let Some(trouble) = trouble.or_else(|| self.look_around()) {
            self.troubled = Some((Instant::now(), trouble));
        }
        match &self.troubled {
            Some((since, trouble)) if since.elapsed() < STANDS => Err(trouble.clone()),
            _ => Ok(records),
        }
    }

    /// What is the matter if there is no connection to any broker, which librdkafka does not always say.
    fn look_around(&mut self) -> Option<LogError> {
        let topic = self.subscription.topics.first()?;
        if self.looked.elapsed() < LOOK_AROUND {
            return None;
        }
        self.looked = Instant::now();
        if bootstrap::is_connected(&self.client, topic) {
            return None;
        }
        let watch = &self.client.context().watch;
        self.bootstrap.repeat_if_silent(&self.client, watch);
        let what = format!("group {} can't be read", self.subscription.group);
        let error = KafkaError::MessageConsumption(RDKafkaErrorCode::BrokerTransportFailure);
        Some(fault::passing(watch.explain(&what, &error)))
    }

    /// What an error event means; most are librdkafka's own affair.
    fn heed(&mut self, error: &KafkaError) -> Result<()> {
        let watch = &self.client.context().watch;
        let what = format!("group {} can't be read", self.subscription.group);
        match error.rdkafka_error_code() {
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                let fatal = LogError::Broken(watch.explain(&what, error).to_string());
                self.fatal = Some(fatal.clone());
                Err(fatal)
            }
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::UnknownTopicOrPartition) => {
                Err(fault::passing(watch.explain(&what, error)))
            }
            Some(RDKafkaErrorCode::PollExceeded) => {
                tracing::warn!("the group has given this member up: it did not poll for too long");
                Ok(())
            }
            Some(code) if fault::ends_membership(code) => Err(watch.explain(&what, error)),
            Some(code) if fault::forbids(code) => Err(fault::passing(
                self.denied(&what, code).unwrap_or_else(|| watch.explain(&what, error)),
            )),
            _ => Ok(()),
        }
    }

    /// The error of a right that is missing, if one is.
    fn denied(&self, what: &str, code: RDKafkaErrorCode) -> Option<LogError> {
        let group = Right::group("Read", &self.subscription.group).missing(what, Some(code));
        let topics = self.subscription.topics.join(",");
        group.or_else(|| Right::topic("Read", &topics).missing(what, Some(code)))
    }

    /// Whether a refused commit only came in between two generations of the group: the partitions are kept, and will take
    /// the same commit in the new one.
    fn only_overtaken(&self, refusal: RDKafkaErrorCode) -> bool {
        use RDKafkaErrorCode as E;
        matches!(refusal, E::IllegalGeneration | E::StaleMemberEpoch) && !self.client.assignment_lost()
    }

    /// Commits once, and waits at most for `earlier` for a commit before it that was not answered in time; `Ok(false)` if
    /// these partitions are no longer this member's.
    fn try_commit(&mut self, list: &TopicPartitionList, earlier: Duration) -> Result<bool> {
        let mut overtaken = 0;
        loop {
            let Err(error) = self.committer.commit(list.clone(), earlier) else {
                self.client.context().watch.clear();
                if let Some(pulse) = &self.pulse {
                    pulse.heard();
                }
                return Ok(true);
            };
            match error.rdkafka_error_code() {
                // The next heartbeat, which this error hastens, brings the new epoch.
                Some(RDKafkaErrorCode::StaleMemberEpoch) if overtaken < EPOCH_RETRIES => {
                    overtaken += 1;
                    std::thread::sleep(LOOK_UP);
                }
                Some(code) if fault::not_ours(code) && !self.only_overtaken(code) => return Ok(false),
                code => {
                    let what = format!("offsets of group {} can't be committed", self.subscription.group);
                    let denied = code.and_then(|code| self.denied(&what, code));
                    let error = denied.unwrap_or_else(|| self.client.context().watch.explain(&what, &error));
                    return Err(fault::passing(error));
                }
            }
        }
    }

    /// Commits what is this member's, as [`try_commit`](Self::try_commit) does; the other partitions are refused.
    fn commit_within(&mut self, positions: &[Position], earlier: Duration) -> Result<Vec<TopicPartition>> {
        let (ours, mut refused) = sort_out(positions, &self.assigned);
        if let Some(position) = ours.iter().find(|position| !storable(&position.metadata)) {
            return Err(LogError::Refused(format!(
                "the metadata of {} is not up to {METADATA} characters of ASCII",
                position.partition
            )));
        }
        if ours.is_empty() {
            return Ok(refused);
        }
        let kept = !self.client.assignment_lost() && self.try_commit(&convert::commit_list(&ours), earlier)?;
        if !kept {
            refused.extend(ours.iter().map(|position| position.partition.clone()));
        }
        Ok(refused)
    }
}

impl Consumer for Member {
    fn poll(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        if let Some(fatal) = &self.fatal {
            return Err(fatal.clone());
        }
        let deadline = Instant::now() + timeout;
        let mut records = Vec::new();
        self.answer_events(&mut records, rebalance)?;
        let mut trouble = match self.unheeded.take() {
            Some(error) => self.passing_trouble(&error)?,
            None => None,
        };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let waiting = records.is_empty() && trouble.is_none();
            let patience = if waiting { whole_millis(left) } else { Duration::ZERO };
            match self.client.poll(patience) {
                Some(Ok(message)) => {
                    let record = convert::record(&message, &mut self.topics);
                    if !self.repeats.note(&record) {
                        records.push(record);
                    }
                }
                Some(Err(error)) if records.is_empty() => trouble = self.passing_trouble(&error)?.or(trouble),
                Some(Err(error)) => {
                    self.unheeded = Some(error);
                    return Ok(records);
                }
                None => match self.answer_events(&mut records, rebalance) {
                    // librdkafka is past these records and would not hand them out again. The event stays first.
                    Err(error) if !records.is_empty() => {
                        tracing::debug!(%error, "a rebalance is answered by the next poll");
                        return Ok(records);
                    }
                    Err(error) => return Err(error),
                    Ok(()) if patience.is_zero() => return self.outcome(records, trouble),
                    Ok(()) => {}
                },
            }
            if records.len() >= BATCH {
                return Ok(records);
            }
        }
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        self.commit_within(positions, EARLIER)
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
        let deadline = Instant::now() + self.subscription.drain_timeout + ANSWER;
        self.fatal = Some(LogError::Refused("this member has left its group".into()));
        // Before closing: librdkafka sends no heartbeats for a membership that is being closed.
        let partitions: Vec<TopicPartition> = self.assigned.iter().cloned().collect();
        self.give_back(&partitions, rebalance);
        self.assigned.clear();
        self.pulse.take();
        self.client.context().abandon(&self.client);
        let closing = self.client.close_queue();
        closing.map_err(|error| fault::sort("the group can't be left", &error))?;
        while !self.client.closed() && Instant::now() < deadline {
            // Records that were still queued are read again by whoever continues.
            let _dropped = self.client.poll(LOOK_UP);
        }
        if self.client.closed() {
            return Ok(());
        }
        Err(LogError::Unavailable(
            "the group was not left in time; it will take this member for dead".into(),
        ))
    }
}

/// Without a leave nothing is drained, but librdkafka still closes the membership as the client is dropped.
impl Drop for Member {
    fn drop(&mut self) {
        self.pulse.take();
        self.client.context().abandon(&self.client);
    }
}

/// librdkafka waits for whole milliseconds, and would not wait at all for the last fraction of one.
fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(time.as_micros().div_ceil(1000) as u64)
}

/// The positions of partitions that are this member's, and the other partitions.
fn sort_out<'a>(
    positions: &'a [Position],
    assigned: &BTreeSet<TopicPartition>,
) -> (Vec<&'a Position>, Vec<TopicPartition>) {
    let (ours, others): (Vec<_>, Vec<_>) = positions
        .iter()
        .partition(|position| assigned.contains(&position.partition));
    let others = others.into_iter().map(|position| position.partition.clone()).collect();
    (ours, others)
}

/// Brokers silently replace what is not UTF-8 and count in UTF-16; ASCII is the same in all of them.
fn storable(metadata: &str) -> bool {
    metadata.is_ascii() && metadata.len() <= METADATA
}
