//! What can be wrong around a role: each ends it with a clear sentence and the exit code of its kind.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::support::http::post;
use crate::support::role::Role;
use crate::support::stack::Stack;
use crate::support::tools::{mariadb, records};
use crate::support::wait_for;

const COULD_NOT: i32 = 2;
const WRONG_USAGE: i32 = 64;

/// Runs a command that must end by itself; what it says must name all of `named`.
#[track_caller]
fn fails(command: &mut Command, code: i32, named: &[&str]) {
    let mut role = Role::start("mall", command);
    let ended = role.wait_exit().code();
    assert_eq!(ended, Some(code), "{}", role.said());
    for name in named {
        assert!(role.said().contains(name), "{name:?} is not in:\n{}", role.said());
    }
}

fn with_data(args: &[&str], data: &Path) -> Command {
    let mut command = Stack::embedded().bare(args);
    command.current_dir("/").arg("--data").arg(data);
    command
}

#[test]
fn a_wrong_value_names_option_value_and_what_is_allowed() {
    let stack = Stack::embedded();
    for (args, named) in [
        (["order", "--partitions", "none"], ["--partitions", "none", "1"]),
        (["order", "--key", "customer"], ["--key", "customer", "order-id"]),
        (
            ["delivery", "--modify-delay", "soon"],
            ["--modify-delay", "soon", "10s"],
        ),
        (
            ["gateway", "--cors-origin", "*"],
            ["--cors-origin", "\"*\"", "SCHEME://HOST"],
        ),
        (
            ["order", "--cors-origin", "https://shop.example/"],
            ["--cors-origin", "https://shop.example/", "without a path"],
        ),
        (
            ["order", "--bootstrap-server", "nowhere"],
            ["--bootstrap-server", "nowhere", "HOST:PORT"],
        ),
        (
            ["gateway", "--trusted-proxy", "proxy.example"],
            ["--trusted-proxy", "proxy.example", "an IP address"],
        ),
        (["order", "--listen", "0.0.0.0"], ["--listen", "0.0.0.0", "--insecure"]),
    ] {
        fails(&mut stack.command(&args), WRONG_USAGE, &named);
    }
    assert!(!stack.folder.path().join("mall-data").exists(), "nothing was started");
}

#[test]
fn an_unknown_key_in_the_configuration_is_refused() {
    let stack = Stack::embedded();
    std::fs::write(stack.folder.path().join("mall.toml"), "partition = 2\n").expect("written");
    fails(
        &mut stack.command(&["order"]),
        WRONG_USAGE,
        &["mall.toml", "partition", "partitions"],
    );
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    fails(
        &mut Stack::embedded().command(&["order", "--port", &port]),
        COULD_NOT,
        &[&port, "taken", "--port"],
    );
}

#[test]
fn a_broker_that_nobody_answers_at_is_said_at_once_and_given_up() {
    let stack = Stack::embedded();
    fails(
        &mut stack.command(&["order", "--port", "0", "--bootstrap-server", "127.0.0.1:1"]),
        COULD_NOT,
        &["127.0.0.1:1", "trying for 30 s", "tried for 30 s"],
    );
}

/// The kernel takes the connection, and nobody says a word.
#[test]
fn a_broker_that_says_nothing_is_told_before_it_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let broker = silent.local_addr().expect("an address").to_string();
    let stack = Stack::embedded();
    let said = format!("no answer yet from Kafka at {broker} after 3 s");
    let tool = stack.bare(&["kafka-topics", "--list", "--bootstrap-server", &broker]);
    let order = stack.command(&["order", "--port", "0", "--bootstrap-server", &broker]);
    let mut waiting =
        [("kafka-topics", tool), ("order", order)].map(|(name, mut command)| Role::start(name, &mut command));
    for role in &mut waiting {
        role.wait_line(&said);
    }
    let [tool, order] = &mut waiting;
    assert_ne!(tool.wait_exit().code(), Some(0), "{}", tool.said());
    order.wait_line("trying for 30 s");
    let lines = order.lines();
    let at = |part: &str| lines.iter().position(|line| line.contains(part));
    assert!(at(&said) < at("trying for 30 s"), "{lines:?}");
}

#[test]
fn a_database_that_nobody_answers_at_is_said_at_once_and_given_up() {
    let stack = Stack::embedded();
    let url = "mysql://root:secret-word@127.0.0.1:1/my-database";
    let mut role = Role::start(
        "order",
        &mut stack.command(&["order", "--port", "0", "--database-url", url]),
    );
    role.wait_line("trying for 30 s");
    assert_eq!(role.wait_exit().code(), Some(COULD_NOT), "{}", role.said());
    assert!(role.said().contains("127.0.0.1:1"), "{}", role.said());
    assert!(
        !role.said().contains("secret-word"),
        "the password is shown:\n{}",
        role.said()
    );
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    for role in ["order", "delivery"] {
        fails(
            &mut with_data(&[role, "--port", "0"], Path::new("/proc/mall-data")),
            COULD_NOT,
            &["/proc/mall-data"],
        );
    }
}

#[test]
fn a_file_that_is_no_log_is_left_alone() {
    let stack = Stack::embedded();
    let data = stack.folder.path().join("mall-data");
    std::fs::create_dir(&data).expect("a folder");
    let garbage = "this is not a database, and somebody may want it back".repeat(200);
    std::fs::write(data.join("log.db"), &garbage).expect("written");
    fails(
        &mut stack.command(&["order", "--port", "0"]),
        COULD_NOT,
        &["log.db", "not a database"],
    );
    assert_eq!(
        std::fs::read_to_string(data.join("log.db")).expect("still there"),
        garbage
    );
}

/// Restored from an older copy, or dropped: nothing is refused, since records can be forged, but it is told.
#[test]
fn a_database_that_is_behind_its_topic_is_told() {
    let stack = Stack::real();
    let real = stack.real.clone().expect("it is real");
    let fields = [
        ("customerId", "1"),
        ("productId", "1"),
        ("qty", "1"),
        ("address", "SEOUL"),
    ];
    let mut order = stack.role("order", &[]);
    assert_eq!(post(order.address(), "/orders", &fields).status, 201);
    wait_for("the event is published", || (records(&stack).len() == 1).then_some(()));
    assert_eq!(order.stop(), Some(0));
    let mut order = stack.role("order", &[]);
    assert_eq!(post(order.address(), "/orders", &fields).id(), 2);
    assert_eq!(order.stop(), Some(0));
    assert!(!order.said().contains("is ahead of"), "{}", order.said());

    mariadb(&real, &format!("drop database `{}`", real.database)).expect("it is dropped");
    let order = stack.role("order", &[]);
    let line = order.wait_line("is ahead of this order service's journal");
    assert!(
        line.contains("2 of the orders") && line.contains("order 2 v1"),
        "{line}"
    );
}
