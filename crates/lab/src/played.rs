//! The records that a scenario has somebody else than the mall's own relay write.
//!
//! # Invariants
//! * A record that is written in the default way is, byte for byte, the one that the relay would write.

use bytes::Bytes;
use keylane_log::partitioner::partition_of;
use keylane_log::{NewRecord, Partition, Timestamp};
use shop::domain::payload::order_payload;
use shop::domain::{EventType, JournalEntry, OrderEventType, OrderFields, OrderId, Version};
use shop::records;

use crate::audit::crc32;
use crate::scenario::{Choice, Fields, Forged, Key, KeyMode, Producer};

/// A producer whose part a scenario plays. It puts records without a key into one partition after the other.
#[derive(Debug, Clone)]
pub struct Played {
    key: KeyMode,
    turn: u32,
}

impl Played {
    /// A producer of a mall whose events have this key.
    pub fn new(key: KeyMode) -> Self {
        Self { key, turn: 0 }
    }

    /// The record that publishes an entry in this way, into a topic with so many partitions.
    pub fn record(&mut self, entry: &JournalEntry, by: &Producer, partitions: u32) -> NewRecord {
        let key = self.key_of(entry.order_id, by);
        let partition = match (by.choice, &key) {
            (Choice::To(partition), _) => partition,
            (Choice::Crc32, Some(key)) => Partition(crc32(key) % partitions),
            (Choice::Assuming(known), Some(key)) => partition_of(key, known),
            (Choice::Assuming(known), None) => self.next(known),
            (Choice::Murmur2, Some(key)) => partition_of(key, partitions),
            (Choice::Murmur2 | Choice::Crc32, None) => self.next(partitions),
        };
        NewRecord {
            key,
            partition: Some(partition),
            ..records::keyed(entry)
        }
    }

    fn key_of(&self, order: OrderId, by: &Producer) -> Option<Bytes> {
        let as_set_up = match self.key {
            KeyMode::OrderId => Key::Plain,
            KeyMode::None => Key::None,
        };
        let number = order.0;
        match by.key.unwrap_or(as_set_up) {
            Key::None => None,
            Key::Plain => Some(number.to_string().into()),
            Key::Empty => Some(Bytes::new()),
            Key::Quoted => Some(format!("\"{number}\"").into()),
            Key::Padded => Some(format!("{number:03}").into()),
            Key::Binary => {
                let low = i32::try_from(number).unwrap_or(i32::MAX);
                Some(Bytes::copy_from_slice(&low.to_be_bytes()))
            }
        }
    }

    fn next(&mut self, partitions: u32) -> Partition {
        let partition = Partition(self.turn % partitions);
        self.turn = self.turn.wrapping_add(1);
        partition
    }
}

/// The entry that a forged record publishes. It stands in no journal.
pub fn forged(order: OrderId, version: Version, says: &Forged, at: Timestamp) -> JournalEntry {
    let (event, payload) = match says {
        Forged::Event(event, fields) => (*event, order_payload(*event, at, order, &placed(fields))),
        Forged::Unreadable => {
            let id = order.0;
            let text = format!(
                r#"{{"eventType":"OrderModified","timestamp":{},"id":{id},"qty":"many"}}"#,
                at.0
            );
            (OrderEventType::Modified, text)
        }
    };
    JournalEntry {
        row_id: order.0,
        order_id: order,
        version,
        event_type: EventType::Order(event),
        timestamp: at,
        payload,
        traceparent: None,
    }
}

/// The fields that an order is placed with in a scenario.
pub fn placed(fields: &Fields) -> OrderFields {
    OrderFields {
        product_id: Some("100".to_owned()),
        product_name: Some(fields.product.clone().unwrap_or_else(|| "RADIO".to_owned())),
        qty: Some(fields.qty.unwrap_or(3)),
        customer_id: Some(fields.customer.unwrap_or(2000)),
        address: Some(fields.address.clone().unwrap_or_else(|| "PUSAN".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> JournalEntry {
        let says = Forged::Event(OrderEventType::Placed, Fields::default());
        forged(OrderId(7), Version(1), &says, Timestamp(5))
    }

    fn by(key: Option<Key>, choice: Choice) -> Producer {
        Producer { key, choice }
    }

    #[test]
    fn by_default_it_is_the_relays_record() {
        let relays = records::keyed(&entry());
        let played = Played::new(KeyMode::OrderId).record(&entry(), &Producer::default(), 4);
        let partition = partition_of(b"7", 4);
        assert_eq!(
            played,
            NewRecord {
                partition: Some(partition),
                ..relays
            }
        );
    }

    #[test]
    fn keys_are_spelt_as_they_are_asked_for() {
        let mut played = Played::new(KeyMode::OrderId);
        let mut key = |key| played.record(&entry(), &by(Some(key), Choice::Murmur2), 2).key;
        assert_eq!(key(Key::Plain).as_deref(), Some(&b"7"[..]));
        assert_eq!(key(Key::Quoted).as_deref(), Some(&b"\"7\""[..]));
        assert_eq!(key(Key::Padded).as_deref(), Some(&b"007"[..]));
        assert_eq!(key(Key::Binary).as_deref(), Some(&[0, 0, 0, 7][..]));
        assert_eq!(key(Key::Empty).as_deref(), Some(&b""[..]));
        assert_eq!(key(Key::None), None);
    }

    #[test]
    fn records_without_a_key_are_dealt_out_in_turn() {
        let mut played = Played::new(KeyMode::None);
        let mut partition = |choice| played.record(&entry(), &by(None, choice), 2).partition;
        let dealt = [Choice::Murmur2, Choice::Murmur2, Choice::Murmur2].map(&mut partition);
        assert_eq!(dealt, [0, 1, 0].map(|number| Some(Partition(number))));
        assert_eq!(partition(Choice::To(Partition(3))), Some(Partition(3)));
    }

    #[test]
    fn another_hash_and_another_count_choose_otherwise() {
        let mut played = Played::new(KeyMode::OrderId);
        let mut partition = |choice| played.record(&entry(), &by(None, choice), 4).partition;
        assert_eq!(partition(Choice::Assuming(1)), Some(Partition(0)));
        assert_eq!(partition(Choice::Crc32), Some(Partition(crc32(b"7") % 4)));
    }
}
