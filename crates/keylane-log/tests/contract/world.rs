//! Where a case runs: a log that can be opened several times, as several processes do, and names that no other test
//! uses.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keylane_log::{EventLog, Subscription};

/// A place that holds one log.
pub trait World: Sync {
    /// Opens the log once more, as another process does, or the same one after a restart.
    fn open(&self) -> Box<dyn EventLog>;
}

/// Makes a name that no other test and no other run uses.
pub fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970");
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{what}-{}-{:x}-{number}", std::process::id(), now.as_micros())
}

/// A subscription whose member is taken for dead after 6 s, the shortest time that brokers allow by default.
pub fn subscription(group: &str, topic: &str, member: &str) -> Subscription {
    Subscription {
        group: group.to_owned(),
        topics: vec![topic.to_owned()],
        member: member.to_owned(),
        note: String::new(),
        session_timeout: Duration::from_secs(6),
        drain_timeout: Duration::from_secs(5),
    }
}

/// The embedded log in a temporary folder.
#[cfg(feature = "embedded")]
pub struct Embedded(tempfile::TempDir);

#[cfg(feature = "embedded")]
impl Embedded {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }
}

#[cfg(feature = "embedded")]
impl World for Embedded {
    fn open(&self) -> Box<dyn EventLog> {
        let options = keylane_log::embedded::EmbeddedOptions::default();
        Box::new(keylane_log::embedded::EmbeddedLog::open(self.0.path(), options).expect("the log opens"))
    }
}

/// The embedded log in memory. Its time goes on by a millisecond whenever a process looks at its clock.
#[cfg(feature = "embedded")]
pub struct Memory(keylane_log::embedded::InMemoryLog);

#[cfg(feature = "embedded")]
impl Memory {
    pub fn new() -> Self {
        let log = keylane_log::embedded::InMemoryLog::new(clocks());
        Self(log.expect("there is memory"))
    }
}

#[cfg(feature = "embedded")]
impl World for Memory {
    fn open(&self) -> Box<dyn EventLog> {
        Box::new(self.0.process(clocks()))
    }
}

#[cfg(feature = "embedded")]
fn clocks() -> keylane_log::embedded::Clocks {
    let looks = std::sync::atomic::AtomicU64::new(0);
    keylane_log::embedded::Clocks {
        wall: std::sync::Arc::new(|| SystemTime::now().into()),
        monotonic: std::sync::Arc::new(move || Duration::from_millis(looks.fetch_add(1, Ordering::Relaxed))),
    }
}

/// Kafka at the address in `MALL_TEST_KAFKA`.
#[cfg(feature = "kafka")]
pub struct Kafka {
    bootstrap: String,
    properties: Vec<(String, String)>,
}

#[cfg(feature = "kafka")]
impl Kafka {
    pub fn new() -> Self {
        Self::with(&[])
    }

    pub fn with(properties: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            bootstrap: std::env::var("MALL_TEST_KAFKA")
                .expect("MALL_TEST_KAFKA must be the address (host:port) of a Kafka broker to test with"),
            properties: properties.iter().map(own).collect(),
        }
    }

    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

#[cfg(feature = "kafka")]
impl World for Kafka {
    fn open(&self) -> Box<dyn EventLog> {
        let log = keylane_log::kafka::KafkaLog::connect(&self.bootstrap, self.properties.clone());
        Box::new(log.expect("the clients start"))
    }
}
