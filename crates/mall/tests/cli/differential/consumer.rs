//! `kafka-console-consumer`.

use super::compare;
use super::row::{Story, rows};

#[test]
fn kafka_console_consumer() {
    compare(vec![formats()]);
}

fn formats() -> Story {
    Story {
        name: "formats",
        topics: &[("%t", 1)],
        records: &[("%t", 0, Some("k"), "a"), ("%t", 0, None, "b")],
        commits: &[],
        rows: rows(&[
            "kafka-console-consumer --topic %t --from-beginning --max-messages 2",
            "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --formatter-property print.key=true",
            "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --property print.key=true",
            "kafka-console-consumer --topic %t --from-beginning --max-messages 2 --formatter-property print.timestamp=true",
            "kafka-console-consumer --topic %t --from-beginning --max-messages 1 --group %g",
            "kafka-console-consumer --topic %t --offset 1",
        ]),
    }
}
