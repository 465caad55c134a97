//! The consumer of the log's file: loops around the rounds of a [`Participant`], with a clock and lock files.
//!
//! ```text
//!   poll ─▶ advance ─▶ no records? look again in 2 ms, until the timeout
//! ```

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::file::LogFile;
use super::member::Member;
use super::participant::{Ground, Participant};
use super::presence::{Presence, Presences};
use crate::port::{Consumer, LogError, Position, Rebalance, Result};
use crate::record::{Record, TopicPartition};

/// How often to look whether another connection has committed. Each look costs a few microseconds.
const VERSION_INTERVAL: Duration = Duration::from_millis(2);
/// How much longer than a drain a leave may take. After that the partitions that are still held are given up.
const LEAVE_SLACK: Duration = Duration::from_secs(1);

/// A member of a group on the embedded log. If it is dropped without [`Consumer::leave`], it counts as dead at once.
#[derive(Debug)]
pub(super) struct EmbeddedConsumer {
    participant: Participant<SharedFile>,
    /// This member's lock file; `None` once it has left the group.
    presence: Option<Presence>,
    drain_timeout: Duration,
}

/// A file that other processes use as well.
#[derive(Debug)]
struct SharedFile {
    file: LogFile,
    presences: Presences,
    /// The zero of the member's clock.
    started: Instant,
}

impl Ground for SharedFile {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn write<T>(&mut self, work: impl FnOnce(&Connection, Duration) -> Result<T>) -> Result<T> {
        let started = self.started;
        self.file.write(|conn| work(conn, started.elapsed()))
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.file.read(work)
    }

    fn version(&self) -> Result<i64> {
        self.file.version()
    }

    fn ended(&self, member: &str) -> bool {
        self.presences.ended(member)
    }

    fn clear(&self, member: &str) {
        self.presences.clear(member);
    }
}

impl EmbeddedConsumer {
    pub(super) fn new(file: LogFile, member: Member, presences: Presences, drain_timeout: Duration) -> Result<Self> {
        let presence = Some(presences.show(member.id())?);
        let ground = SharedFile {
            file,
            presences,
            started: Instant::now(),
        };
        Ok(Self {
            participant: Participant::new(ground, member, drain_timeout),
            presence,
            drain_timeout,
        })
    }

    fn check_present(&self) -> Result<()> {
        match self.presence {
            Some(_) => Ok(()),
            None => Err(LogError::Refused("this member has left its group".into())),
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
            let records = self.participant.advance(rebalance).map_err(as_unavailable)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !records.is_empty() || left.is_zero() {
                return Ok(records);
            }
            std::thread::sleep(VERSION_INTERVAL.min(left));
        }
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        self.participant.commit(positions).map_err(as_unavailable)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.participant.pause(partitions);
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.participant.resume(partitions);
        Ok(())
    }

    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        self.check_present()?;
        self.participant.begin_to_leave();
        let deadline = Instant::now() + self.drain_timeout + LEAVE_SLACK;
        loop {
            let held = self.participant.advance_leaving(rebalance)?;
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
        self.participant.leave()?;
        if let Some(presence) = self.presence.take() {
            presence.end();
        }
        Ok(())
    }
}
