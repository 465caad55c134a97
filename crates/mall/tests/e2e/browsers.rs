//! Clients other than httpie, at the services and at the gateway: browsers' pages, proxies, writers that name a version, and
//! those that close their side early.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::support::PATIENCE;
use crate::support::http::{self, patch, post};
use crate::support::role::Role;
use crate::support::stack::Stack;

const FRIEND: &str = "https://shop.example";
const RADIO: &[(&str, &str)] = &[
    ("customerId", "2000"),
    ("productId", "100"),
    ("productName", "RADIO"),
    ("qty", "3"),
    ("address", "PUSAN"),
];

/// Sends a head and a body, closes the client's side, and reads to the end.
#[track_caller]
fn exchange(address: SocketAddr, line: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!("{line} HTTP/1.1\r\n");
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream.write_all(text.as_bytes()).expect("it reads");
    stream.shutdown(Shutdown::Write).expect("an open connection");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer and an end");
    answer.to_ascii_lowercase()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn gateway(stack: &Stack, orders: SocketAddr) -> (Role, SocketAddr) {
    let orders = format!("http://{orders}");
    let args = [
        "gateway",
        "--port",
        "0",
        "--order-url",
        &orders,
        "--cors-origin",
        FRIEND,
    ];
    let role = Role::start("gateway", &mut stack.bare(&args));
    let line = role.wait_line("gateway on http://");
    let address = line
        .split("gateway on http://")
        .nth(1)
        .and_then(|rest| rest.split(':').nth(1));
    let port = address.and_then(|rest| rest.parse().ok()).expect("a port");
    (role, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[test]
fn embedded_clients_are_served_alike_at_service_and_gateway() {
    check(&Stack::embedded());
}

#[test]
fn real_clients_are_served_alike_at_service_and_gateway() {
    check(&Stack::real());
}

fn check(stack: &Stack) {
    let mut order = stack.role("order", &["--cors-origin", FRIEND]);
    let service = order.address();
    let (_gateway, through) = gateway(stack, service);
    assert_eq!(post(service, "/orders", RADIO).status, 201);
    for address in [service, through] {
        versions_are_compared(address);
        pages_may_call(address);
        heads_are_read_alike(address);
    }
    hop_by_hop_ends_at_the_gateway(through);
    order.kill();
    let away = exchange(through, "GET /orders", &["Host: h", &format!("Origin: {FRIEND}")], "");
    assert!(
        status(&away) == "503" && away.contains("access-control-allow-origin: https://shop.example"),
        "{away}"
    );
    let asks = [
        "Host: h",
        &format!("Origin: {FRIEND}"),
        "Access-Control-Request-Method: POST",
    ];
    let preflight = exchange(through, "OPTIONS /orders", &asks, "");
    assert!(
        status(&preflight) == "204" && preflight.contains("access-control-allow-methods: get, head, post,"),
        "the page is to see the 503 of its request: {preflight}"
    );
}

fn versions_are_compared(address: SocketAddr) {
    let json = "Content-Type: application/json";
    let read = http::get(address, "/orders/1");
    let tag = read.header("etag").expect("an ETag").to_owned();
    let same = exchange(
        address,
        "GET /orders/1",
        &["Host: h", &format!("If-None-Match: W/{tag}")],
        "",
    );
    assert!(
        status(&same) == "304" && same.contains(&format!("etag: {tag}")) && same.ends_with("\r\n\r\n"),
        "{same}"
    );
    let qty = if tag == "\"1\"" { "7" } else { "8" };
    assert_eq!(patch(address, "/orders/1", &[("qty", qty)]).status, 200);
    let stale = exchange(
        address,
        "PATCH /orders/1",
        &["Host: h", json, &format!("If-Match: {tag}")],
        r#"{"qty":99}"#,
    );
    assert!(
        status(&stale) == "412" && stale.contains("application/problem+json"),
        "{stale}"
    );
    let now = http::get(address, "/orders/1");
    assert_eq!(
        (now.json()["qty"].to_string(), now.header("etag") == Some(&tag)),
        (qty.to_owned(), false)
    );
    let now = now.header("etag").expect("an ETag");
    let fresh = exchange(
        address,
        "PATCH /orders/1",
        &["Host: h", json, &format!("If-Match: {now}")],
        r#"{"qty":3}"#,
    );
    assert_eq!(status(&fresh), "204", "{fresh}");
}

fn pages_may_call(address: SocketAddr) {
    for origin in [FRIEND, "http://localhost:3000"] {
        let read = exchange(address, "GET /orders/1", &["Host: h", &format!("Origin: {origin}")], "");
        assert_eq!(status(&read), "200", "{read}");
        for once in [
            "access-control-allow-origin: ",
            "access-control-expose-headers: etag, location",
            "vary: origin",
        ] {
            assert_eq!(read.matches(once).count(), 1, "{once} in {read}");
        }
        assert!(
            read.contains(&format!("access-control-allow-origin: {origin}\r\n")),
            "{read}"
        );
        let asks = [
            "Host: h",
            &format!("Origin: {origin}"),
            "Access-Control-Request-Method: PATCH",
        ];
        let preflight = exchange(address, "OPTIONS /orders/1", &asks, "");
        let methods = "access-control-allow-methods: get, head, put, patch, delete, options\r\n";
        assert!(
            status(&preflight) == "200" && preflight.matches(methods).count() == 1,
            "{preflight}"
        );
    }
    let stranger = "Origin: https://evil.example";
    let read = exchange(address, "GET /orders/1", &["Host: h", stranger], "");
    assert!(status(&read) == "200" && !read.contains("access-control"), "{read}");
    let body = r#"{"customerId":1,"productId":"1","qty":1,"address":"A"}"#;
    for form in [
        "X-No-Type: 1",
        "Content-Type: text/plain",
        "Content-Type: application/x-www-form-urlencoded",
    ] {
        let written = exchange(address, "POST /orders", &["Host: h", stranger, form], body);
        assert!(
            status(&written) == "415" && written.contains("evil.example"),
            "{form}: {written}"
        );
    }
    let orders = http::get(address, "/orders").json();
    assert_eq!(orders["page"]["totalElements"], 1, "{orders}");
}

fn heads_are_read_alike(address: SocketAddr) {
    let href = |host: &str| format!("\"self\":{{\"href\":\"http://{host}/orders/1\"}}");
    for (line, headers, host) in [
        ("GET /orders/1", vec!["Host: a:1"], Some("a:1")),
        ("GET http://c:7/orders/1", vec!["Host: a:1"], Some("c:7")),
        ("GET /%6Frders/%31", vec!["Host: a:1"], Some("a:1")),
        ("GET /orders/1", vec![], None),
        ("GET /orders/1", vec!["Host: a", "Host: b"], None),
        ("GET /orders/1", vec!["Host: a/b"], None),
        ("GET /orders/%zz", vec!["Host: a"], None),
    ] {
        let answer = exchange(address, line, &headers, "");
        match host {
            Some(host) => assert!(
                status(&answer) == "200" && answer.contains(&href(host)),
                "{line}: {answer}"
            ),
            None => assert!(
                status(&answer) == "400" && answer.contains("\"message\""),
                "{line} {headers:?}: {answer}"
            ),
        }
    }
    assert_eq!(status(&exchange(address, "GET /orders%2F1", &["Host: a"], "")), "404");
}

fn hop_by_hop_ends_at_the_gateway(through: SocketAddr) {
    let answer = exchange(
        through,
        "GET /orders/1",
        &[
            "Host: a:1",
            "Connection: close, Host, X-Own",
            "X-Own: 1",
            "TE: trailers",
            "Expect: 100-continue",
        ],
        "",
    );
    assert!(answer.contains("http://a:1/orders/1"), "{answer}");
    let large = "x".repeat(70_000);
    let answer = exchange(
        through,
        "POST /orders",
        &["Host: a", "Content-Type: application/json"],
        &large,
    );
    assert_eq!(status(&answer), "413", "{answer}");
}
