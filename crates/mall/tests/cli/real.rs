//! The same commands against Apache Kafka and MariaDB, beside Kafka's and the database's own tools.

use std::process::Command;

use super::program::{Ended, Folder, ended};
use super::support::http::post;
use super::support::stack::Stack;
use super::support::tools::mariadb;

pub fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: this test needs a running Kafka and MariaDB"))
}

pub fn java(words: &[&str]) -> Ended {
    let tool = format!("{}/{}", required("MALL_TEST_KAFKA_TOOLS"), words[0]);
    ended(
        Command::new(tool)
            .args(&words[1..])
            .output()
            .expect("Kafka's tool runs"),
    )
}

/// Topics are shared by everybody who tests.
pub fn unique(name: &str) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock");
    format!("mall-cli-{name}-{}-{}", std::process::id(), now.as_nanos())
}

#[test]
fn kafkas_own_tools_print_the_same() {
    let folder = Folder::new();
    let (servers, topic) = (required("MALL_TEST_KAFKA"), unique("same"));
    let at = ["--bootstrap-server", servers.as_str(), "--topic", topic.as_str()];
    let created = folder.run(&[&["kafka-topics", "--create", "--partitions", "2"], &at[..]].concat());
    assert_eq!(
        (created.code, created.out),
        (Some(0), format!("Created topic {topic}.\n")),
        "{}",
        created.err
    );

    for words in [
        &["--create"][..],
        &["--alter", "--partitions", "2"],
        &["--alter", "--partitions", "1"],
    ] {
        let words = [&["kafka-topics"], words, &at[..]].concat();
        let (ours, theirs) = (folder.run(&words), java(&words));
        assert_eq!(
            (ours.code, &ours.out),
            (theirs.code, &theirs.out),
            "{words:?}: {}",
            ours.err
        );
    }

    let parse = [
        "--reader-property",
        "parse.key=true",
        "--reader-property",
        "parse.headers=true",
    ];
    let words = [&["kafka-console-producer"], &at[..], &parse].concat();
    let produced = folder.run_with(&words, "a:1,b:\tk\tv1\na:2\tk\tv2\na:3\tk\t한글\n");
    assert_eq!(produced.code, Some(0), "{produced:?}");

    let mut words = [
        &["kafka-console-consumer", "--from-beginning", "--max-messages", "3"],
        &at[..],
    ]
    .concat();
    let columns = ["timestamp", "partition", "offset", "headers", "key"].map(|column| format!("print.{column}=true"));
    words.extend(columns.iter().flat_map(|column| ["--formatter-property", column]));
    let (ours, theirs) = (folder.run(&words), java(&words));
    assert_eq!(
        (ours.code, &ours.out),
        (theirs.code, &theirs.out),
        "{} {}",
        ours.err,
        theirs.err
    );
    assert!(ours.out.ends_with("\ta:3\tk\t한글\n"), "{ours:?}");
    assert!(!folder.has_data());
}

/// A topic that takes only small batches takes a long value in a compressed one.
#[test]
fn the_codec_that_was_given_compresses() {
    let folder = Folder::new();
    let (servers, topic) = (required("MALL_TEST_KAFKA"), unique("codec"));
    let at = ["--bootstrap-server", servers.as_str(), "--topic", topic.as_str()];
    let created = java(
        &[
            &["kafka-topics", "--create", "--config", "max.message.bytes=2000"],
            &at[..],
        ]
        .concat(),
    );
    assert_eq!(created.code, Some(0), "{created:?}");
    let long = "a".repeat(20_000);
    let produce = |options: &[&str]| {
        let words = [&["kafka-console-producer"], &at[..], options].concat();
        folder.run_with(&words, &format!("{long}\n"))
    };
    for options in [&[][..], &["--compression-codec", "none"]] {
        let refused = produce(options);
        assert!(
            refused.err.contains("ERROR Error when sending message"),
            "{options:?}: {refused:?}"
        );
    }
    let codecs: [&[&str]; 4] = [
        &["--compression-codec"],
        &["--compression-codec", "lz4"],
        &["--compression-codec=snappy"],
        &["--compression-codec", "zstd"],
    ];
    for options in codecs {
        let produced = produce(options);
        assert_eq!((produced.code, &*produced.err), (Some(0), ""), "{options:?}");
    }
    let words = [
        &["kafka-console-consumer", "--from-beginning", "--max-messages=4"],
        &at[..],
    ]
    .concat();
    assert_eq!(java(&words).out, format!("{long}\n").repeat(4));
}

#[test]
fn the_mysql_client_draws_the_same_table() {
    let folder = Folder::new();
    let url = required("MALL_TEST_MYSQL");
    let statement = "select 1 as id, 12345 as number, null as nothing, 'SEOUL' as address, '부산' as city, 1.50 as price \
                     union all select 22, 7, null, '', 'x', 20.25";
    let ours = folder.run(&["sql", "--database-url", &format!("{url}/information_schema"), statement]);
    let (account, place) = url.trim_start_matches("mysql://").split_once('@').expect("an account");
    let (user, password) = account.split_once(':').expect("a password");
    let (host, port) = place.split_once(':').expect("a port");
    let client = Command::new("mariadb")
        .env("MYSQL_PWD", password)
        .args(["--protocol=tcp", "--table", "--default-character-set=utf8mb4"])
        .args(["-h", host, "-P", port, "-u", user, "-e", statement])
        .output();
    let theirs = ended(client.expect("the client runs"));
    assert!(!theirs.out.is_empty(), "{theirs:?}");
    assert!(ours.out.starts_with(&theirs.out), "{ours:?}\n{theirs:?}");
    assert!(ours.out[theirs.out.len()..].starts_with("2 rows in set ("), "{ours:?}");
}

#[test]
fn a_database_is_only_read() {
    let folder = Folder::new();
    let url = format!("{}/information_schema", required("MALL_TEST_MYSQL"));
    for (statement, code) in [
        ("create database should_not_be", 64),
        ("with a as (select 1) delete from mysql.user", 64),
        ("select * from nope", 2),
    ] {
        let ended = folder.run(&["sql", "--database-url", &url, statement]);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(!ended.err.contains("1234"), "{ended:?}");
    }
}

#[test]
fn an_account_that_may_only_select_looks_at_everything() {
    let stack = Stack::real();
    let real = stack.real.as_ref().expect("a real stack");
    let mut order = stack.role("order", &[]);
    let mut delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    let fields = [
        ("customerId", "1"),
        ("productId", "100"),
        ("productName", "RADIO"),
        ("qty", "3"),
        ("address", "PUSAN"),
    ];
    assert_eq!(post(order.address(), "/orders", &fields).status, 201);
    delivery.wait_line("DELIVERY STARTED");
    order.stop();
    delivery.stop();

    let reader = real.database.replace("mall", "reader");
    let run = |sql: &str| {
        let done = mariadb(real, sql).expect("the client runs");
        assert!(done.status.success(), "{sql}: {done:?}");
    };
    run(&format!("create user `{reader}`@`%` identified by 'secret'"));
    run(&format!("grant select on `{}`.* to `{reader}`@`%`", real.database));
    let place = real.mysql.split_once('@').expect("an account").1;
    let url = format!("mysql://{reader}:secret@{place}/{}", real.database);
    let at = ["--database-url", &*url];
    let log = [
        "--bootstrap-server",
        &*real.kafka,
        "--topic",
        &*real.topic,
        "--group",
        &*real.group,
    ];
    let verify = [&["verify", "--wait", "20s"], &at[..], &log].concat();
    let commands = [
        ([&["sql", "select count(*) as n from Order_table"], &at[..]].concat(), 0),
        ([&["parked", "list"], &at[..]].concat(), 0),
        ([&["parked", "show", "1"], &at[..]].concat(), 1),
        (verify, 0),
        ([&["parked", "discard", "1", "1"], &at[..]].concat(), 2),
    ];
    let doctor = stack.bare(&[&["doctor"], &at[..], &log].concat()).output();
    let ended: Vec<_> = commands
        .iter()
        .map(|(words, _)| ended(stack.bare(words).output().expect("it runs")))
        .collect();
    run(&format!("drop user `{reader}`@`%`"));
    for ((words, code), ended) in commands.iter().zip(&ended) {
        assert_eq!(ended.code, Some(*code), "{words:?}: {ended:?}");
    }
    assert!(
        ended[4].err.contains("may not insert into") && !ended[4].err.contains("secret"),
        "{:?}",
        ended[4]
    );
    let told = super::program::ended(doctor.expect("it runs"));
    assert!(
        told.out.contains("WRONG  the database at mysql://") && told.out.contains("may not insert into"),
        "{told:?}"
    );
}
