//! The journals as outboxes, and the relays' lease.

use std::time::Duration;

use keylane_log::Timestamp;
use shop::domain::{OrderEventType, OrderId, Source, Version};
use shop::store::{Backlog, JournalRow, Waiting};

use crate::fixture::*;

pub async fn events_are_published_once_and_in_order(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    assert_eq!(store.unpublished(Source::Orders, 0, 10).await.unwrap(), []);
    let id = placed(&*store, fields("PUSAN")).await.id;
    for number in 0..9 {
        run(&*store, modify(id, &format!("street {number}"))).await;
    }
    let oldest = store.unpublished(Source::Orders, 0, 4).await.unwrap();
    let versions: Vec<_> = oldest.iter().map(|row| row.entry.version.0).collect();
    assert_eq!(versions, [1, 2, 3, 4]);

    // The second event has not been acknowledged yet.
    let marks = [oldest[0].id, oldest[2].id, oldest[3].id];
    store.mark_published(Source::Orders, &marks).await.unwrap();
    let left = store.unpublished(Source::Orders, 0, 100).await.unwrap();
    let versions: Vec<_> = left.iter().map(|row| row.entry.version.0).collect();
    assert_eq!(versions, [2, 5, 6, 7, 8, 9, 10]);

    let ids: Vec<_> = left.iter().map(|row| row.id).collect();
    store.mark_published(Source::Orders, &ids).await.unwrap();
    store.mark_published(Source::Orders, &ids).await.unwrap();
    drop(store);
    let store = fixture.open(Source::Orders).await;
    assert_eq!(store.unpublished(Source::Orders, 0, 10).await.unwrap(), []);
    assert_eq!(store.order_events(id).await.unwrap().len(), 10, "the journal is kept");
}

pub async fn delivery_events_have_a_journal_of_their_own(fixture: &dyn Fixture) {
    let orders = fixture.open(Source::Orders).await;
    placed(&*orders, fields("PUSAN")).await;
    let store = fixture.open(Source::Deliveries).await;
    let mut request = full_event(6, 1, OrderEventType::Placed, "PUSAN");
    request.traceparent = Some("00-1-2-01".into());
    applied(&*store, request).await;
    let journal = store.unpublished(Source::Deliveries, 0, 10).await.unwrap();
    let [JournalRow { id, entry, published }] = &journal[..] else {
        panic!("{journal:?}");
    };
    assert!(!published);
    assert_eq!(
        (entry.event_type.source(), entry.row_id, entry.order_id),
        (Source::Deliveries, 1, OrderId(6))
    );
    assert_eq!((entry.version, entry.timestamp), (Version(1), NOW));
    assert_eq!(entry.traceparent.as_deref(), Some("00-1-2-01"));
    assert_eq!(
        entry.payload,
        r#"{"eventType":"DeliveryStarted","timestamp":1749697512193,"id":1,"orderId":6,"customerId":2000,"productId":"100","productName":"RADIO","qty":3,"address":"PUSAN","status":"DELIVERY STARTED"}"#
    );
    store.mark_published(Source::Deliveries, &[*id]).await.unwrap();
    assert_eq!(store.unpublished(Source::Deliveries, 0, 10).await.unwrap(), []);
    assert_eq!(orders.unpublished(Source::Orders, 0, 10).await.unwrap().len(), 1);
}

pub async fn what_waits_is_counted_and_dated(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    assert_eq!(store.backlog(Source::Orders).await.unwrap(), Backlog::default());
    for milliseconds in 0..3 {
        let now = Timestamp(NOW.0 + milliseconds);
        store.run_orders(&[place("PUSAN")], now).await.unwrap();
    }
    let waiting = async || store.backlog(Source::Orders).await.unwrap().journal;
    let expected = |count, milliseconds| Waiting {
        count,
        oldest: Some(Timestamp(NOW.0 + milliseconds)),
    };
    assert_eq!(waiting().await, expected(3, 0));
    let ids: Vec<_> = store
        .unpublished(Source::Orders, 0, 10)
        .await
        .unwrap()
        .iter()
        .map(|row| row.id)
        .collect();
    store.mark_published(Source::Orders, &ids[..1]).await.unwrap();
    assert_eq!(waiting().await, expected(2, 1));
    store.mark_published(Source::Orders, &ids).await.unwrap();
    assert_eq!(waiting().await, Waiting::default());
}

pub async fn a_lease_has_one_holder(fixture: &dyn Fixture) {
    const TTL: Duration = Duration::from_secs(5);
    let store = fixture.open(Source::Orders).await;
    let at = |seconds: i64| Timestamp(NOW.0 + seconds * 1000);
    let take = async |name, holder, ttl, now| store.lease(name, holder, ttl, now).await.unwrap();
    assert!(take("orders", "A", TTL, at(0)).await, "free");
    assert!(!take("orders", "B", TTL, at(1)).await, "held");
    assert!(take("other", "B", TTL, at(1)).await, "another lease");
    assert!(take("orders", "A", TTL, at(4)).await, "renewed");
    assert!(take("orders", "A", TTL, at(4)).await, "renewed twice in one moment");
    assert!(!take("orders", "B", TTL, at(8)).await, "still held");
    assert!(take("orders", "B", TTL, at(9)).await, "expired");
    assert!(!take("orders", "A", TTL, at(10)).await, "taken over");
    assert!(
        !take("orders", "A", Duration::ZERO, at(10)).await,
        "not A's to give back"
    );
    take("orders", "B", Duration::ZERO, at(10)).await;
    assert!(take("orders", "A", TTL, at(10)).await, "given back");
}

pub async fn the_holder_of_a_lease_is_seen(fixture: &dyn Fixture) {
    const TTL: Duration = Duration::from_secs(5);
    let store = fixture.open(Source::Orders).await;
    let at = |seconds: i64| Timestamp(NOW.0 + seconds * 1000);
    let take = async |name, holder, ttl, now| store.lease(name, holder, ttl, now).await.unwrap();
    let holder = async |name, now| store.lease_holder(name, now).await.unwrap();
    assert_eq!(holder("orders", at(0)).await, None, "nobody has ever had it");
    take("orders", "key=none/A", TTL, at(0)).await;
    take("other", "B", TTL, at(0)).await;
    assert_eq!(holder("orders", at(4)).await.as_deref(), Some("key=none/A"));
    assert_eq!(holder("other", at(4)).await.as_deref(), Some("B"));
    assert_eq!(holder("orders", at(5)).await, None, "it has ended");
    take("orders", "C", TTL, at(5)).await;
    assert_eq!(holder("orders", at(5)).await.as_deref(), Some("C"), "taken over");
    take("orders", "C", Duration::ZERO, at(6)).await;
    assert_eq!(holder("orders", at(6)).await, None, "given back");
}

pub async fn concurrent_takers_of_a_lease_get_it_once(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let take = |number: u32| {
        let store = store.clone();
        tokio::spawn(async move {
            let holder = format!("relay-{number}");
            store
                .lease("orders", &holder, Duration::from_secs(5), NOW)
                .await
                .unwrap()
        })
    };
    let takers: Vec<_> = (0..10).map(take).collect();
    let mut holders = 0;
    for taker in takers {
        holders += u32::from(taker.await.unwrap());
    }
    assert_eq!(holders, 1);
}

pub async fn the_last_start_is_noted_for_each_service(fixture: &dyn Fixture) {
    for source in [Source::Orders, Source::Deliveries] {
        let store = fixture.open(source).await;
        assert_eq!(store.last_start(source).await.unwrap(), None);
        let holder = "relay-1";
        assert!(
            store
                .lease("orders", holder, Duration::from_secs(5), NOW)
                .await
                .unwrap()
        );
        for moment in [NOW, Timestamp(NOW.0 + 7)] {
            store.note_start(source, moment).await.unwrap();
            assert_eq!(store.last_start(source).await.unwrap(), Some(moment));
        }
        let other = store
            .lease("orders", "relay-2", Duration::from_secs(5), NOW)
            .await
            .unwrap();
        assert!(!other, "a note is nobody's lease");
    }
}
