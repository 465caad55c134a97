//! Commits that end in time.
//!
//! librdkafka's synchronous commit has no timeout: it waits for the group's coordinator, however long that is away. So
//! commits are made on a thread of their own, one after the other, and the caller waits for the result with a timeout.
//! A commit that lands late does no harm: it carries the generation in which it was made, and the broker refuses an old
//! one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::kafka::timeouts::CALL_TIMEOUT;
use crate::port::{LogError, Result};

/// The owner of the thread that commits. Dropping it ends the thread. If a commit is overdue, the thread ends only when
/// the coordinator is back, and keeps the client until then, because closing the client would wait for the commit.
pub(super) struct Committer {
    jobs: Option<Sender<TopicPartitionList>>,
    thread: Option<JoinHandle<()>>,
    results: Receiver<KafkaResult<()>>,
    /// Whether there is a commit whose result has not been received yet.
    overdue: bool,
}

impl Committer {
    pub(super) fn start<C: ConsumerContext + 'static>(client: &Arc<BaseConsumer<C>>) -> Result<Self> {
        let (jobs, todo) = channel::<TopicPartitionList>();
        let (done, results) = channel();
        let client = client.clone();
        let work = move || {
            while let Ok(list) = todo.recv() {
                // The result is dropped if the committer is gone.
                let _received = done.send(client.commit(&list, CommitMode::Sync));
            }
        };
        let thread = thread::Builder::new().name("kafka-commits".into()).spawn(work);
        let thread = thread.map_err(|error| LogError::Broken(format!("a thread could not be started: {error}")))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            results,
            overdue: false,
        })
    }

    /// Commits, and waits for the result. If an earlier commit is overdue, waits at most `overdue_wait` for its result
    /// first.
    pub(super) fn commit(&mut self, list: TopicPartitionList, overdue_wait: Duration) -> KafkaResult<()> {
        let deadline = Instant::now() + CALL_TIMEOUT;
        if self.overdue {
            // Its caller was told that its outcome is unknown, so the result is not used.
            let _late = self.result(deadline.min(Instant::now() + overdue_wait))?;
        }
        self.overdue = true;
        let sent = self.jobs.as_ref().map(|jobs| jobs.send(list));
        if !matches!(sent, Some(Ok(()))) {
            return Err(KafkaError::Canceled);
        }
        self.result(deadline)?
    }

    /// Waits until `deadline` for the result of the commit in progress.
    fn result(&mut self, deadline: Instant) -> KafkaResult<KafkaResult<()>> {
        let patience = deadline.saturating_duration_since(Instant::now());
        match self.results.recv_timeout(patience) {
            Ok(result) => {
                self.overdue = false;
                Ok(result)
            }
            Err(RecvTimeoutError::Timeout) => Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::OperationTimedOut)),
            Err(RecvTimeoutError::Disconnected) => Err(KafkaError::Canceled),
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take().filter(|_| !self.overdue)
            && thread.join().is_err()
        {
            tracing::error!("the thread that commits offsets to Kafka has panicked");
        }
    }
}
