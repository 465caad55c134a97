//! Revives a client that has forgotten every broker.
//!
//! A broker that comes back after its controller has given it up answers for a moment that its cluster has no brokers.
//! librdkafka believes that (from 2.10 on; issue 5301 of confluentinc/librdkafka). It closes the connection that it
//! has, knows no broker that it could ask again, and stays silent for ever without an error. Giving it the bootstrap
//! servers once more makes it connect again.
//!
//! A client whose brokers are merely away goes on trying, and reports each failure.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::kafka::client::Watch;
use crate::kafka::settings::Settings;
use crate::sync::lock;

/// How long a client without a connection may report nothing before it is assumed to have forgotten its brokers. A
/// client whose brokers are away reports every failed attempt, and an attempt takes six seconds at most.
const SILENCE: Duration = Duration::from_secs(7);

/// The bootstrap servers, for one client.
pub(super) struct Bootstrap {
    servers: CString,
    /// When the client was given the servers last; at first this is when it was made.
    given: Mutex<Instant>,
}

impl Bootstrap {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            // The text has no zero byte, because librdkafka has accepted it before.
            servers: CString::new(settings.bootstrap()).unwrap_or_default(),
            given: Mutex::new(Instant::now()),
        }
    }

    /// Gives the servers to `client` again, which has no connection to any broker, if it has reported nothing for a
    /// while.
    pub(super) fn repeat_if_silent<C: ConsumerContext>(&self, client: &BaseConsumer<C>, watch: &Watch) {
        let mut given = lock(&self.given);
        if given.elapsed() < SILENCE || watch.silence() < SILENCE {
            return;
        }
        *given = Instant::now();
        tracing::debug!("a client knows no brokers any more and is given the bootstrap servers again");
        // SAFETY: the native client lives as long as `client`, which is borrowed, and librdkafka copies the text.
        unsafe { native::rd_kafka_brokers_add(client.client().native_ptr(), self.servers.as_ptr()) };
    }
}

/// Whether `client` has a connection to a broker at this moment. A request with the shortest timeout fails with another
/// code if there is no broker that it could be sent to.
pub(super) fn is_connected<C: ConsumerContext>(client: &BaseConsumer<C>, topic: &str) -> bool {
    let answer = client.fetch_metadata(Some(topic), Duration::from_millis(1));
    !matches!(
        answer,
        Err(KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure))
    )
}
