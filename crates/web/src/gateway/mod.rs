//! The gateway: one address for both services, and a page with links.
//!
//! ```text
//!  client ── /orders/** ──────▶ --order-url
//!         ── /deliveries/** ──▶ --delivery-url
//!         ── /order/observations, /delivery/observations ──▶ /observations of these
//!         ── / ───────────────▶ the page
//! ```
//!
//! # Invariants
//! * The `Host` header stays as the client sent it, so that the links in an answer lead back to the gateway.
//! * A request's body is read whole, up to a limit, before anything is sent on; an answer is streamed.
//! * If a service is away, silent or broken, the client gets a problem with its `message`, and never waits without end.

mod proxy;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_REQUEST_METHOD, ALLOW};
use axum::http::{Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::BaseUrl;
use proxy::Proxy;

/// The routes of the gateway, which listens on `port`; the page shows that port.
pub fn router(order: BaseUrl, delivery: BaseUrl, port: u16) -> Router {
    let page = page(&order, &delivery, port);
    Router::new()
        .route("/", get(move || std::future::ready(Html(page.clone()))))
        .route("/livez", get(|| std::future::ready("ok")))
        .route("/readyz", get(|| std::future::ready("ok")))
        .route("/actuator/health", get(|| std::future::ready(health())))
        .fallback(forward)
        .with_state(Proxy::new(order, delivery))
}

async fn forward(State(proxy): State<Proxy>, request: axum::extract::Request) -> Response {
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let answer = proxy.forward(request).await;
    match preflight && answer.status().is_server_error() {
        true => any_method(),
        false => answer,
    }
}

/// The answer to a preflight while the service is away. It allows every method, so that the browser sends the request itself,
/// whose answer says that the service is away.
fn any_method() -> Response {
    let methods = [(ALLOW, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")];
    (StatusCode::NO_CONTENT, methods).into_response()
}

fn health() -> Response {
    let kind = [("content-type", "application/json")];
    (kind, r#"{"status":"UP"}"#).into_response()
}

/// The gateway's page: links to both services and an example command.
fn page(order: &BaseUrl, delivery: &BaseUrl, port: u16) -> String {
    let (order, delivery) = (escaped(order.as_str()), escaped(delivery.as_str()));
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>12st Mall</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; color-scheme: light dark }}</style>
</head>
<body>
<h1>12st Mall</h1>
<p>This is the gateway: one address for the services behind it.</p>
<ul>
<li><a href="/orders">/orders</a>, answered by {order}</li>
<li><a href="/deliveries">/deliveries</a>, answered by {delivery}</li>
</ul>
<p>Place an order from a terminal:</p>
<pre>http :{port}/orders customerId=2000 productId=100 productName=RADIO qty=3 address=PUSAN</pre>
</body>
</html>
"#
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
