//! Encodes a record's headers into one blob, for a column of a database.
//!
//! ```text
//!   length of name | name | 0                              a header without a value
//!   length of name | name | length of value + 1 | value    a header with a value
//! ```
//!
//! Lengths are unsigned LEB128 numbers. Headers follow each other without a separator.

use bytes::Bytes;

use crate::port::{LogError, Result};
use crate::record::Header;

/// Appends the encoded `headers` to `blob`.
pub fn encode(headers: &[Header], blob: &mut Vec<u8>) {
    for header in headers {
        push_length(header.name.len(), blob);
        blob.extend_from_slice(header.name.as_bytes());
        match &header.value {
            None => push_length(0, blob),
            Some(value) => {
                push_length(value.len() + 1, blob);
                blob.extend_from_slice(value);
            }
        }
    }
}

fn push_length(mut length: usize, blob: &mut Vec<u8>) {
    while length >= 0x80 {
        blob.push(length as u8 | 0x80);
        length >>= 7;
    }
    blob.push(length as u8);
}

/// Decodes what [`encode`] wrote.
///
/// # Errors
/// [`LogError::Broken`] if [`encode`] can't have written `blob`.
pub fn decode(blob: &[u8]) -> Result<Vec<Header>> {
    // All values are slices of this one copy.
    let mut rest = Bytes::copy_from_slice(blob);
    let mut headers = Vec::new();
    while !rest.is_empty() {
        headers.push(header(&mut rest).ok_or_else(|| LogError::Broken("a record's headers are corrupt".into()))?);
    }
    Ok(headers)
}

fn header(rest: &mut Bytes) -> Option<Header> {
    let length = take_length(rest)?;
    let name = String::from_utf8(take(rest, length)?.into()).ok()?;
    let value = match take_length(rest)? {
        0 => None,
        more => Some(take(rest, more - 1)?),
    };
    Some(Header { name, value })
}

fn take_length(rest: &mut Bytes) -> Option<usize> {
    let mut length = 0;
    for shift in (0..u32::BITS).step_by(7) {
        let byte = take(rest, 1)?[0];
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(length);
        }
    }
    None
}

fn take(rest: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= rest.len()).then(|| rest.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were() {
        let mut headers = vec![
            Header::text("type", "OrderPlaced"),
            Header::text("type", "again"),
            Header::text("", "x".repeat(300)),
            Header::text("empty", ""),
        ];
        headers.push(Header {
            name: "none".into(),
            value: None,
        });
        let mut blob = Vec::new();
        encode(&headers, &mut blob);
        assert_eq!(decode(&blob).unwrap(), headers);
        assert_eq!(decode(&[]).unwrap(), []);
    }

    #[test]
    fn a_cut_blob_is_broken() {
        let mut blob = Vec::new();
        encode(&[Header::text("type", "OrderPlaced")], &mut blob);
        for cut in 1..blob.len() {
            assert!(matches!(decode(&blob[..cut]), Err(LogError::Broken(_))), "{cut}");
        }
    }
}
