//! The lane of a record: records of one lane are handled one after the other.

use bytes::Bytes;
use keylane_log::Record;

use crate::records::{self, Incoming};

/// The lane of a record is its order's number as text, taken from the record's value, so a record without a key has the
/// same lane. A record that names no order has no lane of its own: it is handled in the sequence of its partition.
pub(super) fn lane(record: &Record) -> Option<Bytes> {
    let order = match records::incoming(record) {
        Incoming::Order(event) => Some(event.order_id),
        Incoming::Malformed(malformed) => malformed.order_id,
        Incoming::Other => None,
    };
    order.map(|order| Bytes::from(order.to_string()))
}
