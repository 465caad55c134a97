//! A producer of librdkafka, and the thread that takes its delivery reports.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig};

use crate::kafka::client::{self, Watch};
use crate::kafka::settings::{Batching, Settings};
use crate::kafka::timeouts::CALL_TIMEOUT;
use crate::kafka::{convert, fault};
use crate::port::{LogError, Result};
use crate::record::{NewRecord, Offset, Placed};
use crate::sync::lock;

/// How often the reporting thread looks whether it has to end.
const STOP_CHECK: Duration = Duration::from_millis(250);

/// Pause before the same record is tried again if librdkafka's queue is full.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(2);

/// The longest wait for the reports of purged records, which librdkafka makes without a broker.
const PURGE_TIMEOUT: Duration = Duration::from_secs(1);

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The record stands in the log.
    Placed(Placed),
    /// librdkafka did not take the record into its queue, for this reason.
    NotTaken(RDKafkaErrorCode),
    /// librdkafka had the record in its queue, and could not deliver it for this reason.
    Failed(RDKafkaErrorCode),
    /// There was no report in time, so it is unknown whether the record stands in the log.
    Unanswered,
}

/// A producer. It may be used for one call after the other until one of them fails.
pub(super) struct Producer {
    client: Arc<BaseProducer<Reports>>,
    stop: Arc<AtomicBool>,
    reporter: Option<JoinHandle<()>>,
    /// The most bytes of a batch of several records.
    batch_size: usize,
}

impl Producer {
    /// Starts a producer whose batches of several records have at most `batch_size` bytes.
    pub(super) fn start(settings: &Settings, batching: Batching, batch_size: usize) -> Result<Self> {
        let client: BaseProducer<Reports> =
            client::start(&settings.producer(batching, batch_size), Reports::default())?;
        let client = Arc::new(client);
        let stop = Arc::new(AtomicBool::new(false));
        let reporter = thread::Builder::new().name("kafka-reports".into()).spawn({
            let (client, stop) = (client.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Acquire) {
                    client.poll(STOP_CHECK);
                }
            }
        });
        let reporter = reporter.map_err(|error| LogError::Broken(format!("a thread could not be started: {error}")))?;
        Ok(Self {
            client,
            stop,
            reporter: Some(reporter),
            batch_size,
        })
    }

    /// The most bytes of a batch of several records.
    pub(super) fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Enqueues `records` strictly in order, and waits for their reports until `deadline`. Returns what became of each.
    pub(super) fn send(&self, topic: &str, records: &[&NewRecord], deadline: Instant) -> Vec<Delivery> {
        let reports = self.client.context();
        reports.expect(records.len());
        for (index, record) in records.iter().enumerate() {
            match self.enqueue(topic, index, record, deadline) {
                Ok(()) => {}
                Err(RDKafkaErrorCode::QueueFull) => break,
                Err(code) => reports.note(index, Delivery::NotTaken(code)),
            }
        }
        match reports.wait(deadline) {
            Waited::AllPlaced => reports.watch.clear(),
            Waited::SomeFailed => {
                // The records behind a failed one must not be sent any more, or they would stand in the log without
                // it before them.
                self.client.purge(PurgeConfig::default().queue().inflight());
                reports.wait_for_all(Instant::now() + PURGE_TIMEOUT);
            }
            Waited::TimeIsUp => {}
        }
        let deliveries = reports.take();
        deliveries
            .into_iter()
            .map(|delivery| self.with_reason(delivery))
            .collect()
    }

    /// Replaces the code of a record that was purged because of a missing right. Without the right to write to any
    /// topic the broker refuses the producer's session, and librdkafka then only reports that the records were purged.
    fn with_reason(&self, delivery: Delivery) -> Delivery {
        use RDKafkaErrorCode::{Fatal, PurgeQueue};
        if !matches!(delivery, Delivery::Failed(PurgeQueue) | Delivery::NotTaken(Fatal)) {
            return delivery;
        }
        match self.client.client().fatal_error() {
            Some((code, _)) if fault::refuses_topic(code) => Delivery::Failed(code),
            _ => delivery,
        }
    }

    /// Turns a code into an error of the log, with the last reason that librdkafka has reported.
    pub(super) fn explain(&self, what: &str, code: RDKafkaErrorCode) -> LogError {
        self.client
            .context()
            .watch
            .explain(what, &KafkaError::MessageProduction(code))
    }

    /// Hands one record to librdkafka. While the queue is full, the same record is tried again, so that no later record
    /// overtakes it.
    fn enqueue(
        &self,
        topic: &str,
        index: usize,
        record: &NewRecord,
        deadline: Instant,
    ) -> Result<(), RDKafkaErrorCode> {
        let mut native: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(topic, index);
        native.partition = record.partition.map(convert::native_partition);
        native.timestamp = Some(record.timestamp.0);
        native.key = record.key.as_deref();
        native.payload = record.value.as_deref();
        native.headers = convert::native_headers(&record.headers);
        let mut refreshed = false;
        loop {
            let Err((error, again)) = self.client.send(native) else {
                return Ok(());
            };
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::InvalidArgument);
            match code {
                RDKafkaErrorCode::QueueFull if Instant::now() < deadline => thread::sleep(QUEUE_FULL_PAUSE),
                // The caller knows that the partition exists, so this client's metadata is too old.
                RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopic if !refreshed => {
                    refreshed = true;
                    let _metadata = self.client.client().fetch_metadata(Some(topic), CALL_TIMEOUT);
                }
                code => return Err(code),
            }
            native = again;
        }
    }
}

/// Purges the records that the producer still holds, and closes its connections.
impl Drop for Producer {
    fn drop(&mut self) {
        self.client.purge(PurgeConfig::default().queue().inflight());
        self.stop.store(true, Ordering::Release);
        if let Some(reporter) = self.reporter.take()
            && reporter.join().is_err()
        {
            tracing::error!("the thread that takes Kafka's delivery reports has panicked");
        }
    }
}

/// The delivery reports of the current call.
#[derive(Default)]
struct Reports {
    watch: Watch,
    pending: Mutex<Pending>,
    answered: Condvar,
}

#[derive(Default)]
struct Pending {
    /// What is known of each record.
    deliveries: Vec<Delivery>,
    /// How many records have no report yet.
    open: usize,
    failed: bool,
}

impl Reports {
    /// Begins a call with this many records.
    fn expect(&self, records: usize) {
        *lock(&self.pending) = Pending {
            deliveries: vec![Delivery::Unanswered; records],
            open: records,
            failed: false,
        };
    }

    fn note(&self, index: usize, delivery: Delivery) {
        let mut pending = lock(&self.pending);
        let Some(unanswered @ Delivery::Unanswered) = pending.deliveries.get_mut(index) else {
            return;
        };
        *unanswered = delivery;
        pending.open -= 1;
        pending.failed |= matches!(delivery, Delivery::Failed(_));
        if pending.open == 0 || pending.failed {
            self.answered.notify_all();
        }
    }

    /// Waits until every record has a report, one has failed, or the time is up.
    fn wait(&self, deadline: Instant) -> Waited {
        let pending = self.wait_while(deadline, |pending| pending.open > 0 && !pending.failed);
        match (pending.failed, pending.open) {
            (true, _) => Waited::SomeFailed,
            (false, 0) => Waited::AllPlaced,
            (false, _) => Waited::TimeIsUp,
        }
    }

    fn wait_for_all(&self, deadline: Instant) {
        drop(self.wait_while(deadline, |pending| pending.open > 0));
    }

    fn wait_while(&self, deadline: Instant, condition: impl FnMut(&mut Pending) -> bool) -> MutexGuard<'_, Pending> {
        let patience = deadline.saturating_duration_since(Instant::now());
        let waited = self
            .answered
            .wait_timeout_while(lock(&self.pending), patience, condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn take(&self) -> Vec<Delivery> {
        std::mem::take(&mut lock(&self.pending).deliveries)
    }
}

/// Why a wait for reports ended.
#[derive(Debug, PartialEq, Eq)]
enum Waited {
    AllPlaced,
    SomeFailed,
    TimeIsUp,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.note_log(level, facility, message);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.note(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        let delivery = match result {
            Ok(message) => Delivery::Placed(Placed {
                partition: convert::partition(message.partition()),
                offset: Offset(message.offset().max(0) as u64),
            }),
            Err((error, _)) => Delivery::Failed(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        self.note(index, delivery);
    }
}
