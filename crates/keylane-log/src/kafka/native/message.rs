//! Copies messages out of librdkafka's memory.

use std::ffi::{CStr, c_void};
use std::ptr;

use bytes::Bytes;
use rdkafka::bindings as native;
use rdkafka::message::BorrowedMessage;

use crate::kafka::convert::{Topics, partition};
use crate::record::{Header, Offset, Record, Timestamp, TimestampType};

const NO_ERROR: native::rd_kafka_resp_err_t = native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// Copies a message that rust-rdkafka has handed out.
pub(in crate::kafka) fn of_rdkafka(message: &BorrowedMessage<'_>, topics: &mut Topics) -> Record {
    // SAFETY: the message was consumed, and is borrowed.
    unsafe { record(message.ptr(), topics, Bytes::copy_from_slice) }
}

/// Copies a message; `copy` copies each of its texts.
///
/// # Safety
/// `message` must have been consumed without an error, and live.
pub(super) unsafe fn record(
    message: *const native::rd_kafka_message_t,
    topics: &mut Topics,
    mut copy: impl FnMut(&[u8]) -> Bytes,
) -> Record {
    use native::rd_kafka_timestamp_type_t as Kind;
    unsafe {
        let fields = &*message;
        let mut kind = Kind::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        let timestamp = native::rd_kafka_message_timestamp(message, &raw mut kind);
        let topic = topics.intern(CStr::from_ptr(native::rd_kafka_topic_name(fields.rkt)).to_bytes());
        let headers = headers(message, &mut copy).unwrap_or_else(|| {
            tracing::warn!(
                tally = "headers left out",
                "the headers of {topic}-{}@{} are left out: a name of theirs is not UTF-8",
                fields.partition,
                fields.offset
            );
            Vec::new()
        });
        Record {
            topic,
            partition: partition(fields.partition),
            offset: Offset(fields.offset.max(0) as u64),
            timestamp: Timestamp(match (kind, timestamp) {
                (Kind::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE, _) | (_, -1) => 0,
                (_, timestamp) => timestamp,
            }),
            timestamp_type: match kind {
                Kind::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            key: text(fields.key, fields.key_len).map(&mut copy),
            value: text(fields.payload, fields.len).map(&mut copy),
            headers,
        }
    }
}

/// The headers of a message; `None` if the name of one is not UTF-8. A record that could not be read at all would stop
/// every member of every group.
///
/// # Safety
/// As for [`record`].
unsafe fn headers(message: *const native::rd_kafka_message_t, copy: impl FnMut(&[u8]) -> Bytes) -> Option<Vec<Header>> {
    let mut list = ptr::null_mut();
    unsafe {
        match native::rd_kafka_message_headers(message, &raw mut list) {
            NO_ERROR => read(list, copy),
            _ => Some(Vec::new()),
        }
    }
}

/// # Safety
/// `list` must live.
unsafe fn read(list: *const native::rd_kafka_headers_t, mut copy: impl FnMut(&[u8]) -> Bytes) -> Option<Vec<Header>> {
    let mut headers = Vec::new();
    loop {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        unsafe {
            let at = headers.len();
            if native::rd_kafka_header_get_all(list, at, &raw mut name, &raw mut value, &raw mut size) != NO_ERROR {
                return Some(headers);
            }
            headers.push(Header {
                name: CStr::from_ptr(name).to_str().ok()?.to_owned(),
                value: text(value, size).map(&mut copy),
            });
        }
    }
}

/// The bytes of a text; `None` if there is none.
///
/// # Safety
/// `first` must be null, or point to `size` bytes that live as long as what is borrowed.
unsafe fn text<'a>(first: *const c_void, size: usize) -> Option<&'a [u8]> {
    (!first.is_null()).then(|| unsafe { std::slice::from_raw_parts(first.cast(), size) })
}

#[cfg(test)]
mod tests {
    use super::super::request::Owned;
    use super::*;

    /// What is read of headers with these names.
    fn names(names: &[&[u8]]) -> Option<Vec<String>> {
        // SAFETY: the list is freed by its owner, and copies what it is given.
        unsafe {
            let list = Owned::new(native::rd_kafka_headers_new(2), native::rd_kafka_headers_destroy);
            for name in names {
                let length = name.len() as isize;
                native::rd_kafka_header_add(list.get(), name.as_ptr().cast(), length, ptr::null(), 0);
            }
            let headers = read(list.get(), Bytes::copy_from_slice)?;
            Some(headers.into_iter().map(|header| header.name).collect())
        }
    }

    #[test]
    fn headers_that_can_t_be_read_do_not_stop_their_record() {
        assert_eq!(
            names(&[b"fine", b"too"]),
            Some(vec!["fine".to_owned(), "too".to_owned()])
        );
        assert_eq!(names(&[b"fine", b"\xff"]), None);
    }
}
