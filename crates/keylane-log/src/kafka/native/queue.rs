//! Takes messages out of the queue of a member.
//!
//! It does what the poll of rust-rdkafka does, but for the allocation and the looks at the clock that each message costs
//! there. The queue stays rust-rdkafka's, and who polls it makes no difference to librdkafka.

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::ClientContext as _;
use rdkafka::bindings as native;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::message;
use super::request::{Event, Owned, elements, text};
use crate::kafka::convert::Topics;
use crate::kafka::rebalances::Events;
use crate::record::Record;

/// The queue from which a member's records, rebalances and errors come.
pub(in crate::kafka) struct Queue {
    // Dropped before the client.
    native: Owned<native::rd_kafka_queue_t>,
    client: Arc<BaseConsumer<Events>>,
}

// SAFETY: librdkafka's queues may be used by any thread.
unsafe impl Send for Queue {}

impl Queue {
    /// The queue of `client`, which belongs to a group.
    pub(in crate::kafka) fn of(client: &Arc<BaseConsumer<Events>>) -> Self {
        let client = client.clone();
        // SAFETY: the client lives as long as the queue, which is freed by its owner.
        let native = unsafe {
            let native = native::rd_kafka_queue_get_consumer(client.client().native_ptr());
            Owned::new(native, native::rd_kafka_queue_destroy)
        };
        Self { native, client }
    }

    /// Waits up to `patience` for a record, whose texts `copy` copies, or for an error. Returns `None` if none has come,
    /// and also if something else has, which has then been dealt with.
    pub(in crate::kafka) fn pop(
        &self,
        patience: Duration,
        topics: &mut Topics,
        copy: impl FnMut(&[u8]) -> Bytes,
    ) -> Option<KafkaResult<Record>> {
        let patience = c_int::try_from(patience.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the queue lives. An event is freed by its owner, after what it holds was copied.
        unsafe {
            let event = native::rd_kafka_queue_poll(self.native.get(), patience);
            if event.is_null() {
                return None;
            }
            let event = Owned::new(event, native::rd_kafka_event_destroy);
            match native::rd_kafka_event_type(event.get()) {
                native::RD_KAFKA_EVENT_FETCH => {
                    let message = native::rd_kafka_event_message_next(event.get());
                    return (!message.is_null()).then(|| match (*message).err {
                        native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {
                            Ok(message::record(message, topics, copy))
                        }
                        code => Err(KafkaError::MessageConsumption(code.into())),
                    });
                }
                native::RD_KAFKA_EVENT_ERROR => return Some(Err(self.error(&event))),
                native::RD_KAFKA_EVENT_REBALANCE => self.rebalance(&event),
                native::RD_KAFKA_EVENT_LOG => self.log(&event),
                // Answers to commits are received elsewhere, and neither statistics nor tokens are asked for here.
                _ => {}
            }
            None
        }
    }

    /// Notes a line of librdkafka's log, in which some failures are told that are told nowhere else.
    ///
    /// # Safety
    /// The event must be one of the log.
    unsafe fn log(&self, event: &Event) {
        let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
        unsafe {
            if native::rd_kafka_event_log(event.get(), &raw mut facility, &raw mut line, &raw mut level) == 0 {
                let context = self.client.client().context();
                context.log(severity(level), text(facility).trim(), text(line).trim());
            }
        }
    }

    /// Notes an error, and returns it.
    ///
    /// # Safety
    /// The event must be one of an error.
    unsafe fn error(&self, event: &Event) -> KafkaError {
        unsafe {
            let code = native::rd_kafka_event_error(event.get()).into();
            let reason = text(native::rd_kafka_event_error_string(event.get()));
            let context = self.client.client().context();
            context.error(KafkaError::Global(code), reason.trim());
            match native::rd_kafka_event_error_is_fatal(event.get()) {
                0 => KafkaError::MessageConsumption(code),
                _ => KafkaError::MessageConsumptionFatal(code),
            }
        }
    }

    /// Notes a rebalance.
    ///
    /// # Safety
    /// The event must be one of a rebalance.
    unsafe fn rebalance(&self, event: &Event) {
        unsafe {
            let kind = native::rd_kafka_event_error(event.get());
            let native = &*native::rd_kafka_event_topic_partition_list(event.get());
            let mut list = TopicPartitionList::with_capacity(native.cnt as usize);
            for element in elements(native.elems, native.cnt as usize) {
                let topic = CStr::from_ptr(element.topic).to_string_lossy();
                list.add_partition(&topic, element.partition);
            }
            let context = self.client.client().context();
            context.rebalance(&self.client, kind, &mut list);
        }
    }
}

/// The level of a line of librdkafka's log, which counts as syslog does.
fn severity(level: c_int) -> RDKafkaLogLevel {
    use RDKafkaLogLevel as Level;
    match level {
        ..=0 => Level::Emerg,
        1 => Level::Alert,
        2 => Level::Critical,
        3 => Level::Error,
        4 => Level::Warning,
        5 => Level::Notice,
        6 => Level::Info,
        7.. => Level::Debug,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;
    use std::time::Instant;

    use rdkafka::ClientConfig;

    use super::*;
    use crate::kafka::cause::Cause;

    /// A connection that was closed is told in a line of the log alone.
    #[test]
    fn lines_of_the_log_are_noted() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = server.local_addr().expect("it listens").to_string();
        thread::spawn(move || server.incoming().for_each(drop));
        let client = ClientConfig::new()
            .set("bootstrap.servers", address)
            .set("group.id", "group")
            .set_log_level(RDKafkaLogLevel::Info)
            .create_with_context::<_, BaseConsumer<Events>>(Events::default());
        let client = Arc::new(client.expect("a client"));
        client.subscribe(&["topic"]).expect("subscribed");
        let queue = Queue::of(&client);
        let watch = &client.client().context().watch;
        let deadline = Instant::now() + Duration::from_secs(60);
        while !matches!(watch.cause(), Some(Cause::Closed | Cause::PerhapsListener)) {
            assert!(Instant::now() < deadline, "no line told that the connection was closed");
            queue.pop(
                Duration::from_millis(20),
                &mut Topics::default(),
                Bytes::copy_from_slice,
            );
        }
    }
}
