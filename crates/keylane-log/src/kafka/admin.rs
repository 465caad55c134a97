//! Creating, growing and deleting topics, and reading what the brokers tell of them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigEntry, ConfigSource, OwnedResourceSpecifier, ResourceSpecifier,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::kafka::client::{Watch, start};
use crate::kafka::fault;
use crate::kafka::fault::Right;
use crate::kafka::native::request::{Answer, RequestError};
use crate::kafka::native::topics as request;
use crate::kafka::settings::Settings;
use crate::kafka::timeouts::CALL_TIMEOUT;
use crate::kafka::topic_details::{TopicDetails, TopicSetting};
use crate::port::{LogError, Result};
use crate::topic::NewTopic;

/// Creates a topic. Returns `false` if it exists already.
pub(super) fn create_topic(settings: &Settings, topic: &NewTopic) -> Result<bool> {
    let what = format!(
        "topic {} can't be created on Kafka at {}",
        topic.name,
        settings.bootstrap()
    );
    let admin: AdminClient<Watch> = start(&settings.admin(), Watch::default())?;
    match request::create(&admin, topic) {
        Err(RequestError::Refused(RDKafkaErrorCode::TopicAlreadyExists, _)) => Ok(false),
        answer => judged(&admin, answer, &what, "Create", &topic.name).map(|()| true),
    }
}

/// Grows a topic to `partitions` partitions in all. `placement` has the nodes of each additional one, or nothing.
pub(super) fn grow_topic(settings: &Settings, topic: &str, partitions: u32, placement: &[Vec<i32>]) -> Result<()> {
    let what = format!("topic {topic} can't be grown to {partitions} partitions");
    let admin: AdminClient<Watch> = start(&settings.admin(), Watch::default())?;
    let answer = request::grow(&admin, topic, partitions, placement);
    judged(&admin, answer, &what, "Alter", topic)
}

/// Deletes a topic with all its records.
pub(super) fn delete_topic(settings: &Settings, topic: &str) -> Result<()> {
    let what = format!("topic {topic} can't be deleted");
    let admin: AdminClient<Watch> = start(&settings.admin(), Watch::default())?;
    judged(&admin, request::delete(&admin, topic), &what, "Delete", topic)
}

/// Sets settings of a topic; all others go back to the brokers' defaults.
pub(super) fn set_topic_settings(settings: &Settings, topic: &str, values: &[(&str, &str)]) -> Result<()> {
    let what = format!("the settings of topic {topic} can't be changed");
    let admin: AdminClient<Watch> = start(&settings.admin(), Watch::default())?;
    let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
    for (name, value) in values {
        change = change.set(name, value);
    }
    match block_on(admin.alter_configs([&change], &options())).map(|mut answers| answers.pop()) {
        Ok(Some(Ok(_))) => Ok(()),
        Ok(Some(Err((_, code)))) => Err(denied(&what, "AlterConfigs", topic, code, &code.to_string())),
        Ok(None) => Err(fault::no_topic(topic)),
        Err(error) => Err(admin.inner().context().explain(&what, &error)),
    }
}

/// What the brokers tell of topics beside their partitions, in the order of `topics`.
pub(super) fn topic_details(settings: &Settings, topics: &[&str]) -> Result<Vec<TopicDetails>> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let what = "the topics can't be described";
    let admin: AdminClient<Watch> = start(&settings.admin(), Watch::default())?;
    let mut ids = request::ids(&admin, topics).map_err(|error| explained(&admin, error, what))?;
    let about: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let answers = block_on(admin.describe_configs(&about, &options()));
    let mut answers = answers
        .map_err(|error| admin.inner().context().explain(what, &error))?
        .into_iter();
    let mut details = Vec::with_capacity(topics.len());
    for topic in topics {
        let what = format!("the settings of topic {topic} can't be read");
        let answer = answers.next().ok_or_else(|| fault::no_topic(topic))?;
        let found = answer.map_err(|code| denied(&what, "DescribeConfigs", topic, code, &code.to_string()))?;
        details.push(TopicDetails {
            id: ids.remove(*topic),
            settings: found.entries.into_iter().map(setting).collect(),
        });
    }
    Ok(details)
}

fn setting(entry: ConfigEntry) -> TopicSetting {
    TopicSetting {
        name: entry.name,
        value: entry.value,
        is_default: entry.is_default,
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
        Ok(Some(Err(code))) => Err(denied(&what, "DescribeConfigs", topic, code, &code.to_string())),
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

/// The error of a request about one topic, for which the brokers require the right `operation`.
fn judged(
    admin: &AdminClient<Watch>,
    answer: Answer<()>,
    what: &str,
    operation: &'static str,
    topic: &str,
) -> Result<()> {
    answer.map_err(|error| match error {
        RequestError::Refused(code, sentence) => denied(what, operation, topic, code, &sentence),
        failed @ RequestError::Failed(_) => explained(admin, failed, what),
    })
}

/// The error of a request that is about no single topic.
fn explained(admin: &AdminClient<Watch>, error: RequestError, what: &str) -> LogError {
    match error {
        RequestError::Refused(code, sentence) => fault::sort_refusal(what, code, &sentence),
        RequestError::Failed(code) => admin.inner().context().explain(what, &KafkaError::AdminOp(code)),
    }
}

/// The error for a request that the brokers have refused with this code and sentence.
fn denied(what: &str, operation: &'static str, topic: &str, code: RDKafkaErrorCode, sentence: &str) -> LogError {
    let missing = Right::topic(operation, topic).missing(what, Some(code));
    missing.unwrap_or_else(|| fault::sort_refusal(what, code, sentence))
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
