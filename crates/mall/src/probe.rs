//! Asks roles that run on this machine, or elsewhere, over HTTP.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long a role may take to answer on `/livez`, for which it asks nothing.
const LIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a program on this machine may take to say whether it is a role of the mall.
const IS_MALL_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// Whether a role listens at `address`.
pub fn lives(address: SocketAddr) -> bool {
    get(address, "/livez", LIVE_TIMEOUT).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// A role of the mall that runs somewhere, as its metrics describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleThere {
    /// `order`, `delivery` or `gateway`.
    pub role: String,
    /// The modes that it tells of as options of the command line; empty if it tells of none.
    pub flags: String,
}

/// The role of the mall that listens at `address`; none if another program does, or nobody.
pub fn role_at(address: SocketAddr) -> Option<RoleThere> {
    role_of(&get(address, "/metrics", IS_MALL_TIMEOUT).ok()?)
}

fn role_of(metrics: &str) -> Option<RoleThere> {
    let labels = |family: &str| {
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(family)?.strip_prefix('{'));
        line?.split_once('}').map(|(labels, _)| labels)
    };
    let pairs = |labels: &str| -> Vec<(String, String)> {
        let pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
        let plain = pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()));
        plain.collect()
    };
    let build = pairs(labels("mall_build_info")?);
    let (_, role) = build.into_iter().find(|(name, _)| name == "role")?;
    let modes = labels("mall_modes_info").map(pairs).unwrap_or_default();
    let flags: Vec<String> = modes.iter().map(|(mode, value)| format!("--{mode} {value}")).collect();
    Some(RoleThere {
        role,
        flags: flags.join(" "),
    })
}

/// The answer to a GET, head and body, if it comes within this time.
pub fn get(address: SocketAddr, path: &str, timeout: Duration) -> std::io::Result<String> {
    let deadline = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_write_timeout(Some(timeout))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while answer.len() < LONGEST_ANSWER {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        // The time for one read, so that one who sends byte after byte gets no longer than others.
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part)? {
            0 => break,
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    String::from_utf8(answer).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_known_by_its_metrics() {
        let told = |metrics: &str| role_of(metrics).map(|there| (there.role, there.flags));
        let delivery = "HTTP/1.1 200 OK\r\n\r\n# TYPE mall_build_info gauge\n\
                        mall_build_info{version=\"0.1.0\",role=\"delivery\"} 1\n\
                        mall_modes_info{key=\"none\",guard=\"off\",lanes=\"1\"} 1\n";
        let expected = ("delivery".to_owned(), "--key none --guard off --lanes 1".to_owned());
        assert_eq!(told(delivery), Some(expected));
        let gateway = "mall_build_info{version=\"0.1.0\",role=\"gateway\"} 1\n";
        assert_eq!(told(gateway), Some(("gateway".to_owned(), String::new())));
        for other in [
            "",
            "go_info{version=\"go1\"} 1\n",
            "mall_build_info 1\n",
            "mall_build_info{role",
        ] {
            assert_eq!(told(other), None, "{other}");
        }
    }
}
