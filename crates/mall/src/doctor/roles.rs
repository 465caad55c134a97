//! Asks the roles that run how they are: each fact of `/readyz` that is not as it should be is a fault.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::report::{Fault, Report};

/// How long a role may take to answer on `/readyz`, for which it asks its database.
const READY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may take to answer on `/livez`, for which it asks nothing.
const LIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 1 << 20;

/// Whether a role of the mall listens at `address`.
pub fn lives(address: SocketAddr) -> bool {
    get(address, "/livez", LIVE_TIMEOUT).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Asks the role that listens at `address` how it is.
pub fn ask(role: &str, address: SocketAddr, report: &mut Report) {
    match get(address, "/readyz", READY_TIMEOUT) {
        Ok(answer) => {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            report.faults.extend(complaints(role, body));
        }
        Err(error) => report.unseen(format!("the {role} does not answer on /readyz: {error}")),
    }
}

/// The answer to a GET, head and body.
fn get(address: SocketAddr, path: &str, timeout: Duration) -> std::io::Result<String> {
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

/// The faults that a role tells of. The gateway has no facts, and answers without such a list.
fn complaints(role: &str, body: &str) -> Vec<Fault> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let checks = body["checks"].as_object().into_iter().flatten();
    let bad = checks.filter(|(_, check)| check["status"] == "DOWN" || check["status"] == "WARN");
    bad.map(|(name, check)| Fault {
        what: format!(
            "the {role} reports {name:?}: {}",
            check["message"].as_str().unwrap_or("it is down")
        ),
        remedy: remedy(name).to_owned(),
    })
    .collect()
}

fn remedy(check: &str) -> &'static str {
    match check {
        "database" => {
            "start the database, or allow the account of --database-url to log in; the role goes on by itself"
        }
        "writable" => {
            "point --database-url at a server that takes writes, make room on its disk, or grant the right that is missing"
        }
        "log" => "start the log; events wait in the journal until then",
        "blocked" => "raise the size that the topic takes (max.message.bytes), or find the reason in the role's log",
        "parked" => "look with mall parked list, then mall parked retry or discard",
        _ => "see the role's log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_role_complains_of_is_passed_on() {
        let body = r#"{"status":"DOWN","checks":{"database":{"status":"UP"},
            "writable":{"status":"DOWN","since":1,"message":"it is read-only"},"log":{"status":"UNKNOWN"},
            "parked":{"status":"WARN","count":2,"message":"2 orders"},"intake":{"status":"STOPPING"}}}"#;
        let told: Vec<_> = complaints("order service", body)
            .into_iter()
            .map(|wrong| wrong.what)
            .collect();
        let expected = [
            "the order service reports \"writable\": it is read-only",
            "the order service reports \"parked\": 2 orders",
        ];
        assert_eq!(told, expected);
        assert_eq!(complaints("gateway", "ok"), []);
    }
}
