//! A member of a group, as it knows itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::heartbeats::Heartbeats;
use crate::port::Subscription;
use crate::record::{Offset, TopicPartition};

/// How often a member sends a heartbeat, unless its session is so short that it must do so more often.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// A member of a group. Its fields change only after the transaction that says so has committed.
#[derive(Debug)]
pub(super) struct Member {
    /// The unique name.
    pub(super) id: String,
    pub(super) group: String,
    /// The partitions that the member owns, those included that it is about to give back.
    pub(super) held: BTreeMap<TopicPartition, Holding>,
    /// The group's epoch at the member's last step.
    pub(super) epoch: i64,
    /// Which of the held partitions is read first. It moves on with each fetch, so that a busy partition does not keep
    /// the others waiting.
    pub(super) first: usize,
    /// The topics that the member reads.
    pub(super) topics: Vec<String>,
    /// For how long the member may be silent before others take it for dead.
    pub(super) session: Duration,
    /// Whether the member has a row in the group, as far as it knows.
    pub(super) joined: bool,
    /// Whether the member is giving everything back and will not claim partitions any more.
    pub(super) leaving: bool,
    /// Earliest time at which a member that was removed by others joins again.
    pub(super) rejoin_at: Duration,
    /// The heartbeats of the other members.
    pub(super) heartbeats: Heartbeats,
}

/// The client id as it stands in the member's unique name, which is also the name of a file: characters that such a name
/// should not have are shown as `_`, and of a long name the beginning. The note may also hold an address.
pub(super) fn shown(subscription: &Subscription) -> String {
    let legal = |more: &'static str| {
        move |c: char| match c.is_ascii_alphanumeric() || more.contains(c) {
            true => c,
            false => '_',
        }
    };
    let short = Subscription {
        member: subscription.member.chars().take(100).map(legal("-=,")).collect(),
        note: subscription.note.chars().take(99).map(legal("-=,.:[]")).collect(),
        ..subscription.clone()
    };
    short.client_id()
}

/// A partition that a member owns.
#[derive(Debug, Clone)]
pub(super) struct Holding {
    /// The partition's generation when it was claimed.
    pub(super) generation: i64,
    /// The offset of the next record to hand out.
    pub(super) position: Offset,
    pub(super) paused: bool,
    /// Whether no more records are handed out, because the partition is to be given back or a commit of it was refused.
    pub(super) closed: bool,
}

impl Member {
    /// Makes a member that has not joined yet. `incarnation` tells it from other members of the same name, so it must
    /// be a number that is unlikely to repeat.
    pub(super) fn new(subscription: &Subscription, incarnation: u64) -> Self {
        Self {
            id: format!("{}-{incarnation:016x}", shown(subscription)),
            group: subscription.group.clone(),
            topics: subscription.topics.clone(),
            session: subscription.session_timeout,
            held: BTreeMap::new(),
            epoch: 0,
            first: 0,
            joined: false,
            leaving: false,
            rejoin_at: Duration::ZERO,
            heartbeats: Heartbeats::default(),
        }
    }

    /// The unique name, which can also be the name of a file.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// How long to wait from one step to the next.
    pub(super) fn heartbeat_interval(&self) -> Duration {
        HEARTBEAT_INTERVAL.min(self.session / 6)
    }

    /// Whether the member has a row in the group, as far as it knows.
    pub(super) fn joined(&self) -> bool {
        self.joined
    }

    /// The partitions that the member owns, those included that it is about to give back.
    pub(super) fn held(&self) -> impl Iterator<Item = &TopicPartition> {
        self.held.keys()
    }

    /// The other members that the last step saw.
    pub(super) fn peers(&self) -> impl Iterator<Item = &str> {
        self.heartbeats.members()
    }

    /// Has the next step ask for all partitions back, because the member wants to leave.
    pub(super) fn prepare_to_leave(&mut self) {
        self.leaving = true;
    }

    /// Stops handing out records of these partitions, or goes on with it.
    pub(super) fn pause(&mut self, partitions: &[TopicPartition], paused: bool) {
        for partition in partitions {
            if let Some(holding) = self.held.get_mut(partition) {
                holding.paused = paused;
            }
        }
    }
}
