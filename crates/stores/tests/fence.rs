//! The delivery service behind its fence, between a real log and a real database: in whatever order events come,
//! deliveries end as the orders say.
#![allow(missing_docs)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use keylane::{Attempt, Epoch, Handler, Options, Outcome, Summary};
use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::{EventLog, Header, NewRecord, Offset, Partition, Record, Subscription, Timestamp, TopicPartition};
use shop::LogCalls;
use shop::commit::GroupCommit;
use shop::delivery::{
    DEAD_LETTERS, DeliveryMetrics, Fence, FencedHandler, Gaps, Hold, Instance, ModifyDelay, NaiveHandler, OrderJournal,
    Sweeper,
};
use shop::domain::fence::{FenceCommand, FenceOutcome, Mark, Marked, ParkReason};
use shop::domain::{Delivery, OrderId, Source, Version};
use shop::relay::{KeyMode, Relay, RelayOptions};
use shop::store::{FenceStore, JournalRow, PageRequest, Store};
use stores::sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const TOPIC: &str = "kafka.scaling";
/// How long anything may take before a test fails.
const TEST_DEADLINE: Duration = Duration::from_secs(60);
/// The deadline of a gap in the tests of the gap watch.
const GAP_DEADLINE: Duration = Duration::from_secs(60);

/// A clock of the tests' own, in milliseconds, that all stores are given.
static NOW: AtomicI64 = AtomicI64::new(1_749_697_512_193);

fn now() -> Timestamp {
    Timestamp(NOW.load(Ordering::Relaxed))
}

struct World {
    folder: TempDir,
    log: Arc<EmbeddedLog>,
    store: Arc<SqliteStore>,
}

/// A delivery instance at work.
struct Running {
    fence: Arc<Fence>,
    metrics: Arc<DeliveryMetrics>,
    stop: CancellationToken,
    runner: JoinHandle<Result<Summary, keylane_log::LogError>>,
}

impl World {
    fn new(partitions: u32) -> Self {
        let folder = TempDir::new().expect("a folder");
        let log = Arc::new(EmbeddedLog::open(folder.path(), EmbeddedOptions::default()).expect("a log"));
        log.create_topic(TOPIC, partitions).expect("a topic");
        let path = folder.path().join("deliveries.db");
        let store = Arc::new(SqliteStore::open(&path, Source::Deliveries).expect("a store"));
        Self { folder, log, store }
    }

    /// Writes an event of an order, without a key, into a partition.
    fn write(&self, partition: u32, event: &str, order: i64, version: i64, value: &str) {
        let value = match value {
            "" => format!(r#"{{"eventType":"{event}","id":{order},"qty":3,"customerId":2000,"address":"v{version}"}}"#),
            value => value.to_owned(),
        };
        let mut headers = vec![
            Header::text("type", event),
            Header::text("ce_subject", order.to_string()),
        ];
        if version > 0 {
            headers.push(Header::text("ce_sequence", format!("{version:020}")));
        }
        let record = NewRecord {
            partition: Some(Partition(partition)),
            timestamp: Timestamp(5000_i64.saturating_add(version)),
            key: None,
            value: Some(Bytes::from(value)),
            headers,
        };
        for placed in self.log.append(TOPIC, vec![record], TEST_DEADLINE) {
            placed.expect("appended");
        }
    }

    fn commands(&self) -> GroupCommit<FenceCommand, FenceOutcome> {
        let store = self.store.clone();
        GroupCommit::start(move |batch: Arc<[FenceCommand]>| {
            let store = store.clone();
            async move { store.run_fence(&batch, now()).await }
        })
    }

    fn fence(&self, name: &str, delay: Duration) -> Arc<Fence> {
        let (commands, stopping) = (self.commands(), CancellationToken::new());
        Arc::new(Fence::new(commands, instance(name, delay), stopping))
    }

    /// A fence that asks `journal` for the events that were written.
    fn asking(&self, name: &str, journal: OrderJournal) -> Arc<Fence> {
        let (commands, stopping) = (self.commands(), CancellationToken::new());
        Arc::new(Fence::new(commands, instance(name, Duration::ZERO), stopping).asking(journal))
    }

    /// A watch over the gaps, with a deadline of a minute.
    fn gaps(&self, fence: Arc<Fence>, journal: OrderJournal) -> Gaps {
        let (store, log) = (self.store.clone(), LogCalls::blocking(self.log.clone()));
        Gaps::new(store, log, TOPIC.into(), fence, journal, (GAP_DEADLINE, 8))
    }

    /// Marks an order to be retried, and has a fence that asks `journal` act on the mark.
    async fn retry(&self, order: i64, journal: OrderJournal) {
        let retried = shop::parked::retry(&*self.store, OrderId(order), now()).await;
        assert!(retried.expect("a store").is_some(), "something is parked");
        let mut sweeper = Sweeper::new(self.store.clone(), self.asking("sweeper", journal), 8);
        assert_eq!(sweeper.step(now()).await, Ok(1));
        sweeper.finish().await;
    }

    /// A fence that holds each event before its write: it notifies `reached`, and goes on once `released` is notified.
    fn holding(&self, name: &str, reached: Arc<Notify>, released: Arc<Notify>) -> Arc<Fence> {
        let hold = Hold::by(move |_| {
            reached.notify_one();
            let released = released.clone();
            Box::pin(async move { released.notified().await })
        });
        let instance = Instance {
            hold,
            ..instance(name, Duration::from_millis(1))
        };
        Arc::new(Fence::new(self.commands(), instance, CancellationToken::new()))
    }

    fn subscribe(&self, name: &str) -> Box<dyn keylane_log::Consumer> {
        let subscription = Subscription {
            group: "delivery".into(),
            topics: vec![TOPIC.into()],
            member: name.into(),
            note: String::new(),
            session_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
        };
        self.log.subscribe(&subscription).expect("a member")
    }

    fn run(&self, name: &str, lanes: usize, delay: Duration) -> Running {
        let fence = self.fence(name, delay);
        let stop = CancellationToken::new();
        let handler = FencedHandler::new(fence.clone());
        let runner = tokio::spawn(keylane::run(
            self.subscribe(name),
            handler,
            match lanes {
                1 => Options::one_by_one(),
                many => Options::lanes(many),
            },
            stop.clone(),
        ));
        Running {
            metrics: fence.instance().metrics.clone(),
            fence,
            stop,
            runner,
        }
    }

    async fn delivery(&self, order: i64) -> Option<Delivery> {
        self.store.delivery_of(OrderId(order)).await.expect("a store")
    }

    async fn status(&self, order: i64) -> String {
        let delivery = self.delivery(order).await;
        delivery.map_or("none".to_owned(), |delivery| {
            format!("{} v{}", delivery.status.unwrap_or_default(), delivery.version)
        })
    }

    async fn wait_status(&self, order: i64, expected: &str) {
        let deadline = Instant::now() + TEST_DEADLINE;
        while self.status(order).await != expected {
            assert!(
                Instant::now() < deadline,
                "order {order} is {}, not {expected}",
                self.status(order).await
            );
            tokio::task::yield_now().await;
        }
    }

    /// Each event in the delivery service's journal as `DeliveryStarted 6 v1`, published or not.
    async fn journal(&self) -> Vec<String> {
        let rows = self
            .store
            .unpublished(Source::Deliveries, 0, 1000)
            .await
            .expect("a journal");
        let line = |row: &JournalRow| {
            format!(
                "{} {} v{}",
                row.entry.event_type.name(),
                row.entry.order_id,
                row.entry.version
            )
        };
        rows.iter().map(line).collect()
    }

    async fn wait_parked(&self, expected: i64) {
        let deadline = Instant::now() + TEST_DEADLINE;
        loop {
            let keys = self.store.parked_keys(OrderId(0), 100).await.expect("a store");
            let parked: i64 = keys.iter().map(|key| key.parked).sum();
            if parked == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{parked} are parked, not {expected}");
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the group has committed everything.
    async fn wait_committed(&self) {
        let deadline = Instant::now() + TEST_DEADLINE;
        loop {
            let extents = self.log.extents(TOPIC).expect("extents");
            let committed = self.log.committed("delivery", TOPIC).expect("positions");
            let done = |(extent, committed): (&keylane_log::Extent, &Option<Offset>)| {
                extent.end == Offset(0) || *committed == Some(extent.end)
            };
            if extents.iter().zip(&committed).all(done) {
                return;
            }
            assert!(Instant::now() < deadline, "{committed:?} of {extents:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        self.runner.await.expect("it ends").expect("the log is there");
    }
}

fn instance(name: &str, delay: Duration) -> Instance {
    Instance {
        name: name.into(),
        group: "delivery".into(),
        letters: shop::delivery::DEAD_LETTERS.into(),
        delay: ModifyDelay {
            time: delay,
            customer: None,
        },
        clock: now,
        metrics: Arc::default(),
        observer: Default::default(),
        hold: Hold::default(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_out_of_order_end_in_order() {
    let world = World::new(2);
    world.write(0, "OrderPlaced", 6, 1, "");
    world.write(0, "OrderCancelled", 6, 3, "");
    world.write(0, "OrderModified", 6, 2, "");
    let running = world.run("one", 64, Duration::from_millis(20));
    world.wait_status(6, "DELIVERY CANCELLED v3").await;
    world.wait_parked(0).await;
    world.wait_committed().await;
    assert_eq!(
        world.journal().await,
        [
            "DeliveryStarted 6 v1",
            "DeliveryModified 6 v2",
            "DeliveryCancelled 6 v3"
        ]
    );
    assert_eq!(world.delivery(6).await.unwrap().fields.address.as_deref(), Some("v2"));
    assert_eq!(
        (running.metrics.parked.get(), running.metrics.handed_over.get()),
        (1, 1)
    );
    running.stop().await;
}

/// The second experiment of the course, with the fence: events without a key, two partitions, two instances.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_keep_the_order_of_a_keyless_topic() {
    let world = World::new(2);
    let delay = Duration::from_millis(50);
    let (first, second) = (world.run("one", 1, delay), world.run("two", 1, delay));
    for order in 1..=20 {
        let partition = |version: i64| ((order + version) % 2) as u32;
        world.write(partition(1), "OrderPlaced", order, 1, "");
        world.write(partition(2), "OrderModified", order, 2, "");
        world.write(partition(3), "OrderCancelled", order, 3, "");
    }
    for order in 1..=20 {
        world.wait_status(order, "DELIVERY CANCELLED v3").await;
    }
    world.wait_parked(0).await;
    let journal = world.journal().await;
    assert_eq!(journal.len(), 60, "each event once");
    for order in 1..=20 {
        let name = format!(" {order} v");
        let of_order: Vec<_> = journal.iter().filter(|line| line.contains(&name)).collect();
        assert!(of_order.is_sorted_by_key(|line| line.chars().last()), "{of_order:?}");
    }
    first.stop().await;
    second.stop().await;
}

/// The instance that applied version 2 dies before it begins with version 3, which it has been handed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_is_swept_up() {
    let world = World::new(1);
    for (event, version) in [("OrderPlaced", 1), ("OrderModified", 3), ("OrderCancelled", 4)] {
        world.write(0, event, 6, version, "");
    }
    let running = world.run("one", 64, Duration::ZERO);
    world.wait_parked(2).await;
    running.stop().await;
    // The slow work takes so long that the crash comes in the middle of it.
    let process = tokio::runtime::Runtime::new().expect("a runtime");
    let doomed = {
        let _inside = process.enter();
        world.run("doomed", 64, Duration::from_secs(3600))
    };
    let second = r#"{"eventType":"OrderPlaced","id":6,"qty":3,"customerId":2000,"address":"v2"}"#;
    world.write(0, "OrderPlaced", 6, 2, second);
    world.wait_status(6, "DELIVERY STARTED v2").await;
    doomed.stop.cancel();
    process.shutdown_background();

    let mut sweeper = Sweeper::new(world.store.clone(), world.fence("sweeper", Duration::ZERO), 8);
    assert_eq!(sweeper.step(now()).await, Ok(0), "it is leased");
    let lease = Timestamp(now().0 + 11_000);
    NOW.fetch_max(lease.0, Ordering::Relaxed);
    assert_eq!(sweeper.step(lease).await, Ok(1));
    sweeper.finish().await;
    assert_eq!(world.status(6).await, "DELIVERY CANCELLED v4");
    world.wait_parked(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_parks_its_order_and_a_retry_restores_it() {
    let world = World::new(1);
    let poison = r#"{"eventType":"OrderModified","id":6,"qty":"many"}"#;
    world.write(0, "OrderPlaced", 6, 1, "");
    world.write(0, "OrderPlaced", 7, 1, "");
    world.write(0, "OrderModified", 6, 2, poison);
    world.write(0, "OrderCancelled", 6, 3, "");
    world.write(0, "OrderCancelled", 7, 2, "");
    let running = world.run("one", 64, Duration::ZERO);
    world.wait_status(7, "DELIVERY CANCELLED v2").await;
    world.wait_parked(2).await;
    world.wait_committed().await;
    assert_eq!(world.status(6).await, "DELIVERY STARTED v1");
    assert_eq!(running.metrics.poisoned.get(), 1);

    // A person mends the parked record, and marks it to be retried.
    let mended = r#"{"eventType":"OrderModified","id":6,"qty":9}"#;
    let database = rusqlite::Connection::open(world.folder.path().join("deliveries.db")).expect("a database");
    let changed = database.execute(
        "update parked_event set record_value = ?1 where version = 2",
        [mended.as_bytes()],
    );
    assert_eq!(changed, Ok(1));
    drop(database);
    let mark = FenceCommand::Mark {
        order_id: OrderId(6),
        version: Version(2),
        mark: Mark::Retry,
    };
    world.store.run_fence(&[mark], now()).await.expect("marked");
    let mut sweeper = Sweeper::new(world.store.clone(), running.fence.clone(), 8);
    assert_eq!(sweeper.step(now()).await, Ok(1));
    sweeper.finish().await;
    assert_eq!(world.status(6).await, "DELIVERY CANCELLED v3");
    let of_six: Vec<_> = world
        .journal()
        .await
        .into_iter()
        .filter(|line| line.contains(" 6 "))
        .collect();
    assert_eq!(
        of_six,
        [
            "DeliveryStarted 6 v1",
            "DeliveryModified 6 v2",
            "DeliveryCancelled 6 v3"
        ]
    );
    running.stop().await;
}

/// A batch holds events of many orders, and an event that the database refuses makes no other one fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_refuses_parks_its_order_alone() {
    let world = World::new(1);
    let database = rusqlite::Connection::open(world.folder.path().join("deliveries.db")).expect("a database");
    let refuse = "create trigger refuse before update on Delivery_table when new.orderId = 7 \
                  begin select raise(abort, 'no such place'); end";
    database.execute_batch(refuse).expect("a trigger");
    for (version, event) in [(1, "OrderPlaced"), (2, "OrderModified"), (3, "OrderCancelled")] {
        for order in 1..=20 {
            world.write(0, event, order, version, "");
        }
    }
    let running = world.run("one", 64, Duration::ZERO);
    for order in (1..=20).filter(|order| *order != 7) {
        world.wait_status(order, "DELIVERY CANCELLED v3").await;
    }
    world.wait_parked(2).await;
    world.wait_committed().await;
    let parked = world
        .store
        .parked_events(OrderId(7), Version(0), 10)
        .await
        .expect("a store");
    assert!(
        parked[0]
            .error
            .as_deref()
            .is_some_and(|error| error.contains("no such place")),
        "{parked:?}"
    );

    database.execute_batch("drop trigger refuse").expect("mended");
    let (key, marked) = shop::parked::retry(&*world.store, OrderId(7), now())
        .await
        .expect("a store")
        .expect("parked");
    assert_eq!(
        (key.lowest.version, marked),
        (Version(2), Marked::Parked(ParkReason::Poison))
    );
    let mut sweeper = Sweeper::new(world.store.clone(), running.fence.clone(), 8);
    assert_eq!(sweeper.step(now()).await, Ok(1));
    sweeper.finish().await;
    assert_eq!(world.status(7).await, "DELIVERY CANCELLED v3");
    let nothing = shop::parked::retry(&*world.store, OrderId(7), now()).await;
    assert_eq!(nothing, Ok(None));
    running.stop().await;
}

/// A zombie: an instance that was frozen in its slow work goes on after another one has applied all events of the
/// order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombies_write_is_refused_and_seen_to_be() {
    let world = World::new(1);
    world.write(0, "OrderPlaced", 6, 1, "");
    world.write(0, "OrderModified", 6, 2, "");
    world.write(0, "OrderCancelled", 6, 3, "");
    let partition = TopicPartition::new(TOPIC, Partition(0));
    let records = world.log.read(&partition, Offset(0), 10).expect("records");
    let attempt = Attempt {
        number: 1,
        epoch: Epoch(1),
    };
    let (reached, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let zombie = world.holding("zombie", reached.clone(), released.clone());
    let other = world.fence("other", Duration::ZERO);
    let other_handler = FencedHandler::new(other.clone());
    assert_eq!(other_handler.handle(&records[..1], attempt).await, Outcome::Done);
    let frozen = {
        let (handler, record) = (FencedHandler::new(zombie.clone()), records[1].clone());
        tokio::spawn(async move { handler.handle(&[record], attempt).await })
    };
    let held = tokio::time::timeout(TEST_DEADLINE, reached.notified()).await;
    held.expect("it has looked, and done its slow work");
    for record in &records[1..] {
        assert_eq!(
            other_handler.handle(std::slice::from_ref(record), attempt).await,
            Outcome::Done
        );
    }
    released.notify_one();
    assert_eq!(frozen.await.expect("it wakes"), Outcome::Done);
    assert_eq!(zombie.instance().metrics.stale_refused.get(), 1);
    assert_eq!(zombie.instance().metrics.applied.get(), 0);
    assert_eq!(world.status(6).await, "DELIVERY CANCELLED v3");
    assert_eq!(world.journal().await.len(), 3);
}

/// Reads the topic of the dead letters, which a relay has created.
async fn letters(world: &World) -> Vec<Record> {
    let options = RelayOptions {
        source: Source::Deliveries,
        topic: TOPIC.into(),
        key: KeyMode::OrderId,
        holder: "relay".into(),
        idle_poll: Duration::from_millis(25),
        gather: Duration::ZERO,
        clock: now,
    };
    let mut relay = Relay::new(world.store.clone(), LogCalls::blocking(world.log.clone()), options);
    relay.step().await.expect("a step");
    relay.release().await.expect("given back");
    let partition = TopicPartition::new(DEAD_LETTERS, Partition(0));
    world.log.read(&partition, Offset(0), 100).expect("letters")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_say_where_they_come_from() {
    let world = World::new(1);
    world.write(0, "OrderPlaced", 7, 1, "");
    world.write(0, "OrderPlaced", 0, 0, "no json at all");
    world.write(
        0,
        "OrderPlaced",
        6,
        1,
        r#"{"eventType":"OrderPlaced","id":6,"qty":"many"}"#,
    );
    let running = world.run("one", 64, Duration::ZERO);
    world.wait_committed().await;
    let letters = letters(&world).await;
    assert_eq!(letters.len(), 2);
    let text = |letter: &Record, name| String::from_utf8_lossy(letter.header(name).unwrap_or_default()).into_owned();
    let first = letters
        .iter()
        .find(|letter| letter.value.as_deref() == Some(b"no json at all"));
    let first = first.expect("the value as it was");
    assert_eq!(text(first, "type"), "OrderPlaced", "its own headers come first");
    assert_eq!(text(first, "__connect.errors.topic"), TOPIC);
    assert_eq!(text(first, "__connect.errors.partition"), "0");
    assert_eq!(text(first, "__connect.errors.offset"), "1");
    assert!(text(first, "__connect.errors.exception.message").contains("not JSON"));
    assert_eq!(text(first, "kafka_dlt-original-topic"), TOPIC);
    assert_eq!(first.header("kafka_dlt-original-partition"), Some(&[0, 0, 0, 0][..]));
    assert_eq!(
        first.header("kafka_dlt-original-offset"),
        Some(&[0, 0, 0, 0, 0, 0, 0, 1][..])
    );
    assert_eq!(
        first.header("kafka_dlt-original-timestamp"),
        Some(&5000_i64.to_be_bytes()[..])
    );
    assert!(text(first, "kafka_dlt-exception-message").contains("not JSON"));
    world.wait_parked(1).await;
    running.stop().await;
}

/// Without the fence, an event without a delivery is tried three times, becomes a dead letter, and is passed over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_fence_a_failure_is_passed_over() {
    let world = World::new(1);
    world.write(0, "OrderCancelled", 6, 3, "");
    world.write(0, "OrderPlaced", 6, 1, "");
    let store = world.store.clone();
    let deliveries = GroupCommit::start(move |batch: Arc<[shop::domain::DeliveryRequest]>| {
        let store = store.clone();
        async move { store.run_deliveries(&batch, now()).await }
    });
    let instance = instance("naive", Duration::ZERO);
    let metrics = instance.metrics.clone();
    let handler = NaiveHandler::new(deliveries, world.commands(), instance);
    let stop = CancellationToken::new();
    let runner = tokio::spawn(keylane::run(
        world.subscribe("naive"),
        handler,
        Options::one_by_one(),
        stop.clone(),
    ));
    world.wait_status(6, "DELIVERY STARTED v1").await;
    world.wait_committed().await;
    assert_eq!((metrics.buried.get(), metrics.applied.get()), (1, 1));
    assert_eq!(letters(&world).await.len(), 1);
    world.wait_parked(0).await;
    stop.cancel();
    runner.await.expect("it ends").expect("the log is there");
}

/// An event was removed from the log: version 2 never comes. Once everything in the log has been handled and the
/// deadline has passed, the order service is asked for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_comes_is_asked_for() {
    let world = World::new(2);
    world.write(0, "OrderPlaced", 6, 1, "");
    world.write(0, "OrderCancelled", 6, 4, "");
    let running = world.run("one", 64, Duration::ZERO);
    world.wait_parked(1).await;
    world.wait_committed().await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let journal: OrderJournal = {
        let asked = asked.clone();
        Arc::new(move |order| {
            asked.lock().unwrap().push(order);
            let event = |version| {
                format!(
                    r#"{{"version":{version},"type":"OrderModified","timestamp":9,
                        "payload":{{"eventType":"OrderModified","id":6,"qty":{version}}}}}"#
                )
            };
            let body = format!("[{},{},{}]", event(1), event(2), event(3));
            Box::pin(async move { Ok(Some(Bytes::from(body))) })
        })
    };
    let mut gaps = Gaps::new(
        world.store.clone(),
        LogCalls::blocking(world.log.clone()),
        TOPIC.into(),
        running.fence.clone(),
        journal,
        (GAP_DEADLINE, 8),
    );
    let start = Instant::now();
    assert_eq!(gaps.step(start).await, Ok(0), "noted");
    assert_eq!(gaps.step(start + GAP_DEADLINE / 2).await, Ok(0), "it may still come");
    assert_eq!(asked.lock().unwrap().len(), 0);
    assert_eq!(gaps.step(start + GAP_DEADLINE).await, Ok(1));
    assert_eq!(*asked.lock().unwrap(), [OrderId(6)]);
    assert_eq!(world.status(6).await, "DELIVERY CANCELLED v4");
    assert_eq!(world.delivery(6).await.unwrap().fields.qty, Some(3));
    world.wait_parked(0).await;
    assert_eq!(
        (running.metrics.gap_alarms.get(), running.metrics.resynced.get()),
        (1, 2)
    );
    assert_eq!(
        gaps.step(start + GAP_DEADLINE * 3).await,
        Ok(0),
        "nothing is missing any more"
    );
    let page = PageRequest {
        page: 0,
        size: 10,
        sort: Vec::new(),
    };
    assert_eq!(world.store.deliveries(&page).await.unwrap().total, 1);
    running.stop().await;
}

/// An order service that knows order 6 only: placed, and modified up to version `last`, each time to the address
/// `w<version>`.
fn journal(last: i64) -> OrderJournal {
    let event = |version: i64| {
        let name = if version == 1 { "OrderPlaced" } else { "OrderModified" };
        format!(
            r#"{{"version":{version},"type":"{name}","timestamp":9,
                "payload":{{"eventType":"{name}","id":6,"customerId":2000,"address":"w{version}"}}}}"#
        )
    };
    let events: Vec<String> = (1..=last).map(event).collect();
    let body = Bytes::from(format!("[{}]", events.join(",")));
    Arc::new(move |order| {
        let body = (order == OrderId(6)).then(|| body.clone());
        Box::pin(async move { Ok(body) })
    })
}

fn nobody_answers() -> OrderJournal {
    Arc::new(|_| Box::pin(async { Err("no answer from anywhere".to_owned()) }))
}

const GARBAGE: &str = "{nope";

/// Whichever record comes first, the event that was written takes effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_swallows_no_event() {
    for delay in [Duration::ZERO, Duration::from_millis(20)] {
        let world = World::new(1);
        let running = world.run("one", 64, delay);
        // The record that can't be read comes at the head, above the cursor, and before the order was placed.
        for order in [6, 7, 8] {
            for version in 1..=3 {
                if order != 6 || version == 2 {
                    world.write(0, "OrderModified", order, version, GARBAGE);
                }
                if order == 6 && version == 1 {
                    world.write(0, "OrderPlaced", 6, 1, "");
                }
            }
        }
        world.wait_parked(7).await;
        for order in [6, 7, 8] {
            let versions = if order == 8 { [3, 2, 1] } else { [1, 2, 3] };
            for version in versions {
                let event = ["OrderPlaced", "OrderModified", "OrderCancelled"][version - 1];
                world.write(0, event, order, version as i64, "");
            }
        }
        for order in [6, 7, 8] {
            world.wait_status(order, "DELIVERY CANCELLED v3").await;
            let delivery = world.delivery(order).await.expect("a delivery");
            assert_eq!(delivery.fields.address.as_deref(), Some("v2"));
        }
        world.wait_parked(0).await;
        world.wait_committed().await;
        assert_eq!(letters(&world).await.len(), 7, "each piece of garbage was told of once");
        running.stop().await;
    }
}

/// A record that can't be read changes nothing about a version that is parked or applied already, whoever sends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_displaces_no_event() {
    let world = World::new(1);
    let running = world.run("one", 64, Duration::ZERO);
    world.write(0, "OrderPlaced", 6, 1, "");
    world.write(0, "OrderCancelled", 6, 3, "");
    world.wait_parked(1).await;
    world.write(0, "OrderModified", 6, 1, GARBAGE);
    world.write(0, "OrderModified", 6, 3, GARBAGE);
    world.wait_committed().await;
    world.write(0, "OrderModified", 6, 2, "");
    world.wait_status(6, "DELIVERY CANCELLED v3").await;
    world.wait_parked(0).await;
    assert_eq!((running.metrics.duplicates.get(), running.metrics.buried.get()), (1, 1));
    running.stop().await;
}

/// A record that can't be read is all that came as version 2 of an order, and version 3 waits behind it.
async fn poisoned(world: &World) -> Running {
    let running = world.run("one", 64, Duration::ZERO);
    world.write(0, "OrderPlaced", 6, 1, "");
    world.write(0, "OrderModified", 6, 2, GARBAGE);
    world.write(0, "OrderCancelled", 6, 3, "");
    world.wait_parked(2).await;
    world.wait_committed().await;
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_handles_what_was_written() {
    let world = World::new(1);
    let running = poisoned(&world).await;
    world.retry(6, journal(3)).await;
    assert_eq!(world.status(6).await, "DELIVERY CANCELLED v3");
    assert_eq!(world.delivery(6).await.unwrap().fields.address.as_deref(), Some("w2"));
    world.wait_parked(0).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_handles_the_parked_record_where_nobody_can_be_asked() {
    for journal in [nobody_answers(), journal(1)] {
        let world = World::new(1);
        let running = poisoned(&world).await;
        world.retry(6, journal).await;
        assert_eq!(world.status(6).await, "DELIVERY STARTED v1");
        let parked = world
            .store
            .parked_events(OrderId(6), Version(0), 10)
            .await
            .expect("a store");
        assert_eq!((parked[0].head.reason, parked[0].head.mark), (ParkReason::Poison, None));
        assert_eq!(letters(&world).await.len(), 1, "told of once");
        running.stop().await;
    }
}

/// No person decides about a record that can't be read. After the deadline the order service is asked what was written,
/// as it is for a version that never came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_gives_way_to_what_was_written_without_a_person() {
    let world = World::new(1);
    let running = poisoned(&world).await;
    let mut gaps = world.gaps(running.fence.clone(), journal(3));
    let start = Instant::now();
    assert_eq!(gaps.step(start).await, Ok(0), "the event may still come");
    assert_eq!(gaps.step(start + GAP_DEADLINE).await, Ok(1));
    assert_eq!(world.status(6).await, "DELIVERY CANCELLED v3");
    assert_eq!(world.delivery(6).await.unwrap().fields.address.as_deref(), Some("w2"));
    world.wait_parked(0).await;
    running.stop().await;
}

/// A version that was never written does not block its order for ever, and neither does an order that never was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_that_was_never_written_is_parked_no_longer() {
    let world = World::new(1);
    let running = world.run("one", 64, Duration::ZERO);
    world.write(0, "OrderPlaced", 6, 1, "");
    world.write(0, "OrderModified", 6, 7, GARBAGE);
    world.write(0, "OrderModified", 99, 1, GARBAGE);
    world.write(0, "OrderModified", 0, 1, GARBAGE);
    world.write(0, "OrderModified", -5, 1, GARBAGE);
    world.write(0, "OrderModified", 6, i64::MAX, GARBAGE);
    world.wait_committed().await;
    world.wait_parked(2).await;
    assert_eq!(running.metrics.buried.get(), 3, "no orders, and no version");
    let mut gaps = world.gaps(running.fence.clone(), journal(1));
    let start = Instant::now();
    gaps.step(start).await.expect("noted");
    assert_eq!(gaps.step(start + GAP_DEADLINE).await, Ok(2));
    world.wait_parked(0).await;
    assert_eq!(letters(&world).await.len(), 5);
    world.write(0, "OrderModified", 6, 2, "");
    world.wait_status(6, "DELIVERY MODIFIED v2").await;
    running.stop().await;
}

/// Earlier versions of the mall parked records that name no order. Such a record can be listed, marked, and removed
/// like others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_parked_of_no_order_is_looked_after_too() {
    let world = World::new(1);
    let database = rusqlite::Connection::open(world.folder.path().join("deliveries.db")).expect("a database");
    let old = "insert into order_cursor (order_id, version, parked) values (-5, null, 1), (0, null, 1);
               insert into parked_event (order_id, version, reason, topic, record_partition, record_offset, record_timestamp,
                                         record_value, record_headers, since)
               values (-5, 1, 'poison', 'kafka.scaling', 0, 7, 5, x'7b', x'', 5), (0, 9, 'gap', 'kafka.scaling', 0, 8, 5, x'7b', x'', 5);";
    database.execute_batch(old).expect("rows");
    let all = world.store.parked_keys(OrderId::BEFORE_ALL, 10).await.expect("a store");
    assert_eq!(all.len(), 2);
    let mut gaps = world.gaps(world.fence("one", Duration::ZERO), journal(1));
    let start = Instant::now();
    gaps.step(start).await.expect("noted");
    assert_eq!(gaps.step(start + GAP_DEADLINE).await, Ok(2));
    assert_eq!(
        world.store.parked_keys(OrderId::BEFORE_ALL, 10).await.expect("a store"),
        []
    );
}

/// If the journal can't be believed, everything stays as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_stays_parked_while_nobody_knows_what_was_written() {
    for journal in [nobody_answers(), journal(0)] {
        let world = World::new(1);
        let running = poisoned(&world).await;
        let mut gaps = world.gaps(running.fence.clone(), journal);
        let start = Instant::now();
        gaps.step(start).await.expect("noted");
        assert_eq!(gaps.step(start + GAP_DEADLINE).await, Ok(1));
        world.wait_parked(2).await;
        running.stop().await;
    }
}

/// The database refuses the very event that was written, so asking the order service changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_and_is_refused_stays_parked() {
    let world = World::new(1);
    let database = rusqlite::Connection::open(world.folder.path().join("deliveries.db")).expect("a database");
    let refuse = "create trigger refuse before update on Delivery_table when new.address = 'w2' \
                  begin select raise(abort, 'no such place'); end";
    database.execute_batch(refuse).expect("a trigger");
    let running = poisoned(&world).await;
    let mut gaps = world.gaps(running.fence.clone(), journal(3));
    let start = Instant::now();
    gaps.step(start).await.expect("noted");
    for times in 1..=3 {
        assert_eq!(gaps.step(start + GAP_DEADLINE * 30 * times).await, Ok(1));
        let parked = world
            .store
            .parked_events(OrderId(6), Version(0), 10)
            .await
            .expect("a store");
        let error = parked[0].error.as_deref().unwrap_or_default();
        assert!(parked.len() == 2 && error.contains("no such place"), "{parked:?}");
    }
    assert_eq!(
        letters(&world).await.len(),
        2,
        "the garbage, and what was written, each once"
    );
    database.execute_batch("drop trigger refuse").expect("mended");
    world.retry(6, journal(3)).await;
    assert_eq!(world.status(6).await, "DELIVERY CANCELLED v3");
    running.stop().await;
}

/// A forged event that can be read came before the event that was written: neither takes effect until the journal is
/// asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_events_that_differ_are_settled_by_what_was_written() {
    let world = World::new(1);
    let running = world.run("one", 64, Duration::ZERO);
    world.write(0, "OrderPlaced", 6, 1, "");
    world.write(0, "OrderModified", 6, 3, "");
    world.write(0, "OrderModified", 6, 3, r#"{"id":6,"customerId":2000,"address":"w3"}"#);
    world.write(0, "OrderModified", 6, 2, "");
    world.wait_status(6, "DELIVERY MODIFIED v2").await;
    world.wait_parked(1).await;
    assert_eq!(letters(&world).await.len(), 1);
    world.wait_committed().await;
    let mut gaps = world.gaps(running.fence.clone(), journal(3));
    let start = Instant::now();
    gaps.step(start).await.expect("noted");
    assert_eq!(gaps.step(start + GAP_DEADLINE).await, Ok(1));
    assert_eq!(world.status(6).await, "DELIVERY MODIFIED v3");
    assert_eq!(world.delivery(6).await.unwrap().fields.address.as_deref(), Some("w3"));
    running.stop().await;
}
