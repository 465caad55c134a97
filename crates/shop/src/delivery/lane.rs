//! Which records have to be handled one after the other.

use bytes::Bytes;
use keylane_log::Record;

use crate::records::{self, Incoming};

/// The lane of a record: the order, which every event names in its value, also where the record has no key.
pub(super) fn lane(record: &Record) -> Option<Bytes> {
    let order = match records::incoming(record) {
        Incoming::Order(event) => Some(event.order_id),
        Incoming::Malformed(malformed) => malformed.order_id,
        Incoming::Other => None,
    };
    order.map(|order| Bytes::from(order.to_string()))
}
