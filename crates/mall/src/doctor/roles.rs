//! Asks the roles that run how they are: each fact of `/readyz` that is not as it should be is a fault.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use shop::text;
use shop::text::Text;

use super::report::{Fault, Report};
use crate::probe::get;

/// How long a role may take to answer on `/readyz`, for which it asks its database.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the role that listens at `address` how it is.
pub fn ask(role: &Text, address: SocketAddr, report: &mut Report) {
    match get(address, "/readyz", READY_TIMEOUT) {
        Ok(answer) => {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            report.faults.extend(complaints(role, body));
        }
        Err(error) => report.unseen(text!(
            "the {role} does not answer on /readyz: {error}",
            "{role}가 /readyz 요청에 응답하지 않음: {error}"; role
        )),
    }
}

/// The faults that a role tells of. The gateway has no facts, and answers without such a list.
fn complaints(role: &Text, body: &str) -> Vec<Fault> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let checks = body["checks"].as_object().into_iter().flatten();
    let bad = checks.filter(|(_, check)| check["status"] == "DOWN" || check["status"] == "WARN");
    bad.map(|(name, check)| {
        let message = check["message"]
            .as_str()
            .map_or_else(|| text!("it is down", "멈춰 있음"), Text::from);
        Fault {
            what: text!(
                "the {role} reports {name:?}: {message}",
                "{role}가 {name:?} 항목의 문제를 알림: {message}"; role, message
            ),
            remedy: remedy(name),
        }
    })
    .collect()
}

fn remedy(check: &str) -> Text {
    match check {
        "database" => text!(
            "start the database, or allow the account of --database-url to log in; the role goes on by itself",
            "데이터베이스를 시작하거나, --database-url의 계정이 로그인할 수 있게 하세요. 그러면 역할은 스스로 이어서 동작합니다"
        ),
        "writable" => text!(
            "point --database-url at a server that takes writes, make room on its disk, or grant the right that is missing",
            "--database-url에 쓰기를 받는 서버를 지정하거나, 서버의 디스크에 공간을 확보하거나, 빠진 권한을 주세요"
        ),
        "log" => text!(
            "start the log; events wait in the journal until then",
            "이벤트 로그를 시작하세요. 그때까지 이벤트는 저널에서 기다립니다"
        ),
        "blocked" => text!(
            "raise the size that the topic takes (max.message.bytes), or find the reason in the role's log",
            "토픽이 받는 크기(max.message.bytes)를 늘리거나, 역할이 출력한 로그에서 이유를 찾으세요"
        ),
        "parked" => text!(
            "look with mall parked list, then mall parked retry or discard",
            "mall parked list로 확인한 뒤 mall parked retry나 discard로 처리하세요"
        ),
        _ => text!("see the role's log", "역할이 출력한 로그를 확인하세요"),
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
        let told: Vec<_> = complaints(&text!("order service", "주문 서비스"), body)
            .into_iter()
            .map(|wrong| wrong.what.english)
            .collect();
        let expected = [
            "the order service reports \"writable\": it is read-only",
            "the order service reports \"parked\": 2 orders",
        ];
        assert_eq!(told, expected);
        assert_eq!(complaints(&"gateway".into(), "ok"), []);
    }
}
