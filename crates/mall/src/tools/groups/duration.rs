//! A length of time as `--by-duration` takes it: ISO 8601 as Java reads it.

/// Seconds in each unit that stands before the `T`, and behind it.
const DAY: i128 = 86_400;
const UNITS: [(char, i128); 2] = [('H', 3_600), ('M', 60)];

/// Milliseconds of `PnDTnHnMn.nS`, in which each part may be left out and have a sign of its own.
pub fn parse(text: &str) -> Result<i128, String> {
    read(text).ok_or_else(|| format!("Text cannot be parsed to a Duration: \"{text}\"; P1DT2H3M4.5S is allowed"))
}

fn read(text: &str) -> Option<i128> {
    let upper = text.to_ascii_uppercase();
    let (sign, rest) = match upper.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, upper.strip_prefix('+').unwrap_or(&upper)),
    };
    let rest = rest.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let days = match date {
        "" => 0,
        _ => number(date.strip_suffix('D')?)?,
    };
    let mut millis = days.checked_mul(DAY * 1000)?;
    let mut time = time;
    for (unit, seconds) in UNITS {
        if let Some((digits, rest)) = time.split_once(unit) {
            millis = millis.checked_add(number(digits)?.checked_mul(seconds * 1000)?)?;
            time = rest;
        }
    }
    if !time.is_empty() {
        millis = millis.checked_add(seconds(time.strip_suffix('S')?)?)?;
    }
    Some(sign * millis)
}

/// A whole number with a sign or none.
fn number(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = !digits.is_empty() && digits.len() < 20 && digits.chars().all(|c| c.is_ascii_digit());
    whole.then(|| text.parse().ok()).flatten()
}

/// The milliseconds of a number of seconds with up to nine digits behind a point or a comma.
fn seconds(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let millis: i128 = format!("{fraction:0<3}")[..3].parse().ok()?;
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    Some(number(whole)? * 1000 + sign * millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_as_java_reads_them() {
        for (text, millis) in [
            ("PT0S", 0),
            ("P1D", 86_400_000),
            ("PT1H", 3_600_000),
            ("P1DT2H3M4.5S", 93_784_500),
            ("pt1m", 60_000),
            ("PT-6H3M", -21_420_000),
            ("-PT6H", -21_600_000),
            ("PT1,25S", 1_250),
            ("PT-0.5S", -500),
            ("P-1D", -86_400_000),
        ] {
            assert_eq!(parse(text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "1h",
            "P",
            "PT",
            "P1DT",
            "PT1",
            "PT1M1H",
            "P1H",
            "PT1.5H",
            "PTxS",
            "PT1.1234567890S",
            "P1W",
        ] {
            parse(text).expect_err(text);
        }
    }
}
