//! Lets a simulated mall come to rest, and gathers its history.

use std::time::Duration;

use keylane_log::{Extent, Offset, Partition, Record, Timestamp};
use shop::domain::fence::ParkedKey;
use shop::domain::{DeliveryId, OrderId, Source, Version};

use super::gates::{Grant, Point, Side};
use super::mall::Mall;
use super::roles::TOPIC;
use crate::checker::{History, PartitionState};
use crate::scenario::Role;
use crate::translate::{self, TopicRecord};

/// More rows than a simulated history has.
const ALL: usize = 1_000_000;
/// What elections have removed had been handled, up to any offset.
const HANDLED: Offset = Offset(u64::MAX);
/// The steps in which time passes while a mall comes to rest: small ones, in which what has begun goes on, and then larger
/// ones, in which sessions and leases end.
const LARGEST_STEP: Duration = Duration::from_secs(2);
/// After so much time without rest a mall is stuck.
const PATIENCE: Duration = Duration::from_secs(600);
/// The most gates that are opened in one round. More would be opened only by something that goes round in circles.
const MOST_CALLS: usize = 10_000;

impl Mall {
    /// Everything goes on that can, without trouble, until all that was written has been published, handled and committed.
    ///
    /// # Errors
    /// What still waits after a long time.
    pub fn flow(&mut self) -> Result<(), String> {
        let (began, mut step) = (self.now(), Duration::from_millis(5));
        loop {
            let waits = self.round().and_then(|()| self.unrest());
            match waits {
                Ok(()) => return Ok(()),
                Err(why) if self.now() - began > PATIENCE => return Err(why),
                Err(_) => {}
            }
            self.pass(step);
            step = (step * 3 / 2).min(LARGEST_STEP);
        }
    }

    /// Starts what was started in the beginning and is gone, wakes what is frozen, and lets the mall come to rest.
    ///
    /// # Errors
    /// What still waits after a long time.
    pub fn settle(&mut self) -> Result<(), String> {
        let began = self.now();
        self.log.limit(None);
        let frozen: Vec<Role> = self
            .roles()
            .filter(|(_, frozen)| *frozen)
            .map(|(role, _)| role)
            .collect();
        frozen.into_iter().for_each(|role| self.wake(role));
        while self.is_stopping() {
            self.round()?;
            self.pass(Duration::from_millis(100));
            if self.now() - began > PATIENCE {
                return Err("a process that was asked to end goes on".to_owned());
            }
        }
        (1..=self.setup().relays).for_each(|number| self.start(Role::Order(number)));
        (1..=self.setup().deliveries).for_each(|number| self.start(Role::Delivery(number)));
        self.flow()
    }

    /// Every loop takes a step, and every call is answered that nobody holds.
    pub fn round(&mut self) -> Result<(), String> {
        self.answer_calls()?;
        let turns = self.waiting().into_iter();
        let turns = turns.filter(|(.., point)| point.side == Side::Turn).collect();
        for (role, _, point) in self.shuffle.turns(turns) {
            self.open(role, point, Grant::Go);
            self.answer_calls()?;
        }
        Ok(())
    }

    fn answer_calls(&mut self) -> Result<(), String> {
        for _ in 0..MOST_CALLS {
            let Some((role, point)) = self.next_call() else {
                return Ok(());
            };
            self.open(role, point, Grant::Go);
        }
        Err(format!("calls go on and on, such as {:?}", self.waiting().first()))
    }

    /// The call that is answered next: the first that nobody holds, or by chance any of them.
    fn next_call(&mut self) -> Option<(Role, Point)> {
        let goes = |role: Role, point: Point| point.side != Side::Turn && !self.holds.stops(role, point);
        if !self.shuffle.is_on() {
            return self.find_waiting(|role, _, point| goes(role, point).then_some((role, point)));
        }
        let all = self.waiting().into_iter().map(|(role, _, point)| (role, point));
        let all = all.filter(|(role, point)| goes(*role, *point)).collect();
        self.shuffle.call(all)
    }

    /// Fails with what still has to happen.
    fn unrest(&mut self) -> Result<(), String> {
        let orders = self.orders().unpublished(Source::Orders, 0, 1);
        let deliveries = self.deliveries().unpublished(Source::Deliveries, 0, 1);
        for (source, rows) in [(Source::Orders, orders), (Source::Deliveries, deliveries)] {
            if let Some(row) = rows.map_err(|error| error.to_string())?.first() {
                return Err(format!("row {} of the journal {source:?} isn't published", row.id));
            }
        }
        let letters = self
            .deliveries()
            .dead_letters(true, 0, 1)
            .map_err(|error| error.to_string())?;
        if !letters.is_empty() {
            return Err("a dead letter isn't published".to_owned());
        }
        let extents = self.log.outside().extents(TOPIC).map_err(|error| error.to_string())?;
        for (number, (extent, committed)) in extents.iter().zip(self.committed()).enumerate() {
            if extent.end > extent.start.max(committed.unwrap_or(Offset(0))) {
                return Err(format!(
                    "P{number} ends at {} and is committed up to {committed:?}",
                    extent.end
                ));
            }
        }
        // What is committed of a partition that was cut off may be from before.
        for (number, _) in (0..).zip(&extents) {
            let records = self.log.look(Partition(number), Offset(0));
            if let Some(record) = self.watch.unhandled(&records) {
                return Err(format!("P{number}@{} isn't handled", record.offset));
            }
        }
        for key in self.parked_keys()? {
            let written = self.last_written(key.order_id)?;
            // What nobody has written stays parked, which holds nothing up.
            if key.cursor < written {
                return Err(format!("order {} v{} is parked", key.order_id, key.lowest.version));
            }
        }
        Ok(())
    }

    fn last_written(&self, order: OrderId) -> Result<Version, String> {
        let events = self.orders().order_events(order).map_err(|error| error.to_string())?;
        Ok(events.last().map_or(Version(0), |event| event.version))
    }

    /// The orders of which something is parked.
    pub(super) fn parked_keys(&self) -> Result<Vec<ParkedKey>, String> {
        let keys = self.deliveries().parked_keys(OrderId::BEFORE_ALL, ALL);
        keys.map_err(|error| error.to_string())
    }

    /// Everything that the checker needs. Records that are gone count as if they were still there, if they had been handled.
    ///
    /// # Errors
    /// If something can't be read.
    pub fn history(&self) -> Result<History, String> {
        let mut history = self.rows()?;
        self.read_topic(&mut history)?;
        self.recall(&mut history);
        Ok(history)
    }

    /// What the checker is given of a mall by those who come later, and don't know what is gone.
    ///
    /// # Errors
    /// If something can't be read.
    pub fn standing(&self) -> Result<History, String> {
        let mut history = self.rows()?;
        self.read_topic(&mut history)?;
        Ok(history)
    }

    /// What stands in the databases.
    fn rows(&self) -> Result<History, String> {
        let mut history = History::default();
        let text = |error: shop::store::StoreError| error.to_string();
        for row in self.orders().journal(Source::Orders, 0, ALL).map_err(text)? {
            history
                .written
                .push(translate::written(&row).map_err(|error| error.to_string())?);
        }
        let mut deliveries = self.deliveries();
        let applies = deliveries.applies(0, ALL).map_err(text)?;
        history.applied = applies.into_iter().map(translate::applied).collect();
        history.deliveries = deliveries.deliveries_after(DeliveryId(i64::MIN), ALL).map_err(text)?;
        let unpublished = deliveries.unpublished(Source::Deliveries, 0, ALL).map_err(text)?;
        history.unpublished_deliveries = unpublished.iter().map(|row| row.entry.order_id).collect();
        for key in deliveries.parked_keys(OrderId::BEFORE_ALL, ALL).map_err(text)? {
            let events = deliveries
                .parked_events(key.order_id, Version(i64::MIN), ALL)
                .map_err(text)?;
            let parked = events.into_iter().map(|event| translate::parked(event, self.time()));
            history.parked.extend(parked);
        }
        Ok(history)
    }

    fn read_topic(&self, history: &mut History) -> Result<(), String> {
        let extents: Vec<Extent> = self.log.outside().extents(TOPIC).map_err(|error| error.to_string())?;
        let mut take = |record: &Record| take(history, record);
        let scanned = self.log.outside().scan(TOPIC, &extents, &mut take);
        scanned.map_err(|error| error.to_string())?;
        let states = extents.iter().zip(self.committed()).zip(0..);
        let kept = states.map(|((extent, committed), number)| PartitionState {
            partition: Partition(number),
            start: extent.start,
            end: extent.end,
            committed,
            kept_since: self.kept_since(Partition(number), extent.start),
        });
        history.partitions = kept.collect();
        Ok(())
    }

    fn kept_since(&self, partition: Partition, start: Offset) -> Option<Timestamp> {
        let records = (start.0 > 0).then(|| self.log.look(partition, start));
        records?.first().map(|record| record.timestamp)
    }

    /// Adds the records that are gone from the topic. Of those that had not been handled only the delivery events: no part of
    /// the mall reads them.
    fn recall(&self, history: &mut History) {
        let unread = self.removed.unread.iter();
        let unread = unread.filter(|record| matches!(translate::found(record), Some(TopicRecord::Delivery(_))));
        self.removed
            .handled
            .iter()
            .chain(unread)
            .for_each(|record| take(history, record));
        for state in &mut history.partitions {
            // The group goes on behind what is gone.
            state.committed = state.committed.max(Some(state.start));
            (state.start, state.kept_since) = (Offset(0), None);
        }
        let gone = self.removed.partitions().map(|partition| PartitionState {
            partition,
            start: Offset(0),
            end: HANDLED,
            committed: Some(HANDLED),
            kept_since: None,
        });
        history.partitions.extend(gone);
    }
}

fn take(history: &mut History, record: &Record) {
    match translate::found(record) {
        Some(TopicRecord::Order(record)) => history.topic.push(record),
        Some(TopicRecord::Delivery(record)) => history.delivery_records.push(record),
        None => {}
    }
}
