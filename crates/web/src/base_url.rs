//! The address of a service.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use axum::http::Uri;
use axum::http::uri::Authority;

/// A service's address, `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// The address of a service that listens on this port of `127.0.0.1`, as services do by default.
    pub fn local(port: u16) -> Self {
        Self::of_listener(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    }

    /// The address at which a service on this machine is reached that listens on this port of `listen`.
    pub fn of_listener(listen: IpAddr, port: u16) -> Self {
        let host = match listen {
            any if any.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            one => one,
        };
        Self(format!("http://{}", SocketAddr::new(host, port)))
    }

    /// The address as `http://host:port`, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as `host:port`.
    pub fn authority(&self) -> &str {
        self.0.trim_start_matches("http://")
    }

    /// Whether this is the address of the process that listens on this port of `listen`: a request that it sent there would
    /// come back to itself.
    pub fn is_ours(&self, listen: IpAddr, port: u16) -> bool {
        let whole = match self.authority().rsplit_once(':') {
            Some((_, digits)) if digits.parse::<u16>().is_ok() => self.authority().to_owned(),
            _ => format!("{}:80", self.authority()),
        };
        if !whole.ends_with(&format!(":{port}")) {
            return false;
        }
        // A host whose name can't be resolved now is not this machine.
        let mut addresses = whole
            .to_socket_addrs()
            .into_iter()
            .flatten()
            .map(|address| address.ip());
        addresses.any(|ip| ip == listen || ip.is_unspecified() || (listen.is_unspecified() && is_of_this_machine(ip)))
    }
}

impl FromStr for BaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = "allowed: http://HOST:PORT, without a path (http://localhost:8081)";
        let uri: Uri = text.parse().map_err(|_| allowed)?;
        let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/") && uri.query().is_none();
        match uri.authority() {
            Some(authority) if plain && is_server(authority) => Ok(Self(format!("http://{authority}"))),
            _ => Err(allowed.into()),
        }
    }
}

/// Whether the address is one of this machine's, to which alone a socket can be bound.
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || std::net::UdpSocket::bind((ip, 0)).is_ok()
}

/// Whether an authority has a host, no user, and no port or one from 1 to 65535.
fn is_server(authority: &Authority) -> bool {
    let behind = authority.as_str().strip_prefix(authority.host());
    let port = behind.is_some_and(|rest| match rest.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
        None => rest.is_empty(),
    });
    port && !authority.host().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_addresses_have_no_path() {
        assert_eq!("http://h:1/".parse::<BaseUrl>().expect("good").as_str(), "http://h:1");
        assert_eq!(
            "http://[::1]:8081".parse::<BaseUrl>().expect("good").authority(),
            "[::1]:8081"
        );
        assert_eq!("http://h".parse::<BaseUrl>().expect("good").authority(), "h");
        for wrong in [
            "h:1",
            "https://h:1",
            "http://h:1/x",
            "http://u:p@h:1",
            "http://",
            "http://h:99999",
            "http://h:0",
            "http://h:",
            "http://h:x",
            "http://[::1]:70000",
        ] {
            assert!(wrong.parse::<BaseUrl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn whose_address_it_is() {
        let here = |listen: &str, url: &str| {
            let url: BaseUrl = url.parse().expect("good");
            url.is_ours(listen.parse().expect("an address"), 8088)
        };
        for url in ["http://127.0.0.1:8088", "http://localhost:8088", "http://0.0.0.0:8088"] {
            assert!(here("127.0.0.1", url), "{url}");
            assert!(here("0.0.0.0", url), "{url}");
        }
        assert!(here("::1", "http://[::1]:8088"));
        for url in [
            "http://127.0.0.1:8081",
            "http://127.0.0.2:8088",
            "http://127.0.0.1:18088",
            "http://127.0.0.1",
        ] {
            assert!(!here("127.0.0.1", url), "{url}");
        }
        assert!(
            "http://127.0.0.1"
                .parse::<BaseUrl>()
                .expect("good")
                .is_ours("127.0.0.1".parse().expect("one"), 80)
        );
        // An address for documentation, which no machine has.
        assert!(!here("0.0.0.0", "http://192.0.2.1:8088"));
    }
}
