//! Decides which pages of other origins may call from a browser (the Fetch standard's CORS protocol).
//!
//! ```text
//!   request ─▶ Caller: its Origin ─┬─ not allowed, and a write without a preflight ─▶ 415
//!                                  └─▶ router ─▶ answer ─▶ allowed: Access-Control-…
//! ```
//!
//! # Invariants
//! * Pages of this machine (any port) and of the given origins are allowed, and no others; `null` isn't either.
//! * An answer names the one origin that called, never `*`, and says that it depends on it (`Vary`).
//! * A write that a browser sends without a preflight (with a form's Content-Type, or none) is not done for a page that may
//!   not call: the browser would only hide the answer.

use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CONTENT_TYPE, ORIGIN,
    VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use axum::response::Response;

use super::head::is_host;
use super::problem::Problem;

/// The headers that a page may send besides those that every page may send.
const ALLOWED_HEADERS: HeaderValue =
    HeaderValue::from_static("accept, content-type, if-match, if-none-match, traceparent");
/// The headers that a page may read besides those that every page may read.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("ETag, Location, Retry-After");
/// For how many seconds a browser may remember the answer to a preflight.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Every header that an answer gets for CORS. The gateway removes them from a service's answer and sets its own.
pub const CORS_HEADERS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
    VARY,
];

/// The origin of a page: `http://shop.example`, `https://shop.example:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// The origins whose pages may call, besides those of this machine.
#[derive(Debug, Clone, Default)]
pub struct Origins(Arc<[Origin]>);

/// What the CORS headers of an answer depend on.
pub(super) struct Caller {
    /// The origin of the calling page; none if there is none or it is not allowed.
    allowed: Option<HeaderValue>,
    /// Whether the request is a preflight.
    preflight: bool,
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = "allowed: an origin, SCHEME://HOST or SCHEME://HOST:PORT, without a path (https://shop.example)";
        let text = text.to_ascii_lowercase();
        let (scheme, host) = text.split_once("://").ok_or(allowed)?;
        let letters = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(letters) || !is_host(host) {
            return Err(allowed.into());
        }
        // A browser leaves out the port that the scheme implies.
        let host = match scheme {
            "http" => host.strip_suffix(":80").unwrap_or(host),
            "https" => host.strip_suffix(":443").unwrap_or(host),
            _ => host,
        };
        Ok(Self(format!("{scheme}://{}", host.strip_suffix(':').unwrap_or(host))))
    }
}

impl FromIterator<Origin> for Origins {
    fn from_iter<T: IntoIterator<Item = Origin>>(origins: T) -> Self {
        Self(origins.into_iter().collect())
    }
}

impl Origins {
    /// Whether one of the given origins has this host, and its port if it has one.
    pub(super) fn have_host(&self, host: &str) -> bool {
        let hosts = self.0.iter().filter_map(|origin| origin.0.split_once("://"));
        hosts.into_iter().any(|(_, known)| host.eq_ignore_ascii_case(known))
    }

    fn allow(&self, origin: &HeaderValue) -> bool {
        let Ok(text) = origin.to_str() else { return false };
        self.0.iter().any(|known| known.0 == text) || is_of_this_machine(text)
    }

    /// Reads the origin of a request, and refuses a write that the browser has sent for a page that may not call.
    pub(super) fn caller<B>(&self, request: &Request<B>) -> Result<Caller, Problem> {
        let mut origins = request.headers().get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return Ok(Caller {
                allowed: None,
                preflight: false,
            });
        };
        let allowed = Some(origin).filter(|origin| origins.next().is_none() && self.allow(origin));
        if allowed.is_none() && is_write(request.method()) && needs_no_preflight(request.headers()) {
            return Err(Problem::cross_site(origin.to_str().unwrap_or("unreadable")));
        }
        Ok(Caller {
            allowed: allowed.cloned(),
            preflight: *request.method() == Method::OPTIONS
                && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD),
        })
    }
}

impl Caller {
    /// A caller whose page may not read the answer.
    pub(super) const UNKNOWN: Self = Self {
        allowed: None,
        preflight: false,
    };

    /// Adds the CORS headers to an answer. The methods for a preflight are taken from the answer's own `Allow` header.
    pub(super) fn add_headers(self, answer: &mut Response) {
        let headers = answer.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.allowed else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if !self.preflight {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        } else if let Some(methods) = headers.get(ALLOW).cloned() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }
}

/// Whether an origin is a page of this machine, such as `http://localhost:3000`.
fn is_of_this_machine(origin: &str) -> bool {
    let host = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    let Some(host) = host.filter(|host| is_host(host)) else {
        return false;
    };
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address.parse() == Ok(Ipv6Addr::LOCALHOST),
        None => matches!(host.split(':').next(), Some("localhost" | "127.0.0.1")),
    }
}

fn is_write(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Whether a browser sends a body of this Content-Type without a preflight (Fetch, 4.5: a "CORS-safelisted request-header").
fn needs_no_preflight(headers: &HeaderMap) -> bool {
    let Some(sent) = headers.get(CONTENT_TYPE).filter(|sent| !sent.is_empty()) else {
        return true;
    };
    let essence = sent
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"]
        .iter()
        .any(|form| form.eq_ignore_ascii_case(essence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_a_scheme_and_a_host_and_nothing_more() {
        let cases = [
            ("https://shop.example", Some("https://shop.example")),
            ("HTTPS://Shop.Example:8443", Some("https://shop.example:8443")),
            ("https://shop.example:443", Some("https://shop.example")),
            ("http://shop.example:80", Some("http://shop.example")),
            ("http://shop.example:443", Some("http://shop.example:443")),
            ("capacitor://app", Some("capacitor://app")),
            ("http://[2001:db8::1]:3000", Some("http://[2001:db8::1]:3000")),
            ("*", None),
            ("null", None),
            ("", None),
            ("shop.example", None),
            ("https://", None),
            ("https://shop.example/", None),
            ("https://shop.example/page", None),
            ("https://shop.example?x", None),
            ("https://*.shop.example", None),
            ("https://u:p@shop.example", None),
            ("https://shop.example:99999", None),
            ("https://a, https://b", None),
            ("1http://shop.example", None),
            ("://shop.example", None),
        ];
        for (text, origin) in cases {
            let parsed = text.parse::<Origin>().ok();
            assert_eq!(parsed.as_ref().map(|origin| origin.0.as_str()), origin, "{text}");
        }
    }

    #[test]
    fn pages_of_this_machine_and_given_ones_may_call() {
        let origins: Origins = ["https://shop.example".parse().expect("an origin")]
            .into_iter()
            .collect();
        for good in [
            "http://localhost",
            "http://localhost:3000",
            "https://localhost:8443",
            "http://127.0.0.1:8080",
            "http://[::1]:5173",
            "https://shop.example",
        ] {
            assert!(origins.allow(&HeaderValue::from_static(good)), "{good}");
        }
        for bad in [
            "null",
            "*",
            "",
            "localhost",
            "http://localhost.evil.example",
            "http://evil.example",
            "http://shop.example",
            "https://shop.example:8443",
            "https://shop.example.evil",
            "https://evil.shop.example",
            "http://127.0.0.2",
            "http://127.0.0.1.evil.example",
            "http://localhost:3000/",
            "http://localhost@evil.example",
            "file://localhost",
            "http://[::2]",
            "http://localhost:99999",
        ] {
            assert!(!origins.allow(&HeaderValue::from_static(bad)), "{bad}");
        }
    }
}
