//! Sends a customer's requests to an order service.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, IF_MATCH, LOCATION};
use axum::http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use lab::played::placed;
use lab::scenario::{Fields, Wish};
use lab::world::{Answer, Trouble};
use serde_json::{Map, Value, json};
use shop::domain::OrderId;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Sends a request about an order, whose number is known unless it is to be placed.
///
/// # Errors
/// There is no answer.
pub async fn ask(
    at: SocketAddr,
    order: Option<OrderId>,
    wish: &Wish,
    if_version: Option<i64>,
) -> Result<Answer, Trouble> {
    let path = order.map_or_else(|| "/orders".to_owned(), |order| format!("/orders/{order}"));
    let (method, body) = match wish {
        Wish::Place(fields) => (Method::POST, Some(whole(fields))),
        Wish::Modify(fields) => (Method::PATCH, Some(named(fields))),
        Wish::Cancel => (Method::DELETE, None),
    };
    let mut request = Request::builder().method(method).uri(format!("http://{at}{path}"));
    if let Some(version) = if_version {
        request = request.header(IF_MATCH, format!("\"{version}\""));
    }
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = request.body(body).expect("a request");
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let unanswered = |why: String| Trouble::Failed(format!("the order service gives no answer: {why}"));
    let answer = tokio::time::timeout(TIMEOUT, client.request(request)).await;
    let answer = answer.map_err(|_| unanswered(format!("nothing after {} s", TIMEOUT.as_secs())))?;
    read(answer.map_err(|error| unanswered(error.to_string()))?).await
}

async fn read(answer: Response<hyper::body::Incoming>) -> Result<Answer, Trouble> {
    let status = answer.status();
    let location = answer
        .headers()
        .get(LOCATION)
        .and_then(|location| location.to_str().ok());
    let number = location.and_then(|location| location.rsplit('/').next()?.parse().ok());
    if status.is_success() {
        return Ok(number.map_or(Answer::Done, |number| Answer::Placed(OrderId(number))));
    }
    let body = answer
        .into_body()
        .collect()
        .await
        .map_or_else(|_| Default::default(), |body| body.to_bytes());
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let says = problem["message"].as_str().unwrap_or_default();
    Ok(Answer::Refused(format!("{}: {says}", status.as_u16())))
}

fn whole(fields: &Fields) -> Value {
    let fields = placed(fields);
    json!({
        "customerId": fields.customer_id,
        "productId": fields.product_id,
        "productName": fields.product_name,
        "qty": fields.qty,
        "address": fields.address,
    })
}

fn named(fields: &Fields) -> Value {
    let all = [
        ("customerId", fields.customer.map(Value::from)),
        ("productName", fields.product.clone().map(Value::from)),
        ("qty", fields.qty.map(Value::from)),
        ("address", fields.address.clone().map(Value::from)),
    ];
    let named = all
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::from(named.collect::<Map<String, Value>>())
}
