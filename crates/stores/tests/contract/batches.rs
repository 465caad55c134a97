//! Several commands in one transaction.

use std::sync::Arc;

use shop::commit::GroupCommit;
use shop::domain::{Condition, OrderId, OrderOutcome, OrderRequest, Source, Version, Versions};
use shop::store::{Store, StoreError};

use crate::fixture::*;

pub async fn commands_of_one_order_fold(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let first = placed(&*store, fields("PUSAN")).await.id;
    let second = placed(&*store, fields("PUSAN")).await.id;
    let batch = [
        modify(second, "SEOUL"),
        modify(first, "SEOUL"),
        modify(first, "SEOUL"),
        cancel(second),
        modify(first, "JEJU"),
        modify(second, "JEJU"),
    ];
    let outcomes = store.run_orders(&batch, NOW).await.unwrap();
    let kinds: Vec<_> = outcomes.iter().map(kind).collect();
    assert_eq!(
        kinds,
        ["changed", "changed", "unchanged", "cancelled", "changed", "missing"]
    );
    let left = store.order(first).await.unwrap().unwrap();
    assert_eq!((left.version, left.fields), (Version(3), fields("JEJU")));
    assert_eq!(store.order(second).await.unwrap(), None);
    assert_eq!(
        names(&store.order_events(first).await.unwrap()),
        ["OrderPlaced v1", "OrderModified v2", "OrderModified v3"]
    );
    assert_eq!(
        names(&store.order_events(second).await.unwrap()),
        ["OrderPlaced v1", "OrderModified v2", "OrderCancelled v3"]
    );
}

pub async fn a_batch_numbers_its_new_orders_in_order(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let batch: Vec<_> = (0..300).map(|number| place(&format!("street {number}"))).collect();
    let outcomes = store.run_orders(&batch, NOW).await.unwrap();
    let mut before = OrderId(0);
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let OrderOutcome::Placed(order) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(order.id > before);
        before = order.id;
        assert_eq!(order.fields, fields(&format!("street {number}")));
        assert_eq!(store.order(order.id).await.unwrap(), Some(order));
    }
    let journal = store.unpublished(Source::Orders, 0, 1000).await.unwrap();
    assert_eq!(journal.len(), 300);
    assert!(journal.is_sorted_by_key(|row| row.entry.order_id));
}

pub async fn an_empty_batch_is_no_trouble(fixture: &dyn Fixture) {
    let orders = fixture.open(Source::Orders).await;
    assert_eq!(orders.run_orders(&[], NOW).await.unwrap(), []);
    orders.mark_published(Source::Orders, &[]).await.unwrap();
    let deliveries = fixture.open(Source::Deliveries).await;
    assert_eq!(deliveries.run_deliveries(&[], NOW).await.unwrap(), []);
}

/// The journal already holds the next version of one order, so the database refuses that order's change, and no other.
pub async fn a_guilty_piece_fails_alone(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(placed(&*store, fields("PUSAN")).await.id);
    }
    let taken = format!(
        "insert into order_event (order_id, version, type, payload, timestamp, published) \
         values ({}, 2, 'OrderModified', '{{}}', 0, 1)",
        ids[2]
    );
    fixture.execute(Source::Orders, &taken).await;
    let batch: Vec<_> = ids.iter().map(|id| modify(*id, "SEOUL")).collect();
    let refused = store.run_orders(&batch, NOW).await;
    assert!(matches!(refused, Err(StoreError::Rejected(_))), "{refused:?}");
    for id in &ids {
        let order = store.order(*id).await.unwrap().unwrap();
        assert_eq!(order.fields, fields("PUSAN"), "altogether or not at all");
    }

    let answers = submit_all(&store, batch).await;
    for (index, answer) in answers.into_iter().enumerate() {
        match (index, answer) {
            (2, Err(StoreError::Rejected(_))) | (0 | 1 | 3 | 4, Ok(OrderOutcome::Changed(_))) => {}
            (index, answer) => panic!("{index}: {answer:?}"),
        }
    }
}

async fn submit_all(store: &Arc<dyn Store>, batch: Vec<OrderRequest>) -> Vec<Result<OrderOutcome, StoreError>> {
    let store = store.clone();
    let commit = GroupCommit::start(move |batch: Arc<[OrderRequest]>| {
        let store = store.clone();
        async move { store.run_orders(&batch, NOW).await }
    });
    let submit = |request| {
        let commit = commit.clone();
        tokio::spawn(async move { commit.submit(request).await })
    };
    let tasks: Vec<_> = batch.into_iter().map(submit).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    commit.close().await;
    answers
}

/// Two commands name the same version in their conditions, in one batch and in two: the second one comes too late.
pub async fn of_two_on_one_version_the_first_wins(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let order = placed(&*store, fields("PUSAN")).await;
    let on = |version: i64, request: OrderRequest| OrderRequest {
        condition: Condition {
            one_of: Some(Versions::These(vec![Version(version)])),
            none_of: None,
        },
        ..request
    };
    let batch = [
        on(1, modify(order.id, "SEOUL")),
        on(1, modify(order.id, "INCHEON")),
        on(1, cancel(order.id)),
        on(2, modify(order.id, "DAEGU")),
        on(3, modify(order.id, "DAEGU")),
    ];
    let outcomes = store.run_orders(&batch, NOW).await.unwrap();
    let kinds: Vec<_> = outcomes.iter().map(kind).collect();
    assert_eq!(kinds, ["changed", "otherwise", "otherwise", "changed", "unchanged"]);
    assert_eq!(outcomes[1], OrderOutcome::Otherwise(Version(2)));
    let late = run(&*store, on(2, modify(order.id, "ULSAN"))).await;
    assert_eq!(late, OrderOutcome::Otherwise(Version(3)));
    let journal = store.order_events(order.id).await.unwrap();
    assert_eq!(
        names(&journal),
        ["OrderPlaced v1", "OrderModified v2", "OrderModified v3"]
    );
    assert_eq!(
        run(&*store, on(3, cancel(order.id))).await,
        OrderOutcome::Cancelled(Version(4))
    );
    assert_eq!(run(&*store, on(4, cancel(order.id))).await, OrderOutcome::Missing);
}

fn kind(outcome: &OrderOutcome) -> &'static str {
    match outcome {
        OrderOutcome::Placed(_) => "placed",
        OrderOutcome::Changed(_) => "changed",
        OrderOutcome::Unchanged(_) => "unchanged",
        OrderOutcome::Cancelled(_) => "cancelled",
        OrderOutcome::Missing => "missing",
        OrderOutcome::Otherwise(_) => "otherwise",
        OrderOutcome::Invalid(_) => "invalid",
    }
}
