//! Takes messages out of the queue of a member.
//!
//! It does what the poll of rust-rdkafka does, but for the allocation and the looks at the clock that each message costs
//! there. The queue stays rust-rdkafka's, and who polls it makes no difference to librdkafka.

use std::ffi::{CStr, c_int};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::ClientContext as _;
use rdkafka::bindings as native;
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
                // Answers to commits are received elsewhere, and nothing else was asked for.
                _ => {}
            }
            None
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
