//! What `--key`, `--guard` and `--lanes` say is shown by every role, and roles whose modes differ don't meet by accident:
//! what a terminal that was forgotten does to the others, in each order of starting.

use std::time::Duration;

use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::{Assignment, EventLog, Position, Rebalance, Subscription, TopicPartition};
use rustix::process::Signal;

use super::program::FREE_PORTS;
use super::support::http::{get, patch, post};
use super::support::role::Role;
use super::support::stack::Stack;
use super::support::tools::{grow, java};
use super::support::wait_for;

const COURSE: &str = "--key none --guard off --lanes 1";

/// Starts a role that is expected to be refused, and answers with what it said.
#[track_caller]
fn refused(stack: &Stack, words: &[&str]) -> String {
    let mut role = Role::start(words[0], &mut stack.command(words));
    let status = role.wait_exit();
    assert_eq!(status.code(), Some(64), "{}", role.said());
    role.said()
}

/// Starts the whole mall on free ports.
fn up(stack: &Stack, words: &[&str]) -> Role {
    let words = [&["up"], &FREE_PORTS[..], words].concat();
    Role::start("mall", &mut stack.command(&words))
}

#[track_caller]
fn refused_mall(stack: &Stack, words: &[&str]) -> String {
    refused(stack, &[&["up"], &FREE_PORTS[..], words].concat())
}

/// The client ids of the group's members, as Kafka's tool and ours print them.
fn clients(stack: &Stack) -> Vec<String> {
    let describe = ["--describe", "--members", "--group"];
    let output = match &stack.real {
        None => stack.tool(&[&["kafka-consumer-groups"], &describe[..], &["delivery"]].concat()),
        Some(real) => java("kafka-consumer-groups", real)
            .args([&describe[..], &[&real.group]].concat())
            .output(),
    };
    let text = String::from_utf8_lossy(&output.expect("the tool runs").stdout).into_owned();
    let rows = text.lines().filter(|line| line.contains("guard="));
    let clients = rows.filter_map(|row| {
        row.split_whitespace()
            .find(|word| word.contains(",guard=") && !word.contains('/'))
    });
    clients.map(str::to_owned).collect()
}

fn modes_are_shown(stack: &Stack) {
    let order = stack.role("order", &["--course"]);
    order.wait_line("modes: --key none: an order's events go to the partitions in turn");
    let delivery = stack.role("delivery", &["--course", "--lanes", "8", "--name", "one"]);
    let modes = "--key none --guard off --lanes 8";
    delivery.wait_line(&format!("modes: {modes}: an order's events go to"));
    delivery.wait_line("assigned");
    let place = match &stack.real {
        None => format!("embedded, in {}", stack.folder.path().join("mall-data").display()),
        Some(real) => format!("Kafka at {}", real.kafka),
    };
    for role in [&order, &delivery] {
        let line = role.wait_line(&format!("log: {place}; database: "));
        assert!(!line.contains(":1234@"), "no password: {line}");
    }
    // The unique name of an embedded member begins with its client id.
    let seen = clients(stack);
    assert!(
        seen.iter()
            .any(|client| client.starts_with("one,key=none,guard=off,lanes=8")),
        "{seen:?}"
    );
    for (role, labels) in [
        (&order, "{key=\"none\"}"),
        (&delivery, "{key=\"none\",guard=\"off\",lanes=\"8\"}"),
    ] {
        let metrics = get(role.address(), "/metrics").body;
        assert!(metrics.contains(&format!("\nmall_modes_info{labels} 1\n")), "{metrics}");
    }
}

#[test]
fn modes_are_shown_on_the_embedded_default() {
    modes_are_shown(&Stack::embedded());
}

#[test]
fn modes_are_shown_on_kafka_and_mariadb() {
    modes_are_shown(&Stack::real());
}

/// The second experiment as the course has it, and what goes wrong around it.
fn a_second_terminal(stack: &Stack) {
    let mall = up(stack, &["--course"]);
    mall.wait_line(&format!(
        "modes       {COURSE}: an order's events go to the partitions in turn"
    ));
    mall.wait_line("assigned");
    let waiting = stack.role("delivery", &["--course", "--name", "too-many"]);
    waiting.wait_line("has no partition and does nothing: topic ");
    drop(stopped(waiting));
    grow(stack, 2);
    let brief = ["--session-timeout", "6s"];
    let plain = refused(stack, &[&["delivery", "--port", "0"], &brief[..]].concat());
    assert!(
        plain.contains(&format!(
            "has delivery-1 with {COURSE}, and this instance would have --key order-id --guard version --lanes 64"
        )) && plain.contains("--mixed"),
        "{plain}"
    );
    let mut second = stack.role("delivery", &["--course", "--name", "delivery-2"]);
    second.wait_line(&format!("has delivery-1 with {COURSE} already"));
    second.wait_line("assigned");
    let taken = refused(
        stack,
        &[
            &[
                "delivery",
                "--port",
                "0",
                "--course",
                "--name",
                "delivery-2",
                "--shutdown-timeout",
                "1s",
            ],
            &brief[..],
        ]
        .concat(),
    );
    assert!(
        taken.contains("has an instance delivery-2 already") && taken.contains("--name"),
        "{taken}"
    );

    // The first terminal goes on to the third experiment, and the second one was forgotten.
    drop(stopped(mall));
    let forgotten = refused_mall(stack, &[&["--course", "--key", "order-id"], &brief[..]].concat());
    assert!(
        forgotten.contains(&format!(
            "has delivery-2 with {COURSE}, and this instance would have --key order-id"
        )),
        "{forgotten}"
    );
    let started = forgotten.lines().any(|line| line.starts_with("order "));
    assert_eq!(
        started,
        stack.real.is_some(),
        "the embedded log can be asked before anything starts: {forgotten}"
    );
    let mixed = up(stack, &["--course", "--key", "order-id", "--mixed"]);
    mixed.wait_line(&format!("has delivery-2 with {COURSE} already"));
    mixed.wait_line("assigned");
    drop(stopped(mixed));
    assert_eq!(second.stop(), Some(0));
    let keyed = up(stack, &["--course", "--key", "order-id"]);
    keyed.wait_line("assigned");
    // Now it is the second experiment's terminal that comes too late.
    let late = refused(stack, &[&["delivery", "--port", "0", "--course"], &brief[..]].concat());
    assert!(
        late.contains("has delivery-1 with --key order-id --guard off --lanes 1"),
        "{late}"
    );
}

#[track_caller]
fn stopped(mut role: Role) -> Role {
    assert_eq!(role.stop(), Some(0), "{}", role.said());
    role
}

#[test]
fn a_second_terminal_on_the_embedded_default() {
    a_second_terminal(&Stack::embedded());
}

#[test]
fn a_second_terminal_on_kafka_and_mariadb() {
    a_second_terminal(&Stack::real());
}

fn order_services_publish_with_one_key(stack: &Stack) {
    let mut first = publisher(stack, &["--course"]);
    let refused = refused(stack, &["order", "--port", "0"]);
    assert!(
        refused.contains(&format!(
            "another order service (process {})",
            first.pid().as_raw_nonzero()
        )) && refused.contains("with --key none, and this one would with --key order-id")
            && refused.contains("--mixed"),
        "{refused}"
    );
    let standby = stack.role("order", &["--key", "none"]);
    let mixed = stack.role("order", &["--mixed"]);
    drop((stopped(standby), stopped(mixed)));
    // One that has stopped has given its lease back, and one that was killed is waited for.
    assert_eq!(first.stop(), Some(0));
    let mut killed = publisher(stack, &[]);
    killed.kill();
    let waited = Role::start("order", &mut stack.command(&["order", "--port", "0", "--course"]));
    waited.wait_line("publishes this journal with --key order-id; waiting 7s at most, in case its process has crashed");
    waited.address();
}

/// An order service that has the lease, which it takes some time after it has begun to listen.
#[track_caller]
fn publisher(stack: &Stack, options: &[&str]) -> Role {
    let order = stack.role("order", options);
    wait_for(
        &format!("the lease of the order service, which said:\n{}", order.said()),
        || {
            let metrics = get(order.address(), "/metrics").body;
            metrics.contains("\nmall_relay_lease_held 1\n").then_some(())
        },
    );
    order
}

#[test]
fn order_services_publish_with_one_key_on_sqlite() {
    order_services_publish_with_one_key(&Stack::embedded());
}

#[test]
fn order_services_publish_with_one_key_on_mariadb() {
    order_services_publish_with_one_key(&Stack::real());
}

#[test]
fn an_instance_that_was_killed_is_no_hindrance_on_the_embedded_default() {
    let stack = Stack::embedded();
    let mut killed = stack.role("delivery", &["--course", "--name", "one"]);
    killed.wait_line("assigned");
    killed.kill();
    let next = stack.role("delivery", &["--name", "one"]);
    assert!(!next.said().contains("waiting"), "{}", next.said());
}

/// An instance that ends finishes its work in flight first, and keeps its name for so long.
#[test]
fn an_instance_that_is_ending_is_waited_for() {
    let stack = Stack::embedded();
    let order = stack.role("order", &["--course"]);
    let one = ["--course", "--name", "one", "--modify-delay", "10s"];
    let ending = stack.role("delivery", &one);
    let orders = order.address();
    let fields = [
        ("customerId", "2000"),
        ("productId", "100"),
        ("qty", "3"),
        ("address", "PUSAN"),
    ];
    let path = format!("/orders/{}", post(orders, "/orders", &fields).id());
    assert_eq!(patch(orders, &path, &[("address", "SEOUL")]).status, 200);
    ending.wait_line("takes 10.00s");
    ending.signal(Signal::TERM);
    let next = stack.role("delivery", &one);
    next.wait_line("assigned");
}

#[test]
fn an_instance_that_was_killed_is_waited_for_on_kafka() {
    let stack = Stack::real();
    let brief = ["--session-timeout", "6s", "--shutdown-timeout", "1s", "--name", "one"];
    let mut killed = stack.role("delivery", &[&["--course"], &brief[..]].concat());
    killed.wait_line("assigned");
    killed.kill();
    let next = stack.role("delivery", &brief);
    next.wait_line("waiting 8s at most, in case its process has crashed");
    next.wait_line("assigned");
}

/// An instance that `mall up` starts again takes the place of the one that has ended, and waits for nobody.
#[test]
fn a_child_that_died_is_no_other_instance_on_kafka() {
    let stack = Stack::real();
    let mall = up(&stack, &[]);
    mall.wait_line("assigned");
    rustix::process::kill_process(mall.child_of("delivery"), Signal::KILL).expect("killed");
    mall.wait_line("delivery-1 died (signal: 9");
    wait_for("a second assignment", || {
        (mall.lines().iter().filter(|line| line.contains("assigned")).count() > 1).then_some(())
    });
    let said = mall.said();
    assert!(
        !said.contains("in case its process has crashed") && !said.contains("already"),
        "{said}"
    );
}

fn a_stranger_is_told_of(stack: &Stack) {
    drop(stack.role("order", &[]));
    let (group, topic) = match &stack.real {
        None => ("delivery", "kafka.scaling"),
        Some(real) => (real.group.as_str(), real.topic.as_str()),
    };
    let consumer = ["kafka-console-consumer", "--topic", topic, "--group", group];
    let place = stack.folder.path().join("mall-data");
    let place = match &stack.real {
        None => ["--data", place.to_str().expect("a path")],
        Some(real) => ["--bootstrap-server", real.kafka.as_str()],
    };
    let _stranger = Role::start("consumer", &mut stack.bare(&[&consumer[..], &place].concat()));
    wait_for("the stranger in the group", || {
        let words = ["kafka-consumer-groups", "--describe", "--members", "--group", group];
        let output = stack.bare(&[&words[..], &place].concat()).output().expect("it runs");
        String::from_utf8_lossy(&output.stdout)
            .contains("console-consumer")
            .then_some(())
    });
    let delivery = stack.role("delivery", &["--course"]);
    delivery.wait_line("has console-consumer already, which does not tell of --key, --guard and --lanes");
}

#[test]
fn a_stranger_is_told_of_on_the_embedded_default() {
    a_stranger_is_told_of(&Stack::embedded());
}

#[test]
fn a_stranger_is_told_of_on_kafka() {
    a_stranger_is_told_of(&Stack::real());
}

/// A static member is replaced by its successor at once. Kafka goes on showing the client id of the first one, so a successor
/// in other modes waits until the place is free.
#[test]
fn a_static_member_takes_the_place_of_its_own_past() {
    let stack = Stack::real();
    let is_static = ["--kafka-property", "group.instance.id=seoul", "--session-timeout", "6s"];
    let one = [&["--course", "--name", "one"], &is_static[..]].concat();
    for _ in 0..2 {
        let mut killed = stack.role("delivery", &one);
        killed.wait_line("assigned");
        assert!(!killed.said().contains("in case its process"), "{}", killed.said());
        killed.kill();
    }
    let changed = stack.role("delivery", &[&["--key", "order-id"], &one[..]].concat());
    changed.wait_line("waiting 8s at most, in case its process has crashed");
    changed.wait_line("assigned");
    let shown = clients(&stack);
    assert_eq!(shown.len(), 1, "{shown:?}");
    let (modes, at) = shown[0].split_once(",at=").expect("an address");
    assert_eq!(
        (modes, at),
        (
            "one,key=order-id,guard=off,lanes=1",
            changed.address().to_string().as_str()
        )
    );
    let two = [
        &["delivery", "--course", "--name", "two", "--port", "0"],
        &is_static[..],
    ]
    .concat();
    let refused = refused(&stack, &two);
    assert!(refused.contains("has one with --key order-id --guard off"), "{refused}");
}

/// An instance of an older version has a plain name, which does not keep others out.
#[test]
fn an_instance_of_an_older_version_is_told_of() {
    struct Nothing;
    impl Rebalance for Nothing {
        fn assigned(&mut self, _: &[Assignment]) {}
        fn revoke(&mut self, _: &[TopicPartition], _: Duration) -> Option<Vec<Position>> {
            Some(Vec::new())
        }
        fn lost(&mut self, _: &[TopicPartition]) {}
    }
    let stack = Stack::embedded();
    drop(stack.role("order", &[]));
    let folder = stack.folder.path().join("mall-data");
    let log = EmbeddedLog::open(&folder, EmbeddedOptions::default()).expect("a log");
    let older = Subscription {
        group: "delivery".into(),
        topics: vec!["kafka.scaling".into()],
        member: "delivery-1".into(),
        note: String::new(),
        session_timeout: Duration::from_secs(600),
        drain_timeout: Duration::from_secs(1),
    };
    let mut older = log.subscribe(&older).expect("a member");
    older.poll(Duration::ZERO, &mut Nothing).expect("it joins");
    let newer = stack.role("delivery", &["--name", "delivery-1"]);
    newer.wait_line("group delivery has delivery-1 already, which does not tell of --key, --guard and --lanes");
    older.leave(&mut Nothing).expect("it leaves");
    newer.wait_line("assigned");
}

/// A client id of one's own hides what others would see in it.
#[test]
fn a_client_id_that_hides_the_modes_is_told_of() {
    let stack = Stack::real();
    let hidden = stack.role("delivery", &["--kafka-property", "client.id=mine"]);
    hidden.wait_line("client.id was given, so others can't see this instance's --key, --guard and --lanes");
    hidden.wait_line("assigned");
    let next = stack.role("delivery", &["--course"]);
    next.wait_line("has mine already, which does not tell of --key, --guard and --lanes");
}

#[test]
fn a_folder_has_one_mall_up() {
    let stack = Stack::embedded();
    let first = up(&stack, &["--course"]);
    let orders = first.wait_line("orders      http://localhost:");
    let port = orders.rsplit(':').next().expect("a port");
    first.wait_line("assigned");
    let process = first.pid().as_raw_nonzero();
    // Whatever its modes, a second one would compete for the orders' and deliveries' database.
    for words in [&["--course"][..], &["--course", "--key", "order-id"], &[]] {
        let second = refused_mall(&stack, words);
        assert!(
            second.contains(&format!(
                "(process {process}, orders at http://127.0.0.1:{port}, {COURSE})"
            )) && second.contains("--data")
                && second.contains("--mixed"),
            "{second}"
        );
        assert!(!second.contains("order  "), "nothing was started: {second}");
    }
    drop(stopped(first));
    let next = up(&stack, &[]);
    next.wait_line("assigned");
}

#[test]
fn a_new_log_beside_the_mall_of_another_folder_is_told_of() {
    let (first, second) = (Stack::embedded(), Stack::embedded());
    let order = first.role("order", &[]);
    let url = format!("http://{}", order.address());
    let elsewhere = second.role("delivery", &["--order-url", &url]);
    let told = elsewhere.wait_line("begins a new log (embedded, in ");
    // Others may run a mall on the usual ports meanwhile.
    let answers = told.split("the mall that answers on ").nth(1).unwrap_or_default();
    assert!(
        answers.contains(&order.address().to_string()) && answers.contains(" has another one"),
        "{told}"
    );
    // The log is not new any more, and the folder of the other mall has never been.
    for stack in [&second, &first] {
        let delivery = stack.role("delivery", &["--order-url", &url, "--name", "two"]);
        assert!(!delivery.said().contains("has another one"), "{}", delivery.said());
    }
}
