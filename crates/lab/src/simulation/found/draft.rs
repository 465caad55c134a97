//! Drafts: ways in which a scenario can have the records of a history take effect in the history's sequence.
//!
//! ```text
//!   chronicle ─ handled: KIM v1, KIM v3, KIM v2 ─▶ place KIM, wait … hold KIM v2, modify, cancel, wait … release KIM v2
//! ```
//! A draft only proposes; whether it leads to the same harm is for the trial to say.

use std::collections::{BTreeMap, BTreeSet};

use shop::domain::OrderEventType;

use super::super::chronicle::{Chronicle, Event, Handled};
use super::fence::Fence;
use crate::checker::PlaceInTopic;
use crate::scenario::Setup;

/// A way in which records come to be, and to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Who publishes.
    pub publishing: Publishing,
    /// How a record comes again.
    pub again: Again,
}

/// Who publishes the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publishing {
    /// The mall's own relay, which is killed before it marks what it has sent where an event is sent twice.
    Relay,
    /// The scenario, which puts each record where the history had it.
    Scenario,
}

/// How a record comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// The instance is killed before it commits.
    Crash,
    /// The group's position is set back to the beginning of the partition.
    SetBack,
}

/// What a draft made use of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// A record came again.
    pub again: bool,
    /// An event was published twice.
    pub twice: bool,
}

/// The lines of a draft, without its head and what it expects.
#[derive(Debug)]
pub struct Draft {
    /// The lines.
    pub lines: Vec<String>,
    /// What they made use of.
    pub used: Used,
}

impl Way {
    /// All ways, the one that is closest to what happened first, and the one that leaves least to chance last.
    pub const ALL: [Self; 4] = {
        use Again::{Crash, SetBack};
        use Publishing::{Relay, Scenario};
        [
            Self {
                publishing: Relay,
                again: Crash,
            },
            Self {
                publishing: Scenario,
                again: Crash,
            },
            Self {
                publishing: Relay,
                again: SetBack,
            },
            Self {
                publishing: Scenario,
                again: SetBack,
            },
        ]
    };
}

/// Drafts a scenario that goes this way. `cured` adds what differs in the run with the fence.
pub fn draft(setup: &Setup, chronicle: &Chronicle, way: Way, cured: bool) -> Draft {
    let mut script = Script::new(chronicle, way, cured, setup.partitions);
    script.begin();
    for at in 0..chronicle.handled.len() {
        script.handle(at);
    }
    script.end();
    let mut lines = settings(setup, cured, script.used.again);
    lines.push(String::new());
    lines.extend(script.lines);
    Draft {
        lines,
        used: script.used,
    }
}

/// What differs from a mall that starts by itself. Gates make the interleaving, so no work needs any time.
fn settings(setup: &Setup, cured: bool, one: bool) -> Vec<String> {
    let usual = Setup::default();
    let deliveries = if one { 1 } else { setup.deliveries };
    let differs = [
        (
            setup.partitions != usual.partitions,
            format!("partitions {}", setup.partitions),
        ),
        (deliveries != usual.deliveries, format!("deliveries {deliveries}")),
        (setup.key != usual.key, format!("key {}", setup.key)),
        (setup.lanes != usual.lanes, format!("lanes {}", setup.lanes)),
        (true, "modify-delay 0s".to_owned()),
        (true, "session-timeout 3s".to_owned()),
        (setup.guard != usual.guard && !cured, format!("guard {}", setup.guard)),
        (cured, "gap-deadline 5s".to_owned()),
        (cured, format!("broken guard {}", setup.guard)),
    ];
    differs
        .into_iter()
        .filter(|(differs, _)| *differs)
        .map(|(_, line)| line)
        .collect()
}

/// The lines that were written so far, and how the mall stands after them.
struct Script<'a> {
    chronicle: &'a Chronicle,
    way: Way,
    cured: bool,
    partitions: u32,
    lines: Vec<String>,
    used: Used,
    /// How many of the events were written.
    written: usize,
    changes: i32,
    held: BTreeSet<Event>,
    handled: BTreeSet<PlaceInTopic>,
    /// The events whose records were handled.
    events: BTreeSet<Event>,
    /// Whether the relay is held before it marks.
    before_mark: bool,
    /// The record before which commits are held, and whether they are by now.
    commit: (Option<PlaceInTopic>, bool),
    /// The records that came again since the last time that something made them come.
    coming: BTreeSet<PlaceInTopic>,
    fences: BTreeMap<i64, Fence>,
}

impl<'a> Script<'a> {
    fn new(chronicle: &'a Chronicle, way: Way, cured: bool, partitions: u32) -> Self {
        let first_again = match way.again {
            Again::Crash => first_that_comes_again(&chronicle.handled),
            Again::SetBack => None,
        };
        Self {
            chronicle,
            way,
            cured,
            partitions,
            lines: Vec::new(),
            used: Used::default(),
            written: 0,
            changes: 0,
            held: BTreeSet::new(),
            handled: BTreeSet::new(),
            events: BTreeSet::new(),
            before_mark: false,
            commit: (first_again, false),
            coming: BTreeSet::new(),
            fences: BTreeMap::new(),
        }
    }

    fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Begins a paragraph that says so of itself.
    fn note(&mut self, says: &str) {
        if !self.lines.is_empty() {
            self.say("");
        }
        self.say(format!("# {says}"));
    }

    fn begin(&mut self) {
        match self.way.publishing {
            Publishing::Scenario => {
                self.note("The order service dies before its relay sends anything.");
                self.say("hold relay");
                self.write_all();
                self.say("kill order");
                self.say("release relay");
                self.note("What it has written is published as the history had it.");
            }
            Publishing::Relay if is_published_twice(&self.chronicle.handled) => {
                self.say("hold relay before mark");
                self.before_mark = true;
            }
            Publishing::Relay => {}
        }
    }

    fn handle(&mut self, at: usize) {
        let handled = self.chronicle.handled[at];
        if self.handled.contains(&handled.place) {
            self.come_again(at);
        } else {
            self.come(handled);
        }
        self.wait(handled);
    }

    /// A record comes for the first time.
    fn come(&mut self, handled: Handled) {
        let Handled { event, place, .. } = handled;
        if self.commit.0 == Some(place) {
            if !self.handled.is_empty() {
                self.note("What was handled so far is committed, and what follows is not.");
                self.say("stop delivery-1");
                self.say("start delivery-1");
            }
            self.say("hold commit");
            self.commit.1 = true;
        }
        if place.partition.0 >= self.partitions {
            self.partitions = place.partition.0 + 1;
            self.say(format!("grow {}", self.partitions));
        }
        self.write_up_to(event);
        if self.held.remove(&event) {
            self.say(format!("release {}", named(event)));
        }
        let twice = !self.events.insert(event);
        self.used.twice |= twice;
        match self.way.publishing {
            Publishing::Scenario => self.say(format!("publish {} to P{}", named(event), place.partition)),
            Publishing::Relay if twice && self.before_mark => {
                self.before_mark = false;
                self.note("The relay dies before it marks what it has sent, and sends it again.");
                self.say("kill order");
                self.say("release relay before mark");
                self.say("start order");
            }
            Publishing::Relay => {}
        }
        self.handled.insert(place);
        self.coming.clear();
    }

    /// A record comes again, alone or with those behind it.
    fn come_again(&mut self, at: usize) {
        self.used.again = true;
        let place = self.chronicle.handled[at].place;
        if !self.coming.is_empty() && self.coming.insert(place) {
            return;
        }
        self.coming = BTreeSet::from([place]);
        match self.way.again {
            Again::Crash => {
                self.note("The instance dies before it commits, and the records come again.");
                self.say("kill delivery-1");
            }
            Again::SetBack => {
                self.note("The group's position is set back, and the records come again.");
                self.say("stop delivery-1");
                for partition in self.partitions_again(at) {
                    self.say(format!("seek P{partition}@0"));
                }
            }
        }
        self.say("start delivery-1");
    }

    /// The partitions of the records that come again together, from this one on.
    fn partitions_again(&self, at: usize) -> BTreeSet<u32> {
        let mut seen = BTreeSet::new();
        let together = self.chronicle.handled[at..].iter();
        let together = together.take_while(|next| self.handled.contains(&next.place) && seen.insert(next.place));
        together.map(|next| next.place.partition.0).collect()
    }

    /// Waits until the instances are done with a record.
    fn wait(&mut self, handled: Handled) {
        let broken = handled.ended;
        let (order, version) = handled.event;
        let fenced = self.fences.entry(order).or_default().take(version);
        let event = named(handled.event);
        if self.cured && fenced != broken {
            self.say(format!("broken wait until {event} {broken}"));
            self.say(format!("fixed wait until {event} {fenced}"));
        } else {
            self.say(format!("wait until {event} {broken}"));
        }
    }

    /// Has customers ask for events up to this one. Those before it are held, as their turn comes later.
    fn write_up_to(&mut self, event: Event) {
        let written = &self.chronicle.written;
        let Some(at) = written.iter().position(|(other, _)| *other == event) else {
            return;
        };
        while self.written <= at {
            let (next, _) = written[self.written];
            if self.written < at && self.chronicle.handled.iter().any(|handled| handled.event == next) {
                self.say(format!("hold {}", named(next)));
                self.held.insert(next);
            }
            self.write_next();
        }
    }

    fn write_all(&mut self) {
        while self.written < self.chronicle.written.len() {
            self.write_next();
        }
    }

    fn write_next(&mut self) {
        let ((order, _), event_type) = self.chronicle.written[self.written];
        self.written += 1;
        let name = name(order);
        match event_type {
            OrderEventType::Placed => self.say(format!("place {name}")),
            OrderEventType::Cancelled => self.say(format!("cancel {name}")),
            OrderEventType::Modified => {
                self.changes += 1;
                let qty = 10 + self.changes;
                self.say(format!("modify {name} qty={qty}"));
            }
        }
    }

    fn end(&mut self) {
        self.write_all();
        for event in std::mem::take(&mut self.held) {
            self.say(format!("release {}", named(event)));
        }
        if self.before_mark {
            self.say("release relay before mark");
        }
        if self.commit.1 {
            self.say("release commit");
        }
        self.say("settle");
    }
}

/// The first record that is handled more than once.
fn first_that_comes_again(handled: &[Handled]) -> Option<PlaceInTopic> {
    let places = handled.iter().map(|handled| handled.place).enumerate();
    let mut again = places.filter(|(at, place)| handled[at + 1..].iter().any(|later| later.place == *place));
    again.next().map(|(_, place)| place)
}

fn is_published_twice(handled: &[Handled]) -> bool {
    let other = |one: &Handled| {
        handled
            .iter()
            .any(|two| two.event == one.event && two.place != one.place)
    };
    handled.iter().any(other)
}

/// What the scenario calls an order.
pub fn name(order: i64) -> String {
    const NAMES: [&str; 8] = ["KIM", "PARK", "LEE", "CHOI", "JUNG", "KANG", "CHO", "YOON"];
    let at = usize::try_from(order - 1).unwrap_or(usize::MAX);
    NAMES
        .get(at)
        .map_or_else(|| format!("ORDER-{order}"), |name| (*name).to_owned())
}

fn named((order, version): Event) -> String {
    format!("{} v{version}", name(order))
}

#[cfg(test)]
mod tests {
    use keylane_log::{Offset, Partition};

    use super::*;
    use crate::scenario::Stage;

    const PLACED: OrderEventType = OrderEventType::Placed;
    const MODIFIED: OrderEventType = OrderEventType::Modified;
    const CANCELLED: OrderEventType = OrderEventType::Cancelled;

    /// A history of one order whose records were handled in this sequence: version, partition and offset of each.
    fn chronicle(types: &[OrderEventType], handled: &[(i64, u32, u64)]) -> Chronicle {
        let record = |(version, partition, offset): &(i64, u32, u64)| Handled {
            event: (1, *version),
            place: PlaceInTopic {
                partition: Partition(*partition),
                offset: Offset(*offset),
            },
            ended: Stage::Applied,
        };
        Chronicle {
            written: (1..).map(|version| (1, version)).zip(types.iter().copied()).collect(),
            handled: handled.iter().map(record).collect(),
            harm: BTreeSet::new(),
        }
    }

    /// The steps of a draft, without its settings and notes.
    fn steps(chronicle: &Chronicle, way: Way, cured: bool) -> Vec<String> {
        let lines = draft(&Setup::default(), chronicle, way, cured).lines.into_iter();
        let steps = lines.skip_while(|line| !line.is_empty());
        steps
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect()
    }

    const OWN: Way = Way {
        publishing: Publishing::Relay,
        again: Again::Crash,
    };

    #[test]
    fn an_event_that_is_overtaken_is_held_until_its_turn() {
        let overtaken = chronicle(&[PLACED, MODIFIED, CANCELLED], &[(1, 0, 0), (3, 0, 1), (2, 1, 0)]);
        let expected = [
            "place KIM",
            "wait until KIM v1 applied",
            "hold KIM v2",
            "modify KIM qty=11",
            "cancel KIM",
            "broken wait until KIM v3 applied",
            "fixed wait until KIM v3 parked",
            "grow 2",
            "release KIM v2",
            "wait until KIM v2 applied",
            "settle",
        ];
        assert_eq!(steps(&overtaken, OWN, true), expected);
    }

    #[test]
    fn the_scenario_can_put_each_record_where_it_stood() {
        let overtaken = chronicle(&[PLACED, MODIFIED], &[(2, 1, 0), (1, 0, 0)]);
        let way = Way {
            publishing: Publishing::Scenario,
            ..OWN
        };
        let published: Vec<String> = steps(&overtaken, way, false)
            .into_iter()
            .filter(|line| line.starts_with("publish"))
            .collect();
        assert_eq!(published, ["publish KIM v2 to P1", "publish KIM v1 to P0"]);
    }

    #[test]
    fn a_record_comes_again_by_a_crash_or_as_the_position_is_set_back() {
        let again = chronicle(&[PLACED], &[(1, 0, 0), (1, 0, 0)]);
        let first = ["place KIM", "wait until KIM v1 applied"];
        let second = ["start delivery-1", "wait until KIM v1 applied"];
        let crash = [
            &["hold commit"][..],
            &first,
            &["kill delivery-1"],
            &second,
            &["release commit", "settle"],
        ];
        assert_eq!(steps(&again, OWN, false), crash.concat());
        let way = Way {
            again: Again::SetBack,
            ..OWN
        };
        let set_back = [&first[..], &["stop delivery-1", "seek P0@0"], &second, &["settle"]];
        assert_eq!(steps(&again, way, false), set_back.concat());
    }

    #[test]
    fn an_event_is_published_twice_as_the_relay_dies_before_it_marks() {
        let twice = chronicle(&[PLACED], &[(1, 0, 0), (1, 0, 1)]);
        let expected = [
            "hold relay before mark",
            "place KIM",
            "wait until KIM v1 applied",
            "kill order",
            "release relay before mark",
            "start order",
            "broken wait until KIM v1 applied",
            "fixed wait until KIM v1 duplicate",
            "settle",
        ];
        assert_eq!(steps(&twice, OWN, true), expected);
    }
}
