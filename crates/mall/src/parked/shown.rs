//! How what is parked looks on a screen.

use eventlog::Timestamp;
use lab::checker::rfc3339;
use shop::domain::fence::{DeadLetter, Mark, ParkReason, ParkedEvent, ParkedHead, ParkedKey};

/// A table that is printed a page at a time. A column becomes wider where a later page needs it.
pub struct Table<const N: usize> {
    head: Option<[String; N]>,
    widths: [usize; N],
    rows: usize,
}

/// A table of orders with something parked.
pub fn keys() -> Table<7> {
    Table::new(["ORDER", "APPLIED", "PARKED", "FIRST", "WHY", "SINCE", "STATE"])
}

/// A table of dead letters.
pub fn letters() -> Table<6> {
    Table::new(["LETTER", "ORDER", "VERSION", "TOPIC", "SINCE", "ERROR"])
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

/// A row of that of the orders.
pub fn key(key: &ParkedKey, now: Timestamp) -> [String; 7] {
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

/// A row of that of the letters.
pub fn letter(letter: &DeadLetter) -> [String; 6] {
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

impl<const N: usize> Table<N> {
    fn new(head: [&str; N]) -> Self {
        Self {
            head: Some(head.map(str::to_owned)),
            widths: [0; N],
            rows: 0,
        }
    }

    /// Whether it has had no row yet.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Its next rows, under its head if they are the first.
    pub fn page(&mut self, rows: impl Iterator<Item = [String; N]>) -> String {
        let before = usize::from(self.head.is_some());
        let lines: Vec<_> = self.head.take().into_iter().chain(rows).collect();
        self.rows += lines.len() - before;
        for line in &lines {
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        lines.iter().map(|line| self.line(line)).collect()
    }

    /// Its last line: how many there were of what, and what of them.
    pub fn total(&self, (none, one, many): (&str, &str, &str), what: &str) -> String {
        match self.rows {
            0 => format!("{none}\n"),
            1 => format!("1 {one} {what}.\n"),
            rows => format!("{rows} {many} {what}.\n"),
        }
    }

    fn line(&self, cells: &[String; N]) -> String {
        let padded = (cells.iter().zip(self.widths)).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    }
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

    fn parked(reason: ParkReason, version: i64) -> ParkedKey {
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
        let rows = [parked(ParkReason::Poison, 2), parked(ParkReason::Gap, 4)];
        let mut table = keys();
        assert_eq!(
            table.page(rows.iter().map(|row| key(row, Timestamp(9)))),
            "\
ORDER  APPLIED  PARKED  FIRST  WHY           SINCE                     STATE
6      v1       2       v2     poison        2025-06-12T03:05:12.193Z  waits for retry or discard
6      v1       2       v4     waits for v2  2025-06-12T03:05:12.193Z  waits for its turn
"
        );
        assert_eq!(key(&rows[0], Timestamp(4))[6], "being handled by delivery-1/7");
    }

    #[test]
    fn a_table_goes_on_page_by_page_and_is_counted() {
        let mut table = Table::new(["A", "B"]);
        assert!(table.is_empty());
        assert_eq!(table.total(("Nothing.", "has", "have"), "some"), "Nothing.\n");
        let cells = |a: &str| [a.to_owned(), "x".to_owned()];
        assert_eq!(table.page([cells("1")].into_iter()), "A  B\n1  x\n");
        assert_eq!(table.total(("", "row", "rows"), "in all"), "1 row in all.\n");
        assert_eq!(table.page([cells("200"), cells("3")].into_iter()), "200  x\n3    x\n");
        assert_eq!(table.total(("", "row", "rows"), "in all"), "3 rows in all.\n");
    }
}
