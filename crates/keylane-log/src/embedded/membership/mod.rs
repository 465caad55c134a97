//! Membership of a consumer group: which members live, and which partitions each of them owns.
//!
//! No process coordinates the group. Each member takes a [`step`] from time to time, which is one transaction. In it
//! the member sends a heartbeat, removes dead members, and compares the partitions that it owns with its share. The
//! share comes from sorting the members that read a topic: of `n` of them, the one with number `p mod n` gets partition
//! `p`. The member claims partitions of its share that are free. Those that it owns beyond its share it must give back,
//! which it does with [`super::positions::release`] once its records in flight are done.
//!
//! ```text
//!   not joined ──join──▶ joined ──heartbeat finds no row──▶ not joined (everything lost; joins again after a pause)
//!   in the share: free ──claim, generation + 1──▶ held ──no longer in the share──▶ surplus ──release──▶ free
//! ```
//!
//! # Invariants
//! * A partition has one owner, and every claim raises its generation.
//! * Nothing changes in a [`Member`] until the transaction that says so has committed. If the outcome of a transaction
//!   is unknown, the next step finds and repairs every difference between the member and the tables.
//! * The epoch of a group moves with every change that another member must see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rusqlite::Connection;

use super::member::{Holding, Member};
use super::roster::{bump_epoch, claim, epoch, free, heartbeat, join, owned, remove_dead, share};
use super::schema::write;
use crate::port::{Assignment, Result};
use crate::record::TopicPartition;

/// What a step has changed, for the caller to act on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StepOutcome {
    /// Partitions that the member no longer owns and has dropped already; others may own them.
    pub(super) lost: Vec<TopicPartition>,
    /// Partitions that the member still owns, and has to drain and release. Each is named in one step only.
    pub(super) surplus: Vec<TopicPartition>,
    /// Partitions that the member has claimed.
    pub(super) claimed: Vec<Assignment>,
    /// Members that were found dead and have been removed.
    pub(super) removed: Vec<String>,
}

/// Takes a step at `now`, the time on any clock of the caller that only goes forward. `dead` are members that the
/// caller knows to be dead.
pub(super) fn step(conn: &Connection, member: &mut Member, now: Duration, dead: &[String]) -> Result<StepOutcome> {
    if !member.joined && (member.leaving || now < member.rejoin_at) {
        return Ok(StepOutcome::default());
    }
    let changes = write(conn, |tx| change_tables(tx, member, now, dead))?;
    Ok(match changes {
        None => member.forget_everything(now),
        Some(changes) => member.apply(changes),
    })
}

/// What the transaction of a step has changed in the tables, and the member must note once it has committed.
struct Changes {
    outcome: StepOutcome,
    /// The generations of all partitions that the member owns now.
    generations: BTreeMap<TopicPartition, i64>,
    epoch: i64,
}

/// The transaction of a step. Returns `None` if other members have removed this one.
fn change_tables(tx: &Connection, member: &mut Member, now: Duration, dead: &[String]) -> Result<Option<Changes>> {
    if !heartbeat(tx, member)? {
        if member.joined {
            return Ok(None);
        }
        join(tx, member, now)?;
    }
    let mut outcome = StepOutcome {
        removed: remove_dead(tx, member, now, dead)?,
        ..StepOutcome::default()
    };
    let share = if member.leaving {
        BTreeSet::new()
    } else {
        share(tx, member)?
    };
    let mut owned = owned(tx, member)?;
    outcome.lost = member
        .held
        .iter()
        .filter(|(key, held)| owned.get(*key) != Some(&held.generation))
        .map(key)
        .collect();
    let held = |key: &TopicPartition| member.held.contains_key(key) && !outcome.lost.contains(key);
    outcome.surplus = member
        .held
        .iter()
        .filter(|(key, h)| held(key) && !h.closed && !share.contains(key))
        .map(key)
        .collect();
    // A step of unknown outcome has left these in the tables.
    let owned_unknowingly: Vec<_> = owned
        .keys()
        .filter(|key| !held(key) && !share.contains(key))
        .cloned()
        .collect();
    for partition in owned_unknowingly {
        free(tx, member, &partition)?;
    }
    for wanted in share.iter().filter(|key| !held(key)) {
        if let Some((generation, assignment)) = claim(tx, member, wanted)? {
            owned.insert(wanted.clone(), generation);
            outcome.claimed.push(assignment);
        }
    }
    Ok(Some(Changes {
        outcome,
        generations: owned,
        epoch: epoch(tx, &member.group)?,
    }))
}

fn key((key, _): (&TopicPartition, &Holding)) -> TopicPartition {
    key.clone()
}

impl Member {
    /// Drops all partitions, because other members have removed this one and may own them already.
    fn forget_everything(&mut self, now: Duration) -> StepOutcome {
        self.joined = false;
        self.rejoin_at = now + self.heartbeat_interval();
        StepOutcome {
            lost: std::mem::take(&mut self.held).into_keys().collect(),
            ..StepOutcome::default()
        }
    }

    /// Notes what a committed step has changed.
    fn apply(&mut self, changes: Changes) -> StepOutcome {
        self.joined = true;
        self.epoch = changes.epoch;
        self.held.retain(|key, _| !changes.outcome.lost.contains(key));
        for surplus in &changes.outcome.surplus {
            self.held.get_mut(surplus).expect("surplus is held").closed = true;
        }
        for claimed in &changes.outcome.claimed {
            let holding = Holding {
                generation: changes.generations[&claimed.partition],
                position: claimed.position,
                paused: false,
                closed: false,
            };
            self.held.insert(claimed.partition.clone(), holding);
        }
        changes.outcome
    }
}

/// Leaves the group at once, and frees all partitions without a commit. Those that are drained must be released before.
pub(super) fn leave(conn: &Connection, member: &mut Member) -> Result<()> {
    write(conn, |tx| {
        let group = (&member.group, &member.id);
        tx.execute(
            "update group_partitions set owner = null where name = ? and owner = ?",
            group,
        )?;
        tx.execute("delete from members where name = ? and member = ?", group)?;
        bump_epoch(tx, &member.group)
    })?;
    member.joined = false;
    member.leaving = true;
    member.held.clear();
    Ok(())
}

#[cfg(test)]
mod tests;
