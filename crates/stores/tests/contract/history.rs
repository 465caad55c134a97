//! The history that the checker reads from its beginning.

use std::sync::Arc;

use keylane_log::{Offset, Partition};
use shop::domain::decide::ApplyKind;
use shop::domain::{DeliveryId, OrderEventType, OrderId, Place, Provenance, Source, Version};
use shop::store::{ApplyRow, JournalRow, RECENT_APPLIES};

use crate::fixture::*;

pub async fn a_journal_is_read_page_by_page_published_or_not(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    assert_eq!(store.journal(Source::Orders, 0, 10).await.unwrap(), []);
    let id = placed(&*store, fields("PUSAN")).await.id;
    run(&*store, modify(id, "SEOUL")).await;
    run(&*store, cancel(id)).await;
    let events = store.order_events(id).await.unwrap();
    let unpublished = store.unpublished(Source::Orders, 0, 10).await.unwrap();
    store
        .mark_published(Source::Orders, &[unpublished[0].id])
        .await
        .unwrap();

    let first = store.journal(Source::Orders, 0, 2).await.unwrap();
    let rest = store.journal(Source::Orders, first[1].id, 2).await.unwrap();
    let rows: Vec<JournalRow> = first.into_iter().chain(rest).collect();
    assert_eq!(rows.iter().map(|row| row.entry.clone()).collect::<Vec<_>>(), events);
    assert_eq!(
        rows.iter().map(|row| row.published).collect::<Vec<_>>(),
        [true, false, false]
    );

    let store = fixture.open(Source::Deliveries).await;
    applied(&*store, full_event(6, 1, OrderEventType::Placed, "PUSAN")).await;
    let rows = store.journal(Source::Deliveries, 0, 10).await.unwrap();
    let unpublished = store.unpublished(Source::Deliveries, 0, 10).await.unwrap();
    assert_eq!(rows, unpublished);
}

pub async fn deliveries_are_read_by_number(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    assert_eq!(store.deliveries_after(DeliveryId(0), 10).await.unwrap(), []);
    let mut deliveries = Vec::new();
    for order in [7, 5, 6] {
        deliveries.push(applied(&*store, full_event(order, 1, OrderEventType::Placed, "PUSAN")).await);
    }
    let first = store.deliveries_after(DeliveryId(0), 2).await.unwrap();
    assert_eq!(first, deliveries[..2]);
    assert_eq!(store.deliveries_after(first[1].id, 2).await.unwrap(), deliveries[2..]);
}

pub async fn the_newest_apply_of_a_version_is_recalled(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let recalled = async |order, version| {
        let found = store.recent_apply(OrderId(order), Version(version)).await.unwrap();
        found.map(|row| (row.seq, row.apply.provenance.instance.to_string()))
    };
    assert_eq!(recalled(6, 1).await, None, "the history is empty");
    for (version, event, instance) in [
        (1, OrderEventType::Placed, "delivery-1/77"),
        (2, OrderEventType::Modified, "delivery-1/77"),
        (2, OrderEventType::Modified, "delivery-2/78"),
    ] {
        let mut request = full_event(6, version, event, "PUSAN");
        request.provenance.instance = instance.into();
        applied(&*store, request).await;
    }
    applied(&*store, full_event(7, 1, OrderEventType::Placed, "PUSAN")).await;
    assert_eq!(recalled(6, 1).await, Some((1, "delivery-1/77".to_owned())));
    assert_eq!(recalled(6, 2).await, Some((3, "delivery-2/78".to_owned())));
    assert_eq!(recalled(6, 3).await, None);
    assert_eq!(recalled(8, 1).await, None);
    let old = format!("update delivery_apply set seq = seq + {RECENT_APPLIES} where order_id = 7");
    fixture.execute(Source::Deliveries, &old).await;
    assert_eq!(recalled(6, 2).await, None, "that was too long ago");
    assert_eq!(recalled(7, 1).await, Some((4 + RECENT_APPLIES, String::new())));
}

pub async fn the_applies_of_an_order_are_read_span_by_span(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    assert_eq!(store.applies_of(OrderId(6), 0, 10).await.unwrap(), None);
    for (order, version, event) in [
        (6, 1, OrderEventType::Placed),
        (7, 1, OrderEventType::Placed),
        (6, 2, OrderEventType::Modified),
        (7, 2, OrderEventType::Cancelled),
    ] {
        applied(&*store, full_event(order, version, event, "PUSAN")).await;
    }
    let versions = async |order, after, span| {
        let rows = store.applies_of(OrderId(order), after, span).await.unwrap();
        rows.map(|rows| {
            rows.iter()
                .map(|row| (row.seq, row.apply.version.unwrap().0))
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(versions(6, 0, 10).await, Some(vec![(1, 1), (3, 2)]));
    assert_eq!(versions(7, 0, 2).await, Some(vec![(2, 1)]));
    assert_eq!(versions(6, 3, i64::MAX).await, Some(vec![]));
    assert_eq!(versions(6, 4, 10).await, None);
}

pub async fn the_apply_history_says_what_took_effect_and_where_it_came_from(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    assert_eq!(store.applies(0, 10).await.unwrap(), []);
    let mut request = full_event(6, 1, OrderEventType::Placed, "PUSAN");
    request.provenance = Provenance {
        instance: "delivery-1/77".into(),
        epoch: Some(3),
        place: Some(Place {
            topic: Arc::from("kafka.scaling"),
            partition: Partition(1),
            offset: Offset(u64::from(u32::MAX) + 7),
        }),
    };
    applied(&*store, request.clone()).await;
    applied(&*store, full_event(6, 3, OrderEventType::Cancelled, "PUSAN")).await;

    let rows = store.applies(0, 1).await.unwrap();
    let [ApplyRow { seq, apply }] = &rows[..] else {
        panic!("{rows:?}");
    };
    assert_eq!((apply.order_id, apply.version), (OrderId(6), Some(Version(1))));
    assert_eq!(
        (apply.event_type, apply.kind),
        (Some(OrderEventType::Placed), ApplyKind::Applied)
    );
    assert_eq!((apply.before, apply.after), (Version(0), Version(1)));
    assert_eq!((apply.delivery_id, apply.at), (Some(DeliveryId(1)), NOW));
    assert_eq!(apply.provenance, request.provenance);

    let rest = store.applies(*seq, 10).await.unwrap();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!((rest[0].apply.before, rest[0].apply.after), (Version(1), Version(3)));
    assert_eq!(rest[0].apply.provenance, Provenance::default());
}
