//! Refusals and failures, each a problem with a message that helps.

use serde_json::json;
use shop::store::StoreError::{self, Broken, Conflict, Rejected, Unavailable, Unknown, Unreadable, Unwritable};

use crate::table::run;
use crate::wire::{ORDER, Rows, Service};

const REFUSALS: &str = r#"
case                           | request                          | Content-Type                      | Accept    | body                             | status | message
malformed                      | POST /orders                     | application/json                  |           | {"qty":                          | 400    | not well-formed JSON
trailing text                  | POST /orders                     | application/json                  |           | {} x                             | 400    | not well-formed JSON
NaN                            | POST /orders                     | application/json                  |           | {"qty":NaN}                      | 400    | not well-formed JSON
empty body                     | POST /orders                     | application/json                  |           |                                  | 400    | body is empty
half a surrogate pair          | PATCH /orders/1                  | application/json                  |           | {"address":"\ud800"}             | 400    | address must be a string
wrong type, and missing fields | POST /orders                     | application/json                  |           | {"qty":"abc"}                    | 400    | productId must be given; qty must be a whole number between -2147483648 and 2147483647, not "abc"; customerId must be given; address must be given.
several wrong types            | PATCH /orders/1                  | application/json                  |           | {"address":[],"customerId":true} | 400    | customerId must be a whole number between -9223372036854775808 and 9223372036854775807, not true; address must be a string, not an object or an array.
array                          | POST /orders                     | application/json                  |           | []                               | 400    | must be a JSON object
text                           | PUT /orders/1                    | application/json                  |           | "qty"                            | 400    | must be a JSON object
null                           | PATCH /orders/1                  | application/json                  |           | null                             | 400    | must be a JSON object
nothing given                  | POST /orders                     | application/json                  |           | {}                               | 400    | productId must be given; qty must be at least 1; customerId must be given; address must be given.
blank and too few              | POST /orders                     | application/json                  |           | {"customerId":1,"productId":"","qty":0,"address":" "} | 400    | productId must not be blank; qty must be at least 1; address must not be blank.
255 characters                 | POST /orders                     | application/json                  |           | {"customerId":1,"productId":"1","qty":1,"address":"{long}"} | 400    | address must not be longer than 255 characters, not 256.
text as a number               | GET /orders/abc                  |                                   |           |                                  | 404    | /orders/abc
PATCH text as a number         | PATCH /orders/abc                | application/json                  |           | {}                               | 404    | /orders/abc
too large a number             | GET /orders/99999999999999999999 |                                   |           |                                  | 404    | nothing at
unknown path                   | GET /nothing                     |                                   |           |                                  | 404    | /nothing
another service's path         | GET /deliveries                  |                                   |           |                                  | 404    | /deliveries
events of no order             | GET /orders/9/events             |                                   |           |                                  | 404    | never been an order 9
DELETE of all                  | DELETE /orders                   |                                   |           |                                  | 405    | GET, HEAD, POST, OPTIONS
POST to an item                | POST /orders/1                   | application/json                  |           | {order}                          | 405    | PATCH
form                           | POST /orders                     | application/x-www-form-urlencoded |           | qty=3                            | 415    | application/x-www-form-urlencoded
plain text                     | PATCH /orders/1                  | text/plain                        |           | {}                               | 415    | application/json-patch+json
JSON Patch as a new order      | POST /orders                     | application/json-patch+json       |           | []                               | 415    | send application/json.
POST, HTML only                | POST /orders                     | application/json                  | text/html | {order}                          | 406    | application/hal+json
PUT, HTML only                 | PUT /orders/1                    | application/json                  | text/html | {order}                          | 406    | application/hal+json
PATCH, HTML only               | PATCH /orders/1                  | application/json                  | text/html | {"qty":9}                        | 406    | application/hal+json
DELETE, HTML only              | DELETE /orders/1                 | application/json                  | text/html |                                  | 406    | application/hal+json
GET events, HTML only          | GET /orders/1/events             | application/json                  | text/html |                                  | 406    | application/json
body over 64 KiB               | POST /orders                     | application/json                  |           | {"address":"{huge}"}             | 413    | 65536 bytes
"#;

#[tokio::test]
async fn every_error_is_a_problem_with_a_message() {
    let service = Service::with_tv().await;
    let table = REFUSALS.replace("{order}", ORDER).replace("{long}", &"가".repeat(256));
    run(&service, &table.replace("{huge}", &"a".repeat(65_536))).await;
    let json = &[("Content-Type", "application/json")];
    let bytes = service.send("POST /orders", json, b"{\"address\":\"\xff\"}").await;
    assert_eq!(bytes.status, 400);
    assert!(bytes.message().contains("UTF-8"), "{bytes:?}");
    let left = service.get("/orders").await.json();
    assert_eq!(left["page"]["totalElements"], 1, "nothing was written: {left}");
    assert_eq!(service.events_of(1).await, 1);
    let fields = service.httpie("POST /orders", r#"{"qty":0}"#).await.json();
    assert_eq!(fields["fields"], json!(["productId", "qty", "customerId", "address"]));
}

type Failure = fn(String) -> StoreError;

#[tokio::test]
async fn what_the_database_says_becomes_an_answer() {
    let cases: [(Failure, u16, Option<&str>, &str); 7] = [
        (Unavailable, 503, Some("1"), "nothing was changed"),
        (Unknown, 503, None, "outcome is unknown"),
        (Conflict, 409, None, "Somebody else"),
        (Rejected, 400, None, "can't hold"),
        (Unwritable, 503, Some("1"), "nothing was changed"),
        (Broken, 503, Some("1"), "can't be used"),
        (Unreadable, 500, None, "can't be read"),
    ];
    let mut rows = Rows::default();
    for (failure, status, retry, message) in cases {
        let failure = failure("the cause".into());
        let service = Service::orders_failing(failure.clone()).await;
        for line in ["POST /orders", "PUT /orders/1", "PATCH /orders/1", "DELETE /orders/1"] {
            let body = if line.starts_with("DELETE") { "" } else { ORDER };
            let answer = service.httpie(line, body).await;
            let seen = (answer.status, answer.header("retry-after"));
            let told = answer.problem().is_some_and(|told| told.contains(message));
            rows.check(&format!("{failure:?}, {line}"), seen == (status, retry) && told, answer);
        }
    }
}
