//! Asks the roles that run how they are: each fact of `/readyz` that is not as it should be is a fault.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::report::{Fault, Report};
use crate::probe::get;

/// How long a role may take to answer on `/readyz`, for which it asks its database.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

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
