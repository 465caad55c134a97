use fastrand::Rng;

use super::*;

const END: Option<Offset> = Some(Offset(u64::MAX));

/// Draws `count` ranges behind `position`, ascending and with gaps between them.
fn random_ranges(rng: &mut Rng, position: u64, count: usize, longest: usize) -> Vec<Range<u64>> {
    let mut cursor = position;
    let mut ranges = Vec::new();
    for _ in 0..count {
        let start = cursor + 1 + rng.usize(..longest) as u64;
        cursor = start + 1 + rng.usize(..longest) as u64;
        ranges.push(start..cursor);
    }
    ranges
}

#[test]
fn ranges_are_decoded_as_they_were_encoded() {
    for seed in 0..500 {
        let mut rng = Rng::with_seed(seed);
        let position = Offset(rng.usize(..1 << 30) as u64);
        let count = rng.usize(..60);
        let longest = 1 << (1 + rng.usize(..25));
        let ranges = random_ranges(&mut rng, position.0, count, longest);
        let text = encode(position, ranges.clone());
        assert!(text.is_ascii());
        assert_eq!(decode(position, END, &text), Ok(ranges), "seed {seed}: {text}");
    }
}

#[test]
fn ranges_that_do_not_fit_are_left_out_from_the_far_end() {
    let mut rng = Rng::with_seed(1);
    let ranges = random_ranges(&mut rng, 7, 10_000, 40);
    let text = encode(Offset(7), ranges.clone());
    assert!(
        text.len() <= LIMIT && text.len() > LIMIT - 8,
        "{} characters",
        text.len()
    );
    let decoded = decode(Offset(7), END, &text).unwrap();
    assert!(decoded.len() > 1000);
    assert_eq!(decoded, ranges[..decoded.len()]);
}

#[test]
fn without_done_records_the_metadata_is_empty() {
    assert_eq!(encode(Offset(9), []), "");
    assert_eq!(decode(Offset(9), None, ""), Ok(Vec::new()));
}

#[test]
fn metadata_that_is_cut_off_or_changed_skips_nothing() {
    let text = encode(Offset(1000), [1001..1040, 1041..90_000]);
    for length in 1..text.len() {
        assert!(decode(Offset(1000), END, &text[..length]).is_err(), "cut to {length}");
    }
    for place in 0..text.len() {
        for other in ["A", "b", "7", ":", "-", "\u{fffd}"] {
            let changed = format!("{}{other}{}", &text[..place], &text[place + 1..]);
            assert!(
                changed == text || decode(Offset(1000), END, &changed).is_err(),
                "{changed}"
            );
        }
    }
}

#[test]
fn metadata_of_other_programs_skips_nothing() {
    for foreign in [
        "{\"offset\":5}",
        "bAAJ//8AAAAA",
        "lanes",
        "lanes2:5:BB:00000000",
        " ",
        "\u{c0}lanes1:",
    ] {
        assert_eq!(decode(Offset(5), END, foreign), Err(Unusable::Foreign), "{foreign}");
    }
    assert_eq!(decode(Offset(5), END, "lanes1:"), Err(Unusable::Torn));
}

#[test]
fn metadata_for_another_offset_or_a_longer_log_skips_nothing() {
    let text = encode(Offset(5), [6..9]);
    assert_eq!(decode(Offset(4), END, &text), Err(Unusable::OtherOffset));
    assert_eq!(decode(Offset(5), Some(Offset(8)), &text), Err(Unusable::BeyondEnd));
    assert_eq!(decode(Offset(5), None, &text), Err(Unusable::EndUnknown));
    assert_eq!(decode(Offset(5), Some(Offset(9)), &text), Ok(vec![6..9]));
}

#[test]
fn lengths_that_overflow_are_torn() {
    let mut text = String::from("lanes1:5:B");
    push_length(&mut text, u64::MAX);
    let text = format!("{text}:{:08x}", checksum(&text));
    assert_eq!(decode(Offset(5), END, &text), Err(Unusable::Torn));
}
