//! The probes: whether a service is alive, whether it is ready, and what is wrong with it.
//!
//! `/readyz` is 200 while the service can do its job, and 503 while a fact that is [needed](shop::health::Fact::needed)
//! is bad; the body shows every fact. `/actuator/health` decides in the same way.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::deadline::within;
use super::reply::respond;
use shop::health::{Check, FactState, Readiness};
use shop::store::Store;

/// How long the database may take to answer a probe.
const PING_DEADLINE: Duration = Duration::from_secs(1);

/// Answers `/livez`: the process answers.
pub(super) fn live(form: &'static str) -> Response {
    respond(StatusCode::OK, form, json!({"status": "UP"}).to_string())
}

/// Answers `/readyz`: 200 while the service takes work, and every fact.
pub(super) async fn ready(readiness: &Readiness, store: &dyn Store, form: &'static str) -> Response {
    ping(readiness, store).await;
    let ready = readiness.is_ready();
    let mut checks: Map<String, Value> = readiness.checks().into_iter().map(shown).collect();
    let intake = if readiness.is_stopping() { "STOPPING" } else { "UP" };
    checks.insert("intake".to_owned(), json!({"status": intake}));
    let body = json!({"status": word(ready), "checks": checks});
    respond(status(ready), form, body.to_string())
}

/// Answers `/actuator/health` in the form that Spring Boot's probes read.
pub(super) async fn actuator(readiness: &Readiness, store: &dyn Store, form: &'static str) -> Response {
    ping(readiness, store).await;
    let up = readiness.is_ready();
    respond(status(up), form, json!({"status": word(up)}).to_string())
}

/// Asks the database now, so that a probe never shows an old state.
async fn ping(readiness: &Readiness, store: &dyn Store) {
    let call = readiness.begin();
    call.database(true, &within(PING_DEADLINE, store.ping()).await);
}

fn shown(check: Check) -> (String, Value) {
    let mut entry = json!({"status": check.word});
    match check.state {
        FactState::Unknown => entry["message"] = json!("not used yet"),
        FactState::Good => {}
        FactState::Bad { since, message, count } => {
            entry["since"] = json!(since.0);
            entry["message"] = json!(message);
            if let Some(count) = count {
                entry["count"] = json!(count);
            }
        }
    }
    (check.name.to_owned(), entry)
}

fn word(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

fn status(up: bool) -> StatusCode {
    if up {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}
