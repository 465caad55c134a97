//! The member that polls: thin loops around [`group`], [`fetch`] and [`positions`].
//!
//! ```text
//!   poll ─▶ advance: step when due ─▶ tell lost, claimed ─▶ drains: ask, release ─▶ fetch when there is news
//!             └──────────── nothing? look again in 2 ms, until the timeout ────────────┘
//! ```

use std::time::{Duration, Instant};

use super::fetch::{Fetched, fetch};
use super::file::LogFile;
use super::group::{self, Member, Step};
use super::positions;
use super::presence::{Presence, Presences};
use crate::port::{Consumer, LogError, Position, Rebalance, Result};
use crate::record::{Record, TopicPartition};

/// How often to look for commits of others: each look costs a few microseconds.
const NEWS_INTERVAL: Duration = Duration::from_millis(2);
/// How often to look whether the others' processes still live.
const PRESENCE_INTERVAL: Duration = Duration::from_millis(100);
/// How much longer than a drain a leave may take before it gives up whatever is still held.
const LEAVE_SLACK: Duration = Duration::from_secs(1);

/// A member of a group on the embedded log. Dropped without [`Consumer::leave`] it counts as dead, at once.
#[derive(Debug)]
pub struct EmbeddedConsumer {
    file: LogFile,
    member: Member,
    presences: Presences,
    presence: Option<Presence>,
    drain_timeout: Duration,
    started: Instant,
    next_step: Instant,
    next_look: Instant,
    drains: Vec<Drain>,
    /// The log's version when it was last read to the end.
    seen: Option<i64>,
}

/// Partitions to give back together.
#[derive(Debug)]
struct Drain {
    partitions: Vec<TopicPartition>,
    since: Instant,
    /// What to release them with, once they are drained or given up.
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
            next_look: now + PRESENCE_INTERVAL,
            drains: Vec::new(),
            seen: None,
        })
    }

    /// One round without waiting: what [`Consumer::poll`] repeats.
    fn advance(&mut self, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        self.step_if_due(rebalance)?;
        self.hand_back(rebalance)?;
        if let Some(records) = self.fetch()? {
            return Ok(records);
        }
        // The group has changed. What is still to be fetched comes after the step that says what is whose.
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
        // The time is taken inside: waiting for the turn is no silence of the others.
        let step = self
            .file
            .write(|conn| group::step(conn, member, started.elapsed(), &dead))?;
        self.next_step = Instant::now() + self.member.heartbeat();
        self.tell(step, rebalance);
        Ok(())
    }

    fn dead(&mut self, now: Instant) -> Vec<String> {
        if now < self.next_look {
            return Vec::new();
        }
        self.next_look = now + PRESENCE_INTERVAL;
        let ended = |peer: &&str| self.presences.ended(peer);
        self.member.peers().filter(ended).map(str::to_owned).collect()
    }

    fn tell(&mut self, step: Step, rebalance: &mut dyn Rebalance) {
        for member in &step.buried {
            tracing::info!(member, "the member is dead, its partitions are free");
            self.presences.clear(member);
        }
        if !step.lost.is_empty() {
            for drain in &mut self.drains {
                drain.partitions.retain(|partition| !step.lost.contains(partition));
            }
            self.drains.retain(|drain| !drain.partitions.is_empty());
            rebalance.lost(&step.lost);
        }
        if !step.claimed.is_empty() {
            // One's own claim moves no version, and there may be records already.
            self.seen = None;
            rebalance.assigned(&step.claimed);
        }
        if !step.surplus.is_empty() {
            self.drains.push(Drain {
                partitions: step.surplus,
                since: Instant::now(),
                positions: None,
            });
        }
    }

    /// Asks for what is to be given back, and releases what is ready. What can't be released now stays for the next round.
    fn hand_back(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        let mut outcome = Ok(());
        for mut drain in std::mem::take(&mut self.drains) {
            drain.ask(self.drain_timeout, rebalance);
            let released = match &drain.positions {
                // Whoever keeps the turn from one keeps it from all, and each try would wait for it anew.
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
        // It may have become this member's own again while it was drained.
        self.next_step = Instant::now();
        if !refused.is_empty() {
            tracing::warn!(?refused, "these partitions were taken away before they were given back");
        }
        Ok(())
    }

    /// `None` if the group has changed.
    fn fetch(&mut self) -> Result<Option<Vec<Record>>> {
        if !self.member.joined() {
            return Ok(Some(Vec::new()));
        }
        let version = self.file.version()?;
        if self.seen == Some(version) {
            return Ok(Some(Vec::new()));
        }
        let member = &mut self.member;
        match self.file.read(|conn| fetch(conn, member))? {
            Fetched::Regroup => Ok(None),
            Fetched::Records { records, more } => {
                self.seen = (!more).then_some(version);
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
    fn ask(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) {
        if self.positions.is_some() {
            return;
        }
        self.positions = rebalance.revoke(&self.partitions, Duration::ZERO);
        if self.positions.is_none() && self.since.elapsed() >= timeout {
            tracing::warn!(partitions = ?self.partitions, "work in flight took too long, its partitions are given up");
            rebalance.lost(&self.partitions);
            self.positions = Some(Vec::new());
        }
    }
}

/// A member that has joined stays until somebody has mended what is broken: the log was there, and may be put back.
fn waited_for(error: LogError) -> LogError {
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
            let records = self.advance(rebalance).map_err(waited_for)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !records.is_empty() || left.is_zero() {
                return Ok(records);
            }
            std::thread::sleep(NEWS_INTERVAL.min(left));
        }
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        let member = &mut self.member;
        let refused = self
            .file
            .write(|conn| positions::commit(conn, member, positions))
            .map_err(waited_for)?;
        if !refused.is_empty() {
            // The next poll steps first, and says what was lost.
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
        self.seen = None;
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
                tracing::warn!(partitions = ?held, "they were not given back in time, and are given up");
                rebalance.lost(&held);
                break;
            }
            std::thread::sleep(NEWS_INTERVAL);
        }
        let member = &mut self.member;
        self.file.write(|conn| group::leave(conn, member))?;
        if let Some(presence) = self.presence.take() {
            presence.end();
        }
        Ok(())
    }
}
