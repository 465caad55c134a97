//! What a person has the supervisor do through the gateway: roles are started, stopped, killed, frozen and woken, and modes are
//! switched while the mall runs.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use super::program::{FREE_PORTS, Folder};
use super::support::role::{Role, words_of};
use super::support::{PATIENCE, wait_for};

struct Mall {
    process: Role,
    gateway: String,
}

impl Mall {
    fn up(folder: &Folder, options: &[&str]) -> Self {
        let words = [&["up", "--modify-delay=0s"], &FREE_PORTS[..], options].concat();
        let process = Role::start("mall", &mut folder.command(&words));
        let line = process.wait_line("gateway     http://localhost:");
        let gateway = line.rsplit(':').next().expect("a port").to_owned();
        process.wait_line("try         http");
        Self { process, gateway }
    }

    /// Sends a request to the gateway, as a page of its own does. Answers with the status and the body.
    fn request(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let own = format!("http://localhost:{}", self.gateway);
        let (status, body) = self.request_from(&own, method, path, body);
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    fn request_from(&self, origin: &str, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.gateway)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let (port, length) = (&self.gateway, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {origin}\r\nAccept: */*\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status.expect("a status"), body.to_owned())
    }

    #[track_caller]
    fn command(&self, command: &Value) -> String {
        let (status, answer) = self.request("POST", "/live/commands", &command.to_string());
        assert_eq!(status, 200, "{command}: {answer}");
        answer["shell"].as_str().expect("a command").to_owned()
    }

    /// The role of this name, as the supervisor tells of it.
    fn member(&self, name: &str) -> Value {
        let (_, crew) = self.request("GET", "/live/crew", "");
        let crew = crew.as_array().cloned().unwrap_or_default();
        crew.into_iter()
            .find(|member| member["name"] == name)
            .unwrap_or_default()
    }

    /// Waits until a role is in this state. Answers with its process.
    #[track_caller]
    fn wait_state(&self, name: &str, state: &str) -> Option<Pid> {
        let member = wait_for(&format!("{name} to be {state}"), || {
            Some(self.member(name)).filter(|member| member["state"] == state)
        });
        member["pid"].as_i64().and_then(|pid| Pid::from_raw(pid as i32))
    }
}

/// The letter with which the kernel says what a process does.
fn kernel_state(pid: Pid) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let behind_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    behind_name.chars().next().unwrap_or('?')
}

#[test]
fn roles_are_frozen_woken_killed_stopped_and_started() {
    let folder = Folder::new();
    let mall = Mall::up(&folder, &[]);
    let first = mall.wait_state("delivery-1", "serving").expect("a process");

    let shell = mall.command(&json!({"do": "freeze", "role": "delivery-1"}));
    assert_eq!(shell, format!("kill -STOP {}", first.as_raw_nonzero()));
    assert_eq!(mall.wait_state("delivery-1", "frozen"), Some(first));
    wait_for("the process to stand still", || {
        (kernel_state(first) == 'T').then_some(())
    });
    let shell = mall.command(&json!({"do": "wake", "role": "delivery-1"}));
    assert_eq!(shell, format!("kill -CONT {}", first.as_raw_nonzero()));
    assert_eq!(mall.wait_state("delivery-1", "serving"), Some(first));
    wait_for("the process to go on", || (kernel_state(first) != 'T').then_some(()));

    // A killed role is started again by itself, as after any other death.
    let shell = mall.command(&json!({"do": "kill", "role": "delivery-1"}));
    assert_eq!(shell, format!("kill -KILL {}", first.as_raw_nonzero()));
    mall.process.wait_line("delivery-1 died (signal: 9");
    wait_for("another process", || {
        mall.wait_state("delivery-1", "serving").filter(|pid| *pid != first)
    });

    // A stopped one is not, until somebody wants it. A frozen one can be stopped, too.
    mall.command(&json!({"do": "freeze", "role": "delivery-1"}));
    mall.command(&json!({"do": "stop", "role": "delivery-1"}));
    assert_eq!(mall.wait_state("delivery-1", "stopped"), None);
    let (status, answer) = mall.request("POST", "/live/commands", r#"{"do":"wake","role":"delivery-1"}"#);
    assert_eq!(
        (status, &answer["message"]),
        (409, &json!("delivery-1 doesn't run now"))
    );
    let shell = mall.command(&json!({"do": "start", "role": "delivery-1"}));
    assert!(
        shell.contains("mall delivery ") && shell.ends_with(" --name=delivery-1"),
        "{shell}"
    );
    let again = mall.wait_state("delivery-1", "serving").expect("a process");
    let (status, _) = mall.request("POST", "/live/commands", r#"{"do":"start","role":"delivery-1"}"#);
    assert_eq!(status, 409, "it runs already");

    // Another instance gets a name and a port of its own, and ends with the mall.
    mall.command(&json!({"do": "start"}));
    let second = mall.wait_state("delivery-2", "serving").expect("a process");
    assert_ne!(mall.member("delivery-1")["url"], mall.member("delivery-2")["url"]);
    let mut process = mall.process;
    process.signal(Signal::INT);
    assert_eq!(process.wait_exit().code(), Some(0));
    assert!(
        [again, second].iter().all(|pid| words_of(*pid).is_empty()),
        "all have ended"
    );
}

#[test]
fn modes_are_switched_while_the_mall_runs() {
    let folder = Folder::new();
    let mall = Mall::up(&folder, &["--deliveries=2", "--partitions=2", "--lanes=8"]);
    mall.wait_state("delivery-2", "serving");
    let words = |name: &str| words_of(mall.wait_state(name, "serving").expect("a process"));
    let order = mall.wait_state("order", "serving");

    let shell = mall.command(&json!({"do": "switch", "guard": "off", "lanes": 1}));
    assert!(
        shell.contains("mall up ") && shell.contains("--guard=off --lanes=1"),
        "{shell}"
    );
    for name in ["delivery-1", "delivery-2"] {
        let words = words(name);
        assert!(
            words.contains("--guard=off\0--lanes=1") && !words.contains("--lanes=8"),
            "{words}"
        );
    }
    assert_eq!(
        mall.wait_state("order", "serving"),
        order,
        "the fence is none of its business"
    );

    // Who was stopped before stays so, and gets the new modes when it is started.
    mall.command(&json!({"do": "stop", "role": "delivery-2"}));
    mall.wait_state("delivery-2", "stopped");
    mall.command(&json!({"do": "switch", "key": "none"}));
    assert!(words("order").contains("--key=none"));
    assert!(words("delivery-1").contains("--key=none\0"));
    assert_eq!(mall.member("delivery-2")["state"], "stopped");
    mall.command(&json!({"do": "start", "role": "delivery-2"}));
    let second = words("delivery-2");
    assert!(
        second.contains("--key=none") && second.contains("--guard=off"),
        "{second}"
    );

    // Another mall up that comes to this folder reads of the modes of today.
    let refused = folder.run(&[&["up"], &FREE_PORTS[..]].concat());
    assert!(refused.err.contains("--key none --guard off --lanes 1"), "{refused:?}");

    // Events flow in the new modes: without a key, those of an order go to both partitions.
    let order = r#"{"customerId":1,"productId":"100","qty":1,"address":"SEOUL"}"#;
    assert_eq!(mall.request("POST", "/orders", order).0, 201);
    mall.request("PATCH", "/orders/1", r#"{"address":"PUSAN"}"#);
    mall.process.wait_line("P0@0");
    mall.process.wait_line("P1@0");
}

#[test]
fn the_topic_grows_and_its_new_partition_is_read() {
    let folder = Folder::new();
    let mall = Mall::up(&folder, &["--key=none"]);
    let shell = mall.command(&json!({"do": "grow", "partitions": 2}));
    assert_eq!(shell, "mall kafka-topics --alter --topic kafka.scaling --partitions 2");
    let order = r#"{"customerId":1,"productId":"100","qty":1,"address":"SEOUL"}"#;
    for _ in 0..2 {
        assert_eq!(mall.request("POST", "/orders", order).0, 201);
    }
    mall.process.wait_line("P1@0 … DELIVERY STARTED");
    let (status, answer) = mall.request("POST", "/live/commands", r#"{"do":"grow","partitions":2}"#);
    assert_eq!(status, 409, "{answer}");
}

#[test]
fn what_can_t_be_done_is_refused_with_what_is_allowed() {
    let folder = Folder::new();
    let mall = Mall::up(&folder, &[]);
    let refused = |command: &str| {
        let (status, answer) = mall.request("POST", "/live/commands", command);
        (status, answer["message"].as_str().unwrap_or_default().to_owned())
    };
    for (command, status, part) in [
        (
            r#"{"do":"freeze","role":"delivery-9"}"#,
            409,
            "there are order, delivery-1",
        ),
        (r#"{"do":"stop","role":"gateway"}"#, 409, "there are order, delivery-1"),
        (
            r#"{"do":"switch","key":"customer"}"#,
            409,
            "one of order-id, none is allowed",
        ),
        (
            r#"{"do":"switch","lanes":0}"#,
            409,
            "allowed: a whole number from 1 to 10000",
        ),
        (r#"{"do":"switch"}"#, 409, "allowed: key, guard, lanes"),
        (r#"{"do":"explode"}"#, 400, "\"do\":\"start\""),
        (r#"{"do":"stop","role":"delivery-1","now":true}"#, 400, "unknown field"),
        ("", 400, "can't be read"),
    ] {
        let (given, message) = refused(command);
        assert!(
            given == status && message.contains(part),
            "{command}: {given} {message}"
        );
    }
    let (status, _) = mall.request_from(
        "http://localhost:3000",
        "POST",
        "/live/commands",
        r#"{"do":"stop","role":"order"}"#,
    );
    assert_eq!(status, 403, "a page of another origin");
    assert_eq!(mall.request("GET", "/live/commands", "").0, 405);
    assert_eq!(mall.member("order")["state"], "serving");
}

/// A gateway that nobody supervises can do nothing to other processes, and doesn't say that it could.
#[test]
fn a_gateway_of_its_own_takes_no_commands() {
    let folder = Folder::new();
    let process = Role::start("gateway", &mut folder.command(&["gateway", "--port=0"]));
    let line = process.wait_line("gateway on http://127.0.0.1:");
    let behind = line.split("gateway on http://127.0.0.1:").nth(1).expect("a port");
    let gateway = behind.split(':').next().expect("a port").to_owned();
    let mall = Mall { process, gateway };
    for (method, path) in [("POST", "/live/commands"), ("GET", "/live/crew")] {
        assert_eq!(mall.request(method, path, r#"{"do":"start"}"#).0, 404, "{path}");
    }
}
