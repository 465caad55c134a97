//! The properties of librdkafka's clients: this adapter's choices first, then the user's.
//!
//! librdkafka has one list of properties for producers and consumers. Each client gets only those for its own kind,
//! because librdkafka logs a warning for the others.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::kafka::fault;
use crate::port::{LogError, Result, Subscription};

/// The property that says who assigns partitions: the members themselves, or the broker (KIP-848).
const GROUP_PROTOCOL: &str = "group.protocol";

/// Properties that are the broker's choice with KIP-848. librdkafka then does not start a client that has one of them.
const CLASSIC_ONLY: [&str; 3] = [
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "partition.assignment.strategy",
];

/// Properties of members, which other clients must not have.
const MEMBER_ONLY: [&str; 4] = [
    GROUP_PROTOCOL,
    "group.remote.assignor",
    "max.poll.interval.ms",
    INSTANCE,
];

/// The most bytes of a batch of several records, unless the user chooses otherwise.
const BATCH_SIZE: usize = 1_000_000;

/// The property that makes a member static: the group keeps its place for a member that comes back with the same id.
const INSTANCE: &str = "group.instance.id";

/// Properties on which an invariant rests: the values that may be given, which say what is so anyway, and the reason
/// why no others may.
const FIXED: [(&[&str], &[&str], &str); 12] = [
    (
        &["bootstrap.servers", "metadata.broker.list"],
        &[],
        "the brokers are given separately",
    ),
    (&["group.id"], &[], "the group is given separately"),
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
        "the adapter itself watches for the ends of partitions",
    ),
    (&["enable.idempotence"], &["true"], "retries would change the order"),
    (
        &["enable.gapless.guarantee"],
        &["true"],
        "a refused batch must stop the batches behind it",
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
        "appends rely on its default",
    ),
];

/// Properties for consumers only, besides those that begin with `fetch.`, `group.` or `queued.`.
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

/// Properties for producers only, besides those that begin with `queue.buffering.` or `compression.`.
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

/// The kinds of clients that a property is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Both,
    Consumer,
    Producer,
}

/// How a producer puts records into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Batching {
    /// A batch has as many records as are waiting.
    Several,
    /// A batch has one record, so that the broker's refusal of a batch names the record.
    Single,
}

/// The brokers' addresses, and the user's properties, which have been checked.
#[derive(Clone)]
pub(super) struct Settings {
    bootstrap: String,
    properties: Vec<(String, String)>,
}

impl Settings {
    /// Checks the properties. Returns [`LogError::Refused`] for one that is unknown, malformed, or not to be chosen.
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

    /// The brokers' addresses as the user gave them.
    pub(super) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The properties of a client that creates and grows topics, or describes topics and groups.
    pub(super) fn admin(&self) -> ClientConfig {
        let mut config = self.common();
        self.add_chosen(&mut config, |name| {
            side(name) == Side::Both && !MEMBER_ONLY.contains(&name)
        });
        config
    }

    /// The properties of a producer. A batch of several records has at most `batch_size` bytes.
    pub(super) fn producer(&self, batching: Batching, batch_size: usize) -> ClientConfig {
        let mut config = self.common();
        config
            .set("partitioner", "murmur2_random")
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "0")
            .set("queue.buffering.max.kbytes", "65536")
            // The brokers' limits are lower. This one only keeps records out of the queue that no broker would take.
            .set("message.max.bytes", "10485760");
        self.add_chosen(&mut config, |name| side(name) != Side::Consumer);
        config.set("batch.size", batch_size.to_string());
        if batching == Batching::Single {
            config.set("batch.num.messages", "1");
        }
        config
    }

    /// The most bytes of a batch of several records, for topics that take batches of up to `limit` bytes.
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

    /// The properties of a client that asks about topics and their extents.
    pub(super) fn looker(&self) -> ClientConfig {
        let mut config = self.observer("");
        config.remove("group.id").remove("enable.partition.eof");
        config
    }

    /// The properties of a client that reads records, or the offsets of `group`, without joining the group.
    pub(super) fn observer(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(group);
        config
            .set("enable.partition.eof", "true")
            // A client that changes partitions waits for the fetch in progress, which the broker holds back for this
            // long.
            .set("fetch.wait.max.ms", "20");
        let member = |name: &str| MEMBER_ONLY.contains(&name) || CLASSIC_ONLY.contains(&name);
        self.add_chosen(&mut config, |name| side(name) != Side::Producer && !member(name));
        config
    }

    /// The properties of a member of a group.
    pub(super) fn member(&self, subscription: &Subscription) -> Result<ClientConfig> {
        let mut config = self.consumer(&subscription.group);
        let session = subscription.session_timeout.as_millis().max(1);
        let interval = max_poll_interval(subscription, self.session(subscription)).as_millis();
        config
            .set("client.id", subscription.client_id())
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
        self.add_chosen(&mut config, |name| side(name) != Side::Producer);
        // All instances get the same properties, but two members with one id would fence each other.
        if let Some(given) = config.get(INSTANCE).map(str::to_owned) {
            config.set(INSTANCE, format!("{given}-{}", subscription.member));
        }
        Ok(config)
    }

    /// What a member calls itself before others: the user's choice, or else what the subscription says.
    pub(super) fn client_id(&self, subscription: &Subscription) -> String {
        self.given("client.id")
            .map_or_else(|| subscription.client_id(), str::to_owned)
    }

    /// Whether the broker assigns partitions (KIP-848).
    pub(super) fn broker_assigns(&self) -> bool {
        self.given(GROUP_PROTOCOL)
            .is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"))
    }

    /// The session timeout of a member: the user's choice, or else that of the subscription.
    pub(super) fn session(&self, subscription: &Subscription) -> Duration {
        let given = self.given("session.timeout.ms").and_then(|given| given.parse().ok());
        given.map_or(subscription.session_timeout, Duration::from_millis)
    }

    /// The value that the user gave a property. If there are several, the last one counts.
    fn given(&self, property: &str) -> Option<&str> {
        let given = self.properties.iter().rev().find(|(name, _)| name == property);
        given.map(|(_, value)| value.as_str())
    }

    /// The properties of all clients.
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

    /// librdkafka reports a closed connection at the level of information, which explains later errors.
    fn log_level(&self) -> RDKafkaLogLevel {
        match self.given("debug") {
            Some(_) => RDKafkaLogLevel::Debug,
            None => RDKafkaLogLevel::Info,
        }
    }

    /// The properties of all consumers.
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

    /// Adds the user's properties whose names are `wanted`.
    fn add_chosen(&self, config: &mut ClientConfig, wanted: impl Fn(&str) -> bool) {
        for (name, value) in self.properties.iter().filter(|(name, _)| wanted(name)) {
            config.set(name, value);
        }
    }
}

/// How long a polling thread may be busy besides a drain: with commits and requests that are not answered and repeated,
/// and with the work of its caller between two polls.
const BUSY_TIME: Duration = Duration::from_secs(30);

/// The longest time between two polls of a member. librdkafka starts no client for which it is shorter than the
/// session.
fn max_poll_interval(subscription: &Subscription, session: Duration) -> Duration {
    session.max(subscription.drain_timeout + BUSY_TIME)
}

/// Checks one property, with librdkafka's help.
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

/// The kinds of clients that a property is for.
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
            note: String::new(),
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
    fn the_property_debug_lowers_the_log_level() {
        assert!(matches!(member("1", &[]).log_level, RDKafkaLogLevel::Info));
        let debug = member("1", &[("debug", "cgrp")]);
        assert!(matches!(debug.log_level, RDKafkaLogLevel::Debug));
    }

    #[test]
    fn a_poll_interval_is_for_members_only() {
        let brief = ("max.poll.interval.ms".to_owned(), "6000".to_owned());
        let settings = Settings::new("localhost:1", vec![brief]).unwrap();
        let observer = settings
            .observer("delivery")
            .create::<rdkafka::consumer::BaseConsumer>();
        assert!(
            observer.is_ok(),
            "a client that joins no group has no session that would have to be shorter"
        );
    }
}
