//! JSON numbers by their value, however they are written. No digit is lost, as it would be in a floating point number.

/// A decimal number: 0.`digits` × 10^`exponent`, and its sign. Zero has no digits.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    /// The significant digits, which neither begin nor end with a zero.
    digits: String,
    exponent: i64,
}

/// Exponents are clamped to this size. Two numbers with clamped exponents are never taken to be the same.
const FAR: i64 = i64::MAX / 4;

/// Whether two JSON numbers have the same value, as `1`, `1.0` and `10e-1` do.
pub(super) fn same(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let (one, other) = (Decimal::of(one), Decimal::of(other));
    one == other && one.exponent.abs() < FAR
}

/// A JSON number cut off towards zero; `None` if it does not lie between `min` and `max`, which are not zero.
pub(super) fn truncated(text: &str, min: i64, max: i64) -> Option<i64> {
    let decimal = Decimal::of(text);
    let places = match decimal.exponent {
        ..1 => return Some(0),
        places @ 1..=19 => places as usize,
        // The number is not zero, whose exponent is 0, so it has more than 19 digits before the point.
        _ => return None,
    };
    let (kept, cut) = decimal.digits.split_at(places.min(decimal.digits.len()));
    let sign = if decimal.negative { "-" } else { "" };
    let number: i64 = format!("{sign}{kept:0<places$}").parse().ok()?;
    let within = if cut.is_empty() {
        (min..=max).contains(&number)
    } else {
        // The digits that were cut off put the value beyond the number, so a number at a limit lies outside.
        min < number && number < max
    };
    within.then_some(number)
}

impl Decimal {
    /// Reads a number as JSON writes it.
    fn of(text: &str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            return Self {
                negative: false,
                digits: String::new(),
                exponent: 0,
            };
        }
        let leading_zeros = digits.len() - significant.len();
        let far = if exponent.starts_with('-') { -FAR } else { FAR };
        let shift = exponent.parse().unwrap_or(far).clamp(-FAR, FAR);
        Self {
            negative,
            digits: significant.trim_end_matches('0').to_owned(),
            exponent: (shift + whole.len() as i64 - leading_zeros as i64).clamp(-FAR, FAR),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_by_value() {
        let groups: [&[&str]; 8] = [
            &["0", "-0", "0.0", "0e9", "-0.00e-7"],
            &["1", "1.0", "1e0", "1E+0", "10e-1", "0.1e1", "1.000"],
            &["-1", "-1.0", "-10e-1"],
            &["100", "1e2", "1.00e2", "0.001e5"],
            &["3.1", "3.10", "31e-1"],
            &[
                "12345678901234567890123",
                "12345678901234567890123.0",
                "1.2345678901234567890123e22",
            ],
            &["12345678901234567890124"],
            &["1e99999999999999999999"],
        ];
        for (i, group) in groups.iter().enumerate() {
            for (j, other) in groups.iter().enumerate() {
                for (a, b) in group.iter().flat_map(|a| other.iter().map(move |b| (a, b))) {
                    assert_eq!(same(a, b), i == j, "{a} and {b}");
                }
            }
        }
        assert!(!same("1e99999999999999999999", "1e99999999999999999998"));
    }

    #[test]
    fn fractions_are_cut_off_and_no_digit_is_lost() {
        let cases = [
            ("3.7", Some(3)),
            ("-3.7", Some(-3)),
            ("0.9", Some(0)),
            ("-0.0", Some(0)),
            ("1e2", Some(100)),
            ("1.5e1", Some(15)),
            ("123e-2", Some(1)),
            ("9007199254740993.0", Some(9_007_199_254_740_993)),
            ("9223372036854775807.0", Some(i64::MAX)),
            ("-9223372036854775808.0", Some(i64::MIN)),
            ("9223372036854775806.9", Some(i64::MAX - 1)),
            ("9223372036854775807.9", None),
            ("-9223372036854775808.9", None),
            ("9223372036854775808.0", None),
            ("-9223372036854775809.0", None),
            ("1e19", None),
            ("1e400", None),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", Some(0)),
            ("0e99999999999999999999", Some(0)),
        ];
        for (text, number) in cases {
            assert_eq!(truncated(text, i64::MIN, i64::MAX), number, "{text}");
        }
    }
}
