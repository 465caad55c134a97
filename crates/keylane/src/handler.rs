//! What the owner of the records brings: how to handle one.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use keylane_log::Record;

use crate::scheduler::Epoch;

/// Handles records. Called from many tasks at once, but never for two records of one key at the same time.
///
/// A record may come again (after a crash, after a rebalance): what is handled must bear that. Futures must not block
/// their thread. A panic stops the runner, since nobody can say what it left behind.
pub trait Handler: Send + Sync + 'static {
    /// The lane of a record: records with the same key are handled one at a time, in order. `None`: the partition is the
    /// lane. Called on the polling thread for every record, so it must be quick.
    fn key(&self, record: &Record) -> Option<Bytes> {
        record.key.clone()
    }

    /// How many records of a key that have piled up are handed to one call at most.
    fn max_run(&self) -> usize {
        1
    }

    /// Handles `records`: all of one key and one partition, in order, and just one unless [`max_run`](Self::max_run)
    /// asks for more. The outcome is that of all of them.
    fn handle(&self, records: &[Record], attempt: Attempt) -> impl Future<Output = Outcome> + Send;
}

/// Which call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// 1 at first, one more after each [`Outcome::Retry`]: how a handler bounds its tries.
    pub number: u32,
    /// The assignment of the partition that the records came with; it ascends in the life of a runner.
    pub epoch: Epoch,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is handled for good; its offset may be committed.
    Done,
    /// The same once more after this time. Its key waits meanwhile, and its place among the records in flight is free for
    /// other keys. A handler that waits for something which is away for all (a store) waits itself, in its place, so that
    /// the intake stops instead of everything being tried in vain.
    Retry(Duration),
    /// It can't be handled, for this reason, and the handler has stored it where it will not be lost. For the
    /// runner it is done.
    Park(String),
}
