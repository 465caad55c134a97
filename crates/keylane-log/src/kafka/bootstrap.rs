//! Brings a client back that has forgotten every broker.
//!
//! A broker that comes back after its controller has given it up answers for a moment that its cluster has no brokers.
//! librdkafka believes it (from 2.10 on; issue 5301 of confluentinc/librdkafka): it lets go of the connection that it
//! has, and then there is nobody whom it could ask again. It stays silent for ever, and no error tells of it. Being given
//! the bootstrap servers once more is what gets it going.
//!
//! A client whose brokers are merely away is different: it goes on trying, and each failure is heard of.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::kafka::client::Watch;
use crate::kafka::lock;
use crate::kafka::settings::Settings;

/// How long a client without a connection may say nothing before it is taken to have forgotten its brokers. One whose
/// brokers are away says so after each attempt, and an attempt takes six seconds at most.
const SILENT: Duration = Duration::from_secs(10);

/// The bootstrap servers, for one client.
pub(super) struct Bootstrap {
    servers: CString,
    /// When they were last given; at first by whoever made the client.
    given: Mutex<Instant>,
}

impl Bootstrap {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            // What was given to librdkafka once has no zero byte.
            servers: CString::new(settings.bootstrap()).unwrap_or_default(),
            given: Mutex::new(Instant::now()),
        }
    }

    /// Gives `client`, which has no connection to any broker, the servers again if it has been silent about that.
    pub(super) fn repeat_if_silent<C: ConsumerContext>(&self, client: &BaseConsumer<C>, watch: &Watch) {
        let mut given = lock(&self.given);
        if given.elapsed() < SILENT || watch.silence() < SILENT {
            return;
        }
        *given = Instant::now();
        tracing::debug!("a client knows no brokers any more and is given the bootstrap servers again");
        // SAFETY: the client lives as long as `client`, which is borrowed; the text is copied.
        unsafe { native::rd_kafka_brokers_add(client.client().native_ptr(), self.servers.as_ptr()) };
    }
}

/// Whether `client` has a connection to a broker at this moment. A question that may not wait comes back at once where
/// there is nobody to ask.
pub(super) fn is_connected<C: ConsumerContext>(client: &BaseConsumer<C>, topic: &str) -> bool {
    let answer = client.fetch_metadata(Some(topic), Duration::from_millis(1));
    !matches!(
        answer,
        Err(KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure))
    )
}
