//! The course's samples, to the letter, and an order's events.

use shop::domain::{JournalEntry, OrderId};

use crate::table::run;
use crate::wire::{Service, TV};

#[tokio::test]
async fn the_course_by_httpie() {
    let service = Service::orders().await;
    let body = r#"{"customerId": "2000", "productId": "100", "productName": "RADIO", "qty": "3", "address": "PUSAN"}"#;
    let placed = service.httpie("POST /orders", body).await;
    assert_eq!(placed.status, 201);
    assert_eq!(placed.header("content-type"), Some("application/json"));
    assert_eq!(placed.header("location"), Some("http://localhost:8081/orders/1"));
    assert_eq!(
        placed.body,
        r#"{"productId":"100","productName":"RADIO","qty":3,"customerId":2000,"address":"PUSAN","_links":{"self":{"href":"http://localhost:8081/orders/1"},"order":{"href":"http://localhost:8081/orders/1"}}}"#
    );

    let patched = service.httpie("PATCH /orders/1", r#"{"address": "SEOUL"}"#).await;
    assert_eq!(
        (patched.status, patched.body),
        (200, placed.body.replace("PUSAN", "SEOUL"))
    );
    let deleted = service.httpie("DELETE /orders/1", "").await;
    assert_eq!(
        (deleted.status, deleted.body.as_str(), deleted.header("content-type")),
        (204, "", None)
    );
    assert_eq!(service.events_of(1).await, 3);
}

const WITHOUT_ORDERS: &str = r#"
request      | status | body
GET /        | 200    | {"_links":{"orders":{"href":"http://localhost:8081/orders{?page,size,sort}","templated":true},"profile":{"href":"http://localhost:8081/profile"}}}
GET /orders  | 200    | {"_embedded":{"orders":[]},"_links":{"self":{"href":"http://localhost:8081/orders"},"profile":{"href":"http://localhost:8081/profile/orders"}},"page":{"size":20,"totalElements":0,"totalPages":0,"number":0}}
GET /profile | 200    | {"_links":{"self":{"href":"http://localhost:8081/profile"},"orders":{"href":"http://localhost:8081/profile/orders"}}}
"#;

const WITH_ONE: &str = r#"
request        | status | body
GET /orders    | 200    | {"_embedded":{"orders":[{tv}]},"_links":{"self":{"href":"http://localhost:8081/orders"},"profile":{"href":"http://localhost:8081/profile/orders"}},"page":{"size":20,"totalElements":1,"totalPages":1,"number":0}}
GET /orders/   | 200    | {"_embedded":{"orders":[{tv}]},"_links":{"self":{"href":"http://localhost:8081/orders/"},"profile":{"href":"http://localhost:8081/profile/orders"}},"page":{"size":20,"totalElements":1,"totalPages":1,"number":0}}
GET /orders/1  | 200    | {tv}
GET /orders/1/ | 200    | {tv}
"#;

#[tokio::test]
async fn samples_are_met_to_the_letter() {
    let service = Service::orders().await;
    run(&service, WITHOUT_ORDERS).await;
    service.place_tv().await;
    run(&service, &WITH_ONE.replace("{tv}", TV)).await;
    let profile = service.get("/profile/orders").await;
    assert_eq!(
        (profile.status, profile.header("content-type")),
        (200, Some("application/alps+json"))
    );
    assert_eq!(profile.json()["alps"]["descriptor"][0]["id"], "order-representation");
}

#[tokio::test]
async fn events_are_told_also_of_the_dead() {
    let service = Service::with_tv().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let patched = service
        .send("PATCH /orders/1", &[("traceparent", trace)], r#"{"qty":4}"#)
        .await;
    assert_eq!(patched.status, 204);
    assert_eq!(service.httpie("DELETE /orders/1", "").await.status, 204);
    let answer = service.get("/orders/1/events").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    let payload = |event: &str, qty| {
        format!(
            r#"{{"eventType":"{event}","timestamp":1749697512193,"id":1,"productId":"100","productName":"TV","qty":{qty},"customerId":1000,"address":"SEOUL"}}"#
        )
    };
    let event = |version, name: &str, qty| {
        let payload = payload(name, qty);
        format!(r#"{{"version":{version},"type":"{name}","timestamp":1749697512193,"payload":{payload}}}"#)
    };
    let expected = [
        event(1, "OrderPlaced", 3),
        event(2, "OrderModified", 4),
        event(3, "OrderCancelled", 4),
    ];
    assert_eq!(answer.body, format!("[{}]", expected.join(",")));

    let entries = service.store.order_events(OrderId(1)).await.unwrap();
    let goes_on = |entry: &JournalEntry| {
        entry
            .traceparent
            .as_ref()
            .is_some_and(|own| own.starts_with(&trace[..36]))
    };
    assert_eq!(entries.iter().map(goes_on).collect::<Vec<_>>(), [false, true, false]);
    assert!(
        entries.iter().all(|entry| entry.traceparent.is_some()),
        "every event has a trace: {entries:?}"
    );
}
