//! Whether a service lives, is ready, and what it waits for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use eventlog::Timestamp;
use serde_json::{Value, json};

use super::read::respond;
use crate::store::Store;

/// How long the database may take to answer a probe.
const PING_DEADLINE: Duration = Duration::from_secs(1);

/// What a service knows about itself; its parts write it, the probes read it.
#[derive(Debug, Default)]
pub struct Readiness {
    stopping: AtomicBool,
    log: Mutex<LogState>,
}

/// How the log was when it was last used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LogState {
    /// It has not been used yet.
    #[default]
    Unknown,
    /// It answered.
    Reachable,
    /// It has not answered since then, and why.
    Unreachable {
        /// When it was first found so.
        since: Timestamp,
        /// A sentence about the last try.
        cause: String,
    },
}

impl Readiness {
    /// From now on the service takes no new work: `/readyz` is 503.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The log answered.
    pub fn log_reachable(&self) {
        let mut log = self.log.lock().expect("nothing panics while it holds this");
        if *log != LogState::Reachable {
            *log = LogState::Reachable;
        }
    }

    /// The log didn't answer at `now`. The first of several calls in a row says since when.
    pub fn log_unreachable(&self, cause: impl Into<String>, now: Timestamp) {
        let mut log = self.log.lock().expect("nothing panics while it holds this");
        let since = match &*log {
            LogState::Unreachable { since, .. } => *since,
            _ => now,
        };
        *log = LogState::Unreachable {
            since,
            cause: cause.into(),
        };
    }

    /// How the log was last.
    pub fn log(&self) -> LogState {
        self.log.lock().expect("nothing panics while it holds this").clone()
    }
}

/// `/livez`: the process answers.
pub(super) fn live(form: &'static str) -> Response {
    respond(StatusCode::OK, form, json!({"status": "UP"}).to_string())
}

/// `/readyz`: 200 while work can be taken. A log that is away is named and changes nothing: events wait in the journal.
pub(super) async fn ready(readiness: &Readiness, store: &dyn Store, form: &'static str) -> Response {
    let database = ping(store).await;
    let stopping = readiness.stopping.load(Ordering::Relaxed);
    let ready = database.is_ok() && !stopping;
    let body = json!({
        "status": word(ready),
        "checks": {
            "database": match &database {
                Ok(()) => json!({"status": "UP"}),
                Err(cause) => json!({"status": "DOWN", "message": cause}),
            },
            "log": log_check(readiness.log()),
            "intake": {"status": if stopping { "STOPPING" } else { "UP" }},
        },
    });
    respond(status(ready), form, body.to_string())
}

/// `/actuator/health`, as Spring Boot's probes read it.
pub(super) async fn actuator(readiness: &Readiness, store: &dyn Store, form: &'static str) -> Response {
    let up = !readiness.stopping.load(Ordering::Relaxed) && ping(store).await.is_ok();
    respond(status(up), form, json!({"status": word(up)}).to_string())
}

async fn ping(store: &dyn Store) -> Result<(), String> {
    match tokio::time::timeout(PING_DEADLINE, store.ping()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {PING_DEADLINE:?}")),
    }
}

fn log_check(log: LogState) -> Value {
    match log {
        LogState::Unknown => json!({"status": "UNKNOWN", "message": "not used yet"}),
        LogState::Reachable => json!({"status": "UP"}),
        LogState::Unreachable { since, cause } => json!({
            "status": "DOWN",
            "since": since.0,
            "message": format!("{cause}; events wait in the journal"),
        }),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_of_the_log_began_when_it_was_first_seen() {
        let readiness = Readiness::default();
        assert_eq!(readiness.log(), LogState::Unknown);
        readiness.log_unreachable("first", Timestamp(1));
        readiness.log_unreachable("second", Timestamp(2));
        let outage = LogState::Unreachable {
            since: Timestamp(1),
            cause: "second".into(),
        };
        assert_eq!(readiness.log(), outage);
        readiness.log_reachable();
        assert_eq!(readiness.log(), LogState::Reachable);
        readiness.log_unreachable("third", Timestamp(3));
        assert!(matches!(
            readiness.log(),
            LogState::Unreachable {
                since: Timestamp(3),
                ..
            }
        ));
    }
}
