//! Creating and growing topics, and reading their settings.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigSource, NewPartitions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication, TopicResult,
};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};

use crate::kafka::client::{Watch, start};
use crate::kafka::fault;
use crate::kafka::fault::Right;
use crate::kafka::settings::Settings;
use crate::kafka::timeouts::CALL_TIMEOUT;
use crate::port::{LogError, Result};

/// The number of copies that leaves the choice to the brokers.
const BROKER_DEFAULT: i32 = -1;

/// Creates a topic. Returns `false` if it exists already.
pub(super) fn create_topic(settings: &Settings, topic: &str, partitions: u32) -> Result<bool> {
    let what = format!("topic {topic} can't be created on Kafka at {}", settings.bootstrap());
    let Some(count) = i32::try_from(partitions).ok().filter(|count| *count > 0) else {
        return Err(LogError::Refused(format!(
            "{what}: a topic has at least one partition, not {partitions}"
        )));
    };
    let admin: AdminClient<Watch> = start(&settings.admin(), Watch::default())?;
    let new = NewTopic::new(topic, count, TopicReplication::Fixed(BROKER_DEFAULT));
    match single_outcome(block_on(admin.create_topics([&new], &options()))) {
        Outcome::Done => Ok(true),
        Outcome::Refused(RDKafkaErrorCode::TopicAlreadyExists) => Ok(false),
        Outcome::Refused(code) => Err(denied(&what, "Create", topic, code)),
        Outcome::Failed(error) => Err(admin.inner().context().explain(&what, &error)),
    }
}

/// Grows a topic to `partitions` partitions in all.
pub(super) fn grow_topic(settings: &Settings, topic: &str, partitions: u32) -> Result<()> {
    let what = format!("topic {topic} can't be grown to {partitions} partitions");
    let admin: AdminClient<Watch> = start(&settings.admin(), Watch::default())?;
    let new = NewPartitions::new(topic, partitions as usize);
    match single_outcome(block_on(admin.create_partitions([&new], &options()))) {
        Outcome::Done => Ok(()),
        Outcome::Refused(code) => Err(denied(&what, "Alter", topic, code)),
        Outcome::Failed(error) => Err(admin.inner().context().explain(&what, &error)),
    }
}

/// The settings of a topic by name, including the brokers' defaults.
pub(super) fn topic_settings(settings: &Settings, topic: &str) -> Result<BTreeMap<String, String>> {
    let what = format!("the settings of topic {topic} can't be read");
    let admin: AdminClient<Watch> = start(&settings.admin(), Watch::default())?;
    let answer = block_on(admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options()));
    match answer.map(|mut answers| answers.pop()) {
        Ok(Some(Ok(found))) => {
            let settings = found.entries.into_iter();
            Ok(settings.filter_map(|entry| Some((entry.name, entry.value?))).collect())
        }
        Ok(Some(Err(code))) => Err(denied(&what, "DescribeConfigs", topic, code)),
        Ok(None) => Err(fault::no_topic(topic)),
        Err(error) => Err(admin.inner().context().explain(&what, &error)),
    }
}

/// The largest batch that a topic takes, in bytes (`max.message.bytes`). `None` if the brokers don't say so within
/// `patience`.
pub(super) fn largest_batch(admin: &AdminClient<Watch>, topic: &str, patience: Duration) -> Option<usize> {
    let deadline = Instant::now() + patience;
    let (limit, source) = batch_limit(admin, &[ResourceSpecifier::Topic(topic)], deadline)?;
    if source == ConfigSource::DynamicTopic {
        return Some(limit);
    }
    // Without a limit of its own, each partition of the topic has the limit of the broker that leads it.
    let left = deadline.saturating_duration_since(Instant::now());
    let metadata = admin.inner().fetch_metadata(Some(topic), left).ok()?;
    let partitions = metadata.topics().first()?.partitions();
    let leaders: BTreeSet<i32> = partitions.iter().map(|partition| partition.leader()).collect();
    // The limit of a partition without a leader is not known, so none is returned.
    leaders.first().filter(|leader| **leader >= 0)?;
    leaders.into_iter().try_fold(limit, |largest, leader| {
        // librdkafka sends the request to a certain broker only if it asks for that broker's settings too, which are
        // ignored.
        let about = [ResourceSpecifier::Topic(topic), ResourceSpecifier::Broker(leader)];
        let (limit, _) = batch_limit(admin, &about, deadline)?;
        Some(largest.max(limit))
    })
}

/// A topic's `max.message.bytes`, and where this setting comes from.
fn batch_limit(
    admin: &AdminClient<Watch>,
    about: &[ResourceSpecifier<'_>],
    deadline: Instant,
) -> Option<(usize, ConfigSource)> {
    let left = deadline.saturating_duration_since(Instant::now());
    let options = AdminOptions::new().request_timeout(Some(left));
    let answers = block_on(admin.describe_configs(about, &options)).ok()?;
    let of_topic = |specifier: &OwnedResourceSpecifier| matches!(specifier, OwnedResourceSpecifier::Topic(_));
    let topic = answers
        .into_iter()
        .flatten()
        .find(|answer| of_topic(&answer.specifier))?;
    let setting = topic
        .entries
        .into_iter()
        .find(|entry| entry.name == "max.message.bytes")?;
    Some((setting.value?.parse().ok()?, setting.source))
}

/// The error for a request that the brokers have refused, and for which they require the right `operation`.
fn denied(what: &str, operation: &'static str, topic: &str, code: RDKafkaErrorCode) -> LogError {
    let missing = Right::topic(operation, topic).missing(what, Some(code));
    missing.unwrap_or_else(|| fault::sort_code(what, code))
}

/// What became of a request about one topic.
enum Outcome {
    Done,
    /// The brokers answered with this code.
    Refused(RDKafkaErrorCode),
    /// The brokers did not answer.
    Failed(rdkafka::error::KafkaError),
}

/// The outcome of a request about one topic, which has one result.
fn single_outcome(answers: KafkaResult<Vec<TopicResult>>) -> Outcome {
    match answers.map(|mut answers| answers.pop()) {
        Ok(Some(Err((_, code)))) => Outcome::Refused(code),
        Ok(_) => Outcome::Done,
        Err(error) => Outcome::Failed(error),
    }
}

/// The timeouts of a request.
fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(CALL_TIMEOUT))
        .operation_timeout(Some(CALL_TIMEOUT))
}

/// Waits for a future of librdkafka on this thread. The request's own timeout bounds the wait.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A waker that unparks a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
