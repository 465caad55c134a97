//! The only way in which this program writes a point in time as text, in records and for people.

use std::time::{Duration, UNIX_EPOCH};

use keylane_log::Timestamp;

/// The last millisecond of the year 9999, since the Unix epoch. RFC 3339 has no form for later times.
const LAST: u64 = 253_402_300_799_999;

/// A time in RFC 3339's form, in UTC and to the millisecond: `2025-06-12T03:05:12.193Z`. Foreign records may have any
/// timestamp; one before 1970 or after 9999 is written as the first or the last millisecond between.
pub fn rfc3339(at: Timestamp) -> String {
    let since_epoch = Duration::from_millis(u64::try_from(at.0).unwrap_or_default().min(LAST));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since_epoch).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_time_has_a_form() {
        for (milliseconds, text) in [
            (1_749_697_512_193, "2025-06-12T03:05:12.193Z"),
            (i64::MIN, "1970-01-01T00:00:00.000Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(Timestamp(milliseconds)), text);
        }
    }
}
