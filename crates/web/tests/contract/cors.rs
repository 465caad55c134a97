//! What browsers may do for the pages of other origins.

use crate::table::run;
use crate::wire::{ORDER, Rows, Service, WireAnswer};

const FRIEND: &str = "https://shop.example";

fn cors_headers(answer: &WireAnswer) -> Vec<&str> {
    let names = answer.headers.iter().map(|(name, _)| name.as_str());
    names.filter(|name| name.starts_with("access-control-")).collect()
}

const SHOWN: &str = r#"
request         | Origin   | status | access-control-allow-origin | access-control-expose-headers | vary
GET /orders     | {origin} | 200    | {origin}                    | ETag, Location, Retry-After   | Origin
HEAD /orders/1  | {origin} | 200    | {origin}                    | ETag, Location, Retry-After   | Origin
GET /orders/9   | {origin} | 404    | {origin}                    | ETag, Location, Retry-After   | Origin
GET /orders/abc | {origin} | 404    | {origin}                    | ETag, Location, Retry-After   | Origin
GET /livez      | {origin} | 200    | {origin}                    | ETag, Location, Retry-After   | Origin
DELETE /orders  | {origin} | 405    | {origin}                    | ETag, Location, Retry-After   | Origin
"#;

#[tokio::test]
async fn answers_are_shown_to_pages_that_may_call() {
    let service = Service::orders_for(&[FRIEND]).await;
    service.place_tv().await;
    for origin in [
        FRIEND,
        "http://localhost:3000",
        "https://localhost",
        "http://127.0.0.1:8080",
        "http://[::1]:5173",
    ] {
        run(&service, &SHOWN.replace("{origin}", origin)).await;
    }
    let mut rows = Rows::default();
    for origin in [
        "https://evil.example",
        "null",
        "*",
        "",
        "https://shop.example.evil",
        "http://shop.example",
    ] {
        let answer = service.send("GET /orders", &[("Origin", origin)], "").await;
        rows.check(
            origin,
            answer.status == 200 && cors_headers(&answer).is_empty(),
            &answer,
        );
        rows.check(origin, answer.header("vary") == Some("Origin"), &answer);
    }
    let nobody = service.get("/orders").await;
    rows.check(
        "no origin",
        cors_headers(&nobody).is_empty() && nobody.header("vary") == Some("Origin"),
        &nobody,
    );
    let two = service
        .send("GET /orders", &[("Origin", FRIEND), ("Origin", FRIEND)], "")
        .await;
    rows.check("two origins", cors_headers(&two).is_empty(), &two);
}

const PREFLIGHTS: &str = r#"
request                  | Origin   | Access-Control-Request-Method | Access-Control-Request-Headers | status | access-control-allow-origin | access-control-allow-methods           | access-control-allow-headers                               | access-control-max-age | body
OPTIONS /orders          | {origin} | PATCH                         | content-type                   | 200    | {origin}                    | GET, HEAD, POST, OPTIONS               | accept, content-type, if-match, if-none-match, traceparent | 600                    |
OPTIONS /orders/1        | {origin} | PATCH                         | content-type                   | 200    | {origin}                    | GET, HEAD, PUT, PATCH, DELETE, OPTIONS | accept, content-type, if-match, if-none-match, traceparent | 600                    |
OPTIONS /orders/1/events | {origin} | PATCH                         | content-type                   | 200    | {origin}                    | GET, HEAD, OPTIONS                     | accept, content-type, if-match, if-none-match, traceparent | 600                    |
"#;

#[tokio::test]
async fn preflights_are_told_what_a_resource_has() {
    let service = Service::orders_for(&[FRIEND]).await;
    for origin in [FRIEND, "http://localhost:3000"] {
        run(&service, &PREFLIGHTS.replace("{origin}", origin)).await;
    }
    let mut rows = Rows::default();
    for path in ["/orders", "/orders/1", "/orders/1/events"] {
        for origin in ["https://evil.example", "null"] {
            let asks = [("Origin", origin), ("Access-Control-Request-Method", "PATCH")];
            let answer = service.send(&format!("OPTIONS {path}"), &asks, "").await;
            let holds = answer.status == 200 && cors_headers(&answer).is_empty();
            rows.check(&format!("{path} from {origin}"), holds, &answer);
        }
    }
    let plain = service.send("OPTIONS /orders", &[("Origin", FRIEND)], "").await;
    let methods = plain.header("access-control-allow-methods");
    rows.check("no preflight", methods.is_none(), &plain);
}

/// No browser sends a stranger's JSON, because its preflight is not allowed.
const WRITES: &str = r#"
case                               | request         | Origin                          | Content-Type                      | body    | status | message
no browser                         | POST /orders    |                                 |                                   | {order} | 201    |
a friend                           | POST /orders    | {friend}                        |                                   | {order} | 201    |
this machine                       | POST /orders    | http://localhost:3000           |                                   | {order} | 201    |
a stranger                         | POST /orders    | https://evil.example            |                                   | {order} | 415    | Content-Type that is JSON
a stranger, empty type             | POST /orders    | https://evil.example            | ""                                | {order} | 415    | Content-Type that is JSON
a stranger's text                  | POST /orders    | https://evil.example            | text/plain                        | {order} | 415    | Content-Type that is JSON
a stranger's text that claims JSON | POST /orders    | https://evil.example            | text/plain; application/json      | {order} | 415    | Content-Type that is JSON
a stranger's form                  | POST /orders    | https://evil.example            | application/x-www-form-urlencoded | {order} | 415    | Content-Type that is JSON
a stranger's parts                 | POST /orders    | https://evil.example            | Multipart/Form-Data; boundary=x   | {order} | 415    | Content-Type that is JSON
a sandbox                          | POST /orders    | null                            |                                   | {order} | 415    | Content-Type that is JSON
an unreadable origin               | POST /orders    | é                               |                                   | {order} | 415    | Content-Type that is JSON
two origins                        | POST /orders    | {friend} & https://evil.example |                                   | {order} | 415    | Content-Type that is JSON
a stranger's JSON                  | POST /orders    | https://evil.example            | application/json                  | {order} | 201    |
a friend's text                    | POST /orders    | {friend}                        | text/plain                        | {order} | 415    | send application/json.
text                               | POST /orders    |                                 | text/plain                        | {order} | 415    | send application/json.
two types                          | POST /orders    |                                 | application/json & text/plain     | {order} | 415    | send application/json.
JSON                               | POST /orders    |                                 | application/json                  | {order} | 201    |
                                   | PUT /orders/1   | https://evil.example            |                                   | {order} | 415    | https://evil.example
                                   | PATCH /orders/1 | https://evil.example            |                                   | {order} | 415    | https://evil.example
"#;

#[tokio::test]
async fn writes_that_a_browser_sends_unasked_need_an_allowed_origin() {
    let service = Service::orders_for(&[FRIEND]).await;
    run(&service, &WRITES.replace("{friend}", FRIEND).replace("{order}", ORDER)).await;
    let page = service.get("/orders").await;
    let placed = page.json()["page"]["totalElements"].clone();
    assert_eq!(placed, 5, "what was refused was not written: {page:?}");
}
