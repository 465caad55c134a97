//! Problems: answers that say what went wrong, in the form of RFC 9457 and with the `message` that the frontend shows.

use axum::body::Body;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use shop::domain::Version;
use shop::domain::input::InvalidInput;
use shop::store::StoreError;

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An answer that says what went wrong.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    message: String,
    fields: Vec<&'static str>,
    header: Option<(HeaderName, &'static str)>,
}

impl Problem {
    /// A problem of which a sentence says all.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            fields: Vec::new(),
            header: None,
        }
    }

    /// This problem with a header.
    pub(crate) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    /// There is no resource at this path.
    pub(super) fn no_resource(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("There is nothing at {path}."))
    }

    /// The resource doesn't have this method; it has those in `allowed`.
    pub(super) fn method_not_allowed(method: &Method, path: &str, allowed: &'static str) -> Self {
        let message = format!("{path} can't be asked to {method}; it has {allowed}.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message).with(ALLOW, allowed)
    }

    /// The client's condition does not admit the item's version.
    pub(super) fn otherwise(version: Version) -> Self {
        let message = format!(
            "The item is of version {version} now, which If-Match or If-None-Match excludes; nothing was changed. Read it \
             again."
        );
        Self::new(StatusCode::PRECONDITION_FAILED, message)
    }

    /// The client accepts none of the media types that the resource has.
    pub(super) fn not_acceptable(offers: &[&str]) -> Self {
        let message = format!(
            "The Accept header leaves nothing to answer with; there is {}.",
            offers.join(", ")
        );
        Self::new(StatusCode::NOT_ACCEPTABLE, message)
    }

    /// The method does not take a body of this `Content-Type`.
    pub(super) fn unsupported(sent: &str, taken: &str) -> Self {
        let message = format!("A body of Content-Type {sent} is not understood; send {taken}.");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// A browser has sent a write without a preflight, for a page of an origin that may not call.
    pub(super) fn cross_site(origin: &str) -> Self {
        let message = format!(
            "Pages of {origin} may not write here: a write from there needs a Content-Type that is JSON, and an origin \
             that --cors-origin allows."
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// The body is longer than `limit` bytes.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("The body is longer than {limit} bytes, which is the most that is taken.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// The body took too long to arrive.
    pub(super) fn too_slow() -> Self {
        let message = "The body did not arrive in time; nothing was changed.";
        Self::new(StatusCode::REQUEST_TIMEOUT, message).with(CONNECTION, "close")
    }

    /// It is not known whether the command took effect.
    pub(super) fn outcome_unknown() -> Self {
        let message = "The connection to the database was lost while the change was being committed, so its outcome is \
                       unknown: it may have happened or not. Look before you send it again; the service won't repeat it.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// The body can't be read, or would make an order that a rule forbids.
    pub(super) fn invalid(invalid: InvalidInput) -> Self {
        Self {
            fields: invalid.fields,
            ..Self::new(StatusCode::BAD_REQUEST, invalid.message)
        }
    }
}

impl From<InvalidInput> for Problem {
    fn from(invalid: InvalidInput) -> Self {
        Self::invalid(invalid)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(cause) => {
                tracing::debug!(cause, "answered 503: database unreachable");
                let message = "The database can't be reached; nothing was changed. Try again in a moment.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, message).with(RETRY_AFTER, "1")
            }
            StoreError::Conflict(cause) => {
                tracing::debug!(cause, "answered 409: rows held by somebody else");
                let message = "Somebody else is changing the same order; nothing was changed. Try again.";
                Self::new(StatusCode::CONFLICT, message)
            }
            StoreError::Unknown(cause) => {
                tracing::debug!(cause, "answered 503: outcome of a commit unknown");
                Self::outcome_unknown()
            }
            StoreError::Rejected(cause) => {
                tracing::warn!(
                    tally = "requests with values that the database refuses",
                    cause,
                    "answered 400: the database refused a value"
                );
                let message = "The database can't hold one of the values; nothing was changed.";
                Self::new(StatusCode::BAD_REQUEST, message)
            }
            StoreError::Unwritable(cause) | StoreError::Broken(cause) => {
                tracing::debug!(
                    cause,
                    "answered 503: the database takes no writes, is damaged or forbidden"
                );
                let message = "The database can't be used at the moment; nothing was changed. Try again later.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, message).with(RETRY_AFTER, "1")
            }
            StoreError::Unreadable(cause) => {
                tracing::error!(
                    tally = "rows that can't be read",
                    cause,
                    "answered 500: the database holds what can't be read"
                );
                let message =
                    "What the database holds of this can't be read; somebody has to look at the service's log.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.message,
            "message": self.message,
        });
        if !self.fields.is_empty() {
            body["fields"] = json!(self.fields);
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_says_becomes_a_status() {
        let cases = [
            (StoreError::Unavailable("x".into()), 503, true),
            (StoreError::Unknown("x".into()), 503, false),
            (StoreError::Conflict("x".into()), 409, false),
            (StoreError::Rejected("x".into()), 400, false),
            (StoreError::Unwritable("x".into()), 503, true),
            (StoreError::Broken("x".into()), 503, true),
            (StoreError::Unreadable("x".into()), 500, false),
        ];
        for (error, status, retry) in cases {
            let response = Problem::from(error.clone()).into_response();
            assert_eq!(response.status().as_u16(), status, "{error:?}");
            assert_eq!(response.headers().contains_key(RETRY_AFTER), retry, "{error:?}");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        }
        assert!(
            Problem::from(StoreError::Unknown(String::new()))
                .message
                .contains("unknown")
        );
    }
}
