//! `kafka-console-consumer`.

use super::compare;
use super::row::{Row, Story, row, rows};

#[test]
fn kafka_console_consumer() {
    compare(vec![
        formats(),
        deserializers(),
        places(),
        groups(),
        refusals(),
        patterns(),
    ]);
}

const PAIR: &[(&str, u32, Option<&str>, &str)] = &[("%t", 0, Some("k"), "a"), ("%t", 0, None, "b")];

fn formats() -> Story {
    let mut table = rows(&[
        "kafka-console-consumer --topic %t --from-beginning --max-messages 2",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --property print.key=true",
        "kafka-console-consumer -topic %t -from-beginning -max-messages=2 stray",
        "kafka-console-consumer --topic %t --from-beginning=yes --max-messages 1",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --formatter-property print.timestamp=true",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --formatter-property print.offset=true \
         --formatter-property print.partition=true --formatter-property print.headers=true",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --formatter-property print.epoch=true \
         --formatter-property print.delivery=true",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --formatter-property print.value=false",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --formatter-property print.key=true \
         --formatter-property print.value=false",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --formatter-property 'print.key= TRUE ' \
         --formatter-property key.separator== --formatter-property line.separator=;",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --formatter-property print.key=true \
         --formatter-property null.literal=- --formatter-property key.separator=",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --formatter-property print.key=true \
         --formatter-property print.key=false --formatter-property nonsense=1 --formatter-property print.offset",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 2 \
         --formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 2 \
         --formatter org.apache.kafka.tools.consumer.DefaultMessageFormatter",
    ]);
    table.extend([
        row(
            "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --formatter-config <f> \
             --formatter-property print.partition=false",
        )
        .file(
            "f",
            "# a comment\n  print.key : true\nprint.partition=true\nkey.separator=\\u007c\\\n   \\t\\:\nnull.literal none\n",
        ),
        row("kafka-console-consumer --topic %t --from-beginning --max-messages 2 --property print.key=true,print.offset=true")
            .says("Offset:0\tk\ta\n", 0),
        row(
            "kafka-console-consumer --topic %t --from-beginning --max-messages 2 \
             --formatter org.apache.kafka.tools.consumer.LoggingMessageFormatter",
        )
        .refused("LoggingMessageFormatter"),
        row("kafka-console-consumer --topic %t --from-beginning --max-messages 1 --formatter-config nowhere")
            .says("can't read the properties in nowhere", 1),
        row("kafka-console-consumer --topic %t --from-beginning --max-messages 2 --enable-systest-events")
            .refused("--enable-systest-events"),
    ]);
    Story {
        name: "formats",
        topics: &[("%t", 1)],
        records: PAIR,
        commits: &[],
        rows: table,
    }
}

fn deserializers() -> Story {
    let mut table = rows(&[
        "kafka-console-consumer --topic %t --from-beginning --max-messages 3 --formatter-property print.key=true \
         --key-deserializer org.apache.kafka.common.serialization.StringDeserializer",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 3 --formatter-property print.key=true \
         --formatter-property key.deserializer=org.apache.kafka.common.serialization.IntegerDeserializer",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 3 --formatter-property print.offset=true \
         --value-deserializer org.apache.kafka.common.serialization.LongDeserializer",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 3 --formatter-property print.offset=true \
         --value-deserializer org.apache.kafka.common.serialization.LongDeserializer --skip-message-on-error",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 3 \
         --value-deserializer org.apache.kafka.common.serialization.ShortDeserializer",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 3 --skip-message-on-error \
         --value-deserializer org.apache.kafka.common.serialization.BooleanDeserializer",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 3 \
         --value-deserializer org.apache.kafka.common.serialization.BytesDeserializer",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 3 --formatter-property print.headers=true \
         --formatter-property headers.deserializer=org.apache.kafka.common.serialization.LongDeserializer",
    ]);
    table.extend([
        row("kafka-console-consumer --topic %t --from-beginning --max-messages 3 \
             --value-deserializer org.apache.kafka.common.serialization.ByteArrayDeserializer")
        .says("ab\n12345678\nb\\c\n", 0),
        row(
            "kafka-console-consumer --topic %t --from-beginning --max-messages 3 --value-deserializer org.example.Avro",
        )
        .refused("org.example.Avro"),
        row(
            "kafka-console-consumer --topic %t --from-beginning --max-messages 3 --key-deserializer StringDeserializer",
        )
        .refused("StringDeserializer"),
        row("kafka-console-consumer --topic %t --from-beginning --max-messages 3 \
             --value-deserializer org.apache.kafka.common.serialization.UUIDDeserializer")
        .refused("UUIDDeserializer"),
    ]);
    Story {
        name: "deserializers",
        topics: &[("%t", 1)],
        records: &[
            ("%t", 0, Some("abcd"), "ab"),
            ("%t", 0, None, "12345678"),
            ("%t", 0, Some("\u{1}\u{2}"), "b\\c"),
        ],
        commits: &[],
        rows: table,
    }
}

/// Where reading begins and ends.
fn places() -> Story {
    let mut table = rows(&[
        "kafka-console-consumer --topic %t --partition 0 --offset 1 --max-messages 1",
        "kafka-console-consumer --topic %t --partition 0 --offset Earliest --max-messages 2",
        "kafka-console-consumer --topic %t --partition 1 --from-beginning --max-messages 1",
        "kafka-console-consumer --topic %t --partition 0 --offset latest --timeout-ms 1500",
        "kafka-console-consumer --topic %t --partition 0 --timeout-ms 1500",
        "kafka-console-consumer --topic %t --partition 0 --offset 99 --timeout-ms 1500",
        "kafka-console-consumer --topic %t --partition 0 --offset 99 --max-messages 2 \
         --command-property auto.offset.reset=earliest",
        "kafka-console-consumer --topic %t --partition 7 --timeout-ms 1500",
        "kafka-console-consumer --topic %nope --timeout-ms 1500",
        "kafka-console-consumer --topic '%a b' --timeout-ms 1500",
        "kafka-console-consumer --topic '' --timeout-ms 1500",
        "kafka-console-consumer --topic %t --from-beginning --max-messages 0",
        "kafka-console-consumer --topic %t --from-beginning --max-messages -5",
        "kafka-console-consumer --topic %t --partition 0 --from-beginning --max-messages -1 --timeout-ms 8000",
        "kafka-console-consumer --topic %t --timeout-ms 1500",
        "kafka-console-consumer --topic %t --partition 0 --offset 0 --max-messages 2 --isolation-level read_committed",
        "kafka-console-consumer --topic %t --max-messages 2 --command-property auto.offset.reset=earliest \
         --partition 0 --offset earliest",
    ]);
    table.extend([
        row("kafka-console-consumer --topic %t --from-beginning --max-messages 3").unordered(),
        row("kafka-console-consumer --topic %t --max-messages 3 --command-property auto.offset.reset=earliest")
            .unordered(),
        row("kafka-console-consumer --topic %t --partition -1 --timeout-ms 500")
            .says("Cannot parse argument '-1' of option partition", 1),
        row("kafka-console-consumer --topic %t --timeout-ms 500 --command-property auto.offset.reset=none")
            .refused("auto.offset.reset"),
        row("kafka-console-consumer --topic %t --max-messages 1 \
             --command-property auto.offset.reset=by_duration:P1D")
        .refused("auto.offset.reset"),
    ]);
    Story {
        name: "places",
        topics: &[("%t", 2)],
        records: &[("%t", 0, Some("k"), "a"), ("%t", 0, None, "b"), ("%t", 1, None, "c")],
        commits: &[],
        rows: table,
    }
}

/// What the members of a group commit.
fn groups() -> Story {
    Story {
        name: "groups",
        topics: &[("%t", 1)],
        records: PAIR,
        commits: &[("%old", "%t", 0, 1)],
        rows: rows(&[
            "kafka-console-consumer --topic %t --group %new --from-beginning --max-messages 1",
            "kafka-console-consumer --topic %t --group %new --from-beginning --max-messages 1",
            "kafka-console-consumer --topic %t --group %old --max-messages 1",
            "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --command-property group.id=%h",
            "kafka-console-consumer --topic %t --from-beginning --max-messages 1 --command-property group.id=%i --group %i",
            "kafka-console-consumer --topic %t --from-beginning --max-messages 1 --group %quiet \
             --command-property enable.auto.commit=false",
            "kafka-console-consumer --topic %t --group %end --timeout-ms 8000",
            "kafka-console-consumer --topic %t --group '' --from-beginning --max-messages 1",
            "kafka-console-consumer --include '%t.*' --group %regex --from-beginning --max-messages 2",
        ]),
    }
}

/// What is refused, and in which words.
fn refusals() -> Story {
    let mut table = rows(&[
        "kafka-console-consumer --timeout-ms 1",
        "kafka-console-consumer --topic %t --include %t",
        "kafka-console-consumer --include %t --partition 0",
        "kafka-console-consumer --topic %t --offset 1",
        "kafka-console-consumer --topic %t --partition 0 --offset 1 --from-beginning",
        "kafka-console-consumer --topic %t --partition 0 --offset -1",
        "kafka-console-consumer --topic %t --partition 0 --offset soon",
        "kafka-console-consumer --topic %t --partition 0 --group %g",
        "kafka-console-consumer --topic %t --partition 0 --command-property group.id=%g",
        "kafka-console-consumer --topic %t --from-beginning --command-property auto.offset.reset=latest",
        "kafka-console-consumer --topic %t --from-beginning --command-property auto.offset.reset=none",
        "kafka-console-consumer --topic %t --command-property auto.offset.reset=soon",
        "kafka-console-consumer --topic %t --command-property enable.auto.commit=perhaps",
        "kafka-console-consumer --topic %t --isolation-level serializable",
        "kafka-console-consumer --topic %t --max-messages many",
        "kafka-console-consumer --topic %t --timeout-ms long",
        "kafka-console-consumer --topic %t --topic %t",
        "kafka-console-consumer --topic %t --bogus",
        "kafka-console-consumer --topic %t --from-b",
        "kafka-console-consumer --topic %t --command-config nowhere",
        "kafka-console-consumer --topic %t --property a=b --formatter-property a=b",
        "kafka-console-consumer --topic %t --consumer-property a=b --command-property a=b",
        "kafka-console-consumer --topic %t --version",
        "kafka-console-consumer --help",
        "kafka-console-consumer --include '%[' --timeout-ms 1",
        "kafka-console-consumer --include '%a**' --timeout-ms 1",
    ]);
    table.push(
        row("kafka-console-consumer --topic %t --consumer.config <f> --command-config <f>").file("f", "client.id=x\n"),
    );
    table.push(row("kafka-console-consumer --include '(?x)%a' --timeout-ms 1").refused("(?x)"));
    table.push(
        row("kafka-console-consumer --topic %t --command-property group.id=%g --group %h")
            .says("do not match. Detected group ids: '%h', '%g'", 1),
    );
    Story {
        name: "refusals",
        topics: &[("%t", 1)],
        records: PAIR,
        commits: &[],
        rows: table,
    }
}

fn patterns() -> Story {
    let read = |line| row(line).unordered();
    let silent = |line| -> Row { row(line) };
    Story {
        name: "patterns",
        topics: &[("%a1", 1), ("%b1", 1), ("%c", 1)],
        records: &[("%a1", 0, None, "a"), ("%b1", 0, None, "b"), ("%c", 0, None, "c")],
        commits: &[],
        rows: vec![
            read("kafka-console-consumer --include '%[ab]1' --from-beginning --max-messages 2"),
            read("kafka-console-consumer --include '%(a|c).?' --from-beginning --max-messages 2"),
            read("kafka-console-consumer --include '%[^b]+' --from-beginning --max-messages 2"),
            read("kafka-console-consumer --include '%\\p{Lower}\\d{1,}' --from-beginning --max-messages 2"),
            silent("kafka-console-consumer --include '%a1,%b1' --from-beginning --timeout-ms 1500"),
            silent("kafka-console-consumer --include '\"%a1\"' --from-beginning --timeout-ms 1500"),
            silent("kafka-console-consumer --include '%\\h1' --from-beginning --timeout-ms 1500"),
            silent("kafka-console-consumer --include '%a' --from-beginning --timeout-ms 1500"),
        ],
    }
}
