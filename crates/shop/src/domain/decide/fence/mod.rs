//! The fence: which events of an order take effect, and which wait.
//!
//! ```text
//!   fenced_orders(batch) ─▶ adapter makes the missing cursors, locks all of them, loads deliveries and parked events
//!   decide_fence(rows, batch, now) ─▶ FenceDecision: what to write
//!   adapter writes it, learns the new deliveries' numbers, reads the parked events that are handed over
//!   decision.complete(numbers, handed over, now) ─▶ journal and history rows to append, one outcome for each command
//! ```
//!
//! # Invariants
//! * The cursor moves by one version at a time, and only with the effect of that version, or with a person's decision to
//!   pass it over.
//! * A parked record stays until its version is applied or passed over, or until it turns out to be no event: because an
//!   event takes its slot over, or because the order's journal never held that version.
//! * Events without a version never move the cursor: for them only the delivery's state counts.

mod apply;
mod row;

pub use row::{CursorChange, FenceRow, HeadChange, NewParked};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keylane_log::Timestamp;

use super::NewApply;
use super::effects::{Effect, Effects, NewDelivery};
use crate::domain::fence::{FenceCommand, FenceOutcome, Mark, Marked, NewDeadLetter, ParkReason, ParkedEvent, Refused};
use crate::domain::{Delivery, DeliveryId, EventRecord, JournalEntry, OrderId, Origin, Version};
use row::{Head, Row, Standing};

/// The orders that a batch is about, ascending, each with the versions whose parked events the adapter is to load. The event
/// that is next after the cursor is loaded besides these, see [`FenceRow::wanted`].
pub fn fenced_orders(batch: &[FenceCommand]) -> BTreeMap<OrderId, BTreeSet<Version>> {
    let mut orders = BTreeMap::<OrderId, BTreeSet<Version>>::new();
    for command in batch {
        let Some(order) = command.order_id() else { continue };
        let versions = orders.entry(order).or_default();
        if let Some(version) = command.version() {
            versions.extend([version, version.next()]);
        }
    }
    orders
}

/// Decides what a batch does to the orders that it names, whose rows are given.
pub fn decide_fence(rows: BTreeMap<OrderId, FenceRow>, batch: &[FenceCommand], now: Timestamp) -> FenceDecision {
    let mut fold = Fold {
        rows: rows.into_iter().map(|(order, row)| (order, Row::of(row))).collect(),
        inserts: Vec::new(),
        letters: Vec::new(),
        now,
    };
    let steps = batch.iter().map(|command| fold.step(command)).collect();
    fold.finish(steps)
}

/// What a batch writes. Rows are removed (`unparks`) before others are added (`parks`), as a version may be in both.
#[derive(Debug)]
pub struct FenceDecision {
    /// The deliveries to insert; their numbers must ascend in this order.
    pub inserts: Vec<NewDelivery>,
    /// The deliveries to update, in their new state, ascending by order.
    pub updates: Vec<Delivery>,
    /// The cursors to update, ascending by order.
    pub cursors: Vec<CursorChange>,
    /// The events to park.
    pub parks: Vec<NewParked>,
    /// The parked events whose reason, mark, lease or error changes.
    pub changes: Vec<HeadChange>,
    /// The parked events to remove.
    pub unparks: Vec<(OrderId, Version)>,
    /// The dead letters to append.
    pub letters: Vec<NewDeadLetter>,
    /// The parked events to read, once all of this is written, for [`complete`](Self::complete).
    pub handed_over: Vec<(OrderId, Version)>,
    steps: Vec<Folded>,
}

/// What is left to write, and the outcomes for the callers.
#[derive(Debug, PartialEq, Eq)]
pub struct FenceDone {
    /// The journal rows to append in this order.
    pub journal: Vec<JournalEntry>,
    /// The rows of the apply history to append in this order.
    pub applies: Vec<NewApply>,
    /// One outcome for each command, in the order of the batch.
    pub outcomes: Vec<FenceOutcome>,
}

impl FenceDecision {
    /// Whether the batch writes nothing.
    pub fn is_empty(&self) -> bool {
        // Naming every field makes the compiler ask for a decision here when a field is added.
        let Self {
            inserts,
            updates,
            cursors,
            parks,
            changes,
            unparks,
            letters,
            handed_over,
            steps,
        } = self;
        inserts.is_empty()
            && updates.is_empty()
            && cursors.is_empty()
            && parks.is_empty()
            && changes.is_empty()
            && unparks.is_empty()
            && letters.is_empty()
            && handed_over.is_empty()
            && steps.iter().all(Folded::writes_nothing)
    }

    /// Makes the journal rows and the outcomes, once the numbers of the new deliveries are known and the parked events that
    /// are handed over have been read.
    ///
    /// # Panics
    /// If there are not as many numbers as inserts.
    pub fn complete(self, inserted: &[DeliveryId], handed_over: Vec<ParkedEvent>, now: Timestamp) -> FenceDone {
        assert_eq!(
            inserted.len(),
            self.inserts.len(),
            "every inserted delivery has a number"
        );
        let mut parked: BTreeMap<_, _> = handed_over
            .into_iter()
            .map(|event| ((event.order_id, event.head.version), event))
            .collect();
        // An event that a later command of the batch has applied is no longer parked, and is handed over to nobody.
        let mut take = |next: Option<(OrderId, Version)>| next.and_then(|next| parked.remove(&next)).map(Box::new);
        let mut effects = Effects::new(inserted, now);
        let mut outcomes = Vec::with_capacity(self.steps.len());
        for step in self.steps {
            outcomes.push(match step {
                Folded::Answered(outcome) => outcome,
                Folded::Applied { effect, moved } => {
                    let delivery = effects.render(*effect);
                    let (next, discarded) = (take(moved.next), moved.versions());
                    effects.applies.extend(moved.discards);
                    FenceOutcome::Applied {
                        delivery,
                        next,
                        discarded,
                    }
                }
                Folded::Resumed(moved) => {
                    let (next, discarded) = (take(moved.next), moved.versions());
                    effects.applies.extend(moved.discards);
                    FenceOutcome::Resumed { next, discarded }
                }
            });
        }
        FenceDone {
            journal: effects.journal,
            applies: effects.applies,
            outcomes,
        }
    }
}

/// The outcome of a command, as far as it is known before anything is written.
#[derive(Debug)]
enum Folded {
    /// The outcome is known; nothing is appended to the journal or to the apply history for it.
    Answered(FenceOutcome),
    /// The event took effect.
    Applied { effect: Box<Effect>, moved: Moved },
    /// The parked events of an order were looked at.
    Resumed(Moved),
}

/// What was found while the cursor moved on to the next parked event.
#[derive(Debug, Default)]
struct Moved {
    /// The parked event that is handed over to the caller.
    next: Option<(OrderId, Version)>,
    /// The apply history's rows of the versions that were passed over on the way.
    discards: Vec<NewApply>,
}

impl Folded {
    /// Whether nothing is appended to the journal or to the apply history on behalf of this command.
    fn writes_nothing(&self) -> bool {
        match self {
            Self::Answered(_) => true,
            Self::Applied { .. } => false,
            Self::Resumed(moved) => moved.discards.is_empty(),
        }
    }
}

impl Moved {
    fn versions(&self) -> Vec<Version> {
        self.discards.iter().filter_map(|discard| discard.version).collect()
    }
}

struct Fold {
    rows: BTreeMap<OrderId, Row>,
    inserts: Vec<NewDelivery>,
    letters: Vec<NewDeadLetter>,
    now: Timestamp,
}

impl Fold {
    fn step(&mut self, command: &FenceCommand) -> Folded {
        match command {
            FenceCommand::Look(received) => Folded::Answered(self.look(received)),
            FenceCommand::Begin(received, until) => Folded::Answered(self.begin(received, *until)),
            FenceCommand::Apply(received) => self.apply(received),
            FenceCommand::Refuse(refused) => Folded::Answered(self.refuse(refused)),
            FenceCommand::Bury(letter) => {
                self.letters.push(letter.clone());
                Folded::Answered(FenceOutcome::Noted(true))
            }
            FenceCommand::Resume { order_id, holder } => Folded::Resumed(self.advance(*order_id, holder)),
            FenceCommand::Renew {
                order_id,
                version,
                holder,
                keep,
            } => Folded::Answered(FenceOutcome::Noted(self.renew(*order_id, *version, holder, *keep))),
            FenceCommand::Mark {
                order_id,
                version,
                mark,
            } => Folded::Answered(FenceOutcome::Marked(self.mark(*order_id, *version, *mark))),
            FenceCommand::Heard { order_id, version } => {
                Folded::Answered(FenceOutcome::Noted(self.heard(*order_id, *version)))
            }
            FenceCommand::Forget { order_id, version } => {
                Folded::Answered(FenceOutcome::Noted(self.forget(*order_id, *version)))
            }
        }
    }

    fn row(&mut self, order: OrderId) -> &mut Row {
        self.rows
            .get_mut(&order)
            .expect("every order that a batch names is loaded")
    }

    /// Parks a record that can't be handled as poison and writes one dead letter. It is parked in its version's slot, unless
    /// a readable event holds that slot; then it becomes a dead letter alone, or the slot becomes disputed.
    fn refuse(&mut self, refused: &Refused) -> FenceOutcome {
        let row = self.row(refused.order_id);
        if row.standing(refused.version) == Standing::Passed {
            return FenceOutcome::Duplicate;
        }
        let event = refused.event.as_ref();
        let written = event.is_some() && refused.record.origin == Origin::Journal;
        let outcome = match row.heads.get_mut(&refused.version) {
            Some(head) if head.is_of(&refused.record, event) => {
                let known = head.state.reason == ParkReason::Poison;
                head.refuse(ParkReason::Poison, &refused.error);
                // What is poison already has its dead letter.
                if known {
                    return FenceOutcome::Parked(ParkReason::Poison);
                }
                FenceOutcome::Parked(ParkReason::Poison)
            }
            Some(head) if event.is_none() || head.state.mark == Some(Mark::Discard) => FenceOutcome::Buried,
            Some(head) if head.is_readable() && !written => {
                head.refuse(ParkReason::Disputed, &refused.error);
                FenceOutcome::Parked(ParkReason::Disputed)
            }
            Some(_) | None => self.park_poison(refused),
        };
        self.letters.push(refused.letter.clone());
        outcome
    }

    fn park_poison(&mut self, refused: &Refused) -> FenceOutcome {
        let (now, version) = (self.now, refused.version);
        let (event, record) = (refused.event.clone(), refused.record.clone());
        let head = Head::new(version, ParkReason::Poison, now, event, record);
        self.row(refused.order_id).park(head).error = Some(refused.error.clone());
        FenceOutcome::Parked(ParkReason::Poison)
    }

    /// Removes what is parked as a version that the order's journal lacks. A readable event may be one that the journal has
    /// lost, so it is removed only if a person has marked it to be discarded. Returns whether it was removed.
    fn forget(&mut self, order: OrderId, version: Version) -> bool {
        let row = self.row(order);
        let head = row.heads.get(&version);
        let goes = head.is_some_and(|head| !head.is_readable() || head.state.mark == Some(Mark::Discard));
        if goes {
            row.forget(version);
        }
        goes
    }

    fn renew(&mut self, order: OrderId, version: Version, holder: &str, keep: bool) -> bool {
        let now = self.now;
        match self.row(order).heads.get_mut(&version) {
            Some(head) if head.state.lease_holder == holder => {
                match keep {
                    true => head.lease(holder, now),
                    false => head.release(),
                }
                true
            }
            _ => false,
        }
    }

    /// Marks a parked version. A version that never came can be marked to be discarded too: an empty record is parked in its
    /// place, so that the sweeper finds the mark.
    fn mark(&mut self, order: OrderId, version: Version, mark: Mark) -> Marked {
        let now = self.now;
        let row = self.row(order);
        if let Some(head) = row.heads.get_mut(&version) {
            head.mark(mark);
            return Marked::Parked(head.state.reason);
        }
        if mark == Mark::Discard && row.is_missed(version) {
            let nothing = Head::new(version, ParkReason::Gap, now, None, Arc::new(nothing(now)));
            row.park(nothing).mark(mark);
            return Marked::Missing;
        }
        match row.standing(version) {
            Standing::Passed => Marked::Passed,
            Standing::Next | Standing::Above => Marked::NotThere,
        }
    }

    fn heard(&mut self, order: OrderId, version: Version) -> bool {
        match self.row(order).heads.get_mut(&version) {
            Some(head) if head.state.mark == Some(Mark::Retry) => {
                head.unmark();
                true
            }
            _ => false,
        }
    }

    fn finish(self, steps: Vec<Folded>) -> FenceDecision {
        let is_parked = |(order, version): &(OrderId, Version)| self.rows[order].heads.contains_key(version);
        let mut decision = FenceDecision {
            inserts: self.inserts,
            updates: Vec::new(),
            cursors: Vec::new(),
            parks: Vec::new(),
            changes: Vec::new(),
            unparks: Vec::new(),
            letters: self.letters,
            handed_over: steps.iter().filter_map(Folded::handed_over).filter(is_parked).collect(),
            steps,
        };
        for (order, row) in self.rows {
            row.finish(order, &mut decision);
        }
        decision
    }
}

/// An empty record, to be parked in the place of a version that never came.
fn nothing(now: Timestamp) -> EventRecord {
    EventRecord {
        origin: Origin::Nowhere,
        timestamp: now,
        key: None,
        value: None,
        headers: Vec::new(),
    }
}

impl Folded {
    fn handed_over(&self) -> Option<(OrderId, Version)> {
        match self {
            Self::Answered(_) => None,
            Self::Applied { moved, .. } | Self::Resumed(moved) => moved.next,
        }
    }
}

#[cfg(test)]
mod tests;
