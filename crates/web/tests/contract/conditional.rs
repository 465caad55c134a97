//! Conditional requests: ETag, If-Match and If-None-Match.

use crate::table::{run, run_apart};
use crate::wire::{NEW_TV, ORDER, Service};

const VERSIONS: &str = r#"
request              | Accept           | body      | status | etag
POST /orders         | */*              | {tv}      | 201    | "1"
POST /orders         |                  | {tv}      | 201    | "1"
GET /orders/1        |                  |           | 200    | "1"
HEAD /orders/1       |                  |           | 200    | "1"
PATCH /orders/1      | */*              | {"qty":4} | 200    | "2"
PATCH /orders/1      | */*              | {"qty":4} | 200    | "2"
PATCH /orders/1      |                  | {"qty":5} | 204    | "3"
PUT /orders/1        | */*              | {tv}      | 200    | "4"
GET /orders/1        | application/json |           | 200    | "4"
GET /orders          |                  |           | 200    |
GET /orders/1/events |                  |           | 200    |
DELETE /orders/1     |                  |           | 204    |
GET /orders/1        |                  |           | 404    |
"#;

#[tokio::test]
async fn items_carry_their_version_as_etag() {
    run(&Service::orders().await, &VERSIONS.replace("{tv}", NEW_TV)).await;
}

/// The order is of version 2.
const WRITES: &str = r#"
case                | request   | If-Match   | body   | status | events of 1 | message
the version         | {request} | "2"        | {body} | 204    | 3           |
an older one        | {request} | "1"        | {body} | 412    | 2           | version 2
a later one         | {request} | "3"        | {body} | 412    | 2           | version 2
any                 | {request} | *          | {body} | 204    | 3           |
a list with it      | {request} | "1", "2"   | {body} | 204    | 3           |
a list without it   | {request} | "1","3"    | {body} | 412    | 2           | version 2
two lines           | {request} | "1" & "2"  | {body} | 204    | 3           |
weak                | {request} | W/"2"      | {body} | 412    | 2           | version 2
weak beside strong  | {request} | W/"1", "2" | {body} | 204    | 3           |
somebody else's tag | {request} | "abc"      | {body} | 412    | 2           | version 2
another spelling    | {request} | "02"       | {body} | 412    | 2           | version 2
no quotes           | {request} | 2          | {body} | 400    | 2           | If-Match
open quotes         | {request} | "2         | {body} | 400    | 2           | If-Match
empty               | {request} | ""         | {body} | 400    | 2           | If-Match
any and another     | {request} | *, "2"     | {body} | 400    | 2           | If-Match
any in another line | {request} | "2" & *    | {body} | 400    | 2           | If-Match
"#;

#[tokio::test]
async fn writes_are_done_to_the_version_they_name() {
    let second_version = async || {
        let service = Service::with_tv().await;
        assert_eq!(service.httpie("PATCH /orders/1", r#"{"qty":4}"#).await.status, 200);
        service
    };
    for (request, body) in [
        ("PUT /orders/1", ORDER),
        ("PATCH /orders/1", r#"{"qty":9}"#),
        ("DELETE /orders/1", ""),
    ] {
        let table = WRITES.replace("{request}", request).replace("{body}", body);
        run_apart(&table, second_version).await;
    }
}

const OTHER_FAULTS: &str = r#"
case              | request          | If-Match | If-Unmodified-Since           | Accept    | Content-Type | body      | status
missing           | PATCH /orders/9  | "7"      |                               |           |              | {}        | 404
missing, any      | DELETE /orders/9 | *        |                               |           |              |           | 404
malformed body    | PATCH /orders/1  | "7"      |                               |           |              | {         | 400
not acceptable    | PATCH /orders/1  | "7"      |                               | text/html |              | {}        | 406
no such method    | POST /orders/1   | "7"      |                               |           |              | {}        | 405
wrong form        | PATCH /orders/1  | "7"      |                               |           | text/plain   | {}        | 415
against the rules | PATCH /orders/1  | "7"      |                               |           |              | {"qty":0} | 412
changes nothing   | PATCH /orders/1  | "7"      |                               |           |              | {"qty":3} | 412
dates are ignored | PATCH /orders/1  |          | Thu, 01 Jan 1970 00:00:00 GMT |           |              | {}        | 204
"#;

#[tokio::test]
async fn a_condition_comes_after_everything_else_that_can_be_wrong() {
    let service = Service::with_tv().await;
    run(&service, OTHER_FAULTS).await;
    assert_eq!(service.events_of(1).await, 1, "nothing was written");
}

const UNCHANGED: &str = r#"
case           | request            | If-Match | If-None-Match | status | etag | content-type | content-length | body
it             | {method} /orders/1 |          | "1"           | 304    | "1"  |              |                |
weakly         | {method} /orders/1 |          | W/"1"         | 304    | "1"  |              |                |
any            | {method} /orders/1 |          | *             | 304    | "1"  |              |                |
a list with it | {method} /orders/1 |          | "0", W/"1"    | 304    | "1"  |              |                |
both hold      | {method} /orders/1 | "1"      | "1"           | 304    | "1"  |              |                |
"#;

const CHANGED: &str = r#"
case              | request            | If-Match | If-None-Match | Accept    | status | etag
another           | {method} /orders/1 |          | "2"           |           | 200    | "1"
no tag            | {method} /orders/1 |          | 1             |           | 400    |
If-Match holds    | {method} /orders/1 | "1"      |               |           | 200    | "1"
If-Match does not | {method} /orders/1 | "2"      |               |           | 412    |
If-Match first    | {method} /orders/1 | "2"      | "1"           |           | 412    |
HTML only         | {method} /orders/1 |          | "1"           | text/html | 406    |
"#;

/// What has no version, and writes.
const ELSEWHERE: &str = r#"
case                    | request         | If-None-Match | body      | status
missing                 | GET /orders/9   | *             |           | 404
a collection has no tag | GET /orders     | *             |           | 200
only if there is none   | PUT /orders/1   | *             | {}        | 412
only if it is another   | PATCH /orders/1 | W/"1"         | {"qty":9} | 412
"#;

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let service = Service::with_tv().await;
    for method in ["GET", "HEAD"] {
        run(&service, &UNCHANGED.replace("{method}", method)).await;
        run(&service, &CHANGED.replace("{method}", method)).await;
    }
    run(&service, ELSEWHERE).await;
}

#[tokio::test]
async fn of_those_who_change_the_same_version_one_wins() {
    let service = std::sync::Arc::new(Service::with_tv().await);
    let writers: Vec<_> = (0..40)
        .map(|qty| {
            let service = service.clone();
            let body = format!(r#"{{"qty":{}}}"#, qty + 100);
            tokio::spawn(async move {
                service
                    .send("PATCH /orders/1", &[("If-Match", "\"1\"")], body)
                    .await
                    .status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for writer in writers {
        statuses.push(writer.await.expect("an answer"));
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (204, &[412; 39][..]));
    assert_eq!(service.events_of(1).await, 2);
}
