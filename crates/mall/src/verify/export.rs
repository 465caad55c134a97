//! `mall verify --export` and `mall timeline --export`: what was read and found, as a history that the live page opens.
//!
//! # Invariants
//! * Of so many orders at most the rows and records are read: those that were harmed come first, then those with hazards, then the
//!   newest ones. The verdict counts all.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use anyhow::Result;
use lab::checker::{Chapter, History, Judgement, Scope, Selection, Story};
use serde_json::{Map, Value};
use shop::domain::{OrderId, Version};
use web::live::{Acting, Holds, Mall, Verdict};

use super::found::Found;
use super::gather::{self, gather};
use super::report;
use super::sources::{HistoryOptions, Sources};
use crate::history::{self, export, holds, judged};

/// Of how many orders everything is written.
const MOST: usize = 120;
/// How many verdicts are written.
const VERDICTS: usize = 100;

/// Writes what was found of the orders in the scope, with what is known of those that matter most.
///
/// # Errors
/// It can't be read again, or not be written.
pub fn verified(path: &Path, sources: &Sources, options: &HistoryOptions, scope: Scope, found: &Found) -> Result<()> {
    let orders = chosen(sources, scope, found)?;
    let shown = orders.len();
    let mut selection = Selection::of(orders);
    let read = gather(sources, &mut selection)?;
    selection.history.partitions = read.partitions;
    let about = [
        ("source", "verify".into()),
        ("orders", found.orders.into()),
        ("shown", shown.into()),
    ];
    write(path, &selection.history, verdict(found), options, about)
}

/// Writes what is known of one order.
///
/// # Errors
/// It can't be written.
pub fn of_order(
    path: &Path,
    order: OrderId,
    history: &History,
    judgement: &Judgement,
    options: &HistoryOptions,
) -> Result<()> {
    let about = [
        ("source", "timeline".into()),
        ("order", order.0.into()),
        ("shown", 1.into()),
    ];
    write(path, history, judged(judgement), options, about)
}

fn write<const N: usize>(
    path: &Path,
    read: &History,
    verdict: Verdict,
    options: &HistoryOptions,
    about: [(&str, Value); N],
) -> Result<()> {
    let about = about.into_iter().map(|(name, value)| (name.to_owned(), value));
    let written = export(
        read,
        verdict,
        mall(options),
        Map::from_iter(about),
        history::file(path)?,
    );
    history::written(path, written).map(drop)
}

fn mall(options: &HistoryOptions) -> Mall {
    let storage = &options.storage;
    Mall {
        topic: options.topic.clone(),
        group: options.group.clone(),
        log: if storage.bootstrap_server.is_some() {
            "kafka"
        } else {
            "embedded"
        },
        database: if storage.database_url.is_some() {
            "mysql"
        } else {
            "sqlite"
        },
        supervised: false,
        commands: Acting::ReadOnly,
    }
}

/// The orders that are written.
fn chosen(sources: &Sources, scope: Scope, found: &Found) -> Result<BTreeSet<OrderId>> {
    let stories = found.harm.kept.iter().chain(&found.hazards.kept);
    let mut orders: BTreeSet<OrderId> = stories.map(|story| story.order).take(MOST).collect();
    let newest = newest(sources, scope)?;
    for order in newest.into_iter().rev() {
        if orders.len() < MOST {
            orders.insert(order);
        }
    }
    Ok(orders)
}

/// The orders in the scope that something was written about last.
fn newest(sources: &Sources, scope: Scope) -> Result<VecDeque<OrderId>> {
    let mut newest: VecDeque<OrderId> = VecDeque::new();
    let mut early: BTreeSet<OrderId> = BTreeSet::new();
    gather::journal(sources, 0, |row| {
        let (order, at) = (row.entry.order_id, row.entry.timestamp);
        let is_early = row.entry.version == Version(1) && scope.placed_since.is_some_and(|since| at < since);
        if is_early {
            early.insert(order);
        }
        let wanted = scope.order.is_none_or(|only| only == order) && scope.since.is_none_or(|since| at >= since);
        if wanted && !early.contains(&order) {
            newest.retain(|other| *other != order);
            newest.push_back(order);
            if newest.len() > MOST {
                newest.pop_front();
            }
        }
        Ok(())
    })?;
    Ok(newest)
}

fn verdict(found: &Found) -> Verdict {
    let stories = found.hazards.kept.iter().chain(&found.harm.kept);
    let verdicts = stories.flat_map(|story: &Story| story.chapters.iter().flat_map(Chapter::verdicts));
    let mut told = report::in_both_languages(verdicts.cloned().collect());
    let surplus = told.len().saturating_sub(VERDICTS);
    told.drain(..surplus);
    Verdict {
        state: match found.orders {
            0 => Holds::Unknown,
            _ => holds(found.outcome()),
        },
        orders: found.orders,
        harm: found.harm.all,
        hazards: found.hazards.all,
        under_way: false,
        found: told,
        doubts: found.doubts.kept.iter().map(report::doubt_in_both_languages).collect(),
    }
}
