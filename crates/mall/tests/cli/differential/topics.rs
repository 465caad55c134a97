//! `kafka-topics`.

use super::compare;
use super::row::{Story, rows};

#[test]
fn kafka_topics() {
    compare(vec![listing()]);
}

fn listing() -> Story {
    Story {
        name: "patterns",
        topics: &[("%a1", 1), ("%a22", 1), ("%b1", 1), ("%c", 2)],
        records: &[],
        commits: &[],
        rows: rows(&[
            "kafka-topics --list --topic %a1",
            "kafka-topics --list --topic '%a[0-9]+'",
            "kafka-topics --list --topic '%(a|b)1'",
            "kafka-topics --list --topic '%a[0-9+'",
            "kafka-topics --create --topic %a1 --partitions 1",
            "kafka-topics --create --topic %d --partitions 3",
            "kafka-topics --describe --topic %nope",
        ]),
    }
}
