//! `kafka-consumer-groups`.

use super::compare;
use super::row::{Story, row};

#[test]
fn kafka_consumer_groups() {
    compare(vec![resets()]);
}

fn resets() -> Story {
    Story {
        name: "a group without members",
        topics: &[("%t", 2)],
        records: &[("%t", 0, None, "a"), ("%t", 0, None, "b"), ("%t", 1, None, "c")],
        commits: &[("%g", "%t", 0, 1)],
        rows: vec![
            row("kafka-consumer-groups --describe --group %g"),
            row("kafka-consumer-groups --reset-offsets --group %g --topic %t --to-latest --execute").unordered(),
            row("kafka-consumer-groups --describe --group %nope"),
        ],
    }
}
