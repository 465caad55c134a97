//! Keeps a membership through the death of its coordinator.
//!
//! A broker that dies is noticed by the others after nine seconds (Kafka's default), and only then another one looks after
//! its groups, with the members that it finds in the log. librdkafka however gives a membership up by itself once its
//! session has passed without an answer, and joins as somebody new: with sessions of ten seconds that is often just before
//! the new coordinator is there, which then waits another ten seconds for the member that it still knows. Java's client
//! keeps its name and goes on.
//!
//! ```text
//!   answers ──▶ heard ── silence for most of a session ──▶ subscribe to the same topics by a pattern: librdkafka asks for
//!      ▲                                                   metadata and joins anew, under the name it has, as soon as
//!      └──── a look at a committed offset, now and then    there is a coordinator; it owns what it owned
//! ```
//!
//! librdkafka looks at the session's end only while it doesn't want to join, so wanting to join is what helps. It does so
//! cooperatively: nothing is given back. In the eager protocol, and where the broker assigns (KIP-848), all this is left
//! out: the one would give everything back, the other has no such end of a session.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, RebalanceProtocol};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::kafka::rebalances::Events;
use crate::kafka::{fault, lock};
use crate::port::{LogError, Result, Subscription};

/// How old an answer may be before one is asked for.
const RECENT: Duration = Duration::from_secs(1);

/// A thread that watches the coordinator of one member, until it is dropped.
pub(super) struct Pulse {
    heard: Arc<Mutex<Instant>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    /// Watches the coordinator of `client`, whose session is given up after `session` without an answer.
    pub(super) fn start(
        client: &Arc<BaseConsumer<Events>>,
        subscription: &Subscription,
        session: Duration,
    ) -> Result<Self> {
        let heard = Arc::new(Mutex::new(Instant::now()));
        let (stop, stopped) = channel::<()>();
        let mut watcher = Watcher {
            client: client.clone(),
            topics: subscription.topics.clone(),
            heard: heard.clone(),
            patience: session / 3,
            hold: session - session / 6,
            holding: false,
        };
        let work = move || {
            while stopped.recv_timeout(watcher.pause()) == Err(RecvTimeoutError::Timeout) {
                watcher.look();
            }
        };
        let thread = thread::Builder::new().name("kafka-pulse".into()).spawn(work);
        let thread = thread.map_err(|error| LogError::Broken(format!("no thread can be started: {error}")))?;
        Ok(Self {
            heard,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The coordinator has just answered.
    pub(super) fn heard(&self) {
        *lock(&self.heard) = Instant::now();
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches the group's coordinator has panicked");
        }
    }
}

struct Watcher {
    client: Arc<BaseConsumer<Events>>,
    topics: Vec<String>,
    heard: Arc<Mutex<Instant>>,
    /// How long a look may take: a connection over which it takes longer is given up by librdkafka.
    patience: Duration,
    /// How long a silence may last before the session has to be kept alive.
    hold: Duration,
    holding: bool,
}

impl Watcher {
    /// When to look again: no later than the silence is too long.
    fn pause(&self) -> Duration {
        match self.hold.saturating_sub(lock(&self.heard).elapsed()) {
            left if self.holding || left.is_zero() => RECENT,
            left => left.min(RECENT),
        }
    }

    fn look(&mut self) {
        if !matches!(self.client.rebalance_protocol(), RebalanceProtocol::Cooperative) {
            return;
        }
        let silence = lock(&self.heard).elapsed();
        if silence >= self.hold && !self.holding {
            // A question comes too late now: waiting for its answer would take longer than the session lasts.
            self.hold_on();
        } else if silence < RECENT || self.asked(silence) {
            self.release();
        }
    }

    /// Whether the coordinator answers a question.
    fn asked(&self, silence: Duration) -> bool {
        let mut list = TopicPartitionList::new();
        self.topics.iter().take(1).for_each(|topic| {
            list.add_partition(topic, 0);
        });
        let left = self.hold.saturating_sub(silence);
        let patience = if self.holding {
            self.patience
        } else {
            self.patience.min(left)
        };
        let answered = match self.client.committed_offsets(list, patience) {
            Ok(list) => list.elements().iter().all(|element| is_answer(element.error())),
            Err(error) => is_answer(Err(error)),
        };
        if answered {
            *lock(&self.heard) = Instant::now();
        }
        answered
    }

    fn hold_on(&mut self) {
        tracing::debug!("the group's coordinator is silent; joining anew under the same name");
        let patterns: Vec<String> = self.topics.iter().map(|topic| pattern(topic)).collect();
        self.holding = self.subscribe(&patterns);
    }

    /// Patterns cost a look at all topics every now and then.
    fn release(&mut self) {
        if self.holding {
            self.holding = !self.subscribe(&self.topics);
        }
    }

    fn subscribe(&self, topics: &[String]) -> bool {
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let subscribed = self.client.subscribe(&topics);
        if let Err(error) = &subscribed {
            tracing::debug!(%error, "while keeping a session");
        }
        subscribed.is_ok()
    }
}

/// A coordinator's refusal is an answer, too; that somebody is no coordinator, or not yet, is none.
fn is_answer(outcome: KafkaResult<()>) -> bool {
    match outcome.map_err(|error| error.rdkafka_error_code()) {
        Ok(()) => true,
        Err(code) => code.is_some_and(|code| !fault::is_own(code) && !fault::is_settling(code)),
    }
}

/// A pattern that matches this topic alone. Names consist of letters, digits, `.`, `_` and `-`.
fn pattern(topic: &str) -> String {
    format!("^{}$", topic.replace('.', "\\."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_coordinator_says_is_an_answer() {
        use rdkafka::error::{KafkaError, RDKafkaErrorCode as E};
        assert!(is_answer(Ok(())));
        assert!(is_answer(Err(KafkaError::OffsetFetch(E::GroupAuthorizationFailed))));
        for none in [
            E::OperationTimedOut,
            E::InProgress,
            E::NotCoordinator,
            E::CoordinatorLoadInProgress,
        ] {
            assert!(!is_answer(Err(KafkaError::OffsetFetch(none))), "{none}");
        }
    }

    #[test]
    fn a_dot_in_a_topic_s_name_is_a_dot() {
        assert_eq!(pattern("kafka.scaling-1_a"), "^kafka\\.scaling-1_a$");
    }
}
