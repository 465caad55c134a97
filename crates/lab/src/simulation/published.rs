//! Watches in which order the events of an order, and of a delivery, come to stand in the topic for the first time.
//!
//! # Invariants that are watched
//! * No event stands in the topic before each one below it has stood there, in whichever partition. A relay that is repeated,
//!   or two at once, only repeat what stands there already.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::{Offset, Partition, Record};

use super::log::Log;
use super::roles::TOPIC;
use crate::translate::{self, TopicRecord};

/// What has stood in the topic so far.
#[derive(Debug, Default)]
pub struct Published {
    /// Where the next record of each partition will stand.
    next: BTreeMap<Partition, Offset>,
    /// The versions by order, or by delivery.
    seen: BTreeMap<Stream, BTreeSet<i64>>,
    /// Where records stand that somebody else has written, which says nothing about the relays.
    foreign: BTreeSet<(Partition, Offset)>,
    violations: Vec<String>,
}

/// Something whose events are numbered: an order, or a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stream {
    Order(i64),
    Delivery(i64),
}

impl Published {
    /// What was violated so far.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Looks at what is new in the log. Which of several new records came first is known within a partition only.
    pub fn look(&mut self, log: &Log) {
        let extents = log.outside().extents(TOPIC).unwrap_or_default();
        let mut new = Vec::new();
        for (extent, number) in extents.into_iter().zip(0..) {
            let next = self.next.entry(Partition(number)).or_insert(Offset(0));
            if *next < extent.end {
                let own = |record: &Record| !self.foreign.contains(&(record.partition, record.offset));
                new.extend(log.look(Partition(number), *next).into_iter().filter(own));
                *next = extent.end;
            }
        }
        let together: BTreeSet<(Stream, i64)> = new.iter().filter_map(numbered).collect();
        for record in &new {
            if let Some((stream, version)) = numbered(record) {
                self.see(record, stream, version, &together);
            }
        }
    }

    fn see(&mut self, record: &Record, stream: Stream, version: i64, together: &BTreeSet<(Stream, i64)>) {
        let seen = self.seen.entry(stream).or_default();
        let stands = |below: &i64| seen.contains(below) || together.contains(&(stream, *below));
        if let Some(missing) = (1..version).find(|below| !stands(below)) {
            let at = format!("P{}@{}", record.partition, record.offset);
            let what = format!("{stream:?}: v{version} is published at {at} before v{missing}");
            self.violations.push(what);
        }
        seen.insert(version);
    }

    /// Notes that somebody else has written the record that stands here.
    pub fn note_foreign(&mut self, partition: Partition, offset: Offset) {
        self.foreign.insert((partition, offset));
    }

    /// Notes that the records of a partition from `end` on are gone, and others come in their places.
    pub fn cut(&mut self, partition: Partition, end: Offset) {
        if let Some(next) = self.next.get_mut(&partition) {
            *next = end.min(*next);
        }
        self.foreign.retain(|(of, offset)| *of != partition || *offset < end);
    }
}

fn numbered(record: &Record) -> Option<(Stream, i64)> {
    match translate::found(record)? {
        TopicRecord::Order(event) => Some((Stream::Order(event.order.0), event.version?.0)),
        TopicRecord::Delivery(event) => Some((Stream::Delivery(event.delivery.0), event.version.0)),
    }
}
