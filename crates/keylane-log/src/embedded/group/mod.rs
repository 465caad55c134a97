//! Membership of a consumer group: who is alive, and which partitions are whose.
//!
//! No process coordinates. Each member takes a [`step`] now and then, one transaction in which it beats, buries the
//! dead, and compares what it holds with its share (the members subscribed to a topic, sorted; partition `p` belongs
//! to number `p mod n`). What is its own and free it claims; what is no longer its own it must give back, which it does
//! by [`super::positions::release`] once its work in flight is done.
//!
//! ```text
//!   not joined ──join──▶ joined ──beat finds no row──▶ not joined (everything lost; joins again after a rest)
//!   share: free ──claim, generation + 1──▶ held ──no longer in the share──▶ surplus ──release──▶ free
//! ```
//!
//! # Invariants
//! * A partition has one owner, and every claim raises its generation.
//! * Nothing is changed in a [`Member`] until the transaction that says so has committed; a step after an unknown
//!   outcome finds and repairs whatever differs.
//! * The epoch of a group moves with every change that another member must see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rusqlite::Connection;

use super::pulse::Pulses;
use super::roster::{beat, bump, bury, claim, epoch, free, join, owned, share};
use super::schema::write;
use crate::port::{Assignment, Result, Subscription};
use crate::record::{Offset, TopicPartition};

/// How often a member beats, unless its session is so short that it must beat more often.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// A member of a group, as it knows itself.
#[derive(Debug)]
pub struct Member {
    pub(super) id: String,
    pub(super) group: String,
    pub(super) held: BTreeMap<TopicPartition, Holding>,
    pub(super) epoch: i64,
    /// Which partition is read first; it moves, so that a busy one does not keep the others waiting.
    pub(super) first: usize,
    pub(super) topics: Vec<String>,
    pub(super) session: Duration,
    joined: bool,
    leaving: bool,
    rest_until: Duration,
    pub(super) pulses: Pulses,
}

/// A partition that is held.
#[derive(Debug, Clone)]
pub(super) struct Holding {
    pub(super) generation: i64,
    /// The next record to hand out.
    pub(super) position: Offset,
    pub(super) paused: bool,
    /// To be given back, or refused in a commit: nothing more of it is handed out.
    pub(super) closed: bool,
}

/// What a step found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// No longer this member's, already dropped: another may own them.
    pub lost: Vec<TopicPartition>,
    /// Still held, to be drained and released. Each is named once.
    pub surplus: Vec<TopicPartition>,
    /// Newly held.
    pub claimed: Vec<Assignment>,
    /// Members that were found dead.
    pub buried: Vec<String>,
}

impl Member {
    /// A member that has not joined yet. `incarnation` tells it from others of its name: whatever is unlikely to repeat.
    pub fn new(subscription: &Subscription, incarnation: u64) -> Self {
        let legal = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name: String = subscription.member.chars().take(100).map(legal).collect();
        Self {
            id: format!("{name}-{incarnation:016x}"),
            group: subscription.group.clone(),
            topics: subscription.topics.clone(),
            session: subscription.session_timeout,
            held: BTreeMap::new(),
            epoch: 0,
            first: 0,
            joined: false,
            leaving: false,
            rest_until: Duration::ZERO,
            pulses: Pulses::default(),
        }
    }

    /// Its unique name, which is fit for a file's.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How long to wait from one step to the next.
    pub fn heartbeat(&self) -> Duration {
        HEARTBEAT.min(self.session / 6)
    }

    /// Whether the group knows it, as far as it can tell.
    pub fn joined(&self) -> bool {
        self.joined
    }

    /// What it holds, surplus included.
    pub fn held(&self) -> impl Iterator<Item = &TopicPartition> {
        self.held.keys()
    }

    /// The other members that the last step saw.
    pub fn peers(&self) -> impl Iterator<Item = &str> {
        self.pulses.members()
    }

    /// From the next step on nothing is its share any more, so that all it holds becomes surplus.
    pub fn prepare_to_leave(&mut self) {
        self.leaving = true;
    }

    /// Stops or goes on handing out records of what is held of `partitions`.
    pub fn pause(&mut self, partitions: &[TopicPartition], paused: bool) {
        for partition in partitions {
            if let Some(holding) = self.held.get_mut(partition) {
                holding.paused = paused;
            }
        }
    }
}

/// Takes a step at `now`, the time on any clock of the caller's that only goes forward. `dead` are members of whom the
/// caller knows that they are.
pub fn step(conn: &Connection, member: &mut Member, now: Duration, dead: &[String]) -> Result<Step> {
    if !member.joined && (member.leaving || now < member.rest_until) {
        return Ok(Step::default());
    }
    let found = write(conn, |tx| find(tx, member, now, dead))?;
    Ok(match found {
        None => member.forget(now),
        Some(found) => member.take(found),
    })
}

/// What a step's transaction did.
struct Found {
    step: Step,
    generations: BTreeMap<TopicPartition, i64>,
    epoch: i64,
}

/// `None` if the member was buried by others.
fn find(tx: &Connection, member: &mut Member, now: Duration, dead: &[String]) -> Result<Option<Found>> {
    if !beat(tx, member)? {
        if member.joined {
            return Ok(None);
        }
        join(tx, member, now)?;
    }
    let mut step = Step {
        buried: bury(tx, member, now, dead)?,
        ..Step::default()
    };
    let share = if member.leaving {
        BTreeSet::new()
    } else {
        share(tx, member)?
    };
    let mut owned = owned(tx, member)?;
    step.lost = member
        .held
        .iter()
        .filter(|(key, held)| owned.get(*key) != Some(&held.generation))
        .map(key)
        .collect();
    let held = |key: &TopicPartition| member.held.contains_key(key) && !step.lost.contains(key);
    step.surplus = member
        .held
        .iter()
        .filter(|(key, h)| held(key) && !h.closed && !share.contains(key))
        .map(key)
        .collect();
    let strays: Vec<_> = owned
        .keys()
        .filter(|key| !held(key) && !share.contains(key))
        .cloned()
        .collect();
    for stray in strays {
        free(tx, member, &stray)?;
    }
    for wanted in share.iter().filter(|key| !held(key)) {
        if let Some((generation, assignment)) = claim(tx, member, wanted)? {
            owned.insert(wanted.clone(), generation);
            step.claimed.push(assignment);
        }
    }
    Ok(Some(Found {
        step,
        generations: owned,
        epoch: epoch(tx, &member.group)?,
    }))
}

fn key((key, _): (&TopicPartition, &Holding)) -> TopicPartition {
    key.clone()
}

impl Member {
    /// It was buried: nothing that it held may be touched again.
    fn forget(&mut self, now: Duration) -> Step {
        self.joined = false;
        self.rest_until = now + self.heartbeat();
        Step {
            lost: std::mem::take(&mut self.held).into_keys().collect(),
            ..Step::default()
        }
    }

    fn take(&mut self, found: Found) -> Step {
        self.joined = true;
        self.epoch = found.epoch;
        self.held.retain(|key, _| !found.step.lost.contains(key));
        for surplus in &found.step.surplus {
            self.held.get_mut(surplus).expect("surplus is held").closed = true;
        }
        for claimed in &found.step.claimed {
            let holding = Holding {
                generation: found.generations[&claimed.partition],
                position: claimed.position,
                paused: false,
                closed: false,
            };
            self.held.insert(claimed.partition.clone(), holding);
        }
        found.step
    }
}

/// Leaves the group at once, whatever is still held: release first what was drained.
pub fn leave(conn: &Connection, member: &mut Member) -> Result<()> {
    write(conn, |tx| {
        let group = (&member.group, &member.id);
        tx.execute(
            "update group_partitions set owner = null where name = ? and owner = ?",
            group,
        )?;
        tx.execute("delete from members where name = ? and member = ?", group)?;
        bump(tx, &member.group)
    })?;
    member.joined = false;
    member.leaving = true;
    member.held.clear();
    Ok(())
}

#[cfg(test)]
mod tests;
