//! Asks roles that run on this machine, or elsewhere, over HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a role may take to answer on `/livez`, for which it asks nothing.
const LIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a program on this machine may take to say whether it is a role of the mall.
const IS_MALL_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 1 << 20;

/// Whether a role listens at `address`.
pub fn lives(address: SocketAddr) -> bool {
    get(address, "/livez", LIVE_TIMEOUT).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Whether it is a role of the mall that listens at `address`, which its metrics say.
pub fn is_mall(address: SocketAddr) -> bool {
    get(address, "/metrics", IS_MALL_TIMEOUT).is_ok_and(|answer| answer.contains("\nmall_build_info{"))
}

/// The answer to a GET, head and body.
pub fn get(address: SocketAddr, path: &str, timeout: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
