//! Gathers a history while the services may be adding to it.
//!
//! Causes are read before their effects, and positions before what they count:
//!
//! ```text
//!   journal ▸ topic ▸ committed offsets ▸ apply history ▸ parked ▸ rows ▸ unpublished deliveries ▸ the tails of the first, second and fourth
//! ```
//! An order with an event in one of the tails has changed meanwhile, so what was read of it may not fit together. It is marked
//! as moving. Nothing is kept here: whoever takes the history in decides what to keep of it.

use anyhow::Result;
use keylane_log::{Extent, Offset, Partition, Record, Timestamp};
use lab::checker::{Intake, PartitionState};
use lab::translate::{self, TopicRecord};
use shop::domain::{DeliveryId, OrderId, Source, Version};
use shop::store::{ApplyRow, JournalRow};

use super::sources::Sources;
use crate::clock;
use crate::scan::ProgressLine;

/// How many rows are read at once.
const PAGE: usize = 1000;

/// How far a history was read.
pub struct Gathered {
    /// The state in which the partitions were.
    pub partitions: Vec<PartitionState>,
    /// The number of the journal's last row.
    pub journal_end: i64,
    /// The number of the last row of the apply history.
    pub applies_end: i64,
}

/// Reads everything and hands it in.
pub fn gather(sources: &Sources, to: &mut impl Intake) -> Result<Gathered> {
    let journal_end = journal(sources, 0, |row| {
        if to.wants(row.entry.order_id) {
            to.written(translate::written(&row)?);
        }
        Ok(())
    })?;
    let read = topic(sources, to)?;
    let partitions = committed(sources, read)?;
    let applies_end = applies(sources, 0, |row| to.applied(translate::applied(row)))?;
    parked(sources, to)?;
    deliveries(sources, to)?;
    unpublished_deliveries(sources, to)?;
    tails(sources, to, &partitions, journal_end, applies_end)?;
    Ok(Gathered {
        partitions,
        journal_end,
        applies_end,
    })
}

/// Reads what has been added since the first reading, and notes its orders as moving.
fn tails(
    sources: &Sources,
    to: &mut impl Intake,
    partitions: &[PartitionState],
    journal_end: i64,
    applies_end: i64,
) -> Result<()> {
    journal(sources, journal_end, |row| {
        to.moving(row.entry.order_id);
        Ok(())
    })?;
    applies(sources, applies_end, |row| to.moving(row.apply.order_id))?;
    tail_of_topic(sources, to, partitions)
}

/// Reads what the topic has got since these states of its partitions, and notes its orders as moving.
pub fn tail_of_topic(sources: &Sources, to: &mut impl Intake, partitions: &[PartitionState]) -> Result<()> {
    let known = |partition: usize| partitions.get(partition).map(|state| state.end);
    let mut extents = sources.of_log(sources.log.extents(&sources.topic))?;
    for (number, extent) in extents.iter_mut().enumerate() {
        extent.start = known(number).unwrap_or(extent.start).max(extent.start);
    }
    let scanned = sources.each_record(&extents, |record| {
        if let Some(found) = translate::found(record) {
            to.moving(found.order());
        }
    });
    scanned.map(drop)
}

/// Reads the rows of the journal behind a number. Answers with the number of the last.
pub fn journal(sources: &Sources, mut after: i64, mut take: impl FnMut(JournalRow) -> Result<()>) -> Result<i64> {
    let mut progress = ProgressLine::of("reading the order journal", None);
    loop {
        let page = sources.of_orders(|store| store.journal(Source::Orders, after, PAGE))?;
        let Some(last) = page.last() else { return Ok(after) };
        after = last.id;
        progress.add(page.len() as u64);
        page.into_iter().try_for_each(&mut take)?;
    }
}

/// Reads the rows of the apply history behind a number. Answers with the number of the last.
pub fn applies(sources: &Sources, mut after: i64, mut take: impl FnMut(ApplyRow)) -> Result<i64> {
    let mut progress = ProgressLine::of("reading the apply history", None);
    loop {
        let page = sources.of_deliveries(|store| store.applies(after, PAGE))?;
        let Some(last) = page.last() else { return Ok(after) };
        after = last.seq;
        progress.add(page.len() as u64);
        page.into_iter().for_each(&mut take);
    }
}

/// Reads the topic. Answers with each partition's extent and the time of its first record.
pub fn topic(sources: &Sources, to: &mut impl Intake) -> Result<Vec<(Extent, Option<Timestamp>)>> {
    let extents = sources.of_log(sources.log.extents(&sources.topic))?;
    let mut kept_since: Vec<Option<Timestamp>> = vec![None; extents.len()];
    let only = to.only().map(|order| order.to_string());
    let ends = sources.each_record(&extents, |record| {
        kept_since[record.partition.0 as usize].get_or_insert(record.timestamp);
        if only.as_ref().is_none_or(|order| translate::mentions(record, order)) {
            take_record(record, to);
        }
    })?;
    let read = extents.iter().zip(ends).map(|(extent, end)| Extent {
        start: extent.start,
        end,
    });
    Ok(read.zip(kept_since).collect())
}

/// Hands in a record, if it is an event.
pub fn take_record(record: &Record, to: &mut impl Intake) {
    match translate::found(record) {
        Some(TopicRecord::Order(record)) => to.order_record(record),
        Some(TopicRecord::Delivery(record)) => to.delivery_record(record),
        None => {}
    }
}

/// The state of the partitions, of which this much was read.
pub fn committed(sources: &Sources, read: Vec<(Extent, Option<Timestamp>)>) -> Result<Vec<PartitionState>> {
    let committed = sources.of_log(sources.log.committed(&sources.group, &sources.topic))?;
    let of = |number: usize| -> Option<Offset> { committed.get(number).copied().flatten() };
    let states = read
        .into_iter()
        .enumerate()
        .map(|(number, (extent, kept_since))| PartitionState {
            partition: Partition(number as u32),
            start: extent.start,
            end: extent.end,
            committed: of(number),
            kept_since,
        });
    Ok(states.collect())
}

/// Reads all parked events.
pub fn parked(sources: &Sources, to: &mut impl Intake) -> Result<()> {
    let now = clock::now();
    let mut after = OrderId::BEFORE_ALL;
    loop {
        let keys = sources.of_deliveries(|store| store.parked_keys(after, PAGE))?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = last.order_id;
        for key in keys.iter().filter(|key| to.wants(key.order_id)).collect::<Vec<_>>() {
            parked_of(sources, to, key.order_id, now)?;
        }
    }
}

/// Reads the parked events of an order.
pub fn parked_of(sources: &Sources, to: &mut impl Intake, order: OrderId, now: Timestamp) -> Result<()> {
    let mut after = Version(i64::MIN);
    loop {
        let events = sources.of_deliveries(|store| store.parked_events(order, after, PAGE))?;
        let Some(last) = events.last() else { return Ok(()) };
        after = last.head.version;
        let events = events.into_iter().map(|event| translate::parked(event, now));
        events.for_each(|parked| to.parked(parked));
    }
}

fn deliveries(sources: &Sources, to: &mut impl Intake) -> Result<()> {
    let mut progress = ProgressLine::of("reading the deliveries", None);
    let mut after = DeliveryId(i64::MIN);
    loop {
        let page = sources.of_deliveries(|store| store.deliveries_after(after, PAGE))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        progress.add(page.len() as u64);
        page.into_iter().for_each(|delivery| to.delivery(delivery));
    }
}

/// Reads the orders of which a delivery event waits to be published.
pub fn unpublished_deliveries(sources: &Sources, to: &mut impl Intake) -> Result<()> {
    let mut after = 0;
    loop {
        let page = sources.of_deliveries(|store| store.unpublished(Source::Deliveries, after, PAGE))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        page.iter().for_each(|row| to.unpublished_delivery(row.entry.order_id));
    }
}
