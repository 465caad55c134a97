//! The partitions of a naive consumer, and what is done of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keylane::{Epoch, Event, Listener};
use keylane_log::{Assignment, EventLog, Offset, Position, Rebalance, Record, TopicPartition};

use super::Habit;

/// The partitions that a consumer owns.
pub(super) struct Partitions {
    habit: Habit,
    log: Arc<dyn EventLog>,
    group: String,
    owned: BTreeMap<TopicPartition, Owned>,
    /// How many assignments there were.
    assignments: u64,
    done: Done,
    listener: Option<Listener>,
}

/// An assignment of a partition.
struct Owned {
    epoch: Epoch,
    /// Records before this one are passed over.
    from: Offset,
    /// What was committed last.
    committed: Option<Offset>,
}

/// What the tasks have done under each assignment. Copies share it.
#[derive(Clone, Default)]
pub(super) struct Done(Arc<Mutex<BTreeMap<Epoch, Counts>>>);

/// What was done under one assignment.
#[derive(Default)]
struct Counts {
    taken: u64,
    done: u64,
    /// The offset behind the highest record that is done.
    next: Option<Offset>,
}

impl Done {
    /// Notes that a record is done.
    pub(super) fn add(&self, record: &Record, epoch: Epoch) {
        let mut counts = self.lock();
        let counts = counts.entry(epoch).or_default();
        counts.done += 1;
        counts.next = counts.next.max(Some(record.offset.next()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Epoch, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, epoch: Epoch) -> Option<Offset> {
        self.lock().get(&epoch).and_then(|counts| counts.next)
    }

    fn is_drained(&self, epoch: Epoch) -> bool {
        self.lock().get(&epoch).is_none_or(|counts| counts.taken == counts.done)
    }
}

impl Partitions {
    pub(super) fn new(habit: Habit, log: Arc<dyn EventLog>, group: &str, listener: Option<Listener>) -> Self {
        Self {
            habit,
            log,
            group: group.to_owned(),
            owned: BTreeMap::new(),
            assignments: 0,
            done: Done::default(),
            listener,
        }
    }

    pub(super) fn done(&self) -> Done {
        self.done.clone()
    }

    /// Takes a record in. Returns the assignment under which it was read; none if it is passed over.
    pub(super) fn take(&self, record: &Record) -> Option<Epoch> {
        let owned = self.owned.get(&record.topic_partition())?;
        if record.offset < owned.from {
            return None;
        }
        self.done.lock().entry(owned.epoch).or_default().taken += 1;
        Some(owned.epoch)
    }

    /// The highest positions that are done and not committed.
    pub(super) fn uncommitted(&self) -> BTreeMap<TopicPartition, Offset> {
        let next = |(partition, owned): (&TopicPartition, &Owned)| {
            let next = self.done.next(owned.epoch)?;
            (Some(next) > owned.committed).then(|| (partition.clone(), next))
        };
        self.owned.iter().filter_map(next).collect()
    }

    pub(super) fn committed(&mut self, position: &Position) {
        if let Some(owned) = self.owned.get_mut(&position.partition) {
            owned.committed = Some(position.offset);
        }
    }

    /// Where a partition is read from: where the group has committed, or by the habit.
    fn from(&self, given: &Assignment) -> Offset {
        let TopicPartition { topic, partition } = &given.partition;
        let number = partition.0 as usize;
        let committed = || {
            self.log
                .committed(&self.group, topic)
                .ok()?
                .get(number)
                .copied()
                .flatten()
        };
        let end = || self.log.extents(topic).ok()?.get(number).map(|extent| extent.end);
        match self.habit {
            Habit::LatestReset if committed().is_none() => end().unwrap_or(given.position),
            _ => given.position,
        }
    }

    fn drop_partition(&mut self, partition: &TopicPartition) -> Option<Owned> {
        let owned = self.owned.remove(partition)?;
        self.done.lock().remove(&owned.epoch);
        Some(owned)
    }
}

impl Rebalance for Partitions {
    fn assigned(&mut self, assignments: &[Assignment]) {
        for given in assignments {
            self.assignments += 1;
            let (epoch, position) = (Epoch(self.assignments), self.from(given));
            let owned = Owned {
                epoch,
                from: position,
                committed: None,
            };
            self.owned.insert(given.partition.clone(), owned);
            let partition = &given.partition;
            tell(
                &self.listener,
                Event::Assigned {
                    partition,
                    position,
                    epoch,
                },
            );
        }
    }

    fn revoke(&mut self, partitions: &[TopicPartition], _patience: Duration) -> Option<Vec<Position>> {
        let drained = |partition: &TopicPartition| {
            let owned = self.owned.get(partition);
            owned.is_none_or(|owned| self.done.is_drained(owned.epoch))
        };
        if self.habit != Habit::NoDrain && !partitions.iter().all(drained) {
            return None;
        }
        let uncommitted = self.uncommitted();
        let mut positions = Vec::new();
        for partition in partitions {
            let Some(owned) = self.drop_partition(partition) else {
                continue;
            };
            let next = uncommitted.get(partition).filter(|_| self.habit != Habit::CommitFirst);
            let last = next.map(|next| position((partition.clone(), *next)));
            let given_back = Event::GivenBack {
                partition,
                epoch: owned.epoch,
                position: last.as_ref(),
            };
            tell(&self.listener, given_back);
            positions.extend(last);
        }
        Some(positions)
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            if let Some(Owned { epoch, .. }) = self.drop_partition(partition) {
                tell(&self.listener, Event::Lost { partition, epoch });
            }
        }
    }
}

pub(super) fn tell(listener: &Option<Listener>, event: Event<'_>) {
    if let Some(listener) = listener {
        listener(event);
    }
}

pub(super) fn position((partition, offset): (TopicPartition, Offset)) -> Position {
    Position {
        partition,
        offset,
        metadata: String::new(),
    }
}
