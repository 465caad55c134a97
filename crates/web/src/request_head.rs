//! The head of a request: which resource it is for, what may be done to that, and under which host the client knows the
//! service.

use std::borrow::Cow;

use axum::http::header::{ACCEPT, ALLOW, CONTENT_LENGTH, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::accept::{ACTUATOR, ALPS, HAL, JSON, negotiate};
use super::entity::Entity;
use super::forwarded::Seen;
use super::head::is_host;
use super::problem::Problem;
use shop::trace;

pub(super) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The media types that `PATCH` takes, in Spring's order.
pub(super) const PATCH_FORMS: &str = "application/merge-patch+json, application/json-patch+json, application/json";

/// The head of a request.
pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    /// What every link in the answer begins with: `http://` and the host that the client named, or what a trusted proxy says.
    pub(super) base: String,
    uri: Uri,
}

/// A resource of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// `/`: the start page.
    Root,
    /// `/orders` or `/deliveries`: the pages of all rows.
    Collection,
    /// `/orders/1`: the row with this number.
    Item(i64),
    /// `/orders/1/events`: the events of the order with this number.
    Events(i64),
    /// `/deliveries/search`: the list of searches.
    Search,
    /// `/deliveries/search/findByOrderId`: the delivery of an order.
    FindByOrder,
    /// `/profile`: the list of profiles.
    Profile,
    /// `/profile/orders`: the profile of a resource.
    Alps,
    /// `/livez`: whether the process answers.
    Live,
    /// `/readyz`: whether the service takes work.
    Ready,
    /// `/actuator/health`: the same as Spring Boot shows it.
    Health,
}

/// A request whose path, method and `Accept` header are good.
pub(super) enum Admitted {
    /// The request was an `OPTIONS`, and this is its answer.
    Answered(Response),
    /// The request has a method that the target has, and is to be answered in this media type.
    Go(Target, &'static str),
}

impl RequestHead {
    /// Reads a request's head; `authority` stands in for a host that the client didn't name.
    pub(super) fn new(parts: Parts, authority: &str) -> Self {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.filter(|host| is_host(host)).unwrap_or(authority);
        let base = match parts.extensions.get::<Seen>() {
            Some(seen) => seen.base(host),
            None => format!("http://{host}"),
        };
        Self {
            base,
            method: parts.method,
            headers: parts.headers,
            uri: parts.uri,
        }
    }

    /// The path, without a slash at its end.
    pub(super) fn path(&self) -> &str {
        let path = self.uri.path();
        path.strip_suffix('/').unwrap_or(path)
    }

    /// The URL of the request.
    pub(super) fn href(&self) -> String {
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        format!("{}{target}", self.base)
    }

    /// The parameters of the query, decoded, in order.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes())
    }

    /// Whether the client sends an `Accept` header, by which it wants the written item in the answer to a write.
    pub(super) fn wants_body(&self) -> bool {
        self.headers.get(ACCEPT).is_some_and(|accept| !accept.is_empty())
    }

    /// The `traceparent` of the event that this request leads to: the request's own trace with a new span, or a new trace.
    pub(super) fn traceparent(&self) -> String {
        let parent = self.headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        trace::following(parent)
    }

    /// Finds the resource, and refuses a path, method or media type that there is not. Answers `OPTIONS` itself.
    pub(super) fn admit<E: Entity>(&self) -> Result<Admitted, Problem> {
        let target = Target::find::<E>(self.path()).ok_or_else(|| Problem::no_resource(self.uri.path()))?;
        if self.method == Method::OPTIONS {
            return Ok(Admitted::Answered(target.options::<E>()));
        }
        let allowed = target.allowed::<E>();
        if !allowed.split(", ").any(|method| method == self.method.as_str()) {
            return Err(Problem::method_not_allowed(&self.method, self.uri.path(), allowed));
        }
        let offers = target.offers();
        let accept = self.accept();
        let form = negotiate(accept.as_deref(), offers).or(target.is_probe().then_some(offers[0]));
        form.map(|form| Admitted::Go(target, form))
            .ok_or_else(|| Problem::not_acceptable(offers))
    }

    fn accept(&self) -> Option<Cow<'_, str>> {
        let mut values = self
            .headers
            .get_all(ACCEPT)
            .iter()
            .map(|value| value.to_str().unwrap_or("unreadable"));
        let first = values.next()?;
        Some(values.fold(Cow::Borrowed(first), |all, next| Cow::Owned(format!("{all},{next}"))))
    }
}

impl Target {
    fn find<E: Entity>(path: &str) -> Option<Self> {
        match path {
            "" => return Some(Self::Root),
            "/profile" => return Some(Self::Profile),
            "/livez" => return Some(Self::Live),
            "/readyz" => return Some(Self::Ready),
            "/actuator/health" => return Some(Self::Health),
            _ if path.strip_prefix("/profile") == Some(E::PATH) => return Some(Self::Alps),
            _ => {}
        }
        let below = path.strip_prefix(E::PATH)?;
        if below.is_empty() {
            return Some(Self::Collection);
        }
        let mut segments = below.strip_prefix('/')?.split('/');
        match (segments.next()?, segments.next(), segments.next()) {
            ("search", None, None) if E::SEARCH.is_some() => Some(Self::Search),
            ("search", search, None) if search.is_some() && search == E::SEARCH => Some(Self::FindByOrder),
            (number, None, None) => parse_number(number).map(Self::Item),
            (number, Some("events"), None) if E::WRITABLE => parse_number(number).map(Self::Events),
            _ => None,
        }
    }

    /// The methods that the resource has, as the `Allow` header lists them.
    fn allowed<E: Entity>(self) -> &'static str {
        match self {
            Self::Collection if E::WRITABLE => "GET, HEAD, POST, OPTIONS",
            Self::Item(_) if E::WRITABLE => "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    fn offers(self) -> &'static [&'static str] {
        match self {
            Self::Alps => &[ALPS],
            Self::Events(_) | Self::Live | Self::Ready => &[JSON],
            Self::Health => &[ACTUATOR, JSON],
            _ => &[HAL, JSON],
        }
    }

    /// Whether this is a probe, which is answered whatever its `Accept` header says.
    fn is_probe(self) -> bool {
        matches!(self, Self::Live | Self::Ready | Self::Health)
    }

    fn options<E: Entity>(self) -> Response {
        let mut response = StatusCode::OK.into_response();
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static(self.allowed::<E>()));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        if E::WRITABLE && matches!(self, Self::Item(_)) {
            headers.insert(ACCEPT_PATCH, HeaderValue::from_static(PATCH_FORMS));
        }
        response
    }
}

/// Reads a number from a path or a query: decimal digits, which may have a minus sign before them.
pub(super) fn parse_number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop::domain::{Delivery, Order};

    #[test]
    fn paths_lead_to_resources() {
        let cases = [
            ("", Some(Target::Root)),
            ("/orders", Some(Target::Collection)),
            ("/orders/7", Some(Target::Item(7))),
            ("/orders/-7", Some(Target::Item(-7))),
            ("/orders/7/events", Some(Target::Events(7))),
            ("/profile", Some(Target::Profile)),
            ("/profile/orders", Some(Target::Alps)),
            ("/livez", Some(Target::Live)),
            ("/readyz", Some(Target::Ready)),
            ("/actuator/health", Some(Target::Health)),
            ("/orders/abc", None),
            ("/orders/+7", None),
            ("/orders/", None),
            ("/orders/99999999999999999999", None),
            ("/orders/7/8", None),
            ("/orders/7/events/1", None),
            ("/ordersx", None),
            ("/orders/search", None),
            ("/deliveries", None),
            ("/profile/deliveries", None),
        ];
        for (path, target) in cases {
            assert_eq!(Target::find::<Order>(path), target, "{path}");
        }
    }

    #[test]
    fn deliveries_can_be_searched_and_nothing_more() {
        let cases = [
            ("/deliveries", Some(Target::Collection)),
            ("/deliveries/7", Some(Target::Item(7))),
            ("/deliveries/search", Some(Target::Search)),
            ("/deliveries/search/findByOrderId", Some(Target::FindByOrder)),
            ("/deliveries/search/findByStatus", None),
            ("/deliveries/7/events", None),
        ];
        for (path, target) in cases {
            assert_eq!(Target::find::<Delivery>(path), target, "{path}");
        }
    }

    fn head(name: HeaderName, value: &'static str) -> RequestHead {
        let request = axum::http::Request::get("/orders/?page=1&sort=qty%2Cdesc").header(name, value);
        RequestHead::new(request.body(()).unwrap().into_parts().0, "localhost:8081")
    }

    #[test]
    fn hrefs_follow_the_host_header() {
        assert_eq!(
            head(HOST, "shop.example:8088").href(),
            "http://shop.example:8088/orders/?page=1&sort=qty%2Cdesc"
        );
        assert_eq!(head(HOST, "[::1]:8081").base, "http://[::1]:8081");
        assert_eq!(head(ACCEPT, "*/*").base, "http://localhost:8081");
        assert_eq!(head(HOST, "a\"/evil").base, "http://localhost:8081");
    }
}
