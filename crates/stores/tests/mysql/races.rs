//! Several services on one database, through the group commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shop::commit::GroupCommit;
use shop::domain::{OrderEventType, OrderId, OrderOutcome, OrderRequest, Source, Version};
use shop::store::{Store, StoreError};
use stores::mysql::MysqlStore;

use super::database::{Database, execute, number};
use super::words::{NOW, event, move_to, place};

/// A group commit over a store, with a count of the batches that conflicted.
fn group_commit(store: Arc<MysqlStore>, conflicts: Arc<AtomicUsize>) -> GroupCommit<OrderRequest, OrderOutcome> {
    GroupCommit::start(move |batch: Arc<[OrderRequest]>| {
        let (store, conflicts) = (store.clone(), conflicts.clone());
        async move {
            let result = store.run_orders(&batch, NOW).await;
            if matches!(result, Err(StoreError::Conflict(_))) {
                conflicts.fetch_add(1, Ordering::Relaxed);
            }
            result
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_held_for_3_s_waits_alone() {
    let database = Database::unmade();
    let store = Arc::new(database.open(Source::Orders).await);
    store.run_orders(&[place(), place()], NOW).await.unwrap();
    let mut holder = database.client().await;
    execute(
        &mut holder,
        "start transaction; select id from Order_table where id = 1 for update",
    )
    .await;
    let held_until = Instant::now() + Duration::from_secs(3);
    let commit = group_commit(store.clone(), Arc::default());
    let stuck: Vec<_> = (0..16)
        .map(|number| {
            let commit = commit.clone();
            tokio::spawn(async move { commit.submit(move_to(OrderId(1), &format!("SEOUL {number}"))).await })
        })
        .collect();
    let (mut changes, mut slow) = (0, 0);
    while Instant::now() < held_until {
        let start = Instant::now();
        let changed = commit.submit(move_to(OrderId(2), &format!("street {changes}"))).await;
        assert!(matches!(changed, Ok(OrderOutcome::Changed(_))), "{changed:?}");
        slow += u32::from(start.elapsed() > Duration::from_millis(500));
        changes += 1;
    }
    assert!(stuck.iter().all(|stuck| !stuck.is_finished()));
    assert!(
        slow <= 1,
        "only who was in one batch with the held order waited: {slow} of {changes}"
    );
    assert!(changes > 100, "{changes}");
    execute(&mut holder, "rollback").await;
    for stuck in stuck {
        let changed = stuck.await.unwrap();
        assert!(matches!(&changed, Ok(OrderOutcome::Changed(_))), "{changed:?}");
    }
    let order = store.order(OrderId(1)).await.unwrap().expect("the order");
    assert_eq!(order.version, Version(17), "each change has its version");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_over_the_same_orders_queue_and_never_deadlock() {
    const ORDERS: i64 = 50;
    let database = Database::unmade();
    let conflicts = Arc::new(AtomicUsize::new(0));
    let mut services = Vec::new();
    for _ in 0..2 {
        let store = Arc::new(database.open(Source::Orders).await);
        services.push(group_commit(store, conflicts.clone()));
    }
    for _ in 0..ORDERS {
        services[0].submit(place()).await.unwrap();
    }
    let tasks = (0..1000).map(|i: i64| {
        let service = services[usize::try_from(i % 2).unwrap()].clone();
        let change = move_to(OrderId(1 + i * 7919 % ORDERS), &format!("street {i}"));
        tokio::spawn(async move { service.submit(change).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert!(matches!(task.await.unwrap(), Ok(OrderOutcome::Changed(_))));
    }
    assert_eq!(conflicts.load(Ordering::Relaxed), 0);
    let mut client = database.client().await;
    let events = format!(
        "select count(*) from order_event where version between 1 and {}",
        1 + 1000 / ORDERS
    );
    assert_eq!(number(&mut client, &events).await, 1000 + ORDERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_of_two_instances_queue_and_never_deadlock() {
    let database = Database::unmade();
    let placed: Vec<_> = (1..=40).map(|order| event(order, 1, OrderEventType::Placed)).collect();
    let mut tasks = Vec::new();
    for instance in 0..2 {
        let store = Arc::new(database.open(Source::Deliveries).await);
        if instance == 0 {
            store.run_deliveries(&placed, NOW).await.unwrap();
        }
        for _ in 0..4 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                for round in 0..20 {
                    // Each batch names other orders in another sequence, and one new order.
                    let orders = (0..16).map(|i| 1 + (i * 11 + round * 3) % 40);
                    let mut batch: Vec<_> = orders.map(|order| event(order, 2, OrderEventType::Modified)).collect();
                    batch.push(event(1000 + round, 1, OrderEventType::Placed));
                    store.run_deliveries(&batch, NOW).await.unwrap();
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    let mut client = database.client().await;
    let applied = "select cast(sum(events) as signed) from Delivery_table where orderId <= 40";
    assert_eq!(number(&mut client, applied).await, 40 + 8 * 20 * 16);
    assert_eq!(
        number(&mut client, "select count(*) from delivery_event").await,
        40 + 8 * 20 * 17
    );
}
