//! Keeps a membership through the death of its coordinator.
//!
//! The other brokers notice the death of a broker after nine seconds (Kafka's default). Only then does another one
//! coordinate its groups, with the members that it finds in the log. librdkafka however gives its membership up by
//! itself when a session has passed without an answer, and joins as a new member. With sessions of ten seconds that is
//! often just before the new coordinator is ready, which then waits another ten seconds for the old member. Java's
//! client keeps its membership instead.
//!
//! ```text
//!   answers ──▶ last_answer ── silence for 5/6 of a session ──▶ subscribe to the same topics by a pattern: librdkafka
//!      ▲                                                        asks for metadata and rejoins as the same member when
//!      └──── a request for a committed offset, once a second    there is a coordinator; it owns the same partitions
//! ```
//!
//! librdkafka ends a session only while it does not want to join, so a wish to join keeps the session. In the
//! cooperative protocol a member that rejoins gives nothing back. In the eager protocol it would give everything back,
//! and where the broker assigns (KIP-848) librdkafka does not end sessions by itself, so in both all this is left out.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, RebalanceProtocol};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::kafka::fault;
use crate::kafka::rebalances::Events;
use crate::port::{LogError, Result, Subscription};
use crate::sync::lock;

/// How old the last answer may be before the coordinator is asked for another.
const ANSWER_KEPT: Duration = Duration::from_secs(1);
/// By how much a look must be late for this process to have stood still.
const STANDSTILL: Duration = Duration::from_secs(1);

/// The owner of the thread that watches the coordinator of one member. Dropping it ends the thread.
pub(super) struct SessionKeeper {
    last_answer: Arc<Mutex<Instant>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SessionKeeper {
    /// Watches the coordinator of `client`, which gives its membership up after `session` without an answer.
    pub(super) fn start(
        client: &Arc<BaseConsumer<Events>>,
        subscription: &Subscription,
        session: Duration,
    ) -> Result<Self> {
        let last_answer = Arc::new(Mutex::new(Instant::now()));
        let (stop, stopped) = channel::<()>();
        let mut watcher = Watcher {
            client: client.clone(),
            topics: subscription.topics.clone(),
            last_answer: last_answer.clone(),
            request_timeout: session / 3,
            max_silence: session - session / 6,
            rejoining: false,
            looked: Instant::now(),
        };
        let work = move || {
            while stopped.recv_timeout(watcher.pause()) == Err(RecvTimeoutError::Timeout) {
                watcher.check();
            }
        };
        let thread = thread::Builder::new().name("kafka-session".into()).spawn(work);
        let thread = thread.map_err(|error| LogError::Broken(format!("a thread could not be started: {error}")))?;
        Ok(Self {
            last_answer,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Notes that the coordinator has just answered.
    pub(super) fn note_answer(&self) {
        *lock(&self.last_answer) = Instant::now();
    }
}

impl Drop for SessionKeeper {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches the group's coordinator has panicked");
        }
    }
}

/// What the thread owns.
struct Watcher {
    client: Arc<BaseConsumer<Events>>,
    topics: Vec<String>,
    /// When the coordinator answered last.
    last_answer: Arc<Mutex<Instant>>,
    /// Timeout of a request to the coordinator. librdkafka closes the connection if it takes longer.
    request_timeout: Duration,
    /// How long the coordinator may be silent before the session has to be kept alive.
    max_silence: Duration,
    /// Whether the client is subscribed by patterns, so that it wants to rejoin.
    rejoining: bool,
    /// When the thread has looked last.
    looked: Instant,
}

impl Watcher {
    /// The time until the next check, which comes no later than the end of the longest allowed silence.
    fn pause(&self) -> Duration {
        match self.max_silence.saturating_sub(lock(&self.last_answer).elapsed()) {
            left if self.rejoining || left.is_zero() => ANSWER_KEPT,
            left => left.min(ANSWER_KEPT),
        }
    }

    /// Asks the coordinator for an answer if the last is too old, and begins or ends the attempt to rejoin.
    fn check(&mut self) {
        if !matches!(self.client.rebalance_protocol(), RebalanceProtocol::Cooperative) {
            return;
        }
        let away = std::mem::replace(&mut self.looked, Instant::now()).elapsed();
        if stood_still(away, self.request_timeout) {
            *lock(&self.last_answer) = Instant::now();
            return;
        }
        let silence = lock(&self.last_answer).elapsed();
        if silence >= self.max_silence && !self.rejoining {
            // It is too late for a request: waiting for its answer would take longer than the session lasts.
            self.start_rejoining();
        } else if silence < ANSWER_KEPT || self.coordinator_answers(silence) {
            self.stop_rejoining();
        }
    }

    /// Asks the coordinator for a committed offset. Returns whether it has answered.
    fn coordinator_answers(&self, silence: Duration) -> bool {
        let mut list = TopicPartitionList::new();
        self.topics.iter().take(1).for_each(|topic| {
            list.add_partition(topic, 0);
        });
        let left = self.max_silence.saturating_sub(silence);
        let timeout = if self.rejoining {
            self.request_timeout
        } else {
            self.request_timeout.min(left)
        };
        let answered = match self.client.committed_offsets(list, timeout) {
            Ok(list) => list.elements().iter().all(|element| is_answer(element.error())),
            Err(error) => is_answer(Err(error)),
        };
        if answered {
            *lock(&self.last_answer) = Instant::now();
        }
        answered
    }

    /// Subscribes by patterns, which has librdkafka rejoin.
    fn start_rejoining(&mut self) {
        tracing::debug!("the group's coordinator is silent; the member joins anew under the same name");
        let patterns: Vec<String> = self.topics.iter().map(|topic| pattern(topic)).collect();
        self.rejoining = self.subscribe(&patterns);
    }

    /// Subscribes by names again, because patterns have librdkafka fetch the metadata of all topics regularly.
    fn stop_rejoining(&mut self) {
        if self.rejoining {
            self.rejoining = !self.subscribe(&self.topics);
        }
    }

    /// Subscribes, and returns whether librdkafka accepted it.
    fn subscribe(&self, topics: &[String]) -> bool {
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let subscribed = self.client.subscribe(&topics);
        if let Err(error) = &subscribed {
            tracing::debug!(%error, "the subscription could not be changed to keep the session");
        }
        subscribed.is_ok()
    }
}

/// Whether it was this process that stood still between two looks, and not the coordinator that was silent. Its session may
/// have ended meanwhile; then librdkafka is about to rejoin, and a change of the subscription at that moment makes it abort the
/// process (an assertion in `rd_kafka_cgrp_modify_subscription` of librdkafka 2.12).
fn stood_still(between_looks: Duration, request_timeout: Duration) -> bool {
    between_looks > request_timeout + ANSWER_KEPT + STANDSTILL
}

/// Whether the coordinator has answered. A refusal is an answer too, but not that of a broker that is not the
/// coordinator.
fn is_answer(outcome: KafkaResult<()>) -> bool {
    match outcome.map_err(|error| error.rdkafka_error_code()) {
        Ok(()) => true,
        Err(code) => code.is_some_and(|code| !fault::is_own(code) && !fault::is_settling(code)),
    }
}

/// A pattern that matches this topic alone. A topic's name consists of letters, digits, `.`, `_` and `-`.
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
        for code in [
            E::OperationTimedOut,
            E::InProgress,
            E::NotCoordinator,
            E::CoordinatorLoadInProgress,
        ] {
            assert!(!is_answer(Err(KafkaError::OffsetFetch(code))), "{code}");
        }
    }

    #[test]
    fn a_look_that_comes_much_too_late_says_nothing_about_the_coordinator() {
        let request = Duration::from_secs(3);
        for (seconds, expected) in [(1, false), (4, false), (5, false), (6, true), (60, true)] {
            let still = stood_still(Duration::from_secs(seconds), request);
            assert_eq!(still, expected, "after {seconds} s");
        }
    }

    #[test]
    fn a_dot_in_the_name_of_a_topic_matches_a_dot_only() {
        assert_eq!(pattern("kafka.scaling-1_a"), "^kafka\\.scaling-1_a$");
    }
}
