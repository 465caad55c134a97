//! New orders: what their fields may be, and how a body is read.

use crate::table::run;
use crate::wire::{Connection, ORDER, Rows, Service};

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
                Err(message) => answer.status == 400 && answer.problem().is_some_and(|told| told.starts_with(message)),
            };
            rows.check(&format!("{field} from {sent}"), holds, answer);
        }
    }
}

const BODIES: &str = r#"
case                         | request      | Content-Type                    | body          | status
no Content-Type              | POST /orders |                                 | {order}       | 201
empty Content-Type           | POST /orders | ""                              | {order}       | 201
JSON                         | POST /orders | application/json                | {order}       | 201
charset                      | POST /orders | Application/JSON; charset=UTF-8 | {order}       | 201
HAL                          | POST /orders | application/hal+json            | {order}       | 201
byte order mark              | POST /orders |                                 | {mark}{order} | 201
repeated keys                | POST /orders |                                 | {"customerId":1,"productId":"1","qty":"abc","qty":1,"address":"B","address":"A"} | 201
255 characters of four bytes | POST /orders |                                 | {"customerId":1,"productId":"1","qty":1,"address":"{long}"} | 201
unknown fields               | POST /orders |                                 | {"id":7,"_links":{"self":[{}]},"customerId":1,"productId":"1","qty":1,"address":"A"} | 201
"#;

#[tokio::test]
async fn bodies_are_read_whatever_json_they_are_called() {
    let service = Service::orders().await;
    let table = BODIES.replace("{mark}", "\u{feff}").replace("{order}", ORDER);
    run(&service, &table.replace("{long}", &"😀".repeat(255))).await;
    let mut chunked = b"POST /orders HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    chunked.extend(ORDER.bytes().flat_map(|byte| [b'1', b'\r', b'\n', byte, b'\r', b'\n']));
    chunked.extend(b"0\r\n\r\n");
    let mut connection = Connection::open(service.address).await;
    connection.send(&chunked).await;
    let answer = connection.answer(false).await;
    assert_eq!(answer.status, 201, "chunks of a byte: {answer:?}");
}

const BODIES_OF_ANSWERS: &str = r#"
case   | request       | Accept | body    | status | content-type         | location                       | body
silent | POST /orders  |        | {order} | 201    |                      | http://localhost:8081/orders/1 |
curl   | POST /orders/ | */*    | {order} | 201    | application/hal+json | http://localhost:8081/orders/2 | {"productId":"1","productName":null,"qty":1,…
"#;

#[tokio::test]
async fn posts_answer_with_a_body_to_those_who_accept_one() {
    run(&Service::orders().await, &BODIES_OF_ANSWERS.replace("{order}", ORDER)).await;
}
