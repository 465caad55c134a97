//! `kafka-console-producer`.

use super::compare;
use super::row::{Story, row};

#[test]
fn kafka_console_producer() {
    compare(vec![lines()]);
}

fn lines() -> Story {
    Story {
        name: "lines of input",
        topics: &[("%t", 1)],
        records: &[],
        commits: &[],
        rows: vec![
            row("kafka-console-producer --topic %t").input("a\nb\n"),
            row("kafka-console-producer --topic %t").input("a\r\nb\rc\n\n\r\nd"),
            row("kafka-console-producer --topic %t --reader-property parse.key=true").input("k\tv\nno key\nk\tw\n"),
            row("kafka-console-producer --topic %t --property parse.key=true").input("k\tv\n"),
        ],
    }
}
