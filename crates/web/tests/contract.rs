//! The HTTP contract, row by row, over a socket. A failure names its row.

mod wire;

use serde_json::json;
use shop::domain::{
    DeliveryRequest, IncomingEvent, JournalEntry, OrderEventType, OrderId, OrderPatch, Provenance, Version,
};
use shop::health::Fact;
use shop::store::StoreError;
use wire::{Connection, NOW, Rows, Service, request};

/// The headers of a request, as names and values.
type Headers<'a> = &'a [(&'a str, &'a str)];

const TV: &str = r#"{"productId":"100","productName":"TV","qty":3,"customerId":1000,"address":"SEOUL","_links":{"self":{"href":"http://localhost:8081/orders/1"},"order":{"href":"http://localhost:8081/orders/1"}}}"#;

#[tokio::test]
async fn the_course_by_httpie() {
    let service = Service::orders().await;
    let mut connection = Connection::open(service.address).await;
    let body = r#"{"customerId": "2000", "productId": "100", "productName": "RADIO", "qty": "3", "address": "PUSAN"}"#;
    let bytes = format!(
        "POST /orders HTTP/1.1\r\nHost: localhost:8081\r\nUser-Agent: HTTPie/3.2.2\r\nAccept-Encoding: gzip, deflate\r\n\
         Accept: application/json, */*;q=0.5\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.send(bytes.as_bytes()).await;
    let placed = connection.answer(false).await;
    assert_eq!(placed.status, 201);
    assert_eq!(placed.header("content-type"), Some("application/json"));
    assert_eq!(placed.header("location"), Some("http://localhost:8081/orders/1"));
    assert_eq!(
        placed.body,
        r#"{"productId":"100","productName":"RADIO","qty":3,"customerId":2000,"address":"PUSAN","_links":{"self":{"href":"http://localhost:8081/orders/1"},"order":{"href":"http://localhost:8081/orders/1"}}}"#
    );

    let patched = service.httpie("PATCH /orders/1", r#"{"address": "SEOUL"}"#).await;
    assert_eq!(
        (patched.status, patched.body),
        (200, placed.body.replace("PUSAN", "SEOUL"))
    );
    let deleted = service.httpie("DELETE /orders/1", "").await;
    assert_eq!(
        (deleted.status, deleted.body.as_str(), deleted.header("content-type")),
        (204, "", None)
    );
    assert_eq!(service.events_of(1).await, 3);
}

#[tokio::test]
async fn samples_are_met_to_the_letter() {
    let service = Service::orders().await;
    assert_eq!(
        service.get("/").await.body,
        r#"{"_links":{"orders":{"href":"http://localhost:8081/orders{?page,size,sort}","templated":true},"profile":{"href":"http://localhost:8081/profile"}}}"#
    );
    let empty = r#"{"_embedded":{"orders":[]},"_links":{"self":{"href":"http://localhost:8081/orders"},"profile":{"href":"http://localhost:8081/profile/orders"}},"page":{"size":20,"totalElements":0,"totalPages":0,"number":0}}"#;
    assert_eq!(service.get("/orders").await.body, empty);

    service.place_tv().await;
    let one = format!(
        r#"{{"_embedded":{{"orders":[{TV}]}},"_links":{{"self":{{"href":"http://localhost:8081/orders"}},"profile":{{"href":"http://localhost:8081/profile/orders"}}}},"page":{{"size":20,"totalElements":1,"totalPages":1,"number":0}}}}"#
    );
    assert_eq!(service.get("/orders").await.body, one);
    assert_eq!(
        service.get("/orders/").await.body,
        one.replace("8081/orders\"}", "8081/orders/\"}")
            .replace("profile/orders/", "profile/orders")
    );
    assert_eq!(service.get("/orders/1").await.body, TV);
    assert_eq!(service.get("/orders/1/").await.body, TV);
    assert_eq!(
        service.get("/profile").await.body,
        r#"{"_links":{"self":{"href":"http://localhost:8081/profile"},"orders":{"href":"http://localhost:8081/profile/orders"}}}"#
    );
    let profile = service.get("/profile/orders").await;
    assert_eq!(
        (profile.status, profile.header("content-type")),
        (200, Some("application/alps+json"))
    );
    assert_eq!(profile.json()["alps"]["descriptor"][0]["id"], "order-representation");
}

#[tokio::test]
async fn forms_follow_the_accept_header() {
    let service = Service::orders().await;
    service.place_tv().await;
    let mut rows = Rows::default();
    let cases: [(&str, Headers<'_>, Option<&str>); 9] = [
        ("no Accept", &[], Some("application/hal+json")),
        ("anything", &[("Accept", "*/*")], Some("application/hal+json")),
        (
            "HAL",
            &[("Accept", "application/hal+json")],
            Some("application/hal+json"),
        ),
        ("JSON", &[("Accept", "application/json")], Some("application/json")),
        (
            "httpie",
            &[("Accept", "application/json, */*;q=0.5")],
            Some("application/json"),
        ),
        (
            "axios",
            &[("Accept", "application/json, text/plain, */*")],
            Some("application/json"),
        ),
        (
            "a browser",
            &[("Accept", "text/html,application/xml;q=0.9,*/*;q=0.8")],
            Some("application/hal+json"),
        ),
        (
            "two headers",
            &[("Accept", "text/html"), ("Accept", "application/json")],
            Some("application/json"),
        ),
        ("HTML only", &[("Accept", "text/html")], None),
    ];
    for (name, headers, form) in cases {
        for path in ["/", "/orders", "/orders/1", "/profile"] {
            let answer = service.send(&format!("GET {path}"), headers, "").await;
            let expected = (form.map_or(406, |_| 200), form.or(Some("application/problem+json")));
            let seen = (answer.status, answer.header("content-type"));
            rows.check(&format!("{name} {path}"), seen == expected, seen);
        }
    }
}

#[tokio::test]
async fn hrefs_carry_the_host_header() {
    let service = Service::orders().await;
    service.place_tv().await;
    let mut rows = Rows::default();
    let cases = [
        ("gateway", "Host: localhost:8088\r\n", "http://localhost:8088/orders/1"),
        ("name", "Host: shop.example\r\n", "http://shop.example/orders/1"),
        ("none", "", "http://localhost:8081/orders/1"),
    ];
    for (name, host, href) in cases {
        let mut connection = Connection::open(service.address).await;
        let version = if host.is_empty() { "1.0" } else { "1.1" };
        connection
            .send(format!("GET /orders/1 HTTP/{version}\r\n{host}\r\n").as_bytes())
            .await;
        let seen = connection.answer(false).await.json()["_links"]["self"]["href"].clone();
        rows.check(name, seen == href, seen);
    }
}

/// A value for `qty` and one for `productName`, each with what it becomes: the text in the body, or a part of the
/// message.
type Coercion = (
    &'static str,
    Result<&'static str, &'static str>,
    Result<&'static str, &'static str>,
);

#[tokio::test]
async fn values_are_coerced_as_jackson_does() {
    const NOT_WHOLE: Result<&str, &str> = Err("qty must be a whole number");
    // Null fits the type of qty; the rules refuse it.
    const NULL: Result<&str, &str> = Err("qty must be at least 1");
    const NESTED: Result<&str, &str> = Err("productName must be a string");
    let table: [Coercion; 19] = [
        ("3", Ok("3"), Ok("\"3\"")),
        ("\"3\"", Ok("3"), Ok("\"3\"")),
        ("\" 3 \"", Ok("3"), Ok("\" 3 \"")),
        ("\"\"", NULL, Ok("\"\"")),
        ("\"null\"", NULL, Ok("\"null\"")),
        ("null", NULL, Ok("null")),
        ("3.7", Ok("3"), Ok("\"3.7\"")),
        ("3.70", Ok("3"), Ok("\"3.70\"")),
        ("1e2", Ok("100"), Ok("\"1e2\"")),
        ("\"3.7\"", NOT_WHOLE, Ok("\"3.7\"")),
        ("\"abc\"", NOT_WHOLE, Ok("\"abc\"")),
        ("true", NOT_WHOLE, Ok("\"true\"")),
        ("false", NOT_WHOLE, Ok("\"false\"")),
        ("2147483648", NOT_WHOLE, Ok("\"2147483648\"")),
        ("\"2147483648\"", NOT_WHOLE, Ok("\"2147483648\"")),
        ("1e400", NOT_WHOLE, Ok("\"1e400\"")),
        ("12345678901234567890123", NOT_WHOLE, Ok("\"12345678901234567890123\"")),
        ("{\"a\":1}", NOT_WHOLE, NESTED),
        ("[3]", NOT_WHOLE, NESTED),
    ];
    let service = Service::orders().await;
    let mut rows = Rows::default();
    for (sent, integer, string) in table {
        for (field, expected) in [("qty", integer), ("productName", string)] {
            let qty = if field == "qty" { "" } else { r#""qty":1,"# };
            let body = format!(r#"{{"customerId":1,"productId":"1","address":"A",{qty}"{field}":{sent}}}"#);
            let answer = service.httpie("POST /orders", &body).await;
            let holds = match expected {
                Ok(shown) => answer.status == 201 && answer.body.contains(&format!("\"{field}\":{shown},")),
                Err(message) => answer.status == 400 && answer.message().starts_with(message),
            };
            rows.check(&format!("{field} from {sent}"), holds, answer);
        }
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn pages_are_cut_and_linked_as_spring_does() {
    let service = Service::orders().await;
    for qty in 1..=45 {
        let body = format!(r#"{{"customerId":1,"productId":"1","address":"A","qty":{qty}}}"#);
        assert_eq!(service.httpie("POST /orders", &body).await.status, 201);
    }
    // Each row has the query; the first and last number on the page, and how many are on it; page.size and page.number;
    // the links in order.
    type Row<'a> = (&'a str, Option<(i64, i64)>, usize, (u64, u64), &'a [(&'a str, &'a str)]);
    let table: [Row<'_>; 13] = [
        (
            "",
            Some((1, 20)),
            20,
            (20, 0),
            &[
                ("first", "page=0&size=20"),
                ("self", ""),
                ("next", "page=1&size=20"),
                ("last", "page=2&size=20"),
            ],
        ),
        (
            "?page=1",
            Some((21, 40)),
            20,
            (20, 1),
            &[
                ("first", "page=0&size=20"),
                ("prev", "page=0&size=20"),
                ("self", ""),
                ("next", "page=2&size=20"),
                ("last", "page=2&size=20"),
            ],
        ),
        (
            "?page=2",
            Some((41, 45)),
            5,
            (20, 2),
            &[
                ("first", "page=0&size=20"),
                ("prev", "page=1&size=20"),
                ("self", ""),
                ("last", "page=2&size=20"),
            ],
        ),
        (
            "?page=9",
            None,
            0,
            (20, 9),
            &[
                ("first", "page=0&size=20"),
                ("prev", "page=8&size=20"),
                ("self", ""),
                ("last", "page=2&size=20"),
            ],
        ),
        ("?size=100", Some((1, 45)), 45, (100, 0), &[("self", "")]),
        ("?size=1001", Some((1, 45)), 45, (1000, 0), &[("self", "")]),
        (
            "?page=abc&size=abc",
            Some((1, 20)),
            20,
            (20, 0),
            &[
                ("first", "page=0&size=20"),
                ("self", ""),
                ("next", "page=1&size=20"),
                ("last", "page=2&size=20"),
            ],
        ),
        (
            "?page=-1&size=0",
            Some((1, 20)),
            20,
            (20, 0),
            &[
                ("first", "page=0&size=20"),
                ("self", ""),
                ("next", "page=1&size=20"),
                ("last", "page=2&size=20"),
            ],
        ),
        (
            "?size=40&sort=qty,desc",
            Some((45, 6)),
            40,
            (40, 0),
            &[
                ("first", "page=0&size=40&sort=qty,desc"),
                ("self", ""),
                ("next", "page=1&size=40&sort=qty,desc"),
                ("last", "page=1&size=40&sort=qty,desc"),
            ],
        ),
        (
            "?size=40&sort=customerId&sort=id,desc",
            Some((45, 6)),
            40,
            (40, 0),
            &[
                ("first", "page=0&size=40&sort=customerId,asc&sort=id,desc"),
                ("self", ""),
                ("next", "page=1&size=40&sort=customerId,asc&sort=id,desc"),
                ("last", "page=1&size=40&sort=customerId,asc&sort=id,desc"),
            ],
        ),
        (
            "?size=50&sort=nothing,desc",
            Some((1, 45)),
            45,
            (50, 0),
            &[("self", "")],
        ),
        ("?size=50&sort=id%2Cdesc", Some((45, 1)), 45, (50, 0), &[("self", "")]),
        ("?size=50&sort=address", Some((1, 45)), 45, (50, 0), &[("self", "")]),
    ];
    let mut rows = Rows::default();
    for (query, ends, count, (size, number), links) in table {
        let answer = service.get(&format!("/orders{query}")).await;
        let body = answer.json();
        let items = body["_embedded"]["orders"]
            .as_array()
            .expect("an array, also when it is empty");
        let id = |item: &serde_json::Value| {
            let href = item["_links"]["self"]["href"].as_str().unwrap();
            href.rsplit('/').next().unwrap().parse::<i64>().unwrap()
        };
        let seen = items.first().map(id).zip(items.last().map(id));
        rows.check(
            &format!("{query} items"),
            (seen, items.len()) == (ends, count),
            (seen, items.len()),
        );
        let pages = 45_u64.div_ceil(size);
        let expected = json!({"size": size, "totalElements": 45, "totalPages": pages, "number": number});
        rows.check(
            &format!("{query} page"),
            answer.body.contains(&format!("\"page\":{expected}")),
            &body["page"],
        );

        let mut expected: Vec<_> = links
            .iter()
            .map(|(rel, target)| match *rel {
                "self" => ("self".to_owned(), format!("http://localhost:8081/orders{query}")),
                rel => (rel.to_owned(), format!("http://localhost:8081/orders?{target}")),
            })
            .collect();
        expected.push(("profile".into(), "http://localhost:8081/profile/orders".into()));
        let seen: Vec<_> = body["_links"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(rel, link)| (rel.clone(), link["href"].as_str().unwrap().to_owned()))
            .collect();
        rows.check(&format!("{query} links"), seen == expected, seen);
    }
}

#[tokio::test]
async fn items_are_written_as_spring_does() {
    let json = &[("Content-Type", "application/json")];
    let accepting = &[("Content-Type", "application/json"), ("Accept", "*/*")];
    let merge = &[("Content-Type", "application/merge-patch+json"), ("Accept", "*/*")];
    let patch = &[("Content-Type", "application/json-patch+json"), ("Accept", "*/*")];
    let whole = r#"{"customerId":1,"productId":"1","qty":1,"address":"A"}"#;
    // Each row has a name; the request, its headers and body; the status, the number of events after it, whether there
    // is a Location, and a part of the body.
    type Row<'a> = (
        &'a str,
        &'a str,
        Headers<'a>,
        &'a str,
        u16,
        usize,
        bool,
        Option<&'a str>,
    );
    let table: [Row<'_>; 20] = [
        (
            "PUT replaces, omitted becomes null",
            "PUT /orders/1",
            accepting,
            whole,
            200,
            2,
            true,
            Some(r#"{"productId":"1","productName":null,"qty":1,"customerId":1,"address":"A","#),
        ),
        ("PUT without Accept", "PUT /orders/1", json, whole, 204, 2, true, None),
        (
            "PUT that changes nothing",
            "PUT /orders/1",
            accepting,
            r#"{"customerId":"1000","productId":100,"productName":"TV","qty":3.7,"address":"SEOUL"}"#,
            200,
            1,
            true,
            Some(r#""qty":3,"#),
        ),
        ("PUT missing", "PUT /orders/9", accepting, whole, 404, 1, false, None),
        (
            "PUT without a required field",
            "PUT /orders/1",
            accepting,
            r#"{"qty":1}"#,
            400,
            1,
            false,
            Some("productId must be given; customerId must be given; address must be given."),
        ),
        (
            "PATCH merges",
            "PATCH /orders/1",
            accepting,
            r#"{"qty":"4"}"#,
            200,
            2,
            false,
            Some(r#"{"productId":"100","productName":"TV","qty":4,"#),
        ),
        (
            "PATCH by merge-patch+json",
            "PATCH /orders/1",
            merge,
            r#"{"productName":null}"#,
            200,
            2,
            false,
            Some(r#""productName":null,"#),
        ),
        (
            "PATCH without Accept",
            "PATCH /orders/1",
            json,
            r#"{"qty":4}"#,
            204,
            2,
            false,
            None,
        ),
        ("PATCH {}", "PATCH /orders/1", accepting, "{}", 200, 1, false, Some(TV)),
        (
            "PATCH that changes nothing",
            "PATCH /orders/1",
            accepting,
            r#"{"qty":" 3 ","id":7,"_links":{}}"#,
            200,
            1,
            false,
            Some(TV),
        ),
        ("PATCH missing", "PATCH /orders/9", accepting, "{}", 404, 1, false, None),
        (
            "PATCH to null",
            "PATCH /orders/1",
            accepting,
            r#"{"address":null,"customerId":""}"#,
            400,
            1,
            false,
            Some("customerId must be given; address must be given."),
        ),
        (
            "PATCH to blank",
            "PATCH /orders/1",
            accepting,
            r#"{"address":" ","qty":0}"#,
            400,
            1,
            false,
            Some("qty must be at least 1; address must not be blank."),
        ),
        (
            "JSON Patch",
            "PATCH /orders/1",
            patch,
            r#"[{"op":"replace","path":"/address","value":"PUSAN"}]"#,
            200,
            2,
            false,
            Some(r#""address":"PUSAN","#),
        ),
        (
            "JSON Patch that changes nothing",
            "PATCH /orders/1",
            patch,
            r#"[{"op":"test","path":"/qty","value":3}]"#,
            200,
            1,
            false,
            Some(TV),
        ),
        (
            "JSON Patch whose test fails",
            "PATCH /orders/1",
            patch,
            r#"[{"op":"test","path":"/qty","value":4}]"#,
            400,
            1,
            false,
            Some("Operation 1"),
        ),
        (
            "JSON Patch to null",
            "PATCH /orders/1",
            patch,
            r#"[{"op":"remove","path":"/address"}]"#,
            400,
            1,
            false,
            Some("address must be given"),
        ),
        (
            "JSON Patch that is none",
            "PATCH /orders/1",
            patch,
            r#"{"address":"PUSAN"}"#,
            400,
            1,
            false,
            Some("RFC 6902"),
        ),
        ("DELETE", "DELETE /orders/1", &[], "", 204, 2, false, None),
        ("DELETE missing", "DELETE /orders/9", &[], "", 404, 1, false, None),
    ];
    let mut rows = Rows::default();
    for (name, line, headers, body, status, events, located, part) in table {
        let service = Service::orders().await;
        service.place_tv().await;
        let answer = service.send(line, headers, body).await;
        rows.check(name, answer.status == status, &answer);
        let location = located.then_some("http://localhost:8081/orders/1");
        rows.check(name, answer.header("location") == location, &answer);
        rows.check(
            name,
            part.map_or(answer.body.is_empty(), |part| answer.body.contains(part)),
            &answer,
        );
        rows.check(
            name,
            service.events_of(1).await == events,
            format!("{} events", service.events_of(1).await),
        );
        rows.check(name, service.events_of(9).await == 0, "events of a missing order");
    }
}

#[tokio::test]
async fn posts_answer_with_a_body_to_those_who_accept_one() {
    let service = Service::orders().await;
    let body = r#"{"customerId":1,"productId":"1","qty":1,"address":"A"}"#;
    let silent = service.send("POST /orders", &[], body).await;
    assert_eq!(
        (silent.status, silent.body.as_str(), silent.header("content-type")),
        (201, "", None)
    );
    assert_eq!(silent.header("location"), Some("http://localhost:8081/orders/1"));
    let curl = service.send("POST /orders/", &[("Accept", "*/*")], body).await;
    assert_eq!(
        (curl.status, curl.header("content-type")),
        (201, Some("application/hal+json"))
    );
    assert!(
        curl.body.starts_with(r#"{"productId":"1","productName":null,"qty":1,"#),
        "{curl:?}"
    );
}

#[tokio::test]
async fn heads_and_options_work_wherever_something_is() {
    let service = Service::orders().await;
    service.place_tv().await;
    let mut rows = Rows::default();
    let collection = "GET, HEAD, POST, OPTIONS";
    let item = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
    let readable = "GET, HEAD, OPTIONS";
    let cases = [
        ("/", readable),
        ("/orders", collection),
        ("/orders/", collection),
        ("/orders/1", item),
        ("/orders/1/events", readable),
        ("/profile", readable),
        ("/profile/orders", readable),
        ("/livez", readable),
        ("/readyz", readable),
        ("/actuator/health", readable),
    ];
    for (path, allowed) in cases {
        let mut connection = Connection::open(service.address).await;
        connection.send(&request(&format!("HEAD {path}"), &[], b"")).await;
        let head = connection.answer(true).await;
        connection.send(&request(&format!("GET {path}"), &[], b"")).await;
        let get = connection.answer(false).await;
        let same = ["content-type", "content-length"]
            .iter()
            .all(|name| head.header(name) == get.header(name));
        rows.check(
            &format!("HEAD {path}"),
            head.status == 200 && get.status == 200 && same,
            (&head, &get),
        );

        let options = service.send(&format!("OPTIONS {path}"), &[], "").await;
        let seen = (options.status, options.header("allow"), options.body.as_str());
        rows.check(&format!("OPTIONS {path}"), seen == (200, Some(allowed), ""), &options);
        let patches = (path == "/orders/1")
            .then_some("application/merge-patch+json, application/json-patch+json, application/json");
        rows.check(
            &format!("Accept-Patch {path}"),
            options.header("accept-patch") == patches,
            &options,
        );

        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"] {
            if allowed.split(", ").all(|known| known != method) {
                let refused = service.send(&format!("{method} {path}"), &[], "").await;
                let seen = (refused.status, refused.header("allow"));
                rows.check(
                    &format!("{method} {path}"),
                    seen == (405, Some(allowed)) && !refused.message().is_empty(),
                    &refused,
                );
            }
        }
    }
    let missing = service.send("HEAD /orders/9", &[], "").await;
    rows.check("HEAD of a missing order", missing.status == 404, &missing);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn every_error_is_a_problem_with_a_message() {
    let json = &[("Content-Type", "application/json")];
    let html = &[("Accept", "text/html"), ("Content-Type", "application/json")];
    let good = r#"{"customerId":1,"productId":"1","qty":1,"address":"A"}"#;
    let long = format!(
        r#"{{"customerId":1,"productId":"1","qty":1,"address":"{}"}}"#,
        "가".repeat(256)
    );
    let huge = format!(r#"{{"address":"{}"}}"#, "a".repeat(65_536));
    type Row<'a> = (&'a str, &'a str, Headers<'a>, &'a [u8], u16, &'a str);
    let table: [Row<'_>; 31] = [
        (
            "malformed",
            "POST /orders",
            json,
            b"{\"qty\":",
            400,
            "not well-formed JSON",
        ),
        (
            "trailing text",
            "POST /orders",
            json,
            b"{} x",
            400,
            "not well-formed JSON",
        ),
        (
            "NaN",
            "POST /orders",
            json,
            b"{\"qty\":NaN}",
            400,
            "not well-formed JSON",
        ),
        ("empty body", "POST /orders", json, b"", 400, "body is empty"),
        (
            "not UTF-8",
            "POST /orders",
            json,
            b"{\"address\":\"\xff\"}",
            400,
            "UTF-8",
        ),
        (
            "half a surrogate pair",
            "PATCH /orders/1",
            json,
            b"{\"address\":\"\\ud800\"}",
            400,
            "address must be a string",
        ),
        (
            "wrong type, and missing fields",
            "POST /orders",
            json,
            b"{\"qty\":\"abc\"}",
            400,
            "productId must be given; qty must be a whole number between -2147483648 and 2147483647, not \"abc\"; \
             customerId must be given; address must be given.",
        ),
        (
            "several wrong types",
            "PATCH /orders/1",
            json,
            b"{\"address\":[],\"customerId\":true}",
            400,
            "customerId must be a whole number between -9223372036854775808 and 9223372036854775807, not true; address must be a string, not an object or an array.",
        ),
        ("array", "POST /orders", json, b"[]", 400, "must be a JSON object"),
        ("text", "PUT /orders/1", json, b"\"qty\"", 400, "must be a JSON object"),
        ("null", "PATCH /orders/1", json, b"null", 400, "must be a JSON object"),
        (
            "nothing given",
            "POST /orders",
            json,
            b"{}",
            400,
            "productId must be given; qty must be at least 1; customerId must be given; address must be given.",
        ),
        (
            "blank and too few",
            "POST /orders",
            json,
            b"{\"customerId\":1,\"productId\":\"\",\"qty\":0,\"address\":\" \"}",
            400,
            "productId must not be blank; qty must be at least 1; address must not be blank.",
        ),
        (
            "255 characters",
            "POST /orders",
            json,
            long.as_bytes(),
            400,
            "address must not be longer than 255 characters, not 256.",
        ),
        ("text as a number", "GET /orders/abc", &[], b"", 404, "/orders/abc"),
        (
            "PATCH text as a number",
            "PATCH /orders/abc",
            json,
            b"{}",
            404,
            "/orders/abc",
        ),
        (
            "too large a number",
            "GET /orders/99999999999999999999",
            &[],
            b"",
            404,
            "nothing at",
        ),
        ("unknown path", "GET /nothing", &[], b"", 404, "/nothing"),
        (
            "another service's path",
            "GET /deliveries",
            &[],
            b"",
            404,
            "/deliveries",
        ),
        (
            "events of no order",
            "GET /orders/9/events",
            &[],
            b"",
            404,
            "never been an order 9",
        ),
        (
            "DELETE of all",
            "DELETE /orders",
            &[],
            b"",
            405,
            "GET, HEAD, POST, OPTIONS",
        ),
        ("POST to an item", "POST /orders/1", json, good.as_bytes(), 405, "PATCH"),
        (
            "form",
            "POST /orders",
            &[("Content-Type", "application/x-www-form-urlencoded")],
            b"qty=3",
            415,
            "application/x-www-form-urlencoded",
        ),
        (
            "plain text",
            "PATCH /orders/1",
            &[("Content-Type", "text/plain")],
            b"{}",
            415,
            "application/json-patch+json",
        ),
        (
            "JSON Patch as a new order",
            "POST /orders",
            &[("Content-Type", "application/json-patch+json")],
            b"[]",
            415,
            "send application/json.",
        ),
        (
            "POST, HTML only",
            "POST /orders",
            html,
            good.as_bytes(),
            406,
            "application/hal+json",
        ),
        (
            "PUT, HTML only",
            "PUT /orders/1",
            html,
            good.as_bytes(),
            406,
            "application/hal+json",
        ),
        (
            "PATCH, HTML only",
            "PATCH /orders/1",
            html,
            b"{\"qty\":9}",
            406,
            "application/hal+json",
        ),
        (
            "DELETE, HTML only",
            "DELETE /orders/1",
            html,
            b"",
            406,
            "application/hal+json",
        ),
        (
            "GET events, HTML only",
            "GET /orders/1/events",
            html,
            b"",
            406,
            "application/json",
        ),
        (
            "body over 64 KiB",
            "POST /orders",
            json,
            huge.as_bytes(),
            413,
            "65536 bytes",
        ),
    ];
    let service = Service::orders().await;
    service.place_tv().await;
    let mut rows = Rows::default();
    for (name, line, headers, body, status, message) in table {
        let answer = service.send(line, headers, body).await;
        rows.check(
            name,
            answer.status == status && answer.message().contains(message),
            &answer,
        );
    }
    let left = service.get("/orders").await.json();
    rows.check("nothing was written", left["page"]["totalElements"] == 1, &left);
    rows.check("no event", service.events_of(1).await == 1, service.events_of(1).await);
    let fields = service.httpie("POST /orders", r#"{"qty":0}"#).await.json();
    rows.check(
        "fields",
        fields["fields"] == json!(["productId", "qty", "customerId", "address"]),
        fields,
    );
}

#[tokio::test]
async fn bodies_are_read_whatever_json_they_are_called() {
    let service = Service::orders().await;
    let body = r#"{"customerId":1,"productId":"1","qty":1,"address":"A"}"#;
    let marked = format!("\u{feff}{body}");
    let repeated = r#"{"customerId":1,"productId":"1","qty":"abc","qty":1,"address":"B","address":"A"}"#;
    let long = format!(
        r#"{{"customerId":1,"productId":"1","qty":1,"address":"{}"}}"#,
        "😀".repeat(255)
    );
    let cases: [(&str, Headers<'_>, &str); 9] = [
        ("no Content-Type", &[], body),
        ("empty Content-Type", &[("Content-Type", "")], body),
        ("JSON", &[("Content-Type", "application/json")], body),
        ("charset", &[("Content-Type", "Application/JSON; charset=UTF-8")], body),
        ("HAL", &[("Content-Type", "application/hal+json")], body),
        ("byte order mark", &[], &marked),
        ("repeated keys", &[], repeated),
        ("255 characters of four bytes", &[], &long),
        (
            "unknown fields",
            &[],
            r#"{"id":7,"_links":{"self":[{}]},"customerId":1,"productId":"1","qty":1,"address":"A"}"#,
        ),
    ];
    let mut rows = Rows::default();
    for (name, headers, body) in cases {
        let answer = service.send("POST /orders", headers, body).await;
        rows.check(name, answer.status == 201, answer);
    }
    let mut chunked = b"POST /orders HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    chunked.extend(body.bytes().flat_map(|byte| [b'1', b'\r', b'\n', byte, b'\r', b'\n']));
    chunked.extend(b"0\r\n\r\n");
    let mut connection = Connection::open(service.address).await;
    connection.send(&chunked).await;
    let answer = connection.answer(false).await;
    rows.check("chunks of a byte", answer.status == 201, answer);
}

#[tokio::test]
async fn what_the_database_says_becomes_an_answer() {
    let body = r#"{"customerId":1,"productId":"1","qty":1,"address":"A"}"#;
    let cases = [
        (
            "unreachable",
            StoreError::Unavailable("gone".into()),
            503,
            Some("1"),
            "nothing was changed",
        ),
        (
            "outcome unknown",
            StoreError::Unknown("gone".into()),
            503,
            None,
            "outcome is unknown",
        ),
        (
            "collision",
            StoreError::Conflict("held".into()),
            409,
            None,
            "Somebody else",
        ),
        ("refused", StoreError::Rejected("value".into()), 400, None, "can't hold"),
        (
            "read-only",
            StoreError::Unwritable("read-only".into()),
            503,
            Some("1"),
            "nothing was changed",
        ),
        (
            "broken",
            StoreError::Broken("corrupt".into()),
            503,
            Some("1"),
            "can't be used",
        ),
        (
            "unreadable",
            StoreError::Unreadable("no number".into()),
            500,
            None,
            "can't be read",
        ),
    ];
    let mut rows = Rows::default();
    for (name, error, status, retry, message) in cases {
        let service = Service::orders_failing(error).await;
        for line in ["POST /orders", "PUT /orders/1", "PATCH /orders/1", "DELETE /orders/1"] {
            let answer = service
                .httpie(line, if line.starts_with("DELETE") { "" } else { body })
                .await;
            let seen = (answer.status, answer.header("retry-after"));
            let holds = seen == (status, retry) && answer.message().contains(message);
            rows.check(&format!("{name}, {line}"), holds, answer);
        }
    }
}

#[tokio::test]
async fn events_are_told_also_of_the_dead() {
    let service = Service::orders().await;
    service.place_tv().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let patched = service
        .send("PATCH /orders/1", &[("traceparent", trace)], r#"{"qty":4}"#)
        .await;
    assert_eq!(patched.status, 204);
    assert_eq!(service.httpie("DELETE /orders/1", "").await.status, 204);
    let answer = service.get("/orders/1/events").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    let payload = |event: &str, qty| {
        format!(
            r#"{{"eventType":"{event}","timestamp":1749697512193,"id":1,"productId":"100","productName":"TV","qty":{qty},"customerId":1000,"address":"SEOUL"}}"#
        )
    };
    let event = |version, name: &str, qty| {
        let payload = payload(name, qty);
        format!(r#"{{"version":{version},"type":"{name}","timestamp":1749697512193,"payload":{payload}}}"#)
    };
    let expected = [
        event(1, "OrderPlaced", 3),
        event(2, "OrderModified", 4),
        event(3, "OrderCancelled", 4),
    ];
    assert_eq!(answer.body, format!("[{}]", expected.join(",")));

    let entries = service.store.order_events(OrderId(1)).await.unwrap();
    let goes_on = |entry: &JournalEntry| {
        entry
            .traceparent
            .as_ref()
            .is_some_and(|own| own.starts_with(&trace[..36]))
    };
    assert_eq!(entries.iter().map(goes_on).collect::<Vec<_>>(), [false, true, false]);
    assert!(
        entries.iter().all(|entry| entry.traceparent.is_some()),
        "every event has a trace: {entries:?}"
    );
}

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

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn deliveries_are_read_and_searched() {
    let service = Service::deliveries().await;
    let empty = r#"{"_embedded":{"deliveries":[]},"_links":{"self":{"href":"http://localhost:8081/deliveries"},"profile":{"href":"http://localhost:8081/profile/deliveries"},"search":{"href":"http://localhost:8081/deliveries/search"}},"page":{"size":20,"totalElements":0,"totalPages":0,"number":0}}"#;
    assert_eq!(service.get("/deliveries").await.body, empty);
    for order in [6, 2, 2] {
        started_delivery(&service, order).await;
    }
    let second = r#"{"orderId":2,"customerId":2000,"productId":"100","productName":"RADIO","qty":3,"address":"PUSAN","status":"DELIVERY STARTED","_links":{"self":{"href":"http://localhost:8081/deliveries/2"},"delivery":{"href":"http://localhost:8081/deliveries/2"}}}"#;
    let mut rows = Rows::default();
    let bodies = [
        ("item", "/deliveries/2", second),
        ("of several the lowest", "/deliveries/search/findByOrderId?id=2", second),
        ("orderId", "/deliveries/search/findByOrderId?orderId=2", second),
        ("trailing slash", "/deliveries/search/findByOrderId/?id=2", second),
        (
            "search",
            "/deliveries/search",
            r#"{"_links":{"findByOrderId":{"href":"http://localhost:8081/deliveries/search/findByOrderId{?id}","templated":true},"self":{"href":"http://localhost:8081/deliveries/search"}}}"#,
        ),
        (
            "root",
            "/",
            r#"{"_links":{"deliveries":{"href":"http://localhost:8081/deliveries{?page,size,sort}","templated":true},"profile":{"href":"http://localhost:8081/profile"}}}"#,
        ),
    ];
    for (name, path, body) in bodies {
        let answer = service.get(path).await;
        rows.check(name, (answer.status, answer.body.as_str()) == (200, body), &answer);
    }
    for path in ["/deliveries/2", "/deliveries/search/findByOrderId?id=2"] {
        let read = service.get(path).await;
        rows.check(path, read.header("etag") == Some("\"1\""), &read);
        for (header, status) in [("If-None-Match", 304), ("If-Match", 200)] {
            let answer = service.send(&format!("GET {path}"), &[(header, "\"1\"")], "").await;
            rows.check(&format!("{header}, {path}"), answer.status == status, &answer);
            let other = service.send(&format!("GET {path}"), &[(header, "\"2\"")], "").await;
            let status = if status == 304 { 200 } else { 412 };
            rows.check(&format!("other {header}, {path}"), other.status == status, &other);
        }
    }
    for path in ["/deliveries/9", "/deliveries/search/findByOrderId?id=9"] {
        let answer = service.get(path).await;
        rows.check(path, (answer.status, answer.body.as_str()) == (404, ""), &answer);
    }
    let unnumbered = service.get("/deliveries/search/findByOrderId?id=abc").await;
    rows.check(
        "no number",
        unnumbered.status == 400 && unnumbered.message().contains("id=2"),
        &unnumbered,
    );
    for path in [
        "/orders",
        "/deliveries/abc",
        "/deliveries/1/events",
        "/profile/orders",
        "/deliveries/search/findByStatus",
    ] {
        let answer = service.get(path).await;
        rows.check(path, answer.status == 404 && !answer.message().is_empty(), &answer);
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for path in ["/deliveries", "/deliveries/1", "/deliveries/search"] {
            let answer = service.send(&format!("{method} {path}"), &[], "{}").await;
            let seen = (answer.status, answer.header("allow"));
            rows.check(
                &format!("{method} {path}"),
                seen == (405, Some("GET, HEAD, OPTIONS")),
                &answer,
            );
        }
    }
    let sorted = service.get("/deliveries?sort=orderId,desc&size=2").await.json();
    let rels: Vec<_> = sorted["_links"].as_object().unwrap().keys().collect();
    rows.check(
        "links",
        rels == ["first", "self", "next", "last", "profile", "search"],
        &rels,
    );
    rows.check("sorted", sorted["_embedded"]["deliveries"][0]["orderId"] == 6, &sorted);
}

#[tokio::test]
async fn probes_say_what_holds_and_what_does_not() {
    let service = Service::orders().await;
    let mut rows = Rows::default();
    let live = service.get("/livez").await;
    rows.check(
        "livez",
        (live.status, live.body.as_str()) == (200, r#"{"status":"UP"}"#),
        &live,
    );
    let health = service.get("/actuator/health").await;
    let spring = Some("application/vnd.spring-boot.actuator.v3+json");
    rows.check(
        "actuator",
        (health.status, health.body.as_str()) == (200, r#"{"status":"UP"}"#),
        &health,
    );
    rows.check("actuator's form", health.header("content-type") == spring, &health);
    let probe = service.send("GET /readyz", &[("Accept", "text/plain")], "").await;
    rows.check("a probe is never 406", probe.status == 200, &probe);

    service.readiness.begin().bad(Fact::Log, "no broker at localhost:9092");
    let ready = service.get("/readyz").await;
    rows.check(
        "log away",
        ready.status == 200 && ready.json()["checks"]["log"]["status"] == "DOWN",
        &ready,
    );
    rows.check("why", ready.body.contains("no broker at localhost:9092"), &ready);
    service.readiness.begin().good(Fact::Log);
    let ready = service.get("/readyz").await;
    let expected = r#"{"status":"UP","checks":{"database":{"status":"UP"},"writable":{"status":"UP"},"log":{"status":"UP"},"intake":{"status":"UP"}}}"#;
    rows.check(
        "all well",
        (ready.status, ready.body.as_str()) == (200, expected),
        &ready,
    );

    service.readiness.stop();
    for (path, status) in [
        ("/readyz", 503),
        ("/actuator/health", 503),
        ("/livez", 200),
        ("/orders", 200),
    ] {
        let answer = service.get(path).await;
        rows.check(&format!("stopping, {path}"), answer.status == status, &answer);
    }
}
