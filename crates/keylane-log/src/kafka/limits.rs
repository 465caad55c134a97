//! The sizes that topics take at most, by which a record that is too large is refused before it is sent. A broker that
//! refuses a batch ends the producer's session, with every record behind that batch.
//!
//! # Invariants
//! * No record is refused that a broker would take. A limit that may have been raised is asked for anew. If the limit
//!   is not known (because a right is missing or there is no answer), or if batches are compressed, the decision is
//!   left to the broker.
//! * Ordinary records cost nothing: a limit is asked for only when a record is large, or the topic has refused one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;

use crate::kafka::admin;
use crate::kafka::client::{self, Watch};
use crate::kafka::settings::Settings;

/// Up to this size of a record, in bytes, the limit of a topic that has refused none is not asked for. Few topics take
/// less.
const ORDINARY_SIZE: usize = 16 * 1024;

/// The longest wait for the brokers' answer. Appends wait meanwhile.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a limit is used before it is asked for anew. It may be raised at any time, for the sake of a record that
/// was refused.
const LIMIT_KEPT: Duration = Duration::from_secs(1);

/// Pause before the limit is asked for again if there was no answer.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// The limits of topics, as far as they were asked for.
pub(super) struct Limits {
    settings: Settings,
    admin: Option<AdminClient<Watch>>,
    topics: HashMap<String, Known>,
}

#[derive(Clone, Copy)]
struct Known {
    /// The limit is not asked for because of records up to this size, in bytes.
    unchecked_size: usize,
    /// The limit in bytes, if the brokers have told it.
    limit: Option<usize>,
    /// The limit is not asked for again before this time.
    until: Instant,
}

impl Known {
    /// Says that no limit is known, and is not to be asked for before `until`.
    fn nothing(until: Instant) -> Self {
        Self {
            unchecked_size: ORDINARY_SIZE,
            limit: None,
            until,
        }
    }
}

impl Limits {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            admin: None,
            topics: HashMap::new(),
        }
    }

    /// The largest batch that `topic` takes now, in bytes; `None` if that does not matter to a record of this size, or
    /// is not known.
    pub(super) fn of(&mut self, topic: &str, size: usize, deadline: Instant) -> Option<usize> {
        let now = Instant::now();
        let known = self.topics.get(topic).copied().unwrap_or(Known::nothing(now));
        if size <= known.unchecked_size || self.settings.compresses() {
            return None;
        }
        if now < known.until {
            return known.limit;
        }
        let left = deadline.saturating_duration_since(now);
        if left.is_zero() {
            return None;
        }
        let limit = self.ask(topic, left.min(ASK_TIMEOUT));
        let told = |limit| Known {
            unchecked_size: limit,
            limit: Some(limit),
            until: Instant::now() + LIMIT_KEPT,
        };
        let known = limit.map_or_else(|| Known::nothing(Instant::now() + RETRY_PAUSE), told);
        self.topics.insert(topic.to_owned(), known);
        limit
    }

    /// Notes that a broker has refused a batch for its size, so that the limit is not what it was thought to be.
    pub(super) fn doubt(&mut self, topic: &str) {
        let now = Instant::now();
        let known = self.topics.entry(topic.to_owned()).or_insert(Known::nothing(now));
        known.unchecked_size = 0;
        if known.limit.is_some() {
            known.until = now;
        }
    }

    /// The smallest of the known limits, some of which may have changed since.
    pub(super) fn smallest(&self) -> Option<usize> {
        self.topics.values().filter_map(|known| known.limit).min()
    }

    fn ask(&mut self, topic: &str, patience: Duration) -> Option<usize> {
        if self.admin.is_none() {
            self.admin = client::start(&self.settings.admin(), Watch::default()).ok();
        }
        admin::largest_batch(self.admin.as_ref()?, topic, patience)
    }
}
