//! The gateway: one address for both services, and a page with links.
//!
//! ```text
//!  client ── /orders/** ──────▶ --order-url
//!         ── /deliveries/** ──▶ --delivery-url
//!         ── / ───────────────▶ the page
//! ```
//!
//! # Invariants
//! * The `Host` header stays as the client sent it, so that the links in an answer lead back to the gateway.
//! * A request's body is taken whole, up to a limit, before anything is sent on; an answer is streamed.
//! * A service that is away, silent or broken is answered with a problem and its `message`, never with a hang.

mod proxy;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_REQUEST_METHOD, ALLOW};
use axum::http::{Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use shop::http::Front;
use tokio_util::sync::CancellationToken;

use crate::config::{BaseUrl, Settings};
use crate::exit::Usage;
use crate::metrics::Page;
use crate::{lifeline, net, telemetry};

use proxy::Proxy;

/// Serves until `shutdown` is cancelled, then finishes the requests in flight.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let options = settings.options.clone();
    let page = Page::new("gateway");
    telemetry::init("gateway", options.log, &options.log_level);
    settings.tell_idle();
    let listener = net::bind(options.listen, settings.port, settings.port_fixed)?;
    let order = options.order_url.unwrap_or_else(|| BaseUrl::local(8081));
    let delivery = options
        .delivery_url
        .unwrap_or_else(|| BaseUrl::local(net::FIRST_DELIVERY));
    refuse_itself(listener.local_addr()?, &order, &delivery)?;
    lifeline::tell_ready();
    tracing::info!(
        "gateway on http://{}: /orders from {}, /deliveries from {}",
        listener.local_addr()?,
        order.as_str(),
        delivery.as_str()
    );
    let port = listener.local_addr()?.port();
    let limits = net::limits(options.shutdown_timeout);
    let front = Front {
        traffic: page.traffic.clone(),
        origins: options.cors_origin.into_iter().collect(),
    };
    let router = router(order, delivery, port, page);
    shop::http::serve(listener, router, limits, front, shutdown).await;
    tracing::info!("gateway stopped");
    Ok(())
}

/// A gateway that leads to itself would send each request round and round.
fn refuse_itself(here: SocketAddr, order: &BaseUrl, delivery: &BaseUrl) -> Result<(), Usage> {
    for (option, url) in [("--order-url", order), ("--delivery-url", delivery)] {
        if url.is_ours(here.ip(), here.port()) {
            let url = url.as_str();
            return Err(Usage(format!(
                "{option} {url} is the gateway's own address; allowed: that of a service"
            )));
        }
    }
    Ok(())
}

fn router(order: BaseUrl, delivery: BaseUrl, port: u16, metrics: Page) -> Router {
    let page = page(&order, &delivery, port);
    metrics
        .on(Router::new())
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

/// The answer to a preflight while the service is away: the browser goes on to the request itself, whose answer says so.
fn any_method() -> Response {
    let methods = [(ALLOW, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")];
    (StatusCode::NO_CONTENT, methods).into_response()
}

fn health() -> Response {
    let kind = [("content-type", "application/json")];
    (kind, r#"{"status":"UP"}"#).into_response()
}

/// Honest about what it is: links, until there is more to show.
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
