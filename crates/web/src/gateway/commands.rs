//! `POST /live/commands`: what a person wants done with the processes of the mall. `GET /live/crew`: which there are.
//!
//! ```text
//!   {"do":"freeze","role":"delivery-1"} ─▶ Door: who asks? ─▶ whoever runs the mall ─▶ 200 {"done":true,"shell":"kill -STOP 4711"}
//!                                            │                      └─ refused ─▶ 409       not understood ─▶ 400
//!                                            └─ another site ─▶ 403     no token, or a wrong one ─▶ 401, and 429 of too many
//! ```
//! The list of processes says no more than `GET /live`, and is told to whoever asks.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};

use super::door::Door;
use crate::problem::Problem;
use crate::serve::Peer;

/// The path of the commands.
pub const PATH: &str = "/live/commands";

/// The path of the list of processes.
pub const CREW: &str = "/live/crew";

/// Whoever runs the processes of the mall.
#[derive(Clone)]
pub struct Commands {
    /// Who may give them.
    pub door: Door,
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
pub async fn answer(commands: &Commands, request: Request) -> Response {
    match taken(commands, request).await {
        Ok(answer) => answer,
        Err(problem) => problem.into_response(),
    }
}

async fn taken(Commands { door, take, .. }: &Commands, request: Request) -> Result<Response, Problem> {
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed(request.method(), PATH, "POST"));
    }
    // Who sends no token has no need to be told apart from others.
    let peer = request.extensions().get::<Peer>();
    let client = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
    door.look_at(request.headers(), client, Instant::now())?;
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
