//! `POST /live/commands`: what a person wants done with the processes of the mall. `GET /live/crew`: which there are.
//!
//! ```text
//!   {"do":"freeze","role":"delivery-1"} ─▶ who asks? ─▶ whoever runs the mall ─▶ 200 {"done":true,"shell":"kill -STOP 4711"}
//!                                            │                └─ refused ─▶ 409       not understood ─▶ 400
//!                                            └─ another site ─▶ 403
//! ```
//!
//! # Invariants
//! * A command comes from the gateway's own page or from a tool, never from another site: the `Host` names this machine, so
//!   that no foreign name can be made to lead here, an `Origin` is the gateway's own, and the body is declared as JSON, which a
//!   form can't do.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::problem::Problem;

/// The path of the commands.
pub const PATH: &str = "/live/commands";

/// The path of the list of processes.
pub const CREW: &str = "/live/crew";

/// Whoever runs the processes of the mall.
#[derive(Clone)]
pub struct Commands {
    /// Does what a command says.
    pub take: Take,
    /// Tells which processes there are, and what each does.
    pub crew: Arc<dyn Fn() -> Value + Send + Sync>,
}

/// Does what a command says. Answers with the command for a terminal that does the same.
pub type Take = Arc<dyn Fn(Bytes) -> Pin<Box<dyn Future<Output = Result<String, Refused>> + Send>> + Send + Sync>;

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It can't be read; the sentence says what is allowed.
    Unreadable(String),
    /// It can't be done now, for this reason in English and in Korean.
    Now(String, String),
}

/// Answers a request for the list of processes.
pub fn crew(commands: &Commands) -> Response {
    ([(CONTENT_TYPE, "application/json")], (commands.crew)().to_string()).into_response()
}

/// Answers a request for a command.
pub async fn answer(Commands { take, .. }: &Commands, request: Request) -> Response {
    match taken(take, request).await {
        Ok(answer) => answer,
        Err(problem) => problem.into_response(),
    }
}

async fn taken(take: &Take, request: Request) -> Result<Response, Problem> {
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed(request.method(), PATH, "POST"));
    }
    look_at(request.headers())?;
    let body: Body = request.into_body();
    let bytes = match crate::read_body(body).await {
        Ok(bytes) => bytes,
        Err(answer) => return Ok(answer),
    };
    match take(bytes).await {
        Ok(shell) => {
            let kind = [(CONTENT_TYPE, "application/json")];
            let body = json!({ "done": true, "shell": shell });
            Ok((kind, body.to_string()).into_response())
        }
        Err(Refused::Unreadable(message)) => Err(Problem::new(StatusCode::BAD_REQUEST, message)),
        Err(Refused::Now(message, korean)) => {
            let mut body = json!({ "message": message, "korean": korean });
            body["status"] = StatusCode::CONFLICT.as_u16().into();
            let kind = [(CONTENT_TYPE, "application/problem+json")];
            Ok((StatusCode::CONFLICT, kind, body.to_string()).into_response())
        }
    }
}

/// Refuses what may come from another site.
fn look_at(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // The server has made sure that there is one, and that it is a host.
    let host = text(HOST).unwrap_or_default();
    if !is_this_machine(host) {
        let message = format!("Commands are taken at localhost, 127.0.0.1 or [::1], not at {host}.");
        return Err(Problem::new(StatusCode::FORBIDDEN, message));
    }
    let own = |origin: &str| {
        let place = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        place == Some(host)
    };
    if headers.contains_key(ORIGIN) && !text(ORIGIN).is_some_and(own) {
        let message = "Commands are taken from the gateway's own page and from tools, not from other pages.";
        return Err(Problem::new(StatusCode::FORBIDDEN, message));
    }
    let sent = text(CONTENT_TYPE).unwrap_or("none");
    let essence = sent.split(';').next().unwrap_or_default().trim();
    match essence.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(Problem::unsupported(sent, "application/json")),
    }
}

/// Whether a `Host` is a name or an address of this machine for itself.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn judged(headers: &[(HeaderName, &'static str)]) -> Result<(), StatusCode> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        look_at(&headers).map_err(|problem| problem.into_response().status())
    }

    #[test]
    fn commands_come_from_the_own_page_and_from_tools() {
        let json = (CONTENT_TYPE, "application/json; charset=utf-8");
        for host in [
            "localhost:8088",
            "LOCALHOST",
            "127.0.0.1:8088",
            "127.8.8.8",
            "[::1]:8088",
        ] {
            assert_eq!(judged(&[(HOST, host), json.clone()]), Ok(()), "{host}");
        }
        for (host, origin) in [
            ("localhost:8088", "http://localhost:8088"),
            ("127.0.0.1:8088", "http://127.0.0.1:8088"),
            ("localhost", "https://localhost"),
        ] {
            assert_eq!(
                judged(&[(HOST, host), (ORIGIN, origin), json.clone()]),
                Ok(()),
                "{origin}"
            );
        }
    }

    #[test]
    fn what_another_site_may_have_sent_is_refused() {
        let json = (CONTENT_TYPE, "application/json");
        let forbidden = Err(StatusCode::FORBIDDEN);
        for host in [
            "shop.example",
            "localhost.example:8088",
            "10.0.0.7:8088",
            "127.0.0.1.nip.io",
            "[2001:db8::1]",
        ] {
            assert_eq!(judged(&[(HOST, host), json.clone()]), forbidden, "{host}");
        }
        for origin in [
            "http://localhost:3000",
            "http://shop.example",
            "null",
            "http://localhost:8088.example",
            "localhost:8088",
        ] {
            let sent = [(HOST, "localhost:8088"), (ORIGIN, origin), json.clone()];
            assert_eq!(judged(&sent), forbidden, "{origin}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
            let sent = [(HOST, "localhost:8088"), (CONTENT_TYPE, kind)];
            assert_eq!(judged(&sent), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{kind}");
        }
        assert_eq!(judged(&[(HOST, "localhost")]), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
}
