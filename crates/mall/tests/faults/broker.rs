//! The broker taken away, in each way that a network knows, and stopped in the middle of what it does.
//!
//! The services reach it through a gate, at the address that the broker itself sends them on to. Orders are taken
//! meanwhile: their events wait in the journal.

use std::cell::Cell;
use std::time::Duration;

use super::gate::{Gate, HTTP, Mode};
use super::losses::{Loss, Mall, Told};
use super::outage::Outage;
use super::support::required;
use super::support::stack::Stack;

/// Longer than any call to the broker may take.
const SLOW: Duration = Duration::from_secs(12);

/// The log can't be reached.
const NO_LOG: Told = Told {
    check: "log",
    gauge: "mall_log_reachable",
    line: "the log takes no events, which wait in the journal",
    harmless: true,
    by: &["order", "delivery"],
};

#[test]
fn the_broker_is_lost_in_each_way_of_a_network() {
    let _alone = super::alone();
    through_a_gate(|mall, gate| {
        let ways = [
            ("connections are refused", Mode::Refused),
            ("packets vanish", Mode::BlackHole),
            ("the broker is slow", Mode::Slow(SLOW)),
            ("another program answers", Mode::Says(HTTP)),
        ];
        mall.survives_at(gate, NO_LOG, &ways);
    });
}

/// Its connections stay, and what was sent to it is answered when nobody waits for that any more.
#[test]
fn the_broker_is_stopped_and_goes_on() {
    let _alone = super::alone();
    let stack = Stack::real();
    let frozen = Cell::new(None);
    Mall::start(&stack).survives(&Loss {
        name: "the broker says nothing",
        told: NO_LOG,
        take: &|| frozen.set(Some(Outage::frozen("kafka"))),
        give: &|| drop(frozen.take()),
    });
}

/// A peer that is gone without a word is noticed by who was talking to it, and connections made anew work.
#[test]
fn the_brokers_peer_is_gone_without_a_word() {
    let _alone = super::alone();
    through_a_gate(|mall, gate| mall.goes_on("half-open connections", &|| gate.set(Mode::HalfOpen)));
}

#[track_caller]
fn through_a_gate(test: impl FnOnce(&mut Mall<'_>, &Gate)) {
    let door = required("MALL_TEST_KAFKA_GATE");
    let gate = Gate::at(&door, &required("MALL_TEST_KAFKA_BEHIND_GATE"));
    let stack = Stack::on(&door);
    let mut mall = Mall::start(&stack);
    test(&mut mall, &gate);
}
