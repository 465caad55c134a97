//! The handler: the part of ordered parallel consumption that the user of this crate writes.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use keylane_log::Record;

use crate::scheduler::Epoch;

/// Handles records. It is called from many tasks at once, but never for two records of one key at the same time.
///
/// A record may come again after a crash or a rebalance, so handling a record twice must do no harm. The futures must
/// not block their thread. A panic stops the runner, since the runner can't know what the handler left behind.
pub trait Handler: Send + Sync + 'static {
    /// Names the lane of a record: records with the same key are handled one at a time, in order. With `None`, all such
    /// records of a partition share one lane. The polling thread calls this for every record, so it must be quick.
    fn key(&self, record: &Record) -> Option<Bytes> {
        record.key.clone()
    }

    /// The largest number of waiting records of one key that one call of [`handle`](Self::handle) gets.
    fn max_run(&self) -> usize {
        1
    }

    /// Handles `records`, which have one key and one partition and stand in order. There is exactly one unless
    /// [`max_run`](Self::max_run) allows more. The outcome holds for all of them.
    fn handle(&self, records: &[Record], attempt: Attempt) -> impl Future<Output = Outcome> + Send;
}

/// Tells a handler which of the calls for the same records this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// 1 at the first call, and one more after each [`Outcome::Retry`]. A handler bounds its tries by this number.
    pub number: u32,
    /// The assignment under which the records were read. Epochs ascend during the life of a runner.
    pub epoch: Epoch,
}

/// What became of the records of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The records are handled for good; their offsets may be committed.
    Done,
    /// The same records are to be handled again after this time. Their key waits meanwhile, and their place in flight
    /// is free for other keys.
    ///
    /// A handler that needs something which is away for all keys, such as a database, should rather wait inside its
    /// call: then all places fill up and the intake stops, instead of every record being tried in vain.
    Retry(Duration),
    /// The records can't be handled, for this reason, and the handler has stored them where they will not be lost. To
    /// the runner they are done.
    Park(String),
}
