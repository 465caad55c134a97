//! Compares what was said with what a README expects, leaving aside what differs from run to run.

use std::sync::LazyLock;

use fancy_regex::Regex;

/// What differs from run to run, and what is put in its place.
static VOLATILE: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let volatile = [
        (r"(\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d\.\d+Z", "TIME"),
        (r"\d+\.\d+ ?s", "SECONDS"),
        (r#""timestamp":\d+"#, r#""timestamp":0"#),
        (r"(P\d+)@\d+", "$1@OFFSET"),
        (r"position=\d+", "position=OFFSET"),
        (r"(127\.0\.0\.1|localhost):\d+", "HOST:PORT"),
        (r"-{2,}", "-"),
        (r"\s+", " "),
    ];
    volatile
        .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with))
        .into()
});

/// The first expected line that nothing said matches. `in_order` asks for the lines in the order in which they are expected.
pub fn missing<'a>(expected: &'a [String], said: &[String], in_order: bool) -> Option<&'a String> {
    let said: Vec<String> = said.iter().map(|line| settled(line)).collect();
    let mut from = 0;
    expected.iter().find(|line| {
        let line = settled(line);
        match said[from..].iter().position(|said| matches(&line, said)) {
            Some(at) if in_order => {
                from += at + 1;
                false
            }
            found => found.is_none(),
        }
    })
}

/// A line without what differs from run to run.
fn settled(line: &str) -> String {
    let settle = |line: String, (pattern, with): &(Regex, &str)| pattern.replace_all(&line, *with).into_owned();
    VOLATILE.iter().fold(line.trim().to_owned(), settle)
}

/// Whether the parts of `expected` between its `…` stand in `said`, one after the other.
fn matches(expected: &str, said: &str) -> bool {
    let mut parts = expected.split('…').map(str::trim);
    let rest = parts.try_fold(said, |rest, part| rest.split_once(part).map(|(_, rest)| rest));
    rest.is_some()
}

mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn times_places_and_widths_may_differ_and_nothing_else() {
        let said = lines(&[
            "10:00:00.000Z delivery-1 OrderPlaced order=2 v1 P0@7 … DELIVERY STARTED 0.15s",
            "|  12 | x |",
        ]);
        let expected = |line: &str| missing(&lines(&[line]), &said, true).is_none();
        assert!(expected(
            "09:01:12.230Z delivery-… OrderPlaced order=2 v1 P0@2 … DELIVERY STARTED 0.00s"
        ));
        assert!(expected("| 12 |   x |"));
        assert!(!expected("OrderPlaced order=2 v1 P1@2"));
        assert!(!expected("OrderPlaced order=3"));
        assert!(!expected("DELIVERY STARTED … OrderPlaced"));
    }

    #[test]
    fn lines_are_looked_for_in_their_order_where_that_is_asked() {
        let (expected, said) = (lines(&["b", "a"]), lines(&["a", "b"]));
        assert_eq!(missing(&expected, &said, false), None);
        assert_eq!(missing(&expected, &said, true), Some(&expected[1]));
    }
}
