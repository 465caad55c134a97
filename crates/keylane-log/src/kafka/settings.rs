//! What librdkafka is told: this adapter's choices, then the user's.
//!
//! librdkafka has one flat list of properties. Each client gets those of its own side only, since a producer complains
//! about a consumer's property and the other way round.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::kafka::fault;
use crate::port::{LogError, Result, Subscription};

/// How a consumer group is formed: by the members themselves, or by the broker (KIP-848).
const GROUP_PROTOCOL: &str = "group.protocol";

/// Properties which KIP-848 leaves to the broker: librdkafka does not start a client that has one of them.
const CLASSIC_ONLY: [&str; 3] = [
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "partition.assignment.strategy",
];

/// Properties of a membership, which clients that only look must not have.
const MEMBER_ONLY: [&str; 4] = [
    GROUP_PROTOCOL,
    "group.remote.assignor",
    "max.poll.interval.ms",
    INSTANCE,
];

/// How large a batch of several records becomes at most, unless it is chosen otherwise.
const BATCH_SIZE: usize = 1_000_000;

/// What makes a membership static: the group keeps its place for whoever comes back under the same id.
const INSTANCE: &str = "group.instance.id";

/// Properties that carry an invariant: the values that may be given (they say what is so anyway), and why no other.
const FIXED: [(&[&str], &[&str], &str); 12] = [
    (
        &["bootstrap.servers", "metadata.broker.list"],
        &[],
        "the brokers are named elsewhere",
    ),
    (&["group.id"], &[], "the group is named elsewhere"),
    (
        &["enable.auto.commit", "auto.commit.enable"],
        &["false"],
        "an offset is committed only once its work is done",
    ),
    (
        &["enable.auto.offset.store"],
        &["false"],
        "an offset is committed only once its work is done",
    ),
    (
        &["auto.offset.reset"],
        &["earliest", "smallest", "beginning"],
        "new partitions are read from their beginning",
    ),
    (
        &["enable.partition.eof"],
        &[],
        "ends of partitions are watched internally",
    ),
    (&["enable.idempotence"], &["true"], "retries would change the order"),
    (
        &["enable.gapless.guarantee"],
        &["true"],
        "a refused batch must stop those behind it",
    ),
    (
        &["acks", "request.required.acks"],
        &["all", "-1"],
        "an acknowledged record must survive a broker",
    ),
    (
        &["message.timeout.ms", "delivery.timeout.ms"],
        &["0"],
        "a timeout would leave holes in the order",
    ),
    (
        &["partitioner"],
        &["murmur2_random"],
        "keys must lie where Java producers put them",
    ),
    (
        &["transactional.id", "queuing.strategy", "delivery.report.only.error"],
        &[],
        "appends rely on it",
    ),
];

/// What only consumers know, beside what begins with `fetch.`, `group.` or `queued.`.
const CONSUMER_SIDE: [&str; 14] = [
    "partition.assignment.strategy",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "coordinator.query.interval.ms",
    "max.poll.interval.ms",
    "enable.auto.commit",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "max.partition.fetch.bytes",
    "isolation.level",
    "check.crcs",
    "consume.callback.max.messages",
];

/// What only producers know, beside what begins with `queue.buffering.` or `compression.`.
const PRODUCER_SIDE: [&str; 15] = [
    "enable.idempotence",
    "enable.gapless.guarantee",
    "linger.ms",
    "message.send.max.retries",
    "retries",
    "batch.num.messages",
    "batch.size",
    "sticky.partitioning.linger.ms",
    "acks",
    "request.required.acks",
    "request.timeout.ms",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "transaction.timeout.ms",
    "partitioner",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Both,
    Consumer,
    Producer,
}

/// Brokers and properties, checked.
#[derive(Clone)]
pub(super) struct Settings {
    bootstrap: String,
    properties: Vec<(String, String)>,
}

impl Settings {
    /// Refuses properties that are unknown, malformed or not the user's to choose.
    pub(super) fn new(bootstrap: &str, properties: Vec<(String, String)>) -> Result<Self> {
        if bootstrap.trim().is_empty() {
            return Err(LogError::Refused("no Kafka broker is named: give host:port".into()));
        }
        for (name, value) in &properties {
            check(name, value)?;
        }
        Ok(Self {
            bootstrap: bootstrap.to_owned(),
            properties,
        })
    }

    /// Where the brokers are said to be, for messages.
    pub(super) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// For creating and growing topics.
    pub(super) fn admin(&self) -> ClientConfig {
        let mut config = self.common();
        self.give(&mut config, |name| {
            side(name) == Side::Both && !MEMBER_ONLY.contains(&name)
        });
        config
    }

    /// For appends. `single`: each record travels alone, so that a refusal names its record. Several together make a batch
    /// of `batch_size` bytes at most.
    pub(super) fn producer(&self, single: bool, batch_size: usize) -> ClientConfig {
        let mut config = self.common();
        config
            .set("partitioner", "murmur2_random")
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "0")
            .set("queue.buffering.max.kbytes", "65536")
            // The broker's limit decides; this one only keeps nonsense out of the queue.
            .set("message.max.bytes", "10485760");
        self.give(&mut config, |name| side(name) != Side::Consumer);
        config.set("batch.size", batch_size.to_string());
        if single {
            config.set("batch.num.messages", "1");
        }
        config
    }

    /// How large a batch of several records may become, where the topics take no larger ones than `limit`.
    pub(super) fn batch_size(&self, limit: Option<usize>) -> usize {
        let chosen = self.given("batch.size").and_then(|given| given.parse().ok());
        let limit = limit.unwrap_or(usize::MAX).max(1);
        chosen.unwrap_or(BATCH_SIZE).min(limit)
    }

    /// Whether batches may come to a broker smaller than they were made. The property has two names, and which of them
    /// librdkafka hears last is not said.
    pub(super) fn compresses(&self) -> bool {
        let codecs = ["compression.type", "compression.codec"].map(|name| self.given(name));
        codecs.into_iter().flatten().any(|codec| codec != "none")
    }

    /// For asking about topics and offsets.
    pub(super) fn looker(&self) -> ClientConfig {
        let mut config = self.observer("");
        config.remove("group.id").remove("enable.partition.eof");
        config
    }

    /// For reading records, or the offsets of `group`, without ever joining it.
    pub(super) fn observer(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(group);
        config
            .set("enable.partition.eof", "true")
            // Before it is pointed at something else, a client waits for the fetch that the broker holds back.
            .set("fetch.wait.max.ms", "20");
        let member = |name: &str| MEMBER_ONLY.contains(&name) || CLASSIC_ONLY.contains(&name);
        self.give(&mut config, |name| side(name) != Side::Producer && !member(name));
        config
    }

    /// For a member of a group.
    pub(super) fn member(&self, subscription: &Subscription) -> Result<ClientConfig> {
        let mut config = self.consumer(&subscription.group);
        let session = subscription.session_timeout.as_millis().max(1);
        let interval = max_poll_interval(subscription, self.session(subscription)).as_millis();
        config
            .set("client.id", &subscription.member)
            .set("max.poll.interval.ms", interval.to_string());
        if !self.broker_assigns() {
            config
                .set("session.timeout.ms", session.to_string())
                .set("heartbeat.interval.ms", (session / 20).clamp(100, 500).to_string())
                .set("partition.assignment.strategy", "cooperative-sticky");
        } else if let Some((name, _)) = self
            .properties
            .iter()
            .find(|(name, _)| CLASSIC_ONLY.contains(&name.as_str()))
        {
            return Err(LogError::Refused(format!(
                "property {name} can't be used with group.protocol=consumer: the broker decides it"
            )));
        }
        self.give(&mut config, |name| side(name) != Side::Producer);
        // Instances are given the same properties, and two members of one id fence each other.
        if let Some(given) = config.get(INSTANCE).map(str::to_owned) {
            config.set(INSTANCE, format!("{given}-{}", subscription.member));
        }
        Ok(config)
    }

    pub(super) fn broker_assigns(&self) -> bool {
        self.given(GROUP_PROTOCOL)
            .is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"))
    }

    /// librdkafka starts no client whose poll interval is shorter than its session, whoever has chosen that.
    pub(super) fn session(&self, subscription: &Subscription) -> Duration {
        let given = self.given("session.timeout.ms").and_then(|given| given.parse().ok());
        given.map_or(subscription.session_timeout, Duration::from_millis)
    }

    /// What the user has said of a property; the last word counts.
    fn given(&self, property: &str) -> Option<&str> {
        let given = self.properties.iter().rev().find(|(name, _)| name == property);
        given.map(|(_, value)| value.as_str())
    }

    fn common(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("topic.metadata.refresh.interval.ms", "2000")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("socket.timeout.ms", "10000")
            .set_log_level(self.log_level());
        config
    }

    /// A connection that is closed is told at the level of information, and explains what follows.
    fn log_level(&self) -> RDKafkaLogLevel {
        match self.given("debug") {
            Some(_) => RDKafkaLogLevel::Debug,
            None => RDKafkaLogLevel::Info,
        }
    }

    fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.common();
        config
            .set("group.id", group)
            .set("allow.auto.create.topics", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.error.backoff.ms", "100")
            .set("queued.max.messages.kbytes", "16384");
        config
    }

    fn give(&self, config: &mut ClientConfig, wanted: impl Fn(&str) -> bool) {
        for (name, value) in self.properties.iter().filter(|(name, _)| wanted(name)) {
            config.set(name, value);
        }
    }
}

/// How long a poll thread may be busy beside a drain: with commits and looks at committed offsets that are not answered,
/// over again, and with whatever its caller does between two polls.
const BUSY: Duration = Duration::from_secs(30);

fn max_poll_interval(subscription: &Subscription, session: Duration) -> Duration {
    session.max(subscription.drain_timeout + BUSY)
}

fn check(name: &str, value: &str) -> Result<()> {
    if let Some((_, allowed, why)) = FIXED.iter().find(|(names, ..)| names.contains(&name))
        && !allowed.contains(&value)
    {
        return Err(LogError::Refused(format!(
            "property {name}={value} is not allowed: {why}"
        )));
    }
    let probe = ClientConfig::new().set(name, value).create_native_config();
    probe.map(|_| ()).map_err(|error| fault::misconfigured(&error))
}

fn side(name: &str) -> Side {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if CONSUMER_SIDE.contains(&name) || begins(&["fetch.", "group.", "queued."]) {
        Side::Consumer
    } else if PRODUCER_SIDE.contains(&name) || begins(&["queue.buffering.", "compression."]) {
        Side::Producer
    } else {
        Side::Both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, properties: &[(&str, &str)]) -> ClientConfig {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let subscription = Subscription {
            group: "delivery".into(),
            topics: vec!["orders".into()],
            member: name.into(),
            session_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(15),
        };
        let settings = Settings::new("localhost:1", properties.iter().map(own).collect()).unwrap();
        settings.member(&subscription).unwrap()
    }

    #[test]
    fn instances_of_the_same_properties_are_told_apart() {
        let ids = ["delivery-1", "delivery-2"].map(|name| {
            let config = member(name, &[(INSTANCE, "seoul")]);
            config.get(INSTANCE).unwrap().to_owned()
        });
        assert_eq!(ids, ["seoul-delivery-1", "seoul-delivery-2"]);
        assert_eq!(member("delivery-1", &[]).get(INSTANCE), None);
    }

    #[test]
    fn the_poll_interval_has_room_for_a_drain_and_is_no_shorter_than_the_session() {
        let interval =
            |properties: &[(&str, &str)]| member("1", properties).get("max.poll.interval.ms").map(str::to_owned);
        assert_eq!(interval(&[]).as_deref(), Some("45000"));
        assert_eq!(interval(&[("session.timeout.ms", "60000")]).as_deref(), Some("60000"));
        let chosen = [("session.timeout.ms", "60000"), ("max.poll.interval.ms", "90000")];
        assert_eq!(interval(&chosen).as_deref(), Some("90000"));
        for properties in [&[("session.timeout.ms", "60000")][..], &chosen] {
            assert!(
                member("1", properties)
                    .create::<rdkafka::consumer::BaseConsumer>()
                    .is_ok()
            );
        }
    }

    #[test]
    fn whoever_asks_librdkafka_for_its_doings_is_told() {
        assert!(matches!(member("1", &[]).log_level, RDKafkaLogLevel::Info));
        let debug = member("1", &[("debug", "cgrp")]);
        assert!(matches!(debug.log_level, RDKafkaLogLevel::Debug));
    }

    #[test]
    fn a_poll_interval_is_the_member_s_alone() {
        let brief = ("max.poll.interval.ms".to_owned(), "6000".to_owned());
        let settings = Settings::new("localhost:1", vec![brief]).unwrap();
        let observer = settings
            .observer("delivery")
            .create::<rdkafka::consumer::BaseConsumer>();
        assert!(observer.is_ok(), "it has no session that would have to be shorter");
    }
}
