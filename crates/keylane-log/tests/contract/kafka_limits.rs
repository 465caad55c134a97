//! Records that are too large for a topic. They are refused before they are sent, by the same comparison as the brokers
//! make, to the byte.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use keylane_log::{EventLog, Header, LogError, NewRecord, Offset};
use rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as NativeHeader, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, ClientContext};

use crate::kafka_only::{admin, answered, simulated, tool};
use crate::member::{TIMEOUT, partition};
use crate::records::{append, keyed, placed_at, topic};
use crate::world::{Kafka, World};

/// Sets the largest batch that the topic takes, in bytes.
fn limit(world: &Kafka, topic: &str, bytes: usize) {
    let bytes = bytes.to_string();
    let limit = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", &bytes);
    let altered = answered(admin(world).alter_configs([&limit], &AdminOptions::new()));
    assert!(altered.expect("the topic's limit is set")[0].is_ok());
}

fn sized(number: u32, bytes: usize) -> NewRecord {
    placed_at(number, vec![b'x'; bytes])
}

/// Bytes that can't be compressed.
fn noise(bytes: usize) -> Bytes {
    let next = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Some((*state >> 56) as u8)
    };
    std::iter::repeat_n((), bytes)
        .scan(7, |state, ()| next(state))
        .collect()
}

fn is_refused<T>(answer: &Result<T, LogError>, words: &str) -> bool {
    matches!(answer, Err(LogError::Refused(why)) if why.contains(words))
}

/// The ids of the producers that have written to a partition. Each session of a producer has an id of its own.
fn sessions(world: &Kafka, topic: &str, number: u32) -> BTreeSet<String> {
    let number = number.to_string();
    let told = tool("kafka-transactions")
        .args(["--bootstrap-server", world.bootstrap(), "describe-producers"])
        .args(["--topic", topic, "--partition", &number])
        .output()
        .expect("the tool runs");
    let text = String::from_utf8(told.stdout).expect("it prints text");
    assert!(told.status.success(), "{text}{}", String::from_utf8_lossy(&told.stderr));
    let number_of = |line: &str| line.split_whitespace().next().map(str::to_owned);
    text.lines().skip(1).filter_map(number_of).collect()
}

#[test]
fn records_that_are_too_large_do_not_disturb_the_others() {
    let world = Kafka::new();
    let log = world.open();
    let topic = topic(&*log, "interleaved", 1);
    limit(&world, &topic, 20_000);
    let mut next = 0;
    for round in 0..2 {
        // The good records are too many for one batch that the topic takes.
        let good = |n: u32| placed_at(0, format!("{round}-{n}-{}", "-".repeat(200)));
        let records = (0..300).flat_map(|n| [sized(0, 30_000), good(n)]).collect();
        for pair in log.append(&topic, records, TIMEOUT).chunks(2) {
            assert!(is_refused(&pair[0], "max.message.bytes is 20000"), "{:?}", pair[0]);
            let place = pair[1].as_ref().map(|placed| placed.offset);
            assert_eq!(place, Ok(Offset(next)), "the good records stand in order, each once");
            next += 1;
        }
    }
    let sessions = sessions(&world, &topic, 0);
    assert_eq!(sessions.len(), 1, "{sessions:?}");
}

/// The topic also takes batches of several records, up to its limit.
#[test]
fn a_limit_below_what_is_ordinary_is_learnt_from_the_first_refusal() {
    let world = Kafka::new();
    let log = world.open();
    let topic = topic(&*log, "learnt", 1);
    limit(&world, &topic, 1_000);
    for round in 0..5 {
        let good = |n: u32| placed_at(0, format!("{round}-{n}-{}", "-".repeat(200)));
        let records = (0..50).flat_map(|n| [sized(0, 1_000), good(n)]).collect();
        for pair in log.append(&topic, records, TIMEOUT).chunks(2) {
            assert!(is_refused(&pair[0], "max.message.bytes is 1000"), "{:?}", pair[0]);
            assert!(pair[1].is_ok(), "{:?}", pair[1]);
        }
    }
    let sessions = sessions(&world, &topic, 0);
    // The first producer fails, the second one sends the records singly, and the third one is used from then on.
    assert!(sessions.len() <= 3, "{sessions:?}");
}

/// A producer that compares no sizes and sends each record alone, to learn what the broker says.
struct BareProducer(BaseProducer<LastReport>);

/// The broker's report for the last record, if it has come: the error, if there was one.
#[derive(Default)]
struct LastReport(Mutex<Option<Option<KafkaError>>>);

impl ClientContext for LastReport {}

impl ProducerContext for LastReport {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let error = result.as_ref().err().map(|(error, _)| error.clone());
        *self.0.lock().expect("no holder of the lock panics") = Some(error);
    }
}

impl BareProducer {
    fn new(world: &Kafka) -> Self {
        let properties = [
            ("bootstrap.servers", world.bootstrap()),
            ("acks", "all"),
            ("linger.ms", "0"),
            ("batch.num.messages", "1"),
            ("message.max.bytes", "10000000"),
        ];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let config = ClientConfig::from_iter(properties.map(own));
        Self(
            config
                .create_with_context(LastReport::default())
                .expect("a producer starts"),
        )
    }

    /// Whether the broker takes the record.
    fn takes(&self, topic: &str, record: &NewRecord) -> bool {
        let mut native: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(0);
        native.key = record.key.as_deref();
        native.payload = record.value.as_deref();
        native.timestamp = Some(record.timestamp.0);
        if !record.headers.is_empty() {
            let insert = |headers: OwnedHeaders, Header { name, value }: &Header| {
                let (key, value) = (name, value.as_deref());
                headers.insert(NativeHeader { key, value })
            };
            native.headers = Some(record.headers.iter().fold(OwnedHeaders::new(), insert));
        }
        self.0.send(native).map_err(|(error, _)| error).expect("it is queued");
        match self.wait_for_report() {
            None => true,
            Some(error) => {
                let code = error.rdkafka_error_code();
                assert_eq!(code, Some(RDKafkaErrorCode::MessageSizeTooLarge));
                false
            }
        }
    }

    /// Waits for the broker's report, and returns its error, if there was one.
    fn wait_for_report(&self) -> Option<KafkaError> {
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline {
            self.0.poll(Duration::from_millis(1));
            if let Some(error) = self.0.context().0.lock().expect("no holder of the lock panics").take() {
                return error;
            }
        }
        panic!("the broker does not answer")
    }
}

/// Compares the decisions for records of every size around a limit, with and without keys and headers.
#[test]
fn the_broker_draws_the_same_line_to_the_byte() {
    let world = Kafka::new();
    let log = world.open();
    let topic = topic(&*log, "boundary", 1);
    let bare = BareProducer::new(&world);
    let none = Header {
        name: "none".into(),
        value: None,
    };
    let headers = vec![Header::text("주문", "x".repeat(70)), none, Header::text("", "")];
    let shaped = |bytes: usize, key: Option<&'static str>, headers: &[Header]| NewRecord {
        key: key.map(Bytes::from),
        headers: headers.to_vec(),
        ..sized(0, bytes)
    };
    // From 8192 on a length takes one more byte: that of the record, or that of its value.
    for bytes in [8_254, 8_255, 8_256, 8_265, 20_000] {
        limit(&world, &topic, bytes);
        let known = format!("max.message.bytes is {bytes}");
        let deadline = Instant::now() + TIMEOUT;
        while !is_refused(&log.append(&topic, vec![sized(0, 30_000)], TIMEOUT)[0], &known) {
            assert!(Instant::now() < deadline, "the new limit is never seen");
        }
        for (key, headers) in [(None, &[][..]), (Some(""), &[]), (Some("order-6"), &headers)] {
            let mut taken = Vec::new();
            for length in bytes - 240..bytes - 60 {
                let record = shaped(length, key, headers);
                let answer = log.append(&topic, vec![record.clone()], TIMEOUT).remove(0);
                let local = is_refused(&answer, &known);
                assert!(local || answer.is_ok(), "{length}: {answer:?}");
                assert_eq!(
                    !local,
                    bare.takes(&topic, &record),
                    "{length} of {bytes}, {key:?}: {answer:?}"
                );
                taken.push(!local);
            }
            assert!(
                taken[0] && !taken[taken.len() - 1],
                "sizes on both sides of the limit were tried"
            );
        }
    }
}

#[test]
fn a_limit_that_is_changed_counts_soon() {
    let world = Kafka::new();
    let log = world.open();
    let topic = topic(&*log, "changed", 1);
    let send = || log.append(&topic, vec![sized(0, 30_000)], TIMEOUT).remove(0);
    limit(&world, &topic, 20_000);
    assert!(is_refused(&send(), "max.message.bytes is 20000"));
    limit(&world, &topic, 40_000);
    let deadline = Instant::now() + TIMEOUT;
    while send().is_err() {
        assert!(Instant::now() < deadline, "the record is refused for ever");
    }
    // The limit is not asked for, since records of this size were taken before, and the broker refuses the record.
    limit(&world, &topic, 10_000);
    assert!(is_refused(&send(), &topic));
    assert!(is_refused(&send(), "max.message.bytes is 10000"));
    append(&*log, &topic, vec![sized(0, 9_000)]);
}

/// If batches are compressed, only the broker knows how large they are.
#[test]
fn the_size_of_compressed_batches_is_left_to_the_broker() {
    for name in ["compression.type", "compression.codec"] {
        let world = Kafka::with(&[(name, "lz4")]);
        let log = world.open();
        let topic = topic(&*log, "compressed", 1);
        limit(&world, &topic, 20_000);
        append(&*log, &topic, vec![sized(0, 30_000), keyed("6", vec![b'x'; 1_000_000])]);
        let results = log.append(&topic, vec![placed_at(0, noise(30_000)), placed_at(0, "v")], TIMEOUT);
        assert!(is_refused(&results[0], &topic), "{results:?}");
        assert!(results[1].is_ok(), "{results:?}");
    }
}

/// The simulated brokers describe no settings.
#[test]
fn the_broker_decides_where_the_limit_is_not_known() {
    let (brokers, log) = simulated("untold");
    append(&log, "untold", vec![sized(0, 30_000)]);
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    brokers.request_errors(RDKafkaApiKey::Produce, &[refused]);
    let answer = log.append("untold", vec![sized(0, 30_000)], TIMEOUT).remove(0);
    assert!(is_refused(&answer, "untold"), "{answer:?}");
    append(&log, "untold", vec![sized(0, 30_000)]);
}

#[test]
fn the_broker_s_own_limit_refuses_only_the_guilty() {
    // There are many batches, so that some are in flight behind the refused one. They are compressed, so that no record
    // is refused before it is sent.
    let world = Kafka::with(&[("batch.num.messages", "10"), ("compression.type", "lz4")]);
    let log = world.open();
    let topic = topic(&*log, "limit", 2);
    limit(&world, &topic, 20_000);
    let large = noise(30_000);
    let mut records: Vec<_> = (0..300)
        .map(|n| placed_at(n % 2, format!("{n}-{}", "-".repeat(200))))
        .collect();
    records.insert(100, placed_at(0, large.clone()));
    records.insert(200, placed_at(1, large));
    records.push(sized(0, 11_000_000));
    let results = log.append(&topic, records.clone(), TIMEOUT);
    let guilty: Vec<usize> = (0..results.len()).filter(|index| results[*index].is_err()).collect();
    assert_eq!(
        guilty,
        [100, 200, 302],
        "{:?}",
        guilty.first().map(|index| &results[*index])
    );
    for index in guilty {
        assert!(is_refused(&results[index], &topic), "{:?}", results[index]);
    }
    in_order_of_first_appearance(&*log, &topic, &records);
    append(&*log, &topic, vec![placed_at(0, "afterwards")]);
}

/// Checks that every small record stands in its partition, and that their first appearances are in order.
fn in_order_of_first_appearance(log: &dyn EventLog, topic: &str, records: &[keylane_log::NewRecord]) {
    for number in 0..2 {
        let read = log
            .read(&partition(topic, number), Offset(0), 10_000)
            .expect("the partition is read");
        let mut seen = Vec::new();
        for value in read.into_iter().filter_map(|record| record.value) {
            if !seen.contains(&value) {
                seen.push(value);
            }
        }
        let small = |value: &Bytes| value.len() < 20_000;
        let own = records
            .iter()
            .filter(|record| record.partition.map(|own| own.0) == Some(number));
        let expected: Vec<Bytes> = own.filter_map(|record| record.value.clone()).filter(small).collect();
        assert!(seen == expected, "partition {number}");
    }
}
