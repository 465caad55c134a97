//! Finds out, record by record, whether the events of each key stand in one partition of a topic, and in their order.
//!
//! ```text
//!   partition 0 ─▶ ─▶ ─▶ ┐
//!   partition 1 ─▶ ─▶ ─▶ ┼─▶ Auditor ─▶ Audit: how often each trouble was found, and the first of each
//!   partition 2 ─▶ ─▶ ─▶ ┘
//! ```
//! # Invariants
//! * No clock and no I/O. Each partition is shown from its first record to its last; partitions may take turns.
//! * Memory is bounded. At most [`MAX_KEYS`] keys are remembered, each with a state of fixed size (some 300 MB in all), and of
//!   a key's versions in a partition the last 128 below the highest. What lies beyond is counted as not compared.
//! * Versions are compared within one partition, since nothing tells the order of records across partitions.

mod hash;
mod keys;
mod locate;
mod placement;
mod sequence;

pub use keys::MAX_KEYS;
pub use locate::Locator;
pub use placement::Explanation;
pub(crate) use placement::crc32;

use keylane_log::{Offset, Partition, Record};

use keys::{KeyPlace, Keys};
use placement::Placement;
use sequence::{Sequences, Succession};

/// How many examples of each finding are kept.
const EXAMPLES: usize = 10;

/// What is asked about a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Where a record's key is found.
    pub key: Locator,
    /// Where its version is found.
    pub version: Locator,
    /// How many partitions the topic has now.
    pub partitions: u32,
}

/// Looks at the records of a topic one after the other.
pub struct Auditor {
    question: Question,
    keys: Keys,
    sequences: Sequences,
    placement: Placement,
    audit: Audit,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// How many records were looked at.
    pub records: u64,
    /// How many different keys were found.
    pub keys: u64,
    /// How many records have a version.
    pub versions: u64,
    /// Keys whose records stand in several partitions; each once.
    pub split: Findings,
    /// Versions that stand behind a higher one, not having stood before it.
    pub backwards: Findings,
    /// Versions that stand twice in a partition.
    pub repeated: Findings,
    /// Records without a key, or with an empty one: any partition may hold them.
    pub keyless: Findings,
    /// Records that stand elsewhere than Java's partitioner puts their key at the present number of partitions, because
    /// the topic has grown or a producer uses another partitioner.
    pub misplaced: Findings,
    /// The reason that explains all misplaced records, if a single one does.
    pub explanation: Option<Explanation>,
    /// Records in which no key was found where the question says.
    pub unidentified: u64,
    /// Records with a key, but without a version where the question says.
    pub unversioned: u64,
    /// Records of keys beyond those that are remembered.
    pub unremembered: u64,
    /// Versions so far below the highest that nobody remembers whether they stood there before.
    pub too_old: u64,
}

/// How often something was found, and the first of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// How often it was found.
    pub count: u64,
    /// The first ones, described in words.
    pub examples: Vec<String>,
}

/// What an audit comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// The events of each key stand in one partition and in their order. Repetitions don't count against that.
    Kept,
    /// The order of a key's events is lost or in danger.
    Endangered,
    /// No trouble was found, but not everything could be compared.
    Unknown,
}

impl Auditor {
    /// An auditor that has seen nothing yet.
    pub fn new(question: Question) -> Self {
        Self {
            placement: Placement::new(question.partitions),
            question,
            keys: Keys::default(),
            sequences: Sequences::default(),
            audit: Audit::default(),
        }
    }

    /// Looks at the next record of any partition.
    pub fn see(&mut self, record: &Record) {
        self.audit.records += 1;
        self.look_at_record_key(record);
        let Some(key) = self.question.key.text(record) else {
            self.audit.unidentified += 1;
            return;
        };
        match self.question.version.number(record) {
            Some(version) => {
                self.audit.versions += 1;
                self.look_at_version(record, &key, version);
            }
            None => self.audit.unversioned += 1,
        }
        self.look_at_partition(record, &key);
    }

    /// What was found.
    pub fn finish(mut self) -> Audit {
        self.audit.keys = self.keys.len();
        self.audit.explanation = self.placement.explanation();
        self.audit
    }

    fn look_at_record_key(&mut self, record: &Record) {
        match record.key.as_deref() {
            None => self.audit.keyless.note(|| format!("{} has no key", place(record))),
            Some([]) => self
                .audit
                .keyless
                .note(|| format!("{} has an empty key", place(record))),
            Some(key) => {
                if let Some(home) = self.placement.misplaced(key, record.partition) {
                    let shown = String::from_utf8_lossy(key);
                    let misplaced = &mut self.audit.misplaced;
                    misplaced.note(|| format!("key {shown} at {} belongs to partition {home}", place(record)));
                }
            }
        }
    }

    fn look_at_partition(&mut self, record: &Record, key: &str) {
        match self.keys.see(key, record.partition, record.offset) {
            KeyPlace::Consistent => {}
            KeyPlace::NotRemembered => self.audit.unremembered += 1,
            KeyPlace::Split(partition, offset) => {
                // Partitions may be shown in any sequence, so the examples are sorted.
                let mut both = [(partition, offset), (record.partition, record.offset)];
                both.sort();
                let [one, other] = both.map(|(partition, offset)| at(partition, offset));
                self.audit
                    .split
                    .note(|| format!("key {key}: first {one}, then {other}"));
            }
        }
    }

    fn look_at_version(&mut self, record: &Record, key: &str, version: i64) {
        let source = locate::header_text(record, "ce_source");
        let source = source.as_deref();
        match self
            .sequences
            .see(record.partition, (key, source), version, record.offset)
        {
            Succession::Ascending => {}
            Succession::NotRemembered => self.audit.unremembered += 1,
            Succession::TooFarBelow => self.audit.too_old += 1,
            Succession::Repeated => {
                let repeated = &mut self.audit.repeated;
                repeated.note(|| format!("key {key}{}: v{version} again at {}", of(source), place(record)));
            }
            Succession::Backwards { highest, offset } => {
                let above = at(record.partition, offset);
                let backwards = &mut self.audit.backwards;
                backwards.note(|| {
                    let (source, below) = (of(source), place(record));
                    format!("key {key}{source}: v{version} at {below} behind v{highest} at {above}")
                });
            }
        }
    }
}

impl Audit {
    /// What the audit comes to. In a topic of one partition records need no key to stay together. But records without a key or
    /// a version could not be compared, and if none was compared nothing is known.
    pub fn answer(&self, partitions: u32) -> Conclusion {
        let keyless = partitions > 1 && self.keyless.count > 0;
        let found = self.split.count + self.backwards.count + self.misplaced.count > 0;
        if found || keyless {
            return Conclusion::Endangered;
        }
        let not_compared = self.unidentified + self.unversioned + self.unremembered + self.too_old;
        match self.versions == 0 || not_compared > 0 {
            true => Conclusion::Unknown,
            false => Conclusion::Kept,
        }
    }
}

impl Findings {
    fn note(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }
}

fn place(record: &Record) -> String {
    at(record.partition, record.offset)
}

fn at(partition: Partition, offset: Offset) -> String {
    format!("P{partition}@{offset}")
}

/// Says which source numbered a version, where the record names one.
fn of(source: Option<&str>) -> String {
    source.map_or(String::new(), |source| format!(" ({source})"))
}
