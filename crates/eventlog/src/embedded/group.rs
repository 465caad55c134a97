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
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::pulse::{Beat, Pulses};
use super::schema::write;
use super::topics;
use crate::port::{Assignment, Result, Subscription};
use crate::record::{Offset, Partition, TopicPartition};

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
    topics: Vec<String>,
    session: Duration,
    joined: bool,
    leaving: bool,
    rest_until: Duration,
    pulses: Pulses,
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

/// An UPDATE and never an insert: no row means that the others have buried this member.
fn beat(tx: &Connection, member: &Member) -> Result<bool> {
    let mut update = tx.prepare_cached("update members set beat = beat + 1 where name = ? and member = ?")?;
    Ok(update.execute((&member.group, &member.id))? == 1)
}

/// The count starts at the time, so that one who comes back is not mistaken for still being silent.
fn join(tx: &Connection, member: &Member, now: Duration) -> Result<()> {
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let (group, topics) = (&member.group, member.topics.join("\n"));
    tx.prepare_cached("insert into members (name, member, topics, session_ms, beat) values (?, ?, ?, ?, ?)")?
        .execute((group, &member.id, topics, millis(member.session), millis(now)))?;
    tx.prepare_cached("insert or ignore into groups (name, epoch) values (?, 0)")?
        .execute([group])?;
    bump(tx, group)
}

/// Tells the group's members that there is something to see.
pub(super) fn bump(tx: &Connection, group: &str) -> Result<()> {
    tx.prepare_cached("update groups set epoch = epoch + 1 where name = ?")?
        .execute([group])?;
    Ok(())
}

pub(super) fn epoch(conn: &Connection, group: &str) -> Result<i64> {
    let mut select = conn.prepare_cached("select epoch from groups where name = ?")?;
    Ok(select
        .query_row([group], |row| row.get(0))
        .optional()?
        .unwrap_or_default())
}

fn bury(tx: &Connection, member: &mut Member, now: Duration, dead: &[String]) -> Result<Vec<String>> {
    let others = others(tx, member)?;
    let mut buried = member.pulses.look(&others, now);
    let known = |name: &&String| !buried.contains(name) && others.iter().any(|other| other.member == **name);
    let known: Vec<String> = dead.iter().filter(known).cloned().collect();
    buried.extend(known);
    let mut delete = tx.prepare_cached("delete from members where name = ? and member = ?")?;
    for gone in &buried {
        delete.execute((&member.group, gone))?;
        bump(tx, &member.group)?;
    }
    let mut orphans = tx.prepare_cached(
        "update group_partitions set owner = null
         where name = ?1 and owner is not null and owner not in (select member from members where name = ?1)",
    )?;
    orphans.execute([&member.group])?;
    Ok(buried)
}

fn others(tx: &Connection, member: &Member) -> Result<Vec<Beat>> {
    let mut select =
        tx.prepare_cached("select member, beat, session_ms from members where name = ? and member <> ?")?;
    let rows = select.query_map((&member.group, &member.id), |row| {
        Ok(Beat {
            member: row.get(0)?,
            count: row.get(1)?,
            session: Duration::from_millis(row.get::<_, i64>(2)? as u64),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What this member should hold.
fn share(tx: &Connection, member: &Member) -> Result<BTreeSet<TopicPartition>> {
    let mut select = tx.prepare_cached("select member, topics from members where name = ? order by member")?;
    let rows = select.query_map([&member.group], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let members: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    let mut share = BTreeSet::new();
    for (topic, partitions) in topics::list(tx)?
        .into_iter()
        .filter(|(topic, _)| member.topics.contains(topic))
    {
        let subscribed = |topics: &str| topics.split('\n').any(|one| one == topic);
        let mut owners = members
            .iter()
            .filter(|(_, topics)| subscribed(topics))
            .map(|(id, _)| id)
            .cycle();
        let mine = (0..partitions).filter(|_| owners.next() == Some(&member.id));
        let shared: Arc<str> = topic.as_str().into();
        share.extend(mine.map(|number| TopicPartition::new(shared.clone(), Partition(number))));
    }
    Ok(share)
}

/// What the table says this member owns, and in which generation.
fn owned(tx: &Connection, member: &Member) -> Result<BTreeMap<TopicPartition, i64>> {
    let mut select =
        tx.prepare_cached("select topic, partition, generation from group_partitions where name = ? and owner = ?")?;
    let rows = select.query_map((&member.group, &member.id), |row| {
        let partition = TopicPartition::new(row.get::<_, String>(0)?, Partition(row.get(1)?));
        Ok((partition, row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Gives up a partition which this member owns but does not hold, left by a step whose outcome it never learnt.
fn free(tx: &Connection, member: &Member, partition: &TopicPartition) -> Result<()> {
    let mut update = tx.prepare_cached(
        "update group_partitions set owner = null where name = ? and topic = ? and partition = ? and owner = ?",
    )?;
    update.execute((&member.group, &*partition.topic, partition.partition.0, &member.id))?;
    bump(tx, &member.group)
}

/// Takes a partition that is free, or this member's already; `None` while somebody else owns it.
fn claim(tx: &Connection, member: &Member, wanted: &TopicPartition) -> Result<Option<(i64, Assignment)>> {
    let mut upsert = tx.prepare_cached(
        "insert into group_partitions (name, topic, partition, owner, generation) values (?1, ?2, ?3, ?4, 1)
         on conflict do update set owner = ?4, generation = generation + 1 where owner is null or owner = ?4
         returning generation, committed, metadata",
    )?;
    let TopicPartition { topic, partition } = wanted;
    let row = upsert
        .query_row((&member.group, &**topic, partition.0, &member.id), |row| {
            Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((generation, committed, metadata)) = row else {
        return Ok(None);
    };
    let position = match committed {
        Some(offset) => Offset(offset as u64),
        None => topics::start(tx, topic, *partition)?,
    };
    let assignment = Assignment {
        partition: wanted.clone(),
        position,
        metadata,
    };
    Ok(Some((generation, assignment)))
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
#[path = "group_tests.rs"]
mod tests;
