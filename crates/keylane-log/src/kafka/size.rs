//! Computes the size of a record as a broker sees it. The broker compares the batch that the record came in with the
//! topic's `max.message.bytes`.
//!
//! Batches have the second format (KIP-98), since an idempotent producer uses no other.

use crate::record::{Header, NewRecord};

/// The bytes of a batch before its records.
const BATCH_HEADER: usize = 61;

/// The bytes of the smallest batch that a record can come in, which has no other record and is not compressed.
pub(super) fn alone(record: &NewRecord) -> usize {
    // A byte of attributes, and two for the distances in time and offset to the batch's first record, which are 0 here.
    let fixed = 3;
    let headers: usize = record.headers.iter().map(header).sum();
    let count = length(record.headers.len());
    let body = fixed + field(record.key.as_deref()) + field(record.value.as_deref()) + count + headers;
    BATCH_HEADER + length(body) + body
}

/// The bytes of a header.
fn header(header: &Header) -> usize {
    field(Some(header.name.as_bytes())) + field(header.value.as_deref())
}

/// The bytes of a field: its length, and then its content. A missing field has the length -1, which takes one byte.
fn field(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| length(bytes.len()) + bytes.len())
}

/// The bytes that a length itself takes, with seven bits in each byte and one bit for the sign.
fn length(length: usize) -> usize {
    let bits = 1 + usize::BITS - length.leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Timestamp;

    fn record(key: Option<&'static str>, value: Option<Vec<u8>>, headers: Vec<Header>) -> NewRecord {
        NewRecord {
            partition: None,
            timestamp: Timestamp(1_700_000_000_000),
            key: key.map(Into::into),
            value: value.map(Into::into),
            headers,
        }
    }

    #[test]
    fn lengths_grow_by_a_byte_where_zigzag_numbers_do() {
        let limits = [0, 63, 64, 8_191, 8_192, 1_048_575, 1_048_576, 134_217_727, 134_217_728];
        assert_eq!(limits.map(length), [1, 1, 2, 2, 3, 3, 4, 4, 5]);
    }

    /// The expected sizes are those of batches that Java's `MemoryRecords` makes.
    #[test]
    fn records_have_the_size_of_javas_batches() {
        let headers = vec![
            Header::text("eventType", "OrderPlaced"),
            Header {
                name: "none".into(),
                value: None,
            },
        ];
        let of = |bytes: usize| record(None, Some(vec![b'x'; bytes]), Vec::new());
        let sizes = [
            (record(None, None, Vec::new()), 68),
            (record(Some(""), Some(Vec::new()), Vec::new()), 68),
            (record(Some("6"), Some(vec![b'x'; 30]), headers), 128),
            // Of each pair, the second is where a length takes one more byte: that of the record, or that of its value.
            (of(57), 125),
            (of(58), 127),
            (of(63), 132),
            (of(64), 134),
            (of(8_184), 8_254),
            (of(8_185), 8_256),
            (of(1_000_000), 1_000_072),
        ];
        for (record, size) in sizes {
            assert_eq!(alone(&record), size);
        }
    }
}
