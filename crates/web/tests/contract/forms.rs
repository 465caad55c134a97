//! Forms of answers, links, and the methods of a resource.

use crate::table::{cells, run};
use crate::wire::{Connection, Rows, Service, request};

const ACCEPT: &str = r#"
case        | request    | Accept                                    | status | content-type
no Accept   | GET {path} |                                           | 200    | application/hal+json
anything    | GET {path} | */*                                       | 200    | application/hal+json
HAL         | GET {path} | application/hal+json                      | 200    | application/hal+json
JSON        | GET {path} | application/json                          | 200    | application/json
httpie      | GET {path} | application/json, */*;q=0.5               | 200    | application/json
axios       | GET {path} | application/json, text/plain, */*         | 200    | application/json
a browser   | GET {path} | text/html,application/xml;q=0.9,*/*;q=0.8 | 200    | application/hal+json
two headers | GET {path} | text/html & application/json              | 200    | application/json
HTML only   | GET {path} | text/html                                 | 406    | application/problem+json
"#;

#[tokio::test]
async fn forms_follow_the_accept_header() {
    let service = Service::with_tv().await;
    for path in ["/", "/orders", "/orders/1", "/profile"] {
        run(&service, &ACCEPT.replace("{path}", path)).await;
    }
}

#[tokio::test]
async fn hrefs_carry_the_host_header() {
    let service = Service::with_tv().await;
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

const OPTIONS: &str = r#"
request                  | status | allow                                  | accept-patch                                                                | body
OPTIONS /                | 200    | GET, HEAD, OPTIONS                     |                                                                             |
OPTIONS /orders          | 200    | GET, HEAD, POST, OPTIONS               |                                                                             |
OPTIONS /orders/         | 200    | GET, HEAD, POST, OPTIONS               |                                                                             |
OPTIONS /orders/1        | 200    | GET, HEAD, PUT, PATCH, DELETE, OPTIONS | application/merge-patch+json, application/json-patch+json, application/json |
OPTIONS /orders/1/events | 200    | GET, HEAD, OPTIONS                     |                                                                             |
OPTIONS /profile         | 200    | GET, HEAD, OPTIONS                     |                                                                             |
OPTIONS /profile/orders  | 200    | GET, HEAD, OPTIONS                     |                                                                             |
OPTIONS /livez           | 200    | GET, HEAD, OPTIONS                     |                                                                             |
OPTIONS /readyz          | 200    | GET, HEAD, OPTIONS                     |                                                                             |
OPTIONS /actuator/health | 200    | GET, HEAD, OPTIONS                     |                                                                             |
"#;

#[tokio::test]
async fn heads_and_options_work_wherever_something_is() {
    let service = Service::with_tv().await;
    run(&service, OPTIONS).await;
    let mut rows = Rows::default();
    for row in &cells(OPTIONS)[1..] {
        let path = row[0].strip_prefix("OPTIONS ").expect("a path");
        head_is_get_without_a_body(&service, path, &mut rows).await;
        other_methods_are_refused(&service, path, row[2], &mut rows).await;
    }
    let missing = service.send("HEAD /orders/9", &[], "").await;
    rows.check("HEAD of a missing order", missing.status == 404, &missing);
}

async fn head_is_get_without_a_body(service: &Service, path: &str, rows: &mut Rows) {
    let mut connection = Connection::open(service.address).await;
    connection.send(&request(&format!("HEAD {path}"), &[], b"")).await;
    let head = connection.answer(true).await;
    connection.send(&request(&format!("GET {path}"), &[], b"")).await;
    let get = connection.answer(false).await;
    let mut headers = ["content-type", "content-length"].iter();
    let same = headers.all(|name| head.header(name) == get.header(name));
    let holds = head.status == 200 && get.status == 200 && same;
    rows.check(&format!("HEAD {path}"), holds, (&head, &get));
}

async fn other_methods_are_refused(service: &Service, path: &str, allowed: &str, rows: &mut Rows) {
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"] {
        if allowed.split(", ").all(|known| known != method) {
            let refused = service.send(&format!("{method} {path}"), &[], "").await;
            let told = refused.problem().is_some_and(|message| !message.is_empty());
            let holds = (refused.status, refused.header("allow")) == (405, Some(allowed)) && told;
            rows.check(&format!("{method} {path}"), holds, &refused);
        }
    }
}
