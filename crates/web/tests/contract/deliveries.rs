//! Deliveries, which can be read and searched, but not written.

use shop::domain::{DeliveryRequest, IncomingEvent, OrderEventType, OrderId, OrderPatch, Provenance, Version};

use crate::table::run;
use crate::wire::{NOW, Service};

async fn started_delivery(service: &Service, order: i64) {
    let fields = OrderPatch {
        product_id: Some(Some("100".into())),
        product_name: Some(Some("RADIO".into())),
        qty: Some(Some(3)),
        customer_id: Some(Some(2000)),
        address: Some(Some("PUSAN".into())),
    };
    let event = IncomingEvent {
        order_id: OrderId(order),
        version: Some(Version(1)),
        event_type: OrderEventType::Placed,
        fields,
    };
    let batch = [DeliveryRequest {
        event,
        traceparent: None,
        provenance: Provenance::default(),
    }];
    service.store.run_deliveries(&batch, NOW).await.expect("a delivery");
}

const FOUND: &str = r#"
case                  | request                                        | status | body
item                  | GET /deliveries/2                              | 200    | {second}
of several the lowest | GET /deliveries/search/findByOrderId?id=2      | 200    | {second}
orderId               | GET /deliveries/search/findByOrderId?orderId=2 | 200    | {second}
trailing slash        | GET /deliveries/search/findByOrderId/?id=2     | 200    | {second}
search                | GET /deliveries/search                         | 200    | {"_links":{"findByOrderId":{"href":"http://localhost:8081/deliveries/search/findByOrderId{?id}","templated":true},"self":{"href":"http://localhost:8081/deliveries/search"}}}
root                  | GET /                                          | 200    | {"_links":{"deliveries":{"href":"http://localhost:8081/deliveries{?page,size,sort}","templated":true},"profile":{"href":"http://localhost:8081/profile"}}}
"#;

const CONDITIONAL: &str = r#"
request    | If-None-Match | If-Match | status | etag
GET {path} |               |          | 200    | "1"
GET {path} | "1"           |          | 304    | "1"
GET {path} | "2"           |          | 200    | "1"
GET {path} |               | "1"      | 200    | "1"
GET {path} |               | "2"      | 412    |
"#;

const NO_DELIVERY: &str = r#"
request                                   | status | body
GET /deliveries/9                         | 404    |
GET /deliveries/search/findByOrderId?id=9 | 404    |
"#;

const NO_RESOURCE: &str = r#"
request                                     | status | message
GET /deliveries/search/findByOrderId?id=abc | 400    | id=2
GET /orders                                 | 404    | nothing at /orders
GET /deliveries/abc                         | 404    | nothing at /deliveries/abc
GET /deliveries/1/events                    | 404    | nothing at /deliveries/1/events
GET /profile/orders                         | 404    | nothing at /profile/orders
GET /deliveries/search/findByStatus         | 404    | nothing at /deliveries/search/findByStatus
"#;

const WRITES: &str = r#"
request                     | body | status | allow
{method} /deliveries        | {}   | 405    | GET, HEAD, OPTIONS
{method} /deliveries/1      | {}   | 405    | GET, HEAD, OPTIONS
{method} /deliveries/search | {}   | 405    | GET, HEAD, OPTIONS
"#;

#[tokio::test]
async fn deliveries_are_read_and_searched() {
    let service = Service::deliveries().await;
    let empty = r#"{"_embedded":{"deliveries":[]},"_links":{"self":{"href":"http://localhost:8081/deliveries"},"profile":{"href":"http://localhost:8081/profile/deliveries"},"search":{"href":"http://localhost:8081/deliveries/search"}},"page":{"size":20,"totalElements":0,"totalPages":0,"number":0}}"#;
    assert_eq!(service.get("/deliveries").await.body, empty);
    for order in [6, 2, 2] {
        started_delivery(&service, order).await;
    }
    let second = r#"{"orderId":2,"customerId":2000,"productId":"100","productName":"RADIO","qty":3,"address":"PUSAN","status":"DELIVERY STARTED","_links":{"self":{"href":"http://localhost:8081/deliveries/2"},"delivery":{"href":"http://localhost:8081/deliveries/2"}}}"#;
    run(&service, &FOUND.replace("{second}", second)).await;
    for path in ["/deliveries/2", "/deliveries/search/findByOrderId?id=2"] {
        run(&service, &CONDITIONAL.replace("{path}", path)).await;
    }
    run(&service, NO_DELIVERY).await;
    run(&service, NO_RESOURCE).await;
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        run(&service, &WRITES.replace("{method}", method)).await;
    }
    let sorted = service.get("/deliveries?sort=orderId,desc&size=2").await.json();
    let rels: Vec<_> = sorted["_links"].as_object().unwrap().keys().collect();
    assert_eq!(rels, ["first", "self", "next", "last", "profile", "search"]);
    assert_eq!(sorted["_embedded"]["deliveries"][0]["orderId"], 6, "{sorted}");
}
