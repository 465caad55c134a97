//! Where kafka-console-consumer's records come from: a scan of partitions, or a membership in a group.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keylane_log::{
    Assignment, Consumer, EventLog, Extent, LogError, Offset, Partition, Position, Rebalance, Record, Subscription,
    TopicInfo, TopicPartition,
};

use crate::console;
use crate::tools::pattern::TopicPattern;

/// How often new topics and partitions are looked for, and positions are committed.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// How many records are read at once where a single partition is read.
const PAGE: usize = 500;

/// How many offsets are read at once where a topic's partitions are read together.
const SCAN_STEP: u64 = 10_000;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the first record that is kept.
    Earliest,
    /// With the first record that is written from now on.
    Latest,
    /// With this offset.
    At(Offset),
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("its first record"),
            Self::Latest => f.write_str("its end"),
            Self::At(offset) => write!(f, "offset {offset}"),
        }
    }
}

/// Which topics to read.
#[derive(Debug, Clone)]
pub enum Topics {
    /// The topic of this name.
    Named(String),
    /// All topics whose names match.
    Matching(TopicPattern),
}

/// What to read.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub topics: Topics,
    /// The only partition to read; none for all of them.
    pub partition: Option<Partition>,
    /// Where to begin.
    pub start: Start,
    /// Where to begin if the log does not have that offset: at its first record or at its end.
    pub reset: Start,
}

/// The group whose member reads.
#[derive(Debug, Clone)]
pub struct Membership {
    pub group: String,
    /// Whether the group is told how far its member has come.
    pub commits: bool,
}

impl Wanted {
    /// Whether a topic is to be read. An internal one is only read by its name, never because a pattern matches it, as
    /// with Kafka's tool.
    fn wants(&self, topic: &TopicInfo) -> bool {
        match &self.topics {
            Topics::Named(name) => *name == topic.name,
            Topics::Matching(pattern) => !topic.internal && pattern.matches(&topic.name),
        }
    }

    /// Where to begin because the log does not have the wanted offset, which is said.
    fn instead_of(&self, offset: Offset, topic: &str, partition: Partition, extent: &Extent) -> Offset {
        let (Partition(number), Extent { start, end }) = (partition, extent);
        let reset = self.reset;
        console::say(&format!(
            "WARN {topic}-{number} has offsets {start} to {end}, and {offset} is not among them; reading from {reset}"
        ));
        match reset {
            Start::Earliest => *start,
            Start::Latest | Start::At(_) => *end,
        }
    }

    /// Says that what is wanted is not there.
    fn missing(&self, topic_exists: bool) -> LogError {
        LogError::Unavailable(match (&self.topics, self.partition) {
            (Topics::Named(name), Some(Partition(partition))) if topic_exists => {
                format!("topic {name} has no partition {partition} (yet); waiting for it")
            }
            (Topics::Named(name), _) => format!("topic {name} does not exist (yet); waiting for it"),
            (Topics::Matching(_), _) => "no topic matches the pattern (yet); waiting for one".to_owned(),
        })
    }
}

/// Reads without a group: nothing is written anywhere.
pub struct Scan {
    log: Arc<dyn EventLog>,
    wanted: Wanted,
    positions: Vec<(TopicPartition, Offset)>,
    /// When topics and partitions were last looked for; none before the first time.
    looked: Option<Instant>,
}

impl Scan {
    /// A scan that has read nothing yet.
    pub fn new(log: Arc<dyn EventLog>, wanted: Wanted) -> Self {
        Self {
            log,
            wanted,
            positions: Vec::new(),
            looked: None,
        }
    }

    /// Reads the records that are there now, up to a limit.
    pub fn step(&mut self) -> Result<Vec<Record>, LogError> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= REFRESH_INTERVAL) {
            self.find_partitions()?;
        }
        // A log is fastest at reading on in a single partition.
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

    /// Reads on in all partitions of a topic, [`SCAN_STEP`] offsets at most.
    fn step_in(&mut self, topic: &str, records: &mut Vec<Record>) -> Result<(), LogError> {
        let mut ranges = self.log.extents(topic)?;
        let mut room = SCAN_STEP;
        for (number, range) in (0..).zip(&mut ranges) {
            let next = self.position(topic, number).map(|next| *next);
            range.start = next.unwrap_or(range.end).max(range.start);
            range.end = range.end.min(Offset(range.start.0.saturating_add(room)));
            room -= range.end.0.saturating_sub(range.start.0);
        }
        self.log
            .scan(topic, &ranges, &mut |record| records.push(record.clone()))?;
        for (number, range) in (0..).zip(&ranges).filter(|(_, range)| range.start < range.end) {
            // Every record before the end was read. The last offsets may hold markers of transactions, which are no records.
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

    fn find_partitions(&mut self) -> Result<(), LogError> {
        let first = self.looked.is_none();
        let mut topics = self.log.topics()?;
        topics.retain(|topic| self.wanted.wants(topic));
        for topic in &topics {
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
                    Start::At(offset) if (extent.start..=extent.end).contains(&offset) => offset,
                    Start::At(offset) => self.wanted.instead_of(offset, &topic.name, partition, extent),
                    // A partition that was added later is read from its start, which came after this scan's.
                    Start::Latest if first => extent.end,
                    Start::Earliest | Start::Latest => extent.start,
                };
                self.positions
                    .push((TopicPartition::new(topic.name.as_str(), partition), next));
            }
        }
        self.looked = Some(Instant::now());
        match self.positions.is_empty() {
            true => Err(self.wanted.missing(!topics.is_empty())),
            false => Ok(()),
        }
    }
}

/// Reads as a member of a group, and commits the positions of the records that were printed.
pub struct Member {
    consumer: Box<dyn Consumer>,
    progress: MemberPositions,
    /// When positions were last committed.
    committed: Instant,
}

/// How far the member has come in its partitions.
#[derive(Default)]
struct MemberPositions {
    /// Whether the group is told of the positions.
    commits: bool,
    /// The next offset to read in each partition that is assigned. It is committed even if nothing was read, so that what is
    /// written until the group's next start is read then.
    next: HashMap<TopicPartition, Offset>,
    /// Records before these offsets were there before the tool was started, and are not wanted.
    begin: HashMap<TopicPartition, Offset>,
}

impl Member {
    /// Joins a group. A partition for which the group has not committed is begun as `wanted` says.
    pub fn join(
        log: &dyn EventLog,
        wanted: &Wanted,
        Membership { group, commits }: &Membership,
    ) -> Result<Self, LogError> {
        let topics = log.topics()?.into_iter().filter(|topic| wanted.wants(topic));
        let mut topics: Vec<_> = topics.map(|topic| topic.name).collect();
        if topics.is_empty() {
            return Err(wanted.missing(false));
        }
        topics.sort();
        let mut progress = MemberPositions {
            commits: *commits,
            ..MemberPositions::default()
        };
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
            group: group.clone(),
            topics,
            member: "console-consumer".into(),
            note: String::new(),
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
        if self.committed.elapsed() >= REFRESH_INTERVAL {
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

    /// Notes that a record was printed.
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

impl MemberPositions {
    /// The positions to commit.
    fn positions(&self) -> Vec<Position> {
        let of = |(partition, next): (&TopicPartition, &Offset)| position(partition, *next);
        self.next.iter().filter(|_| self.commits).map(of).collect()
    }
}

impl Rebalance for MemberPositions {
    fn assigned(&mut self, assignments: &[Assignment]) {
        for assignment in assignments {
            let begin = self.begin.get(&assignment.partition).copied();
            let next = begin.unwrap_or(assignment.position).max(assignment.position);
            self.next.insert(assignment.partition.clone(), next);
        }
    }

    fn revoke(&mut self, partitions: &[TopicPartition], _patience: Duration) -> Option<Vec<Position>> {
        let next = |partition: &TopicPartition| Some(position(partition, self.next.remove(partition)?));
        let positions: Vec<_> = partitions.iter().filter_map(next).collect();
        Some(positions.into_iter().filter(|_| self.commits).collect())
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
