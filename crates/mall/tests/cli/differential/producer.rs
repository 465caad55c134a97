//! `kafka-console-producer`.

use super::compare;
use super::row::{Expect, Story, row, rows};

#[test]
fn kafka_console_producer() {
    compare(vec![lines(), readers(), options(), only_on_kafka(), refusals()]);
}

/// A topic to append to, and nothing in it.
const TOPIC: &[(&str, u32)] = &[("%t", 1)];

fn lines() -> Story {
    Story {
        name: "lines of input",
        topics: &[("%t", 1), ("%keyed", 3)],
        records: &[],
        commits: &[],
        rows: vec![
            row("kafka-console-producer --topic %t").input("a\nb\n"),
            row("kafka-console-producer --topic %t").input("a\r\nb\rc\n\n\r\nd"),
            row("kafka-console-producer --topic %t"),
            row("kafka-console-producer --topic %t").bytes(b"\xff\xc3(\n"),
            row("kafka-console-producer --topic %t stray").input("한글\u{0}\n"),
            row("kafka-console-producer --topic %t --sync").input("one\ntwo\n"),
            row("kafka-console-producer --topic %keyed --reader-property parse.key=true")
                .input("order-1\ta\norder-2\tb\norder-3\tc\n한\td\n\te\n"),
        ],
    }
}

/// Options of the reader, each with what it reads.
const READERS: &[(&str, &str)] = &[
    ("--reader-property parse.key=true", "k\tv\nno key\nk\tw\n"),
    ("--property parse.key=true", "k\tv\n"),
    (
        "--reader-property parse.key=true --reader-property ignore.error=true",
        "k\tv\nno key\n",
    ),
    (
        "--reader-property parse.key=true --reader-property key.separator=:",
        "k:v:w\n",
    ),
    (
        "--reader-property parse.key=true --reader-property key.separator=",
        "kv\n",
    ),
    (
        "--reader-property 'parse.key= TRUE' --reader-property null.marker=NULL",
        "NULL\tv\nk\tNULL\n",
    ),
    ("--reader-property parse.headers=true", "a:1,b:\tv\na:1\tb:2\tv\n"),
    ("--reader-property parse.headers=true", "\tv\n"),
    ("--reader-property parse.headers=true", "a\tv\n"),
    ("--reader-property parse.headers=true", "no headers\n"),
    (
        "--reader-property parse.headers=true --reader-property ignore.error=true",
        "a\tv\nno headers\n",
    ),
    (
        "--reader-property parse.headers=true --reader-property null.marker=N",
        "N\tv\na:N\tv\n",
    ),
    (
        "--reader-property parse.headers=true --reader-property null.marker=N",
        "N:1\tv\n",
    ),
    (
        "--reader-property parse.headers=true --reader-property parse.key=true",
        "a:1,,b:2,\tk\tv\n",
    ),
    (
        "--reader-property parse.headers=true --reader-property parse.key=true",
        "a:1,b:2,,\tk\tv\n",
    ),
    (
        "--reader-property parse.headers=true --reader-property headers.separator=|",
        "a:1|b:2\tv\n",
    ),
    (
        "--reader-property parse.headers=true --reader-property 'headers.separator=[;|]'",
        "a:1|b:2;c:3\tv\n",
    ),
    (
        "--reader-property parse.headers=true --reader-property headers.separator=(",
        "a:1\tv\n",
    ),
    (
        "--reader-property parse.headers=true --reader-property headers.delimiter=! \
             --reader-property headers.key.separator==",
        "a=1!v\n",
    ),
    ("--reader-property headers.separator=:", "v\n"),
    ("--reader-property headers.delimiter=:", "v\n"),
    ("--reader-property headers.delimiter=,", "v\n"),
    ("--reader-property null.marker=:", "v\n"),
    ("--reader-property null.marker=", "\nv\n"),
    (
        "--reader-property key.separator=x --reader-property null.marker=x",
        "v\n",
    ),
    ("--reader-property nonsense=1 --reader-property parse.key", "v\n"),
];

fn readers() -> Story {
    let mut rows: Vec<_> = READERS
        .iter()
        .map(|(options, input)| {
            let line = format!("kafka-console-producer --topic %t {options}");
            row(Box::leak(line.into_boxed_str())).input(input)
        })
        .collect();
    rows.push(
        row("kafka-console-producer --topic %t --reader-config <r> --reader-property ignore.error=true")
            .file("r", "parse.key : true\nkey.separator=\\u007c\n")
            .input("k|v\nno key\n"),
    );
    Story {
        name: "readers",
        topics: TOPIC,
        records: &[],
        commits: &[],
        rows,
    }
}

fn options() -> Story {
    let table = [
        "--request-required-acks all",
        "--request-required-acks 1",
        "--command-property acks=0",
        "--command-property acks=1 --command-property enable.idempotence=false",
        "--batch-size 100 --timeout 5",
        "--max-partition-memory-bytes 100",
        "--max-memory-bytes 100000",
        "--metadata-expiry-ms 5000 --request-timeout-ms 2000 --retry-backoff-ms 50",
        "--socket-buffer-size 65536",
        "--max-block-ms 5000",
        "--line-reader org.apache.kafka.tools.LineMessageReader",
        "--compression-codec none",
        "--producer-property client.id=x",
        "--command-property key.serializer=org.example.Nope",
        "--command-property max.request.size=100000 --command-property buffer.memory=100000",
        "--command-property send.buffer.bytes=65536 --command-property max.poll.records=5",
        "--command-property group.id=%g --command-property auto.offset.reset=latest",
    ];
    let rows: Vec<_> = table
        .iter()
        .map(|options| {
            let line = format!("kafka-console-producer --topic %t {options}");
            row(Box::leak(line.into_boxed_str())).input("a\n")
        })
        .collect();
    Story {
        name: "options",
        topics: TOPIC,
        records: &[],
        commits: &[],
        rows,
    }
}

/// What the embedded log refuses.
fn only_on_kafka() -> Story {
    let mut table = Vec::new();
    for codec in [
        "--compression-codec",
        "--compression-codec lz4",
        "--compression-codec=zstd",
    ] {
        let line = format!("kafka-console-producer --topic %t {codec}");
        let row = row(Box::leak(line.into_boxed_str())).input("a\n");
        table.push(row.embedded(Expect::Refused("--compression-codec")));
    }
    table.push(
        row("kafka-console-producer --topic %t --command-config <f>")
            .file(
                "f",
                "# a client of Java\nbootstrap.servers: nowhere:1\nacks=1\nkey.serializer=org.apache.kafka.common.\\\n  \
                 serialization.StringSerializer\nsecurity.protocol PLAINTEXT\nclient.id = x \n",
            )
            .input("a\n").embedded(Expect::Refused("bootstrap.servers")),
    );
    table.push(
        row("kafka-console-producer --topic %t --command-property bootstrap.servers=nowhere:1")
            .input("a\n")
            .embedded(Expect::Refused("bootstrap.servers")),
    );
    Story {
        name: "only on Kafka",
        topics: TOPIC,
        records: &[],
        commits: &[],
        rows: table,
    }
}

fn refusals() -> Story {
    let mut table = rows(&[
        "kafka-console-producer --sync",
        "kafka-console-producer --topic %t --request-required-acks 7",
        "kafka-console-producer --topic %t --compression-codec zip",
        "kafka-console-producer --topic %t --max-block-ms long",
        "kafka-console-producer --topic %t --batch-size large",
        "kafka-console-producer --topic %t --max-block-ms -1",
        "kafka-console-producer --topic %t --bogus",
        "kafka-console-producer --topic %t --command-config nowhere",
        "kafka-console-producer --topic %t --reader-config nowhere",
        "kafka-console-producer --topic %t --property a=b --reader-property a=b",
        "kafka-console-producer --topic %t --producer-property a=b --command-property a=b",
        "kafka-console-producer --topic %t --version",
        "kafka-console-producer --help",
    ]);
    table.extend([
        row("kafka-console-producer --topic %t --line-reader org.example.Reader").refused("org.example.Reader"),
        row("kafka-console-producer --topic %t --message-send-max-retries 5").refused("--message-send-max-retries"),
        row("kafka-console-producer --topic %t --command-property transactional.id=x").refused("transactional.id"),
        row("kafka-console-producer --topic %t --command-property interceptor.classes=x.Y")
            .refused("interceptor.classes"),
        row("kafka-console-producer --topic %nope --max-block-ms 1000")
            .input("a\n")
            .embedded(Expect::Says("", 0)),
        row("kafka-console-producer --topic %nope --max-block-ms 1000 --sync")
            .input("a\nb\n")
            .embedded(Expect::Absent),
        row("kafka-console-producer --topic '%a b' --max-block-ms 1000")
            .input("a\n")
            .embedded(Expect::Says("", 1)),
        row("kafka-console-producer --topic %t --command-property nonsense.name=x")
            .input("a\n")
            .kafka(Expect::Says("nonsense.name", 1))
            .embedded(Expect::Says("no use for nonsense.name", 0)),
    ]);
    Story {
        name: "refusals",
        topics: TOPIC,
        records: &[],
        commits: &[],
        rows: table,
    }
}
