//! Lines that set the mall up.

use super::super::names::Role;
use super::super::setup::{Assignor, Consumer, Guard, KeyMode, Setting};
use super::super::words::Span;
use super::cursor::{Cursor, MOST_PARTITIONS, Parsed};

/// The words with which such lines begin.
pub(super) const SETTINGS: &[&str] = &[
    "partitions",
    "deliveries",
    "relays",
    "key",
    "guard",
    "lanes",
    "modify-delay",
    "session-timeout",
    "gap-deadline",
    "consumer",
    "assignor",
    "clock",
];

/// Reads what stands behind the first word.
pub(super) fn setting(command: &str, words: &mut Cursor<'_>) -> Parsed<Setting> {
    Ok(match command {
        "partitions" => Setting::Partitions(words.count("partitions", 1, MOST_PARTITIONS)?),
        "deliveries" => Setting::Deliveries(words.count("delivery instances", 0, 99)?),
        "relays" => Setting::Relays(words.count("order services with a relay", 1, 9)?),
        "key" => Setting::Key(key(words)?),
        "guard" => Setting::Guard(guard(words)?),
        "lanes" => Setting::Lanes(lanes(words)?),
        "modify-delay" => Setting::ModifyDelay(words.span(command)?),
        "session-timeout" => Setting::SessionTimeout(words.span(command)?),
        "gap-deadline" => Setting::GapDeadline(words.span(command)?),
        "consumer" => Setting::Consumer(words.one_of(command, Consumer::WORDS, Consumer::named)?),
        "assignor" => Setting::Assignor(words.one_of(command, Assignor::WORDS, Assignor::named)?),
        _ => {
            let role: Role = words.role()?;
            Setting::Clock(
                role,
                words.read("how far the clock is ahead, such as +1h or -30s", ahead)?,
            )
        }
    })
}

pub(super) fn key(words: &mut Cursor<'_>) -> Parsed<KeyMode> {
    words.one_of("key", KeyMode::WORDS, KeyMode::named)
}

pub(super) fn guard(words: &mut Cursor<'_>) -> Parsed<Guard> {
    words.one_of("guard", Guard::WORDS, Guard::named)
}

pub(super) fn lanes(words: &mut Cursor<'_>) -> Parsed<usize> {
    words.count("lanes", 1, 1000)
}

fn ahead(word: &str) -> Option<i64> {
    let (sign, span) = match word.strip_prefix('-') {
        Some(span) => (-1, span),
        None => (1, word.strip_prefix('+')?),
    };
    let millis = i64::try_from(Span::parse(span)?.as_millis()).ok()?;
    Some(sign * millis)
}
