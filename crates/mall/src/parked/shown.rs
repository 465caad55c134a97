//! How what is parked looks on a screen.

use eventlog::Timestamp;
use lab::checker::rfc3339;
use shop::domain::fence::{DeadLetter, Mark, ParkReason, ParkedEvent, ParkedHead, ParkedKey};

/// Orders with something parked, and the dead letters.
pub fn list(keys: &[ParkedKey], letters: &[DeadLetter], now: Timestamp) -> String {
    let mut text = match keys {
        [] => "Nothing is parked.\n".to_owned(),
        keys => table(
            ["ORDER", "APPLIED", "PARKED", "FIRST", "WHY", "SINCE", "STATE"],
            keys.iter().map(|key| row(key, now)),
        ),
    };
    if !letters.is_empty() {
        text += "\n";
        text += &table(
            ["LETTER", "ORDER", "VERSION", "TOPIC", "SINCE", "ERROR"],
            letters.iter().map(letter),
        );
    }
    text
}

/// What is parked of an order.
pub fn events(events: &[ParkedEvent], now: Timestamp) -> String {
    let mut text = String::new();
    for event in events {
        let (head, record) = (&event.head, &event.record);
        text += &format!(
            "order={} v{} {} since {}, {}\n",
            event.order_id,
            head.version,
            head.reason,
            rfc3339(head.since),
            state(head, now)
        );
        text += &match &*record.topic {
            "" => "  from the order service\n".to_owned(),
            topic => format!(
                "  {topic} P{}@{} of {}\n",
                record.partition,
                record.offset,
                rfc3339(record.timestamp)
            ),
        };
        if let Some(error) = &event.error {
            text += &format!("  error: {}\n", plain(error));
        }
        let value = record.value.as_deref().unwrap_or_default();
        text += &format!("  {}\n", plain(&String::from_utf8_lossy(value)));
    }
    text
}

fn row(key: &ParkedKey, now: Timestamp) -> [String; 7] {
    let head = &key.lowest;
    let why = match key.has_gap() {
        true => format!("waits for v{}", key.cursor.next()),
        false => head.reason.to_string(),
    };
    [
        key.order_id.to_string(),
        format!("v{}", key.cursor),
        key.parked.to_string(),
        format!("v{}", head.version),
        why,
        rfc3339(head.since),
        state(head, now),
    ]
}

fn state(head: &ParkedHead, now: Timestamp) -> String {
    match (head.mark, head.reason) {
        (Some(Mark::Retry), _) => "to be retried".to_owned(),
        (Some(Mark::Discard), _) => "to be discarded".to_owned(),
        _ if head.lease_until > now => format!("being handled by {}", head.lease_holder),
        (None, ParkReason::Poison) => "waits for retry or discard".to_owned(),
        (None, ParkReason::Gap | ParkReason::Behind) => "waits for its turn".to_owned(),
    }
}

fn letter(letter: &DeadLetter) -> [String; 6] {
    let DeadLetter { id, letter } = letter;
    let or_none = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    let header = |name: &str| {
        let header = letter.headers.iter().rev().find(|header| header.name == name);
        let value = header.and_then(|header| header.value.as_deref()).unwrap_or_default();
        plain(&String::from_utf8_lossy(value))
    };
    let place = |name: &str| header(&format!("__connect.errors.{name}"));
    [
        id.to_string(),
        or_none(letter.order_id.map(|order| order.0)),
        or_none(letter.version.map(|version| version.0)),
        format!("{} P{}@{}", place("topic"), place("partition"), place("offset")),
        rfc3339(letter.timestamp),
        place("exception.message"),
    ]
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: &[String; N]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

/// On one line whatever it holds.
fn plain(text: &str) -> String {
    let shown = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use shop::domain::{OrderId, Version};

    use super::*;

    fn key(reason: ParkReason, version: i64) -> ParkedKey {
        ParkedKey {
            order_id: OrderId(6),
            cursor: Version(1),
            parked: 2,
            lowest: ParkedHead {
                version: Version(version),
                reason,
                mark: None,
                since: Timestamp(1_749_697_512_193),
                lease_holder: "delivery-1/7".into(),
                lease_until: Timestamp(5),
            },
        }
    }

    #[test]
    fn a_line_says_what_an_order_waits_for() {
        let keys = [key(ParkReason::Poison, 2), key(ParkReason::Gap, 4)];
        assert_eq!(
            list(&keys, &[], Timestamp(9)),
            "\
ORDER  APPLIED  PARKED  FIRST  WHY           SINCE                     STATE
6      v1       2       v2     poison        2025-06-12T03:05:12.193Z  waits for retry or discard
6      v1       2       v4     waits for v2  2025-06-12T03:05:12.193Z  waits for its turn
"
        );
        assert!(list(&keys[..1], &[], Timestamp(4)).contains("being handled by delivery-1/7"));
        assert_eq!(list(&[], &[], Timestamp(0)), "Nothing is parked.\n");
    }
}
