//! The tools of the course: Kafka's console tools and a MySQL client on the real stack, `mall`'s own on the embedded one.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use keylane_log::EventLog;
use keylane_log::kafka::KafkaLog;
use serde_json::Value;

use super::required;
use super::stack::{Real, Stack};

/// What the console consumer is asked to print beside the value.
pub const SHOWN: [&str; 5] = [
    "print.timestamp=true",
    "print.partition=true",
    "print.offset=true",
    "print.headers=true",
    "print.key=true",
];

/// A record as the console consumer prints it.
#[derive(Debug, Clone)]
pub struct Printed {
    pub timestamp: i64,
    pub partition: u32,
    pub offset: u64,
    pub headers: String,
    pub key: Option<String>,
    pub value: Value,
    pub line: String,
}

impl Printed {
    pub fn event(&self) -> &str {
        self.value["eventType"].as_str().unwrap_or_default()
    }

    /// The order that the event is about.
    pub fn order(&self) -> i64 {
        let field = if self.event().starts_with("Delivery") {
            "orderId"
        } else {
            "id"
        };
        self.value[field].as_i64().unwrap_or_default()
    }
}

/// Grows the topic with the tool that belongs to the stack.
#[track_caller]
pub fn grow(stack: &Stack, partitions: u32) {
    let partitions = partitions.to_string();
    let output = match &stack.real {
        // One dash, as the course types it.
        None => stack.tool(&[
            "kafka-topics",
            "--alter",
            "--topic",
            "kafka.scaling",
            "-partitions",
            &partitions,
        ]),
        Some(real) => java("kafka-topics", real)
            .args(["--alter", "--topic", &real.topic, "--partitions", &partitions])
            .output(),
    };
    succeeded(output);
}

/// Every record of the topic from the beginning, by partition, as `kafka-console-consumer` prints them.
#[track_caller]
pub fn records(stack: &Stack) -> Vec<Printed> {
    match &stack.real {
        None => {
            let mut args = console_consumer("--property", "kafka.scaling");
            args.extend(["--timeout-ms", "4000"]);
            printed(stack.tool(&args))
        }
        Some(real) => records_of(real, &real.topic),
    }
}

/// Every record that the topic has now, as Java's console consumer prints them.
///
/// Java's tool gives up when nothing has come for a while, which on a busy machine is before it has found the broker. So
/// it is told how many records there are, and ends once it has printed them.
#[track_caller]
pub fn records_of(real: &Real, topic: &str) -> Vec<Printed> {
    let there = how_many(real, topic);
    if there == 0 {
        return Vec::new();
    }
    let count = there.to_string();
    let mut args = console_consumer("--formatter-property", topic);
    args.extend(["--max-messages", &count, "--timeout-ms", "60000"]);
    let found = printed(java(args[0], real).args(&args[1..]).output());
    assert_eq!(
        found.len() as u64,
        there,
        "the console consumer prints what {topic} has"
    );
    found
}

#[track_caller]
fn how_many(real: &Real, topic: &str) -> u64 {
    let log = KafkaLog::connect(&real.kafka, Vec::new()).expect("a client of the broker starts");
    let extents = log.extents(topic).expect("the broker tells how far a topic goes");
    extents.iter().map(|extent| extent.end.0 - extent.start.0).sum()
}

fn console_consumer<'a>(property: &'a str, topic: &'a str) -> Vec<&'a str> {
    let mut args = vec!["kafka-console-consumer", "--topic", topic, "--from-beginning"];
    for shown in SHOWN {
        args.extend([property, shown]);
    }
    args
}

#[track_caller]
fn printed(output: std::io::Result<Output>) -> Vec<Printed> {
    let text = String::from_utf8(output.expect("the console consumer runs").stdout).expect("records are UTF-8");
    text.lines()
        .filter(|line| line.starts_with("CreateTime:"))
        .map(parse)
        .collect()
}

/// Runs a tool with this on its standard input.
#[track_caller]
pub fn feed(command: &mut Command, input: &str) {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the tool runs");
    child
        .stdin
        .take()
        .expect("stdin is piped")
        .write_all(input.as_bytes())
        .expect("the tool reads");
    assert!(child.wait().expect("the tool ends").success());
}

/// What a line of the console consumer says, when it was asked for [`SHOWN`].
#[track_caller]
pub fn parse(line: &str) -> Printed {
    let parts: Vec<&str> = line.splitn(6, '\t').collect();
    let [time, partition, offset, headers, key, value] = parts[..] else {
        panic!("unexpected record line {line:?}")
    };
    let number = |text: &str| {
        text.rsplit(':')
            .next()
            .and_then(|number| number.parse::<i64>().ok())
            .unwrap_or(-1)
    };
    Printed {
        timestamp: number(time),
        partition: u32::try_from(number(partition)).expect("a partition"),
        offset: u64::try_from(number(offset)).expect("an offset"),
        headers: headers.into(),
        key: (key != "null").then(|| key.into()),
        value: serde_json::from_str(value).unwrap_or_else(|error| panic!("{error} in {value:?}")),
        line: line.into(),
    }
}

/// One row and column of the database: the answer to `select … ` as bare text, rows separated by line breaks.
#[track_caller]
pub fn sql(stack: &Stack, query: &str) -> String {
    match &stack.real {
        None => table_cells(&succeeded(stack.tool(&["sql", query]))),
        Some(real) => succeeded(mariadb(real, &format!("use `{}`; {query}", real.database))),
    }
}

/// The cells of a table in the mysql client's layout, tab separated, without the heading.
fn table_cells(table: &str) -> String {
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(1);
    let rows: Vec<String> = rows
        .map(|row| {
            row.trim_matches('|')
                .split('|')
                .map(str::trim)
                .collect::<Vec<_>>()
                .join("\t")
        })
        .collect();
    rows.join("\n")
}

/// Runs a statement with the mariadb client, which prints bare values.
pub fn mariadb(real: &Real, statement: &str) -> std::io::Result<Output> {
    let mut client = mariadb_client(real);
    client
        .args(["--skip-column-names", "--batch", "-e", statement])
        .output()
}

/// Runs a statement with the mariadb client, which draws tables.
pub fn mariadb_table(real: &Real, statement: &str) -> Output {
    let mut client = mariadb_client(real);
    client
        .args(["--table", "-e", statement])
        .output()
        .expect("the client runs")
}

fn mariadb_client(real: &Real) -> Command {
    let (account, host) = real
        .mysql
        .trim_start_matches("mysql://")
        .split_once('@')
        .expect("an account in the URL");
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    let (host, port) = host.split_once(':').unwrap_or((host, "3306"));
    let mut client = Command::new("mariadb");
    client
        .env("MYSQL_PWD", password)
        .args(["--protocol=tcp", "--default-character-set=utf8mb4"])
        .args(["-h", host, "-P", port, "-u", user]);
    client
}

/// One of Kafka's own tools, pointed at the broker.
pub fn java(tool: &str, real: &Real) -> Command {
    let mut command = Command::new(format!("{}/{tool}", required("MALL_TEST_KAFKA_TOOLS")));
    command.args(["--bootstrap-server", &real.kafka]);
    command
}

impl Stack {
    /// One of `mall`'s tools on the embedded data.
    pub fn tool(&self, args: &[&str]) -> std::io::Result<Output> {
        self.bare(args)
            .arg("--data")
            .arg(self.folder.path().join("mall-data"))
            .output()
    }
}

#[track_caller]
fn succeeded(output: std::io::Result<Output>) -> String {
    let output = output.expect("the tool can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the tool ended with {}: {text}{trouble}",
        output.status
    );
    text
}
