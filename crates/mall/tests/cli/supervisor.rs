//! The supervisor: what becomes of its children when one of them, or it, ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use rustix::process::{Signal, kill_process};

use super::program::{FREE_PORTS, Folder};
use super::support::role::{Role, words_of};
use super::support::{PATIENCE, required, wait_for};

/// A running mall, whose lines are waited for one after the other.
struct Mall {
    process: Role,
    /// How many of its lines the waits have passed.
    read: usize,
}

impl Mall {
    fn up(folder: &Folder) -> Self {
        Self::run(&mut folder.command(&[&["up", "--modify-delay=1s"], &FREE_PORTS[..]].concat()))
    }

    fn run(command: &mut Command) -> Self {
        Self {
            process: Role::start("mall", command),
            read: 0,
        }
    }

    /// The next line that begins with `name` and has `part`.
    #[track_caller]
    fn wait(&mut self, name: &str, part: &str) -> String {
        let is = |line: &str| line.starts_with(name) && line.contains(part);
        self.process.wait_behind(&mut self.read, &format!("{name}: {part}"), is)
    }

    /// Waits until a role listens; answers with its port.
    #[track_caller]
    fn wait_port(&mut self, name: &str) -> String {
        let line = self.wait(name, "listening on http://");
        line.rsplit(':').next().expect("a port").to_owned()
    }
}

fn get(port: &str, path: &str) -> String {
    send(port, "GET", path, "")
}

fn send(port: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_child_that_dies_is_started_again_and_ctrl_c_stops_all() {
    let folder = Folder::new();
    let mut mall = Mall::up(&folder);
    mall.wait("delivery-1", "listening");
    assert_eq!(mall.process.children().len(), 3);
    kill_process(mall.process.child_of("order"), Signal::KILL).expect("killed");
    mall.wait("mall", "order died (signal: 9");
    mall.wait("order", "listening");
    let children = mall.process.children();
    mall.process.signal(Signal::INT);
    assert_eq!(mall.process.wait_exit().code(), Some(0));
    assert!(children.iter().all(|pid| words_of(*pid).is_empty()), "all have ended");
}

/// A role that can't go on ends with 2, as one does that can't start; only the latter stops the mall.
/// An order service that is started again belongs to the same start of the mall; the next `mall up` is another one.
#[test]
fn a_restart_by_the_supervisor_is_no_start_of_the_mall() {
    let folder = Folder::new();
    let judged = || {
        let verify = ["verify", "--since", "last-start", "--wait", "30s"];
        let ended = folder.run(&verify);
        (ended.code, ended.out + &ended.err)
    };
    let mut mall = Mall::up(&folder);
    let port = mall.wait_port("order");
    let answer = send(
        &port,
        "POST",
        "/orders",
        r#"{"customerId":2000,"productId":"100","productName":"RADIO","qty":3,"address":"PUSAN"}"#,
    );
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    kill_process(mall.process.child_of("order"), Signal::KILL).expect("killed");
    mall.wait("mall", "order died (signal: 9");
    mall.wait("order", "listening");
    mall.process.wait_line("OrderPlaced");
    let (code, text) = judged();
    assert!(
        code == Some(0) && text.contains("1 order(s) (0 placed before the last start, "),
        "{text}"
    );
    mall.process.signal(Signal::INT);
    assert_eq!(mall.process.wait_exit().code(), Some(0));

    let mut mall = Mall::up(&folder);
    mall.wait("order", "listening");
    let (code, text) = judged();
    assert!(code == Some(2) && text.contains("(1 before it)"), "{text}");
}

#[test]
fn a_role_that_was_ready_and_ends_with_a_code_is_started_again() {
    let folder = Folder::new();
    let mut mall = Mall::run(&mut folder.command(&[&["up", "--modify-delay=60s"], &FREE_PORTS[..]].concat()));
    let port = mall.wait_port("order");
    let order = r#"{"customerId":1,"productId":"100","qty":1,"address":"SEOUL"}"#;
    assert!(send(&port, "POST", "/orders", order).starts_with("HTTP/1.1 201"));
    mall.wait("delivery-1", "OrderPlaced order=1");
    assert!(send(&port, "PATCH", "/orders/1", r#"{"address":"PUSAN"}"#).starts_with("HTTP/1.1 204"));
    mall.wait("delivery-1", "OrderModified order=1");
    let delivery = mall.process.child_of("delivery");
    // It drains, which takes as long as the modification that it has begun; the second signal ends it with 2.
    kill_process(delivery, Signal::TERM).expect("told");
    mall.wait("delivery-1", "stopping");
    kill_process(delivery, Signal::TERM).expect("told");
    mall.wait("mall", "delivery-1 died (exit status: 2); starting it again");
    mall.wait("delivery-1", "listening");
}

#[test]
fn options_that_turn_bad_while_the_mall_runs_are_tried_again() {
    let folder = Folder::new();
    let mut mall = Mall::up(&folder);
    mall.wait("mall", "try ");
    std::fs::write(folder.path().join("mall.toml"), "lanes = \"many\"\n").expect("written");
    kill_process(mall.process.child_of("order"), Signal::KILL).expect("killed");
    mall.wait("order", "lanes");
    mall.wait("mall", "order died (exit status: 64); starting it again");
    std::fs::write(folder.path().join("mall.toml"), "lanes = 4\n").expect("written");
    mall.wait("order", "listening");
}

#[test]
fn a_role_that_never_got_ready_ends_the_mall() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().join("mall-data/orders.db")).expect("a folder where a file belongs");
    let mut mall = Mall::up(&folder);
    mall.wait("mall", "order did not start: it died (exit status: 2)");
    assert_eq!(mall.process.wait_exit().code(), Some(2));
}

#[test]
fn children_drain_when_the_supervisor_disappears() {
    let folder = Folder::new();
    let mut mall = Mall::up(&folder);
    mall.wait("delivery-1", "listening");
    let children = mall.process.children();
    mall.process.kill();
    wait_for("the end of all children", || {
        let gone = children.iter().all(|pid| !words_of(*pid).contains("mall"));
        gone.then_some(())
    });
}

#[test]
fn the_gateway_leads_to_both_services_and_keeps_the_host() {
    let folder = Folder::new();
    let mut mall = Mall::up(&folder);
    let line = mall.wait("mall", "gateway     http://localhost:");
    let port = line.rsplit(':').next().expect("a port").to_owned();
    let mut waiting = vec!["order ", "delivery-1 ", "gateway "];
    while !waiting.is_empty() {
        let line = mall.wait("", " on http://");
        waiting.retain(|name| !line.starts_with(name));
    }
    for (path, status, part) in [
        ("/orders", "200", "http://shop.example/orders"),
        ("/deliveries", "200", "http://shop.example/deliveries"),
        ("/", "200", "<h1>12st Mall</h1>"),
        ("/readyz", "200", "ok"),
        ("/nope", "404", "\"message\""),
    ] {
        let answer = get(&port, path);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(part),
            "{path}: {answer}"
        );
        assert!(
            !answer.contains("https:"),
            "nothing but what a proxy says makes a link secure: {answer}"
        );
        assert!(
            answer.to_ascii_lowercase().contains("vary: origin") && !answer.contains("access-control"),
            "{path}: {answer}"
        );
    }
}

#[test]
fn a_gateway_whose_services_are_away_says_so() {
    let folder = Folder::new();
    let mut command = folder.command(&["gateway", "--port=0", "--order-url=http://127.0.0.1:1"]);
    let mut mall = Mall::run(&mut command);
    let line = mall.wait("", "gateway on http://");
    let port = line
        .split("gateway on http://127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split(':').next())
        .expect("a port");
    let answer = get(port, "/orders/1");
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"),
        "{answer}"
    );
    assert!(
        answer.contains("application/problem+json") && answer.contains("\"message\":\"The order service"),
        "{answer}"
    );
}

#[test]
fn a_port_that_is_taken_is_refused_before_anything_starts() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let options = ["--order-port", "--delivery-port", "--gateway-port"];
    for taken in options {
        let ports = options.map(|option| format!("{option}={}", if option == taken { &port } else { "0" }));
        let ended = folder.run(&["up", "--deliveries=2", &ports[0], &ports[1], &ports[2]]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(&port) && ended.err.contains(taken), "{ended:?}");
        assert!(!folder.has_data());
    }
}

#[test]
fn a_port_that_another_mall_has_is_refused_with_a_word_about_that_mall() {
    let (first, second) = (Folder::new(), Folder::new());
    let mut there = Mall::run(&mut first.command(&["order", "--course", "--port=0"]));
    let port = there.wait_port("");
    let ended = second.run(&["up", &format!("--order-port={port}"), FREE_PORTS[1], FREE_PORTS[2]]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let expected =
        format!("port {port} on 127.0.0.1 is taken by a mall's order role that runs already, with --key none");
    assert!(
        ended.err.contains(&expected) && ended.err.contains("--order-port"),
        "{ended:?}"
    );
}

/// What keeps one service from its database keeps the others as well, and nobody needs to read it three times.
#[test]
fn what_keeps_the_mall_from_its_database_is_told_once() {
    let server = required("MALL_TEST_MYSQL");
    let (_, place) = server.split_once('@').expect("an account in the URL");
    let url = format!("--database-url=mysql://root:wrong@{place}/nothing-here");
    let folder = Folder::new();
    let ended = folder.run(&[&["up", &url], &FREE_PORTS[..]].concat());
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let told = ended.err.lines().filter(|line| line.contains("Access denied"));
    assert_eq!(told.count(), 1, "{}", ended.err);
    let others = ["delivery-1 ", "gateway "];
    assert!(
        ended
            .err
            .lines()
            .all(|line| others.iter().all(|name| !line.starts_with(name))),
        "{}",
        ended.err
    );
}

/// The commands that a person is told to try work as they stand.
#[test]
fn what_to_try_names_the_next_order() {
    let folder = Folder::new();
    for number in 1..=2 {
        let mut mall = Mall::up(&folder);
        let port = mall.wait_port("order");
        let place = mall.wait("mall", &format!("try         http :{port}/orders customerId="));
        let patch = mall.wait("mall", "            http PATCH ");
        assert!(
            patch.ends_with(&format!("http PATCH :{port}/orders/{number} address=SEOUL")),
            "{patch}"
        );
        let fields = place.split_once("/orders ").expect("fields").1.split(' ');
        let fields: Vec<String> = fields
            .map(|field| field.split_once('=').expect("a value"))
            .map(|(name, value)| format!("\"{name}\":\"{value}\""))
            .collect();
        let placed = send(&port, "POST", "/orders", &format!("{{{}}}", fields.join(",")));
        assert!(placed.starts_with("HTTP/1.1 201"), "{placed}");
        let changed = send(&port, "PATCH", &format!("/orders/{number}"), r#"{"address":"SEOUL"}"#);
        assert!(changed.starts_with("HTTP/1.1 204"), "{changed}");
        mall.process.signal(Signal::INT);
        assert_eq!(mall.process.wait_exit().code(), Some(0));
    }
}
