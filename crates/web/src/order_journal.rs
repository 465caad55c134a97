//! Asks the order service for the events of an order, when the log can't give them any more.

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

/// How long the order service may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read: some hundred thousand events.
const LONGEST: usize = 64 << 20;

/// Asks the service at `url`.
pub fn order_journal(url: BaseUrl) -> OrderJournal {
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    Arc::new(move |order| {
        let (client, url) = (client.clone(), format!("{}/orders/{order}/events", url.as_str()));
        Box::pin(async move {
            let answer = tokio::time::timeout(PATIENCE, ask(client, &url, order)).await;
            answer.unwrap_or_else(|_| Err(format!("no answer from {url} within {} s", PATIENCE.as_secs())))
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
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    let body = body.map_err(|error| format!("the answer from {url} broke off: {error}"))?;
    Ok(Some(body.to_bytes()))
}
