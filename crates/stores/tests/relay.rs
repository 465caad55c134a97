//! The relay between a real journal and a real log: what it publishes, in which order, and what it does if it can't.
#![allow(missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::{EventLog, LogError, Offset, Partition, Record, Timestamp, TopicPartition};
use shop::domain::fence::{FenceCommand, NewDeadLetter};
use shop::domain::{Change, Condition, OrderCommand, OrderFields, OrderId, OrderPatch, OrderRequest, Source};
use shop::relay::{KeyMode, Progress, Relay, RelayError, RelayOptions};
use shop::store::{FenceStore, Store};
use shop::{CallLog, LogCall, LogCalls};
use stores::sqlite::SqliteStore;
use tempfile::TempDir;

const TOPIC: &str = "kafka.scaling";
const NOW: Timestamp = Timestamp(1_749_697_512_193);

struct Shop {
    folder: TempDir,
    store: Arc<SqliteStore>,
    log: Arc<EmbeddedLog>,
}

impl Shop {
    fn open(partitions: u32) -> Self {
        let folder = TempDir::new().expect("a folder");
        let store = SqliteStore::open(&folder.path().join("orders.db"), Source::Orders).expect("a store");
        let log = EmbeddedLog::open(folder.path(), EmbeddedOptions::default()).expect("a log");
        if partitions > 0 {
            log.create_topic(TOPIC, partitions).expect("a topic");
        }
        Self {
            folder,
            store: Arc::new(store),
            log: Arc::new(log),
        }
    }

    fn relay(&self, key: KeyMode, holder: &str) -> Relay {
        self.relay_at(key, holder, || NOW)
    }

    fn relay_at(&self, key: KeyMode, holder: &str, clock: fn() -> Timestamp) -> Relay {
        Relay::new(
            self.store.clone(),
            LogCalls::blocking(self.log.clone()),
            options(Source::Orders, key, holder, clock),
        )
    }

    async fn run(&self, commands: Vec<OrderCommand>, traceparent: Option<String>) {
        let batch: Vec<OrderRequest> = commands
            .into_iter()
            .map(|command| OrderRequest {
                command,
                condition: Condition::default(),
                traceparent: traceparent.clone(),
            })
            .collect();
        self.store.run_orders(&batch, NOW).await.expect("a batch");
    }

    async fn place(&self, count: usize) {
        let fields = OrderFields {
            qty: Some(1),
            customer_id: Some(1),
            ..text_fields()
        };
        self.run(vec![OrderCommand::Place(fields); count], None).await;
    }

    async fn set_qty(&self, order: i64, qty: i32) {
        self.run(vec![set_qty(order, qty)], None).await;
    }

    /// Removes the reason why the log refuses an event.
    fn mend(&self, order: i64, version: i64) {
        let sql = "update order_event set traceparent = null where order_id = ? and version = ?";
        self.journal().execute(sql, [order, version]).expect("it is small now");
    }

    fn journal(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("orders.db")).expect("a journal")
    }

    fn records(&self, partition: u32) -> Vec<Record> {
        let partition = TopicPartition::new(TOPIC, Partition(partition));
        self.log.read(&partition, Offset(0), 10_000).expect("records")
    }
}

fn options(source: Source, key: KeyMode, holder: &str, clock: fn() -> Timestamp) -> RelayOptions {
    RelayOptions {
        source,
        topic: TOPIC.into(),
        key,
        holder: holder.into(),
        idle_poll: Duration::from_millis(25),
        gather: Duration::ZERO,
        clock,
    }
}

fn text_fields() -> OrderFields {
    OrderFields {
        product_id: Some("100".into()),
        product_name: Some("RADIO".into()),
        address: Some("PUSAN".into()),
        ..OrderFields::default()
    }
}

/// A text that is longer than a record of the log can be.
fn too_large() -> Option<String> {
    Some("x".repeat(64 << 20))
}

fn set_qty(order: i64, qty: i32) -> OrderCommand {
    let patch = OrderPatch {
        qty: Some(Some(qty)),
        ..OrderPatch::default()
    };
    OrderCommand::Change(OrderId(order), Change::Merge(patch))
}

/// The header `ce_id` of each record.
fn ids(records: &[Record]) -> Vec<String> {
    let id = |record: &Record| String::from_utf8_lossy(record.header("ce_id").unwrap_or_default()).into_owned();
    records.iter().map(id).collect()
}

#[tokio::test]
async fn versions_of_an_order_follow_each_other_and_are_marked() {
    let shop = Shop::open(1);
    shop.place(2).await;
    shop.set_qty(1, 2).await;
    shop.set_qty(2, 2).await;
    shop.run(vec![OrderCommand::Cancel(OrderId(1))], None).await;
    let mut relay = shop.relay(KeyMode::OrderId, "a");
    assert_eq!(relay.step().await, Ok(Progress::Published(5)));
    assert_eq!(
        ids(&shop.records(0)),
        [
            "/orders/1/1",
            "/orders/2/1",
            "/orders/1/2",
            "/orders/2/2",
            "/orders/1/3"
        ]
    );
    assert_eq!(relay.step().await, Ok(Progress::Idle));
    assert_eq!(shop.store.unpublished(Source::Orders, 0, 10).await, Ok(Vec::new()));
}

#[tokio::test]
async fn without_a_key_partitions_are_taken_in_turn_from_the_first() {
    let shop = Shop::open(2);
    shop.place(1).await;
    shop.set_qty(1, 2).await;
    shop.run(vec![OrderCommand::Cancel(OrderId(1))], None).await;
    let mut relay = shop.relay(KeyMode::None, "a");
    assert_eq!(relay.step().await, Ok(Progress::Published(3)));
    assert_eq!(ids(&shop.records(0)), ["/orders/1/1", "/orders/1/3"]);
    assert_eq!(ids(&shop.records(1)), ["/orders/1/2"]);
    assert!(shop.records(0).iter().all(|record| record.key.is_none()));
}

/// One order's event is too large for the log: the later events of that order wait behind it, and those of all other
/// orders are published.
#[tokio::test]
async fn what_the_log_refuses_blocks_its_own_order_alone() {
    let shop = Shop::open(1);
    shop.place(3).await;
    let mut relay = shop.relay(KeyMode::OrderId, "a");
    assert_eq!(relay.step().await, Ok(Progress::Published(3)));
    shop.run(vec![set_qty(2, 2)], too_large()).await;
    shop.set_qty(2, 3).await;
    shop.set_qty(3, 2).await;
    assert_eq!(relay.step().await, Ok(Progress::Published(1)));
    assert_eq!(relay.step().await, Ok(Progress::Idle));
    assert_eq!(ids(&shop.records(0))[3..], ["/orders/3/2"]);
    let waiting = shop.store.unpublished(Source::Orders, 0, 10).await.expect("a journal");
    assert_eq!(
        waiting.iter().map(|row| row.entry.version.0).collect::<Vec<_>>(),
        [2, 3]
    );
}

/// An order that is tried again stays blocked until the log has taken its event, so no line in between says that its
/// trouble is over.
#[tokio::test(start_paused = true)]
async fn an_order_that_is_tried_again_is_still_blocked() {
    let shop = Shop::open(1);
    shop.place(2).await;
    shop.run(vec![set_qty(2, 2)], too_large()).await;
    let mut relay = shop.relay(KeyMode::OrderId, "a");
    assert_eq!(relay.step().await, Ok(Progress::Published(2)));
    assert_eq!(relay.step().await, Ok(Progress::Idle));
    assert_eq!(relay.blocked_orders(), 1);
    tokio::time::advance(Duration::from_secs(31)).await;
    shop.set_qty(1, 2).await;
    assert_eq!(relay.step().await, Ok(Progress::Published(1)));
    assert_eq!(relay.blocked_orders(), 1, "it was refused again");
    shop.mend(2, 2);
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!(
        relay.step().await,
        Ok(Progress::Idle),
        "the second pause is twice as long"
    );
    tokio::time::advance(Duration::from_secs(32)).await;
    assert_eq!(relay.step().await, Ok(Progress::Published(1)));
    assert_eq!(relay.blocked_orders(), 0);
}

/// The events that another relay has published while it had the lease block nothing, whether this relay has noticed it
/// or not.
#[tokio::test(start_paused = true)]
async fn what_another_relay_has_published_blocks_no_order() {
    static CLOCK: AtomicI64 = AtomicI64::new(NOW.0);
    let clock = || Timestamp(CLOCK.load(Ordering::Relaxed));
    for standing_by in [true, false] {
        let shop = Shop::open(1);
        shop.place(2).await;
        shop.run(vec![set_qty(2, 2)], too_large()).await;
        let mut first = shop.relay_at(KeyMode::OrderId, "a", clock);
        let mut second = shop.relay_at(KeyMode::OrderId, "b", clock);
        assert_eq!(first.step().await, Ok(Progress::Published(2)));
        assert_eq!(first.blocked_orders(), 1);
        shop.mend(2, 2);
        // The lease of the first relay expires.
        CLOCK.fetch_add(5_000, Ordering::Relaxed);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(second.step().await, Ok(Progress::Published(1)));
        if standing_by {
            assert_eq!(first.step().await, Ok(Progress::Standby));
            assert_eq!(first.blocked_orders(), 0, "it doesn't know");
        }
        second.release().await.expect("given back");
        shop.set_qty(2, 3).await;
        assert_eq!(
            first.step().await,
            Ok(Progress::Published(1)),
            "the next event of the order"
        );
        assert_eq!(first.blocked_orders(), 0);
    }
}

#[tokio::test]
async fn what_a_person_has_marked_as_published_blocks_no_order() {
    let shop = Shop::open(1);
    shop.place(1).await;
    shop.run(vec![set_qty(1, 2)], too_large()).await;
    let mut relay = shop.relay(KeyMode::OrderId, "a");
    assert_eq!(relay.step().await, Ok(Progress::Published(1)));
    assert_eq!(relay.blocked_orders(), 1);
    shop.journal()
        .execute("update order_event set published = 1", [])
        .expect("marked");
    assert_eq!(relay.step().await, Ok(Progress::Idle));
    assert_eq!(relay.blocked_orders(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_another_relay_has_published_is_refused_no_more() {
    let shop = Shop::open(1);
    let path = shop.folder.path().join("deliveries.db");
    let store = Arc::new(SqliteStore::open(&path, Source::Deliveries).expect("a store"));
    let letter = NewDeadLetter {
        order_id: None,
        version: None,
        topic: "dlq-kafka.delivery".into(),
        timestamp: NOW,
        key: None,
        value: Some(vec![0; 17 << 20].into()),
        headers: Vec::new(),
    };
    let buried = store.run_fence(&[FenceCommand::Bury(letter)], NOW).await;
    buried.expect("a dead letter");
    let options = options(Source::Deliveries, KeyMode::OrderId, "a", || NOW);
    let mut relay = Relay::new(store.clone(), LogCalls::blocking(shop.log.clone()), options);
    let refused = relay.metrics().clone();
    assert_eq!(relay.step().await, Ok(Progress::Idle));
    assert_eq!(refused.blocked_letters.get(), 1);
    let letters = store.dead_letters(true, 0, 10).await.expect("its journal");
    store.mark_letters_published(&[letters[0].id]).await.expect("marked");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(relay.step().await, Ok(Progress::Idle));
    assert_eq!(refused.blocked_letters.get(), 0);
}

/// More events of a refused order than the relay reads at a time stand before those of another order.
#[tokio::test]
async fn what_stands_behind_pages_of_a_blocked_order_is_published() {
    let shop = Shop::open(1);
    shop.place(2).await;
    let mut relay = shop.relay(KeyMode::OrderId, "a");
    assert_eq!(relay.step().await, Ok(Progress::Published(2)));
    shop.run(vec![set_qty(2, 2)], too_large()).await;
    shop.run((3..9_000).map(|qty| set_qty(2, qty)).collect(), None).await;
    shop.set_qty(1, 2).await;
    assert_eq!(relay.step().await, Ok(Progress::Published(1)));
    assert_eq!(ids(&shop.records(0))[2..], ["/orders/1/2"]);
}

/// A relay that crashed between the acknowledgement and the mark sends the same events again, and loses none.
#[tokio::test]
async fn what_was_not_marked_is_sent_again() {
    let shop = Shop::open(1);
    shop.place(2).await;
    shop.set_qty(1, 2).await;
    assert_eq!(
        shop.relay(KeyMode::OrderId, "a").step().await,
        Ok(Progress::Published(3))
    );
    shop.journal()
        .execute("update order_event set published = 0 where order_id = 1", [])
        .expect("unmarked");
    assert_eq!(
        shop.relay(KeyMode::OrderId, "a").step().await,
        Ok(Progress::Published(2))
    );
    let expected = [
        "/orders/1/1",
        "/orders/2/1",
        "/orders/1/2",
        "/orders/1/1",
        "/orders/1/2",
    ];
    assert_eq!(ids(&shop.records(0)), expected);
}

/// Makes each call at once, and loses the answer to the first append.
#[derive(Default)]
struct LosesAnAnswer {
    appends: AtomicI64,
}

#[async_trait]
impl CallLog for LosesAnAnswer {
    async fn call(&self, name: &'static str, call: LogCall) -> Result<(), LogError> {
        call();
        match name == "append" && self.appends.fetch_add(1, Ordering::Relaxed) == 0 {
            true => Err(LogError::Unavailable("no answer".into())),
            false => Ok(()),
        }
    }
}

/// What was sent may be in the log, so a relay without an answer marks nothing, sends no later version, and begins again.
#[tokio::test]
async fn an_append_without_an_answer_is_made_again() {
    let shop = Shop::open(1);
    shop.place(1).await;
    shop.set_qty(1, 2).await;
    let calls = LogCalls::made_by(Arc::new(LosesAnAnswer::default()), shop.log.clone());
    let options = options(Source::Orders, KeyMode::OrderId, "a", || NOW);
    let mut relay = Relay::new(shop.store.clone(), calls, options);
    assert_eq!(
        relay.step().await,
        Err(RelayError::Log(LogError::Unavailable("no answer".into())))
    );
    assert_eq!(shop.store.unpublished(Source::Orders, 0, 10).await.unwrap().len(), 2);
    assert_eq!(relay.step().await, Ok(Progress::Published(2)));
    assert_eq!(ids(&shop.records(0)), ["/orders/1/1", "/orders/1/1", "/orders/1/2"]);
}

#[tokio::test]
async fn a_second_relay_stands_by_until_the_lease_is_given_back() {
    let shop = Shop::open(1);
    let (mut first, mut second) = (shop.relay(KeyMode::OrderId, "a"), shop.relay(KeyMode::OrderId, "b"));
    assert_eq!(first.step().await, Ok(Progress::Idle));
    shop.place(1).await;
    assert_eq!(second.step().await, Ok(Progress::Standby));
    first.release().await.expect("given back");
    assert_eq!(second.step().await, Ok(Progress::Published(1)));
}

/// If the log refuses the events of every order, the log is at fault: the relay waits, and goes on once the log is
/// mended.
#[tokio::test(start_paused = true)]
async fn a_log_that_refuses_everything_is_waited_for() {
    let shop = Shop::open(0);
    shop.place(150).await;
    let mut relay = shop.relay(KeyMode::OrderId, "a");
    for _ in 0..2 {
        assert!(matches!(relay.step().await, Err(RelayError::Log(_))));
    }
    shop.log.create_topic(TOPIC, 1).expect("a topic");
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(relay.step().await, Ok(Progress::Published(150)));
}
