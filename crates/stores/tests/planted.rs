//! The defects that can be planted into the services and stores: each does its harm, and without it the same steps do none.
#![allow(missing_docs)]

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use keylane::{Attempt, Epoch, Handler, Outcome};
use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::{EventLog, LogError, Offset, Partition, Record, Timestamp, TopicPartition};
use observe::Observer;
use planted::Bug;
use shop::commit::GroupCommit;
use shop::delivery::{DeliveryMetrics, Fence, FencedHandler, Hold, Instance, ModifyDelay, Sweeper};
use shop::domain::fence::LEASE;
use shop::domain::{Change, Condition, OrderCommand, OrderFields, OrderId, OrderPatch, OrderRequest, Source, Version};
use shop::relay::{KeyMode, Progress, Relay, RelayError, RelayOptions};
use shop::store::{FenceStore, Store, StoreError};
use shop::{CallLog, LogCall, LogCalls};
use stores::sqlite::{Database, RunWork, SqliteStore, Work};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const TOPIC: &str = "kafka.scaling";
const NOW: Timestamp = Timestamp(1_749_697_512_193);
const ORDER: OrderId = OrderId(1);
const ATTEMPT: Attempt = Attempt {
    number: 1,
    epoch: Epoch(1),
};

thread_local! {
    static CLOCK: Cell<Timestamp> = const { Cell::new(NOW) };
}

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
        call();
        Ok(())
    }
}

/// Makes no append.
struct Away;

#[async_trait]
impl CallLog for Away {
    async fn call(&self, name: &'static str, call: LogCall) -> Result<(), LogError> {
        if name == "append" {
            return Err(LogError::Unavailable("away".into()));
        }
        call();
        Ok(())
    }
}

fn store(source: Source) -> Arc<SqliteStore> {
    let database = Database::in_memory(source).expect("a database");
    Arc::new(SqliteStore::inline(Arc::new(Mutex::new(database)), Arc::new(InTurn)))
}

/// The order service, with an order that was placed, with quantity 1, and modified, to 2 and to 3.
struct Orders {
    _folder: TempDir,
    log: Arc<EmbeddedLog>,
    store: Arc<SqliteStore>,
}

impl Orders {
    /// `trace` is that of the first event.
    async fn new(trace: Option<String>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let log = EmbeddedLog::open(folder.path(), EmbeddedOptions::default()).expect("a log");
        log.create_topic(TOPIC, 1).expect("a topic");
        let store = store(Source::Orders);
        for qty in 1..=3 {
            let command = match qty {
                1 => OrderCommand::Place(OrderFields {
                    qty: Some(1),
                    customer_id: Some(2000),
                    product_id: Some("100".into()),
                    product_name: Some("RADIO".into()),
                    address: Some("PUSAN".into()),
                }),
                _ => OrderCommand::Change(
                    ORDER,
                    Change::Merge(OrderPatch {
                        qty: Some(Some(qty)),
                        ..OrderPatch::default()
                    }),
                ),
            };
            let request = OrderRequest {
                command,
                condition: Condition::default(),
                traceparent: trace.clone().filter(|_| qty == 1),
            };
            store.run_orders(&[request], NOW).await.expect("an event");
        }
        Self {
            _folder: folder,
            log: Arc::new(log),
            store,
        }
    }

    fn relay(&self, caller: impl CallLog + 'static) -> Relay {
        let log = LogCalls::made_by(Arc::new(caller), self.log.clone());
        let options = RelayOptions::usual(Source::Orders, TOPIC.into(), KeyMode::OrderId, "a".into(), || NOW);
        Relay::new(self.store.clone(), log, options)
    }

    fn records(&self) -> Vec<Record> {
        let partition = TopicPartition::new(TOPIC, Partition(0));
        self.log.read(&partition, Offset(0), 10).expect("records")
    }

    async fn unpublished(&self) -> usize {
        self.store
            .unpublished(Source::Orders, 0, 10)
            .await
            .expect("a journal")
            .len()
    }
}

/// The records of the order's three events.
async fn records() -> Vec<Record> {
    let orders = Orders::new(None).await;
    assert_eq!(orders.relay(InTurn).step().await, Ok(Progress::Published(3)));
    orders.records()
}

fn fence(store: &Arc<SqliteStore>, name: &str, delay: Duration) -> Arc<Fence> {
    let commands = {
        let store = store.clone();
        GroupCommit::start(move |batch| {
            let store = store.clone();
            async move { store.run_fence(&batch, CLOCK.get()).await }
        })
    };
    let instance = Instance {
        name: name.into(),
        group: "delivery".into(),
        letters: shop::delivery::DEAD_LETTERS.into(),
        delay: ModifyDelay {
            time: delay,
            customer: None,
        },
        clock: || CLOCK.get(),
        metrics: Arc::new(DeliveryMetrics::default()),
        observer: Observer::none(),
        hold: Hold::default(),
    };
    Arc::new(Fence::new(commands, instance, CancellationToken::new()))
}

/// Hands records to an instance.
async fn handle(fence: &Arc<Fence>, records: impl IntoIterator<Item = &Record>) {
    let handler = FencedHandler::new(fence.clone());
    for record in records {
        let outcome = handler.handle(std::slice::from_ref(record), ATTEMPT).await;
        assert_eq!(outcome, Outcome::Done);
    }
}

async fn qty(store: &SqliteStore) -> Option<i32> {
    store
        .delivery_of(ORDER)
        .await
        .expect("a delivery")
        .and_then(|it| it.fields.qty)
}

/// Runs steps with the bug and without it, each on a thread of its own, whose time is paused. Returns what they gave.
fn with_and_without<T: Send + 'static>(bug: Bug, steps: impl AsyncFn() -> T + Clone + Send + 'static) -> (T, T) {
    let run = |planted: bool| {
        let steps = steps.clone();
        let thread = std::thread::spawn(move || {
            let _planted = planted.then(|| planted::plant(bug));
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build();
            runtime.expect("a runtime").block_on(steps())
        });
        thread.join().expect("the steps")
    };
    (run(true), run(false))
}

#[test]
fn without_the_fence_a_repeated_event_overwrites() {
    let steps = async || {
        let (store, records) = (store(Source::Deliveries), records().await);
        let fence = fence(&store, "a", Duration::ZERO);
        handle(&fence, &records).await;
        handle(&fence, &records[1..2]).await;
        qty(&store).await
    };
    assert_eq!(with_and_without(Bug::NoFence, steps), (Some(2), Some(3)));
}

#[test]
fn without_a_second_comparison_a_zombie_overwrites() {
    let steps = async || {
        let (store, records) = (store(Source::Deliveries), records().await);
        let zombie = fence(&store, "zombie", Duration::from_millis(900));
        let other = fence(&store, "other", Duration::ZERO);
        handle(&other, &records[..1]).await;
        let late = tokio::spawn({
            let record = records[1].clone();
            async move { handle(&zombie, [&record]).await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        handle(&other, &records[1..]).await;
        let before = qty(&store).await;
        late.await.expect("the zombie");
        (before, qty(&store).await)
    };
    let (with, without) = with_and_without(Bug::NoSecondCompare, steps);
    assert_eq!(with, (Some(3), Some(2)));
    assert_eq!(without, (Some(3), Some(3)));
}

/// The first comparison is still made, also where no work follows it.
#[test]
fn without_a_second_comparison_early_events_wait() {
    let steps = async || {
        let (store, records) = (store(Source::Deliveries), records().await);
        let fence = fence(&store, "a", Duration::ZERO);
        handle(&fence, [&records[2], &records[0], &records[1]]).await;
        qty(&store).await
    };
    assert_eq!(with_and_without(Bug::NoSecondCompare, steps), (Some(3), Some(3)));
}

#[test]
fn without_a_cursor_row_a_parked_event_waits_for_what_was_applied() {
    let steps = async || {
        let (store, records) = (store(Source::Deliveries), records().await);
        let (first, second) = (fence(&store, "a", Duration::ZERO), fence(&store, "b", Duration::ZERO));
        tokio::join!(handle(&first, &records[..1]), handle(&second, &records[1..2]));
        let mut sweeper = Sweeper::new(store.clone(), first, 8);
        let swept = sweeper.step(NOW).await.expect("a store");
        sweeper.finish().await;
        (swept, qty(&store).await)
    };
    let (with, without) = with_and_without(Bug::NoCursorRow, steps);
    assert_eq!(with, (0, Some(1)), "v2 stays parked, and v1 has been applied");
    assert_eq!(without.1, Some(2));
}

#[test]
fn a_relay_that_passes_over_sends_the_second_version_without_the_first() {
    let steps = async || {
        let orders = Orders::new(Some("x".repeat(64 << 20))).await;
        let mut relay = orders.relay(InTurn);
        for _ in 0..2 {
            relay.step().await.expect("a step");
        }
        let version = |record: &Record| shop::records::version(record).expect("it can be read");
        orders.records().iter().map(version).collect::<Vec<_>>()
    };
    let (with, without) = with_and_without(Bug::RelayPassesOver, steps);
    assert_eq!(with, [Some(Version(2)), Some(Version(3))]);
    assert_eq!(without, []);
}

#[test]
fn a_mark_before_the_acknowledgement_loses_what_was_not_sent() {
    let steps = async || {
        let orders = Orders::new(None).await;
        let step = orders.relay(Away).step().await;
        assert_eq!(step, Err(RelayError::Log(LogError::Unavailable("away".into()))));
        (orders.records().len(), orders.unpublished().await)
    };
    let (with, without) = with_and_without(Bug::MarkBeforeAcknowledgement, steps);
    assert_eq!(with, (0, 2), "v1 is marked and nowhere");
    assert_eq!(without, (0, 3));
}

#[test]
fn what_a_crashed_instance_has_leased_is_never_taken_again() {
    let steps = async || {
        let (store, records) = (store(Source::Deliveries), records().await);
        let (crashing, other) = (
            fence(&store, "a", Duration::from_secs(60)),
            fence(&store, "b", Duration::ZERO),
        );
        handle(&other, &records[1..2]).await;
        let work = handle(&crashing, &records[..1]);
        let crashed = tokio::time::timeout(Duration::from_secs(1), work).await;
        assert!(crashed.is_err(), "it works on what was parked");
        CLOCK.set(Timestamp(NOW.0 + 2 * LEASE.as_millis() as i64));
        let mut sweeper = Sweeper::new(store.clone(), other, 8);
        let swept = sweeper.step(CLOCK.get()).await.expect("a store");
        sweeper.finish().await;
        (swept, qty(&store).await)
    };
    let (with, without) = with_and_without(Bug::LeaseNeverExpires, steps);
    assert_eq!(with, (0, Some(1)));
    assert_eq!(without, (1, Some(2)));
}

#[test]
fn what_is_parked_without_a_wake_up_stays_parked() {
    let steps = async || {
        let (store, records) = (store(Source::Deliveries), records().await);
        let fence = fence(&store, "a", Duration::ZERO);
        handle(&fence, [&records[1], &records[0]]).await;
        let mut sweeper = Sweeper::new(store.clone(), fence, 8);
        let swept = sweeper.step(NOW).await.expect("a store");
        sweeper.finish().await;
        let parked = store.parked_events(ORDER, Version(0), 10).await.expect("a store");
        (swept, parked.len(), qty(&store).await)
    };
    let (with, without) = with_and_without(Bug::ParkWithoutWakeUp, steps);
    assert_eq!(with, (0, 1, Some(1)));
    assert_eq!(without, (0, 0, Some(2)));
}
