//! `mall verify --watch`: looks at everything once, and from then on reads only what is new.
//!
//! ```text
//!   look (as without --watch) ─▶ ask: what stands in the databases ▸ read: what has happened since ▸ what is certain now ─┐
//!                                 ▲                                                                                         │
//!                                 └────────────────────────────────── a pause ◀─────────────────────────────────────────────┘
//! ```
//! What is asked for comes before what is read, so that an order of which nothing new is read stood as the answers say. Orders
//! that have come to their end cost a few dozen bytes each; of one that goes wrong afterwards the history is read again.

mod seen;

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use keylane_log::{Extent, Offset, Record, Timestamp};
use lab::checker::{
    Checker, Doubt, History, Intake, PartitionState, Scope, Selection, Severity, Verdict, check_orders,
};
use lab::translate;
use shop::domain::{OrderId, Source, Version};

use super::found::Found;
use super::gather::{self, gather};
use super::look::{Looked, look_and_go_on};
use super::sources::Sources;
use seen::Seen;

/// About how many orders the databases are asked at a time.
const ASKED: usize = 5000;
/// So many events may wait to be published. While more wait, nothing is said about what is missing.
const UNPUBLISHED: usize = 20_000;
/// How many rows are read at once.
const PAGE: usize = 1000;
/// How much longer than a reading of the whole history the pause before the next one is.
const REST: u32 = 4;

/// Something new.
pub enum News {
    /// What the first look has found.
    Begun(Found),
    /// Verdicts that have become certain.
    Verdicts(Vec<Verdict>),
    /// What can't be told, and won't pass by itself.
    Doubts(Vec<Doubt>),
    /// Something has happened, and all of it has come to its end. This is what everything comes to.
    Quiet(Found),
}

/// A mall that is being watched.
pub struct Watch<'a> {
    sources: &'a Sources,
    checker: Checker,
    journal: Seen,
    applies: Seen,
    /// The next offset to be read, by partition.
    ends: Vec<Offset>,
    /// Each partition's first offset, and the time of the record there.
    starts: Vec<(Offset, Option<Timestamp>)>,
    /// The last order that the databases were asked about.
    asked: OrderId,
    /// The earliest time at which the whole history may be read again.
    rested: Instant,
    told: Told,
    /// Whether something was read since everything had last come to its end.
    stirred: bool,
    /// How many findings of each kind are kept.
    keep: usize,
}

/// What has been told so far.
#[derive(Default)]
struct Told {
    /// How many orders the first look has seen.
    orders: usize,
    harmed: BTreeSet<OrderId>,
    hazards: BTreeSet<OrderId>,
    /// How far the group had come at the last look.
    partitions: Vec<PartitionState>,
}

/// The topic ends before a place that was read: it was deleted and created again, or its records were.
#[derive(Debug)]
pub struct Replaced;

impl std::error::Error for Replaced {}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the topic holds fewer records than before; beginning again with what it holds")
    }
}

impl Told {
    fn note(&mut self, verdicts: &[Verdict]) {
        for verdict in verdicts {
            match verdict.severity {
                Severity::Harm => self.harmed.insert(verdict.order),
                Severity::Hazard => self.hazards.insert(verdict.order),
            };
        }
    }
}

impl<'a> Watch<'a> {
    /// Looks at everything, tells what was found, and begins to watch. Of each kind of finding it keeps as many as `keep` says.
    pub fn begin(sources: &'a Sources, scope: Scope, keep: usize, tell: &mut impl FnMut(News)) -> Result<Self> {
        let (mut checker, mut told) = (Checker::of(scope), Told::default());
        let Looked { found, survey, read } = look_and_go_on(sources, scope, keep, |judgement| {
            checker.note_told(&judgement.verdicts);
            checker.read_again(judgement.doubts.iter().filter_map(Doubt::order));
            told.note(&judgement.verdicts);
        })?;
        checker.go_on_from(survey);
        told.orders = found.orders;
        tell(News::Begun(found));
        let starts = read.partitions.iter().map(|state| (state.start, state.kept_since));
        Ok(Self {
            sources,
            checker,
            journal: Seen::up_to(read.journal_end),
            applies: Seen::up_to(read.applies_end),
            ends: read.partitions.iter().map(|state| state.end).collect(),
            starts: starts.collect(),
            asked: OrderId::BEFORE_ALL,
            rested: Instant::now(),
            told: Told {
                partitions: read.partitions,
                ..told
            },
            stirred: false,
            keep,
        })
    }

    /// Looks at what is new, and tells what has become certain.
    ///
    /// # Errors
    /// [`Replaced`] if the watch has to begin again. After any other error the next step goes on.
    pub fn step(&mut self, tell: &mut impl FnMut(News)) -> Result<()> {
        let partitions = self.ask()?;
        self.read()?;
        let certain = self.checker.certain();
        self.tell(certain, tell);
        if let Some(partitions) = partitions {
            let news = self.checker.settle(&partitions);
            self.told.partitions = partitions;
            self.tell(news.verdicts, tell);
            if !news.doubts.is_empty() {
                tell(News::Doubts(news.doubts));
            }
        }
        if self.stirred && self.is_quiet() {
            self.stirred = false;
            tell(News::Quiet(self.found()));
        }
        self.read_again()
    }

    /// How many orders have harm, and of how many others only hazards are known.
    pub fn counts(&self) -> (usize, usize) {
        let hazards = self.told.hazards.difference(&self.told.harmed).count();
        (self.told.harmed.len(), hazards)
    }

    /// How many orders were judged.
    pub fn orders(&self) -> usize {
        self.told.orders + self.checker.orders()
    }

    /// Whether everything that was read has come to its end.
    pub fn is_quiet(&self) -> bool {
        let lagging = self.told.partitions.iter().any(|state| state.lag() > 0);
        !lagging && self.checker.waiting().next().is_none() && self.checker.to_read_again().is_empty()
    }

    /// What all of it comes to.
    pub fn found(&self) -> Found {
        let keep = self.keep;
        let mut found = Found::default();
        found.orders = self.orders();
        (found.harm.all, found.hazards.all) = self.counts();
        // Judging a history without orders yields only the doubts about the partitions.
        let positions = History {
            partitions: self.told.partitions.clone(),
            ..History::default()
        };
        found.add(check_orders(&positions), keep);
        self.checker.doubts().for_each(|doubt| found.doubt(doubt, keep));
        found.finish();
        found
    }

    fn tell(&mut self, verdicts: Vec<Verdict>, tell: &mut impl FnMut(News)) {
        if !verdicts.is_empty() {
            self.told.note(&verdicts);
            tell(News::Verdicts(verdicts));
        }
    }

    /// Asks what stands in the databases about orders that are worth a look, and how far the group has come. None if too much
    /// waits to be published for saying what is missing.
    fn ask(&mut self) -> Result<Option<Vec<PartitionState>>> {
        let Some(unpublished) = self.unpublished()? else {
            return Ok(None);
        };
        let extents = self.extents()?;
        self.look_at_starts(&extents)?;
        let read = extents
            .into_iter()
            .zip(&self.starts)
            .map(|(extent, start)| (extent, start.1));
        let partitions = gather::committed(self.sources, read.collect())?;
        let orders = self.worth_a_look();
        self.checker.ask_about(orders.iter().copied());
        self.checker.note_unpublished(&unpublished);
        for order in orders {
            let rows = self.sources.of_deliveries(|store| store.deliveries_of(order))?;
            rows.into_iter().for_each(|row| self.checker.delivery(row));
        }
        gather::parked(self.sources, &mut self.checker)?;
        gather::unpublished_deliveries(self.sources, &mut self.checker)?;
        Ok(Some(partitions))
    }

    /// The next orders to be asked about. When all were asked about, it begins with the first again.
    fn worth_a_look(&mut self) -> Vec<OrderId> {
        let asked = self.asked;
        let mut orders: Vec<OrderId> = self.checker.waiting().filter(|order| *order > asked).collect();
        orders.sort();
        let all = orders.len() <= ASKED;
        orders.truncate(ASKED);
        self.asked = match orders.last() {
            Some(last) if !all => *last,
            _ => OrderId::BEFORE_ALL,
        };
        orders
    }

    /// The order events that wait to be published. None if they are too many.
    fn unpublished(&self) -> Result<Option<BTreeSet<(OrderId, Version)>>> {
        let (mut waiting, mut after) = (BTreeSet::new(), 0);
        while waiting.len() < UNPUBLISHED {
            let page = self
                .sources
                .of_orders(|store| store.unpublished(Source::Orders, after, PAGE))?;
            let Some(last) = page.last() else {
                return Ok(Some(waiting));
            };
            after = last.id;
            waiting.extend(page.iter().map(|row| (row.entry.order_id, row.entry.version)));
        }
        Ok(None)
    }

    /// The partitions' extents. New partitions are read from their start.
    fn extents(&mut self) -> Result<Vec<Extent>> {
        let extents = self.sources.of_log(self.sources.log.extents(&self.sources.topic))?;
        let fewer = extents.len() < self.ends.len();
        if fewer || extents.iter().zip(&self.ends).any(|(extent, read)| extent.end < *read) {
            return Err(Replaced.into());
        }
        for extent in &extents[self.ends.len()..] {
            self.ends.push(extent.start);
            self.starts.push((extent.start, None));
        }
        Ok(extents)
    }

    /// Notes the time of the first record where retention has removed some.
    fn look_at_starts(&mut self, extents: &[Extent]) -> Result<()> {
        let mut first: Vec<Extent> = extents.to_vec();
        for (extent, (start, _)) in first.iter_mut().zip(&self.starts) {
            let moved = extent.start > *start && extent.start < extent.end;
            extent.end = if moved {
                Offset(extent.start.0 + 1)
            } else {
                extent.start
            };
        }
        let starts = &mut self.starts;
        for (extent, start) in extents.iter().zip(starts.iter_mut()) {
            if extent.start > start.0 {
                *start = (extent.start, None);
            }
        }
        self.scan(&first, |watch, record| {
            watch.starts[record.partition.0 as usize].1 = Some(record.timestamp)
        })?;
        Ok(())
    }

    /// Reads what has happened since the last step.
    fn read(&mut self) -> Result<()> {
        let Self {
            sources,
            checker,
            journal,
            applies,
            stirred,
            ..
        } = self;
        gather::journal(sources, journal.floor(), |row| {
            if journal.is_new(row.id) && checker.wants(row.entry.order_id) {
                *stirred = true;
                checker.written(translate::written(&row)?);
            }
            Ok(())
        })?;
        journal.end_look();
        gather::applies(sources, applies.floor(), |row| {
            if applies.is_new(row.seq) {
                *stirred |= checker.wants(row.apply.order_id);
                checker.applied(translate::applied(row));
            }
        })?;
        applies.end_look();
        let mut extents = self.extents()?;
        for (extent, read) in extents.iter_mut().zip(&self.ends) {
            extent.start = extent.start.max(*read);
        }
        let ends = self.scan(&extents, |watch, record| {
            gather::take_record(record, &mut watch.checker)
        })?;
        self.ends = ends;
        Ok(())
    }

    /// Reads the records within these extents, if there are any. Answers with the next offset of each partition.
    fn scan(&mut self, extents: &[Extent], mut see: impl FnMut(&mut Self, &Record)) -> Result<Vec<Offset>> {
        if extents.iter().all(|extent| extent.start >= extent.end) {
            return Ok(extents.iter().map(|extent| extent.start).collect());
        }
        let sources = self.sources;
        sources.each_record(extents, |record| see(self, record))
    }

    /// Reads the whole history of orders that have been folded away and of which something is wrong now.
    fn read_again(&mut self) -> Result<()> {
        let begun = Instant::now();
        if self.checker.to_read_again().is_empty() || begun < self.rested {
            return Ok(());
        }
        let mut selection = Selection::of(self.checker.to_read_again().iter().copied());
        gather(self.sources, &mut selection)?;
        self.checker.restore(selection.history);
        self.rested = Instant::now() + REST * begun.elapsed().min(Duration::from_secs(60));
        Ok(())
    }
}
