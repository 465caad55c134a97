//! The lines about events that the log has taken: which event, where the log put it, and why there.
//!
//! ```text
//!   OrderPlaced order=2 v1 → P1@0, no key: round robin
//!   DeliveryModified order=2 delivery=1 v2 → P0@7, key 2
//! ```
//! Each event has a line of its own, as far as people can read them; of what comes faster there is one line a second, which
//! says how many there were. So a relay that publishes thousands of events in a second spends no time on lines.

use std::fmt;

use keylane_log::Placed;
use tokio::time::Instant;

use super::KeyMode;
use crate::domain::{JournalEntry, Source};
use crate::lines::{Allowance, EVENTS};
use crate::text::{Language, Text};
use crate::{text, trace};

/// How many events have a line of their own in a second.
const EACH_SECOND: u32 = 100;

/// An event and the place that the log gave it.
pub(super) struct Published<'a> {
    pub entry: &'a JournalEntry,
    pub placed: Placed,
    pub key: KeyMode,
}

impl Published<'_> {
    fn write(&self, language: Language, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, placed, key } = self;
        let (name, order, version) = (entry.event_type.name(), entry.order_id, entry.version);
        write!(f, "{name} order={order} ")?;
        if entry.event_type.source() == Source::Deliveries {
            // A delivery counts its own events.
            write!(f, "delivery={} ", entry.row_id)?;
        }
        write!(f, "v{version} → P{}@{}, ", placed.partition, placed.offset)?;
        match (key, language) {
            (KeyMode::OrderId, Language::English) => write!(f, "key {order}"),
            (KeyMode::OrderId, Language::Korean) => write!(f, "키 {order}"),
            (KeyMode::None, Language::English) => f.write_str("no key: round robin"),
            (KeyMode::None, Language::Korean) => f.write_str("키 없음: 라운드로빈"),
        }
    }
}

impl fmt::Display for Published<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(Language::English, f)
    }
}

/// The same in Korean.
struct InKorean<'a>(&'a Published<'a>);

impl fmt::Display for InKorean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(Language::Korean, f)
    }
}

/// Tells of published events, and counts those for which there are too many in a second.
pub(super) struct PublishedLines {
    allowance: Allowance,
    /// How many events no line has told of yet.
    untold: u64,
    /// The text of the last of these.
    last: Text,
}

impl PublishedLines {
    pub fn new() -> Self {
        Self {
            allowance: Allowance::new(EACH_SECOND),
            untold: 0,
            last: Text::default(),
        }
    }

    /// Tells of the events of a wave.
    pub fn tell<'a>(&mut self, wave: impl Iterator<Item = Published<'a>>, now: Instant) {
        self.tell_due(now);
        let mut last = None;
        for published in wave {
            match self.allowance.take(now) {
                true => told(&published),
                false => {
                    self.untold += 1;
                    last = Some(published);
                }
            }
        }
        if let Some(published) = last {
            self.last = Text {
                english: published.to_string(),
                korean: InKorean(&published).to_string(),
            };
        }
    }

    /// Says how many events had no line of their own, once the second in which they were published is over.
    pub fn tell_due(&mut self, now: Instant) {
        if self.allowance.is_over(now) {
            self.tell_rest();
        }
    }

    /// Says how many events had no line of their own.
    pub fn tell_rest(&mut self) {
        if let Some(Text { english, korean: ko }) = self.rest() {
            tracing::info!(target: EVENTS, more = self.untold, ko, "{english}");
            self.untold = 0;
        }
    }

    fn rest(&self) -> Option<Text> {
        let Self { untold, last, .. } = self;
        let more = || {
            text!(
                "{untold} more events were published in that second; the last: ",
                "그 1초 동안 이벤트 {untold}개가 더 발행됨. 마지막: "
            )
        };
        (*untold > 0).then(|| more() + last.clone())
    }
}

fn told(published: &Published<'_>) {
    let Published { entry, placed, key } = published;
    tracing::info!(
        target: EVENTS,
        event = entry.event_type.name(),
        order = entry.order_id.0,
        version = entry.version.0,
        partition = placed.partition.0,
        offset = placed.offset.0,
        key = (*key == KeyMode::OrderId).then_some(entry.order_id.0),
        trace = entry.traceparent.as_deref().and_then(trace::id),
        ko = %InKorean(published),
        "{published}"
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keylane_log::{Offset, Partition, Timestamp};

    use super::*;
    use crate::domain::{DeliveryEventType, EventType, OrderEventType, OrderId, Version};

    fn entry(event_type: EventType) -> JournalEntry {
        JournalEntry {
            row_id: 7,
            order_id: OrderId(2),
            version: Version(3),
            event_type,
            timestamp: Timestamp(0),
            payload: String::new(),
            traceparent: None,
        }
    }

    fn at(entry: &JournalEntry, offset: u64, key: KeyMode) -> Published<'_> {
        let (partition, offset) = (Partition(1), Offset(offset));
        Published {
            entry,
            placed: Placed { partition, offset },
            key,
        }
    }

    #[test]
    fn a_line_says_where_the_event_stands_and_why() {
        let order = entry(EventType::Order(OrderEventType::Modified));
        let delivery = entry(EventType::Delivery(DeliveryEventType::Modified));
        assert_eq!(
            at(&order, 6, KeyMode::None).to_string(),
            "OrderModified order=2 v3 → P1@6, no key: round robin"
        );
        assert_eq!(
            at(&delivery, 6, KeyMode::OrderId).to_string(),
            "DeliveryModified order=2 delivery=7 v3 → P1@6, key 2"
        );
    }

    #[test]
    fn what_nobody_could_read_is_counted() {
        let (mut lines, start) = (PublishedLines::new(), Instant::now());
        let order = entry(EventType::Order(OrderEventType::Placed));
        let wave = |from: u64, many: u64| (from..from + many).map(|offset| at(&order, offset, KeyMode::OrderId));
        lines.tell(wave(0, 60), start);
        assert_eq!(lines.rest(), None);
        lines.tell(wave(60, 60), start);
        lines.tell(wave(120, 10), start + Duration::from_millis(900));
        let rest = lines.rest().expect("30 have no line").english;
        assert_eq!(
            rest,
            "30 more events were published in that second; the last: OrderPlaced order=2 v3 → P1@129, key 2"
        );
        lines.tell_due(start + Duration::from_millis(999));
        assert!(lines.rest().is_some(), "not yet");
        lines.tell_due(start + Duration::from_secs(1));
        assert_eq!(lines.rest(), None, "told");
        lines.tell(wave(130, 100), start + Duration::from_secs(1));
        assert_eq!(lines.rest(), None, "a new second has lines of its own");
    }
}
