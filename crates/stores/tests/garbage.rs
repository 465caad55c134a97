//! Random records among an order's events: whatever a topic holds, the order ends in the state that its written events
//! lead to.
//!
//! `PROPTEST_CASES` says how many cases each property is tried with.
#![allow(missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keylane::{Attempt, Epoch, Handler, Outcome};
use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::{EventLog, Header, Offset, Partition, Record, Timestamp, TimestampType};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use shop::LogCalls;
use shop::commit::GroupCommit;
use shop::delivery::{DeliveryMetrics, Fence, FencedHandler, Gaps, Hold, Instance, ModifyDelay, OrderJournal, Sweeper};
use shop::domain::decide::ApplyKind;
use shop::domain::fence::FenceCommand;
use shop::domain::{OrderId, Source, Version};
use shop::records::{Incoming, Malformed, header_text, incoming};
use shop::store::{FenceStore, HistoryStore, Store};
use stores::sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const TOPIC: &str = "kafka.scaling";
const DEADLINE: Duration = Duration::from_secs(60);

/// A record with any headers and value.
fn record(headers: Vec<(String, Option<Vec<u8>>)>, value: Option<Vec<u8>>, key: Option<Vec<u8>>) -> Record {
    let header = |(name, value): (String, Option<Vec<u8>>)| Header {
        name,
        value: value.map(Bytes::from),
    };
    Record {
        topic: TOPIC.into(),
        partition: Partition(0),
        offset: Offset(0),
        timestamp: Timestamp(5),
        timestamp_type: TimestampType::CreateTime,
        key: key.map(Bytes::from),
        value: value.map(Bytes::from),
        headers: headers.into_iter().map(header).collect(),
    }
}

/// A header's value: a good one, one that is nearly good, or anything.
fn header_value() -> impl Strategy<Value = Option<Vec<u8>>> {
    let text =
        |texts: &'static [&'static str]| prop::sample::select(texts).prop_map(|text| Some(text.as_bytes().to_vec()));
    prop_oneof![
        4 => text(&["OrderPlaced", "OrderModified", "OrderCancelled", "\"OrderModified\"", "DeliveryStarted", "Payment"]),
        4 => (0..9_i64).prop_map(|number| Some(number.to_string().into_bytes())),
        2 => (0..9_i64).prop_map(|number| Some(format!("{number:020}").into_bytes())),
        2 => text(&["", "\"\"", "\"", "+1", "-1", " 1", "1 ", "1.0", "1e3", "9223372036854775807", "99999999999999999999"]),
        1 => any::<i64>().prop_map(|number| Some(number.to_string().into_bytes())),
        2 => vec(any::<u8>(), 0..12).prop_map(Some),
        1 => Just(None),
    ]
}

fn header() -> impl Strategy<Value = (String, Option<Vec<u8>>)> {
    let names: &[&str] = &[
        "type",
        "ce_sequence",
        "ce_subject",
        "traceparent",
        "contentType",
        "other",
    ];
    (prop::sample::select(names).prop_map(str::to_owned), header_value())
}

fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    let texts: &[&str] = &[
        "{nope",
        "null",
        "[]",
        "7",
        "{}",
        "\"OrderPlaced\"",
        r#"{"eventType":"OrderModified"}"#,
        r#"{"eventType":"OrderModified","id":1,"qty":"many"}"#,
        r#"{"eventType":"OrderModified","id":-1,"qty":4}"#,
        r#"{"eventType":"OrderModified","id":"1","qty":4}"#,
        r#"{"eventType":"OrderModified","id":1e400}"#,
        r#"{"id":{"id":1},"qty":[]}"#,
    ];
    prop_oneof![
        3 => prop::sample::select(texts).prop_map(|text| Some(text.as_bytes().to_vec())),
        3 => (-1..9_i64, any::<i32>()).prop_map(|(id, qty)| Some(json!({"id": id, "qty": qty}).to_string().into_bytes())),
        2 => vec(any::<u8>(), 0..40).prop_map(Some),
        1 => Just(None),
    ]
}

/// A record with or without anything.
fn any_record() -> impl Strategy<Value = Record> {
    let key = prop::option::of(vec(any::<u8>(), 0..8));
    (vec(header(), 0..6), value(), key).prop_map(|(headers, value, key)| record(headers, value, key))
}

/// A record that names an order and a version, and whose event can't be read.
fn garbage_for(order: i64, version: i64) -> impl Strategy<Value = Record> {
    let subject = (!matches!(order, i64::MIN)).then(|| order.to_string().into_bytes());
    let named = move |value: Vec<u8>, broken: Option<(String, Option<Vec<u8>>)>| {
        let mut headers = vec![
            ("type".to_owned(), Some(b"OrderModified".to_vec())),
            ("ce_subject".to_owned(), subject.clone()),
            ("ce_sequence".to_owned(), Some(version.to_string().into_bytes())),
        ];
        headers.extend(broken);
        record(headers, Some(value), None)
    };
    prop_oneof![
        vec(any::<u8>(), 0..20).prop_map({
            let named = named.clone();
            move |value| named(value, None)
        }),
        Just(named(b"{nope".to_vec(), None)),
        Just(named(
            json!({"id": order, "qty": "many"}).to_string().into_bytes(),
            None
        )),
        Just(named(json!({"qty": 7}).to_string().into_bytes(), None)),
        header().prop_map({
            let value = json!({"id": order, "qty": 666, "address": "FORGED"})
                .to_string()
                .into_bytes();
            move |header| named(value.clone(), Some(header))
        }),
    ]
}

/// A record that is no event, so that any effect on an order would be wrong.
fn garbage() -> impl Strategy<Value = Record> {
    let aimed = (1..5_i64, prop_oneof![9 => 0..8_i64, 1 => Just(i64::MAX)]);
    let aimed = aimed.prop_flat_map(|(order, version)| garbage_for(order, version));
    prop_oneof![4 => aimed, 1 => any_record()]
        .prop_filter("an event", |record| !matches!(incoming(record), Incoming::Order(_)))
}

/// The values of a record's headers with this name.
fn headers_named<'a>(record: &'a Record, name: &'a str) -> impl Iterator<Item = &'a Header> {
    record.headers.iter().filter(move |header| header.name == name)
}

/// Whether each header with this name has this number as its value.
fn all_are(record: &Record, name: &str, number: i64) -> bool {
    headers_named(record, name).all(|header| {
        let text = std::str::from_utf8(header.value.as_deref().unwrap_or_default()).unwrap_or_default();
        text.trim_matches('"').trim_start_matches('0') == number.to_string()
    })
}

proptest! {
    /// The reading of a record never contradicts the record's content.
    #[test]
    fn no_record_is_more_than_it_says(record in any_record()) {
        match incoming(&record) {
            Incoming::Order(event) => {
                prop_assert!(event.order_id >= OrderId(1));
                prop_assert_eq!(event.version.is_none(), headers_named(&record, "ce_sequence").next().is_none());
                if let Some(version) = event.version {
                    prop_assert!(version >= Version(1) && version <= Version::MAX);
                    prop_assert!(all_are(&record, "ce_sequence", version.0));
                }
                prop_assert!(all_are(&record, "ce_subject", event.order_id.0));
                prop_assert!(header_text(&record, "type").is_ok());
            }
            Incoming::Malformed(Malformed { order_id, version, why }) => {
                prop_assert!(order_id.is_none_or(|order| order >= OrderId(1)));
                prop_assert!(version.is_none_or(|version| version >= Version(1) && version <= Version::MAX));
                prop_assert!(!why.is_empty() && why.len() < 2000);
            }
            Incoming::Other => {}
        }
    }

    /// All of an order's events come, in any order and more than once, among any other records. The order ends in the
    /// state that they lead to, each took effect once and after its predecessor, and each record came to exactly one
    /// end.
    #[test]
    fn whatever_comes_among_them_the_events_of_an_order_take_effect(plan in plan(0)) {
        runtime().block_on(async {
            let mut world = World::new(plan.lengths.clone(), plan.delay);
            world.deliver(&plan.steps).await;
            world.ends_as_written().await;
        });
    }

    /// Some events never come, and some come again with another content. The order's journal is asked, and nothing is
    /// parked in the end.
    #[test]
    fn what_never_comes_or_is_forged_later_is_settled_by_the_journal(plan in plan(50)) {
        runtime().block_on(async {
            let mut world = World::new(plan.lengths.clone(), plan.delay);
            world.deliver(&plan.steps).await;
            world.ask_the_journal().await;
            world.ends_as_written().await;
            let parked = world.store.parked_keys(OrderId(i64::MIN), 100).await.unwrap();
            prop_assert_eq!(parked, []);
            Ok(())
        })?;
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Happening {
    /// An event that was written arrives.
    Event { order: i64, version: i64 },
    /// An event that was written never arrives.
    Lost,
    /// A record that is no event arrives.
    Garbage(Record),
    /// An event of a version that has arrived comes again with another content.
    Forged { order: i64, version: i64 },
    /// A record that has arrived comes once more, to the other instance.
    Again(usize),
    /// A sweeper looks for the events that a crash left behind.
    Sweep,
}

#[derive(Debug, Clone)]
struct Plan {
    /// How many events each order has.
    lengths: Vec<i64>,
    delay: bool,
    steps: Vec<Happening>,
}

/// Of a hundred events that are not the last of their order, `lost` never arrive. Forged events come only if some are
/// lost.
fn plan(lost: u32) -> impl Strategy<Value = Plan> {
    (vec(1..6_i64, 1..4), any::<bool>()).prop_flat_map(move |(lengths, delay)| {
        let orders = 1..=lengths.len() as i64;
        let forged = (orders, 1..6_i64).prop_map(move |(order, version)| match lost {
            0 => Happening::Sweep,
            _ => Happening::Forged { order, version },
        });
        let noise = prop_oneof![
            8 => garbage().prop_map(Happening::Garbage),
            2 => any::<usize>().prop_map(Happening::Again),
            1 => Just(Happening::Sweep),
            2 => forged,
        ];
        let events: Vec<(i64, i64, bool)> = lengths
            .iter()
            .zip(1..)
            .flat_map(|(length, order)| (1..=*length).map(move |version| (order, version, version == *length)))
            .collect();
        let event = move |(order, version, last): (i64, i64, bool)| {
            let here = Happening::Event { order, version };
            match last || lost == 0 {
                true => Just(here).boxed(),
                false => prop_oneof![100 - lost => Just(here), lost => Just(Happening::Lost)].boxed(),
            }
        };
        let events: Vec<_> = events.into_iter().map(event).collect();
        (events, vec(noise, 0..24))
            .prop_flat_map(|(events, noise)| Just([events, noise].concat()).prop_shuffle())
            .prop_map(move |steps| Plan {
                lengths: lengths.clone(),
                delay,
                steps,
            })
    })
}

/// Two delivery instances on one database.
struct World {
    lengths: Vec<i64>,
    instances: [Arc<Fence>; 2],
    store: Arc<SqliteStore>,
    log: Arc<EmbeddedLog>,
    arrived: Vec<Record>,
    events: BTreeSet<(i64, i64)>,
    _folder: TempDir,
}

fn now() -> Timestamp {
    Timestamp(1_749_697_512_193)
}

fn folder() -> TempDir {
    // Nothing in this folder survives a power failure, and writing there costs no time.
    match Path::new("/dev/shm").is_dir() {
        true => TempDir::new_in("/dev/shm"),
        false => TempDir::new(),
    }
    .expect("a folder")
}

impl World {
    fn new(lengths: Vec<i64>, delay: bool) -> Self {
        let folder = folder();
        let log = Arc::new(EmbeddedLog::open(folder.path(), EmbeddedOptions::default()).expect("a log"));
        log.create_topic(TOPIC, 1).expect("a topic");
        let store = SqliteStore::open(&folder.path().join("deliveries.db"), Source::Deliveries);
        let store = Arc::new(store.expect("a store"));
        let instances = ["one", "two"].map(|name| fence(&store, name, delay));
        Self {
            lengths,
            instances,
            store,
            log,
            arrived: Vec::new(),
            events: BTreeSet::new(),
            _folder: folder,
        }
    }

    async fn deliver(&mut self, steps: &[Happening]) {
        for step in steps {
            match step {
                Happening::Event { order, version } => {
                    self.events.insert((*order, *version));
                    self.arrives(event(*order, *version)).await;
                }
                Happening::Forged { order, version } if self.events.contains(&(*order, *version)) => {
                    self.arrives(forged(*order, *version)).await;
                }
                Happening::Garbage(record) => self.arrives(record.clone()).await,
                Happening::Again(number) if !self.arrived.is_empty() => {
                    let record = self.arrived[number % self.arrived.len()].clone();
                    self.handle(1, &record).await;
                }
                Happening::Sweep => self.sweep().await,
                Happening::Lost | Happening::Forged { .. } | Happening::Again(_) => {}
            }
        }
        self.sweep().await;
    }

    async fn arrives(&mut self, mut record: Record) {
        record.offset = Offset(self.arrived.len() as u64);
        self.handle(0, &record).await;
        self.arrived.push(record);
    }

    /// Counts that each record comes to exactly one end, and so does each event that is handed over after it.
    async fn handle(&self, instance: usize, record: &Record) {
        let fence = &self.instances[instance];
        let before = ends(&fence.instance().metrics);
        let attempt = Attempt {
            number: 3,
            epoch: Epoch(1),
        };
        let handler = FencedHandler::new(fence.clone());
        assert_eq!(
            handler.handle(std::slice::from_ref(record), attempt).await,
            Outcome::Done
        );
        let after = ends(&fence.instance().metrics);
        assert_eq!(after.0 - before.0, 1 + after.1 - before.1, "{record:?}");
    }

    async fn sweep(&self) {
        loop {
            let mut sweeper = Sweeper::new(self.store.clone(), self.instances[1].clone(), 8);
            let begun = sweeper.step(now()).await.expect("a store");
            sweeper.finish().await;
            if begun == 0 {
                return;
            }
        }
    }

    /// Runs steps beyond the gap watch's deadline until nothing is left to do.
    async fn ask_the_journal(&self) {
        let (store, log) = (self.store.clone(), LogCalls::blocking(self.log.clone()));
        let (fence, journal) = (self.instances[0].clone(), journal(&self.lengths));
        let mut gaps = Gaps::new(store, log, TOPIC.into(), fence, journal, (DEADLINE, 8));
        let start = Instant::now();
        let mut quiet = 0;
        for step in 0.. {
            assert!(step < 200, "it comes to an end");
            let due = gaps
                .step(start + DEADLINE * step * 30)
                .await
                .expect("the log and the store are there");
            quiet = if due == 0 { quiet + 1 } else { 0 };
            if quiet > 2 {
                return;
            }
        }
    }

    async fn ends_as_written(&self) {
        let mut effects: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for row in self.store.applies(0, 10_000).await.expect("a store") {
            assert_eq!(row.apply.kind, ApplyKind::Applied);
            let version = row.apply.version.expect("every event has one").0;
            effects.entry(row.apply.order_id.0).or_default().push(version);
        }
        let written: BTreeMap<i64, Vec<i64>> = self
            .lengths
            .iter()
            .zip(1..)
            .map(|(n, order)| (order, (1..=*n).collect()))
            .collect();
        assert_eq!(effects, written, "each event once and in its turn, and nothing else");
        for (length, order) in self.lengths.iter().zip(1..) {
            let delivery = self
                .store
                .delivery_of(OrderId(order))
                .await
                .expect("a store")
                .expect("it is delivered");
            let (name, qty) = contents(order, *length);
            let status = format!(
                "DELIVERY {}",
                ["STARTED", "MODIFIED"][usize::from(name == "OrderModified")]
            );
            assert_eq!((delivery.version, delivery.status), (Version(*length), Some(status)));
            assert_eq!(delivery.fields.qty, Some(qty as i32));
            assert_eq!(delivery.fields.address, Some(format!("{order}/{length}")));
            let parked = self.store.parked_keys(OrderId(order - 1), 1).await.expect("a store");
            let lowest = parked
                .iter()
                .find(|key| key.order_id == OrderId(order))
                .map(|key| key.lowest.version);
            assert!(lowest.is_none_or(|lowest| lowest > Version(*length)), "{parked:?}");
        }
    }
}

/// How many records came to an end, and how many events were handed over to come to theirs.
fn ends(metrics: &DeliveryMetrics) -> (u64, u64) {
    let kinds = [
        &metrics.applied,
        &metrics.duplicates,
        &metrics.stale_refused,
        &metrics.parked,
        &metrics.ignored,
        &metrics.poisoned,
        &metrics.buried,
    ];
    let ends: u64 = kinds.iter().map(|kind| kind.get()).sum();
    (ends + metrics.foreign.get(), metrics.handed_over.get())
}

fn fence(store: &Arc<SqliteStore>, name: &str, delay: bool) -> Arc<Fence> {
    let store = store.clone();
    let commands = GroupCommit::start(move |batch: Arc<[FenceCommand]>| {
        let store = store.clone();
        async move { store.run_fence(&batch, now()).await }
    });
    let instance = Instance {
        name: name.into(),
        group: "delivery".into(),
        letters: shop::delivery::DEAD_LETTERS.into(),
        delay: ModifyDelay {
            time: if delay {
                Duration::from_micros(100)
            } else {
                Duration::ZERO
            },
            customer: None,
        },
        clock: now,
        metrics: Arc::default(),
        observer: Default::default(),
        hold: Hold::default(),
    };
    Arc::new(Fence::new(commands, instance, CancellationToken::new()))
}

fn contents(order: i64, version: i64) -> (&'static str, i64) {
    (
        if version == 1 { "OrderPlaced" } else { "OrderModified" },
        order * 100 + version,
    )
}

fn payload(order: i64, version: i64, address: &str) -> serde_json::Value {
    let (name, qty) = contents(order, version);
    json!({"eventType": name, "id": order, "qty": qty, "customerId": 2000, "productId": "100", "address": address})
}

fn event(order: i64, version: i64) -> Record {
    record_of(order, version, &format!("{order}/{version}"))
}

fn forged(order: i64, version: i64) -> Record {
    record_of(order, version, "FORGED")
}

fn record_of(order: i64, version: i64, address: &str) -> Record {
    let headers = [
        ("type", contents(order, version).0.to_owned()),
        ("ce_subject", order.to_string()),
        ("ce_sequence", format!("{version:020}")),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), Some(value.into_bytes())));
    let value = payload(order, version, address).to_string().into_bytes();
    record(headers.into(), Some(value), Some(order.to_string().into_bytes()))
}

/// The answer of the order service.
fn journal(lengths: &[i64]) -> OrderJournal {
    let lengths = lengths.to_vec();
    Arc::new(move |order| {
        let length = usize::try_from(order.0 - 1)
            .ok()
            .and_then(|place| lengths.get(place))
            .copied();
        let body = length.map(|length| {
            let event = |version: i64| {
                let payload = payload(order.0, version, &format!("{}/{version}", order.0));
                json!({"version": version, "type": contents(order.0, version).0, "timestamp": 5, "payload": payload})
            };
            Bytes::from(serde_json::Value::from((1..=length).map(event).collect::<Vec<_>>()).to_string())
        });
        Box::pin(async move { Ok(body) })
    })
}
