//! Commits that end in time.
//!
//! librdkafka's synchronous commit has no timeout: while the group's coordinator is away it waits for it, however long
//! that takes. So commits are made on a thread of their own, one after the other, and only their result is waited for.
//! One that comes too late does no harm: it carries the generation it was made in, and the broker refuses an old one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::kafka::ANSWER;
use crate::port::{LogError, Result};

/// A thread that commits. Dropping this ends it, but for a commit that is overdue: then the thread ends when the
/// coordinator is back, and until then keeps the client alive, whose closing would wait for the commit.
pub(super) struct Committer {
    jobs: Option<Sender<TopicPartitionList>>,
    thread: Option<JoinHandle<()>>,
    results: Receiver<KafkaResult<()>>,
    /// A commit whose result nobody has seen yet.
    overdue: bool,
}

impl Committer {
    pub(super) fn start<C: ConsumerContext + 'static>(client: &Arc<BaseConsumer<C>>) -> Result<Self> {
        let (jobs, todo) = channel::<TopicPartitionList>();
        let (done, results) = channel();
        let client = client.clone();
        let work = move || {
            while let Ok(list) = todo.recv() {
                // Nobody waits any more if the member is gone.
                let _heard = done.send(client.commit(&list, CommitMode::Sync));
            }
        };
        let thread = thread::Builder::new().name("kafka-commits".into()).spawn(work);
        let thread = thread.map_err(|error| LogError::Broken(format!("no thread can be started: {error}")))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            results,
            overdue: false,
        })
    }

    /// Commits, and waits for the result; before that, at most for `earlier` for the result of a commit that is overdue.
    pub(super) fn commit(&mut self, list: TopicPartitionList, earlier: Duration) -> KafkaResult<()> {
        let deadline = Instant::now() + ANSWER;
        if self.overdue {
            // The caller was told that its fate is unknown, so its result no longer matters.
            let _late = self.result(deadline.min(Instant::now() + earlier))?;
        }
        self.overdue = true;
        let sent = self.jobs.as_ref().map(|jobs| jobs.send(list));
        if !matches!(sent, Some(Ok(()))) {
            return Err(KafkaError::Canceled);
        }
        self.result(deadline)?
    }

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
