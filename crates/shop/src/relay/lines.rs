//! The lines about events that the log has taken: which event, where the log put it, and why there.
//!
//! ```text
//!   OrderPlaced order=2 v1 → P1@0, no key: round robin
//!   DeliveryModified order=2 delivery=1 v2 → P0@7, key 2
//! ```
//! Each event has a line of its own, as far as people can read them; of what comes faster there is one line a second, which
//! says how many there were. So a relay that publishes thousands of events in a second spends no time on lines.

use observe::What;
use tokio::time::Instant;

use crate::lines::{Allowance, EVENTS};
use crate::observed::line::tell_published;
use crate::text::Text;
use crate::{observed, text, trace};

/// How many events have a line of their own in a second.
const EACH_SECOND: u32 = 100;

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

    /// Tells of a wave of published events, each with its `traceparent`.
    pub fn tell<'a>(&mut self, wave: impl Iterator<Item = (&'a What, Option<&'a str>)>, now: Instant) {
        self.tell_due(now);
        let mut last = None;
        for (published, traceparent) in wave {
            match self.allowance.take(now) {
                true => tell_published(published, traceparent.and_then(trace::id)),
                false => {
                    self.untold += 1;
                    last = Some(published);
                }
            }
        }
        if let Some(published) = last {
            self.last = observed::text(published);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use observe::{Event, Place};

    use super::*;

    fn at(offset: u64) -> What {
        What::Published {
            event: Event {
                order: 2,
                delivery: None,
                version: Some(3),
                name: Some("OrderModified".into()),
            },
            place: Place { partition: 1, offset },
            key: Some("2".to_owned()),
        }
    }

    #[test]
    fn what_nobody_could_read_is_counted() {
        let (mut lines, start) = (PublishedLines::new(), Instant::now());
        let events: Vec<What> = (0..230).map(at).collect();
        let wave = |from: usize, many: usize| events[from..from + many].iter().map(|event| (event, None));
        lines.tell(wave(0, 60), start);
        assert_eq!(lines.rest(), None);
        lines.tell(wave(60, 60), start);
        lines.tell(wave(120, 10), start + Duration::from_millis(900));
        let rest = lines.rest().expect("30 have no line").english;
        assert_eq!(
            rest,
            "30 more events were published in that second; the last: OrderModified order=2 v3 → P1@129, key 2"
        );
        lines.tell_due(start + Duration::from_millis(999));
        assert!(lines.rest().is_some(), "not yet");
        lines.tell_due(start + Duration::from_secs(1));
        assert_eq!(lines.rest(), None, "told");
        lines.tell(wave(130, 100), start + Duration::from_secs(1));
        assert_eq!(lines.rest(), None, "a new second has lines of its own");
    }
}
