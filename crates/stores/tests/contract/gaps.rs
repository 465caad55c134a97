//! Many parked orders: they are read page by page, and no number of them keeps the others from their turn.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::{EventLog, Timestamp};
use shop::LogCalls;
use shop::commit::GroupCommit;
use shop::delivery::{Fence, Gaps, Hold, Instance, ModifyDelay, OrderJournal, Sweeper};
use shop::domain::OrderEventType::{Cancelled, Modified, Placed};
use shop::domain::fence::{FenceCommand, FenceOutcome, Mark, Marked, ParkReason};
use shop::domain::{OrderId, Source, Version};
use shop::store::Store;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::fence::{mark, received, run};
use crate::fixture::*;

const TOPIC: &str = "kafka.scaling";
/// A time at which the leases taken at [`NOW`] have ended.
const LATER: Timestamp = Timestamp(NOW.0 + 60_000);
const DEADLINE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// Parks version 2 of each of these orders, of which version 1 has not come.
async fn park(store: &dyn Store, orders: impl IntoIterator<Item = i64>) {
    let orders: Vec<i64> = orders.into_iter().collect();
    for orders in orders.chunks(250) {
        let command = |order: &i64| FenceCommand::Apply(received(*order, 2, Cancelled, "SEOUL"));
        let batch: Vec<_> = orders.iter().map(command).collect();
        store.run_fence(&batch, NOW).await.expect("parked");
    }
}

fn fence(store: &Arc<dyn Store>) -> Arc<Fence> {
    let store = store.clone();
    let commands = GroupCommit::start(move |batch: Arc<[FenceCommand]>| {
        let store = store.clone();
        async move { store.run_fence(&batch, LATER).await }
    });
    let instance = Instance {
        name: "gaps".into(),
        group: "delivery".into(),
        letters: shop::delivery::DEAD_LETTERS.into(),
        delay: ModifyDelay {
            time: Duration::ZERO,
            customer: None,
        },
        clock: || LATER,
        metrics: Arc::default(),
        observer: Default::default(),
        hold: Hold::default(),
    };
    Arc::new(Fence::new(commands, instance, CancellationToken::new()))
}

async fn marked(store: &dyn Store, mark: Mark, after: i64, limit: usize) -> Vec<i64> {
    let keys = store.marked_keys(mark, OrderId(after), limit).await.expect("keys");
    keys.iter().map(|key| key.order_id.0).collect()
}

pub async fn marks_are_found_among_any_number(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    park(&*store, 1..=300).await;
    run(&*store, FenceCommand::Apply(received(7, 3, Modified, "PUSAN"))).await;
    run(&*store, FenceCommand::Apply(received(7, 4, Modified, "PUSAN"))).await;
    assert_eq!(marked(&*store, Mark::Retry, 0, 10).await, [0; 0]);
    for order in [250, 3, 120] {
        assert_eq!(
            run(&*store, mark(order, 2, Mark::Retry)).await,
            FenceOutcome::Marked(Marked::Parked(ParkReason::Gap))
        );
    }
    for version in [3, 4] {
        run(&*store, mark(7, version, Mark::Discard)).await;
    }
    assert_eq!(marked(&*store, Mark::Retry, 0, 10).await, [3, 120, 250]);
    assert_eq!(marked(&*store, Mark::Retry, 0, 2).await, [3, 120]);
    assert_eq!(marked(&*store, Mark::Retry, 120, 2).await, [250]);
    assert_eq!(
        marked(&*store, Mark::Discard, 0, 10).await,
        [7],
        "once, whatever is marked of it"
    );
    let key = &store.marked_keys(Mark::Discard, OrderId(0), 1).await.expect("a key")[0];
    assert_eq!((key.lowest.version, key.lowest.mark, key.parked), (Version(2), None, 3));

    let heard = FenceCommand::Heard {
        order_id: OrderId(120),
        version: Version(2),
    };
    assert_eq!(run(&*store, heard.clone()).await, FenceOutcome::Noted(true));
    assert_eq!(run(&*store, heard).await, FenceOutcome::Noted(false));
    assert_eq!(marked(&*store, Mark::Retry, 0, 10).await, [3, 250]);
}

pub async fn parked_events_are_read_page_by_page(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    for version in [9, 2, 5, 7] {
        run(&*store, FenceCommand::Apply(received(6, version, Modified, "SEOUL"))).await;
    }
    park(&*store, [5, 7]).await;
    let (mut versions, mut after) = (Vec::new(), Version(0));
    loop {
        let page = store.parked_events(OrderId(6), after, 3).await.expect("events");
        let Some(last) = page.last() else { break };
        after = last.head.version;
        versions.extend(page.iter().map(|event| event.head.version.0));
    }
    assert_eq!(versions, [2, 5, 7, 9]);
}

/// An order service that knows version 1 of one order only, and never answers about the first three orders.
struct Service {
    knows: i64,
    asked: Mutex<BTreeMap<i64, u32>>,
}

impl Service {
    fn journal(self: &Arc<Self>) -> OrderJournal {
        let service = self.clone();
        Arc::new(move |order| {
            *service.asked.lock().unwrap().entry(order.0).or_default() += 1;
            let known = order.0 == service.knows;
            Box::pin(async move {
                if order.0 <= 3 {
                    std::future::pending::<()>().await;
                }
                let event = format!(
                    r#"[{{"version":1,"type":"OrderPlaced","timestamp":9,
                        "payload":{{"eventType":"OrderPlaced","id":{},"qty":3}}}}]"#,
                    order.0
                );
                Ok(known.then(|| Bytes::from(event)))
            })
        })
    }

    fn asked(&self, order: i64) -> u32 {
        self.asked.lock().unwrap().get(&order).copied().unwrap_or_default()
    }
}

pub async fn a_gap_that_can_be_filled_is_filled_behind_ten_thousand_that_cannot(fixture: &dyn Fixture) {
    const FILLABLE: i64 = 10_001;
    const WANTED: i64 = 9_876;
    let store = fixture.open(Source::Deliveries).await;
    let folder = TempDir::new().expect("a folder");
    let log = Arc::new(EmbeddedLog::open(folder.path(), EmbeddedOptions::default()).expect("a log"));
    log.create_topic(TOPIC, 1).expect("a topic");
    park(&*store, 1..=FILLABLE).await;
    run(&*store, mark(WANTED, 2, Mark::Retry)).await;
    let service = Arc::new(Service {
        knows: FILLABLE,
        asked: Mutex::default(),
    });
    let waits = (DEADLINE, 8);
    let mut gaps = Gaps::new(
        store.clone(),
        LogCalls::blocking(log),
        TOPIC.into(),
        fence(&store),
        service.journal(),
        waits,
    );
    let mut now = Instant::now();
    gaps.step(now).await.expect("a step");
    assert_eq!(
        service.asked.lock().unwrap().clone(),
        BTreeMap::from([(WANTED, 1)]),
        "what a person has marked, at once"
    );
    assert_eq!(marked(&*store, Mark::Retry, 0, 10).await, [0; 0], "it has been heard");
    let mut steps = 0;
    while store.delivery_of(OrderId(FILLABLE)).await.expect("a store").is_none() {
        now += SECOND;
        gaps.step(now).await.expect("a step");
        steps += 1;
        assert!(
            steps < 2_000,
            "{} orders were asked about",
            service.asked.lock().unwrap().len()
        );
    }
    assert_eq!(service.asked(FILLABLE), 1);
    assert!(service.asked(1) >= 1, "it never answers, and holds nobody up");
    let delivery = store
        .delivery_of(OrderId(FILLABLE))
        .await
        .expect("a store")
        .expect("a delivery");
    assert_eq!(delivery.fields.qty, Some(3));
}

/// The sweeper's next step begins at the order for which there was no room, and does not go through the pages before it
/// again.
pub async fn the_sweeper_comes_round_to_everything(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    park(&*store, 1..=1_110).await;
    // An instance applied version 1 of ten orders, was handed version 2 of each, and vanished.
    for order in 1_101..=1_110 {
        run(&*store, FenceCommand::Apply(received(order, 1, Placed, "SEOUL"))).await;
    }
    let mut sweeper = Sweeper::new(store.clone(), fence(&store), 2);
    assert_eq!(sweeper.step(LATER).await, Ok(0), "none of the first page is ready");
    assert!(sweeper.is_midway());
    let mut begun = 0;
    while begun < 10 {
        begun += sweeper.step(LATER).await.expect("a step");
        assert_eq!(sweeper.is_midway(), begun < 10, "{begun} are begun");
        tokio::task::yield_now().await;
    }
    sweeper.finish().await;
    let ready = store.parked_keys(OrderId(1_100), 100).await.expect("keys");
    assert!(ready.iter().all(|key| !key.is_ready(LATER)), "{ready:?}");
}
