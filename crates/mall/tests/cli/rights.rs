//! The fewest rights that do: what is there is not created, and what is missing is named with the right it takes.

use keylane_log::partitioner::partition_of;

use super::program::{Ended, Folder};
use super::real::unique;
use super::support::http::{get, post};
use super::support::role::Role;
use super::support::secure::Secure;
use super::support::wait_for;

const ORDER: [(&str, &str); 5] = [
    ("customerId", "2000"),
    ("productId", "100"),
    ("productName", "RADIO"),
    ("qty", "3"),
    ("address", "PUSAN"),
];

/// A topic and a group of a test's own, on the Kafka that asks who one is.
struct Place {
    secure: &'static Secure,
    folder: Folder,
    topic: String,
    group: String,
}

impl Place {
    /// With a topic that an administrator has made.
    fn with_topic() -> Self {
        let place = Self::without_topic();
        let words = ["--create", "--topic", &place.topic, "--partitions", "2"];
        place.secure.administer("kafka-topics", &words);
        place
    }

    fn without_topic() -> Self {
        Self {
            secure: Secure::get(),
            folder: Folder::new(),
            topic: unique("rights"),
            group: unique("group"),
        }
    }

    fn words<'a>(&'a self, words: &[&'a str], properties: &'a [String]) -> Vec<&'a str> {
        let mut words = words.to_vec();
        words.extend(["--bootstrap-server", self.secure.at("SASL_PLAINTEXT")]);
        words.extend(["--topic", &self.topic, "--group", &self.group]);
        for property in properties {
            words.extend(["--kafka-property", property]);
        }
        words
    }

    fn role(&self, role: &'static str) -> Role {
        let properties = Secure::login("PLAIN", "mall", "1234");
        let words = self.words(&[role, "--port", "0"], &properties);
        let started = Role::start(role, &mut self.folder.command(&words));
        started.address();
        started
    }

    /// Runs a command that ends by itself.
    fn run(&self, user: &str, words: &[&str]) -> Ended {
        let properties = Secure::login("PLAIN", user, "1234");
        self.folder.run(&self.words(words, &properties))
    }

    /// Runs one of Kafka's tools.
    fn tool(&self, user: &str, words: &[&str]) -> Ended {
        self.fed(user, words, "")
    }

    /// The same with something to read.
    fn fed(&self, user: &str, words: &[&str], input: &str) -> Ended {
        let file = format!("{user}.properties");
        let properties = Secure::login("PLAIN", user, "1234").join("\n");
        std::fs::write(self.folder.path().join(&file), properties).expect("a file");
        let place = [
            "--bootstrap-server",
            self.secure.at("SASL_PLAINTEXT"),
            "--topic",
            &self.topic,
        ];
        let option = if words[0].starts_with("kafka-") {
            "--command-config"
        } else {
            "--kafka-config"
        };
        let config = [option, file.as_str()];
        self.folder.run_with(&[words, &place, &config].concat(), input)
    }

    fn on_topic(&self) -> [&str; 2] {
        ["--topic", &self.topic]
    }

    fn on_group(&self) -> [&str; 2] {
        ["--group", &self.group]
    }
}

#[test]
fn who_may_only_read_and_write_runs_the_mall_on_a_topic_that_is_there() {
    let place = Place::with_topic();
    place
        .secure
        .allow("mall", &["Read", "Write", "Describe"], &place.on_topic());
    place.secure.allow("mall", &["Read"], &place.on_group());
    let order = place.role("order");
    let delivery = place.role("delivery");
    let placed = post(order.address(), "/orders", &ORDER).id();
    delivery.wait_line(&format!("OrderPlaced order={placed} v1"));

    // Whoever only reads sees the same: the topic and how far the group is, without a right to join it.
    place.secure.allow("reader", &["Read", "Describe"], &place.on_topic());
    place.secure.allow("reader", &["Describe"], &place.on_group());
    let verified = wait_for("a verdict", || {
        let verified = place.run("reader", &["verify", "--wait", "20s"]);
        (verified.code == Some(0)).then_some(verified)
    });
    assert!(verified.out.contains("no harm"), "{verified:?}");
    let described = place.tool("reader", &["kafka-topics", "--describe"]);
    assert!(described.out.contains("PartitionCount: 2"), "{described:?}");
    let audited = place.tool("reader", &["audit"]);
    assert_eq!(audited.code, Some(0), "{audited:?}");
    let parked = [
        "parked",
        "list",
        "--bootstrap-server",
        place.secure.at("SASL_PLAINTEXT"),
    ];
    let parked = place
        .folder
        .run(&[&parked[..], &["--kafka-config", "reader.properties"]].concat());
    assert_eq!(parked.code, Some(0), "{parked:?}");
    let partition = partition_of(placed.to_string().as_bytes(), 2).to_string();
    let consumer = [
        "kafka-console-consumer",
        "--partition",
        &partition,
        "--offset",
        "earliest",
    ];
    let first = ["--max-messages", "1", "--timeout-ms", "60000"];
    let printed = place.tool("reader", &[&consumer[..], &first].concat()).out;
    assert!(printed.contains("\"eventType\":\"OrderPlaced\""), "{printed}");
}

/// What a topic takes is seen by whoever may describe its settings; the others are told by the broker, record by record.
#[test]
fn who_may_not_see_a_topic_s_limit_is_told_by_the_broker() {
    let place = Place::with_topic();
    let limit = [
        "--alter",
        "--entity-type",
        "topics",
        "--entity-name",
        &place.topic,
        "--add-config",
        "max.message.bytes=1000",
    ];
    place.secure.administer("kafka-configs", &limit);
    place.secure.allow("mall", &["Write", "Describe"], &place.on_topic());
    let order = place.role("order");
    let long = "X".repeat(250);
    let mut large = ORDER;
    for (name, value) in &mut large {
        if ["productId", "productName", "address"].contains(name) {
            *value = &long;
        }
    }
    let shows = |count: &str| {
        wait_for(count, || {
            get(order.address(), "/metrics").body.contains(count).then_some(())
        })
    };
    for count in 1..=3 {
        post(order.address(), "/orders", &large);
        post(order.address(), "/orders", &ORDER);
        shows(&format!("mall_blocked_orders {count}"));
        shows(&format!("mall_relay_published_total{{type=\"OrderPlaced\"}} {count}"));
    }
    order.wait_line("Message size too large");
    // Each refusal ended a session of the producer's, and the first of them is told.
    let told = |line: &&String| line.contains("Fatal error") && !line.contains("so far");
    let alarms = order.lines().iter().filter(told).count();
    assert_eq!(alarms, 1, "{}", order.said());
}

#[test]
fn a_right_that_is_missing_is_named() {
    let place = Place::without_topic();
    let start = |role| place.run("mall", &[role, "--port", "0"]);
    told(&start("order"), "the right Describe on topic", &place.topic);
    place.secure.allow("mall", &["Describe"], &place.on_topic());
    told(&start("order"), "the right Create on topic", &place.topic);
    place.secure.allow("mall", &["Create"], &place.on_topic());
    let delivery = start("delivery");
    told(&delivery, "the right Describe on group", &place.group);
    assert!(delivery.err.contains("created the topic"), "{delivery:?}");

    // One of them may write elsewhere, and so has a session.
    place
        .secure
        .allow("mall", &["Write"], &["--topic", &unique("elsewhere")]);
    place.secure.allow("reader", &["Describe"], &place.on_topic());
    for user in ["mall", "reader"] {
        let written = place.fed(user, &["kafka-console-producer"], "a line\n");
        let said = format!("the right Write on topic {} is missing", place.topic);
        assert!(written.err.contains(&said), "{user}: {written:?}");
    }
}

#[track_caller]
fn told(ended: &Ended, right: &str, name: &str) {
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let said = format!("{right} {name} is missing; give it with kafka-acls --add");
    assert!(ended.err.contains(&said), "{said}: {ended:?}");
    assert!(!ended.err.contains("trying for 30 s"), "{ended:?}");
}
