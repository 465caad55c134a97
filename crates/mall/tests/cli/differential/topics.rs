//! `kafka-topics`.

use super::compare;
use super::row::{Expect, Row, Story, row, rows};

#[test]
fn kafka_topics() {
    compare(vec![
        listing(),
        creating(),
        placing(),
        growing(),
        describing(),
        stamping(),
        wrong(),
    ]);
}

/// A line that needs what the embedded log does not have.
fn on_kafka_alone(line: &'static str, option: &'static str) -> Row {
    row(line).embedded(Expect::Refused(option))
}

fn listing() -> Story {
    let mut rows = rows(&[
        "kafka-topics --list --topic %a1",
        "kafka-topics --list --topic '%a[0-9]+'",
        "kafka-topics --list --topic '%(a|b)1'",
        "kafka-topics --list --topic '%a[0-9+'",
        "kafka-topics --list --topic %nope",
        "kafka-topics --list --topic %nope --exclude-internal",
        "kafka-topics --describe --topic %nope",
        "kafka-topics --describe --topic %nope --if-exists",
        "kafka-topics --list --topic %a1 --delete-config retention.ms",
    ]);
    let internal = "kafka-topics --list --topic '__consumer_offsets|%c'";
    rows.extend([
        row("kafka-topics --list").crowded(),
        row("kafka-topics --list --exclude-internal").crowded(),
        row(internal).embedded(Expect::Says("%c", 0)),
        row("kafka-topics --list --topic '__consumer_offsets|%c' --exclude-internal"),
        row("kafka-topics --list --partition-size-limit-per-response 3").refused("--partition-size-limit-per-response"),
    ]);
    Story {
        name: "names",
        topics: &[("%a1", 1), ("%a22", 1), ("%b1", 1), ("%c", 2)],
        records: &[],
        commits: &[("%g", "%c", 0, 0)],
        rows,
    }
}

fn creating() -> Story {
    let mut rows = rows(&[
        "kafka-topics --create --topic %a --partitions 1",
        "kafka-topics --create --topic %a --if-not-exists",
        "kafka-topics --create --topic %b --partitions 3",
        "kafka-topics --create --topic %c",
        "kafka-topics --create --topic %d --replication-factor 1",
        "kafka-topics --create --topic %x.y",
        "kafka-topics --create --topic %x_y",
        "kafka-topics --create --topic '%x y'",
        "kafka-topics --create --topic ..",
        "kafka-topics --create --topic %e --replication-factor 0",
        "kafka-topics --create --topic %e --replication-factor -1",
        "kafka-topics --create --topic %e --replication-factor x",
        "kafka-topics --create --topic %e --partitions 0",
        "kafka-topics --create --topic %e --partitions -1",
        "kafka-topics --create --topic %e --partitions 1.5",
    ]);
    let copies = Expect::Says(
        "Unable to replicate the partition 3 time(s): The target replication factor of 3",
        1,
    );
    let config = |line| on_kafka_alone(line, "--config");
    rows.extend([
        row("kafka-topics --create --topic %e --replication-factor 3").embedded(copies),
        config(
            "kafka-topics --create --topic %f --config message.timestamp.type=LogAppendTime --config retention.ms=9",
        ),
        config("kafka-topics --create --topic %h --config no.such.setting=1"),
        config("kafka-topics --create --topic %h --config retention.ms=long"),
        config("kafka-topics --create --topic %h --config retention.ms"),
    ]);
    Story {
        name: "new topics",
        topics: &[("%a", 2)],
        records: &[],
        commits: &[],
        rows,
    }
}

fn placing() -> Story {
    let lines = [
        "kafka-topics --create --topic %a --replica-assignment 1,1",
        "kafka-topics --alter --topic %a --partitions 3 --replica-assignment 1,1,1",
        "kafka-topics --alter --topic %a --partitions 4 --replica-assignment 1,1,1",
        "kafka-topics --create --topic %b --replica-assignment 1:1",
        "kafka-topics --create --topic %b --replica-assignment 1,1:2",
        "kafka-topics --create --topic %b --replica-assignment x",
        "kafka-topics --create --topic %b --replica-assignment 77777",
    ];
    Story {
        name: "partitions on certain brokers",
        topics: &[("%other", 1)],
        records: &[],
        commits: &[],
        rows: lines.map(|line| on_kafka_alone(line, "--replica-assignment")).to_vec(),
    }
}

fn growing() -> Story {
    let mut rows = rows(&[
        "kafka-topics --alter --topic %a --partitions 0",
        "kafka-topics --alter --topic %a --partitions -1",
        "kafka-topics --alter --topic %a --partitions 1",
        "kafka-topics --alter --topic %a --partitions 2",
        "kafka-topics --alter --topic %a --partitions 3",
        "kafka-topics --alter --topic '%(a|b)' --partitions 5",
        "kafka-topics --alter --topic %nope --partitions 5",
        "kafka-topics --alter --topic %nope --partitions 5 --if-exists",
    ]);
    let delete = |line| row(line).embedded(Expect::Refused("--delete"));
    rows.extend([
        delete("kafka-topics --delete --topic %nope"),
        delete("kafka-topics --delete --topic %nope --if-exists"),
    ]);
    Story {
        name: "existing topics",
        topics: &[("%a", 2), ("%b", 2)],
        records: &[],
        commits: &[],
        rows,
    }
}

fn describing() -> Story {
    let plain = |line| {
        row(line).embedded(Expect::Says(
            "Topic: %a\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: ",
            0,
        ))
    };
    let id = |line| on_kafka_alone(line, "--topic-id");
    Story {
        name: "descriptions",
        topics: &[("%a", 2), ("%b", 1)],
        records: &[],
        commits: &[],
        rows: vec![
            plain("kafka-topics --describe --topic %a"),
            plain("kafka-topics --describe --topic '%[ab]'").unordered(),
            row("kafka-topics --describe --topic %a --topics-with-overrides").embedded(Expect::Says("", 0)),
            row("kafka-topics --describe --topic %a --under-replicated-partitions"),
            row("kafka-topics --describe --topic %a --unavailable-partitions"),
            row("kafka-topics --describe --topic %a --under-min-isr-partitions"),
            row("kafka-topics --describe --topic %a --at-min-isr-partitions").embedded(Expect::Says("Leader: 0", 0)),
            id("kafka-topics --describe --topic-id AAAAAAAAAAAAAAAAAAAAAQ"),
            id("kafka-topics --describe --topic-id AAAAAAAAAAAAAAAAAAAAAA --topic %a"),
            id("kafka-topics --describe --topic-id AAAAAAAAAAAAAAAAAAAAAA --topic %a --if-exists"),
            id("kafka-topics --describe --topic-id nope"),
        ],
    }
}

fn wrong() -> Story {
    let config = "kafka-topics --alter --topic %t --partitions 2 --config retention.ms=1";
    let mut rows = rows(&[
        "kafka-topics --list --create --topic %t",
        "kafka-topics --create",
        "kafka-topics --delete",
        "kafka-topics --alter --topic %t",
        "kafka-topics --alter --topic %t --partitions 2 --replication-factor 1",
        "kafka-topics --list --partitions 2",
        "kafka-topics --list --config retention.ms=1",
        "kafka-topics --create --topic %u --if-exists",
        "kafka-topics --create --topic %u --exclude-internal",
        "kafka-topics --describe --if-not-exists",
        "kafka-topics --describe --if-exists",
        "kafka-topics --describe --unavailable-partitions --topics-with-overrides",
        "kafka-topics --list --under-replicated-partitions",
        "kafka-topics --create --topic %u --replica-assignment 1 --partitions 1",
    ]);
    // Java's tool names the two options in any order.
    rows.push(row(config).says("can't be used with option \"[alter]\"", 1));
    Story {
        name: "what makes no sense",
        topics: &[("%t", 1)],
        records: &[],
        commits: &[],
        rows,
    }
}

fn stamping() -> Story {
    let create = "kafka-topics --create --topic %t --config message.timestamp.type=LogAppendTime";
    let consume =
        "kafka-console-consumer --topic %t --from-beginning --max-messages 1 --formatter-property print.timestamp=true";
    Story {
        name: "times that the log gives",
        topics: &[("%other", 1)],
        records: &[],
        commits: &[],
        rows: vec![
            on_kafka_alone(create, "--config"),
            row("kafka-console-producer --topic %t").input("a\n"),
            row(consume).embedded(Expect::Says("CreateTime:now\ta", 0)),
        ],
    }
}
