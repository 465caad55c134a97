//! The gateway: one address for both services, and a page.
//!
//! ```text
//!  client ── /orders/** ──────▶ --order-url
//!         ── /deliveries/** ──▶ --delivery-url
//!         ── /order/observations, /delivery/observations ──▶ /observations of these
//!         ── /live ───────────▶ the live picture
//!         ── /live/commands, /live/crew ──▶ whoever runs the mall's processes
//!         ── /live/scenarios, /live/scenarios/NAME ──▶ the scenarios, and their histories
//!         ── /, /page/** ─────▶ the page's files
//! ```
//!
//! # Invariants
//! * The `Host` header stays as the client sent it, so that the links in an answer lead back to the gateway.
//! * A request's body is read whole, up to a limit, before anything is sent on; an answer is streamed.
//! * One that is for reading only passes no write on, to whomever it is addressed.
//! * If a service is away, silent or broken, the client gets a problem with its `message`, and never waits without end.

pub mod commands;
pub mod door;
mod guesses;
mod page;
mod proxy;
pub mod scenarios;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ACCESS_CONTROL_REQUEST_METHOD, ALLOW};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

use crate::BaseUrl;
use crate::live::{self, Live};
use crate::problem::Problem;
use commands::Commands;
use proxy::Proxy;

/// The routes of the gateway. Commands are taken only if there is somebody who can do what they say.
pub fn router(order: BaseUrl, delivery: BaseUrl, live: Live, commands: Option<Commands>) -> Router {
    routes(order, delivery, live, commands)
}

/// The same for those who only read.
pub fn read_only(order: BaseUrl, delivery: BaseUrl, live: Live, commands: Option<Commands>) -> Router {
    routes(order, delivery, live, commands).layer(middleware::from_fn(refuse_writes))
}

async fn refuse_writes(request: Request, next: Next) -> Response {
    match [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
        true => next.run(request).await,
        false => {
            let message = "This gateway is for reading only (--read-only); nothing was changed.";
            Problem::new(StatusCode::FORBIDDEN, message).into_response()
        }
    }
}

fn routes(order: BaseUrl, delivery: BaseUrl, live: Live, commands: Option<Commands>) -> Router {
    let mut router = page::routes().merge(live::routes(live));
    if let Some(commands) = commands {
        let crew = commands.clone();
        let answer = move |request| async move { commands::answer(&commands, request).await };
        router = router
            .route(commands::PATH, any(answer))
            .route(commands::CREW, get(move || std::future::ready(commands::crew(&crew))));
    }
    router
        .route("/livez", get(|| std::future::ready("ok")))
        .route("/readyz", get(|| std::future::ready("ok")))
        .route("/actuator/health", get(|| std::future::ready(health())))
        .fallback(forward)
        .with_state(Proxy::new(order, delivery))
}

async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
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
