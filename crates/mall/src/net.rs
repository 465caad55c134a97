//! The ports of the roles, and what a role may open at once.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};
use web::Limits;

use crate::probe::{self, RoleThere};

/// The order service's port unless another one is given.
pub const ORDER_PORT: u16 = 8081;

/// The first delivery instance's port unless another one is given. The others have the ports that follow.
pub const FIRST_DELIVERY_PORT: u16 = 8082;

/// The gateway's port unless another one is given.
pub const GATEWAY_PORT: u16 = 8088;

/// How many ports after the first one are tried where any free one will do.
const TRIED: u16 = 100;

/// From these, one is chosen where a child is to have any free port. Kernels give none of them to whoever asks for any port, so
/// that nobody takes it before the child listens there.
const ANY: RangeInclusive<u16> = 10_000..=32_767;

/// Which port a role is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// This one and no other, because somebody asked for it or clients rely on it. 0 stands for any free one.
    Fixed(u16),
    /// The first free one from this number on.
    FirstFreeFrom(u16),
}

impl Port {
    /// The port that was wanted first, if another one was taken instead.
    pub fn moved_from(self, taken: u16) -> Option<u16> {
        match self {
            Self::FirstFreeFrom(first) if first != taken => Some(first),
            Self::FirstFreeFrom(_) | Self::Fixed(_) => None,
        }
    }
}

/// Listens on a port. `option` is the command line's option for it, which the error names.
pub fn bind(listen: IpAddr, port: Port, option: &str) -> Result<TcpListener> {
    let (first, last) = match port {
        Port::Fixed(port) => (port, port),
        Port::FirstFreeFrom(first) => (first, first.saturating_add(TRIED)),
    };
    for candidate in first..=last {
        match listen_on(SocketAddr::new(listen, candidate)) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(error).with_context(|| format!("can't listen on {listen}, port {candidate}")),
        }
    }
    match port {
        Port::Fixed(port) => bail!(
            "port {port} on {listen} is taken by {}; give a free one with {option}, or end that process",
            who_has(SocketAddr::new(listen, port))
        ),
        Port::FirstFreeFrom(first) => {
            bail!("ports {first} to {last} on {listen} are all taken; give a free one with {option}")
        }
    }
}

/// Listens on a port until a child does, as [`bind`] does otherwise.
pub fn reserve(listen: IpAddr, port: Port, option: &str) -> Result<TcpListener> {
    let any = (0..TRIED).map(|_| SocketAddr::new(listen, fastrand::u16(ANY)));
    match port {
        Port::Fixed(0) => any.map(listen_on).find_map(std::io::Result::ok),
        Port::Fixed(_) | Port::FirstFreeFrom(_) => None,
    }
    .map_or_else(|| bind(listen, port, option), Ok)
}

/// Who listens at an address, as far as it tells.
fn who_has(address: SocketAddr) -> String {
    match probe::role_at(address) {
        Some(RoleThere { role, flags }) if flags.is_empty() => format!("a mall's {role} role that runs already"),
        Some(RoleThere { role, flags }) => {
            format!("a mall's {role} role that runs already, with {flags} (in a terminal that was forgotten?)")
        }
        None => "another process".to_owned(),
    }
}

/// Where who listens on this address is reached from this machine.
pub fn reached_at(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        one => one,
    };
    SocketAddr::new(ip, listening.port())
}

/// The name of a delivery instance to which no name was given: `delivery-1` on port 8082, `delivery-2` on 8083, and so on.
pub fn delivery_name(port: u16) -> String {
    match port.checked_sub(FIRST_DELIVERY_PORT) {
        Some(index) if index < TRIED => format!("delivery-{}", index + 1),
        _ => format!("delivery-{port}"),
    }
}

/// The names of the delivery instances of one `mall up`: by their ports, so that a `mall delivery` beside it has another name,
/// or counted if a port is not among those from which a name is made.
pub fn delivery_names(ports: &[u16]) -> Vec<String> {
    let numbered = FIRST_DELIVERY_PORT..FIRST_DELIVERY_PORT + TRIED;
    match ports.iter().all(|port| numbered.contains(port)) {
        true => ports.iter().map(|port| delivery_name(*port)).collect(),
        false => (1..=ports.len()).map(|number| format!("delivery-{number}")).collect(),
    }
}

/// The limits of a role's server, which may finish requests for so long once it is to stop. Connections get no more than three
/// quarters of the files that the process may open; the rest is for the database and the log.
pub fn limits(drain: Duration) -> Limits {
    let defaults = Limits::default();
    let connections = match open_files_allowed() {
        Some(files) => defaults
            .connections
            .min(usize::try_from(files / 4 * 3).unwrap_or(usize::MAX)),
        None => defaults.connections,
    };
    Limits {
        connections,
        drain,
        ..defaults
    }
}

/// How many files this process may open, after raising its limit as far as it may (without that it is often 1024).
fn open_files_allowed() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    let had = limit.current;
    limit.current = limit.maximum;
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => limit.current,
        Err(_) => had,
    }
}

fn listen_on(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A role that is started again must not wait until the connections of the process before it have timed out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // The backlog holds as many as may be connected, so that many clients at once need not connect twice.
    socket.listen(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn a_port_that_was_asked_for_is_taken_or_refused() {
        let first = bind(HERE, Port::Fixed(0), "--port").expect("any port");
        let port = first.local_addr().expect("an address").port();
        let error = bind(HERE, Port::Fixed(port), "--port").expect_err("taken").to_string();
        assert!(
            error.contains(&format!("port {port}")) && error.contains("--port"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_port_nobody_asked_for_moves_on() {
        let first = bind(HERE, Port::Fixed(0), "--port").expect("any port");
        let port = first.local_addr().expect("an address").port();
        let second = bind(HERE, Port::FirstFreeFrom(port), "--port").expect("the next one");
        assert!(second.local_addr().expect("an address").port() > port);
    }

    #[test]
    fn instances_are_numbered_by_port() {
        assert_eq!(delivery_name(8082), "delivery-1");
        assert_eq!(delivery_name(8084), "delivery-3");
        assert_eq!(delivery_name(19_000), "delivery-19000");
        assert_eq!(delivery_names(&[8082, 8084]), ["delivery-1", "delivery-3"]);
        assert_eq!(delivery_names(&[19_000, 8084]), ["delivery-1", "delivery-2"]);
    }
}
