//! Taking a port.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};
use web::Limits;

/// How many ports a role that may move tries.
const REACH: u16 = 100;

/// The first delivery instance's port; the number of an instance counts from here.
pub const FIRST_DELIVERY: u16 = 8082;

/// Listens on `port`. If it is taken: an error when it is `fixed` (somebody asked for it), otherwise the next free one
/// is taken; then [`TcpListener::local_addr`] differs from what was asked for, and the caller says so.
pub fn bind(listen: IpAddr, port: u16, fixed: bool) -> Result<TcpListener> {
    let last = if fixed { port } else { port.saturating_add(REACH) };
    for candidate in port..=last {
        match listen_on(SocketAddr::new(listen, candidate)) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(error).with_context(|| format!("can't listen on {listen}, port {candidate}")),
        }
    }
    match fixed {
        true => bail!(
            "port {port} on {listen} is taken by another process; give a free one with --port, or end that process"
        ),
        false => bail!("ports {port} to {last} on {listen} are all taken; give a free one with --port"),
    }
}

/// What a delivery instance is called when nobody named it: `delivery-1` on 8082, `delivery-2` on 8083, and so on.
pub fn delivery_name(port: u16) -> String {
    match port.checked_sub(FIRST_DELIVERY) {
        Some(index) if index < REACH => format!("delivery-{}", index + 1),
        _ => format!("delivery-{port}"),
    }
}

/// The limits of a role's server, which may drain for so long. Connections get no more than three quarters of the files that
/// the process may open: the rest is for the database and the log.
pub fn limits(drain: Duration) -> Limits {
    let usual = Limits::default();
    let connections = match files() {
        Some(files) => usual
            .connections
            .min(usize::try_from(files / 4 * 3).unwrap_or(usize::MAX)),
        None => usual.connections,
    };
    Limits {
        connections,
        drain,
        ..usual
    }
}

/// How many files this process may open, once it has asked for all that it can have (often 1024 where nobody asks).
fn files() -> Option<u64> {
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
    // A role that comes back must not wait for the connections of its former life.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // As many as may be connected, so that a crowd that comes at once needn't knock twice.
    socket.listen(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn a_port_that_was_asked_for_is_taken_or_refused() {
        let first = bind(HERE, 0, true).expect("any port");
        let port = first.local_addr().expect("an address").port();
        let error = bind(HERE, port, true).expect_err("taken").to_string();
        assert!(
            error.contains(&format!("port {port}")) && error.contains("--port"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_port_nobody_asked_for_moves_on() {
        let first = bind(HERE, 0, true).expect("any port");
        let port = first.local_addr().expect("an address").port();
        let second = bind(HERE, port, false).expect("the next one");
        assert!(second.local_addr().expect("an address").port() > port);
    }

    #[test]
    fn instances_are_numbered_by_port() {
        assert_eq!(delivery_name(8082), "delivery-1");
        assert_eq!(delivery_name(8084), "delivery-3");
        assert_eq!(delivery_name(19_000), "delivery-19000");
    }
}
