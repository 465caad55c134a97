//! The thread that appends. Calls that arrive during a commit share the next one.
//!
//! Between commits the thread also removes old records, see [`super::retention`].

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::append::{Batch, MAX_RECORD_BYTES, RoundRobin, append};
use super::file::LogFile;
use super::retention::{Holder, Pruned, Retention, prune};
use crate::port::{LogError, Result};
use crate::record::{NewRecord, Placed, Timestamp};

/// The most calls that may wait. A call whose caller has given up counts until the thread comes to it.
const MAX_WAITING: usize = 64;
/// A commit takes in no more calls once it has this many records.
const COMMIT_RECORDS: usize = 2000;
/// Pause before retention looks again, after it has found nothing more to remove.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);

/// The owner of the thread, which passes calls to it. Dropping it lets the thread finish the queued calls, and waits
/// for that.
#[derive(Debug)]
pub(super) struct Appender {
    /// `None` only while this is dropped.
    calls: Option<SyncSender<Call>>,
    thread: Option<JoinHandle<()>>,
}

/// One result for each record of a call, in order.
type Results = Vec<Result<Placed>>;

#[derive(Debug)]
struct Call {
    topic: String,
    records: Vec<NewRecord>,
    reply: SyncSender<Results>,
}

impl Call {
    fn batch(&self) -> Batch<'_> {
        Batch {
            topic: &self.topic,
            records: &self.records,
        }
    }
}

impl Appender {
    pub(super) fn start(file: LogFile, retention: Retention) -> Result<Self> {
        let (calls, queue) = sync_channel(MAX_WAITING);
        let worker = Worker {
            file,
            queue,
            keyless: RoundRobin::default(),
            retention,
            pruned_at: None,
            holders: BTreeSet::new(),
        };
        let thread = std::thread::Builder::new()
            .name("log-append".into())
            .spawn(move || worker.run())
            .map_err(|error| LogError::Unavailable(format!("cannot start the thread that appends: {error}")))?;
        Ok(Self {
            calls: Some(calls),
            thread: Some(thread),
        })
    }

    /// Appends records, and waits at most `patience` for their results.
    pub(super) fn append(&self, topic: &str, records: Vec<NewRecord>, patience: Duration) -> Results {
        let count = records.len();
        self.send(topic, records, patience)
            .unwrap_or_else(|error| vec![Err(error); count])
    }

    fn send(&self, topic: &str, records: Vec<NewRecord>, patience: Duration) -> Result<Results> {
        let (reply, results) = sync_channel(1);
        let call = Call {
            topic: topic.to_owned(),
            records,
            reply,
        };
        let calls = self.calls.as_ref().expect("the queue is open");
        calls.try_send(call).map_err(|error| match error {
            TrySendError::Full(_) => LogError::Unavailable(format!("{MAX_WAITING} appends are waiting already")),
            TrySendError::Disconnected(_) => ended(),
        })?;
        results.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => LogError::Unavailable(format!(
                "the log has not appended within {:.1} s",
                patience.as_secs_f64()
            )),
            RecvTimeoutError::Disconnected => ended(),
        })
    }
}

fn ended() -> LogError {
    LogError::Broken("the thread that appends has ended: start this process again".into())
}

impl Drop for Appender {
    fn drop(&mut self) {
        drop(self.calls.take());
        if let Some(thread) = self.thread.take() {
            // A panic has been reported on its own thread.
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct Worker {
    file: LogFile,
    queue: Receiver<Call>,
    keyless: RoundRobin,
    retention: Retention,
    /// When retention last found nothing more to remove; `None` while it has more to do.
    pruned_at: Option<Instant>,
    /// The holders of old records that have been logged.
    holders: BTreeSet<Holder>,
}

impl Worker {
    fn run(mut self) {
        loop {
            let pause = self
                .pruned_at
                .map_or(Duration::ZERO, |at| PRUNE_INTERVAL.saturating_sub(at.elapsed()));
            match self.queue.recv_timeout(pause) {
                Ok(call) => self.serve(call),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.pruned_at.is_none_or(|at| at.elapsed() >= PRUNE_INTERVAL) {
                self.prune();
            }
        }
    }

    /// Appends the records of `first` and of the calls that wait behind it, in one transaction.
    fn serve(&mut self, first: Call) {
        let mut size = first.records.len();
        let mut calls = vec![first];
        while size < COMMIT_RECORDS
            && let Ok(call) = self.queue.try_recv()
        {
            size += call.records.len();
            calls.push(call);
        }
        let batches: Vec<Batch<'_>> = calls.iter().map(Call::batch).collect();
        let done = self
            .file
            .write(|conn| append(conn, &batches, now(), MAX_RECORD_BYTES, &mut self.keyless));
        let results = done.unwrap_or_else(|error| {
            let all = |call: &Call| vec![Err(error.clone()); call.records.len()];
            calls.iter().map(all).collect()
        });
        for (call, results) in calls.into_iter().zip(results) {
            // A caller that has given up has dropped its receiver, which is no error.
            let _ = call.reply.send(results);
        }
    }

    /// Removes some old records, if there are any to remove.
    fn prune(&mut self) {
        match self.file.write(|conn| prune(conn, self.retention, now())) {
            Ok(Pruned::Removed(_)) => self.pruned_at = None,
            Ok(Pruned::Idle(holders)) => {
                self.pruned_at = Some(Instant::now());
                self.log_holders(holders);
            }
            Err(error) => {
                tracing::warn!(%error, "could not remove old records from the log");
                self.pruned_at = Some(Instant::now());
            }
        }
    }

    /// Logs each group that keeps old records once, and once when it no longer does.
    fn log_holders(&mut self, holders: BTreeSet<Holder>) {
        for holder in holders.difference(&self.holders) {
            let remedy = holder.remedy();
            tracing::warn!("{holder}: they are kept whatever their age, and the log grows; {remedy}");
        }
        for holder in self.holders.difference(&holders) {
            tracing::info!("over: {holder}");
        }
        self.holders = holders;
    }
}

/// The log's own time, by which retention goes.
fn now() -> Timestamp {
    SystemTime::now().into()
}
