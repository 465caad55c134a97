//! A point in time as `--to-datetime` takes it.

use keylane_log::Timestamp;

/// Milliseconds since 1970 of `YYYY-MM-DDThh:mm:ss.sss`, in UTC unless `Z`, `+09`, `+0900` or `+09:00` follows.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let wrong = || {
        format!(
            "Unparseable date: \"{text}\"; YYYY-MM-DDThh:mm:ss.sss is allowed, in UTC or followed by a zone such as +09:00"
        )
    };
    let Some((date, time)) = text.split_once('T') else {
        return Err("Error parsing timestamp. It does not contain a 'T' according to ISO8601 format".into());
    };
    let (time, zone) = match time.find(['+', '-', 'Z']) {
        Some(at) => time.split_at(at),
        None => (time, "Z"),
    };
    let east = offset_minutes(zone).ok_or_else(wrong)?;
    let local = humantime::parse_rfc3339(&format!("{date}T{time}Z")).map_err(|_| wrong())?;
    Ok(Timestamp::from(local).0 - east * 60_000)
}

/// How many minutes a zone is east of Greenwich.
fn offset_minutes(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone[1..].chars().filter(|c| *c != ':').collect();
    let number = |text: &str| {
        text.parse::<i64>()
            .ok()
            .filter(|_| text.chars().all(|c| c.is_ascii_digit()))
    };
    let (hours, minutes) = match digits.len() {
        2 => (number(&digits)?, 0),
        4 => (number(digits.get(..2)?)?, number(digits.get(2..)?)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_may_follow() {
        for text in [
            "2026-01-02T03:04:05.678",
            "2026-01-02T03:04:05.678Z",
            "2026-01-02T12:04:05.678+09:00",
            "2026-01-02T12:04:05.678+0900",
            "2026-01-02T12:04:05.678+09",
            "2026-01-01T21:34:05.678-05:30",
        ] {
            assert_eq!(parse(text), Ok(1_767_323_045_678), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "2026-01-02",
            "2026-13-01T00:00:00.000",
            "2026-01-01T00:00:00+9",
            "2026-01-01T00:00:00+aa",
            "T",
        ] {
            parse(text).expect_err(text);
        }
    }
}
