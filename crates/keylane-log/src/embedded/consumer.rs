//! The consumer of the embedded log: thin loops around [`membership`], [`fetch`] and [`positions`].
//!
//! ```text
//!   poll ─▶ advance: step when due ─▶ report lost, assigned ─▶ drains: revoke, release ─▶ fetch if the file has changed
//!             └──────────── no records? look again in 2 ms, until the timeout ─────────────┘
//! ```

use std::time::{Duration, Instant};

use super::fetch::{Fetched, fetch};
use super::file::LogFile;
use super::member::Member;
use super::membership::{self, StepOutcome};
use super::positions;
use super::presence::{Presence, Presences};
use crate::port::{Consumer, LogError, Position, Rebalance, Result};
use crate::record::{Record, TopicPartition};

/// How often to look whether another connection has committed. Each look costs a few microseconds.
const VERSION_INTERVAL: Duration = Duration::from_millis(2);
/// How often to look whether the processes of the other members still live.
const PRESENCE_INTERVAL: Duration = Duration::from_millis(100);
/// How much longer than a drain a leave may take. After that the partitions that are still held are given up.
const LEAVE_SLACK: Duration = Duration::from_secs(1);

/// A member of a group on the embedded log. If it is dropped without [`Consumer::leave`], it counts as dead at once.
#[derive(Debug)]
pub(super) struct EmbeddedConsumer {
    file: LogFile,
    member: Member,
    presences: Presences,
    /// This member's lock file; `None` once it has left the group.
    presence: Option<Presence>,
    drain_timeout: Duration,
    /// The zero of the times that steps get.
    started: Instant,
    next_step: Instant,
    /// When to look next whether the processes of the other members still live.
    next_presence_check: Instant,
    drains: Vec<Drain>,
    /// The file's version when all records had been fetched; `None` if there may be more.
    fetched_version: Option<i64>,
}

/// Partitions that are to be given back together.
#[derive(Debug)]
struct Drain {
    partitions: Vec<TopicPartition>,
    since: Instant,
    /// The positions to release the partitions with; `None` while they are not drained.
    positions: Option<Vec<Position>>,
}

impl EmbeddedConsumer {
    pub(super) fn new(file: LogFile, member: Member, presences: Presences, drain_timeout: Duration) -> Result<Self> {
        let now = Instant::now();
        Ok(Self {
            presence: Some(presences.show(member.id())?),
            file,
            member,
            presences,
            drain_timeout,
            started: now,
            next_step: now,
            next_presence_check: now + PRESENCE_INTERVAL,
            drains: Vec::new(),
            fetched_version: None,
        })
    }

    /// Does one round of [`Consumer::poll`], without waiting.
    fn advance(&mut self, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        self.step_if_due(rebalance)?;
        self.hand_back(rebalance)?;
        if let Some(records) = self.fetch()? {
            return Ok(records);
        }
        // The group has changed, so a step must say who owns which partition before records are fetched.
        self.next_step = Instant::now();
        self.step_if_due(rebalance)?;
        self.hand_back(rebalance)?;
        Ok(self.fetch()?.unwrap_or_default())
    }

    fn step_if_due(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        let now = Instant::now();
        let dead = self.dead(now);
        if now < self.next_step && dead.is_empty() {
            return Ok(());
        }
        let (member, started) = (&mut self.member, self.started);
        // The time is read inside the transaction, so that waiting for the turn does not count as silence of the
        // others.
        let outcome = self
            .file
            .write(|conn| membership::step(conn, member, started.elapsed(), &dead))?;
        self.next_step = Instant::now() + self.member.heartbeat_interval();
        self.report(outcome, rebalance);
        Ok(())
    }

    /// The other members whose processes have certainly ended, if it is time to look.
    fn dead(&mut self, now: Instant) -> Vec<String> {
        if now < self.next_presence_check {
            return Vec::new();
        }
        self.next_presence_check = now + PRESENCE_INTERVAL;
        let ended = |peer: &&str| self.presences.ended(peer);
        self.member.peers().filter(ended).map(str::to_owned).collect()
    }

    /// Reports what a step has changed to `rebalance`, and begins to drain the partitions that are to be given back.
    fn report(&mut self, outcome: StepOutcome, rebalance: &mut dyn Rebalance) {
        for member in &outcome.removed {
            tracing::info!(member, "a member is dead, and its partitions are free");
            self.presences.clear(member);
        }
        if !outcome.lost.is_empty() {
            for drain in &mut self.drains {
                drain.partitions.retain(|partition| !outcome.lost.contains(partition));
            }
            self.drains.retain(|drain| !drain.partitions.is_empty());
            rebalance.lost(&outcome.lost);
        }
        if !outcome.claimed.is_empty() {
            // The member's own claim does not change the version that it sees, and there may be records already.
            self.fetched_version = None;
            rebalance.assigned(&outcome.claimed);
        }
        if !outcome.surplus.is_empty() {
            self.drains.push(Drain {
                partitions: outcome.surplus,
                since: Instant::now(),
                positions: None,
            });
        }
    }

    /// Asks for the partitions that are to be given back, and releases those that are drained. Partitions that can't be
    /// released now are left for the next round.
    fn hand_back(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        let mut outcome = Ok(());
        for mut drain in std::mem::take(&mut self.drains) {
            drain.advance(self.drain_timeout, rebalance);
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
            .file
            .write(|conn| positions::release(conn, member, partitions, positions))?;
        // A partition may have come back into this member's share while it was drained, so the next poll takes a step.
        self.next_step = Instant::now();
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
        let version = self.file.version()?;
        if self.fetched_version == Some(version) {
            return Ok(Some(Vec::new()));
        }
        let member = &mut self.member;
        match self.file.read(|conn| fetch(conn, member))? {
            Fetched::GroupChanged => Ok(None),
            Fetched::Records { records, more } => {
                self.fetched_version = (!more).then_some(version);
                Ok(Some(records))
            }
        }
    }

    fn check_present(&self) -> Result<()> {
        match self.presence {
            Some(_) => Ok(()),
            None => Err(LogError::Refused("this member has left its group".into())),
        }
    }
}

impl Drain {
    /// Asks `rebalance` for the positions, and gives the partitions up if their drain takes longer than `timeout`.
    fn advance(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) {
        if self.positions.is_some() {
            return;
        }
        self.positions = rebalance.revoke(&self.partitions, Duration::ZERO);
        if self.positions.is_none() && self.since.elapsed() >= timeout {
            tracing::warn!(partitions = ?self.partitions, "records in flight took too long, so their partitions are given up");
            rebalance.lost(&self.partitions);
            self.positions = Some(Vec::new());
        }
    }
}

/// The error of a member that has joined. It waits even for a broken log, which was there before and may be mended.
fn as_unavailable(error: LogError) -> LogError {
    match error {
        LogError::Broken(sentence) => LogError::Unavailable(sentence),
        other => other,
    }
}

impl Consumer for EmbeddedConsumer {
    fn poll(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        self.check_present()?;
        let deadline = Instant::now() + timeout;
        loop {
            let records = self.advance(rebalance).map_err(as_unavailable)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !records.is_empty() || left.is_zero() {
                return Ok(records);
            }
            std::thread::sleep(VERSION_INTERVAL.min(left));
        }
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        let member = &mut self.member;
        let refused = self
            .file
            .write(|conn| positions::commit(conn, member, positions))
            .map_err(as_unavailable)?;
        if !refused.is_empty() {
            // The next poll takes a step, which reports the lost partitions.
            self.next_step = Instant::now();
        }
        Ok(refused)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.member.pause(partitions, true);
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.member.pause(partitions, false);
        self.fetched_version = None;
        Ok(())
    }

    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        self.check_present()?;
        self.member.prepare_to_leave();
        self.next_step = Instant::now();
        let deadline = Instant::now() + self.drain_timeout + LEAVE_SLACK;
        loop {
            self.step_if_due(rebalance)?;
            self.hand_back(rebalance)?;
            let held: Vec<TopicPartition> = self.member.held().cloned().collect();
            if held.is_empty() {
                break;
            }
            if Instant::now() >= deadline {
                tracing::warn!(partitions = ?held, "partitions were not given back in time, and are given up");
                rebalance.lost(&held);
                break;
            }
            std::thread::sleep(VERSION_INTERVAL);
        }
        let member = &mut self.member;
        self.file.write(|conn| membership::leave(conn, member))?;
        if let Some(presence) = self.presence.take() {
            presence.end();
        }
        Ok(())
    }
}
