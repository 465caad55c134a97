//! A member's part of a poll, one round at a time. The consumers of the log's file and of the log in memory share it.
//!
//! ```text
//!   advance: step when due ─▶ report lost, assigned ─▶ drains: revoke, release ─▶ fetch if the log has changed
//! ```
//!
//! # Invariants
//! * Nothing here waits, and the only time is that of [`Ground::now`].
//! * A call that failed may be repeated: what it has not done is left for the next round.

use std::time::Duration;

use rusqlite::Connection;

use super::fetch::{Fetched, fetch};
use super::member::Member;
use super::membership::{self, StepOutcome};
use super::positions;
use crate::port::{Position, Rebalance, Result};
use crate::record::{Offset, Record, TopicPartition};

/// How often to look whether the processes of the other members still live.
const PRESENCE_INTERVAL: Duration = Duration::from_millis(100);

/// What a member stands on: the log's tables, its own clock, and what is known of the other members' processes.
pub(super) trait Ground {
    /// The time on the member's own clock, which only goes forward. Its zero is of no importance.
    fn now(&self) -> Duration;
    /// Runs `work`, which writes. It gets the time at which its turn has come, so that waiting for the turn does not
    /// count as silence of other members.
    fn write<T>(&mut self, work: impl FnOnce(&Connection, Duration) -> Result<T>) -> Result<T>;
    /// Runs `work`, which only reads.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T>;
    /// A number that changes whenever somebody else has committed.
    fn version(&self) -> Result<i64>;
    /// Whether the process of another member has certainly ended.
    fn ended(&self, member: &str) -> bool;
    /// Forgets what shows whether the process of a dead member lives.
    fn clear(&self, member: &str);
}

/// A member, and what it has begun and not finished.
#[derive(Debug)]
pub(super) struct Participant<G> {
    ground: G,
    member: Member,
    drain_timeout: Duration,
    next_step: Duration,
    /// When to look next whether the processes of the other members still live.
    next_presence_check: Duration,
    drains: Vec<Drain>,
    /// The log's version when all records had been fetched; `None` if there may be more.
    fetched_version: Option<i64>,
}

/// Partitions that are to be given back together.
#[derive(Debug)]
struct Drain {
    partitions: Vec<TopicPartition>,
    since: Duration,
    /// The positions to release the partitions with; `None` while they are not drained.
    positions: Option<Vec<Position>>,
}

impl<G: Ground> Participant<G> {
    pub(super) fn new(ground: G, member: Member, drain_timeout: Duration) -> Self {
        let now = ground.now();
        Self {
            ground,
            member,
            drain_timeout,
            next_step: now,
            next_presence_check: now + PRESENCE_INTERVAL,
            drains: Vec::new(),
            fetched_version: None,
        }
    }

    pub(super) fn ground(&self) -> &G {
        &self.ground
    }

    /// The member's unique name.
    pub(super) fn id(&self) -> &str {
        self.member.id()
    }

    /// Does one round: takes part in the group, and returns the next records.
    pub(super) fn advance(&mut self, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        self.step_if_due(rebalance)?;
        self.hand_back(rebalance)?;
        if let Some(records) = self.fetch()? {
            return Ok(records);
        }
        // The group has changed, so a step must say who owns which partition before records are fetched.
        self.step_soon();
        self.step_if_due(rebalance)?;
        self.hand_back(rebalance)?;
        Ok(self.fetch()?.unwrap_or_default())
    }

    /// Commits positions. Returns the partitions whose commit was refused.
    pub(super) fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        let member = &mut self.member;
        let refused = self
            .ground
            .write(|conn, _| positions::commit(conn, member, positions))?;
        if !refused.is_empty() {
            // The next round takes a step, which reports the lost partitions.
            self.step_soon();
        }
        Ok(refused)
    }

    pub(super) fn pause(&mut self, partitions: &[TopicPartition]) {
        self.member.pause(partitions, true);
    }

    pub(super) fn resume(&mut self, partitions: &[TopicPartition]) {
        self.member.pause(partitions, false);
        self.fetched_version = None;
    }

    /// Goes back to `end`, the new end of a partition, if the member had read further.
    pub(super) fn go_back(&mut self, partition: &TopicPartition, end: Offset) {
        if let Some(holding) = self.member.held.get_mut(partition) {
            holding.position = holding.position.min(end);
        }
    }

    /// Has the following rounds give all partitions back.
    pub(super) fn begin_to_leave(&mut self) {
        self.member.prepare_to_leave();
        self.step_soon();
    }

    /// Does one round of leaving. Returns the partitions that are still held.
    pub(super) fn advance_leaving(&mut self, rebalance: &mut dyn Rebalance) -> Result<Vec<TopicPartition>> {
        self.step_if_due(rebalance)?;
        self.hand_back(rebalance)?;
        Ok(self.member.held().cloned().collect())
    }

    /// Leaves the group, and frees without a commit whatever is still held.
    pub(super) fn leave(&mut self) -> Result<()> {
        let member = &mut self.member;
        self.ground.write(|conn, _| membership::leave(conn, member))
    }

    fn step_soon(&mut self) {
        self.next_step = self.ground.now();
    }

    fn step_if_due(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        let now = self.ground.now();
        let dead = self.dead(now);
        if now < self.next_step && dead.is_empty() {
            return Ok(());
        }
        let member = &mut self.member;
        let outcome = self
            .ground
            .write(|conn, now| membership::step(conn, member, now, &dead))?;
        self.next_step = self.ground.now() + self.member.heartbeat_interval();
        self.report(outcome, rebalance);
        Ok(())
    }

    /// The other members whose processes have certainly ended, if it is time to look.
    fn dead(&mut self, now: Duration) -> Vec<String> {
        if now < self.next_presence_check {
            return Vec::new();
        }
        self.next_presence_check = now + PRESENCE_INTERVAL;
        let ended = |peer: &&str| self.ground.ended(peer);
        self.member.peers().filter(ended).map(str::to_owned).collect()
    }

    /// Reports what a step has changed to `rebalance`, and begins to drain the partitions that are to be given back.
    fn report(&mut self, outcome: StepOutcome, rebalance: &mut dyn Rebalance) {
        for member in &outcome.removed {
            tracing::info!(member, "a member is dead, and its partitions are free");
            self.ground.clear(member);
        }
        if !outcome.lost.is_empty() {
            for drain in &mut self.drains {
                drain.partitions.retain(|partition| !outcome.lost.contains(partition));
            }
            self.drains.retain(|drain| !drain.partitions.is_empty());
            rebalance.lost(&outcome.lost);
        }
        if !outcome.claimed.is_empty() {
            // The member's own claim may not change the version that it sees, and there may be records already.
            self.fetched_version = None;
            rebalance.assigned(&outcome.claimed);
        }
        if !outcome.surplus.is_empty() {
            self.drains.push(Drain {
                partitions: outcome.surplus,
                since: self.ground.now(),
                positions: None,
            });
        }
    }

    /// Asks for the partitions that are to be given back, and releases those that are drained. Partitions that can't be
    /// released now are left for the next round.
    fn hand_back(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        let mut outcome = Ok(());
        for mut drain in std::mem::take(&mut self.drains) {
            let age = self.ground.now().saturating_sub(drain.since);
            drain.advance(age >= self.drain_timeout, rebalance);
            let released = match &drain.positions {
                // After a release that failed no other is tried: each would wait for the same turn again.
                Some(positions) if outcome.is_ok() => {
                    outcome = self.release(&drain.partitions, positions);
                    outcome.is_ok()
                }
                _ => false,
            };
            if !released {
                self.drains.push(drain);
            }
        }
        outcome
    }

    fn release(&mut self, partitions: &[TopicPartition], positions: &[Position]) -> Result<()> {
        let member = &mut self.member;
        let refused = self
            .ground
            .write(|conn, _| positions::release(conn, member, partitions, positions))?;
        // A partition may have come back into this member's share while it was drained, so the next round takes a step.
        self.step_soon();
        if !refused.is_empty() {
            tracing::warn!(?refused, "partitions were taken away before they were given back");
        }
        Ok(())
    }

    /// Fetches records if there may be new ones. Returns `None` if the group has changed.
    fn fetch(&mut self) -> Result<Option<Vec<Record>>> {
        if !self.member.joined() {
            return Ok(Some(Vec::new()));
        }
        let version = self.ground.version()?;
        if self.fetched_version == Some(version) {
            return Ok(Some(Vec::new()));
        }
        let member = &mut self.member;
        match self.ground.read(|conn| fetch(conn, member))? {
            Fetched::GroupChanged => Ok(None),
            Fetched::Records { records, more } => {
                self.fetched_version = (!more).then_some(version);
                Ok(Some(records))
            }
        }
    }
}

impl Drain {
    /// Asks `rebalance` for the positions, and gives the partitions up if their drain has taken `too_long`.
    fn advance(&mut self, too_long: bool, rebalance: &mut dyn Rebalance) {
        if self.positions.is_some() {
            return;
        }
        self.positions = rebalance.revoke(&self.partitions, Duration::ZERO);
        if self.positions.is_none() && too_long {
            tracing::warn!(partitions = ?self.partitions, "records in flight took too long, so their partitions are given up");
            rebalance.lost(&self.partitions);
            self.positions = Some(Vec::new());
        }
    }
}
