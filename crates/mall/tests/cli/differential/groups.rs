//! `kafka-consumer-groups`. Groups with members are compared beside this table, since they need processes.

use super::compare;
use super::row::{Expect, Row, Story, row, rows};

#[test]
fn kafka_consumer_groups() {
    compare(vec![describing(), resets(), files(), deleting(), wrong()]);
}

const RECORDS: &[(&str, u32, Option<&str>, &str)] = &[("%t", 0, None, "a"), ("%t", 0, None, "b"), ("%t", 1, None, "c")];

/// A reset prints partitions in the order of Java's hash table.
fn reset(line: &'static str) -> Row {
    row(line).unordered()
}

fn describing() -> Story {
    let mut rows = rows(&[
        "kafka-consumer-groups --describe --group %g",
        "kafka-consumer-groups --describe --group %g --offsets",
        "kafka-consumer-groups --describe --group %g --verbose",
        "kafka-consumer-groups --describe --group %h --group %g",
        "kafka-consumer-groups --describe --group %g --members",
        "kafka-consumer-groups --describe --group %g --members --verbose",
        "kafka-consumer-groups --describe --group %nope",
        "kafka-consumer-groups --describe --group %g --group %nope",
    ]);
    let state = |line| row(line).embedded(Expect::Says("Empty", 0));
    rows.extend([
        state("kafka-consumer-groups --describe --group %g --state"),
        state("kafka-consumer-groups --describe --group %g --state --verbose"),
        row("kafka-consumer-groups --list").crowded().unordered(),
        row("kafka-consumer-groups --list --state").crowded().unordered(),
        row("kafka-consumer-groups --list --type").crowded().unordered(),
        row("kafka-consumer-groups --list --state --type").crowded().unordered(),
        row("kafka-consumer-groups --list --state empty,Dead --type CLASSIC")
            .crowded()
            .unordered(),
        row("kafka-consumer-groups --list --state stable").crowded(),
        row("kafka-consumer-groups --list --type consumer").crowded(),
        row("kafka-consumer-groups --list --type nope"),
        // Java's tool names the valid states in any order, and does not know these of its own client's accord.
        row("kafka-consumer-groups --list --state nope").says("Invalid state list 'nope'. Valid states are: ", 1),
        row("kafka-consumer-groups --list --state Reconciling").refused("--state"),
        row("kafka-consumer-groups --list --timeout 9000").refused("--timeout"),
        row("kafka-consumer-groups --validate-regex a.*").refused("--validate-regex"),
    ]);
    Story {
        name: "groups without members",
        topics: &[("%t", 2)],
        records: RECORDS,
        commits: &[("%g", "%t", 0, 1), ("%g", "%t", 1, 1), ("%h", "%t", 0, 2)],
        rows,
    }
}

fn resets() -> Story {
    Story {
        name: "resets",
        topics: &[("%t", 2)],
        records: RECORDS,
        commits: &[("%g", "%t", 0, 1)],
        rows: vec![
            reset("kafka-consumer-groups --reset-offsets --group %g --topic %t --to-latest --execute"),
            reset("kafka-consumer-groups --reset-offsets --group %g --topic %t --to-earliest"),
            reset("kafka-consumer-groups --reset-offsets --group %g --topic %t:1 --to-earliest --execute"),
            reset("kafka-consumer-groups --reset-offsets --group %g --all-topics --to-current --dry-run"),
            reset("kafka-consumer-groups --reset-offsets --group %g --all-topics --topic %t:0 --shift-by -1 --execute"),
            reset("kafka-consumer-groups --reset-offsets --group %g --topic %t --to-offset 99 --execute"),
            reset("kafka-consumer-groups --reset-offsets --group %g --topic %t --by-duration PT2H --execute"),
            reset("kafka-consumer-groups --reset-offsets --group %g --topic %t --by-duration PT30M --execute"),
            reset("kafka-consumer-groups --reset-offsets --group %g --topic %t --by-duration p1dt2h3m4.5s --dry-run"),
            reset("kafka-consumer-groups --reset-offsets --group %g --topic %t --by-duration PT-1H --dry-run"),
            row(
                "kafka-consumer-groups --reset-offsets --group %g --topic %t --by-duration PT99999999999999H --dry-run",
            ),
            row("kafka-consumer-groups --reset-offsets --group %g --topic %t --by-duration 1h --dry-run").says(
                "Text cannot be parsed to a Duration: \"1h\"; P1DT2H3M4.5S is allowed",
                0,
            ),
            reset(
                "kafka-consumer-groups --reset-offsets --group %g --topic %t --to-datetime 2001-01-01T00:00:00.000 --dry-run",
            ),
            reset("kafka-consumer-groups --reset-offsets --group %g --group %new --topic %t --to-earliest --execute"),
            reset("kafka-consumer-groups --reset-offsets --group %g --group %g --topic %t --to-latest --dry-run"),
            row("kafka-consumer-groups --reset-offsets --group %other --topic %t:0 --shift-by 1 --dry-run"),
            row("kafka-consumer-groups --reset-offsets --group %g --topic %t:7 --to-earliest --dry-run"),
            row("kafka-consumer-groups --reset-offsets --group %g --topic %t --shift-by x --dry-run"),
            row("kafka-consumer-groups --reset-offsets --group %g --topic %nope --to-earliest --dry-run")
                .kafka(Expect::Says("there is no topic %nope", 0))
                .embedded(Expect::Says("topic '%nope' does not exist", 0)),
        ],
    }
}

fn files() -> Story {
    let line = "kafka-consumer-groups --reset-offsets --group %g --from-file <plan> --dry-run";
    let two = "kafka-consumer-groups --reset-offsets --group %g --group %h --from-file <plan> --execute";
    Story {
        name: "resets by file",
        topics: &[("%t", 2)],
        records: RECORDS,
        commits: &[("%g", "%t", 0, 1), ("%h", "%t", 1, 0)],
        rows: vec![
            reset("kafka-consumer-groups --reset-offsets --group %g --topic %t --to-latest --dry-run --export"),
            reset(
                "kafka-consumer-groups --reset-offsets --group %g --group %h --topic %t --to-latest --dry-run --export",
            ),
            reset(line).file("plan", "%t,0,2\n%t,1,0\n"),
            reset(line).file("plan", "\"%t\",0,99\n\n"),
            reset(line).file("plan", "%g,%t,0,2\n%h,%t,1,1\n"),
            reset(two).file("plan", "%g,%t,0,2\n%h,%t,1,1\n"),
            reset(two).file("plan", "%g,%t,0,0\n"),
            reset("kafka-consumer-groups --reset-offsets --group %g --from-file <plan> --topic %t:0 --execute")
                .file("plan", "%t,1,1\n"),
            row("kafka-consumer-groups --reset-offsets --group %g --from-file /no/such/file --dry-run"),
            // Java's tool takes what is missing for 0.
            row(line)
                .file("plan", "%t,0\n")
                .says("line 1 is \"%t,0\"; group,topic,partition,offset is allowed", 0),
            row(two)
                .file("plan", "%t,0,1\n")
                .says("line 1 is \"%t,0,1\"; group,topic,partition,offset is allowed", 0),
            row(line).file("plan", "").says("topic,partition,offset is allowed", 0),
        ],
    }
}

fn deleting() -> Story {
    Story {
        name: "deletions",
        topics: &[("%t", 2), ("%u", 1)],
        records: RECORDS,
        commits: &[
            ("%g", "%t", 0, 1),
            ("%g", "%t", 1, 1),
            ("%g", "%u", 0, 0),
            ("%h", "%t", 0, 1),
        ],
        rows: rows(&[
            "kafka-consumer-groups --delete-offsets --group %g --topic %t:0",
            "kafka-consumer-groups --delete-offsets --group %g --topic %t --topic %nope --topic %u:7",
            "kafka-consumer-groups --delete-offsets --group %g --topic %nope",
            "kafka-consumer-groups --delete-offsets --group %nope --topic %t",
            "kafka-consumer-groups --delete-offsets --group %g --group %h --topic %t",
            "kafka-consumer-groups --delete-offsets --group %g --topic %t:x",
            "kafka-consumer-groups --delete --group %nope",
            "kafka-consumer-groups --delete --group %g --group %nope",
            "kafka-consumer-groups --delete --group %h",
            "kafka-consumer-groups --delete --group %h",
        ]),
    }
}

fn wrong() -> Story {
    let mut rows = rows(&[
        "kafka-consumer-groups --describe --group %g --members --state",
        "kafka-consumer-groups --describe --group %g --state stable",
        "kafka-consumer-groups --describe --group %g --topic %t",
        "kafka-consumer-groups --describe --group %g --all-groups",
        "kafka-consumer-groups --list --group %g",
        "kafka-consumer-groups --list --members",
        "kafka-consumer-groups --delete --group %g --topic %t",
        "kafka-consumer-groups --reset-offsets --group %g --dry-run",
        "kafka-consumer-groups --reset-offsets --group %g --to-latest --dry-run",
        "kafka-consumer-groups --reset-offsets --group %g --topic %t --to-latest --to-earliest --dry-run",
        "kafka-consumer-groups --reset-offsets --group %g --topic %t --to-latest --execute --dry-run",
        "kafka-consumer-groups --reset-offsets --group %g --topic %t:0:1 --to-latest --dry-run",
        "kafka-consumer-groups --reset-offsets --group %g --topic %t: --to-latest --dry-run",
    ]);
    // Java's tool names these options in any order.
    rows.extend([
        row("kafka-consumer-groups --describe").says("Option [describe] takes one of these options: ", 1),
        row("kafka-consumer-groups --delete").says("Option [delete] takes one of these options: ", 1),
        row("kafka-consumer-groups --delete-offsets --group %g")
            .says("Option [delete-offsets] takes the following options", 1),
        row("kafka-consumer-groups --reset-offsets --group %g --topic %t --dry-run")
            .says("requires one of the following scenarios", 1),
    ]);
    Story {
        name: "what makes no sense",
        topics: &[("%t", 1)],
        records: &[],
        commits: &[("%g", "%t", 0, 0)],
        rows,
    }
}
