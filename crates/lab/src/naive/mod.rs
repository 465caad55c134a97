//! Naive consumers: the loops around a handler that everybody writes first, each with one bad habit. Scenarios show what comes
//! of them, where the runner that ships has no such habit.
//!
//! ```text
//!   step: poll ─▶ records ─▶ queue ─▶ task: one record after the other ─▶ done
//!           └─ commit: what was polled, or the highest that is done ◀──────┘
//! ```
//!
//! Which tasks there are depends on the habit: one for all records, one for each assignment of a partition, or one for each
//! record.
//!
//! # Invariants
//! * A naive consumer has the one habit it is made with. In all else it does what is right as simply as it can.
//! * Nothing waits in a step, and all tasks run on the Tokio runtime on which steps are taken.

mod partitions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keylane::{Attempt, Epoch, Event, Handler, Listener, Outcome};
use keylane_log::{Consumer, EventLog, LogError, Offset, Position, Record, Result, Timestamp, TopicPartition};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::partitions::{Done, Partitions, position, tell};
use crate::scenario;

/// What a naive consumer does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// It commits the offset of a record before it does the work.
    CommitFirst,
    /// It starts a task for each record, and commits the highest offset that is done.
    TaskPerRecord,
    /// It reads a partition for which its group has committed nothing from the end.
    LatestReset,
    /// When a partition is taken away, it goes on with what it has of it in work and in memory.
    NoDrain,
    /// Of two events of an order, that with the later timestamp wins.
    NewestTimestamp,
}

impl Habit {
    /// The habit of this consumer of a scenario; none if it is the one that ships.
    pub fn of(consumer: scenario::Consumer) -> Option<Self> {
        Some(match consumer {
            scenario::Consumer::Keylane => return None,
            scenario::Consumer::CommitFirst => Self::CommitFirst,
            scenario::Consumer::TaskPerRecord => Self::TaskPerRecord,
            scenario::Consumer::LatestReset => Self::LatestReset,
            scenario::Consumer::NoDrain => Self::NoDrain,
            scenario::Consumer::NewestTimestamp => Self::NewestTimestamp,
        })
    }
}

/// A member of a group that handles records in a naive way.
pub struct Naive<H> {
    consumer: Box<dyn Consumer>,
    handler: Arc<H>,
    habit: Habit,
    partitions: Partitions,
    /// The queues of the tasks that go on, by the assignment whose records they handle.
    queues: BTreeMap<Epoch, UnboundedSender<Work>>,
    /// The latest timestamp of each key.
    newest: BTreeMap<Option<Bytes>, Timestamp>,
    listener: Option<Listener>,
}

/// A record, and the assignment under which it was read.
struct Work {
    record: Record,
    epoch: Epoch,
}

impl<H: Handler> Naive<H> {
    /// A consumer that has joined `group` on `log`, and tells `listener` what it does, as keylane's runner would.
    pub fn new(
        consumer: Box<dyn Consumer>,
        handler: H,
        habit: Habit,
        (log, group): (Arc<dyn EventLog>, &str),
        listener: Option<Listener>,
    ) -> Self {
        Self {
            consumer,
            handler: Arc::new(handler),
            habit,
            partitions: Partitions::new(habit, log, group, listener.clone()),
            queues: BTreeMap::new(),
            newest: BTreeMap::new(),
            listener,
        }
    }

    /// Polls once, hands the records to tasks, and commits. A failure that may pass is left for the next step.
    ///
    /// # Errors
    /// Those of the log, other than [`LogError::Unavailable`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn step(&mut self) -> Result<()> {
        let records = match self.consumer.poll(Duration::ZERO, &mut self.partitions) {
            Err(LogError::Unavailable(_)) => return Ok(()),
            records => records?,
        };
        if self.habit == Habit::CommitFirst {
            let polled = records
                .iter()
                .map(|record| (record.topic_partition(), record.offset.next()));
            self.commit(polled.collect())?;
        }
        for record in records {
            self.take(record);
        }
        if self.habit != Habit::CommitFirst {
            self.commit(self.partitions.uncommitted())?;
        }
        Ok(())
    }

    /// Takes a step towards leaving the group. Returns whether it has been left.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn close_step(&mut self) -> Result<bool> {
        match self.consumer.leave(&mut self.partitions) {
            Err(LogError::Unavailable(_)) => Ok(false),
            left => left.map(|()| true),
        }
    }

    fn commit(&mut self, offsets: BTreeMap<TopicPartition, Offset>) -> Result<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        let positions: Vec<Position> = offsets.into_iter().map(position).collect();
        match self.consumer.commit(&positions) {
            Ok(refused) => {
                let taken = |position: &&Position| !refused.contains(&position.partition);
                positions.iter().filter(taken).for_each(|position| {
                    self.partitions.committed(position);
                    tell(&self.listener, Event::Committed { position });
                });
                Ok(())
            }
            Err(LogError::Unavailable(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Hands a record to the task that has to handle it.
    fn take(&mut self, record: Record) {
        let Some(epoch) = self.partitions.take(&record) else {
            return;
        };
        let taken = Event::TakenIn { record: &record, epoch };
        tell(&self.listener, taken);
        if self.habit == Habit::NewestTimestamp && !self.is_newest(&record) {
            self.partitions.done().add(&record, epoch);
            return;
        }
        let queue = match self.habit {
            Habit::TaskPerRecord => self.start_task(),
            Habit::NoDrain => self.queue(epoch),
            Habit::CommitFirst | Habit::LatestReset | Habit::NewestTimestamp => self.queue(Epoch(0)),
        };
        queue
            .send(Work { record, epoch })
            .expect("the task takes records for as long as it has a queue");
    }

    /// Whether no event of the same key had a later timestamp.
    fn is_newest(&mut self, record: &Record) -> bool {
        let newest = self.newest.entry(self.handler.key(record)).or_insert(record.timestamp);
        *newest = record.timestamp.max(*newest);
        record.timestamp == *newest
    }

    /// The queue of a task that goes on, which is started if there is none.
    fn queue(&mut self, epoch: Epoch) -> UnboundedSender<Work> {
        match self.queues.get(&epoch) {
            Some(queue) => queue.clone(),
            None => {
                let queue = self.start_task();
                self.queues.insert(epoch, queue.clone());
                queue
            }
        }
    }

    /// Starts a task, which ends with its queue.
    fn start_task(&self) -> UnboundedSender<Work> {
        let (queue, works) = unbounded_channel();
        tokio::spawn(work_off(
            works,
            self.handler.clone(),
            self.partitions.done(),
            self.listener.clone(),
        ));
        queue
    }
}

/// Handles one record after the other.
async fn work_off<H: Handler>(
    mut works: UnboundedReceiver<Work>,
    handler: Arc<H>,
    done: Done,
    listener: Option<Listener>,
) {
    while let Some(Work { record, epoch }) = works.recv().await {
        let records = std::slice::from_ref(&record);
        let mut attempt = Attempt { number: 1, epoch };
        loop {
            tell(&listener, Event::Started { records, attempt });
            let outcome = handler.handle(records, attempt).await;
            let (records, outcome) = (records, &outcome);
            tell(
                &listener,
                Event::Ended {
                    records,
                    attempt,
                    outcome,
                },
            );
            let Outcome::Retry(after) = outcome else { break };
            tokio::time::sleep(*after).await;
            attempt.number += 1;
        }
        done.add(&record, epoch);
    }
}
