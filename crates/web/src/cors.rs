//! Which pages of other origins may call from a browser (the Fetch standard's CORS protocol).
//!
//! ```text
//!   request ─▶ Asker: its Origin ─┬─ not allowed, and a write that no preflight preceded ─▶ 415
//!                                 └─▶ router ─▶ answer ─▶ allowed: Access-Control-…
//! ```
//!
//! # Invariants
//! * Pages of this machine (any port) and of the origins that were given are allowed, nobody else, `null` neither.
//! * An answer names the one origin it was asked by, never `*`, and says that it depends on it (`Vary`).
//! * A write that a browser sends without asking first (a form's Content-Type, or none) is not done for a page that may
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

/// What a page may send beside what every page may.
const ALLOWED_HEADERS: HeaderValue =
    HeaderValue::from_static("accept, content-type, if-match, if-none-match, traceparent");
/// What a page may read beside what every page may.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("ETag, Location, Retry-After");
/// For how many seconds a browser may remember what it was told.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Every header that an answer is given for browsers' sake, so that a proxy can leave them to itself.
pub const CORS_HEADERS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
    VARY,
];

/// Where a page comes from: `http://shop.example`, `https://shop.example:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// The origins whose pages may call, besides this machine's.
#[derive(Debug, Clone, Default)]
pub struct Origins(Arc<[Origin]>);

/// Who asks, as far as the answer's headers depend on it.
pub(super) struct Asker {
    /// Its origin, if that is allowed.
    allowed: Option<HeaderValue>,
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
        // As a browser writes it: the port that the scheme implies is left out.
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
    fn allow(&self, origin: &HeaderValue) -> bool {
        let Ok(text) = origin.to_str() else { return false };
        self.0.iter().any(|known| known.0 == text) || is_of_this_machine(text)
    }

    /// Looks at who sent a request, and refuses a write that its page had no leave to send.
    pub(super) fn asker<B>(&self, request: &Request<B>) -> Result<Asker, Problem> {
        let mut origins = request.headers().get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return Ok(Asker {
                allowed: None,
                preflight: false,
            });
        };
        let allowed = Some(origin).filter(|origin| origins.next().is_none() && self.allow(origin));
        if allowed.is_none() && is_write(request.method()) && needs_no_preflight(request.headers()) {
            return Err(Problem::cross_site(origin.to_str().unwrap_or("unreadable")));
        }
        Ok(Asker {
            allowed: allowed.cloned(),
            preflight: *request.method() == Method::OPTIONS
                && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD),
        })
    }
}

impl Asker {
    /// Nobody that an answer could be shown to.
    pub(super) const UNKNOWN: Self = Self {
        allowed: None,
        preflight: false,
    };

    /// Says in the answer what a browser may do with it. The answer to a preflight names the methods that it allows already.
    pub(super) fn dress(self, answer: &mut Response) {
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

/// `http://localhost:3000` and the like.
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

/// Whether a browser sends such a body to anybody unasked (Fetch, 4.5: a "CORS-safelisted request-header").
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
