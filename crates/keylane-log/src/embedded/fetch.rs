//! What a member polls: the next records of what it holds.

use rusqlite::Connection;

use super::group::Member;
use super::page::{self, Budget};
use super::roster::epoch;
use super::schema::read;
use crate::port::Result;
use crate::record::{Offset, Record, TopicPartition};

/// What a fetch found.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The next records, and whether there may be more.
    Records {
        /// In order within each partition.
        records: Vec<Record>,
        /// The page was full.
        more: bool,
    },
    /// The group has changed: nothing is handed out before the next step.
    Regroup,
}

/// Reads up to a page, in one snapshot, of the partitions held that are neither paused nor to be given back.
pub fn fetch(conn: &Connection, member: &mut Member) -> Result<Fetched> {
    if !member.joined() {
        return Ok(Fetched::Regroup);
    }
    let pages = read(conn, |tx| {
        if epoch(tx, &member.group)? != member.epoch {
            return Ok(None);
        }
        let mut budget = Budget::PAGE;
        let pages = wanted(member).into_iter().map(|(partition, position)| {
            if budget.spent() {
                return Ok(Vec::new());
            }
            page::read(tx, &partition, position, &mut budget)
        });
        let pages: Vec<Vec<Record>> = pages.collect::<Result<_>>()?;
        Ok(Some((pages, budget.spent())))
    })?;
    let Some((pages, more)) = pages else {
        return Ok(Fetched::Regroup);
    };
    for last in pages.iter().filter_map(|page| page.last()) {
        let holding = member
            .held
            .get_mut(&last.topic_partition())
            .expect("only what is held is read");
        holding.position = last.offset.next();
    }
    member.first = member.first.wrapping_add(1);
    Ok(Fetched::Records {
        records: pages.into_iter().flatten().collect(),
        more,
    })
}

/// What to read from where, another partition first each time.
fn wanted(member: &Member) -> Vec<(TopicPartition, Offset)> {
    let open = member
        .held
        .iter()
        .filter(|(_, holding)| !holding.paused && !holding.closed);
    let mut wanted: Vec<_> = open.map(|(key, holding)| (key.clone(), holding.position)).collect();
    if !wanted.is_empty() {
        let first = member.first % wanted.len();
        wanted.rotate_left(first);
    }
    wanted
}
