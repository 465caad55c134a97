//! `mall doctor`: finds nothing where all is well, and each trouble where it was made.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::kafka::KafkaLog;
use keylane_log::{EventLog, NewRecord, Offset, Partition, Timestamp, TopicPartition};

use super::program::{Ended, FREE_PORTS, Folder, ended};
use super::real::{java, required, unique};
use super::support::http::post;
use super::support::role::Role;
use super::support::stack::Stack;
use super::support::tools::{feed, mariadb, sql};
use super::support::wait_for;

fn doctor(folder: &Folder, words: &[&str]) -> Ended {
    folder.run(&[&["doctor"], &FREE_PORTS[..], words].concat())
}

/// The one line of trouble that contains this, with its remedy.
#[track_caller]
fn told(ended: &Ended, what: &str) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let lines: Vec<_> = ended.out.lines().collect();
    let found = lines
        .iter()
        .position(|line| line.starts_with("WRONG  ") && line.contains(what));
    let found = found.unwrap_or_else(|| panic!("nothing of {what:?} in\n{}", ended.out));
    assert!(lines[found + 1].starts_with("       remedy: "), "{}", ended.out);
}

/// Looks again in Korean.
#[track_caller]
fn in_korean(folder: &Folder, words: &[&str]) -> Ended {
    let ended = doctor(folder, &[words, &["--lang", "ko"]].concat());
    is_korean(&ended);
    ended
}

/// Every line is a Korean one, for a person who reads nothing else.
#[track_caller]
fn is_korean(ended: &Ended) {
    assert!(!ended.out.is_empty(), "{ended:?}");
    for line in ended.out.lines() {
        let marks = ["ok     ", "?      ", "WRONG  ", "       해결책: "];
        let said = marks.iter().find_map(|mark| line.strip_prefix(mark));
        let said = said.unwrap_or_else(|| panic!("no mark before {line:?}"));
        // A command may be all of a remedy.
        let is_command = ["mall ", "kafka-configs ", "chmod "].map(|word| said.starts_with(word));
        let has_hangul = said.contains(|letter| ('가'..='힣').contains(&letter));
        assert!(has_hangul || is_command.contains(&true), "{line:?} in\n{}", ended.out);
    }
}

fn append(log: &dyn EventLog, topic: &str, key: &str, partition: Option<u32>, timestamp: i64) {
    let record = NewRecord {
        partition: partition.map(Partition),
        timestamp: Timestamp(timestamp),
        key: Some(key.to_owned().into()),
        value: Some("{}".into()),
        headers: Vec::new(),
    };
    for answer in log.append(topic, vec![record], Duration::from_secs(60)) {
        answer.expect("the log takes the record");
    }
}

fn embedded(folder: &Folder) -> EmbeddedLog {
    // As the mall itself does; otherwise the doctor would have a word to say about it.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let place = folder.path().join("mall-data");
    EmbeddedLog::open(&place, EmbeddedOptions::default()).expect("the log opens")
}

#[test]
fn where_nothing_is_wrong_nothing_is_said_to_be() {
    let folder = Folder::new();
    let fresh = doctor(&folder, &[]);
    assert_eq!(fresh.code, Some(0), "{fresh:?}");
    assert!(fresh.out.contains("ok     there is no embedded log yet\n"), "{fresh:?}");
    assert!(!folder.has_data(), "looking creates nothing");

    let log = embedded(&folder);
    log.create_topic("kafka.scaling", 3).expect("a topic");
    (0..20).for_each(|order| append(&log, "kafka.scaling", &order.to_string(), None, 1_000));
    in_korean(&folder, &[]);
    let well = doctor(&folder, &[]);
    assert_eq!(well.code, Some(0), "{well:?}");
    assert!(
        well.out
            .contains("topic kafka.scaling has 3 partition(s); 20 record(s) looked at"),
        "{well:?}"
    );
    // One partition holds what was placed while there was only one, or two: that is a growth and no mistake.
    log.grow_topic("kafka.scaling", 7).expect("it grows");
    assert_eq!(doctor(&folder, &[]).code, Some(0));
}

#[test]
fn a_fresh_folder_is_told_of_in_the_language_that_was_asked_for() {
    let folder = Folder::new();
    let korean = in_korean(&folder, &[]);
    assert_eq!(korean.code, Some(0), "{korean:?}");
    assert_eq!(
        korean.out,
        "ok     데이터 폴더(./mall-data)는 아직 없으며 만들 수 있음\n\
         ok     주문 서비스가 쓸 0번 포트가 비어 있음\n\
         ok     배송 서비스가 쓸 0번 포트가 비어 있음\n\
         ok     게이트웨이가 쓸 0번 포트가 비어 있음\n\
         ok     내장 로그가 아직 없음\n"
    );
    let words = [&["doctor"], &FREE_PORTS[..]].concat();
    let by_locale = folder.command(&words).env("LC_ALL", "ko_KR.UTF-8").output();
    assert_eq!(ended(by_locale.expect("it runs")).out, korean.out);
    let english = doctor(&folder, &["--lang", "en"]);
    assert_eq!(
        english.out,
        "ok     the data folder ./mall-data is not there yet and can be created\n\
         ok     port 0 is free for the order service\n\
         ok     port 0 is free for the delivery service\n\
         ok     port 0 is free for the gateway\n\
         ok     there is no embedded log yet\n"
    );
    assert!(!folder.has_data(), "looking creates nothing");
}

#[test]
fn each_trouble_of_the_embedded_log_is_named_with_its_remedy() {
    let folder = Folder::new();
    let log = embedded(&folder);
    log.create_topic("kafka.scaling", 8).expect("a topic");
    // murmur2 puts "order-1" into the seventh of eight.
    append(&log, "kafka.scaling", "order-1", Some(7), 1_000);
    let ended = doctor(&folder, &[]);
    told(&ended, "key \"order-1\" is at P7@0 and belongs in P6");
    append(&log, "kafka.scaling", "order-1", None, 4_102_444_800_000);
    told(&doctor(&folder, &[]), "from the future, P6@0 by ");
    let korean = in_korean(&folder, &[]).out;
    for wrong in ["키가 \"order-1\"인 레코드가 P7@0 자리에", "P6@0 레코드는 "] {
        assert!(korean.contains(wrong), "{wrong}: {korean}");
    }
    let positions = [(TopicPartition::new("kafka.scaling", Partition(7)), Offset(0))].into();
    log.reset_group("delivery", &positions).expect("its offsets are set");
    told(
        &doctor(&folder, &["--log-retention", "1h"]),
        "group delivery has yet to read events of topic kafka.scaling older than --log-retention 1h, from P7@0 on",
    );

    let korean = in_korean(&folder, &["--log-retention", "1h"]).out;
    assert!(korean.contains("--log-retention 1h보다 오래된 이벤트"), "{korean}");

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let words = [
        "doctor",
        "--delivery-port",
        "0",
        "--gateway-port",
        "0",
        "--order-port",
        &port,
    ];
    told(
        &folder.run(&words),
        &format!("port {port} on 127.0.0.1 is taken by another program, and the order service"),
    );

    std::fs::write(folder.path().join("file"), "").expect("a file");
    told(&doctor(&folder, &["--data", "file/data"]), "can't be used: ");
    let korean = in_korean(&folder, &["--data", "file/data"]).out;
    assert!(
        korean.contains("WRONG  데이터 폴더(file/data)를 쓸 수 없음: "),
        "{korean}"
    );
}

#[test]
fn a_port_that_a_role_of_the_mall_has_is_fine() {
    let folder = Folder::new();
    let gateway = Role::start("gateway", &mut folder.command(&["gateway", "--port", "0"]));
    let line = gateway.wait_line("gateway on http://127.0.0.1:");
    let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(':').next());
    let port = port.unwrap_or_else(|| panic!("no port in {line:?}"));
    let ended = folder.run(&[
        "doctor",
        "--delivery-port",
        "0",
        "--order-port",
        "0",
        "--gateway-port",
        port,
    ]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .out
            .contains(&format!("port {port} is taken by a role of the mall")),
        "{ended:?}"
    );
}

#[test]
fn a_turn_that_somebody_keeps_is_told() {
    let folder = Folder::new();
    let log = embedded(&folder);
    let room = folder.path().join("mall-data/log.db.room");
    let room = File::options().write(true).open(room).expect("the turnstile's file");
    room.lock().expect("the turn");
    let ended = doctor(&folder, &[]);
    told(&ended, "has kept others from writing ");
    assert!(
        ended.out.contains(&std::process::id().to_string()),
        "the holder is named: {ended:?}"
    );
    room.unlock().expect("the turn's end");
    drop(log);
}

#[test]
fn a_broker_and_a_database_that_nobody_answers_at_are_told() {
    let folder = Folder::new();
    let words = [
        "--bootstrap-server",
        "127.0.0.1:1",
        "--database-url",
        "mysql://root:secret@127.0.0.1:1/d",
    ];
    let ended = doctor(&folder, &words);
    told(&ended, "127.0.0.1:1");
    told(&ended, "the database at mysql://");
    let korean = in_korean(&folder, &words);
    for ended in [&ended, &korean] {
        assert!(!ended.out.contains("secret"), "{ended:?}");
    }
    assert!(korean.out.contains("해결책: Kafka를 시작하거나"), "{korean:?}");
}

#[test]
fn on_kafka_settings_and_a_foreign_assignor_are_told() {
    let folder = Folder::new();
    let (servers, database) = (
        required("MALL_TEST_KAFKA"),
        required("MALL_TEST_MYSQL") + "/not-there-yet",
    );
    let (topic, group) = (unique("doctor"), unique("doctor-group"));
    let words = [
        "--bootstrap-server",
        &servers,
        "--database-url",
        &database,
        "--topic",
        &topic,
        "--group",
        &group,
    ];
    let fresh = doctor(&folder, &words);
    assert_eq!(fresh.code, Some(0), "{fresh:?}");
    assert!(
        fresh.out.contains("ok     the database at mysql://") && fresh.out.contains("is not there yet"),
        "{fresh:?}"
    );

    let create = [
        "kafka-topics",
        "--bootstrap-server",
        &servers,
        "--create",
        "--partitions",
        "8",
        "--topic",
        &topic,
    ];
    let config = ["--config", "cleanup.policy=compact", "--config", "retention.ms=3600000"];
    let created = java(&[&create[..], &config].concat());
    assert_eq!(created.code, Some(0), "{created:?}");
    let log = KafkaLog::connect(&servers, Vec::new()).expect("the clients start");
    append(&log, &topic, "order-1", Some(7), 1_000);
    let korean = in_korean(&folder, &words).out;
    assert!(korean.contains("압축(compaction)이 켜져 있음"), "{korean}");
    let tool = format!("{}/kafka-console-consumer", required("MALL_TEST_KAFKA_TOOLS"));
    let mut member = std::process::Command::new(tool)
        .args(["--bootstrap-server", &servers, "--topic", &topic, "--group", &group])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Kafka's tool starts");
    let ended = wait_for("the member's assignor is seen", || {
        let ended = doctor(&folder, &words);
        ended.out.contains("\"range\"").then_some(ended)
    });
    member.kill().expect("a child can be killed");
    member.wait().expect("a killed child ends");
    let joins = ended
        .out
        .lines()
        .find(|line| line.contains("share the partitions by \"range\""));
    let maybe = joins.is_some_and(|line| line.starts_with('?') && line.contains("if they offer that too"));
    assert!(maybe, "{ended:?}");
    told(&ended, "is compacted");
    told(&ended, "keeps events for 1h only");
    told(&ended, "key \"order-1\" is at P7@0 and belongs in P6");
}

fn on(stack: &Stack, words: &[&str]) -> Ended {
    let words = [&["doctor"], &FREE_PORTS[..], words].concat();
    ended(stack.command(&words).output().expect("it runs"))
}

/// Waits until the doctor says this, as what it looks at changes in its own time.
#[track_caller]
fn will_tell(stack: &Stack, words: &[&str], what: &str) -> Ended {
    wait_for(&format!("the doctor to tell {what:?}"), || {
        let ended = on(stack, words);
        ended.out.contains(what).then_some(ended)
    })
}

fn members_and_what_waits_are_told(stack: &Stack) {
    let mut order = stack.role("order", &["--key", "none"]);
    let url = format!("http://{}", order.address());
    let options = ["--modify-delay", "0s", "--order-url", &url, "--name", "one"];
    let mut one = stack.role("delivery", &options);
    one.wait_line("assigned");
    let group = stack.real.as_ref().map_or("delivery", |real| real.group.as_str());
    let well = will_tell(
        stack,
        &[],
        &format!("ok     group {group} has one with --key order-id --guard version --lanes 64\n"),
    );
    assert_eq!(well.code, Some(0), "{well:?}");
    for fine in [
        "publishes its events with --key none\n",
        "no event of the order service waits",
        "no order is parked\n",
    ] {
        assert!(well.out.contains(fine), "{fine}: {}", well.out);
    }

    // What can't be read waits for a person, and what stands behind it waits too.
    let kim = place(stack, order.address());
    produce(stack, &garbage(kim, 2));
    let parked = will_tell(
        stack,
        &[],
        "events of 1 order(s) are parked and wait for a person: 1 poison (the oldest for ",
    );
    told(&parked, "wait for a person");
    assert!(
        parked
            .out
            .contains("1 dead letter(s) were written so far, the last one "),
        "{parked:?}"
    );

    let mut two = stack.role("delivery", &["--guard", "off", "--name", "two", "--mixed"]);
    let idle = will_tell(
        stack,
        &[],
        "has no partition and does nothing: the group has 2 members, and topic ",
    );
    told(
        &idle,
        &format!("the instances of group {group} work in different modes: two with --key order-id --guard off"),
    );
    assert!(!on(stack, &["--mixed"]).out.contains("work in different modes"));
    let korean = on(stack, &["--lang", "ko"]);
    is_korean(&korean);
    for wrong in [
        "주문 1건의 이벤트가 보류되어 사람의 결정을 기다림",
        "서로 다른 모드로 동작함",
    ] {
        assert!(korean.out.contains(wrong), "{wrong}: {korean:?}");
    }

    for role in [&mut one, &mut two, &mut order] {
        assert_eq!(role.stop(), Some(0), "{}", role.said());
    }
    unpublish(stack);
    let unpublished = on(stack, &[]);
    told(
        &unpublished,
        "1 event(s) of the order service are not published yet, the oldest since ",
    );
    assert!(
        unpublished.out.contains("remedy: start the order service"),
        "{unpublished:?}"
    );
}

/// Takes back that events were published, long ago.
fn unpublish(stack: &Stack) {
    let statement = "update order_event set published = 0, timestamp = 1000";
    match &stack.real {
        None => {
            let file = stack.folder.path().join("mall-data/orders.db");
            let file = rusqlite::Connection::open(file).expect("the orders' file");
            file.execute(statement, []).expect("it is ours");
        }
        Some(real) => {
            let done = mariadb(real, &format!("use `{}`; {statement}", real.database));
            assert!(done.expect("the client runs").status.success());
        }
    }
}

fn place(stack: &Stack, orders: SocketAddr) -> i64 {
    let fields = [
        ("customerId", "1"),
        ("productId", "100"),
        ("qty", "1"),
        ("address", "PUSAN"),
    ];
    let placed = post(orders, "/orders", &fields).id();
    wait_for("its delivery", || {
        let rows = sql(
            stack,
            &format!("select count(*) from Delivery_table where orderId = {placed}"),
        );
        (rows.trim() == "1").then_some(())
    });
    placed
}

/// A record that names this version of an order, and can't be read.
fn garbage(order: i64, version: i64) -> String {
    format!("type:OrderModified,ce_sequence:{version}\t{order}\t{{\"id\":{order},\"qty\":\"many\"}}\n")
}

fn produce(stack: &Stack, line: &str) {
    let properties = ["--property", "parse.key=true", "--property", "parse.headers=true"];
    let tool = |topic, place: [&str; 2]| {
        stack.bare(&[&["kafka-console-producer", "--topic", topic], &place[..], &properties].concat())
    };
    let data = stack.folder.path().join("mall-data");
    let mut command = match &stack.real {
        None => tool("kafka.scaling", ["--data", data.to_str().expect("a path")]),
        Some(real) => tool(&real.topic, ["--bootstrap-server", &real.kafka]),
    };
    feed(&mut command, line);
}

#[test]
fn members_and_what_waits_are_told_on_the_embedded_default() {
    members_and_what_waits_are_told(&Stack::embedded());
}

#[test]
fn members_and_what_waits_are_told_on_kafka_and_mariadb() {
    members_and_what_waits_are_told(&Stack::real());
}
