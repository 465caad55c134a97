//! The result of a handler, and simple responses.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// A response, or the problem that takes its place.
pub(super) type Reply = Result<Response, Problem>;

/// A response with a body of the media type `form`.
pub(super) fn respond(status: StatusCode, form: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(form));
    response
}

/// The answer for what is not there, and of which there is nothing to say: 404 without a body.
pub(super) fn missing() -> Response {
    StatusCode::NOT_FOUND.into_response()
}
