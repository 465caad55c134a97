//! Heads of requests as clients, proxies and attackers write them.

use crate::table::cells;
use crate::wire::{Connection, ORDER, Rows, Service, statuses};

/// The statuses of the answers to these bytes, and their whole text.
async fn exchange(service: &Service, bytes: impl AsRef<[u8]>) -> (Vec<u16>, String) {
    let text = service.exchange(bytes.as_ref()).await.expect("an end in time");
    (statuses(&text), text)
}

/// The text in which `\r`, `\n`, `\t` and `\0` stand for what they mean in Rust.
fn unescaped(text: &str) -> String {
    let text = text.replace("\\r", "\r").replace("\\n", "\n");
    text.replace("\\t", "\t").replace("\\0", "\0")
}

/// Each head has the host that stands in the links of the answer, or the status with which it is refused.
const HOSTS: &str = r#"
case                            | host or status | head
one                             | a:1            | GET /orders/1 HTTP/1.1\r\nHost: a:1
spaces around it                | a:1            | GET /orders/1 HTTP/1.1\r\nHost:  a:1 \t
an address                      | [::1]:8081     | GET /orders/1 HTTP/1.1\r\nHost: [::1]:8081
none                            | 400            | GET /orders/1 HTTP/1.1\r\nAccept: */*
two                             | 400            | GET /orders/1 HTTP/1.1\r\nHost: a\r\nHost: b
the same twice                  | 400            | GET /orders/1 HTTP/1.1\r\nHost: a\r\nHost: a
two, the target absolute        | 400            | GET http://c/orders/1 HTTP/1.1\r\nHost: a\r\nHost: b
empty                           | 400            | GET /orders/1 HTTP/1.1\r\nHost:
a quote                         | 400            | GET /orders/1 HTTP/1.1\r\nHost: a"b
a path                          | 400            | GET /orders/1 HTTP/1.1\r\nHost: a/b
a user                          | 400            | GET /orders/1 HTTP/1.1\r\nHost: u@a
a list                          | 400            | GET /orders/1 HTTP/1.1\r\nHost: a, b
a port too large                | 400            | GET /orders/1 HTTP/1.1\r\nHost: a:99999
bytes                           | 400            | GET /orders/1 HTTP/1.1\r\nHost: é
HTTP/1.0 without                | localhost:8081 | GET /orders/1 HTTP/1.0\r\nAccept: */*
HTTP/1.0 with one               | a              | GET /orders/1 HTTP/1.0\r\nHost: a
HTTP/1.0 with two               | 400            | GET /orders/1 HTTP/1.0\r\nHost: a\r\nHost: b
an absolute target wins         | c:7            | GET http://c:7/orders/1 HTTP/1.1\r\nHost: a
an absolute target, HTTP/1.0    | c:7            | GET http://c:7/orders/1 HTTP/1.0\r\nAccept: */*
an absolute target without Host | 400            | GET http://c:7/orders/1 HTTP/1.1\r\nAccept: */*
an absolute target with a user  | 400            | GET http://u:p@c/orders/1 HTTP/1.1\r\nHost: a
"#;

/// The test's own connections come from this machine, where a proxy is believed.
#[tokio::test]
async fn a_proxy_says_where_links_lead() {
    let service = Service::with_tv().await;
    let proxy = "Host: 127.0.0.1:8088\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\nX-Forwarded-Prefix: /mall";
    let (statuses, text) = exchange(&service, format!("GET /orders/1 HTTP/1.1\r\n{proxy}\r\n\r\n")).await;
    assert_eq!(statuses, [200], "{text}");
    assert!(
        text.contains("\"self\":{\"href\":\"https://shop.example/mall/orders/1\"}"),
        "{text}"
    );
    let post = format!(
        "POST /orders HTTP/1.1\r\n{proxy}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{ORDER}",
        ORDER.len()
    );
    let (statuses, text) = exchange(&service, post).await;
    assert_eq!(statuses, [201], "{text}");
    assert!(
        text.to_ascii_lowercase()
            .contains("location: https://shop.example/mall/orders/2"),
        "{text}"
    );
    let (_, text) = exchange(&service, format!("GET /orders?size=1 HTTP/1.1\r\n{proxy}\r\n\r\n")).await;
    assert!(
        text.contains("\"next\":{\"href\":\"https://shop.example/mall/orders?page=1&size=1\"}"),
        "{text}"
    );
}

#[tokio::test]
async fn a_request_names_one_host() {
    let service = Service::with_tv().await;
    let mut rows = Rows::default();
    for row in &cells(HOSTS)[1..] {
        let (statuses, text) = exchange(&service, format!("{}\r\n\r\n", unescaped(row[2]))).await;
        let holds = match row[1].parse::<u16>() {
            Ok(status) => {
                let told = text.contains("application/problem+json") && text.contains("\"message\"");
                statuses == [status] && told
            }
            Err(_) => {
                let href = format!("\"self\":{{\"href\":\"http://{}/orders/1\"}}", row[1]);
                statuses == [200] && text.contains(&href)
            }
        };
        rows.check(row[0], holds, text);
    }
}

#[tokio::test]
async fn paths_are_read_as_they_are_meant() {
    let service = Service::with_tv().await;
    let mut rows = Rows::default();
    for (path, status) in [
        ("/orders/%31", 200),
        ("/orders/%31/", 200),
        ("/%6F%72ders/1", 200),
        ("/orders/1/%65vents", 200),
        ("/orders?page=%30", 200),
        ("/liv%65z", 200),
        ("/orders%2F1", 404),
        ("/orders%2f1", 404),
        ("/orders/1%2Fevents", 404),
        ("/orders/%2531", 404),
        ("/orders/1%00", 404),
        ("/orders/%ff", 404),
        ("/orders/1;v=1", 404),
        ("/orders//1", 404),
        ("/orders/../orders/1", 404),
        ("/orders/%2e%2e/orders/1", 404),
        ("/orders/%", 400),
        ("/orders/%1", 400),
        ("/orders/%zz", 400),
    ] {
        let answer = service.get(path).await;
        rows.check(path, answer.status == status, &answer);
    }
    let slashed = service.get("/orders/?page=0").await;
    rows.check(
        "self",
        slashed
            .body
            .contains("\"self\":{\"href\":\"http://localhost:8081/orders/?page=0\"}"),
        slashed,
    );
    let location = service.httpie("PUT /orders/%31", ORDER).await;
    rows.check(
        "Location",
        location.header("location") == Some("http://localhost:8081/orders/1"),
        location,
    );
}

/// Bytes that two readers of one connection could take for different requests; all are refused.
const AMBIGUOUS: &str = r#"
case                        | bytes
two lengths that differ     | {post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}{smuggled}
two lengths in a line       | {post}Content-Length: 2, 3\r\n\r\n{}{smuggled}
a length with a sign        | {post}Content-Length: +2\r\n\r\n{}
a length below zero         | {post}Content-Length: -2\r\n\r\n{}
a length beyond numbers     | {post}Content-Length: 99999999999999999999\r\n\r\n{}
a space before the colon    | {post}Content-Length : 2\r\n\r\n{}{smuggled}
a folded line               | {post}X-A: 1\r\n Content-Length: 40\r\n\r\n{}
an unknown coding           | {post}Transfer-Encoding: gzip\r\n\r\n{}{smuggled}
chunked twice in the middle | {post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}
a chunk without a length    | {post}Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n{smuggled}
a chunk beyond numbers      | {post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}
chunked in HTTP/1.0         | POST /orders HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}
a bare return in a value    | GET /orders HTTP/1.1\r\nHost: h\r\nX-A: 1\rX-B: 2\r\n\r\n
a zero in a value           | GET /orders HTTP/1.1\r\nHost: h\r\nX-A: 1\0\r\n\r\n
"#;

#[tokio::test]
async fn nobody_is_taken_for_two() {
    let service = Service::orders().await;
    let post = "POST /orders HTTP/1.1\r\nHost: h\r\n";
    let smuggled = "GET /orders/7/smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut rows = Rows::default();
    for row in &cells(AMBIGUOUS)[1..] {
        let bytes = unescaped(row[1])
            .replace("{post}", post)
            .replace("{smuggled}", smuggled);
        let (statuses, text) = exchange(&service, bytes).await;
        rows.check(row[0], statuses == [400], (statuses, text));
    }
    let (statuses, text) = exchange(&service, "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}").await;
    rows.check("no HTTP at all", statuses == [400], (statuses, text));
    // The request has both a length and chunks. The chunks count, and the bytes after them are not read as a request.
    let both = format!("{post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
    let (statuses, text) = exchange(&service, both).await;
    rows.check(
        "a length and chunks",
        statuses == [400] && text.contains("productId must be given"),
        text,
    );
    rows.check(
        "nothing was written",
        service.get("/orders").await.body.contains("\"totalElements\":0"),
        "",
    );
}

#[tokio::test]
async fn heads_of_unusual_size_and_letters_are_answered() {
    let service = Service::with_tv().await;
    let mut rows = Rows::default();
    let long = format!("GET /orders?x={} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(15_000));
    let (statuses, text) = exchange(&service, long).await;
    rows.check("a long query", statuses == [200], text);
    let longer = format!("GET /orders?x={} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(70_000));
    let (statuses, text) = exchange(&service, longer).await;
    rows.check(
        "a longer query",
        statuses.is_empty() || statuses == [431] || statuses == [414],
        text,
    );
    for (name, target, status) in [
        ("UTF-8 in the path", b"/orders/\xea\xb0\x80".as_slice(), 404),
        ("UTF-8 in the query", b"/orders?sort=\xea\xb0\x80".as_slice(), 200),
        ("no UTF-8 in the path", b"/orders/\xff".as_slice(), 400),
        ("no UTF-8 in the query", b"/orders?sort=\xff".as_slice(), 400),
        (
            "escaped bytes in the query",
            b"/orders?sort=%ff&page=%zz&size=%".as_slice(),
            200,
        ),
        ("a fragment", b"/orders/1#x".as_slice(), 200),
        ("the asterisk", b"*".as_slice(), 404),
    ] {
        let bytes = [b"GET ".as_slice(), target, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
        let (statuses, text) = exchange(&service, bytes).await;
        rows.check(name, statuses == [status], (statuses, text));
    }
    let (statuses, text) = exchange(&service, "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    rows.check("CONNECT", statuses.len() == 1 && statuses[0] >= 400, text);
}

#[tokio::test]
async fn who_asks_before_it_sends_is_told() {
    let service = Service::orders().await;
    let body = ORDER;
    let head = |extra: &str| {
        format!(
            "POST /orders HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {}\r\n{extra}\r\n",
            body.len()
        )
    };
    let mut rows = Rows::default();
    let mut connection = Connection::open(service.address).await;
    connection.send(head("").as_bytes()).await;
    let go_on = connection.answer(true).await;
    rows.check("go on", go_on.status == 100, go_on);
    connection.send(body.as_bytes()).await;
    let placed = connection.answer(false).await;
    rows.check("placed", placed.status == 201, placed);
    for (name, extra, status) in [
        ("not acceptable", "Accept: text/html\r\n", 406),
        ("a form", "Content-Type: text/plain\r\n", 415),
    ] {
        let mut connection = Connection::open(service.address).await;
        connection.send(head(extra).as_bytes()).await;
        let answer = connection.answer(false).await;
        rows.check(name, answer.status == status, answer);
    }
    rows.check(
        "one order",
        service.get("/orders").await.body.contains("\"totalElements\":1"),
        "",
    );
}

#[tokio::test]
async fn text_comes_back_whatever_is_in_it() {
    let service = Service::orders().await;
    let mut rows = Rows::default();
    for (name, address) in [
        ("a zero", r"a\u0000b"),
        ("escapes", r#"\"\\\/\b\f\n\r\t"#),
        ("a pair", r"\ud83d\ude00"),
        ("control characters", r"\u001b[31m\u007f\u0085\u2028"),
    ] {
        let body = format!(r#"{{"customerId":1,"productId":"1","qty":1,"address":"{address}"}}"#);
        let placed = service.httpie("POST /orders", &body).await;
        let expected: String = serde_json::from_str(&format!("\"{address}\"")).expect("a string");
        rows.check(
            name,
            placed.status == 201 && placed.json()["address"] == expected.as_str(),
            &placed,
        );
        let path = placed
            .header("location")
            .unwrap_or_default()
            .replace("http://localhost:8081", "");
        let read = service.get(&path).await;
        rows.check(name, read.json()["address"] == expected.as_str(), read);
    }
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    for line in ["POST /orders", "PATCH /orders/1"] {
        let answer = service.httpie(line, &deep).await;
        rows.check(line, matches!(answer.status, 200 | 400), answer);
    }
    let alive = service.get("/livez").await;
    rows.check("alive", alive.status == 200, alive);
}
