//! Patterns of topic names, as `kafka-topics` takes them.

use super::compare;
use super::row::{Row, Story, row, rows};

#[test]
fn patterns_of_topics() {
    let mut table = rows(&[
        "kafka-topics --list --topic '%a[0-9]+'",
        "kafka-topics --list --topic '%(a|b)1'",
        "kafka-topics --list --topic '%\\D\\d'",
        "kafka-topics --list --topic '%a2{2}'",
        "kafka-topics --list --topic '%[^b]1'",
        "kafka-topics --list --topic '(?i)%C'",
        "kafka-topics --list --topic '%(?!a).*'",
        "kafka-topics --list --topic '%a1,%b1'",
        "kafka-topics --list --topic '\" %a1 \"'",
        "kafka-topics --list --topic '%\\p{Lower}\\p{Digit}+'",
        "kafka-topics --list --topic '%[\\p{Alpha}&&[^a]]1'",
        "kafka-topics --list --topic '%\\Qa1\\E'",
        "kafka-topics --list --topic '%a2*+'",
        "kafka-topics --list --topic '%.(?<n>2)\\k<n>'",
        "kafka-topics --list --topic '%\\x61\\u0031'",
        "kafka-topics --list --topic '%\\h1'",
        "kafka-topics --list --topic '%[a-'",
        "kafka-topics --list --topic '%(a'",
        "kafka-topics --list --topic '%a)'",
        "kafka-topics --list --topic '*'",
        "kafka-topics --list --topic '%a**'",
        "kafka-topics --list --topic '%a{1'",
        "kafka-topics --list --topic '%a{x}'",
        "kafka-topics --list --topic '%\\y'",
        "kafka-topics --list --topic '%(?P<n>a)1'",
        "kafka-topics --list --topic '%\\p{Nonsense}'",
        "kafka-topics --describe --topic '%nope.*'",
        "kafka-topics --describe --topic '%[a-'",
    ]);
    let unsupported = |line, what| -> Row { row(line).says(what, 1) };
    table.extend([
        unsupported(
            "kafka-topics --list --topic '%[[:alpha:]]1'",
            "[: in a character class is not supported",
        ),
        unsupported(
            "kafka-topics --list --topic '(?x)%a1'",
            "(?x) is not supported in patterns here",
        ),
        unsupported(
            "kafka-topics --list --topic '%[a--]1'",
            "-- in a character class is not supported",
        ),
        unsupported("kafka-topics --list --topic '%\\x{61}\\R?1'", "\\R is not supported"),
    ]);
    compare(vec![Story {
        name: "patterns",
        topics: &[("%a1", 1), ("%a22", 1), ("%b1", 1), ("%c", 2)],
        records: &[],
        commits: &[],
        rows: table,
    }]);
}
