//! How parked events and dead letters are printed.

use keylane_log::Timestamp;
use shop::domain::fence::{DeadLetter, Mark, Marked, ParkReason, ParkedEvent, ParkedHead, ParkedKey};
use shop::domain::{OrderId, Origin, Version};
use shop::rfc3339;

use crate::console::{columns, escape};

/// A table that is printed a page at a time. A column becomes wider from the page on that needs it.
pub struct PagedTable<const N: usize> {
    /// The headings of the columns, until they are printed.
    headings: Option<[String; N]>,
    widths: [usize; N],
    /// How many rows were printed.
    rows: usize,
}

/// The table of orders of which something is parked.
pub fn orders() -> PagedTable<7> {
    PagedTable::new(["ORDER", "APPLIED", "PARKED", "FIRST", "WHY", "SINCE", "STATE"])
}

/// The table of dead letters.
pub fn letters() -> PagedTable<6> {
    PagedTable::new(["LETTER", "ORDER", "VERSION", "TOPIC", "SINCE", "ERROR"])
}

/// Parked events, each with its record.
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
        text += &match &record.origin {
            Origin::Log(place) => format!(
                "  {} P{}@{} of {}\n",
                place.topic,
                place.partition,
                place.offset,
                rfc3339(record.timestamp)
            ),
            Origin::Journal => "  from the order service\n".to_owned(),
            Origin::Nowhere => "  never came\n".to_owned(),
        };
        if let Some(error) = &event.error {
            text += &format!("  error: {}\n", escape::line(error));
        }
        let value = record.value.as_deref().unwrap_or_default();
        text += &format!("  {}\n", escape::line(&String::from_utf8_lossy(value)));
    }
    text
}

/// Says what a retry will do, or why there is nothing to retry.
pub fn retried(order: OrderId, retried: Option<&(ParkedKey, Marked)>) -> Result<String, String> {
    let Some((key, Marked::Parked(reason))) = retried else {
        return Err(format!(
            "Nothing of order {order} is parked; mall parked list shows what is."
        ));
    };
    let version = key.lowest.version;
    let then = match reason {
        _ if key.has_gap() => format!(
            "it waits for v{}, which has not come, and the order service is asked for that at once",
            key.cursor.next()
        ),
        ParkReason::Poison | ParkReason::Disputed => format!(
            "what the order service wrote as v{version} is handled, or, if it can't be asked, the parked record once more"
        ),
        ParkReason::Gap | ParkReason::Behind => "it is handled once more".to_owned(),
    };
    Ok(format!(
        "Order {order} v{version} is marked, and a delivery instance that runs acts on it: {then}."
    ))
}

/// Says what a discard will do, or why there is nothing to pass over.
pub fn discarded(order: OrderId, version: Version, marked: Marked) -> Result<String, String> {
    let then = "A delivery instance that runs passes it over in its turn, and it never takes effect.";
    match marked {
        Marked::Parked(_) => Ok(format!("Order {order} v{version} is parked, and is marked now. {then}")),
        Marked::Missing => Ok(format!(
            "Order {order} v{version} has not come, and others wait for it; it is marked now. {then}"
        )),
        Marked::Passed => Err(format!(
            "Order {order} v{version} has taken effect or was passed over before; there is nothing to pass over."
        )),
        Marked::NotThere => Err(format!(
            "Order {order} v{version} is not parked, and nothing waits for it next, so it can't be passed over; \
             mall parked show {order} shows what is parked."
        )),
    }
}

/// The row of an order.
pub fn order_row(key: &ParkedKey, now: Timestamp) -> [String; 7] {
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
        (None, ParkReason::Poison | ParkReason::Disputed) => "waits for retry or discard".to_owned(),
        (None, ParkReason::Gap | ParkReason::Behind) => "waits for its turn".to_owned(),
    }
}

/// The row of a dead letter.
pub fn letter_row(letter: &DeadLetter) -> [String; 6] {
    let DeadLetter { id, letter } = letter;
    let or_none = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    let header = |name: &str| {
        let header = letter.headers.iter().rev().find(|header| header.name == name);
        let value = header.and_then(|header| header.value.as_deref()).unwrap_or_default();
        escape::line(&String::from_utf8_lossy(value)).into_owned()
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

impl<const N: usize> PagedTable<N> {
    fn new(headings: [&str; N]) -> Self {
        Self {
            headings: Some(headings.map(str::to_owned)),
            widths: [0; N],
            rows: 0,
        }
    }

    /// Whether no row was printed yet.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The next rows, below the headings if these are the first.
    pub fn page(&mut self, rows: impl Iterator<Item = [String; N]>) -> String {
        let before = usize::from(self.headings.is_some());
        let lines: Vec<_> = self.headings.take().into_iter().chain(rows).collect();
        self.rows += lines.len() - before;
        for line in &lines {
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = columns::width(cell).max(*width);
            }
        }
        lines.iter().map(|line| self.line(line)).collect()
    }

    /// The last line: how many rows were printed, in words for none, one and many, and what is said about them.
    pub fn total(&self, (none, one, many): (&str, &str, &str), what: &str) -> String {
        match self.rows {
            0 => format!("{none}\n"),
            1 => format!("1 {one} {what}.\n"),
            rows => format!("{rows} {many} {what}.\n"),
        }
    }

    fn line(&self, cells: &[String; N]) -> String {
        let padded = (cells.iter().zip(self.widths)).map(|(cell, width)| columns::left(cell, width));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    }
}

#[cfg(test)]
mod tests {
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
        let mut table = orders();
        assert_eq!(
            table.page(rows.iter().map(|row| order_row(row, Timestamp(9)))),
            "\
ORDER  APPLIED  PARKED  FIRST  WHY           SINCE                     STATE
6      v1       2       v2     poison        2025-06-12T03:05:12.193Z  waits for retry or discard
6      v1       2       v4     waits for v2  2025-06-12T03:05:12.193Z  waits for its turn
"
        );
        assert_eq!(order_row(&rows[0], Timestamp(4))[6], "being handled by delivery-1/7");
    }

    #[test]
    fn a_table_goes_on_page_by_page_and_is_counted() {
        let mut table = PagedTable::new(["A", "B"]);
        assert!(table.is_empty());
        assert_eq!(table.total(("Nothing.", "has", "have"), "some"), "Nothing.\n");
        let cells = |a: &str| [a.to_owned(), "x".to_owned()];
        assert_eq!(table.page([cells("1")].into_iter()), "A  B\n1  x\n");
        assert_eq!(table.total(("", "row", "rows"), "in all"), "1 row in all.\n");
        assert_eq!(table.page([cells("200"), cells("3")].into_iter()), "200  x\n3    x\n");
        assert_eq!(table.total(("", "row", "rows"), "in all"), "3 rows in all.\n");
    }

    #[test]
    fn a_decision_is_told_as_what_was_found_and_done() {
        let order = OrderId(6);
        let of = |reason, version| Some((parked(reason, version), Marked::Parked(reason)));
        let gap = retried(order, of(ParkReason::Gap, 4).as_ref()).expect("marked");
        assert!(gap.contains("it waits for v2, which has not come"), "{gap}");
        let poison = retried(order, of(ParkReason::Poison, 2).as_ref()).expect("marked");
        assert!(poison.contains("what the order service wrote as v2"), "{poison}");
        let nothing = retried(order, None).expect_err("nothing");
        assert!(nothing.starts_with("Nothing of order 6 is parked"), "{nothing}");

        let marked = |marked| discarded(order, Version(5), marked);
        let there = marked(Marked::Parked(ParkReason::Poison)).expect("marked");
        assert!(there.starts_with("Order 6 v5 is parked, and is marked now."), "{there}");
        let missing = marked(Marked::Missing).expect("marked");
        assert!(missing.starts_with("Order 6 v5 has not come"), "{missing}");
        let passed = marked(Marked::Passed).expect_err("over");
        assert!(
            passed.contains("has taken effect or was passed over before"),
            "{passed}"
        );
        let absent = marked(Marked::NotThere).expect_err("nowhere");
        assert!(absent.contains("is not parked"), "{absent}");
    }
}
