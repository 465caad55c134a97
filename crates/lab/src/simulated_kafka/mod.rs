//! A Kafka in memory that behaves as brokers and librdkafka were found to behave, for simulations.
//!
//! ```text
//!   process 1:  Client (EventLog) ── append, read, … ──▶ ┐
//!                 └ member (Consumer) ── poll, commit ──▶ ├ topics, groups, what is on its way
//!   process 2:  Client …  ──────────────────────────────▶ ┘   one clock, one seeded generator, one Behaviour
//! ```
//!
//! It stands in for all that is behind the port: broker, network, librdkafka, and the adapter that tames it. What the
//! adapter hides from its caller never shows, and what it can't hide does: partitions that are lost, commits of which
//! nobody knows whether they were made, records that come again, growth that is noticed late. How often each of them
//! happens, and where it was met, is said in [`Behaviour`].
//!
//! Nothing here reads a clock, starts a thread, waits, or draws from another source than the generator it is given, so
//! the same seed and the same calls give the same answers. Sessions pass when the clock that is passed in goes on and a
//! member does not poll; a process that is frozen just doesn't. The calls of one simulation are made one after the other.
//!
//! # Invariants
//! These are the port's promises. They hold whatever [`Behaviour::faults`] says, so that whatever else goes wrong in a
//! simulation is the fault of the code above.
//!
//! * **One owner.** A partition is handed to a member only when its last owner has given it back, has called it lost, or
//!   is no longer in the group. In the last case the old owner is told so by its next poll, before it gets any record.
//! * **Commits.** An offset is committed for its partition's owner alone. A commit that was answered with `Ok` stands
//!   for each partition that was not refused. One that was not answered may come to stand, but not behind a later commit
//!   of its member, and not in a later generation of the group: so never once its partition is revoked or lost.
//! * **Positions.** An assignment begins at the committed offset, with its metadata. Only where the log no longer has that
//!   offset, or nothing was committed, does it begin elsewhere ([`Behaviour::reset`]) and without metadata.
//! * **Records.** They come only while their partition is assigned and not paused, in the order of their offsets, and
//!   without passing over one that is kept. A partition may go back, to no offset before the assignment's beginning
//!   unless its log was cut off there or has been made anew; then all from there on comes again.
//! * **Appends.** With [`Producer::Idempotent`], records of one call and one partition are in the order of the call, with
//!   no hole before a record. An acknowledged record stands where the answer says. Of one that was not answered nobody
//!   knows, but it never comes to stand behind a record of a later call of the same client.
//! * **Ends.** Revoked partitions are lost when their drain takes longer than the subscription allows.

mod assignor;
mod behaviour;
mod broker;
mod client;
mod group;
mod member;
mod partition_log;
mod producer;
mod topics;

use keylane_log::{Offset, Record, Result, TopicPartition};

pub use behaviour::{Behaviour, Faults, Producer, Protocol, Reset};
pub use broker::Clock;
use broker::Shared;
pub use client::Client;

/// A simulated Kafka. Copies of it are the same Kafka.
#[derive(Clone)]
pub struct SimulatedKafka {
    broker: Shared,
}

impl SimulatedKafka {
    /// Makes a Kafka without topics. The brokers measure sessions and rebalances by `clock`.
    pub fn new(clock: Clock, random: fastrand::Rng, behaviour: Behaviour) -> Self {
        Self {
            broker: Shared::new(clock, random, behaviour),
        }
    }

    /// Connects a process, which measures its drains and the age of what it knows by its own `clock`.
    pub fn client(&self, clock: Clock) -> Client {
        Client::new(self.broker.clone(), clock)
    }

    /// Changes the behaviour from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.broker.lock().behaviour = behaviour;
    }

    /// Removes the records of a partition before `start`, as retention does, whether or not somebody has read them.
    ///
    /// # Errors
    /// [`LogError::Refused`](keylane_log::LogError::Refused) if there is no such partition.
    pub fn remove_before(&self, partition: &TopicPartition, start: Offset) -> Result<()> {
        self.broker.lock().topics.remove_before(partition, start)
    }

    /// Removes the records of a partition from `end` on, as an unclean election does; later records take their places.
    ///
    /// # Errors
    /// [`LogError::Refused`](keylane_log::LogError::Refused) if there is no such partition.
    pub fn cut(&self, partition: &TopicPartition, end: Offset) -> Result<()> {
        self.broker.lock().topics.cut(partition, end)
    }

    /// The same, after which the partition has no leader, and takes no records, until the group has assigned it anew: whoever
    /// holds it is asked to give it back.
    ///
    /// # Errors
    /// [`LogError::Refused`](keylane_log::LogError::Refused) if there is no such partition.
    pub fn elect_uncleanly(&self, group: &str, partition: &TopicPartition, end: Offset) -> Result<()> {
        let mut broker = self.broker.lock();
        broker.topics.cut(partition, end)?;
        broker.leaderless.insert(partition.clone());
        broker.withdraw(group, partition);
        Ok(())
    }

    /// The records of a partition from `from` on, as they are: nobody reaches the brokers, so nothing arrives that
    /// is on its way.
    pub fn look(&self, partition: &TopicPartition, from: Offset) -> Vec<Record> {
        let broker = self.broker.lock();
        let log = broker.topics.log(partition);
        log.map(|log| log.read(from).cloned().collect()).unwrap_or_default()
    }

    /// Deletes a topic with its records and with all that groups have committed for it. Returns whether there was one.
    pub fn delete_topic(&self, topic: &str) -> bool {
        self.broker.lock().delete_topic(topic)
    }

    /// Has a group distribute its partitions again; see [`Faults::rebalances`].
    pub fn rebalance(&self, group: &str) {
        self.broker.lock().shuffle(group);
    }

    /// Has a group distribute its partitions again because this one is taken away from its holder. Returns whether
    /// somebody holds it.
    pub fn withdraw(&self, group: &str, partition: &TopicPartition) -> bool {
        self.broker.lock().withdraw(group, partition)
    }

    /// Has a group give up the members of this client, as [`Faults::sessions_lost`] does. They go on with what they hold
    /// until their next call. Returns whether there are any.
    pub fn give_up(&self, group: &str, client: &str) -> bool {
        self.broker.lock().give_up(group, client)
    }

    /// Has all partitions of this client's members go back by some records at their next poll, as [`Faults::repeats`]
    /// does. Returns whether there are such members.
    pub fn repeat(&self, group: &str, client: &str, records: u64) -> bool {
        self.broker.lock().repeat(group, client, records)
    }
}
