//! Many requests at once, through the group commit.

use std::collections::HashSet;
use std::sync::Arc;

use shop::commit::GroupCommit;
use shop::domain::{Order, OrderId, OrderOutcome, OrderRequest, Source, Version};
use shop::store::Store;

use crate::fixture::*;

type Orders = GroupCommit<OrderRequest, OrderOutcome>;

fn group_commit(store: Arc<dyn Store>) -> Orders {
    GroupCommit::start(move |batch: Arc<[OrderRequest]>| {
        let store = store.clone();
        async move { store.run_orders(&batch, NOW).await }
    })
}

pub async fn concurrent_changes_leave_no_hole_in_the_versions(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let commit = group_commit(store.clone());
    hundred_changes_and_a_cancellation(&*store, &[commit]).await;
}

/// Two services on one database that know nothing of each other.
pub async fn concurrent_changes_of_two_instances_leave_no_hole(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let commits = [
        group_commit(store.clone()),
        group_commit(fixture.open(Source::Orders).await),
    ];
    hundred_changes_and_a_cancellation(&*store, &commits).await;
}

async fn hundred_changes_and_a_cancellation(store: &dyn Store, commits: &[Orders]) {
    let id = placed(store, fields("PUSAN")).await.id;
    let request = |number: usize| match number {
        50 => cancel(id),
        number => modify(id, &format!("street {number}")),
    };
    let submit = |number: usize| {
        let commit = commits[number % commits.len()].clone();
        let request = request(number);
        tokio::spawn(async move { commit.submit(request).await })
    };
    let tasks: Vec<_> = (0..101).map(submit).collect();
    let (mut changed, mut missing, mut cancelled) = (Vec::new(), 0, 0);
    for task in tasks {
        match task.await.unwrap().unwrap() {
            OrderOutcome::Changed(Order { version, .. }) => changed.push(version),
            OrderOutcome::Missing => missing += 1,
            OrderOutcome::Cancelled(_) => cancelled += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((cancelled, changed.len() + missing), (1, 100));

    changed.sort();
    let last = changed.len() as i64 + 2;
    assert_eq!(changed, (2..last).map(Version).collect::<Vec<_>>());
    let journal = store.order_events(id).await.unwrap();
    let versions: Vec<_> = journal.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, (1..=last).map(Version).collect::<Vec<_>>());
    let rows = store.journal(Source::Orders, 0, 1000).await.unwrap();
    let in_journal_order: Vec<_> = rows.into_iter().map(|row| row.entry).collect();
    assert_eq!(in_journal_order, journal, "journal order is version order");
    assert_eq!(journal.last().unwrap().event_type.name(), "OrderCancelled");
    assert_eq!(store.order(id).await.unwrap(), None);
}

pub async fn concurrent_orders_get_numbers_of_their_own(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let commits = [
        group_commit(store.clone()),
        group_commit(fixture.open(Source::Orders).await),
    ];
    let submit = |number: usize| {
        let commit = commits[number % commits.len()].clone();
        tokio::spawn(async move { (number, commit.submit(place(&format!("street {number}"))).await) })
    };
    let tasks: Vec<_> = (0..400).map(submit).collect();
    let mut ids: HashSet<OrderId> = HashSet::new();
    for task in tasks {
        let (number, outcome) = task.await.unwrap();
        let OrderOutcome::Placed(order) = outcome.unwrap() else {
            panic!("{number} was not placed");
        };
        assert_eq!(order.fields, fields(&format!("street {number}")), "its own outcome");
        assert!(ids.insert(order.id));
    }
    assert_eq!(store.orders(&page(0, 1, &[])).await.unwrap().total, 400);
}
