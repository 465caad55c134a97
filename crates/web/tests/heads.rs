//! Heads of requests as clients, proxies and attackers write them, row by row, over a socket.

mod wire;

use wire::{Connection, Rows, Service};

/// What the service sends for these bytes until it closes the connection: the statuses of the answers, and the whole
/// text.
async fn exchange(service: &Service, bytes: impl AsRef<[u8]>) -> (Vec<u16>, String) {
    let mut connection = Connection::open(service.address).await;
    connection.send(bytes.as_ref()).await;
    connection.half_close().await;
    let text = connection.rest().await;
    let statuses = text
        .split("HTTP/1.")
        .skip(1)
        .filter_map(|answer| answer.split(' ').nth(1)?.parse().ok());
    (statuses.collect(), text)
}

#[tokio::test]
async fn a_request_names_one_host() {
    let service = Service::orders().await;
    service.place_tv().await;
    // Each row has a name, the head without its last line, and the status or the host in the answer's links.
    let table: [(&str, &str, Result<&str, u16>); 21] = [
        ("one", "GET /orders/1 HTTP/1.1\r\nHost: a:1", Ok("a:1")),
        ("spaces around it", "GET /orders/1 HTTP/1.1\r\nHost:  a:1 \t", Ok("a:1")),
        (
            "an address",
            "GET /orders/1 HTTP/1.1\r\nHost: [::1]:8081",
            Ok("[::1]:8081"),
        ),
        ("none", "GET /orders/1 HTTP/1.1\r\nAccept: */*", Err(400)),
        ("two", "GET /orders/1 HTTP/1.1\r\nHost: a\r\nHost: b", Err(400)),
        (
            "the same twice",
            "GET /orders/1 HTTP/1.1\r\nHost: a\r\nHost: a",
            Err(400),
        ),
        (
            "two, the target absolute",
            "GET http://c/orders/1 HTTP/1.1\r\nHost: a\r\nHost: b",
            Err(400),
        ),
        ("empty", "GET /orders/1 HTTP/1.1\r\nHost:", Err(400)),
        ("a quote", "GET /orders/1 HTTP/1.1\r\nHost: a\"b", Err(400)),
        ("a path", "GET /orders/1 HTTP/1.1\r\nHost: a/b", Err(400)),
        ("a user", "GET /orders/1 HTTP/1.1\r\nHost: u@a", Err(400)),
        ("a list", "GET /orders/1 HTTP/1.1\r\nHost: a, b", Err(400)),
        ("a port too large", "GET /orders/1 HTTP/1.1\r\nHost: a:99999", Err(400)),
        ("bytes", "GET /orders/1 HTTP/1.1\r\nHost: \u{e9}", Err(400)),
        (
            "HTTP/1.0 without",
            "GET /orders/1 HTTP/1.0\r\nAccept: */*",
            Ok("localhost:8081"),
        ),
        ("HTTP/1.0 with one", "GET /orders/1 HTTP/1.0\r\nHost: a", Ok("a")),
        (
            "HTTP/1.0 with two",
            "GET /orders/1 HTTP/1.0\r\nHost: a\r\nHost: b",
            Err(400),
        ),
        (
            "an absolute target wins",
            "GET http://c:7/orders/1 HTTP/1.1\r\nHost: a",
            Ok("c:7"),
        ),
        (
            "an absolute target, HTTP/1.0",
            "GET http://c:7/orders/1 HTTP/1.0\r\nAccept: */*",
            Ok("c:7"),
        ),
        (
            "an absolute target without Host",
            "GET http://c:7/orders/1 HTTP/1.1\r\nAccept: */*",
            Err(400),
        ),
        (
            "an absolute target with a user",
            "GET http://u:p@c/orders/1 HTTP/1.1\r\nHost: a",
            Err(400),
        ),
    ];
    let mut rows = Rows::default();
    for (name, head, expected) in table {
        let (statuses, text) = exchange(&service, format!("{head}\r\n\r\n")).await;
        match expected {
            Ok(host) => {
                let href = format!("\"self\":{{\"href\":\"http://{host}/orders/1\"}}");
                rows.check(name, statuses == [200] && text.contains(&href), text);
            }
            Err(status) => {
                let told = text.contains("application/problem+json") && text.contains("\"message\"");
                rows.check(name, statuses == [status] && told, text);
            }
        }
    }
}

#[tokio::test]
async fn paths_are_read_as_they_are_meant() {
    let service = Service::orders().await;
    service.place_tv().await;
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
    let location = service
        .httpie(
            "PUT /orders/%31",
            r#"{"customerId":1,"productId":"1","qty":1,"address":"A"}"#,
        )
        .await;
    rows.check(
        "Location",
        location.header("location") == Some("http://localhost:8081/orders/1"),
        location,
    );
}

/// Bytes that two readers of one connection could take for different requests.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn nobody_is_taken_for_two() {
    let service = Service::orders().await;
    let post = "POST /orders HTTP/1.1\r\nHost: h\r\n";
    let smuggled = "GET /orders/7/smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    // Each row has a name, the bytes, and the statuses of all answers.
    let table: [(&str, String, &[u16]); 15] = [
        (
            "two lengths that differ",
            format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}{smuggled}"),
            &[400],
        ),
        (
            "two lengths in a line",
            format!("{post}Content-Length: 2, 3\r\n\r\n{{}}{smuggled}"),
            &[400],
        ),
        (
            "a length with a sign",
            format!("{post}Content-Length: +2\r\n\r\n{{}}"),
            &[400],
        ),
        (
            "a length below zero",
            format!("{post}Content-Length: -2\r\n\r\n{{}}"),
            &[400],
        ),
        (
            "a length beyond numbers",
            format!("{post}Content-Length: 99999999999999999999\r\n\r\n{{}}"),
            &[400],
        ),
        (
            "a space before the colon",
            format!("{post}Content-Length : 2\r\n\r\n{{}}{smuggled}"),
            &[400],
        ),
        (
            "a folded line",
            format!("{post}X-A: 1\r\n Content-Length: 40\r\n\r\n{{}}"),
            &[400],
        ),
        (
            "an unknown coding",
            format!("{post}Transfer-Encoding: gzip\r\n\r\n{{}}{smuggled}"),
            &[400],
        ),
        (
            "chunked twice in the middle",
            format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"),
            &[400],
        ),
        (
            "a chunk without a length",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n{smuggled}"),
            &[400],
        ),
        (
            "a chunk beyond numbers",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{{}}"),
            &[400],
        ),
        (
            "chunked in HTTP/1.0",
            format!("POST /orders HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
            &[400],
        ),
        (
            "a bare return in a value",
            "GET /orders HTTP/1.1\r\nHost: h\r\nX-A: 1\rX-B: 2\r\n\r\n".into(),
            &[400],
        ),
        (
            "a zero in a value",
            "GET /orders HTTP/1.1\r\nHost: h\r\nX-A: 1\0\r\n\r\n".into(),
            &[400],
        ),
        ("no HTTP at all", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}".into(), &[400]),
    ];
    let mut rows = Rows::default();
    for (name, bytes, expected) in table {
        let (statuses, text) = exchange(&service, bytes).await;
        rows.check(name, statuses == expected, (statuses, text));
    }
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
    let service = Service::orders().await;
    service.place_tv().await;
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
    let body = r#"{"customerId":1,"productId":"1","qty":1,"address":"A"}"#;
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
