//! Histories as text: a line for each matter of the mall, then a line for each step.
//!
//! ```text
//! seed 254
//! partitions 2
//! key none
//! place via order
//! flow
//! ```
//! Empty lines, and what stands behind `#`, mean nothing. A file of another kind, such as a scenario, may carry a history: in
//! lines that begin with `#|`, beside which its others mean nothing.
//!
//! # Invariants
//! * What was written reads the same again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::foreign::Foreign;
use super::gates::{Fault, Point, Side};
use super::log::{Brokers, LogKind};
use super::minimize::Smallest;
use super::run::Conditions;
use super::step::Step;
use crate::scenario::{Assignor, Guard, KeyMode, Role, Setup};

/// The calls at which processes wait, which are those of the store and of the log.
const CALLS: &[&str] = &[
    "append",
    "applies",
    "applies_of",
    "ask",
    "backlog",
    "committed",
    "create",
    "dead_letters",
    "deliveries",
    "deliveries_after",
    "deliveries_of",
    "delivery",
    "delivery_of",
    "journal",
    "last_start",
    "lease",
    "lease_holder",
    "mark_letters_published",
    "mark_published",
    "marked_keys",
    "next_order",
    "note_start",
    "order",
    "order_events",
    "orders",
    "parked_events",
    "parked_keys",
    "partitions",
    "ping",
    "recent_apply",
    "run_deliveries",
    "run_fence",
    "run_orders",
    "unpublished",
];

/// Begins each line of a history that another file carries.
const CARRIED: &str = "#|";

/// A history as lines that a scenario carries.
pub fn carried(history: &Smallest) -> String {
    let lines = history.to_string();
    lines.lines().map(|line| format!("{CARRIED} {line}\n")).collect()
}

impl fmt::Display for Smallest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conditions { setup, log, seed } = &self.conditions;
        let millis = |time: Duration| time.as_millis();
        writeln!(f, "seed {seed}")?;
        writeln!(f, "partitions {}", setup.partitions)?;
        writeln!(f, "deliveries {}", setup.deliveries)?;
        writeln!(f, "relays {}", setup.relays)?;
        writeln!(f, "key {}", setup.key)?;
        writeln!(f, "guard {}", setup.guard)?;
        writeln!(f, "lanes {}", setup.lanes)?;
        writeln!(f, "modify-delay {}ms", millis(setup.modify_delay))?;
        writeln!(f, "session-timeout {}ms", millis(setup.session_timeout))?;
        writeln!(f, "gap-deadline {}ms", millis(setup.gap_deadline))?;
        for (role, ahead) in &setup.clocks {
            writeln!(f, "clock {role} {ahead}ms")?;
        }
        writeln!(f, "log {log}")?;
        if let LogKind::Kafka(brokers) = log {
            writeln!(f, "assignor {}", setup.assignor)?;
            writeln!(f, "metadata-age {}ms", millis(brokers.metadata_age))?;
            writeln!(f, "poll-records {}", brokers.poll_records)?;
            let producer = if brokers.careless_producer {
                "careless"
            } else {
                "idempotent"
            };
            writeln!(f, "producer {producer}")?;
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

/// Reads a history.
///
/// # Errors
/// A sentence that names the line and what is wrong with it.
pub fn parse(text: &str) -> Result<Smallest, String> {
    let mut read = Smallest {
        conditions: Conditions {
            setup: Setup::default(),
            log: LogKind::Embedded,
            seed: 0,
        },
        steps: Vec::new(),
    };
    let carried = text.lines().any(|line| line.starts_with(CARRIED));
    for (number, line) in (1..).zip(text.lines()) {
        let line = match carried {
            true => line.strip_prefix(CARRIED).unwrap_or_default(),
            false => line,
        };
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        if set(&mut read.conditions, &words).is_none() {
            let step =
                step(&words).ok_or_else(|| format!("line {number}: {line:?} is no matter of a mall and no step"))?;
            read.steps.push(step);
        }
    }
    Ok(read)
}

/// Sets one matter of the mall; none if these words don't name one.
fn set(conditions: &mut Conditions, words: &[&str]) -> Option<()> {
    let setup = &mut conditions.setup;
    match words {
        ["seed", seed] => conditions.seed = seed.parse().ok()?,
        ["partitions", count] => setup.partitions = count.parse().ok()?,
        ["deliveries", count] => setup.deliveries = count.parse().ok()?,
        ["relays", count] => setup.relays = count.parse().ok()?,
        ["key", key] => setup.key = KeyMode::named(key)?,
        ["guard", guard] => setup.guard = Guard::named(guard)?,
        ["lanes", lanes] => setup.lanes = lanes.parse().ok()?,
        ["modify-delay", time] => setup.modify_delay = millis(time)?,
        ["session-timeout", time] => setup.session_timeout = millis(time)?,
        ["gap-deadline", time] => setup.gap_deadline = millis(time)?,
        ["clock", role, ahead] => {
            let ahead = ahead.strip_suffix("ms")?.parse().ok()?;
            setup.clocks.insert(Role::named(role)?, ahead);
        }
        ["assignor", assignor] => setup.assignor = Assignor::named(assignor)?,
        ["log", "embedded"] => conditions.log = LogKind::Embedded,
        ["log", "kafka"] => conditions.log = LogKind::Kafka(Brokers::default()),
        [matter, value] => set_brokers(&mut conditions.log, matter, value)?,
        _ => return None,
    }
    Some(())
}

/// Sets one matter of the brokers, which are named before.
fn set_brokers(log: &mut LogKind, matter: &str, value: &str) -> Option<()> {
    let LogKind::Kafka(brokers) = log else {
        return None;
    };
    match (matter, value) {
        ("metadata-age", age) => brokers.metadata_age = millis(age)?,
        ("poll-records", records) => brokers.poll_records = records.parse().ok()?,
        ("producer", "careless") => brokers.careless_producer = true,
        ("producer", "idempotent") => brokers.careless_producer = false,
        _ => return None,
    }
    Some(())
}

fn millis(word: &str) -> Option<Duration> {
    Some(Duration::from_millis(word.strip_suffix("ms")?.parse().ok()?))
}

fn step(words: &[&str]) -> Option<Step> {
    let role = |word: &str| Role::named(word);
    Some(match words {
        ["open", who, at @ ..] => Step::Open(role(who)?, point(at)?),
        ["fail", who, at @ .., fault] => Step::Fail(role(who)?, point(at)?, self::fault(fault)?),
        ["late", who, at @ ..] => Step::Late(role(who)?, point(at)?),
        ["pass", time] => Step::Pass(time.strip_suffix("ms")?.parse().ok()?),
        ["flow"] => Step::Flow,
        ["place", "via", via] => Step::Place(role(via)?),
        ["modify", order, "via", via] => Step::Modify(role(via)?, order.parse().ok()?),
        ["cancel", order, "via", via] => Step::Cancel(role(via)?, order.parse().ok()?),
        ["kill", who] => Step::Kill(role(who)?),
        ["stop", who] => Step::Stop(role(who)?),
        ["start", who] => Step::Start(role(who)?),
        ["freeze", who] => Step::Freeze(role(who)?),
        ["wake", who] => Step::Wake(role(who)?),
        ["grow", partitions] => Step::Grow(partitions.parse().ok()?),
        ["remove", partition] => Step::Remove(number('P', partition)?),
        ["expire", records, "of", partition] => Step::Expire(number('P', partition)?, records.parse().ok()?),
        ["write", what @ .., "to", partition] => Step::Write(foreign(what)?, number('P', partition)?),
        ["retry", order] => Step::Retry(order.parse().ok()?),
        ["discard", order, version] => Step::Discard(order.parse().ok()?, number('v', version)?),
        ["rebalance", partition] => Step::Rebalance(number('P', partition)?),
        ["give-up", who] => Step::GiveUp(role(who)?),
        ["repeat", records, "to", who] => Step::Repeat(role(who)?, records.parse().ok()?),
        ["cut", records, "of", partition] => Step::Cut(number('P', partition)?, records.parse().ok()?),
        ["limit", "none"] => Step::Limit(None),
        ["limit", bytes] => Step::Limit(Some(bytes.parse().ok()?)),
        _ => return None,
    })
}

/// A number behind a letter, such as `P1` or `v2`.
fn number<T: FromStr>(letter: char, word: &str) -> Option<T> {
    word.strip_prefix(letter)?.parse().ok()
}

fn foreign(words: &[&str]) -> Option<Foreign> {
    let event = |order: &str, version| Some((order.parse().ok()?, number('v', version)?));
    Some(match words {
        ["garbage"] => Foreign::Garbage,
        ["unreadable", order, version] => {
            let (order, version) = event(order, version)?;
            Foreign::Unreadable(order, version)
        }
        ["forged", order, version] => {
            let (order, version) = event(order, version)?;
            Foreign::Forged(order, version)
        }
        ["copy", order, version] => {
            let (order, version) = event(order, version)?;
            Foreign::Copy(order, version)
        }
        _ => return None,
    })
}

fn point(words: &[&str]) -> Option<Point> {
    let (call, side) = match words {
        ["poll"] => return Some(super::roles::POLL),
        [call] => (call, Side::Before),
        [call, "done"] => (call, Side::After),
        _ => return None,
    };
    let call = CALLS.iter().find(|known| *known == call)?;
    Some(Point { call, side })
}

fn fault(word: &str) -> Option<Fault> {
    [Fault::Away, Fault::Unanswered, Fault::Conflict]
        .into_iter()
        .find(|fault| fault.to_string() == word)
}

#[cfg(test)]
mod tests {
    use super::super::scheduler::{Logs, Mode, conditions, history};
    use super::*;

    #[test]
    fn what_was_written_reads_the_same_again() {
        for seed in 1..=30 {
            let conditions = conditions(Mode::Keyless, Logs::Both, seed);
            let steps = history(&conditions, false).steps().to_vec();
            let written = Smallest { conditions, steps };
            assert_eq!(parse(&written.to_string()).as_ref(), Ok(&written));
        }
    }

    #[test]
    fn a_history_is_read_out_of_a_scenario_that_carries_it() {
        let conditions = conditions(Mode::Naive, Logs::Both, 7);
        let steps = history(&conditions, false).steps().to_vec();
        let written = Smallest { conditions, steps };
        let scenario = format!("title en Found\nplace KIM\n{}settle\n", carried(&written));
        assert_eq!(parse(&scenario), Ok(written));
        let wrong = parse("place KIM\n#| seed 1\n#| frobnicate\n").unwrap_err();
        assert!(wrong.contains("line 3") && wrong.contains("frobnicate"), "{wrong}");
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named() {
        let wrong = parse("# a history\nplace via order\nopen order frobnicate\n").unwrap_err();
        assert!(wrong.contains("line 3") && wrong.contains("frobnicate"), "{wrong}");
    }
}
