//! `mall up --log json`: every line is an object that names its role.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use rustix::process::{Signal, kill_process};
use serde_json::Value;

use super::program::{FREE_PORTS, Folder};
use super::support::role::Role;
use super::support::wait_for;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A mall all of whose lines are objects.
struct Mall(Role);

impl Mall {
    fn start(command: &mut Command) -> Self {
        Self(Role::start("mall", command))
    }

    fn objects(&self) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        self.0.lines().iter().map(parse).collect()
    }

    /// The first line of this role with this in its message.
    #[track_caller]
    fn wait(&self, role: &str, part: &str) -> Value {
        self.wait_nth(role, part, 1)
    }

    #[track_caller]
    fn wait_nth(&self, role: &str, part: &str, count: usize) -> Value {
        wait_for(&format!("{role}: {part}"), || {
            let is =
                |line: &Value| line["role"] == role && line["message"].as_str().is_some_and(|text| text.contains(part));
            self.objects().into_iter().filter(is).nth(count - 1)
        })
    }

    /// Its end, and all that was ever said.
    fn end(mut self) -> (Option<i32>, Vec<Value>) {
        let code = self.0.wait_exit().code();
        (code, self.objects())
    }
}

fn send(base: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).expect("it listens");
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\nConnection: close\r\n\r\n{body}"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn every_line_of_a_life_is_json_with_its_role_and_its_trace() {
    let folder = Folder::new();
    let mall =
        Mall::start(&mut folder.command(&[&["up", "--log=json", "--modify-delay=1ms"], &FREE_PORTS[..]].concat()));
    let started = mall.wait("mall", "started");
    let orders = started["orders"].as_str().expect("an address").to_owned();
    assert!(
        started["deliveries"][0]
            .as_str()
            .is_some_and(|url| url.starts_with("http://")),
        "{started}"
    );
    mall.wait("order", "listening");
    mall.wait("delivery-1", "assigned");
    let order = r#"{"customerId":1,"productId":"100","qty":1,"address":"SEOUL"}"#;
    assert!(send(&orders, "POST", "/orders", order).starts_with("HTTP/1.1 201"));
    assert!(send(&orders, "PATCH", "/orders/1", r#"{"address":"PUSAN"}"#).starts_with("HTTP/1.1 20"));
    assert!(send(&orders, "DELETE", "/orders/1", "").starts_with("HTTP/1.1 204"));
    mall.wait("delivery-1", "DELIVERY CANCELLED");
    // What a role says before it has a log is wrapped, or written as JSON from the first line on.
    std::fs::write(folder.path().join("mall.toml"), "lanes = 'many'\n").expect("written");
    kill_process(mall.0.child_of("order"), Signal::KILL).expect("killed");
    mall.wait("mall", "order died (signal: 9");
    mall.wait("order", "--lanes (from mall.toml)");
    std::fs::remove_file(folder.path().join("mall.toml")).expect("removed");
    mall.wait_nth("order", "listening", 2);
    mall.0.signal(Signal::INT);
    let (code, objects) = mall.end();
    assert_eq!(code, Some(0));
    for line in &objects {
        let role = line["role"].as_str().unwrap_or_default();
        assert!(["mall", "order", "delivery-1", "gateway"].contains(&role), "{line}");
        assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
        assert!(line["timestamp"].is_u64() && line["target"].is_string(), "{line}");
    }
    let events: Vec<_> = objects.iter().filter(|line| line["target"] == "events").collect();
    for event in ["OrderPlaced", "OrderModified", "OrderCancelled"] {
        assert!(events.iter().any(|line| line["event"] == event), "{event}: {events:?}");
    }
    assert!(events.iter().all(|line| line["trace"] == TRACE), "{events:?}");
    let stopping = |line: &&Value| {
        line["role"] == "mall" && line["message"].as_str().is_some_and(|text| text.contains("stopping"))
    };
    assert_eq!(objects.iter().filter(stopping).count(), 1);
}

#[test]
fn what_keeps_the_mall_from_starting_is_json_too() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = format!("--order-port={}", taken.local_addr().expect("an address").port());
    let ports = ["up", "--delivery-port=0", "--gateway-port=0", "--log", "json"];
    for (words, code, says) in [
        (&[port.as_str()][..], 2, "is taken"),
        (&["--order-port=0", "--lanes=many"], 64, "--lanes"),
        (&["--order-port=0", "--nonsense"], 64, "--nonsense"),
        (&["--order-port=0", "--kafka-config=nowhere"], 64, "nowhere"),
    ] {
        let mall = Mall::start(&mut folder.command(&[&ports[..], words].concat()));
        let (ended, objects) = mall.end();
        assert_eq!(ended, Some(code), "{objects:?}");
        let told = objects
            .iter()
            .filter(|line| line["message"].as_str().is_some_and(|text| text.contains(says)));
        assert_eq!((told.count(), objects.len()), (1, 1), "{words:?}: {objects:?}");
        assert_eq!(objects[0]["role"], "mall");
    }
}
