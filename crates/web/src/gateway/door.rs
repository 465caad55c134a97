//! Who may give commands.
//!
//! ```text
//!   the gateway listens on        and a token was set      commands are taken from
//!   the loopback                  no                       the own page and tools, which name this machine as the Host
//!   any address                   yes                      the own page and tools that send the token
//!   another than the loopback     no                       nobody
//! ```
//!
//! # Invariants
//! * Nothing of another site is taken: an `Origin` is the gateway's own, and the body is declared as JSON, which a form can't do.
//! * Foreign names that are made to lead here (DNS rebinding) are refused. Without a token the `Host` is this machine's name for
//!   itself. With one it may be any address, this machine's name, or the host of an origin that `--cors-origin` names; a page under
//!   another name would not have the token anyway, as a browser adds none by itself.
//! * The token is compared in constant time, wrong ones are bounded for each client, and none is ever shown.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use subtle::ConstantTimeEq;

use super::guesses::{Guess, Guesses};
use crate::cors::Origins;
use crate::problem::Problem;

/// What a command has to bring where it may come from other machines.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<[u8]>);

/// How many bytes a token has.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=256;

/// Who may give commands.
#[derive(Debug, Clone)]
pub enum Door {
    /// Whoever is on this machine.
    Loopback,
    /// Whoever has the token.
    Token(Lock),
    /// Nobody: other machines reach this gateway, and no token was set.
    Closed,
}

/// A token, and the names under which the gateway is known.
#[derive(Debug, Clone)]
pub struct Lock {
    token: Token,
    /// This machine's name.
    name: String,
    origins: Origins,
    guesses: Arc<Mutex<Guesses>>,
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        let (least, most) = LENGTH.into_inner();
        match LENGTH.contains(&text.len()) && text.bytes().all(plain) {
            true => Ok(Self(text.as_bytes().into())),
            false => Err(format!(
                "allowed: {least} to {most} letters, digits and -._~+/=, best random ones (openssl rand -hex 16)"
            )),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Token {
    fn is(&self, sent: &[u8]) -> bool {
        self.0.ct_eq(sent).into()
    }
}

impl Door {
    /// A door for those who have this token. `name` is this machine's, and `origins` are those whose pages may call.
    pub fn with(token: Token, name: String, origins: Origins) -> Self {
        let guesses = Arc::default();
        Self::Token(Lock {
            token,
            name,
            origins,
            guesses,
        })
    }

    /// Refuses what may come from another site, or from somebody without the token. `client` is who asks.
    pub(super) fn look_at(&self, headers: &HeaderMap, client: IpAddr, now: Instant) -> Result<(), Problem> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        // The server has made sure that there is one, and that it is a host.
        let host = text(HOST).unwrap_or_default();
        self.check_host(host)?;
        let own = |origin: &str| {
            let place = origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"));
            place == Some(host)
        };
        if headers.contains_key(ORIGIN) && !text(ORIGIN).is_some_and(own) {
            return Err(forbidden(
                "Commands are taken from the gateway's own page and from tools, not from other pages.",
            ));
        }
        let sent = text(CONTENT_TYPE).unwrap_or("none");
        let essence = sent.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::unsupported(sent, "application/json"));
        }
        match self {
            Self::Token(lock) => lock.check(headers, client, now),
            Self::Loopback | Self::Closed => Ok(()),
        }
    }

    fn check_host(&self, host: &str) -> Result<(), Problem> {
        match self {
            Self::Closed => Err(forbidden(
                "Other machines can reach this gateway, and it has no token for commands; start mall up with the variable \
                 MALL_COMMAND_TOKEN.",
            )),
            Self::Loopback if !is_this_machine(host) => Err(forbidden(format!(
                "Commands are taken at localhost, 127.0.0.1 or [::1], not at {host}."
            ))),
            Self::Token(lock) if !lock.knows(host) => Err(forbidden(format!(
                "Commands are taken at an address, at {}, or at the host of an origin that --cors-origin names, not at {host}.",
                lock.name
            ))),
            Self::Loopback | Self::Token(_) => Ok(()),
        }
    }
}

impl Lock {
    /// Whether the gateway may be known by this host.
    fn knows(&self, host: &str) -> bool {
        let name = name_of(host);
        let own = [self.name.as_str(), "localhost"];
        own.iter().any(|own| name.eq_ignore_ascii_case(own))
            || name.parse::<IpAddr>().is_ok()
            || self.origins.have_host(host)
    }

    fn check(&self, headers: &HeaderMap, client: IpAddr, now: Instant) -> Result<(), Problem> {
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let token = sent.next().and_then(|value| bearer(value.as_bytes()));
        let (Some(token), None) = (token, sent.next()) else {
            return Err(unauthorized(
                "Commands need the token that this mall was started with, as Authorization: Bearer TOKEN.",
            ));
        };
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        match guesses.take(client, now, || self.token.is(token)) {
            Guess::Right => Ok(()),
            Guess::Wrong => Err(unauthorized("This is not the token that this mall was started with.")),
            Guess::TooMany => {
                let message = "Too many wrong tokens came from there; try again in a few seconds.";
                Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, message).with(RETRY_AFTER, "6"))
            }
        }
    }
}

fn forbidden(message: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, message)
}

fn unauthorized(message: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, message).with(WWW_AUTHENTICATE, "Bearer")
}

/// The token in `Bearer TOKEN` (RFC 6750); the scheme's letters may be of either case.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

/// A host without its port, and an address of IPv6 without its brackets.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Whether a `Host` is a name or an address of this machine for itself.
fn is_this_machine(host: &str) -> bool {
    let name = name_of(host);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::http::{HeaderName, HeaderValue};
    use axum::response::IntoResponse;

    use super::*;

    const TOKEN: &str = "a-token-of-20-bytes.";
    const JSON: (HeaderName, &str) = (CONTENT_TYPE, "application/json");
    const FORBIDDEN: Result<(), StatusCode> = Err(StatusCode::FORBIDDEN);

    fn judged_at(door: &Door, headers: &[(HeaderName, &str)]) -> Result<(), StatusCode> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::from_str(value).expect("a value"));
        }
        let client = Ipv4Addr::new(192, 0, 2, 1).into();
        let looked = door.look_at(&map, client, Instant::now());
        looked.map_err(|problem| problem.into_response().status())
    }

    fn judged(headers: &[(HeaderName, &str)]) -> Result<(), StatusCode> {
        judged_at(&Door::Loopback, headers)
    }

    fn locked() -> Door {
        let origin = "https://mall.example".parse().expect("an origin");
        Door::with(
            TOKEN.parse().expect("a token"),
            "teacher".to_owned(),
            [origin].into_iter().collect(),
        )
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
        for host in [
            "shop.example",
            "localhost.example:8088",
            "10.0.0.7:8088",
            "127.0.0.1.nip.io",
            "[2001:db8::1]",
        ] {
            assert_eq!(judged(&[(HOST, host), JSON]), FORBIDDEN, "{host}");
        }
        for origin in [
            "http://localhost:3000",
            "http://shop.example",
            "null",
            "http://localhost:8088.example",
            "localhost:8088",
        ] {
            let sent = [(HOST, "localhost:8088"), (ORIGIN, origin), JSON];
            assert_eq!(judged(&sent), FORBIDDEN, "{origin}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
            let sent = [(HOST, "localhost:8088"), (CONTENT_TYPE, kind)];
            assert_eq!(judged(&sent), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{kind}");
        }
        assert_eq!(judged(&[(HOST, "localhost")]), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }

    #[test]
    fn with_a_token_commands_come_from_anywhere_and_only_with_it() {
        let (right, door) = (format!("Bearer {TOKEN}"), locked());
        for host in [
            "10.0.0.7:8088",
            "[2001:db8::1]",
            "teacher:8088",
            "mall.example",
            "localhost",
        ] {
            let sent = [(HOST, host), JSON, (AUTHORIZATION, right.as_str())];
            assert_eq!(judged_at(&door, &sent), Ok(()), "{host}");
        }
        for host in ["evil.example:8088", "teacher.evil.example", "10.0.0.7.nip.io"] {
            let sent = [(HOST, host), JSON, (AUTHORIZATION, right.as_str())];
            assert_eq!(judged_at(&door, &sent), FORBIDDEN, "{host}");
        }
        let foreign = (ORIGIN, "https://mall.example");
        let sent = [(HOST, "10.0.0.7"), foreign, JSON, (AUTHORIZATION, right.as_str())];
        assert_eq!(judged_at(&door, &sent), FORBIDDEN, "another page");
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer a-token-of-20-bytes",
            "Bearer a-token-of-20-bytes..",
            "Basic YTpi",
            TOKEN,
        ] {
            // Each door has guesses of its own, and none is refused for too many.
            let sent = [(HOST, "10.0.0.7"), JSON, (AUTHORIZATION, wrong)];
            assert_eq!(judged_at(&locked(), &sent), Err(StatusCode::UNAUTHORIZED), "{wrong}");
        }
        let bare = [(HOST, "localhost"), JSON];
        assert_eq!(judged_at(&door, &bare), Err(StatusCode::UNAUTHORIZED), "also from here");
        let right = (AUTHORIZATION, right.as_str());
        let twice = [(HOST, "10.0.0.7"), JSON, right.clone(), right];
        assert_eq!(judged_at(&door, &twice), Err(StatusCode::UNAUTHORIZED));
    }

    #[test]
    fn without_a_token_nobody_commands_from_elsewhere() {
        assert_eq!(judged_at(&Door::Closed, &[(HOST, "localhost"), JSON]), FORBIDDEN);
    }

    #[test]
    fn who_guesses_is_refused_after_a_while_also_with_the_right_one() {
        let door = locked();
        let with = |token: &str| judged_at(&door, &[(HOST, "10.0.0.7"), JSON, (AUTHORIZATION, token)]);
        for _ in 0..10 {
            assert_eq!(with("Bearer wrong"), Err(StatusCode::UNAUTHORIZED));
        }
        assert_eq!(with("Bearer wrong"), Err(StatusCode::TOO_MANY_REQUESTS));
        assert_eq!(with(&format!("Bearer {TOKEN}")), Err(StatusCode::TOO_MANY_REQUESTS));
    }

    #[test]
    fn a_token_is_long_enough_and_plain_and_never_shown() {
        for good in [TOKEN, "0123456789abcdef", &"x".repeat(256)] {
            let token: Token = good.parse().expect("a token");
            assert!(token.is(good.as_bytes()) && !format!("{token:?}").contains(good));
        }
        for bad in [
            "",
            "short",
            "0123456789abcde",
            "with blanks in the midst",
            "0123456789abcdeü",
            &"x".repeat(257),
        ] {
            let why = bad.parse::<Token>().expect_err(bad);
            assert!(
                why.contains("16 to 256") && (bad.is_empty() || !why.contains(bad)),
                "{why}"
            );
        }
    }
}
