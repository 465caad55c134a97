//! One librdkafka producer and the thread that takes its delivery reports.

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
use crate::kafka::settings::Settings;
use crate::kafka::{ANSWER, convert, fault, lock};
use crate::port::{LogError, Result};
use crate::record::{NewRecord, Offset, Placed};

/// How often the reporting thread looks whether it should end.
const LOOK_UP: Duration = Duration::from_millis(250);

/// How long a full queue is given to empty a little before the same record is tried again.
const QUEUE_FULL: Duration = Duration::from_millis(2);

/// How long the reports of purged records are waited for; librdkafka makes them up by itself.
const PURGED: Duration = Duration::from_secs(1);

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It stands in the log.
    Placed(Placed),
    /// librdkafka did not even take it into its queue.
    NotTaken(RDKafkaErrorCode),
    /// It was sent, or waited to be sent, and failed.
    Failed(RDKafkaErrorCode),
    /// Nothing is known of it.
    Unanswered,
}

/// A producer, good for calls one after the other until one of them fails.
pub(super) struct Producer {
    client: Arc<BaseProducer<Reports>>,
    stop: Arc<AtomicBool>,
    reporter: Option<JoinHandle<()>>,
    batch_size: usize,
}

impl Producer {
    /// `single`: each record travels alone, so that a refusal names its record. Several together make a batch of
    /// `batch_size` bytes at most.
    pub(super) fn start(settings: &Settings, single: bool, batch_size: usize) -> Result<Self> {
        let client: BaseProducer<Reports> = client::start(&settings.producer(single, batch_size), Reports::default())?;
        let client = Arc::new(client);
        let stop = Arc::new(AtomicBool::new(false));
        let reporter = thread::Builder::new().name("kafka-reports".into()).spawn({
            let (client, stop) = (client.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Acquire) {
                    client.poll(LOOK_UP);
                }
            }
        });
        let reporter = reporter.map_err(|error| LogError::Broken(format!("no thread can be started: {error}")))?;
        Ok(Self {
            client,
            stop,
            reporter: Some(reporter),
            batch_size,
        })
    }

    /// How large it lets a batch of several records become.
    pub(super) fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Enqueues `records` strictly in order, waits for their reports until `deadline`, and answers for each.
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
                // Once a record has failed, those behind it must not be sent any more: they would stand in the log with a
                // hole before them.
                self.client.purge(PurgeConfig::default().queue().inflight());
                reports.wait_for_all(Instant::now() + PURGED);
            }
            Waited::TimeIsUp => {}
        }
        let deliveries = reports.take();
        deliveries.into_iter().map(|delivery| self.told(delivery)).collect()
    }

    /// Whoever may write nowhere is refused a session; of the records librdkafka then says only that they are gone.
    fn told(&self, delivery: Delivery) -> Delivery {
        use RDKafkaErrorCode::{Fatal, PurgeQueue};
        if !matches!(delivery, Delivery::Failed(PurgeQueue) | Delivery::NotTaken(Fatal)) {
            return delivery;
        }
        match self.client.client().fatal_error() {
            Some((code, _)) if fault::refuses_topic(code) => Delivery::Failed(code),
            _ => delivery,
        }
    }

    /// Explains a failure by what was heard last from the brokers.
    pub(super) fn explain(&self, what: &str, code: RDKafkaErrorCode) -> LogError {
        self.client
            .context()
            .watch
            .explain(what, &KafkaError::MessageProduction(code))
    }

    /// Hands one record to librdkafka. While the queue is full, this record alone is tried again, so that no later
    /// record overtakes it.
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
        let mut asked = false;
        loop {
            let Err((error, again)) = self.client.send(native) else {
                return Ok(());
            };
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::InvalidArgument);
            match code {
                RDKafkaErrorCode::QueueFull if Instant::now() < deadline => thread::sleep(QUEUE_FULL),
                // The caller has seen the partition; this client's metadata is older.
                RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopic if !asked => {
                    asked = true;
                    let _refreshed = self.client.client().fetch_metadata(Some(topic), ANSWER);
                }
                code => return Err(code),
            }
            native = again;
        }
    }
}

/// Nothing of a producer survives it: what it still holds is purged, and its connections are closed.
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

/// The reports of one call.
#[derive(Default)]
struct Reports {
    watch: Watch,
    pending: Mutex<Pending>,
    answered: Condvar,
}

#[derive(Default)]
struct Pending {
    deliveries: Vec<Delivery>,
    open: usize,
    failed: bool,
}

impl Reports {
    fn expect(&self, records: usize) {
        *lock(&self.pending) = Pending {
            deliveries: vec![Delivery::Unanswered; records],
            open: records,
            failed: false,
        };
    }

    fn note(&self, index: usize, delivery: Delivery) {
        let mut pending = lock(&self.pending);
        let Some(slot @ Delivery::Unanswered) = pending.deliveries.get_mut(index) else {
            return;
        };
        *slot = delivery;
        pending.open -= 1;
        pending.failed |= matches!(delivery, Delivery::Failed(_));
        if pending.open == 0 || pending.failed {
            self.answered.notify_all();
        }
    }

    /// Waits until every record is answered for, or one has failed, or time is up.
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
