//! Asks a topic, record by record, whether each key's events stand in one partition and in their order.
//!
//! ```text
//!   partition 0 ─▶ ─▶ ─▶ ┐
//!   partition 1 ─▶ ─▶ ─▶ ┼─▶ Auditor ─▶ Audit: how often each trouble was found, and the first of each
//!   partition 2 ─▶ ─▶ ─▶ ┘
//! ```
//! # Invariants
//! * No clock and no I/O. Each partition is shown from its first record to its last; partitions may take turns.
//! * Memory is bounded: for each key a state of fixed size, at most [`MAX_KEYS`] of them (some 300 MB); of what a key's
//!   versions are in a partition, the last 128 below the highest. Beyond either it says that it could not tell.
//! * Versions are compared within one partition: nobody knows the order across partitions.

mod hash;
mod keys;
mod locate;
mod placement;
mod sequence;

pub use keys::MAX_KEYS;
pub use locate::Locator;
pub use placement::Explanation;

use keylane_log::{Offset, Partition, Record};

use keys::Keys;
use placement::Placement;
use sequence::{Sequences, Step};

/// How many of each trouble are kept as examples.
const EXAMPLES: usize = 10;

/// What to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Where a record's key is found.
    pub key: Locator,
    /// Where its version is found.
    pub version: Locator,
    /// How many partitions the topic has now.
    pub partitions: u32,
}

/// Looks at records.
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
    /// Records looked at.
    pub records: u64,
    /// Different keys.
    pub keys: u64,
    /// Records with a version.
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
    /// What explains all that is misplaced, if one thing does.
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
    /// How often.
    pub count: u64,
    /// The first ones, in words.
    pub examples: Vec<String>,
}

/// What an audit comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Each key's events stand in one partition and in their order; repetitions are honest.
    Kept,
    /// The order of a key's events is lost or in danger.
    Endangered,
    /// Nothing was found, but not everything could be looked at.
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
            keys::Sight::Known => {}
            keys::Sight::Forgotten => self.audit.unremembered += 1,
            keys::Sight::Split(partition, offset) => {
                // Whichever was seen first.
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
        let source = locate::header_text(record, "ce_source").unwrap_or_default();
        match self
            .sequences
            .see(record.partition, (key, &source), version, record.offset)
        {
            Step::On => {}
            Step::Forgotten => self.audit.unremembered += 1,
            Step::TooOld => self.audit.too_old += 1,
            Step::Repeated => {
                let repeated = &mut self.audit.repeated;
                repeated.note(|| format!("key {key}{}: v{version} again at {}", of(&source), place(record)));
            }
            Step::Backwards { highest, offset } => {
                let above = at(record.partition, offset);
                let backwards = &mut self.audit.backwards;
                backwards.note(|| {
                    let (source, below) = (of(&source), place(record));
                    format!("key {key}{source}: v{version} at {below} behind v{highest} at {above}")
                });
            }
        }
    }
}

impl Audit {
    /// What it comes to. In a topic of one partition records need no key to stay together; but what has no key or no version
    /// could not be compared, and where nothing was compared nothing was shown.
    pub fn answer(&self, partitions: u32) -> Answer {
        let keyless = partitions > 1 && self.keyless.count > 0;
        let found = self.split.count + self.backwards.count + self.misplaced.count > 0;
        if found || keyless {
            return Answer::Endangered;
        }
        let not_compared = self.unidentified + self.unversioned + self.unremembered + self.too_old;
        match self.versions == 0 || not_compared > 0 {
            true => Answer::Unknown,
            false => Answer::Kept,
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

/// Whose version it is, where several sources count for one key.
fn of(source: &str) -> String {
    match source {
        "" => String::new(),
        source => format!(" ({source})"),
    }
}
