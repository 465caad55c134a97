//! The metadata of a commit: which records behind the committed offset are done already.
//!
//! A runner writes and reads this text by itself. The module is public for tools that look at a consumer group from
//! outside, for example to tell how many records really wait.
//!
//! ```text
//!   offset   100   101 … 4999   5000   5001 … 9000
//!            open  done         open   done          ─▶  "lanes1:64:…:checksum", committed with offset 100
//! ```
//!
//! The text is `lanes1:<offset>:<lengths>:<checksum>`. The offset, in hexadecimal, is the one that the text was encoded
//! for. The lengths of open and done stretches alternate, and begin at that offset. The checksum covers everything
//! before its colon. A length is written in digits of six bits, lowest first; one bit of each says whether another
//! digit follows.
//!
//! # Invariants
//! * The text is ASCII, because the broker replaces what is not UTF-8, and has at most [`LIMIT`] characters, because
//!   the broker refuses more.
//! * Ranges that don't fit are left out, those with the highest offsets first. Their records are handled again, which
//!   is harmless.
//! * Text that is foreign, torn, for another offset or about records that don't exist is not used at all: a record that
//!   is skipped although it was never handled is lost.

use std::fmt;
use std::ops::Range;

use keylane_log::Offset;
use planted::Bug;

/// The most characters that a broker accepts by default (`offset.metadata.max.bytes`).
pub const LIMIT: usize = 4096;

/// The first word of our texts: a name and the version of the format.
const MARK: &str = "lanes1";
/// The digits of a length, by value (URL-safe Base64).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of a checksum.
const CHECKSUM: usize = 8;

/// Why metadata is not used. Then no record is skipped, and those done behind the committed offset are handled again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It does not begin as our metadata does, so another program wrote it.
    Foreign,
    /// It is ours, but damaged or cut off.
    Torn,
    /// It was encoded for another offset than the one it came with, because the group's offset was reset.
    OtherOffset,
    /// It names records behind the log's end, so the log was truncated or restored.
    BeyondEnd,
    /// The log's end is not known, so [`BeyondEnd`](Self::BeyondEnd) can't be ruled out.
    EndUnknown,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "it was not written by this program",
            Self::Torn => "it is damaged",
            Self::OtherOffset => "it was written for another offset",
            Self::BeyondEnd => "it names records behind the end of the log, which must have been truncated or restored",
            Self::EndUnknown => "the log's end could not be learned",
        })
    }
}

/// Encodes the metadata for a commit of `position`. `done` are the ranges of done offsets behind it, ascending and
/// without overlap. If there are none, the text is empty.
pub fn encode(position: Offset, done: impl IntoIterator<Item = Range<u64>>) -> String {
    let mut text = format!("{MARK}:{:x}:", position.0);
    let empty = text.len();
    let mut last_end = position.0;
    for range in done {
        let before = text.len();
        push_length(&mut text, range.start - last_end);
        push_length(&mut text, range.end - range.start);
        if text.len() + 1 + CHECKSUM > LIMIT {
            text.truncate(before);
            break;
        }
        last_end = range.end;
    }
    if text.len() == empty {
        return String::new();
    }
    let sum = checksum(&text);
    text.push_str(&format!(":{sum:08x}"));
    text
}

/// Decodes the ranges that [`encode`] was given, as far as they fitted. `position` is the committed offset that the
/// metadata came with, and `end` is the log's end if it is known.
///
/// # Errors
/// See [`Unusable`].
pub fn decode(position: Offset, end: Option<Offset>, metadata: &str) -> Result<Vec<Range<u64>>, Unusable> {
    if metadata.is_empty() {
        return Ok(Vec::new());
    }
    let body = metadata
        .strip_prefix(MARK)
        .and_then(|rest| rest.strip_prefix(':'))
        .ok_or(Unusable::Foreign)?;
    let (signed, sum) = metadata.rsplit_once(':').ok_or(Unusable::Torn)?;
    if sum != format!("{:08x}", checksum(signed)) {
        return Err(Unusable::Torn);
    }
    let (offset, rest) = body.split_once(':').ok_or(Unusable::Torn)?;
    let (lengths, _) = rest.split_once(':').ok_or(Unusable::Torn)?;
    if u64::from_str_radix(offset, 16) != Ok(position.0) {
        return Err(Unusable::OtherOffset);
    }
    let ranges = ranges(position.0, lengths.as_bytes()).ok_or(Unusable::Torn)?;
    if planted::is_in(Bug::MetadataTrusted) {
        return Ok(ranges);
    }
    let end = end.ok_or(Unusable::EndUnknown)?;
    match ranges.last() {
        Some(last) if last.end > end.0 => Err(Unusable::BeyondEnd),
        _ => Ok(ranges),
    }
}

/// The done ranges that alternating lengths describe. The first length is of what is open from `offset` on, the next of
/// what is done behind that.
fn ranges(mut offset: u64, mut lengths: &[u8]) -> Option<Vec<Range<u64>>> {
    let mut ranges = Vec::new();
    while !lengths.is_empty() {
        let start = offset.checked_add(pull_length(&mut lengths)?)?;
        offset = start.checked_add(pull_length(&mut lengths)?)?;
        ranges.push(start..offset);
    }
    Some(ranges)
}

fn push_length(text: &mut String, mut length: u64) {
    loop {
        let more = if length > 0x1f { 0x20 } else { 0 };
        text.push(DIGITS[(length & 0x1f | more) as usize] as char);
        length >>= 5;
        if length == 0 {
            return;
        }
    }
}

fn pull_length(lengths: &mut &[u8]) -> Option<u64> {
    let mut length = 0;
    for shift in (0..64).step_by(5) {
        let (first, rest) = lengths.split_first()?;
        *lengths = rest;
        let digit = DIGITS.iter().position(|digit| digit == first)? as u64;
        length |= (digit & 0x1f) << shift;
        if digit & 0x20 == 0 {
            return Some(length);
        }
    }
    None
}

/// The FNV-1a hash of `text`. It is to detect damage, and need not withstand an attacker.
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "done offsets are given as ranges")]
mod tests;
