//! Under which address a client knows the service, where a reverse proxy stands in between: what the proxy says in `Forwarded`
//! (RFC 7239) or in `X-Forwarded-Proto`, `-Host`, `-Port` and `-Prefix`, so that links lead back through the proxy.
//!
//! # Invariants
//! * Only a proxy at a trusted address is believed: one on this machine, or one that was named. From anybody else these headers
//!   are removed, so that the gateway passes none of them on either.
//! * Nothing that isn't a scheme, a host, a port or a path gets into a link; a header that can't be read counts as not sent.
//! * Of several proxies the first one counts, as it is the client's. `Forwarded` wins over the others, as in Spring.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, Request};

use super::head::is_host;

const FORWARDED: &str = "forwarded";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";
const PORT: &str = "x-forwarded-port";
const PREFIX: &str = "x-forwarded-prefix";

/// The headers that say what a client sees.
const HEADERS: [&str; 5] = [FORWARDED, PROTO, HOST, PORT, PREFIX];

/// The addresses of the proxies that are believed, besides those of this machine.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Arc<[IpAddr]>);

/// Where the client sees the service, as far as a proxy says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen {
    scheme: Option<&'static str>,
    host: Option<String>,
    port: Option<u16>,
    /// The path in front of the service's own: empty, or one that begins with a slash and doesn't end with one.
    prefix: String,
}

impl FromIterator<IpAddr> for Proxies {
    fn from_iter<T: IntoIterator<Item = IpAddr>>(addresses: T) -> Self {
        Self(addresses.into_iter().map(|address| address.to_canonical()).collect())
    }
}

impl Proxies {
    /// Whether what comes from this address is believed.
    pub(super) fn trust(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        peer.is_loopback() || self.0.contains(&peer)
    }
}

/// Notes in a request what a trusted proxy says, or removes what somebody else does.
pub(super) fn note<B>(request: &mut Request<B>, trusted: bool) {
    if !HEADERS.iter().any(|name| request.headers().contains_key(*name)) {
        return;
    }
    match trusted {
        true => {
            let seen = Seen::read(request.headers());
            request.extensions_mut().insert(seen);
        }
        false => HEADERS
            .iter()
            .for_each(|name| drop(request.headers_mut().remove(*name))),
    }
}

impl Seen {
    fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let first = |name: &str| text(name).and_then(|list| list.split(',').next()).map(str::trim);
        let prefix = text(PREFIX).and_then(prefix_of).unwrap_or_default();
        if let Some(pairs) = text(FORWARDED).and_then(first_element) {
            let value = |wanted: &str| pairs.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            let value = |wanted: &str| value(wanted).map(|(_, value)| value.as_str());
            return Self {
                scheme: value("proto").and_then(scheme_of),
                host: value("host").filter(|host| is_host(host)).map(str::to_owned),
                port: None,
                prefix,
            };
        }
        Self {
            scheme: first(PROTO).and_then(scheme_of),
            host: first(HOST).filter(|host| is_host(host)).map(str::to_owned),
            port: first(PORT).and_then(|port| port.parse().ok()).filter(|port| *port > 0),
            prefix,
        }
    }

    /// What the links of an answer begin with; `host` is the one that the request names.
    pub(super) fn base(&self, host: &str) -> String {
        let scheme = self.scheme.unwrap_or("http");
        let (name, port) = split_port(self.host.as_deref().unwrap_or(host));
        let port = self.port.or(port).filter(|port| *port != default_port(scheme));
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{name}{port}{}", self.prefix)
    }
}

fn scheme_of(text: &str) -> Option<&'static str> {
    ["http", "https"]
        .into_iter()
        .find(|scheme| text.eq_ignore_ascii_case(scheme))
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

/// A host without its port, and the port, if it has one.
fn split_port(host: &str) -> (&str, Option<u16>) {
    let name_end = host.find(']').map_or(0, |bracket| bracket + 1);
    match host[name_end..].find(':') {
        Some(colon) => {
            let (name, port) = host.split_at(name_end + colon);
            (name, port[1..].parse().ok())
        }
        None => (host, None),
    }
}

/// The path of a list of prefixes, of which each proxy adds one; none if one is no path.
fn prefix_of(list: &str) -> Option<String> {
    let mut path = String::new();
    for piece in list.split(',').map(|piece| piece.trim().trim_end_matches('/')) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~%/!$&'()*+;=:@".contains(&b);
        let good = piece.is_empty() || (piece.starts_with('/') && piece.bytes().all(plain));
        if !good || piece.contains("//") {
            return None;
        }
        path.push_str(piece);
    }
    Some(path)
}

/// The pairs of the first element of `Forwarded`: `for=1.2.3.4;proto=https;host="shop.example:8443", …`. None if it can't be
/// read.
fn first_element(header: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = header.trim_start();
    loop {
        let (name, behind) = rest.split_once('=')?;
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return None;
        }
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = behind.find([';', ',']).unwrap_or(behind.len());
                (behind[..end].trim().to_owned(), &behind[end..])
            }
        };
        pairs.push((name.to_owned(), value));
        match behind.trim_start().strip_prefix(';') {
            Some(next) => rest = next.trim_start(),
            None if behind.trim_start().is_empty() || behind.trim_start().starts_with(',') => return Some(pairs),
            None => return None,
        }
    }
}

/// The text of a quoted string whose opening quote has been read, and what stands behind its closing quote.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What links begin with, for a request to `here:8088` with these headers.
    fn base(headers: &[(&'static str, &str)]) -> String {
        let mut request = Request::get("/orders");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).expect("a request");
        note(&mut request, true);
        let seen = request.extensions().get::<Seen>().cloned().unwrap_or_default();
        seen.base("here:8088")
    }

    #[test]
    fn a_proxy_says_where_the_client_is() {
        for (headers, expected) in [
            (&[][..], "http://here:8088"),
            (&[(PROTO, "https")], "https://here:8088"),
            (&[(PROTO, "https"), (HOST, "shop.example")], "https://shop.example"),
            (&[(PROTO, "HTTPS"), (HOST, "shop.example:443")], "https://shop.example"),
            (&[(HOST, "shop.example"), (PORT, "8443")], "http://shop.example:8443"),
            (&[(HOST, "shop.example:1"), (PORT, "80")], "http://shop.example"),
            (
                &[(HOST, "a.example, b.example"), (PROTO, "https,http")],
                "https://a.example",
            ),
            (&[(HOST, "[::1]:8443"), (PROTO, "https")], "https://[::1]:8443"),
            (&[(PORT, "9000")], "http://here:9000"),
            (&[(PREFIX, "/mall/")], "http://here:8088/mall"),
            (&[(PREFIX, "/a, /b")], "http://here:8088/a/b"),
            (&[(PREFIX, "/")], "http://here:8088"),
            (
                &[(FORWARDED, "for=1.2.3.4;proto=https;host=shop.example")],
                "https://shop.example",
            ),
            (
                &[(
                    FORWARDED,
                    "For=\"[::1]:5\" ; Host=\"shop.example:8443\";proto=https, host=evil",
                )],
                "https://shop.example:8443",
            ),
            (
                &[(FORWARDED, "host=a.example"), (HOST, "b.example"), (PROTO, "https")],
                "http://a.example",
            ),
            (
                &[(FORWARDED, "proto=https"), (PREFIX, "/mall")],
                "https://here:8088/mall",
            ),
        ] {
            assert_eq!(base(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_can_not_be_read_counts_as_not_sent() {
        for headers in [
            &[(PROTO, "javascript")][..],
            &[(HOST, "a\"b")],
            &[(HOST, "u@evil")],
            &[(HOST, "")],
            &[(HOST, "evil/path")],
            &[(PORT, "0")],
            &[(PORT, "99999")],
            &[(PORT, "x")],
            &[(PREFIX, "//evil.example")],
            &[(PREFIX, "evil")],
            &[(PREFIX, "/a\"b")],
            &[(PREFIX, "/a, b")],
            &[(FORWARDED, "host=\"evil")],
            &[(FORWARDED, "nonsense")],
            &[(FORWARDED, "proto=gopher;host=a/b")],
            &[(FORWARDED, "")],
            &[(FORWARDED, "host=\"a\"b")],
        ] {
            assert_eq!(base(headers), "http://here:8088", "{headers:?}");
        }
    }

    #[test]
    fn nobody_else_is_believed_or_passed_on() {
        let named: Proxies = ["10.0.0.7".parse().expect("an address")].into_iter().collect();
        for (peer, trusted) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.7", true),
            ("::ffff:10.0.0.7", true),
            ("10.0.0.8", false),
        ] {
            assert_eq!(named.trust(peer.parse().expect("an address")), trusted, "{peer}");
        }
        let mut request = Request::get("/").header(HOST, "evil").header("x-other", "1").body(());
        let request = request.as_mut().expect("a request");
        note(request, false);
        assert!(request.extensions().get::<Seen>().is_none());
        assert_eq!(request.headers().len(), 1, "{:?}", request.headers());
    }
}
