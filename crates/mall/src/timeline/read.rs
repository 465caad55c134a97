//! Reads what is known of one order, from the causes to the effects, while the services may be adding to it.

use anyhow::Result;
use lab::checker::{Entry, Fact, History, Intake, Selection, Stage};
use lab::translate;
use shop::domain::fence::DeadLetter;
use shop::domain::{OrderId, Source, Version};
use shop::store::{ApplyRow, JournalRow};
use shop::text;

use crate::console::escape;
use crate::scan::ProgressLine;
use crate::verify::{Sources, gather};

/// How many numbers of the apply history are looked through at a time, within a call's deadline.
const SPAN: i64 = 100_000;
/// How many rows are read at a time.
const PAGE: usize = 1000;
/// How many dead letters are read at a time. Each may be as large as a record can be.
const LETTERS: usize = 100;

/// What is known of an order.
pub struct Known {
    /// Its history, for the checker.
    pub history: History,
    /// Its dead letters.
    pub letters: Vec<DeadLetter>,
}

/// Reads everything about an order.
pub fn read(sources: &Sources, order: OrderId) -> Result<Known> {
    let mut selection = Selection::of([order]);
    let written = journal(sources, order, &mut selection)?;
    let read = gather::topic(sources, &mut selection)?;
    let partitions = gather::committed(sources, read)?;
    let applied = applies(sources, order, 0, |row| selection.applied(translate::applied(row)))?;
    gather::parked_of(sources, &mut selection, order, crate::clock::now())?;
    let rows = sources.of_deliveries(|store| store.deliveries_of(order))?;
    rows.into_iter().for_each(|row| selection.delivery(row));
    gather::unpublished_deliveries(sources, &mut selection)?;
    gather::tail_of_topic(sources, &mut selection, &partitions)?;
    let mut changed = sources.of_orders(|store| store.order_events(order))?.len() != written;
    applies(sources, order, applied, |_| changed = true)?;
    if changed {
        selection.moving(order);
    }
    let mut history = selection.history;
    history.partitions = partitions;
    Ok(Known {
        history,
        letters: letters(sources, order)?,
    })
}

/// Reads the order's rows of the journal, and answers how many they are.
fn journal(sources: &Sources, order: OrderId, to: &mut impl Intake) -> Result<usize> {
    let entries = sources.of_orders(|store| store.order_events(order))?;
    // Read behind the events: one that is written in between would else pass for a published one.
    let waiting = unpublished(sources, order)?;
    let count = entries.len();
    for (id, entry) in (1..).zip(entries) {
        let published = !waiting.contains(&entry.version);
        to.written(translate::written(&JournalRow { id, entry, published })?);
    }
    Ok(count)
}

/// The versions of the order that wait to be published.
fn unpublished(sources: &Sources, order: OrderId) -> Result<Vec<Version>> {
    let (mut versions, mut after) = (Vec::new(), 0);
    loop {
        let page = sources.of_orders(|store| store.unpublished(Source::Orders, after, PAGE))?;
        let Some(last) = page.last() else { return Ok(versions) };
        after = last.id;
        let of_order = page.iter().filter(|row| row.entry.order_id == order);
        versions.extend(of_order.map(|row| row.entry.version));
    }
}

/// Looks through the apply history behind the number `after`. Answers with a number up to which it has looked.
fn applies(sources: &Sources, order: OrderId, mut after: i64, mut take: impl FnMut(ApplyRow)) -> Result<i64> {
    let mut progress = ProgressLine::of("looking through the apply history", None);
    loop {
        let Some(rows) = sources.of_deliveries(|store| store.applies_of(order, after, SPAN))? else {
            return Ok(after);
        };
        progress.add(SPAN.cast_unsigned());
        let last = rows.last().map(|row| row.seq);
        rows.into_iter().for_each(&mut take);
        // The span may reach beyond the newest number, and numbers that are given out later must not be skipped then.
        let reached = after.saturating_add(SPAN);
        match sources.of_deliveries(|store| store.applies_of(order, reached, 1))? {
            Some(_) => after = reached,
            None => return Ok(last.unwrap_or(after)),
        }
    }
}

fn letters(sources: &Sources, order: OrderId) -> Result<Vec<DeadLetter>> {
    let (mut letters, mut after) = (Vec::new(), 0);
    loop {
        let page = sources.of_deliveries(|store| store.dead_letters(false, after, LETTERS))?;
        let Some(last) = page.last() else { return Ok(letters) };
        after = last.id;
        letters.extend(page.into_iter().filter(|letter| letter.letter.order_id == Some(order)));
    }
}

/// A dead letter as an entry of the timeline.
pub fn given_up(letter: &DeadLetter) -> Entry {
    let letter = &letter.letter;
    let header = |name: &str| {
        let header = letter.headers.iter().rev().find(|header| header.name == name)?;
        let value = String::from_utf8_lossy(header.value.as_deref()?).into_owned();
        Some(escape::line(&value).into_owned())
    };
    let of = |name: &str| header(&format!("__connect.errors.{name}"));
    let from = of("partition").zip(of("offset"));
    let from = from.map_or(String::new(), |(partition, offset)| {
        format!(", from P{partition}@{offset}")
    });
    let fact = Fact {
        at: Some(letter.timestamp),
        version: letter.version,
        what: text!("became a dead letter{from}", "데드 레터가 됨{from}"),
        place: None,
        instance: None,
        epoch: None,
    };
    Entry::of(Stage::GivenUp, fact, of("exception.message").unwrap_or_default())
}
