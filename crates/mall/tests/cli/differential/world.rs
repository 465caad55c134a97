//! A broker's corner, or an embedded log, with topics and groups of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::kafka::KafkaLog;
use keylane_log::{EventLog, NewRecord, Offset, Partition, Record, Timestamp, TopicPartition};

use super::java::Jvm;
use super::row::{Expect, Row, Story};
use super::shell::words;
use crate::program::{Ended, Folder};
use crate::support::{required, wait_for};

/// How long ago the records were written that are there before a story's first line.
const AGE_MS: i64 = 3_600_000;

/// How long an append may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command line did.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended, in words that don't depend on the world.
    pub ended: Ended,
    /// The file that it wrote.
    pub file: Option<String>,
    /// What is there after it.
    pub state: Vec<String>,
    /// Whether that is something else than what was there before it. Only known of lines that are to be refused.
    pub has_changed: bool,
}

/// A place where the tools run.
pub struct World {
    log: Arc<dyn EventLog>,
    /// The address of the broker; none for the embedded log.
    servers: Option<String>,
    /// How the names of this world's topics and groups begin.
    prefix: String,
    folder: Folder,
    /// Records with later timestamps were written by a command line.
    began: i64,
}

impl World {
    /// Three worlds in which the story's topics, records and commits are: on Kafka for Java's tools, the same for ours, and
    /// an embedded log.
    pub fn three(story: &Story) -> [Self; 3] {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock")
            .as_millis();
        let began = i64::try_from(now).expect("a time of this age") - AGE_MS;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        ["java", "mall", "here"].map(|name| {
            let prefix = format!("{name}-{}-{began}-{number}-", std::process::id());
            let world = Self::new(prefix, name == "here", began);
            world.fill(story);
            world
        })
    }

    fn new(prefix: String, embedded: bool, began: i64) -> Self {
        let folder = Folder::new();
        let (log, servers): (Arc<dyn EventLog>, _) = match embedded {
            true => {
                let data = folder.path().join("mall-data");
                let log = EmbeddedLog::open(&data, EmbeddedOptions::default()).expect("a new log");
                (Arc::new(log), None)
            }
            false => {
                let servers = required("MALL_TEST_KAFKA");
                let log = KafkaLog::connect(&servers, Vec::new()).expect("a client of the broker starts");
                (Arc::new(log), Some(servers))
            }
        };
        Self {
            log,
            servers,
            prefix,
            folder,
            began,
        }
    }

    fn fill(&self, story: &Story) {
        let named = |name: &str| name.replace('%', &self.prefix);
        for (topic, partitions) in story.topics {
            let created = self.log.create_topic(&named(topic), *partitions);
            assert_eq!(created, Ok(true), "{topic} is new");
        }
        for (number, (topic, partition, key, value)) in (0..).zip(story.records) {
            let record = NewRecord {
                partition: Some(Partition(*partition)),
                timestamp: Timestamp(self.began + number),
                key: key.map(|key| Bytes::from_static(key.as_bytes())),
                value: Some(Bytes::from_static(value.as_bytes())),
                headers: Vec::new(),
            };
            let placed = self.log.append(&named(topic), vec![record], PATIENCE);
            assert!(placed[0].is_ok(), "{topic}: {placed:?}");
        }
        for (group, topic, partition, offset) in story.commits {
            let partition = TopicPartition::new(named(topic), Partition(*partition));
            let positions = BTreeMap::from([(partition, Offset(*offset))]);
            self.log
                .reset_group(&named(group), &positions)
                .expect("a group without members");
        }
    }

    /// Runs our tool, unless the line makes no sense here.
    pub fn run(&mut self, row: &Row) -> Option<Outcome> {
        let expect = if self.servers.is_some() {
            &row.on_kafka
        } else {
            &row.on_embedded
        };
        if matches!(expect, Expect::Absent) {
            return None;
        }
        let before = matches!(expect, Expect::Refused(_)).then(|| self.state());
        let words = self.words(row);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let ended = self.folder.feed(&words, row.input);
        let outcome = self.outcome(row, ended);
        Some(Outcome {
            has_changed: before.is_some_and(|before| before != outcome.state),
            ..outcome
        })
    }

    /// Runs Java's tool.
    pub fn run_in(&mut self, jvm: &mut Jvm, row: &Row) -> Outcome {
        let ended = jvm.run(&self.words(row), row.input);
        self.outcome(row, ended)
    }

    /// The words of the line in this world, whose files are written.
    fn words(&self, row: &Row) -> Vec<String> {
        let mut line = row.line.replace('%', &self.prefix);
        for (name, text) in &row.files {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text.replace('%', &self.prefix)).expect("a file is written");
        }
        for name in row.files.iter().map(|(name, _)| *name).chain(row.writes) {
            let path = self.folder.path().join(name);
            line = line.replace(&format!("<{name}>"), path.to_str().expect("a plain path"));
        }
        let mut words = words(&line);
        if let Some(servers) = &self.servers {
            words.extend(["--bootstrap-server".to_owned(), servers.clone()]);
        }
        words
    }

    fn outcome(&self, row: &Row, ended: Ended) -> Outcome {
        if self.servers.is_some() && row.line.starts_with("kafka-topics") {
            self.catch_up();
        }
        let file = row.writes.map(|name| {
            let text = std::fs::read_to_string(self.folder.path().join(name));
            self.plain(row, &text.unwrap_or_default())
        });
        Outcome {
            ended: Ended {
                out: self.plain(row, &ended.out),
                err: self.plain(row, &ended.err),
                ..ended
            },
            file,
            state: self.state(),
            has_changed: false,
        }
    }

    /// Waits until the broker shows all topics as they are. Its controller answers before the broker has followed, which does
    /// so in the sequence of the changes: once it shows a new topic, it shows what was changed before.
    fn catch_up(&self) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (began, number) = (self.began, NEXT.fetch_add(1, Ordering::Relaxed));
        let marker = format!("marker-{}-{began}-{number}", std::process::id());
        self.log.create_topic(&marker, 1).expect("a new topic");
        wait_for("the broker to show a new topic", || {
            let topics = self.log.topics().expect("the log answers");
            topics.iter().any(|topic| topic.name == marker).then_some(())
        });
    }

    /// The text without what differs from world to world.
    fn plain(&self, row: &Row, text: &str) -> String {
        let text = match row.crowded {
            // How wide columns are depends on what else is there.
            true => text
                .lines()
                .filter(|line| line.contains(&self.prefix))
                .map(|line| format!("{}\n", line.split_whitespace().collect::<Vec<_>>().join(" ")))
                .collect(),
            false => text.to_owned(),
        };
        let text = text
            .replace(&self.prefix, "%")
            .replace(self.folder.path().to_str().expect("a plain path"), ".");
        let mut lines: Vec<_> = text
            .lines()
            .map(|line| without_chance(&self.without_times(line)))
            .collect();
        if row.unordered {
            lines.sort();
        }
        let end = if text.ends_with('\n') { "\n" } else { "" };
        lines.join("\n") + end
    }

    /// The line with `now` for the timestamp of a record that a command line has written.
    fn without_times(&self, line: &str) -> String {
        let Some((before, rest)) = line.split_once("Time:") else {
            return line.to_owned();
        };
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (time, rest) = rest.split_at(digits);
        let is_new = time.parse::<i64>().is_ok_and(|time| time > self.began + AGE_MS / 2);
        format!("{before}Time:{}{rest}", if is_new { "now" } else { time })
    }

    /// The topics, records and commits, a line each.
    fn state(&self) -> Vec<String> {
        let mut state = Vec::new();
        let topics = self.log.topics().expect("the log answers").into_iter();
        for topic in topics.filter(|topic| topic.name.starts_with(&self.prefix)) {
            state.push(format!("topic {} of {} partitions", topic.name, topic.partitions.len()));
            let extents = self.log.extents(&topic.name).expect("the log answers");
            let mut records = Vec::new();
            self.log
                .scan(&topic.name, &extents, &mut |record| records.push(record.clone()))
                .expect("the log answers");
            records.sort_by_key(|record| (record.partition, record.offset));
            state.extend(records.iter().map(shown));
        }
        let groups = self.log.groups().expect("the log answers").into_iter();
        for group in groups.filter(|group| group.starts_with(&self.prefix)) {
            let info = self.log.describe_group(&group).expect("the log answers");
            for (partition, offset) in info.into_iter().flat_map(|info| info.commits) {
                let number = partition.partition;
                state.push(format!("group {group} of {}-{number} at {offset}", partition.topic));
            }
        }
        state.iter().map(|line| line.replace(&self.prefix, "%")).collect()
    }
}

/// A line of a topic's description without its id, with its settings in the order of their names instead of that of Java's
/// hash table, and without the eligible leader replicas, of which librdkafka does not tell.
fn without_chance(line: &str) -> String {
    let line = line.split_once("\tElr: ").map_or(line, |(line, _)| line);
    let line = match line.split_once("\tTopicId: ") {
        Some((topic, rest)) => format!(
            "{topic}\tTopicId: id\t{}",
            rest.split_once('\t').map_or("", |(_, rest)| rest)
        ),
        None => line.to_owned(),
    };
    match line.split_once("\tConfigs: ") {
        Some((topic, settings)) => {
            let mut settings: Vec<_> = settings.split(',').collect();
            settings.sort_unstable();
            format!("{topic}\tConfigs: {}", settings.join(","))
        }
        None => line,
    }
}

fn shown(record: &Record) -> String {
    let text = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let headers: Vec<_> = record
        .headers
        .iter()
        .map(|header| (&header.name, text(&header.value)))
        .collect();
    format!(
        "{}-{}@{} {:?} {:?} {headers:?}",
        record.topic,
        record.partition,
        record.offset,
        text(&record.key),
        text(&record.value)
    )
}
