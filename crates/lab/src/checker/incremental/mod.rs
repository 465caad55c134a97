//! Judges a mall while it runs: is handed what happens bit by bit, and tells each verdict once, as soon as it is certain.
//!
//! ```text
//!   journal rows ──┐   in any interleaving,               ┌─▶ certain()   what nothing to come can change: inversions, …
//!   records ───────┼─▶ each source in its own order ─▶ Checker ─▶ settle()    what is missing, once nothing is under way
//!   effects ───────┘                                      └─▶ finish()    the rest, and the doubts
//!
//!   an order:   open (everything is kept) ──regular to its end──▶ folded (48 bytes) ──new events──▶ stirred (the same)
//!                  ▲                                                                                   │ irregular
//!                  └────────── restore(): its history, read again ◀── to_read_again() ◀────────────────┘
//! ```
//! What is missing is certain only in a consistent view. So whoever feeds a checker reads what stands in the databases
//! ([`Checker::ask_about`]) first, then hands in all that has happened up to now, and then calls [`Checker::settle`]: an order
//! to which nothing has happened in between stood as it was read.
//!
//! # Invariants
//! * Each verdict is told once. What `certain`, `settle` and `finish` tell together is what [`check`] tells of the same
//!   history. Only an order of which an event without a version comes late keeps what was told of it before.
//! * What something's absence shows is told when two looks, one after the other, have shown it.
//! * Everything is kept of orders that are open or have broken, and of those that broke only as many as fit. Of the others a
//!   trail of 48 bytes is kept. It can tell that something is wrong, and the evidence is read again.

mod open;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::Timestamp;
use shop::domain::{Delivery, OrderId, Version};

use super::history::{Applied, DeliveryRecord, History, OrderRecord, Parked, PartitionState, Written};
use super::index::LogPositions;
use super::intake::Intake;
use super::judge::{certain, judge};
use super::settled::{is_settled, lagging};
use super::survey::{Scope, Survey};
use super::table::Table;
use super::trail::Trail;
use super::verdict::{Doubt, Judgement, Verdict};
use super::zombies::ZombieWatch;
use open::{Event, Open, Standing, Stirred};
use told::{Told, subject};

/// How many rows and records of orders that have broken are kept, unless a single look finds more.
const KEPT: usize = 400_000;
/// At how many looks something has to be missing of a folded order before its history is read again.
const LACKING: u8 = 2;

/// Judges a mall while it runs.
#[derive(Debug)]
pub struct Checker {
    scope: Scope,
    /// How many orders were seen that no survey had seen.
    orders: usize,
    open: BTreeMap<OrderId, Open>,
    folded: Table<Trail>,
    /// The folded orders to which something has happened since.
    stirred: BTreeMap<OrderId, Stirred>,
    /// Those of them of which only the whole history can tell more.
    unread: BTreeSet<OrderId>,
    /// The orders to which something has happened since the last look.
    touched: BTreeSet<OrderId>,
    /// The open orders of which nothing was said about their last events.
    news: BTreeSet<OrderId>,
    /// What stands in the databases, of the orders that will be looked at next.
    standing: BTreeMap<OrderId, Standing>,
    /// What could not be told at the last look, by order.
    doubts: BTreeMap<OrderId, Vec<Doubt>>,
    zombies: ZombieWatch,
    told: Told,
}

/// What a look has found that was not told before.
#[derive(Debug, Default)]
pub struct News {
    /// The verdicts.
    pub verdicts: Vec<Verdict>,
    /// The doubts that won't pass by themselves.
    pub doubts: Vec<Doubt>,
}

/// Judges a history.
pub fn check(history: &History) -> Judgement {
    let mut checker = Checker::of(Scope::default());
    let history = history.clone();
    let written = history.written.into_iter();
    written.for_each(|written| checker.written(written));
    let topic = history.topic.into_iter();
    topic.for_each(|record| checker.order_record(record));
    let answers = history.delivery_records.into_iter();
    answers.for_each(|record| checker.delivery_record(record));
    let mut applied = history.applied;
    applied.sort_by_key(|applied| applied.counter);
    applied.into_iter().for_each(|applied| checker.applied(applied));
    let parked = history.parked.into_iter();
    parked.for_each(|parked| checker.parked(parked));
    let rows = history.deliveries.into_iter();
    rows.for_each(|delivery| checker.delivery(delivery));
    let waiting = history.unpublished_deliveries.into_iter();
    waiting.for_each(|order| checker.unpublished_delivery(order));
    history.moving.into_iter().for_each(|order| checker.moving(order));
    checker.finish(&history.partitions)
}

impl Checker {
    /// A checker of the orders in this scope, of which nothing is known yet.
    pub fn of(scope: Scope) -> Self {
        Self {
            scope,
            orders: 0,
            open: BTreeMap::new(),
            folded: Table::default(),
            stirred: BTreeMap::new(),
            unread: BTreeSet::new(),
            touched: BTreeSet::new(),
            news: BTreeSet::new(),
            standing: BTreeMap::new(),
            doubts: BTreeMap::new(),
            zombies: ZombieWatch::default(),
            told: Told::default(),
        }
    }

    /// Goes on from a survey of the same scope, as if all that was handed to it had been handed in here. What is to be told of
    /// its suspects is left to whoever made it, until something happens to them.
    pub fn go_on_from(&mut self, survey: Survey) {
        (self.scope, self.folded, self.zombies) = survey.into_parts();
    }

    /// Notes verdicts that somebody else told.
    pub fn note_told<'a>(&mut self, verdicts: impl IntoIterator<Item = &'a Verdict>) {
        for verdict in verdicts {
            self.told.add(verdict);
        }
    }

    /// Has the history of these orders read again.
    pub fn read_again(&mut self, orders: impl IntoIterator<Item = OrderId>) {
        self.unread.extend(orders);
    }

    /// The orders whose history has to be read again and handed to [`Checker::restore`].
    pub fn to_read_again(&self) -> &BTreeSet<OrderId> {
        &self.unread
    }

    /// Takes the whole history of the orders that had to be read again. What of it is handed in once more changes nothing.
    pub fn restore(&mut self, history: History) {
        for order in std::mem::take(&mut self.unread) {
            self.stirred.remove(&order);
            self.folded.entry(order).doubt();
        }
        for (order, open) in Open::all_of(history) {
            self.touched.insert(order);
            self.news.insert(order);
            self.open.insert(order, open);
        }
    }

    /// The orders that are worth a look: to which something has happened since they had last come to their end. The databases
    /// are asked what stands there about them.
    pub fn waiting(&self) -> impl Iterator<Item = OrderId> {
        let open = self.open.iter().filter(|(_, open)| !open.is_settled);
        let stirred = self.stirred.keys().filter(|order| !self.unread.contains(order));
        open.map(|(order, _)| *order).chain(stirred.copied())
    }

    /// How many orders were seen that are judged, beside those of the survey from which the checker goes on.
    pub fn orders(&self) -> usize {
        self.orders
    }

    /// Has these orders looked at next. What stands in the databases about them will be handed in; what was handed in of that
    /// before is forgotten.
    pub fn ask_about(&mut self, orders: impl IntoIterator<Item = OrderId>) {
        let fresh = |order| (order, Standing::default());
        self.standing = orders.into_iter().map(fresh).collect();
    }

    /// Notes which order events wait to be published, as the databases say. Those that were handed in before and are not
    /// among them are published.
    pub fn note_unpublished(&mut self, waiting: &BTreeSet<(OrderId, Version)>) {
        for (order, open) in &mut self.open {
            open.note_unpublished(*order, waiting);
        }
        for (order, _) in waiting {
            if let Some(stirred) = self.stirred.get_mut(order) {
                stirred.lacking = 0;
            }
        }
    }

    /// The verdicts that have become certain by what was handed in, whatever may still come.
    pub fn certain(&mut self) -> Vec<Verdict> {
        let (log, nothing) = (LogPositions::default(), Standing::default());
        let mut verdicts = std::mem::take(&mut self.zombies.found);
        verdicts.retain(|verdict| self.covers(verdict.order));
        for order in std::mem::take(&mut self.news) {
            if let Some(open) = self.open.get(&order) {
                verdicts.extend(certain(&open.history(order, &nothing, &log)));
            }
        }
        verdicts.retain(|verdict| self.told.add(verdict));
        verdicts
    }

    /// Looks at the orders that were asked about and to which nothing has happened since. `partitions` is how far the group had
    /// come when the databases were asked.
    pub fn settle(&mut self, partitions: &[PartitionState]) -> News {
        let log = LogPositions::of(partitions);
        let removed_up_to = partitions.iter().filter_map(PartitionState::removed_up_to).max();
        let mut news = News::default();
        let touched = std::mem::take(&mut self.touched);
        for (order, standing) in std::mem::take(&mut self.standing) {
            if touched.contains(&order) {
                continue;
            }
            if self.open.contains_key(&order) {
                self.look_at_open(order, &standing, &log, removed_up_to, &mut news);
            } else if self.stirred.contains_key(&order) {
                self.look_at_stirred(order, &standing, &log, removed_up_to);
            }
        }
        self.fold_what_broke();
        news
    }

    /// Everything that was not told before, once all is handed in, also what stands in the databases now.
    pub fn finish(mut self, partitions: &[PartitionState]) -> Judgement {
        let log = LogPositions::of(partitions);
        let mut judgement = Judgement {
            orders: self.orders,
            ..Judgement::default()
        };
        judgement.doubts.extend(lagging(partitions));
        let nothing = Standing::default();
        for (order, open) in &self.open {
            let standing = self.standing.get(order).unwrap_or(&nothing);
            judge(&open.history(*order, standing, &log), &mut judgement);
        }
        judgement.doubts.extend(self.stirred.keys().copied().map(Doubt::Moving));
        let mut zombies = std::mem::take(&mut self.zombies.found);
        zombies.retain(|verdict| self.covers(verdict.order));
        judgement.verdicts.append(&mut zombies);
        judgement
            .verdicts
            .retain(|verdict| !self.told.contains(&subject(verdict)));
        judgement.sort();
        judgement
    }

    /// What can't be told now: of orders that were looked at, and of those that are still changing.
    pub fn doubts(&self) -> impl Iterator<Item = Doubt> {
        let unseen = self.waiting().filter(|order| !self.doubts.contains_key(order));
        let unread = self.unread.iter().copied();
        let moving = unseen.chain(unread).map(Doubt::Moving);
        self.doubts.values().flatten().cloned().chain(moving)
    }

    fn look_at_open(
        &mut self,
        order: OrderId,
        standing: &Standing,
        log: &LogPositions,
        removed_up_to: Option<Timestamp>,
        news: &mut News,
    ) {
        let Some(open) = self.open.get_mut(&order) else { return };
        let history = open.history(order, standing, log);
        let mut found = Judgement::default();
        judge(&history, &mut found);
        let (settled, seen) = (is_settled(&history), found.verdicts.iter().map(subject).collect());
        drop(history);
        let before = std::mem::replace(&mut open.suspected, seen);
        // What is wrong has to be seen twice. What is regular is seen at once.
        let confirmed = open
            .suspected
            .iter()
            .all(|subject| before.contains(subject) || self.told.contains(subject));
        let certain = found
            .verdicts
            .into_iter()
            .filter(|verdict| before.contains(&subject(verdict)));
        let new: Vec<Verdict> = certain.filter(|verdict| self.told.add(verdict)).collect();
        news.verdicts.extend(new);
        open.is_settled = settled && confirmed;
        let known = self.doubts.remove(&order).unwrap_or_default();
        let lasting = found
            .doubts
            .iter()
            .filter(|doubt| !doubt.may_pass() && !known.contains(doubt));
        news.doubts.extend(lasting.cloned());
        if !found.doubts.is_empty() {
            self.doubts.insert(order, found.doubts);
        }
        if open.is_settled
            && let Some(trail) = open.folded(standing, removed_up_to)
        {
            *self.folded.entry(order) = trail;
            self.open.remove(&order);
        }
    }

    fn look_at_stirred(
        &mut self,
        order: OrderId,
        standing: &Standing,
        log: &LogPositions,
        removed_up_to: Option<Timestamp>,
    ) {
        let (Some(trail), Some(stirred)) = (self.folded.get_mut(order), self.stirred.get_mut(&order)) else {
            return;
        };
        let mut complete = *trail;
        complete.await_row();
        standing.deliveries.iter().for_each(|row| complete.delivery(row));
        if complete.is_regular(removed_up_to) {
            *trail = complete;
            self.stirred.remove(&order);
            return;
        }
        let under_way = !standing.parked.is_empty() || standing.has_unpublished_deliveries || stirred.is_ahead(log);
        stirred.lacking = if under_way { 0 } else { stirred.lacking + 1 };
        if stirred.lacking >= LACKING {
            self.unread.insert(order);
        }
    }

    /// Keeps no more of the orders that have broken and come to their end than fits.
    fn fold_what_broke(&mut self) {
        let mut kept: usize = self.open.values().map(Open::entries).sum();
        if kept <= KEPT {
            return;
        }
        let (folded, open) = (&mut self.folded, &mut self.open);
        open.retain(|order, open| {
            let keep = kept <= KEPT || !open.is_settled;
            if !keep {
                kept -= open.entries();
                folded.entry(*order).doubt();
            }
            keep
        });
    }

    /// Hands an event to its order.
    fn take(&mut self, order: OrderId, event: Event) {
        if !self.wants(order) {
            return;
        }
        if let Some(open) = self.open.get_mut(&order) {
            open.take(event);
            self.news.insert(order);
        } else if let Some(trail) = self.folded.get_mut(order) {
            if trail.is_left_aside() {
                return;
            }
            event.follow(trail);
            if trail.is_irregular() {
                self.unread.insert(order);
            }
            self.stirred.entry(order).or_default().see(&event);
        } else {
            self.orders += 1;
            self.open.entry(order).or_default().take(event);
            self.news.insert(order);
        }
        self.touched.insert(order);
    }

    /// What stands about an order that is known.
    fn standing_of(&mut self, order: OrderId) -> Option<&mut Standing> {
        let known = self.open.contains_key(&order) || self.stirred.contains_key(&order);
        known.then(|| self.standing.entry(order).or_default())
    }

    fn covers(&self, order: OrderId) -> bool {
        self.wants(order) && !self.folded.get(order).is_some_and(Trail::is_left_aside)
    }
}

impl Intake for Checker {
    fn wants(&self, order: OrderId) -> bool {
        self.scope.order.is_none_or(|wanted| wanted == order)
    }

    fn only(&self) -> Option<OrderId> {
        self.scope.order
    }

    fn written(&mut self, mut written: Written) {
        // Whether a folded order's event is published is asked for when it is looked at.
        written.published |= self.folded.get(written.order).is_some() && !self.open.contains_key(&written.order);
        self.take(written.order, Event::Written(written));
    }

    fn order_record(&mut self, record: OrderRecord) {
        self.take(record.order, Event::OrderRecord(record));
    }

    fn delivery_record(&mut self, record: DeliveryRecord) {
        self.take(record.order, Event::DeliveryRecord(record));
    }

    fn applied(&mut self, applied: Applied) {
        self.zombies.see(&applied);
        self.take(applied.order, Event::Applied(applied));
    }

    fn parked(&mut self, parked: Parked) {
        if !self.wants(parked.order) {
            return;
        }
        // An order may be known by what is parked of it alone.
        if self.folded.get(parked.order).is_none() && !self.open.contains_key(&parked.order) {
            self.orders += 1;
            self.open.insert(parked.order, Open::default());
        }
        if let Some(standing) = self.standing_of(parked.order) {
            standing.parked.push(parked);
        }
    }

    fn delivery(&mut self, delivery: Delivery) {
        if let Some(standing) = delivery.order_id.and_then(|order| self.standing_of(order)) {
            standing.deliveries.push(delivery);
        }
    }

    fn unpublished_delivery(&mut self, order: OrderId) {
        if let Some(standing) = self.standing_of(order) {
            standing.has_unpublished_deliveries = true;
        }
    }

    fn moving(&mut self, order: OrderId) {
        if let Some(standing) = self.standing_of(order) {
            standing.is_moving = true;
        }
    }
}
