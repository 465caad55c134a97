//! What browsers may do for the pages of other origins, row by row, over a socket.

mod wire;

use wire::{Rows, Service, WireAnswer};

/// The headers of a request, as names and values.
type Headers<'a> = &'a [(&'a str, &'a str)];

const FRIEND: &str = "https://shop.example";
const BODY: &str = r#"{"customerId":1,"productId":"1","qty":1,"address":"A"}"#;

fn cors_headers(answer: &WireAnswer) -> Vec<&str> {
    let names = answer.headers.iter().map(|(name, _)| name.as_str());
    names.filter(|name| name.starts_with("access-control-")).collect()
}

#[tokio::test]
async fn answers_are_shown_to_pages_that_may_call() {
    let service = Service::orders_for(&[FRIEND]).await;
    service.place_tv().await;
    let mut rows = Rows::default();
    for origin in [
        FRIEND,
        "http://localhost:3000",
        "https://localhost",
        "http://127.0.0.1:8080",
        "http://[::1]:5173",
    ] {
        for (line, status) in [
            ("GET /orders", 200),
            ("HEAD /orders/1", 200),
            ("GET /orders/9", 404),
            ("GET /orders/abc", 404),
            ("GET /livez", 200),
            ("DELETE /orders", 405),
        ] {
            let answer = service.send(line, &[("Origin", origin)], "").await;
            let name = format!("{line} from {origin}");
            rows.check(&name, answer.status == status, &answer);
            rows.check(
                &name,
                answer.header("access-control-allow-origin") == Some(origin),
                &answer,
            );
            rows.check(
                &name,
                answer.header("access-control-expose-headers") == Some("ETag, Location, Retry-After"),
                &answer,
            );
            rows.check(&name, answer.header("vary") == Some("Origin"), &answer);
        }
    }
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

#[tokio::test]
async fn preflights_are_told_what_a_resource_has() {
    let service = Service::orders_for(&[FRIEND]).await;
    let mut rows = Rows::default();
    for (path, methods) in [
        ("/orders", "GET, HEAD, POST, OPTIONS"),
        ("/orders/1", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("/orders/1/events", "GET, HEAD, OPTIONS"),
    ] {
        for origin in [FRIEND, "http://localhost:3000"] {
            let asks = [
                ("Origin", origin),
                ("Access-Control-Request-Method", "PATCH"),
                ("Access-Control-Request-Headers", "content-type"),
            ];
            let answer = service.send(&format!("OPTIONS {path}"), &asks, "").await;
            rows.check(path, answer.status == 200 && answer.body.is_empty(), &answer);
            rows.check(
                path,
                answer.header("access-control-allow-origin") == Some(origin),
                &answer,
            );
            rows.check(
                path,
                answer.header("access-control-allow-methods") == Some(methods),
                &answer,
            );
            let headers = answer.header("access-control-allow-headers").unwrap_or_default();
            for needed in ["accept", "content-type", "if-match", "if-none-match"] {
                rows.check(path, headers.split(", ").any(|name| name == needed), headers);
            }
            rows.check(path, answer.header("access-control-max-age") == Some("600"), &answer);
        }
        for origin in ["https://evil.example", "null"] {
            let asks = [("Origin", origin), ("Access-Control-Request-Method", "PATCH")];
            let answer = service.send(&format!("OPTIONS {path}"), &asks, "").await;
            rows.check(
                origin,
                answer.status == 200 && cors_headers(&answer).is_empty(),
                &answer,
            );
        }
    }
    let plain = service.send("OPTIONS /orders", &[("Origin", FRIEND)], "").await;
    rows.check(
        "no preflight",
        plain.header("access-control-allow-methods").is_none(),
        &plain,
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn writes_that_a_browser_sends_unasked_need_an_allowed_origin() {
    let json = ("Content-Type", "application/json");
    // Each row has a name, the headers, and the status of a POST.
    let table: [(&str, Headers<'_>, u16); 17] = [
        ("no browser", &[], 201),
        ("a friend", &[("Origin", FRIEND)], 201),
        ("this machine", &[("Origin", "http://localhost:3000")], 201),
        ("a stranger", &[("Origin", "https://evil.example")], 415),
        (
            "a stranger, empty type",
            &[("Origin", "https://evil.example"), ("Content-Type", "")],
            415,
        ),
        (
            "a stranger's text",
            &[("Origin", "https://evil.example"), ("Content-Type", "text/plain")],
            415,
        ),
        (
            "a stranger's text that claims JSON",
            &[
                ("Origin", "https://evil.example"),
                ("Content-Type", "text/plain; application/json"),
            ],
            415,
        ),
        (
            "a stranger's form",
            &[
                ("Origin", "https://evil.example"),
                ("Content-Type", "application/x-www-form-urlencoded"),
            ],
            415,
        ),
        (
            "a stranger's parts",
            &[
                ("Origin", "https://evil.example"),
                ("Content-Type", "Multipart/Form-Data; boundary=x"),
            ],
            415,
        ),
        ("a sandbox", &[("Origin", "null")], 415),
        ("an unreadable origin", &[("Origin", "\u{e9}")], 415),
        (
            "two origins",
            &[("Origin", FRIEND), ("Origin", "https://evil.example")],
            415,
        ),
        // No browser sends this request, because its preflight is not allowed.
        ("a stranger's JSON", &[("Origin", "https://evil.example"), json], 201),
        (
            "a friend's text",
            &[("Origin", FRIEND), ("Content-Type", "text/plain")],
            415,
        ),
        ("text", &[("Content-Type", "text/plain")], 415),
        ("two types", &[json, ("Content-Type", "text/plain")], 415),
        ("JSON", &[json], 201),
    ];
    let service = Service::orders_for(&[FRIEND]).await;
    let mut rows = Rows::default();
    let mut placed = 0;
    for (name, headers, status) in table {
        let answer = service.send("POST /orders", headers, BODY).await;
        rows.check(name, answer.status == status, &answer);
        placed += u32::from(status == 201);
        if status == 415 {
            rows.check(
                name,
                answer.message().contains("JSON") || answer.message().contains("json"),
                &answer,
            );
        }
    }
    for line in ["PUT /orders/1", "PATCH /orders/1"] {
        let answer = service.send(line, &[("Origin", "https://evil.example")], BODY).await;
        rows.check(
            line,
            answer.status == 415 && answer.message().contains("https://evil.example"),
            answer,
        );
    }
    let total = format!("\"totalElements\":{placed},");
    let page = service.get("/orders").await;
    rows.check("what was refused was not written", page.body.contains(&total), page);
}
