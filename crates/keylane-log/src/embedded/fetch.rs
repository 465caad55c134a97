//! Fetches the next records of the partitions that a member owns.

use rusqlite::Connection;

use super::member::Member;
use super::records::{self, Budget};
use super::roster::epoch;
use super::schema::read;
use crate::port::Result;
use crate::record::{Offset, Record, TopicPartition};

/// The result of a fetch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// The group has not changed, and these are the next records.
    Records {
        /// The records; those of one partition stand in order.
        records: Vec<Record>,
        /// Whether there may be more records, because the budget of the fetch was spent.
        more: bool,
    },
    /// The group has changed, so the member must take a step before it may hand out records.
    GroupChanged,
}

/// Reads the next records of the owned partitions that are neither paused nor closed, in one snapshot.
pub(super) fn fetch(conn: &Connection, member: &mut Member) -> Result<Fetched> {
    if !member.joined() {
        return Ok(Fetched::GroupChanged);
    }
    let batches = read(conn, |tx| {
        if epoch(tx, &member.group)? != member.epoch {
            return Ok(None);
        }
        let mut budget = Budget::POLL;
        let batches = wanted(member).into_iter().map(|(partition, position)| {
            if budget.is_spent() {
                return Ok(Vec::new());
            }
            records::read(tx, &partition, position, &mut budget)
        });
        let batches: Vec<Vec<Record>> = batches.collect::<Result<_>>()?;
        Ok(Some((batches, budget.is_spent())))
    })?;
    let Some((batches, more)) = batches else {
        return Ok(Fetched::GroupChanged);
    };
    for last in batches.iter().filter_map(|batch| batch.last()) {
        let holding = member
            .held
            .get_mut(&last.topic_partition())
            .expect("only held partitions are read");
        holding.position = last.offset.next();
    }
    member.first = member.first.wrapping_add(1);
    Ok(Fetched::Records {
        records: batches.into_iter().flatten().collect(),
        more,
    })
}

/// The partitions to read and the offsets to read them from. Each fetch begins with another partition.
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
