//! What whoever reads along gets to see of the life of an order, from its commit to its delivery.
#![allow(missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use keylane::{Attempt, Epoch, Handler, Outcome};
use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::{EventLog, Header, NewRecord, Offset, Partition, Record, Timestamp, TopicPartition};
use observe::{Ending, Observer, Reader, What};
use shop::LogCalls;
use shop::commit::GroupCommit;
use shop::delivery::{Fence, FencedHandler, Hold, Instance, ModifyDelay, NaiveHandler};
use shop::domain::{Change, Condition, OrderCommand, OrderFields, OrderId, OrderPatch, OrderRequest, Source};
use shop::observed::run_orders;
use shop::relay::{KeyMode, Progress, Relay, RelayOptions};
use shop::store::{FenceStore, Store};
use stores::sqlite::SqliteStore;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const TOPIC: &str = "kafka.scaling";
const DEADLINE: Duration = Duration::from_secs(60);

fn now() -> Timestamp {
    Timestamp(1_749_697_512_193)
}

struct World {
    folder: TempDir,
    log: Arc<EmbeddedLog>,
    observer: Observer,
    seen: Reader,
}

impl World {
    fn new(partitions: u32) -> Self {
        let folder = TempDir::new().expect("a folder");
        let log = Arc::new(EmbeddedLog::open(folder.path(), EmbeddedOptions::default()).expect("a log"));
        log.create_topic(TOPIC, partitions).expect("a topic");
        let observer = Observer::new("all", 1);
        let seen = observer.after(0);
        Self {
            folder,
            log,
            observer,
            seen,
        }
    }

    fn store(&self, source: Source, file: &str) -> Arc<SqliteStore> {
        Arc::new(SqliteStore::open(&self.folder.path().join(file), source).expect("a store"))
    }

    fn relay(&self, store: Arc<SqliteStore>, key: KeyMode) -> Relay {
        let options = RelayOptions {
            source: Source::Orders,
            topic: TOPIC.into(),
            key,
            holder: "one".into(),
            idle_poll: Duration::ZERO,
            gather: Duration::ZERO,
            clock: now,
        };
        Relay::new(store, LogCalls::blocking(self.log.clone()), options).observed_by(self.observer.clone())
    }

    fn instance(&self) -> Instance {
        Instance {
            name: "delivery-1/7".into(),
            group: "delivery".into(),
            letters: shop::delivery::DEAD_LETTERS.into(),
            delay: ModifyDelay {
                time: Duration::from_millis(1),
                customer: None,
            },
            clock: now,
            metrics: Arc::default(),
            observer: self.observer.clone(),
            hold: Hold::default(),
        }
    }

    fn record(&self, partition: u32, offset: u64) -> Record {
        let partition = TopicPartition::new(TOPIC, Partition(partition));
        let mut records = self.log.read(&partition, Offset(offset), 1).expect("records");
        records.pop().expect("a record")
    }

    /// Writes a record of another program.
    fn write(&self, headers: Vec<Header>, value: &str) {
        let record = NewRecord {
            partition: Some(Partition(0)),
            timestamp: now(),
            key: None,
            value: Some(value.to_owned().into()),
            headers,
        };
        for placed in self.log.append(TOPIC, vec![record], DEADLINE) {
            placed.expect("appended");
        }
    }

    /// What was observed since this was last asked, in short.
    fn seen(&mut self) -> Vec<String> {
        let batch = self.seen.read(usize::MAX);
        assert_eq!(batch.missed, 0);
        batch.observations.iter().map(|seen| short(&seen.what)).collect()
    }
}

fn short(what: &What) -> String {
    let version = what.event().and_then(|event| event.version);
    let version = version.map_or_else(String::new, |version| format!(" v{version}"));
    let rest = match what {
        What::Published { place, key, .. } => format!(" P{}@{} {key:?}", place.partition, place.offset),
        What::Finished { ending, .. } => match ending {
            Ending::Applied(effect) => format!(" applied: {}", effect.status.as_deref().unwrap_or_default()),
            Ending::Early { next, .. } => format!(" early, waits for v{next}"),
            other => format!(" {}", other.name()),
        },
        What::LeaseWon { lease } | What::LeaseLost { lease } => format!(" {lease}"),
        What::Grown { partitions, .. } => format!(" to {partitions}"),
        _ => String::new(),
    };
    format!("{}{version}{rest}", what.kind())
}

fn order_commands() -> [OrderCommand; 3] {
    let fields = OrderFields {
        product_id: Some("100".into()),
        product_name: Some("RADIO".into()),
        qty: Some(1),
        customer_id: Some(1),
        address: Some("PUSAN".into()),
    };
    let patch = OrderPatch {
        qty: Some(Some(2)),
        ..OrderPatch::default()
    };
    [
        OrderCommand::Place(fields),
        OrderCommand::Change(OrderId(1), Change::Merge(patch)),
        OrderCommand::Cancel(OrderId(1)),
    ]
}

/// Places, modifies and cancels an order, and then cancels it in vain.
async fn run(store: &SqliteStore, observer: &Observer) {
    for command in order_commands().into_iter().chain([OrderCommand::Cancel(OrderId(1))]) {
        let request = OrderRequest {
            command,
            condition: Condition::default(),
            traceparent: None,
        };
        run_orders(store, &[request], now(), observer).await.expect("a batch");
    }
}

const ATTEMPT: Attempt = Attempt {
    number: 3,
    epoch: Epoch(1),
};

#[tokio::test]
async fn each_step_of_an_order_is_seen_once_and_in_order() {
    let mut world = World::new(2);
    let orders = world.store(Source::Orders, "orders.db");
    run(&orders, &world.observer).await;
    assert_eq!(world.seen(), ["committed v1", "committed v2", "committed v3"]);

    let mut relay = world.relay(orders, KeyMode::None);
    assert_eq!(relay.step().await, Ok(Progress::Published(3)));
    relay.release().await.expect("released");
    assert_eq!(
        world.seen(),
        [
            "lease-won relay/orders",
            "published v1 P0@0 None",
            "published v2 P1@0 None",
            "published v3 P0@1 None",
            "lease-lost relay/orders"
        ]
    );

    let deliveries = world.store(Source::Deliveries, "deliveries.db");
    let commands = GroupCommit::start(move |batch: Arc<[_]>| {
        let store = deliveries.clone();
        async move { store.run_fence(&batch, now()).await }
    });
    let handler = FencedHandler::new(Arc::new(Fence::new(
        commands,
        world.instance(),
        CancellationToken::new(),
    )));
    for (partition, offset) in [(0, 0), (0, 1), (1, 0), (1, 0)] {
        let record = world.record(partition, offset);
        assert_eq!(handler.handle(&[record], ATTEMPT).await, Outcome::Done);
    }
    world.write(vec![Header::text("type", "DeliveryStarted")], "{}");
    world.write(vec![Header::text("type", "OrderPlaced")], "{");
    for offset in [2, 3] {
        handler.handle(&[world.record(0, offset)], ATTEMPT).await;
    }
    assert_eq!(
        world.seen(),
        [
            "finished v1 applied: DELIVERY STARTED",
            "finished v3 early, waits for v2",
            "begun v2",
            "finished v2 applied: DELIVERY MODIFIED",
            "handed-over v3",
            "finished v3 applied: DELIVERY CANCELLED",
            "finished v2 duplicate",
            "finished foreign",
            "finished buried",
        ]
    );
}

#[tokio::test]
async fn without_the_fence_it_is_seen_what_takes_effect_out_of_order() {
    let mut world = World::new(1);
    let orders = world.store(Source::Orders, "orders.db");
    run(&orders, &world.observer).await;
    world.relay(orders, KeyMode::OrderId).step().await.expect("published");
    world.seen();

    let store = world.store(Source::Deliveries, "deliveries.db");
    let (letters, deliveries) = (store.clone(), store);
    let handler = NaiveHandler::new(
        GroupCommit::start(move |batch: Arc<[_]>| {
            let store = deliveries.clone();
            async move { store.run_deliveries(&batch, now()).await }
        }),
        GroupCommit::start(move |batch: Arc<[_]>| {
            let store = letters.clone();
            async move { store.run_fence(&batch, now()).await }
        }),
        world.instance(),
    );
    for offset in [0, 2, 1, 2] {
        assert_eq!(handler.handle(&[world.record(0, offset)], ATTEMPT).await, Outcome::Done);
    }
    assert_eq!(
        world.seen(),
        [
            "finished v1 applied: DELIVERY STARTED",
            "finished v3 applied-early",
            "begun v2",
            "finished v2 out-of-order",
            "finished v3 applied-again",
        ]
    );
}

#[tokio::test]
async fn a_topic_that_grows_is_noticed() {
    let mut world = World::new(1);
    let orders = world.store(Source::Orders, "orders.db");
    let mut relay = world.relay(orders.clone(), KeyMode::None);
    assert_eq!(relay.step().await, Ok(Progress::Idle));
    world.log.grow_topic(TOPIC, 2).expect("it grows");
    run(&orders, &Observer::none()).await;
    assert_eq!(relay.step().await, Ok(Progress::Published(3)));
    assert_eq!(
        world.seen()[..3],
        ["lease-won relay/orders", "grown to 2", "published v1 P0@0 None"]
    );
}
