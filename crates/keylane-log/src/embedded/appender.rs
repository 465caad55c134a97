//! The thread that appends: calls that wait meanwhile share the next commit.
//!
//! It also prunes, now and then and between two commits.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::append::{Batch, RoundRobin, append};
use super::file::LogFile;
use super::retention::{Holder, Pruned, Retention, prune};
use crate::port::{LogError, Result};
use crate::record::{NewRecord, Placed, Timestamp};

/// Calls that may wait. Those that gave up count until their turn comes.
const QUEUE: usize = 64;
/// Records in a commit, beyond which the next call waits for the next commit.
const COMMIT: usize = 2000;
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);

/// The hand that puts calls into the thread's queue. Dropping it lets the thread finish what is queued, and waits.
#[derive(Debug)]
pub(super) struct Appender {
    calls: Option<SyncSender<Call>>,
    thread: Option<JoinHandle<()>>,
}

type Answers = Vec<Result<Placed>>;

#[derive(Debug)]
struct Call {
    topic: String,
    records: Vec<NewRecord>,
    answer: SyncSender<Answers>,
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
        let (calls, queue) = sync_channel(QUEUE);
        let work = Work {
            file,
            queue,
            keyless: RoundRobin::default(),
            retention,
            pruned: None,
            holders: BTreeSet::new(),
        };
        let thread = std::thread::Builder::new()
            .name("log-append".into())
            .spawn(move || work.run())
            .map_err(|error| LogError::Unavailable(format!("cannot start the thread that appends: {error}")))?;
        Ok(Self {
            calls: Some(calls),
            thread: Some(thread),
        })
    }

    /// Waits for the answers at most for `patience`.
    pub(super) fn append(&self, topic: &str, records: Vec<NewRecord>, patience: Duration) -> Answers {
        let count = records.len();
        self.ask(topic, records, patience)
            .unwrap_or_else(|error| vec![Err(error); count])
    }

    fn ask(&self, topic: &str, records: Vec<NewRecord>, patience: Duration) -> Result<Answers> {
        let (answer, answers) = sync_channel(1);
        let call = Call {
            topic: topic.to_owned(),
            records,
            answer,
        };
        let calls = self.calls.as_ref().expect("the queue is open");
        calls.try_send(call).map_err(|error| match error {
            TrySendError::Full(_) => LogError::Unavailable(format!("{QUEUE} appends are waiting already")),
            TrySendError::Disconnected(_) => ended(),
        })?;
        answers.recv_timeout(patience).map_err(|error| match error {
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

struct Work {
    file: LogFile,
    queue: Receiver<Call>,
    keyless: RoundRobin,
    retention: Retention,
    /// When nothing was due any more.
    pruned: Option<Instant>,
    /// Who holds old records back, as far as it has been told.
    holders: BTreeSet<Holder>,
}

impl Work {
    fn run(mut self) {
        loop {
            let rest = self
                .pruned
                .map_or(Duration::ZERO, |at| PRUNE_INTERVAL.saturating_sub(at.elapsed()));
            match self.queue.recv_timeout(rest) {
                Ok(call) => self.serve(call),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.pruned.is_none_or(|at| at.elapsed() >= PRUNE_INTERVAL) {
                self.prune();
            }
        }
    }

    /// Appends `first` and whatever else is waiting, in one transaction.
    fn serve(&mut self, first: Call) {
        let mut size = first.records.len();
        let mut calls = vec![first];
        while size < COMMIT
            && let Ok(call) = self.queue.try_recv()
        {
            size += call.records.len();
            calls.push(call);
        }
        let batches: Vec<Batch<'_>> = calls.iter().map(Call::batch).collect();
        let done = self.file.write(|conn| append(conn, &batches, now(), &mut self.keyless));
        let answers = done.unwrap_or_else(|error| {
            let all = |call: &Call| vec![Err(error.clone()); call.records.len()];
            calls.iter().map(all).collect()
        });
        for (call, answers) in calls.into_iter().zip(answers) {
            // Whoever has given up no longer listens.
            let _ = call.answer.send(answers);
        }
    }

    fn prune(&mut self) {
        match self.file.write(|conn| prune(conn, self.retention, now())) {
            Ok(Pruned::Removed(_)) => self.pruned = None,
            Ok(Pruned::Idle(holders)) => {
                self.pruned = Some(Instant::now());
                self.tell(holders);
            }
            Err(error) => {
                tracing::warn!(%error, "could not remove old records from the log");
                self.pruned = Some(Instant::now());
            }
        }
    }
}

impl Work {
    /// Says once of each who holds old records back, and once that it is over.
    fn tell(&mut self, holders: BTreeSet<Holder>) {
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

/// The log's own time, which retention goes by.
fn now() -> Timestamp {
    SystemTime::now().into()
}
