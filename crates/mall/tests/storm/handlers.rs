//! What the handlers recorded of their turns, in their own log lines: from when to when which instance was at which order.
//!
//! ```text
//!   OrderModified order=2 v2 P1@7 … takes 0.03s              it begins
//!   OrderModified order=2 v2 P1@7 … DELIVERY MODIFIED 0.04s  it ends
//!   OrderCancelled order=2 v3 P1@9 … DELIVERY CANCELLED …    it ends, and began so many seconds before
//! ```
//!
//! A turn that a death cut short ends with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// Two clocks' worth of rounding, in milliseconds.
const ROUNDING: u64 = 2;

/// A handler at an event of an order; times in milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Turn {
    pub order: i64,
    pub version: i64,
    pub instance: String,
    pub from: u64,
    pub to: u64,
    /// How long the slow work takes, if there is any.
    work: Option<u64>,
}

/// The turns of all instances.
#[derive(Default)]
pub struct Handlers {
    turns: Vec<Turn>,
}

/// Which part of a turn is looked at.
#[derive(Clone, Copy)]
pub enum Part {
    /// All of it, with the waiting for the database.
    Whole,
    /// Its slow work.
    Work,
}

/// The wall clock that the log lines show.
pub fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since_epoch.as_millis()).expect("a small number")
}

/// When a line was written.
#[track_caller]
pub fn time_of(line: &str) -> u64 {
    let line: Value = serde_json::from_str(line).expect("a line of JSON");
    line["timestamp"].as_u64().expect("a time")
}

impl Handlers {
    /// Adds what an instance said up to its end, which was at `ended` at the latest.
    pub fn add(&mut self, instance: &str, lines: &[String], ended: u64) {
        let mut begun: BTreeMap<(i64, i64), Turn> = BTreeMap::new();
        for said in lines.iter().filter_map(|line| Said::parse(line)) {
            let key = (said.order, said.version);
            match (begun.remove(&key), said.takes, said.seconds) {
                (open, Some(work), _) => {
                    assert!(open.is_none(), "{instance} begins {key:?} twice at once");
                    begun.insert(key, said.turn(instance, said.at, ended, Some(work)));
                }
                (Some(open), ..) => self.turns.push(Turn { to: said.at, ..open }),
                (None, None, Some(seconds)) => {
                    let from = said.at.saturating_sub((seconds * 1000.0) as u64);
                    self.turns.push(said.turn(instance, from, said.at, None));
                }
                (None, None, None) => {}
            }
        }
        self.turns.extend(begun.into_values());
        nothing_is_taken_over_twice(instance, lines);
    }

    /// How many turns were taken.
    pub fn len(&self) -> usize {
        self.turns.len()
    }

    /// Turns at one order that were taken at once, except those that `excused` names.
    pub fn overlaps(&self, part: Part, excused: impl Fn(&Turn) -> bool) -> Vec<(&Turn, &Turn)> {
        let mut orders: BTreeMap<i64, Vec<&Turn>> = BTreeMap::new();
        for turn in self.turns.iter().filter(|turn| !excused(turn)) {
            orders.entry(turn.order).or_default().push(turn);
        }
        let mut found = Vec::new();
        for turns in orders.values() {
            for (at, one) in turns.iter().enumerate() {
                let others = turns[at + 1..].iter();
                found.extend(
                    others
                        .filter(|other| one.meets(other, part))
                        .map(|other| (*one, *other)),
                );
            }
        }
        found
    }

    /// No two handlers were at one order at once.
    #[track_caller]
    pub fn one_at_a_time(&self, part: Part, excused: impl Fn(&Turn) -> bool) {
        let overlaps = self.overlaps(part, excused);
        assert!(overlaps.is_empty(), "two handlers at one order at once: {overlaps:#?}");
    }
}

impl Turn {
    fn meets(&self, other: &Self, part: Part) -> bool {
        let (Some(one), Some(other)) = (self.span(part), other.span(part)) else {
            return false;
        };
        one.0.max(other.0) + ROUNDING < one.1.min(other.1)
    }

    fn span(&self, part: Part) -> Option<(u64, u64)> {
        match part {
            Part::Whole => Some((self.from, self.to)),
            Part::Work => self.work.map(|work| (self.from, self.to.min(self.from + work))),
        }
    }
}

/// A partition that an instance has is given back, or lost, before it gets it again.
#[track_caller]
fn nothing_is_taken_over_twice(instance: &str, lines: &[String]) {
    let mut held = BTreeSet::new();
    for line in lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let message = line["message"].as_str().unwrap_or_default();
        match (message, line["partition"].as_str()) {
            ("assigned", Some(partition)) => assert!(
                held.insert(partition.to_owned()),
                "{instance} got {partition} while it had it:\n{}",
                lines.join("\n")
            ),
            ("given back", Some(partition)) => {
                held.remove(partition);
            }
            _ if message.starts_with("lost:") => {
                let lost = line["partitions"].as_str().expect("the partitions that were lost");
                for partition in lost.split(", ") {
                    held.remove(partition);
                }
            }
            _ => {}
        }
    }
}

/// A line about an event.
struct Said {
    at: u64,
    order: i64,
    version: i64,
    takes: Option<u64>,
    seconds: Option<f64>,
}

impl Said {
    fn parse(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let (event, rest) = line["message"].as_str()?.split_once(" … ")?;
        let mut words = event.split(' ').skip(1);
        Some(Self {
            at: line["timestamp"].as_u64()?,
            order: words.next()?.strip_prefix("order=")?.parse().ok()?,
            version: words.next()?.strip_prefix('v')?.parse().ok()?,
            takes: rest.strip_prefix("takes ").and_then(milliseconds),
            seconds: line["seconds"].as_f64(),
        })
    }

    fn turn(&self, instance: &str, from: u64, to: u64, work: Option<u64>) -> Turn {
        Turn {
            order: self.order,
            version: self.version,
            instance: instance.to_owned(),
            from,
            to,
            work,
        }
    }
}

/// `0.03s`
fn milliseconds(text: &str) -> Option<u64> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Some((seconds * 1000.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: u64, message: &str, seconds: Option<f64>) -> String {
        serde_json::json!({"timestamp": at, "message": message, "seconds": seconds}).to_string()
    }

    #[test]
    fn two_at_one_order_are_noticed() {
        let mut handlers = Handlers::default();
        let begins = line(100, "OrderModified order=2 v2 P1@7 … takes 0.05s", None);
        let ends = line(
            200,
            "OrderModified order=2 v2 P1@7 … DELIVERY MODIFIED 0.10s",
            Some(0.1),
        );
        handlers.add("one", &[begins, ends], 900);
        let late = line(
            260,
            "OrderCancelled order=2 v3 P1@8 … DELIVERY CANCELLED 0.08s",
            Some(0.08),
        );
        handlers.add("two", &[late], 900);
        assert_eq!(handlers.overlaps(Part::Whole, |_| false).len(), 1);
        assert!(handlers.overlaps(Part::Whole, |turn| turn.instance == "one").is_empty());
        handlers.one_at_a_time(Part::Work, |_| false);
    }

    #[test]
    fn a_turn_that_a_death_cut_short_ends_with_the_process() {
        let mut handlers = Handlers::default();
        let begins = |at| line(at, "OrderModified order=2 v2 P1@7 … takes 0.05s", None);
        handlers.add("one", &[begins(100)], 130);
        handlers.add("two", &[begins(140)], 900);
        handlers.one_at_a_time(Part::Whole, |_| false);
        handlers.add("three", &[begins(150)], 900);
        assert_eq!(handlers.overlaps(Part::Work, |_| false).len(), 1);
    }
}
