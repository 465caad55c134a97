//! Orders that are replaced, patched and deleted.

use crate::table::{run, run_apart};
use crate::wire::{ORDER, Service, TV};

const WRITES: &str = r#"
case                               | request          | Content-Type                 | Accept | body                                    | status | events of 1 | events of 9 | location                       | body
PUT replaces, omitted becomes null | PUT /orders/1    | application/json             | */*    | {order}                                 | 200    | 2           | 0           | http://localhost:8081/orders/1 | {"productId":"1","productName":null,"qty":1,"customerId":1,"address":"A",…
PUT without Accept                 | PUT /orders/1    | application/json             |        | {order}                                 | 204    | 2           | 0           | http://localhost:8081/orders/1 |
PUT that changes nothing           | PUT /orders/1    | application/json             | */*    | {"customerId":"1000","productId":100,"productName":"TV","qty":3.7,"address":"SEOUL"} | 200    | 1           | 0           | http://localhost:8081/orders/1 | …"qty":3,…
PUT missing                        | PUT /orders/9    | application/json             | */*    | {order}                                 | 404    | 1           | 0           |                                |
PUT without a required field       | PUT /orders/1    | application/json             | */*    | {"qty":1}                               | 400    | 1           | 0           |                                | …productId must be given; customerId must be given; address must be given.…
PATCH merges                       | PATCH /orders/1  | application/json             | */*    | {"qty":"4"}                             | 200    | 2           | 0           |                                | {"productId":"100","productName":"TV","qty":4,…
PATCH by merge-patch+json          | PATCH /orders/1  | application/merge-patch+json | */*    | {"productName":null}                    | 200    | 2           | 0           |                                | …"productName":null,…
PATCH without Accept               | PATCH /orders/1  | application/json             |        | {"qty":4}                               | 204    | 2           | 0           |                                |
PATCH {}                           | PATCH /orders/1  | application/json             | */*    | {}                                      | 200    | 1           | 0           |                                | {tv}
PATCH that changes nothing         | PATCH /orders/1  | application/json             | */*    | {"qty":" 3 ","id":7,"_links":{}}        | 200    | 1           | 0           |                                | {tv}
PATCH missing                      | PATCH /orders/9  | application/json             | */*    | {}                                      | 404    | 1           | 0           |                                |
PATCH to null                      | PATCH /orders/1  | application/json             | */*    | {"address":null,"customerId":""}        | 400    | 1           | 0           |                                | …customerId must be given; address must be given.…
PATCH to blank                     | PATCH /orders/1  | application/json             | */*    | {"address":" ","qty":0}                 | 400    | 1           | 0           |                                | …qty must be at least 1; address must not be blank.…
JSON Patch                         | PATCH /orders/1  | application/json-patch+json  | */*    | [{"op":"replace","path":"/address","value":"PUSAN"}] | 200    | 2           | 0           |                                | …"address":"PUSAN",…
JSON Patch that changes nothing    | PATCH /orders/1  | application/json-patch+json  | */*    | [{"op":"test","path":"/qty","value":3}] | 200    | 1           | 0           |                                | {tv}
JSON Patch whose test fails        | PATCH /orders/1  | application/json-patch+json  | */*    | [{"op":"test","path":"/qty","value":4}] | 400    | 1           | 0           |                                | …Operation 1…
JSON Patch to null                 | PATCH /orders/1  | application/json-patch+json  | */*    | [{"op":"remove","path":"/address"}]     | 400    | 1           | 0           |                                | …address must be given…
JSON Patch that is none            | PATCH /orders/1  | application/json-patch+json  | */*    | {"address":"PUSAN"}                     | 400    | 1           | 0           |                                | …RFC 6902…
DELETE                             | DELETE /orders/1 |                              |        |                                         | 204    | 2           | 0           |                                |
DELETE missing                     | DELETE /orders/9 |                              |        |                                         | 404    | 1           | 0           |                                |
"#;

/// One after the other: order 1 is there, and then was cancelled.
const CANCELLED: &str = r#"
case         | request                 | body    | status | etag | events of 1 | message
cancelled    | DELETE /orders/1        |         | 204    |      | 2           |
read         | GET /orders/1           |         | 404    |      | 2           | Order 1 was cancelled. What happened to it is told at /orders/1/events.
changed      | PATCH /orders/1         | {}      | 404    |      | 2           | Order 1 was cancelled.
replaced     | PUT /orders/1           | {order} | 404    |      | 2           | Order 1 was cancelled.
again        | DELETE /orders/1        |         | 404    |      | 2           | Order 1 was cancelled.
one more     | POST /orders            | {order} | 201    | "1"  | 2           |
never there  | GET /orders/3           |         | 404    |      | 2           |
never there  | DELETE /orders/3        |         | 404    |      | 2           |
"#;

#[tokio::test]
async fn a_cancelled_order_is_told_from_one_that_never_was() {
    let service = Service::with_tv().await;
    run(&service, &CANCELLED.replace("{order}", ORDER)).await;
    let head = service.send("HEAD /orders/1", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (404, ""));
}

#[tokio::test]
async fn items_are_written_as_spring_does() {
    run_apart(&WRITES.replace("{order}", ORDER).replace("{tv}", TV), Service::with_tv).await;
}
