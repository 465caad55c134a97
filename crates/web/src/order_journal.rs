//! Asks the order service over HTTP for the events of an order that the log can't give any more.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use shop::delivery::OrderJournal;
use shop::domain::OrderId;

use crate::BaseUrl;

/// The deadline of the order service's answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes: some hundred thousand events.
const MAX_BYTES: usize = 64 << 20;

/// A client that asks the order service at `url`.
pub fn order_journal(url: BaseUrl) -> OrderJournal {
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    Arc::new(move |order| {
        let (client, url) = (client.clone(), format!("{}/orders/{order}/events", url.as_str()));
        Box::pin(async move {
            let answer = tokio::time::timeout(ANSWER_DEADLINE, ask(client, &url, order)).await;
            answer.unwrap_or_else(|_| Err(format!("no answer from {url} within {} s", ANSWER_DEADLINE.as_secs())))
        })
    })
}

async fn ask(client: Client<HttpConnector, Empty<Bytes>>, url: &str, order: OrderId) -> Result<Option<Bytes>, String> {
    let uri: Uri = url.parse().map_err(|error| format!("{url} is no address: {error}"))?;
    let answer = client
        .get(uri)
        .await
        .map_err(|error| format!("no answer from {url}: {error}"))?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        other => return Err(format!("{url} answers {other} about order {order}")),
    }
    let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
    let body = body.map_err(|error| format!("the answer from {url} broke off: {error}"))?;
    Ok(Some(body.to_bytes()))
}
