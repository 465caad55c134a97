//! Order events that are applied to deliveries without a fence.

use shop::domain::OrderEventType::{Cancelled, Modified, Placed};
use shop::domain::{
    Delivery, DeliveryBefore, DeliveryId, DeliveryOutcome, OrderFields, OrderId, OrderPatch, Source, Version,
};

use crate::fixture::*;

pub async fn a_delivery_follows_its_order(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let started = applied(&*store, full_event(6, 1, Placed, "PUSAN")).await;
    assert_eq!(
        started,
        Delivery {
            id: DeliveryId(1),
            order_id: Some(OrderId(6)),
            fields: fields("PUSAN"),
            status: Some("DELIVERY STARTED".into()),
            version: Version(1),
            events: Version(1),
        }
    );
    let modified = applied(&*store, full_event(6, 2, Modified, "SEOUL")).await;
    assert_eq!(
        (&modified.fields, modified.status.as_deref()),
        (&fields("SEOUL"), Some("DELIVERY MODIFIED"))
    );
    let cancelled = applied(&*store, full_event(6, 3, Cancelled, "ELSEWHERE")).await;
    assert_eq!(
        cancelled.fields,
        fields("SEOUL"),
        "a cancellation changes the status alone"
    );
    assert_eq!(cancelled.status.as_deref(), Some("DELIVERY CANCELLED"));
    assert_eq!((cancelled.version, cancelled.events), (Version(3), Version(3)));
    assert_eq!(store.delivery(started.id).await.unwrap(), Some(cancelled.clone()));
    assert_eq!(store.delivery_of(OrderId(6)).await.unwrap(), Some(cancelled));
    assert_eq!(store.delivery(DeliveryId(2)).await.unwrap(), None);
    assert_eq!(store.delivery_of(OrderId(1)).await.unwrap(), None);
}

pub async fn the_naive_way_shows_what_goes_wrong(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let orphan = apply(&*store, full_event(6, 3, Cancelled, "PUSAN")).await;
    assert_eq!(orphan, DeliveryOutcome::NoDelivery);
    assert_eq!(store.unpublished(Source::Deliveries, 0, 10).await.unwrap(), []);

    applied(&*store, full_event(6, 1, Placed, "PUSAN")).await;
    applied(&*store, full_event(6, 3, Cancelled, "PUSAN")).await;
    let late = applied(&*store, full_event(6, 2, Modified, "SEOUL")).await;
    assert_eq!(late.status.as_deref(), Some("DELIVERY MODIFIED"));
    assert_eq!((late.version, late.events), (Version(3), Version(3)));

    let again = applied(&*store, full_event(6, 1, Placed, "PUSAN")).await;
    assert_ne!(again.id, late.id, "a repeated event makes a second delivery");
    assert_eq!(store.delivery_of(OrderId(6)).await.unwrap(), Some(late));
}

pub async fn several_events_fold_in_one_batch(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let unversioned = OrderPatch {
        qty: Some(Some(9)),
        address: Some(None),
        ..OrderPatch::default()
    };
    let batch = [
        full_event(1, 1, Placed, "PUSAN"),
        full_event(2, 1, Placed, "PUSAN"),
        full_event(1, 2, Modified, "SEOUL"),
        event(2, None, Modified, unversioned),
        full_event(3, 2, Modified, "SEOUL"),
        full_event(1, 3, Cancelled, "SEOUL"),
    ];
    let outcomes = store.run_deliveries(&batch, NOW).await.unwrap();
    assert_eq!(outcomes[4], DeliveryOutcome::NoDelivery);
    let first = store.delivery_of(OrderId(1)).await.unwrap().unwrap();
    let before = DeliveryBefore {
        version: Version(2),
        status: Some("DELIVERY MODIFIED".into()),
    };
    let applied = DeliveryOutcome::Applied {
        delivery: first.clone(),
        before: Some(before),
    };
    assert_eq!(outcomes[5], applied);
    assert_eq!(
        (first.version, first.events, &first.fields),
        (Version(3), Version(3), &fields("SEOUL"))
    );
    let second = store.delivery_of(OrderId(2)).await.unwrap().unwrap();
    assert_eq!((second.version, second.events), (Version(1), Version(2)));
    assert_eq!((second.fields.qty, second.fields.address), (Some(9), None));

    let journal = store.unpublished(Source::Deliveries, 0, 10).await.unwrap();
    assert_eq!(
        names(journal.iter().map(|row| &row.entry)),
        [
            "DeliveryStarted v1",
            "DeliveryStarted v1",
            "DeliveryModified v2",
            "DeliveryModified v2",
            "DeliveryCancelled v3"
        ]
    );
    assert!(
        journal[2]
            .entry
            .payload
            .ends_with(r#""address":"SEOUL","status":"DELIVERY MODIFIED"}"#)
    );
}

pub async fn the_lowest_numbered_delivery_of_an_order_counts(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let first = applied(&*store, full_event(6, 1, Placed, "PUSAN")).await;
    let second = applied(&*store, full_event(6, 1, Placed, "PUSAN")).await;
    let batch = [full_event(6, 1, Placed, "JEJU"), full_event(6, 2, Modified, "SEOUL")];
    store.run_deliveries(&batch, NOW).await.unwrap();
    let found = store.delivery_of(OrderId(6)).await.unwrap().unwrap();
    assert_eq!((found.id, found.fields), (first.id, fields("SEOUL")));
    assert_eq!(store.delivery(second.id).await.unwrap(), Some(second.clone()));
    applied(&*store, full_event(7, 1, Placed, "PUSAN")).await;
    let all = store.deliveries_of(OrderId(6)).await.unwrap();
    assert_eq!((all.len(), all[0].id, &all[1]), (3, first.id, &second));
    assert_eq!(store.deliveries_of(OrderId(1)).await.unwrap(), []);
}

pub async fn rows_of_older_systems_are_read_and_changed_too(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let insert =
        "insert into Delivery_table (orderId, customerId, productId, productName, qty, address, status) values";
    let rows = "(null, null, null, null, null, null, null), (7, null, null, null, null, null, 'DELIVERY STARTED')";
    fixture.execute(Source::Deliveries, &format!("{insert} {rows}")).await;
    let lost = store.delivery(DeliveryId(1)).await.unwrap().unwrap();
    assert_eq!(
        (lost.order_id, &lost.fields, &lost.status),
        (None, &OrderFields::default(), &None)
    );
    assert_eq!(store.deliveries(&page(0, 20, &[])).await.unwrap().total, 2);
    let modified = applied(&*store, full_event(7, 2, Modified, "SEOUL")).await;
    assert_eq!((modified.id, modified.version), (DeliveryId(2), Version(2)));
}

pub async fn delivery_numbers_are_never_given_out_twice(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let last = applied(&*store, full_event(6, 1, Placed, "PUSAN")).await;
    fixture.execute(Source::Deliveries, "delete from Delivery_table").await;
    drop(store);
    let store = fixture.open(Source::Deliveries).await;
    let next = applied(&*store, full_event(7, 1, Placed, "PUSAN")).await;
    assert!(next.id > last.id);
}
