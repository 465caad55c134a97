//! What is kept of an order whose events are not: how far it has come in each place, and whether everything has been regular so
//! far.
//!
//! A regular order is placed, modified any number of times, and perhaps cancelled. Each of its events stands in the topic once
//! and in its turn, all in one partition, with the content that was written; each took effect once and in its turn, on one
//! delivery, which reported each effect; and that delivery's row is what the events lead to. Counting is enough to see that:
//! the next event in each place has to be the one whose turn it is. Whatever else is found makes the order irregular.

use std::hash::{DefaultHasher, Hash, Hasher};

use keylane_log::{Partition, Timestamp};
use shop::domain::decide::ApplyKind;
use shop::domain::{Delivery, DeliveryEventType, DeliveryId, OrderEventType, OrderFields, OrderPatch, Version};

use super::history::{Applied, DeliveryRecord, OrderRecord, Written};

/// The trail of one order.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Trail {
    /// A hash of the fields that the written events lead to.
    fields: u64,
    /// The sum of the hashes of all contents that were written, less those in the topic, each mixed with its version. It is 0
    /// if both are the same.
    balance: u64,
    /// The time of the latest event in milliseconds since 1970, wherever it was seen.
    latest: i64,
    /// The delivery that effects and delivery events name.
    delivery: i64,
    /// The partition of the order's events.
    partition: u32,
    /// How many events were written, which ascend from version 1.
    written: u16,
    /// How many of them stand in the topic.
    published: u16,
    /// How many of them took effect.
    applied: u16,
    /// How many effects were reported by delivery events.
    reported: u16,
    marks: u8,
}

/// There is one of these for every order there ever was, so its size decides how much memory that takes.
const _: () = assert!(size_of::<Trail>() <= 48, "a trail stays small");

/// Something is irregular, or the order is still changing.
const IRREGULAR: u8 = 1;
/// A cancellation was written.
const CANCELLED: u8 = 1 << 1;
/// A cancellation took effect.
const CANCELLED_EFFECT: u8 = 1 << 2;
/// A cancellation was reported.
const CANCELLED_REPORT: u8 = 1 << 3;
/// An older system had placed the order.
const INHERITED: u8 = 1 << 4;
/// The delivery's row was seen, and is as it should be.
const ROW: u8 = 1 << 5;
/// The order was placed before the time from which on orders are judged.
const EARLY: u8 = 1 << 6;

impl Trail {
    /// Makes the order irregular.
    pub fn doubt(&mut self) {
        self.marks |= IRREGULAR;
    }

    /// Notes that the order was placed too early to be judged.
    pub fn leave_aside(&mut self) {
        self.marks |= EARLY;
    }

    /// Whether the order was placed too early to be judged.
    pub fn is_left_aside(&self) -> bool {
        self.has(EARLY)
    }

    /// The time of the order's latest event.
    pub fn latest(&self) -> Timestamp {
        Timestamp(self.latest)
    }

    /// How many rows and records there are of the order, or at least so many if it is irregular.
    pub fn entries(&self) -> usize {
        [self.written, self.published, self.applied, self.reported]
            .into_iter()
            .map(usize::from)
            .sum()
    }

    pub fn written(&mut self, written: &Written) {
        self.see(written.at);
        let regular = match written.event_type {
            OrderEventType::Placed => self.written == 0,
            OrderEventType::Modified => self.written > 0,
            OrderEventType::Cancelled => self.written > 0,
        };
        let next = counted(&mut self.written, Some(written.version));
        if !regular || !next || !written.published || self.has(CANCELLED | INHERITED) {
            self.doubt();
        }
        if written.event_type == OrderEventType::Cancelled {
            self.marks |= CANCELLED;
        }
        if written.inherited {
            self.marks |= INHERITED;
        }
        self.fold(written);
        self.balance = self.balance.wrapping_add(mixed(written.version, written.hash));
    }

    fn fold(&mut self, written: &Written) {
        let fields = match written.event_type {
            OrderEventType::Placed => Some(placed(&written.fields)),
            OrderEventType::Modified => all(&written.fields),
            OrderEventType::Cancelled => return,
        };
        match fields {
            Some(fields) => self.fields = hash_of(&fields),
            // What such an event leads to depends on the fields before it, which are not kept.
            None => self.doubt(),
        }
    }

    pub fn order_record(&mut self, record: &OrderRecord) {
        self.see(record.at);
        let Partition(partition) = record.place.partition;
        if self.published == 0 {
            self.partition = partition;
        }
        let next = counted(&mut self.published, record.version);
        if !next || record.event_type.is_none() || self.partition != partition {
            self.doubt();
        }
        let version = record.version.unwrap_or(Version(0));
        self.balance = self.balance.wrapping_sub(mixed(version, record.hash));
    }

    pub fn delivery_record(&mut self, record: &DeliveryRecord) {
        let regular = match record.event_type {
            DeliveryEventType::Started => self.reported == 0,
            DeliveryEventType::Modified | DeliveryEventType::Cancelled => self.reported > 0,
        };
        let same = self.is_of(record.delivery);
        let next = counted(&mut self.reported, Some(record.version));
        if !regular || !same || !next || self.has(CANCELLED_REPORT) {
            self.doubt();
        }
        if record.event_type == DeliveryEventType::Cancelled {
            self.marks |= CANCELLED_REPORT;
        }
    }

    pub fn applied(&mut self, applied: &Applied) {
        self.see(applied.at);
        let regular = match applied.event_type {
            Some(OrderEventType::Placed) => self.applied == 0,
            Some(OrderEventType::Modified | OrderEventType::Cancelled) => self.applied > 0,
            None => false,
        };
        let before = Version(i64::from(self.applied));
        let in_chain = applied.before == before && applied.after == before.next();
        let same = applied.delivery.is_some_and(|delivery| self.is_of(delivery));
        let next = counted(&mut self.applied, applied.version);
        let effect = applied.kind == ApplyKind::Applied;
        if !(regular && in_chain && same && next && effect) || self.has(CANCELLED_EFFECT) {
            self.doubt();
        }
        if applied.event_type == Some(OrderEventType::Cancelled) {
            self.marks |= CANCELLED_EFFECT;
        }
    }

    /// Forgets the delivery's row, which is about to be looked at again.
    pub fn await_row(&mut self) {
        self.marks &= !ROW;
    }

    /// Whether something was found that a regular order doesn't have, so that only its whole history can tell more.
    pub fn is_irregular(&self) -> bool {
        self.has(IRREGULAR)
    }

    /// Looks at a row of the delivery service. All events and effects have been taken in before.
    pub fn delivery(&mut self, row: &Delivery) {
        let version = row.version == Version(i64::from(self.written));
        if self.has(INHERITED) {
            // The rows of an older system are taken as they are.
            if !version {
                self.doubt();
            }
            return;
        }
        let once = !self.has(ROW);
        let events = row.events.0 >= i64::from(self.reported);
        let same = self.applied > 0 && row.id == DeliveryId(self.delivery);
        let status = row.status.as_deref() == self.last_event().map(OrderEventType::delivery_status);
        if !(once && version && events && same && status && self.fields == hash_of(&row.fields)) {
            self.doubt();
        }
        self.marks |= ROW;
    }

    /// Whether the order was regular to the end, so that nothing about it needs to be told. Up to the time `removed_up_to`
    /// retention may have removed records.
    pub fn is_regular(&self, removed_up_to: Option<Timestamp>) -> bool {
        if self.has(IRREGULAR) {
            return false;
        }
        if self.has(INHERITED) {
            return (self.written, self.published, self.applied, self.reported) == (1, 0, 0, 0);
        }
        let removed = removed_up_to.is_some_and(|up_to| self.latest() <= up_to);
        let published = self.published == self.written && self.balance == 0 || self.published == 0 && removed;
        let applied = self.applied == self.written && self.has(CANCELLED) == self.has(CANCELLED_EFFECT);
        let all_reported = self.reported == self.written && self.has(CANCELLED) == self.has(CANCELLED_REPORT);
        let reported = all_reported || self.reported == 0 && removed;
        self.written > 0 && published && applied && reported && self.has(ROW)
    }

    fn last_event(&self) -> Option<OrderEventType> {
        match self.written {
            0 => None,
            _ if self.has(CANCELLED) => Some(OrderEventType::Cancelled),
            1 => Some(OrderEventType::Placed),
            _ => Some(OrderEventType::Modified),
        }
    }

    /// Whether this is the delivery that was named before, if one was.
    fn is_of(&mut self, delivery: DeliveryId) -> bool {
        if self.applied == 0 && self.reported == 0 {
            self.delivery = delivery.0;
        }
        self.delivery == delivery.0
    }

    fn see(&mut self, at: Timestamp) {
        self.latest = match self.entries() {
            0 => at.0,
            _ => self.latest.max(at.0),
        };
    }

    /// Whether one of these marks was made.
    fn has(&self, marks: u8) -> bool {
        self.marks & marks != 0
    }
}

/// Counts one more event. False if it is not the one whose turn it is.
fn counted(count: &mut u16, version: Option<Version>) -> bool {
    let next = version == Some(Version(i64::from(*count) + 1));
    *count = count.saturating_add(1);
    next
}

/// The fields of an order that was placed with these.
fn placed(event: &OrderPatch) -> OrderFields {
    OrderFields {
        product_id: event.product_id.clone().flatten(),
        product_name: event.product_name.clone().flatten(),
        qty: event.qty.flatten(),
        customer_id: event.customer_id.flatten(),
        address: event.address.clone().flatten(),
    }
}

/// The fields that an event carries, if it carries all of them.
fn all(event: &OrderPatch) -> Option<OrderFields> {
    Some(OrderFields {
        product_id: event.product_id.clone()?,
        product_name: event.product_name.clone()?,
        qty: event.qty?,
        customer_id: event.customer_id?,
        address: event.address.clone()?,
    })
}

fn hash_of(fields: &OrderFields) -> u64 {
    let mut hasher = DefaultHasher::new();
    let OrderFields {
        product_id,
        product_name,
        qty,
        customer_id,
        address,
    } = fields;
    (product_id, product_name, qty, customer_id, address).hash(&mut hasher);
    hasher.finish()
}

/// Makes a number of a version and the hash of its content such that sums of several tell whether they are the same (the
/// finish of SplitMix64).
fn mixed(version: Version, hash: u64) -> u64 {
    let mut mixed = hash ^ version.0.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
