//! What a commit says beside its offset: which records behind the gap are done already.
//!
//! ```text
//!   offset   100   101 … 4999   5000   5001 … 9000
//!            open  done         open   done          ─▶  "lanes1:64:…:checksum", committed with offset 100
//! ```
//!
//! The text is `lanes1:<offset>:<runs>:<checksum>`: the offset it was encoded for in hexadecimal, then pairs of lengths
//! (open, done, open, done …) that begin at that offset, then a checksum over all before it. A length is written in
//! digits of six bits, lowest first, of which one says that another follows.
//!
//! # Invariants
//! * ASCII and at most [`LIMIT`] characters: the broker replaces what is not UTF-8 and refuses what is longer.
//! * What doesn't fit is left out from the far end, so it only costs repetitions, never a stop.
//! * Text that is foreign, torn, for another offset or about records that don't exist is not used at all: skipping a
//!   record that nobody handled is the one mistake that can't be made good.

use std::fmt;
use std::ops::Range;

use keylane_log::Offset;

/// The most characters a broker accepts by default (`offset.metadata.max.bytes`).
pub const LIMIT: usize = 4096;

const MARK: &str = "lanes1";
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const CHECKSUM: usize = 8;

/// Why metadata isn't used. Nothing is skipped then: what was done behind the gap is handled again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Somebody else's: it doesn't begin as ours does.
    Foreign,
    /// Ours, but damaged or cut off.
    Torn,
    /// Encoded for another offset than the one it came with (somebody reset the group's offset).
    OtherOffset,
    /// It speaks of records behind the log's end: the log was truncated or restored.
    BeyondEnd,
    /// The log's end could not be learned, so it can't be told from the case before.
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

/// The metadata for a commit of `position`, given the ranges of done offsets behind it, ascending and apart; empty if
/// there are none.
pub fn encode(position: Offset, done: impl IntoIterator<Item = Range<u64>>) -> String {
    let mut text = format!("{MARK}:{:x}:", position.0);
    let empty = text.len();
    let mut cursor = position.0;
    for range in done {
        let before = text.len();
        push_length(&mut text, range.start - cursor);
        push_length(&mut text, range.end - range.start);
        if text.len() + 1 + CHECKSUM > LIMIT {
            text.truncate(before);
            break;
        }
        cursor = range.end;
    }
    if text.len() == empty {
        return String::new();
    }
    let sum = checksum(&text);
    text.push_str(&format!(":{sum:08x}"));
    text
}

/// The ranges that [`encode`] was given (those that fitted), for a partition that continues at `position` and whose log
/// ends at `end`, if that is known.
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
    let (runs, _) = rest.split_once(':').ok_or(Unusable::Torn)?;
    if u64::from_str_radix(offset, 16) != Ok(position.0) {
        return Err(Unusable::OtherOffset);
    }
    let ranges = ranges(position.0, runs.as_bytes()).ok_or(Unusable::Torn)?;
    let end = end.ok_or(Unusable::EndUnknown)?;
    match ranges.last() {
        Some(last) if last.end > end.0 => Err(Unusable::BeyondEnd),
        _ => Ok(ranges),
    }
}

fn ranges(mut cursor: u64, mut runs: &[u8]) -> Option<Vec<Range<u64>>> {
    let mut ranges = Vec::new();
    while !runs.is_empty() {
        let start = cursor.checked_add(pull_length(&mut runs)?)?;
        cursor = start.checked_add(pull_length(&mut runs)?)?;
        ranges.push(start..cursor);
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

fn pull_length(runs: &mut &[u8]) -> Option<u64> {
    let mut length = 0;
    for shift in (0..64).step_by(5) {
        let (first, rest) = runs.split_first()?;
        *runs = rest;
        let digit = DIGITS.iter().position(|digit| digit == first)? as u64;
        length |= (digit & 0x1f) << shift;
        if digit & 0x20 == 0 {
            return Some(length);
        }
    }
    None
}

/// FNV-1a: it has to notice damage, not malice.
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "what is done is given in ranges")]
mod tests;
