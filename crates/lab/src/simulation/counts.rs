//! What happened in histories, counted.

use super::tally::Tally;

/// What happened in one or several histories, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Histories.
    pub histories: u64,
    /// Steps that did something.
    pub steps: u64,
    /// Commands of customers.
    pub commands: u64,
    /// Calls that failed.
    pub faults: u64,
    /// Processes that were killed.
    pub kills: u64,
    /// Processes that were stopped in good order.
    pub stops: u64,
    /// Processes that were started after the beginning.
    pub starts: u64,
    /// Processes that were frozen.
    pub freezes: u64,
    /// Times at which the topic grew.
    pub growths: u64,
    /// Times at which records were removed.
    pub removals: u64,
    /// Times at which records were removed whether they had been handled or not.
    pub expiries: u64,
    /// Events that were removed before they were read, and that nothing showed to be missing: they are lost.
    pub lost: u64,
    /// Times at which the topic began to refuse records.
    pub limits: u64,
    /// Records that somebody else wrote.
    pub foreign: u64,
    /// Decisions of a person about what is parked.
    pub marks: u64,
    /// Records that could not be handled, and parked their order.
    pub poisoned: u64,
    /// Records that became dead letters.
    pub buried: u64,
    /// Events that the order service was asked for, and that took the place of what never came or can't be read.
    pub resynced: u64,
    /// Partitions that moved from one instance to another.
    pub moves: u64,
    /// Times at which a relay's lease went to another process than the one that had it last.
    pub takeovers: u64,
    /// Kills of processes that had asked for a write which was not made.
    pub unmade: u64,
    /// Kills of processes of which a write was made, and which didn't have the answer.
    pub unanswered: u64,
    /// Events that delivery instances parked until their turn.
    pub parked: u64,
    /// Events that delivery instances found to be applied already.
    pub duplicates: u64,
    /// Histories on the simulated Kafka, where alone the rest can happen.
    pub kafka: u64,
    /// Calls that brokers did not answer in time, so that nobody knew whether they took effect.
    pub late: u64,
    /// Rebalances without a reason.
    pub rebalances: u64,
    /// Processes that the group has given up, although they live.
    pub losses: u64,
    /// Times at which a process got records again.
    pub repeats: u64,
    /// Unclean elections that took records away.
    pub cuts: u64,
}

impl Counts {
    /// Adds what was counted in a mall.
    pub(super) fn add_tally(&mut self, tally: &Tally) {
        self.takeovers += tally.takeovers;
        self.unmade += tally.unmade;
        self.unanswered += tally.unanswered;
        self.parked += tally.deliveries.parked.get();
        self.poisoned += tally.deliveries.poisoned.get();
        self.buried += tally.deliveries.buried.get();
        self.resynced += tally.deliveries.resynced.get();
        self.duplicates += tally.deliveries.duplicates.get() + tally.deliveries.stale_refused.get();
    }

    /// Each count with its name.
    pub fn named(&self) -> [(&'static str, u64); 30] {
        [
            ("histories", self.histories),
            ("steps", self.steps),
            ("commands", self.commands),
            ("faults", self.faults),
            ("kills", self.kills),
            ("stops", self.stops),
            ("starts", self.starts),
            ("freezes", self.freezes),
            ("growths", self.growths),
            ("removals", self.removals),
            ("expiries", self.expiries),
            ("lost", self.lost),
            ("limits", self.limits),
            ("foreign", self.foreign),
            ("marks", self.marks),
            ("poisoned", self.poisoned),
            ("buried", self.buried),
            ("resynced", self.resynced),
            ("moves", self.moves),
            ("takeovers", self.takeovers),
            ("unmade", self.unmade),
            ("unanswered", self.unanswered),
            ("parked", self.parked),
            ("duplicates", self.duplicates),
            ("kafka", self.kafka),
            ("late", self.late),
            ("rebalances", self.rebalances),
            ("losses", self.losses),
            ("repeats", self.repeats),
            ("cuts", self.cuts),
        ]
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.histories += other.histories;
        self.steps += other.steps;
        self.commands += other.commands;
        self.faults += other.faults;
        self.kills += other.kills;
        self.stops += other.stops;
        self.starts += other.starts;
        self.freezes += other.freezes;
        self.growths += other.growths;
        self.removals += other.removals;
        self.expiries += other.expiries;
        self.lost += other.lost;
        self.foreign += other.foreign;
        self.marks += other.marks;
        self.poisoned += other.poisoned;
        self.buried += other.buried;
        self.resynced += other.resynced;
        self.moves += other.moves;
        self.takeovers += other.takeovers;
        self.unmade += other.unmade;
        self.unanswered += other.unanswered;
        self.parked += other.parked;
        self.duplicates += other.duplicates;
        self.kafka += other.kafka;
        self.late += other.late;
        self.rebalances += other.rebalances;
        self.losses += other.losses;
        self.repeats += other.repeats;
        self.cuts += other.cuts;
        self.limits += other.limits;
    }
}
