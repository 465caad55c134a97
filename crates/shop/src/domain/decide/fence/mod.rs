//! The fence: which events of an order take effect, and which wait.
//!
//! ```text
//!   fenced_orders(batch) ─▶ adapter makes the missing cursors, locks all of them, loads deliveries and parked events
//!   decide_fence(rows, batch, now) ─▶ FenceDecision: what to write
//!   adapter writes it, learns the new deliveries' numbers, reads what is handed over
//!   decision.complete(numbers, handed over, now) ─▶ journal and history rows to append, one outcome a command
//! ```
//!
//! # Invariants
//! * The cursor moves by one version at a time, and only with the effect of that version, or with a person's decision to
//!   pass it over.
//! * What is parked stays until its version is applied or passed over, or until it turns out to be no event: because an
//!   event takes its slot over, or because the order's journal never held that version.
//! * Events without a version never move the cursor: for them only the delivery's state counts.

mod apply;
mod row;

pub use row::{FenceRow, HeadChange, NewParked};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keylane_log::Timestamp;

use super::effects::{Effect, Effects, NewDelivery};
use super::{NewApply, NewEntry};
use crate::domain::fence::{FenceCommand, FenceOutcome, Mark, Marked, NewDeadLetter, ParkReason, ParkedEvent, Refused};
use crate::domain::{Delivery, DeliveryId, EventRecord, OrderId, Origin, Version};
use row::{Head, Row, Standing};

/// The orders that a batch is about, ascending, and of each the versions whose parked events are to be loaded besides the
/// one behind the cursor.
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

/// Folds a batch over the rows of the orders that it names.
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

/// What a batch does.
#[derive(Debug)]
pub struct FenceDecision {
    /// New deliveries, to be numbered ascending in this order.
    pub inserts: Vec<NewDelivery>,
    /// Deliveries as they now stand, ascending by order.
    pub updates: Vec<Delivery>,
    /// Cursors as they now stand, ascending: the version, and how many events are parked.
    pub cursors: Vec<(OrderId, Version, i64)>,
    /// Events to park.
    pub parks: Vec<NewParked>,
    /// Parked events that stand differently now.
    pub changes: Vec<HeadChange>,
    /// Parked events that are over.
    pub unparks: Vec<(OrderId, Version)>,
    /// Dead letters to append.
    pub letters: Vec<NewDeadLetter>,
    /// Parked events to be read once all of this is written, for [`complete`](Self::complete).
    pub handed_over: Vec<(OrderId, Version)>,
    steps: Vec<Folded>,
}

/// What is left to write, and what to answer.
#[derive(Debug, PartialEq, Eq)]
pub struct FenceDone {
    /// Journal rows to append in this order.
    pub journal: Vec<NewEntry>,
    /// Rows of the apply history to append in this order.
    pub applies: Vec<NewApply>,
    /// One outcome a command, in order.
    pub outcomes: Vec<FenceOutcome>,
}

impl FenceDecision {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        // Whoever adds a field has to say here what it means.
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

    /// Renders the journal rows and the outcomes, now that the numbers of the new deliveries are known, and what is handed
    /// over has been read.
    ///
    /// # Panics
    /// If there aren't as many numbers as inserts.
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
        // What a later command of the batch applied after all is nobody's to handle any more.
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

/// What a command came to, as far as it is known before anything is written.
#[derive(Debug)]
enum Folded {
    Answered(FenceOutcome),
    Applied { effect: Box<Effect>, moved: Moved },
    Resumed(Moved),
}

/// What followed from a move of the cursor.
#[derive(Debug, Default)]
struct Moved {
    /// The parked event that is handed over.
    next: Option<(OrderId, Version)>,
    /// Those that were passed over on the way.
    discards: Vec<NewApply>,
}

impl Folded {
    /// Whether nothing is written on its behalf: no row, no journal entry, no line of the apply history.
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

    /// What can't be handled is kept, and told of once. It is kept in its version's slot, unless something readable holds it.
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

    /// What can be read may have been lost by the journal; it goes only if a person wants that too.
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

    /// What never came can be passed over too: it is parked as nothing, so that whoever acts on marks finds it.
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

/// The record of something that never came.
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
