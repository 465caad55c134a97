//! Gates at which a scenario makes this role stop: files in a folder that `mall lab` names to the roles that it starts.
//!
//! ```text
//!   mall lab   makes work-3-2@delivery-1 ───────────────▶ removes it
//!   role       reaches that gate: looks … looks … looks ─▶ goes on
//! ```
//! A gate's name is that of a place in the work, and ends with `@` and the name of a role if it is there for that role alone.
//!
//! # Invariants
//! * A role that `mall lab` has not started has no gates, and asks for none.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keylane_log::{Consumer, LogError, Position, Rebalance, Record, TopicPartition};
use shop::delivery::Hold;
use shop::domain::Source;
use shop::{BlockingThreads, CallLog, LogCall, LogCalls};

/// The variable that names the folder.
pub const FOLDER: &str = "MALL_LAB_GATES";
/// The variable that names this role as scenarios do.
pub const ROLE: &str = "MALL_LAB_ROLE";

/// The variable that names the topic of this scenario's dead letters.
pub const LETTERS: &str = "MALL_LAB_LETTERS";

/// The pause between two looks at a closed gate.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// The gate before offsets are committed.
pub const COMMIT: &str = "commit";

/// The gate behind the slow work for an event, before its write.
pub fn work(order: i64, version: i64) -> String {
    format!("work-{order}-{version}")
}

/// The gate before a relay sends what it has read from its journal.
pub fn send(source: Source) -> String {
    format!("send-{}", source.path().trim_start_matches('/'))
}

/// The gate before a relay marks as published what the log has acknowledged.
pub fn mark(source: Source) -> String {
    format!("mark-{}", source.path().trim_start_matches('/'))
}

/// The gates of this role.
#[derive(Debug, Clone)]
pub struct Gates {
    folder: PathBuf,
    role: String,
}

impl Gates {
    /// The gates of this role; none unless `mall lab` has started it.
    pub fn of_this_role() -> Option<Self> {
        let folder = std::env::var_os(FOLDER)?;
        Some(Self {
            folder: folder.into(),
            role: std::env::var(ROLE).ok()?,
        })
    }

    /// The topic of the dead letters, so that those of a scenario on servers don't come among a real mall's.
    pub fn letters(&self) -> Option<String> {
        std::env::var(LETTERS).ok()
    }

    fn is_closed(&self, place: &str) -> bool {
        let closed = |name: &str| self.folder.join(name).exists();
        closed(place) || closed(&format!("{place}@{}", self.role))
    }

    async fn pass(&self, place: &str) {
        while self.is_closed(place) {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Stops events before their writes.
    pub fn hold(&self) -> Hold {
        let gates = self.clone();
        Hold::by(move |event| {
            let place = work(event.order_id.0, event.version.map_or(0, |version| version.0));
            let gates = gates.clone();
            Box::pin(async move { gates.pass(&place).await })
        })
    }

    /// Stops the relay of a journal before and behind its appends to `log`.
    pub fn on_log(&self, log: &LogCalls, source: Source) -> LogCalls {
        let caller = Stopping {
            gates: self.clone(),
            source,
        };
        LogCalls::made_by(Arc::new(caller), log.log().clone())
    }

    /// Refuses the commits of `consumer` while their gate is closed.
    pub fn on_consumer(&self, consumer: Box<dyn Consumer>) -> Box<dyn Consumer> {
        Box::new(Holding {
            gates: self.clone(),
            consumer,
        })
    }
}

struct Stopping {
    gates: Gates,
    source: Source,
}

#[async_trait]
impl CallLog for Stopping {
    async fn call(&self, name: &'static str, call: LogCall) -> Result<(), LogError> {
        if name != "append" {
            return BlockingThreads.call(name, call).await;
        }
        self.gates.pass(&send(self.source)).await;
        BlockingThreads.call(name, call).await?;
        self.gates.pass(&mark(self.source)).await;
        Ok(())
    }
}

struct Holding {
    gates: Gates,
    consumer: Box<dyn Consumer>,
}

impl Consumer for Holding {
    fn poll(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>, LogError> {
        self.consumer.poll(timeout, rebalance)
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>, LogError> {
        match self.gates.is_closed(COMMIT) {
            // The polling thread must not wait, so the commit is left for later.
            true => Err(LogError::Unavailable("a scenario holds the commits".to_owned())),
            false => self.consumer.commit(positions),
        }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.consumer.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.consumer.resume(partitions)
    }

    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<(), LogError> {
        self.consumer.leave(rebalance)
    }
}
