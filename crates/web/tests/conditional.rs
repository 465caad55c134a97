//! Conditional requests: ETag, If-Match and If-None-Match, row by row, over a socket.

mod wire;

use wire::{Rows, Service};

/// The headers of a request, as names and values.
type Headers<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn items_carry_their_version_as_etag() {
    let service = Service::orders().await;
    let mut rows = Rows::default();
    let body = r#"{"customerId":"1000","productId":"100","productName":"TV","qty":"3","address":"SEOUL"}"#;
    let steps: [(&str, &str, Headers<'_>, u16, Option<&str>); 13] = [
        ("POST /orders", body, &[("Accept", "*/*")], 201, Some("\"1\"")),
        ("POST /orders", body, &[], 201, Some("\"1\"")),
        ("GET /orders/1", "", &[], 200, Some("\"1\"")),
        ("HEAD /orders/1", "", &[], 200, Some("\"1\"")),
        (
            "PATCH /orders/1",
            r#"{"qty":4}"#,
            &[("Accept", "*/*")],
            200,
            Some("\"2\""),
        ),
        (
            "PATCH /orders/1",
            r#"{"qty":4}"#,
            &[("Accept", "*/*")],
            200,
            Some("\"2\""),
        ),
        ("PATCH /orders/1", r#"{"qty":5}"#, &[], 204, Some("\"3\"")),
        ("PUT /orders/1", body, &[("Accept", "*/*")], 200, Some("\"4\"")),
        (
            "GET /orders/1",
            "",
            &[("Accept", "application/json")],
            200,
            Some("\"4\""),
        ),
        ("GET /orders", "", &[], 200, None),
        ("GET /orders/1/events", "", &[], 200, None),
        ("DELETE /orders/1", "", &[], 204, None),
        ("GET /orders/1", "", &[], 404, None),
    ];
    for (line, body, headers, status, tag) in steps {
        let answer = service.send(line, headers, body).await;
        rows.check(line, (answer.status, answer.header("etag")) == (status, tag), answer);
    }
}

#[tokio::test]
async fn writes_are_done_to_the_version_they_name() {
    let whole = r#"{"customerId":1,"productId":"1","qty":1,"address":"A"}"#;
    // The order is of version 2. Each row has a name, the lines of If-Match, and whether the condition holds; none if
    // it can't be read.
    let table: [(&str, &[&str], Option<bool>); 16] = [
        ("the version", &["\"2\""], Some(true)),
        ("an older one", &["\"1\""], Some(false)),
        ("a later one", &["\"3\""], Some(false)),
        ("any", &["*"], Some(true)),
        ("a list with it", &["\"1\", \"2\""], Some(true)),
        ("a list without it", &["\"1\",\"3\""], Some(false)),
        ("two lines", &["\"1\"", "\"2\""], Some(true)),
        ("weak", &["W/\"2\""], Some(false)),
        ("weak beside strong", &["W/\"1\", \"2\""], Some(true)),
        ("somebody else's tag", &["\"abc\""], Some(false)),
        ("another spelling", &["\"02\""], Some(false)),
        ("no quotes", &["2"], None),
        ("open quotes", &["\"2"], None),
        ("empty", &[""], None),
        ("any and another", &["*, \"2\""], None),
        ("any in another line", &["\"2\"", "*"], None),
    ];
    let mut rows = Rows::default();
    for (name, lines, holds) in table {
        for (line, body, done) in [
            ("PUT /orders/1", whole, 204),
            ("PATCH /orders/1", r#"{"qty":9}"#, 204),
            ("DELETE /orders/1", "", 204),
        ] {
            let service = Service::orders().await;
            service.place_tv().await;
            assert_eq!(service.httpie("PATCH /orders/1", r#"{"qty":4}"#).await.status, 200);
            let headers: Vec<_> = lines.iter().map(|tags| ("If-Match", *tags)).collect();
            let answer = service.send(line, &headers, body).await;
            let (status, events) = match holds {
                Some(true) => (done, 3),
                Some(false) => (412, 2),
                None => (400, 2),
            };
            let seen = (answer.status, service.events_of(1).await);
            let name = format!("{name}, {line}");
            rows.check(&name, seen == (status, events), (seen, &answer));
            match holds {
                Some(false) => rows.check(&name, answer.message().contains("version 2"), &answer),
                None => rows.check(&name, answer.message().contains("If-Match"), &answer),
                Some(true) => {}
            }
        }
    }
}

#[tokio::test]
async fn a_condition_comes_after_everything_else_that_can_be_wrong() {
    let stale = ("If-Match", "\"7\"");
    let table: [(&str, &str, Headers<'_>, &str, u16); 9] = [
        ("missing", "PATCH /orders/9", &[stale], "{}", 404),
        ("missing, any", "DELETE /orders/9", &[("If-Match", "*")], "", 404),
        ("malformed body", "PATCH /orders/1", &[stale], "{", 400),
        (
            "not acceptable",
            "PATCH /orders/1",
            &[stale, ("Accept", "text/html")],
            "{}",
            406,
        ),
        ("no such method", "POST /orders/1", &[stale], "{}", 405),
        (
            "wrong form",
            "PATCH /orders/1",
            &[stale, ("Content-Type", "text/plain")],
            "{}",
            415,
        ),
        ("against the rules", "PATCH /orders/1", &[stale], r#"{"qty":0}"#, 412),
        ("changes nothing", "PATCH /orders/1", &[stale], r#"{"qty":3}"#, 412),
        (
            "dates are ignored",
            "PATCH /orders/1",
            &[("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT")],
            "{}",
            204,
        ),
    ];
    let service = Service::orders().await;
    service.place_tv().await;
    let mut rows = Rows::default();
    for (name, line, headers, body, status) in table {
        let answer = service.send(line, headers, body).await;
        rows.check(name, answer.status == status, answer);
    }
    rows.check("nothing was written", service.events_of(1).await == 1, "");
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let service = Service::orders().await;
    service.place_tv().await;
    let mut rows = Rows::default();
    let cases: [(&str, Headers<'_>, u16); 11] = [
        ("it", &[("If-None-Match", "\"1\"")], 304),
        ("weakly", &[("If-None-Match", "W/\"1\"")], 304),
        ("any", &[("If-None-Match", "*")], 304),
        ("a list with it", &[("If-None-Match", "\"0\", W/\"1\"")], 304),
        ("another", &[("If-None-Match", "\"2\"")], 200),
        ("no tag", &[("If-None-Match", "1")], 400),
        ("If-Match holds", &[("If-Match", "\"1\"")], 200),
        ("If-Match does not", &[("If-Match", "\"2\"")], 412),
        ("both hold", &[("If-Match", "\"1\""), ("If-None-Match", "\"1\"")], 304),
        (
            "If-Match first",
            &[("If-Match", "\"2\""), ("If-None-Match", "\"1\"")],
            412,
        ),
        ("HTML only", &[("If-None-Match", "\"1\""), ("Accept", "text/html")], 406),
    ];
    for (name, headers, status) in cases {
        for method in ["GET", "HEAD"] {
            let answer = service.send(&format!("{method} /orders/1"), headers, "").await;
            let name = format!("{method}, {name}");
            rows.check(&name, answer.status == status, &answer);
            if matches!(status, 200 | 304) {
                rows.check(&name, answer.header("etag") == Some("\"1\""), &answer);
            }
            if status == 304 {
                let bare = answer.body.is_empty() && answer.header("content-type").is_none();
                rows.check(&name, bare && answer.header("content-length").is_none(), &answer);
            }
        }
    }
    let missing = service.send("GET /orders/9", &[("If-None-Match", "*")], "").await;
    rows.check("missing", missing.status == 404, missing);
    let page = service.send("GET /orders", &[("If-None-Match", "*")], "").await;
    rows.check("a collection has no tag", page.status == 200, page);
    let taken = service.send("PUT /orders/1", &[("If-None-Match", "*")], "{}").await;
    rows.check("only if there is none", taken.status == 412, &taken);
    let other = service
        .send("PATCH /orders/1", &[("If-None-Match", "W/\"1\"")], r#"{"qty":9}"#)
        .await;
    rows.check("only if it is another", other.status == 412, other);
}

#[tokio::test]
async fn of_those_who_change_the_same_version_one_wins() {
    let service = std::sync::Arc::new(Service::orders().await);
    service.place_tv().await;
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
