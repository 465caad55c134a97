//! What somebody else than the mall writes into its topic.
//!
//! Whoever may write to a topic can do harm that no consumer can see: an event that is well made, and was never written, takes
//! effect like any other. So the scheduler writes what a fence has to withstand.

use std::fmt;
use std::time::Duration;

use keylane_log::{Header, NewRecord, Partition};
use shop::domain::{JournalEntry, OrderId, Source, Version};

use super::mall::Mall;
use super::roles::TOPIC;
use crate::played::{self, Played};
use crate::scenario::{Choice, Fields, Forged, KeyMode, Producer};

/// More events than an order of a simulated mall has.
const ALL: usize = 100_000;

/// A record of somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Foreign {
    /// It says that it is an event, and names no order.
    Garbage,
    /// It names this version of an order, and can't be read.
    Unreadable(i64, i64),
    /// It is well made, and names a version of an order that the order service never comes to.
    Forged(i64, i64),
    /// It is, byte for byte, what the order service has written as this version.
    Copy(i64, i64),
}

impl Mall {
    /// Somebody else writes a record into this partition. Returns whether there is such a record.
    pub fn write_foreign(&mut self, what: Foreign, partition: u32) -> bool {
        let Some(record) = self.foreign_record(what, Partition(partition)) else {
            return false;
        };
        // What the relays have published so far is looked at first, since records are known by their places.
        self.published.look(&self.log);
        let placed = self.log.outside().append(TOPIC, vec![record], Duration::ZERO);
        // A careless producer may lose it.
        for placed in placed.into_iter().flatten() {
            self.published.note_foreign(placed.partition, placed.offset);
        }
        true
    }

    fn foreign_record(&self, what: Foreign, partition: Partition) -> Option<NewRecord> {
        let entry = match what {
            Foreign::Garbage => return Some(garbage(partition, self)),
            Foreign::Unreadable(order, version) => self.forged(order, version, &Forged::Unreadable),
            Foreign::Forged(order, version) => {
                let says = Forged::Event(shop::domain::OrderEventType::Modified, Fields::default());
                self.forged(order, version, &says)
            }
            Foreign::Copy(order, version) => self.written(OrderId(order), Version(version))?,
        };
        let by = Producer {
            key: None,
            choice: Choice::To(partition),
        };
        Some(Played::new(KeyMode::OrderId).record(&entry, &by, self.setup().partitions))
    }

    fn forged(&self, order: i64, version: i64, says: &Forged) -> JournalEntry {
        played::forged(OrderId(order), Version(version), says, self.time())
    }

    fn written(&self, order: OrderId, version: Version) -> Option<JournalEntry> {
        let rows = self.orders().journal(Source::Orders, 0, ALL).ok()?;
        let mut entries = rows.into_iter().map(|row| row.entry);
        entries.find(|entry| entry.order_id == order && entry.version == version)
    }
}

fn garbage(partition: Partition, mall: &Mall) -> NewRecord {
    NewRecord {
        partition: Some(partition),
        timestamp: mall.time(),
        key: None,
        value: Some("garbage".into()),
        headers: vec![Header::text("type", "OrderModified")],
    }
}

/// `unreadable 3 v2`
impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Garbage => f.write_str("garbage"),
            Self::Unreadable(order, version) => write!(f, "unreadable {order} v{version}"),
            Self::Forged(order, version) => write!(f, "forged {order} v{version}"),
            Self::Copy(order, version) => write!(f, "copy {order} v{version}"),
        }
    }
}
