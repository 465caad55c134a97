//! Where kafka-console-consumer's records come from: a scan of partitions, or a membership in a group.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keylane_log::{
    Assignment, Consumer, EventLog, LogError, Offset, Partition, Position, Rebalance, Record, Subscription,
    TopicPartition,
};

use super::pattern;

/// How often new topics and partitions are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Records read at once of one partition.
const PAGE: usize = 500;

/// Offsets read at once of several partitions.
const STEP: u64 = 10_000;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the first record kept.
    Earliest,
    /// With what comes from now on.
    Latest,
    /// With this offset.
    At(Offset),
}

/// What to read.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// A topic's name, or a pattern of names.
    pub topics: String,
    /// Whether it is a pattern.
    pub is_pattern: bool,
    /// One partition only.
    pub partition: Option<Partition>,
    /// Where to begin.
    pub start: Start,
}

impl Wanted {
    fn wants(&self, topic: &str) -> bool {
        match self.is_pattern {
            true => pattern::matches(&self.topics, topic),
            false => self.topics == topic,
        }
    }
}

/// Reads without a group: nothing is written anywhere.
pub struct Scan {
    log: Arc<dyn EventLog>,
    wanted: Wanted,
    positions: Vec<(TopicPartition, Offset)>,
    looked: Option<Instant>,
}

impl Scan {
    /// A scan that has not looked at anything yet.
    pub fn new(log: Arc<dyn EventLog>, wanted: Wanted) -> Self {
        Self {
            log,
            wanted,
            positions: Vec::new(),
            looked: None,
        }
    }

    /// What is there now, at most a page of each partition.
    pub fn step(&mut self) -> Result<Vec<Record>, LogError> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.look()?;
        }
        // A log goes on best where it reads one partition alone.
        if let [(partition, next)] = &mut self.positions[..] {
            let page = self.log.read(partition, *next, PAGE)?;
            if let Some(last) = page.last() {
                *next = last.offset.next();
            }
            return Ok(page);
        }
        let mut topics: Vec<_> = self
            .positions
            .iter()
            .map(|(partition, _)| partition.topic.clone())
            .collect();
        topics.sort();
        topics.dedup();
        let mut records = Vec::new();
        for topic in topics {
            self.step_in(&topic, &mut records)?;
        }
        Ok(records)
    }

    /// What is there now in all partitions of a topic, [`STEP`] offsets of them at most.
    fn step_in(&mut self, topic: &str, records: &mut Vec<Record>) -> Result<(), LogError> {
        let mut ranges = self.log.extents(topic)?;
        let mut room = STEP;
        for (number, range) in (0..).zip(&mut ranges) {
            let next = self.position(topic, number).map(|next| *next);
            range.start = next.unwrap_or(range.end).max(range.start);
            range.end = range.end.min(Offset(range.start.0.saturating_add(room)));
            room -= range.end.0.saturating_sub(range.start.0);
        }
        self.log
            .scan(topic, &ranges, &mut |record| records.push(record.clone()))?;
        for (number, range) in (0..).zip(&ranges).filter(|(_, range)| range.start < range.end) {
            // All that stands before the end was shown; markers of transactions stand there as well.
            if let Some(next) = self.position(topic, number) {
                *next = range.end;
            }
        }
        Ok(())
    }

    fn position(&mut self, topic: &str, number: u32) -> Option<&mut Offset> {
        let mut positions = self.positions.iter_mut();
        let found = positions.find(|(known, _)| *known.topic == *topic && known.partition == Partition(number));
        found.map(|(_, next)| next)
    }

    fn look(&mut self) -> Result<(), LogError> {
        let first = self.looked.is_none();
        let topics = self.log.topics()?;
        for topic in topics.iter().filter(|topic| self.wanted.wants(&topic.name)) {
            let known = |partition: Partition| {
                let mut known = self.positions.iter().map(|(known, _)| known);
                known.any(|known| *known.topic == *topic.name && known.partition == partition)
            };
            let wanted = |partition: &Partition| self.wanted.partition.is_none_or(|wanted| wanted == *partition);
            let partitions = topic.partitions.iter().map(|info| info.partition);
            let new: Vec<_> = partitions
                .filter(|partition| wanted(partition) && !known(*partition))
                .collect();
            if new.is_empty() {
                continue;
            }
            let extents = self.log.extents(&topic.name)?;
            for partition in new {
                let Some(extent) = extents.get(partition.0 as usize) else {
                    continue;
                };
                let next = match self.wanted.start {
                    Start::At(offset) => offset,
                    // A partition that was added since is read whole: all of it came after the start.
                    Start::Latest if first => extent.end,
                    Start::Earliest | Start::Latest => extent.start,
                };
                self.positions
                    .push((TopicPartition::new(topic.name.as_str(), partition), next));
            }
        }
        self.looked = Some(Instant::now());
        Ok(())
    }
}

/// Reads as a member of a group, and commits what was handed on.
pub struct Member {
    consumer: Box<dyn Consumer>,
    progress: Progress,
    committed: Instant,
}

/// How far the member is; told of rebalances.
#[derive(Default)]
struct Progress {
    next: HashMap<TopicPartition, Offset>,
    /// Records before these were there before, and are not wanted.
    begin: HashMap<TopicPartition, Offset>,
}

impl Member {
    /// Joins `group`. What the group has not committed is begun as `wanted` says.
    pub fn join(log: &dyn EventLog, wanted: &Wanted, group: &str) -> Result<Self, LogError> {
        let topics = log.topics()?.into_iter().map(|topic| topic.name);
        let mut topics: Vec<_> = topics.filter(|topic| wanted.wants(topic)).collect();
        if topics.is_empty() {
            return Err(LogError::Unavailable(format!(
                "topic {} does not exist (yet)",
                wanted.topics
            )));
        }
        topics.sort();
        let mut progress = Progress::default();
        for topic in topics.iter().filter(|_| wanted.start == Start::Latest) {
            let committed = log.committed(group, topic)?;
            for (number, extent) in log.extents(topic)?.iter().enumerate() {
                if committed.get(number).is_none_or(Option::is_none) {
                    let partition = TopicPartition::new(topic.as_str(), Partition(number as u32));
                    progress.begin.insert(partition, extent.end);
                }
            }
        }
        let consumer = log.subscribe(&Subscription {
            group: group.to_owned(),
            topics,
            member: "console-consumer".into(),
            session_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(5),
        })?;
        Ok(Self {
            consumer,
            progress,
            committed: Instant::now(),
        })
    }

    /// Waits up to `patience` for records.
    pub fn step(&mut self, patience: Duration) -> Result<Vec<Record>, LogError> {
        if self.committed.elapsed() >= LOOK {
            self.committed = Instant::now();
            // A refusal means that another member continues from the last commit.
            self.consumer.commit(&self.progress.positions())?;
        }
        let mut records = self.consumer.poll(patience, &mut self.progress)?;
        records.retain(|record| {
            let begin = self.progress.begin.get(&record.topic_partition());
            begin.is_none_or(|begin| record.offset >= *begin)
        });
        Ok(records)
    }

    /// The record was printed.
    pub fn done(&mut self, record: &Record) {
        self.progress
            .next
            .insert(record.topic_partition(), record.offset.next());
    }

    /// Commits and leaves the group.
    pub fn leave(mut self) -> Result<(), LogError> {
        self.consumer.commit(&self.progress.positions())?;
        self.consumer.leave(&mut self.progress)
    }
}

impl Progress {
    fn positions(&self) -> Vec<Position> {
        self.next
            .iter()
            .map(|(partition, next)| position(partition, *next))
            .collect()
    }
}

impl Rebalance for Progress {
    fn assigned(&mut self, assignments: &[Assignment]) {
        for assignment in assignments {
            self.next.remove(&assignment.partition);
        }
    }

    fn revoke(&mut self, partitions: &[TopicPartition], _patience: Duration) -> Option<Vec<Position>> {
        let next = |partition: &TopicPartition| Some(position(partition, self.next.remove(partition)?));
        Some(partitions.iter().filter_map(next).collect())
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.next.remove(partition);
        }
    }
}

fn position(partition: &TopicPartition, offset: Offset) -> Position {
    Position {
        partition: partition.clone(),
        offset,
        metadata: String::new(),
    }
}
