//! The life of an order, one command at a time.

use shop::domain::{
    Change, EventType, Order, OrderCommand, OrderEventType, OrderFields, OrderId, OrderOutcome, OrderPatch,
    OrderRequest, Source, Version,
};

use crate::fixture::*;

pub async fn the_next_order_is_told_by_number(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    assert_eq!(store.next_order().await.unwrap(), OrderId(1));
    for number in 1..=3 {
        assert_eq!(placed(&*store, fields("PUSAN")).await.id, OrderId(number));
        assert_eq!(store.next_order().await.unwrap(), OrderId(number + 1));
    }
    run(&*store, cancel(OrderId(3))).await;
    let told = store.next_order().await.unwrap();
    assert_eq!(
        told,
        OrderId(4),
        "the number of a cancelled order is not given out again"
    );
    assert_eq!(placed(&*store, fields("PUSAN")).await.id, told);
}

pub async fn an_order_lives_and_its_journal_outlives_it(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let order = placed(&*store, fields("PUSAN")).await;
    assert_eq!(
        (order.id, order.version, &order.fields),
        (OrderId(1), Version(1), &fields("PUSAN"))
    );
    assert_eq!(store.order(order.id).await.unwrap(), Some(order.clone()));

    let modified = Order {
        version: Version(2),
        fields: fields("SEOUL"),
        ..order.clone()
    };
    let traced = OrderRequest {
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        ..modify(order.id, "SEOUL")
    };
    assert_eq!(
        run(&*store, traced.clone()).await,
        OrderOutcome::Changed(modified.clone())
    );
    assert_eq!(store.order(order.id).await.unwrap(), Some(modified));
    assert_eq!(
        run(&*store, cancel(order.id)).await,
        OrderOutcome::Cancelled(Version(3))
    );
    assert_eq!(store.order(order.id).await.unwrap(), None);

    let journal = store.order_events(order.id).await.unwrap();
    assert_eq!(
        names(&journal),
        ["OrderPlaced v1", "OrderModified v2", "OrderCancelled v3"]
    );
    assert_eq!(
        journal[2].payload,
        r#"{"eventType":"OrderCancelled","timestamp":1749697512193,"id":1,"productId":"100","productName":"RADIO","qty":3,"customerId":2000,"address":"SEOUL"}"#
    );
    let first = &journal[0];
    assert_eq!(
        (first.event_type.source(), first.row_id, first.order_id),
        (Source::Orders, 1, OrderId(1))
    );
    assert_eq!(
        (first.timestamp, first.event_type),
        (NOW, EventType::Order(OrderEventType::Placed))
    );
    assert_eq!(
        (&first.traceparent, &journal[1].traceparent),
        (&None, &traced.traceparent)
    );
}

pub async fn a_change_that_changes_nothing_writes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let order = placed(&*store, fields("PUSAN")).await;
    let changes = [
        Change::Merge(move_to("PUSAN")),
        Change::Merge(OrderPatch::default()),
        Change::Replace(fields("PUSAN")),
    ];
    for change in changes {
        let outcome = run(&*store, request(OrderCommand::Change(order.id, change))).await;
        assert_eq!(outcome, OrderOutcome::Unchanged(order.clone()));
    }
    assert_eq!(names(&store.order_events(order.id).await.unwrap()), ["OrderPlaced v1"]);
}

pub async fn what_is_not_allowed_writes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let order = placed(&*store, fields("PUSAN")).await;
    let nobody = OrderFields {
        customer_id: None,
        ..fields("SEOUL")
    };
    let place = request(OrderCommand::Place(nobody.clone()));
    let change = request(OrderCommand::Change(order.id, Change::Replace(nobody)));
    for request in [place, change] {
        match run(&*store, request).await {
            OrderOutcome::Invalid(invalid) => assert_eq!(invalid.fields, ["customerId"]),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        store.orders(&page(0, 20, &[])).await.unwrap().items,
        std::slice::from_ref(&order)
    );
    assert_eq!(names(&store.order_events(order.id).await.unwrap()), ["OrderPlaced v1"]);
}

pub async fn a_missing_order_is_missing(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    for id in [OrderId(1), OrderId(0), OrderId(-1), OrderId(i64::MAX)] {
        assert_eq!(run(&*store, modify(id, "SEOUL")).await, OrderOutcome::Missing);
        assert_eq!(run(&*store, cancel(id)).await, OrderOutcome::Missing);
        assert_eq!(store.order(id).await.unwrap(), None);
        assert_eq!(store.order_events(id).await.unwrap(), []);
    }
}

pub async fn text_of_every_script_comes_back(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    for text in [
        "서울특별시 강남구 🏠",
        "O'Brien \"x\" \\ %_",
        "a\nb\tc",
        &"🎁".repeat(255),
        "  spaced  ",
        "a\0b\u{1b}\u{7f}\u{85}\u{2028}",
    ] {
        let order = placed(&*store, fields(text)).await;
        assert_eq!(order.fields.address.as_deref(), Some(text));
        assert_eq!(store.order(order.id).await.unwrap(), Some(order.clone()));
        let journal = store.order_events(order.id).await.unwrap();
        let payload: serde_json::Value = serde_json::from_str(&journal[0].payload).unwrap();
        assert_eq!(payload["address"], text);
    }
}

pub async fn rows_of_older_systems_are_read_and_changed(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    let insert = "insert into Order_table (address, customerId, productId, productName, qty) values ";
    fixture
        .execute(Source::Orders, &format!("{insert} (null, null, null, null, null)"))
        .await;
    let old = Order {
        id: OrderId(1),
        version: Version(1),
        fields: OrderFields::default(),
    };
    assert_eq!(store.order(old.id).await.unwrap(), Some(old.clone()));
    assert_eq!(
        store.orders(&page(0, 20, &[])).await.unwrap().items,
        std::slice::from_ref(&old)
    );
    let moved = Order {
        version: Version(2),
        fields: OrderFields {
            address: Some("SEOUL".into()),
            ..OrderFields::default()
        },
        ..old.clone()
    };
    assert_eq!(
        run(&*store, modify(old.id, "SEOUL")).await,
        OrderOutcome::Changed(moved)
    );
    assert_eq!(run(&*store, cancel(old.id)).await, OrderOutcome::Cancelled(Version(3)));
    let journal = store.order_events(old.id).await.unwrap();
    assert_eq!(names(&journal), ["OrderModified v2", "OrderCancelled v3"]);
    assert!(journal[0].payload.contains(r#""productId":null"#));
}

pub async fn numbers_are_never_given_out_twice(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Orders).await;
    placed(&*store, fields("PUSAN")).await;
    let last = placed(&*store, fields("SEOUL")).await;
    assert_eq!(run(&*store, cancel(last.id)).await, OrderOutcome::Cancelled(Version(2)));
    drop(store);
    let store = fixture.open(Source::Orders).await;
    let next = placed(&*store, fields("JEJU")).await;
    assert!(next.id > last.id, "{} after {}", next.id, last.id);
}

pub async fn an_answer_tells_whether_the_database_is_there(fixture: &dyn Fixture) {
    for source in [Source::Orders, Source::Deliveries] {
        fixture.open(source).await.ping().await.unwrap();
    }
}
