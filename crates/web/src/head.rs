//! Normalises the head of a request before anything else looks at it: its host, and the spelling of its path.
//!
//! # Invariants
//! * A normalised request has a path and no authority in its target, and no `Host` or exactly one that names a host.
//! * In a normalised path no unreserved character is escaped (RFC 3986, 6.2.2.2). Every other character that is escaped stays
//!   so, above all `%2F`, which is never taken for a separator.

use std::net::Ipv6Addr;

use axum::http::header::HOST;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};

use super::problem::Problem;

/// Normalises the head of a request, or says why it can't be normalised.
pub(super) fn normalise<B>(request: &mut Request<B>) -> Result<(), Problem> {
    check_host(request.headers(), request.version())?;
    if let Some(authority) = request.uri().authority()
        && *request.method() != Method::CONNECT
    {
        // The host in the target counts, whatever the Host header says (RFC 9112, 3.2.2).
        let host = Some(authority.as_str()).filter(|host| is_host(host));
        let host = host.ok_or_else(|| bad("The target of the request names no host that can be used."))?;
        let host = HeaderValue::try_from(host).map_err(|_| bad("The target of the request names no host."))?;
        request.headers_mut().insert(HOST, host);
        let target = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    }
    if request.uri().path().contains('%') {
        *request.uri_mut() = plain_uri(request.uri())?;
    }
    Ok(())
}

/// Checks that an HTTP/1.1 request has exactly one `Host` (RFC 9112, 3.2), and an older one at most one.
fn check_host(headers: &HeaderMap, version: Version) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => Err(bad("A request of HTTP/1.1 needs a Host header.")),
        (None, _) => Ok(()),
        (Some(_), Some(_)) => Err(bad("A request has one Host header, not several.")),
        (Some(host), None) if host.to_str().is_ok_and(is_host) => Ok(()),
        (Some(_), None) => Err(bad(
            "The Host header must be a host's name or address, and its port if it is not 80.",
        )),
    }
}

/// Whether a text is `host` or `host:port`. Only such a text is put into links.
pub(super) fn is_host(text: &str) -> bool {
    let (host_is_good, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            (!name.is_empty() && name.bytes().all(plain), port)
        }
    };
    let port_is_good = match port.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|b| b.is_ascii_digit()) && (digits.is_empty() || digits.parse::<u16>().is_ok())
        }
        None => port.is_empty(),
    };
    host_is_good && port_is_good
}

fn plain_uri(uri: &Uri) -> Result<Uri, Problem> {
    let mut target = plain_path(uri.path())?;
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    target
        .parse()
        .map_err(|_| bad("The target of the request can't be read."))
}

/// The path with its unreserved characters unescaped, or why its escapes can't be read.
fn plain_path(path: &str) -> Result<String, Problem> {
    let mut pieces = path.split('%');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let escaped = piece.get(..2).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let byte = byte.ok_or_else(|| bad("A % in the path must be followed by two hexadecimal digits."))?;
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => plain.push(char::from(byte)),
            other => plain.push_str(&format!("%{other:02X}")),
        }
        plain.push_str(&piece[2..]);
    }
    Ok(plain)
}

fn bad(message: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_with_a_port() {
        for good in [
            "h",
            "h:80",
            "h:",
            "shop.example:8088",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:8081",
            "a_b-c.d~",
        ] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "",
            ":80",
            "h:80:81",
            "h:x",
            "h:99999",
            "h:-1",
            "h/evil",
            "u@h",
            "a\"b",
            "a b",
            "a,b",
            "[::1",
            "[x]",
            "[::1]x",
            "::1",
            "a%20b",
            "호스트",
            "h?x",
            "h#x",
            "h\\x",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn paths_have_one_spelling() {
        let cases = [
            ("/orders/%31", Some("/orders/1")),
            ("/%6frders/%31%32/%65vents", Some("/orders/12/events")),
            ("/orders%2f1", Some("/orders%2F1")),
            ("/orders/%2531", Some("/orders/%2531")),
            ("/orders/%ff", Some("/orders/%FF")),
            ("/orders/%00", Some("/orders/%00")),
            ("/orders/%", None),
            ("/orders/%3", None),
            ("/orders/%zz", None),
            ("/orders/%+1", None),
            ("/orders/%é1", None),
        ];
        for (path, plain) in cases {
            assert_eq!(plain_path(path).ok().as_deref(), plain, "{path}");
        }
    }

    fn normalised(line: &str, hosts: &[&str], version: Version) -> Result<(String, Option<String>), String> {
        let mut request = Request::get(line).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let mut request = request.body(()).expect("a request");
        normalise(&mut request).map_err(|problem| format!("{problem:?}"))?;
        let host = request
            .headers()
            .get(HOST)
            .map(|host| host.to_str().expect("plain").to_owned());
        Ok((request.uri().to_string(), host))
    }

    #[test]
    fn a_request_is_for_one_host() {
        let got = |line, hosts: &[&str]| normalised(line, hosts, Version::HTTP_11).ok();
        let some = |uri: &str, host: &str| Some((uri.to_owned(), Some(host.to_owned())));
        assert_eq!(got("/orders", &["h:1"]), some("/orders", "h:1"));
        assert_eq!(got("/orders", &[]), None);
        assert_eq!(got("/orders", &["h", "h"]), None);
        assert_eq!(got("/orders", &["h", "i"]), None);
        assert_eq!(got("/orders", &[""]), None);
        assert_eq!(got("/orders", &["a\"b"]), None);
        assert_eq!(
            got("http://shop.example:1/orders?page=%31", &["h"]),
            some("/orders?page=%31", "shop.example:1")
        );
        assert_eq!(got("http://shop.example", &["h"]), some("/", "shop.example"));
        assert_eq!(got("http://u:p@shop.example/", &["h"]), None);
        assert_eq!(got("http://shop.example/orders", &[]), None);
        assert_eq!(got("http://shop.example/orders", &["h", "h"]), None);
        let old = |hosts: &[&str]| normalised("/orders", hosts, Version::HTTP_10).map(|(_, host)| host);
        assert_eq!(old(&[]), Ok(None));
        assert_eq!(old(&["h"]), Ok(Some("h".into())));
        assert!(old(&["h", "h"]).is_err());
    }
}
