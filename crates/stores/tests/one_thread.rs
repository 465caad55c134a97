//! Whole services on one thread: their databases in memory, their calls made in the calling task, their time paused. The same
//! seed then gives the same bytes.
#![allow(missing_docs)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use keylane::{Attempt, Epoch, Handler, Outcome};
use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::{EventLog, LogError, Offset, Partition, Record, Timestamp, TopicPartition};
use observe::Observer;
use shop::commit::GroupCommit;
use shop::delivery::{DeliveryMetrics, Hold, Instance, ModifyDelay, OrderJournal, journal_answer};
use shop::domain::{
    Change, Condition, OrderCommand, OrderFields, OrderId, OrderOutcome, OrderPatch, OrderRequest, Source,
};
use shop::relay::{KeyMode, RelayOptions};
use shop::service::{Delivering, DeliveringOptions, Guard, Service};
use shop::store::{Store, StoreError};
use shop::{CallLog, LogCall, LogCalls};
use stores::sqlite::{Database, RunWork, SqliteStore, Work};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const TOPIC: &str = "kafka.scaling";
const NOW: Timestamp = Timestamp(1_749_697_512_193);
const DRAIN: Duration = Duration::from_secs(5);
const ATTEMPT: Attempt = Attempt {
    number: 1,
    epoch: Epoch(1),
};

/// Lets other tasks go first, then makes each call in the task that asks for it.
struct InTurn;

#[async_trait]
impl RunWork for InTurn {
    async fn run(&self, _name: &'static str, work: Work) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        work();
        Ok(())
    }
}

#[async_trait]
impl CallLog for InTurn {
    async fn call(&self, _name: &'static str, call: LogCall) -> Result<(), LogError> {
        tokio::task::yield_now().await;
        call();
        Ok(())
    }
}

/// Loses the result of the first unit of work.
#[derive(Default)]
struct LosesAResult(AtomicBool);

#[async_trait]
impl RunWork for LosesAResult {
    async fn run(&self, name: &'static str, work: Work) -> Result<(), StoreError> {
        work();
        match self.0.swap(true, Ordering::Relaxed) {
            true => Ok(()),
            false => Err(StoreError::Unknown(format!("no answer to {name}"))),
        }
    }
}

fn database(source: Source) -> Arc<Mutex<Database>> {
    Arc::new(Mutex::new(Database::in_memory(source).expect("a database")))
}

fn place(customer: i64) -> OrderRequest {
    request(OrderCommand::Place(OrderFields {
        qty: Some(3),
        customer_id: Some(customer),
        product_id: Some("100".into()),
        product_name: Some("RADIO".into()),
        address: Some("PUSAN".into()),
    }))
}

fn set_qty(order: i64, qty: i32) -> OrderRequest {
    let patch = OrderPatch {
        qty: Some(Some(qty)),
        ..OrderPatch::default()
    };
    request(OrderCommand::Change(OrderId(order), Change::Merge(patch)))
}

fn request(command: OrderCommand) -> OrderRequest {
    OrderRequest {
        command,
        condition: Condition::default(),
        traceparent: None,
    }
}

#[tokio::test]
async fn what_was_committed_without_an_answer_is_there_for_every_store() {
    let database = database(Source::Orders);
    let forgetful = SqliteStore::inline(database.clone(), Arc::new(LosesAResult::default()));
    let lost = forgetful.run_orders(&[place(1)], NOW).await;
    assert_eq!(lost, Err(StoreError::Unknown("no answer to run_orders".into())));
    let other = SqliteStore::inline(database, Arc::new(InTurn));
    assert_eq!(other.order_events(OrderId(1)).await.expect("a journal").len(), 1);
    assert_eq!(forgetful.next_order().await, Ok(OrderId(2)));
}

#[tokio::test]
async fn databases_in_memory_begin_empty_each() {
    for source in [Source::Orders, Source::Deliveries] {
        let first = SqliteStore::inline(database(source), Arc::new(InTurn));
        assert_eq!(first.lease("a", "x", DRAIN, NOW).await, Ok(true));
        let second = SqliteStore::inline(database(source), Arc::new(InTurn));
        assert_eq!(second.lease_holder("a", NOW).await, Ok(None), "it is not the first's");
        assert_eq!(first.lease_holder("a", NOW).await, Ok(Some("x".into())));
        assert_eq!(second.ping().await, Ok(()));
    }
}

/// An order service and a delivery instance.
struct Mall {
    _folder: TempDir,
    log: LogCalls,
    orders: Arc<dyn Store>,
    deliveries: Arc<dyn Store>,
}

impl Mall {
    fn open() -> Self {
        let folder = TempDir::new().expect("a folder");
        let log = EmbeddedLog::open(folder.path(), EmbeddedOptions::default()).expect("a log");
        log.create_topic(TOPIC, 1).expect("a topic");
        Self {
            _folder: folder,
            log: LogCalls::made_by(Arc::new(InTurn), Arc::new(log)),
            orders: Arc::new(SqliteStore::inline(database(Source::Orders), Arc::new(InTurn))),
            deliveries: Arc::new(SqliteStore::inline(database(Source::Deliveries), Arc::new(InTurn))),
        }
    }

    fn service(&self, source: Source) -> Service {
        let store = match source {
            Source::Orders => &self.orders,
            Source::Deliveries => &self.deliveries,
        };
        let options = RelayOptions::usual(source, TOPIC.into(), KeyMode::OrderId, "a".into(), || NOW);
        Service::start(store.clone(), self.log.clone(), options, DRAIN, Observer::none())
    }

    fn records(&self) -> Vec<Record> {
        let partition = TopicPartition::new(TOPIC, Partition(0));
        self.log.log().read(&partition, Offset(0), 1000).expect("records")
    }

    fn journal(&self) -> OrderJournal {
        let store = self.orders.clone();
        Arc::new(move |order| {
            let store = store.clone();
            Box::pin(async move {
                let entries = store.order_events(order).await.map_err(|error| error.to_string())?;
                Ok((!entries.is_empty()).then(|| journal_answer(&entries).into()))
            })
        })
    }

    /// Hands all records to a new delivery instance, but the one at `missing`.
    async fn deliver(&self, missing: u64) {
        let service = self.service(Source::Deliveries);
        let shutdown = CancellationToken::new();
        let options = DeliveringOptions {
            topic: TOPIC.into(),
            guard: Guard::Version,
            lanes: 4,
            gap_deadline: Duration::from_secs(10),
            drain: DRAIN,
        };
        let instance = Instance {
            name: "delivery-1".into(),
            group: "delivery".into(),
            letters: shop::delivery::DEAD_LETTERS.into(),
            delay: ModifyDelay {
                time: Duration::from_secs(1),
                customer: None,
            },
            clock: || NOW,
            metrics: Arc::new(DeliveryMetrics::default()),
            observer: Observer::none(),
            hold: Hold::default(),
        };
        let (delivering, lanes) = Delivering::start(&service, &options, instance, self.journal(), &shutdown);
        for record in self.records().iter().filter(|record| record.offset.0 != missing) {
            let outcome = lanes.handler.handle(std::slice::from_ref(record), ATTEMPT).await;
            assert_eq!(outcome, Outcome::Done);
        }
        let ends = [(TopicPartition::new(TOPIC, Partition(0)), Offset(1000))].into();
        self.log.log().reset_group("delivery", &ends).expect("all is committed");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(delivering.metrics().resynced.get(), 1, "the missing one was asked for");
        shutdown.cancel();
        delivering.finish().await;
        service.finish().await;
    }
}

async fn submit(orders: &GroupCommit<OrderRequest, OrderOutcome>, requests: impl IntoIterator<Item = OrderRequest>) {
    let mut tasks = tokio::task::JoinSet::new();
    for request in requests {
        let orders = orders.clone();
        tasks.spawn(async move { orders.submit(request).await.expect("an outcome") });
    }
    tasks.join_all().await;
}

/// Everything that a run leaves, as text.
async fn run() -> String {
    let mall = Mall::open();
    let service = mall.service(Source::Orders);
    let orders = service.order_commit();
    submit(&orders, (1..=5).map(place)).await;
    submit(&orders, (1..=5).map(|order| set_qty(order, 7))).await;
    submit(&orders, (1..=5).map(|order| set_qty(order, 8))).await;
    orders.close().await;
    service.finish().await;
    mall.deliver(5).await;
    let applies = mall.deliveries.applies(0, 1000).await.expect("applies");
    assert_eq!(applies.len(), 15);
    let journals = (
        mall.orders.journal(Source::Orders, 0, 1000).await,
        mall.deliveries.journal(Source::Deliveries, 0, 1000).await,
    );
    format!("{:#?}\n{journals:#?}\n{applies:#?}", mall.records())
}

#[test]
fn one_seed_gives_the_same_bytes() {
    let run = |seed| {
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.expect("a runtime").block_on(run())
    };
    let (first, second, other) = (run(7), run(7), run(8));
    assert_eq!(first, second);
    assert_ne!(first, other, "another seed gives other traces");
}
