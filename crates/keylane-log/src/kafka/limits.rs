//! What topics take at most, so that a record which can't fit is refused before it is sent: a broker that refuses a batch
//! breaks off the producer's session, with everything behind it.
//!
//! # Invariants
//! * Nothing is refused that a broker would take. A limit that may have been raised is asked for anew; what nobody tells (a
//!   missing right, no answer) is left to the broker, and so is everything where batches are compressed.
//! * Ordinary records pay nothing: nobody is asked before one is large, or was refused.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;

use crate::kafka::admin;
use crate::kafka::client::{self, Watch};
use crate::kafka::settings::Settings;

/// The size of records up to which nobody is asked about a topic that has refused none. Few topics take less.
const ORDINARY: usize = 16 * 1024;

/// How long an answer is waited for, while appends wait with it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer counts: it may be raised at any time, and a record that was refused then comes again.
const FRESH: Duration = Duration::from_secs(1);

/// How long nobody is asked after there was no answer.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// The limits of the topics that were asked about.
pub(super) struct Limits {
    settings: Settings,
    admin: Option<AdminClient<Watch>>,
    topics: HashMap<String, Known>,
}

#[derive(Clone, Copy)]
struct Known {
    /// Records up to this size are worth no question.
    harmless: usize,
    /// The last answer, if there was one.
    limit: Option<usize>,
    /// Nobody is asked before this time.
    until: Instant,
}

impl Known {
    fn nothing(until: Instant) -> Self {
        Self {
            harmless: ORDINARY,
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

    /// The largest batch that `topic` takes now: if it matters to a record of this size, and somebody can tell.
    pub(super) fn of(&mut self, topic: &str, size: usize, deadline: Instant) -> Option<usize> {
        let now = Instant::now();
        let known = self.topics.get(topic).copied().unwrap_or(Known::nothing(now));
        if size <= known.harmless || self.settings.compresses() {
            return None;
        }
        if now < known.until {
            return known.limit;
        }
        let left = deadline.saturating_duration_since(now);
        if left.is_zero() {
            return None;
        }
        let limit = self.ask(topic, left.min(PATIENCE));
        let told = |limit| Known {
            harmless: limit,
            limit: Some(limit),
            until: Instant::now() + FRESH,
        };
        let known = limit.map_or_else(|| Known::nothing(Instant::now() + LEFT_ALONE), told);
        self.topics.insert(topic.to_owned(), known);
        limit
    }

    /// A broker has refused something for its size: there is a limit, and not the one that was told before.
    pub(super) fn doubt(&mut self, topic: &str) {
        let now = Instant::now();
        let known = self.topics.entry(topic.to_owned()).or_insert(Known::nothing(now));
        known.harmless = 0;
        if known.limit.is_some() {
            known.until = now;
        }
    }

    /// The smallest of the limits that are known, though they may have changed.
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
