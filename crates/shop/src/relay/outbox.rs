//! Appends the rows of an outbox table to the log: events and dead letters alike.
//!
//! # Invariants
//! * A row that the log refuses is blocked and tried again later; other rows go on.
//! * After any other error nothing is known about what was sent, so the caller begins again from its table.

use std::time::Duration;

use keylane_log::{LogError, NewRecord, Placed};
use tokio::time::Instant;

use super::refusals::Refusals;
use crate::LogCalls;

/// How long an append may take before it is given up and the caller begins again.
const APPEND_DEADLINE: Duration = Duration::from_secs(10);

/// Appends rows to the log and remembers which ones the log has refused.
pub(super) struct Outbox {
    pub log: LogCalls,
    /// The refusals of rows that the log has not taken since.
    pub refused: Refusals,
}

/// A row of an outbox table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The number of what a refusal of this row blocks: of the event's order, or of the letter itself.
    pub number: i64,
    /// The row's own number.
    pub id: i64,
}

/// What became of the rows that were sent, by their positions among these.
#[derive(Default)]
pub(super) struct Sent {
    /// Those that the log has acknowledged, and where it put them.
    pub taken: Vec<(usize, Placed)>,
    /// Those of `taken` that the log had refused before.
    pub healed: Vec<usize>,
    /// Those that the log refuses for the first time, and why.
    pub refused: Vec<(usize, LogError)>,
    /// Why the log did not take the remaining rows; none if there are no such rows.
    pub failure: Option<LogError>,
}

impl Sent {
    /// The numbers of the `rows` that the log has acknowledged.
    pub fn taken_ids(&self, rows: &[Row]) -> Vec<i64> {
        self.taken.iter().map(|(at, _)| rows[*at].id).collect()
    }
}

impl Outbox {
    pub fn new(log: LogCalls) -> Self {
        Self {
            log,
            refused: Refusals::new(),
        }
    }

    /// Appends a record for each row, and waits until the log has acknowledged or refused them.
    pub async fn send(&mut self, topic: &str, records: Vec<NewRecord>, rows: &[Row]) -> Sent {
        let mut answers = self.log.append(topic, records, APPEND_DEADLINE).await;
        self.excuse(topic, &mut answers).await;
        let mut sent = Sent::default();
        for (at, (row, answer)) in rows.iter().zip(answers).enumerate() {
            match answer {
                Ok(placed) => {
                    sent.taken.push((at, placed));
                    if self.refused.taken(row.number) {
                        sent.healed.push(at);
                    }
                }
                Err(error) if is_refused(&error) => {
                    if self.refused.refused(row.number, row.id, Instant::now()) {
                        sent.refused.push((at, error));
                    }
                }
                Err(error) => sent.failure = sent.failure.or(Some(error)),
            }
        }
        sent
    }

    /// Turns refusals into an outage if the topic is gone: the rows are not at fault, and a topic that is created again
    /// takes them all.
    async fn excuse(&self, topic: &str, answers: &mut [Result<Placed, LogError>]) {
        let refused = |answer: &Result<Placed, LogError>| answer.as_ref().is_err_and(is_refused);
        if !answers.iter().any(refused) {
            return;
        }
        if let Err(gone) = self.partitions(topic).await {
            for answer in answers.iter_mut().filter(|answer| refused(answer)) {
                *answer = Err(LogError::Unavailable(gone.to_string()));
            }
        }
    }

    /// How many partitions a topic has.
    pub async fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        let topic = topic.to_owned();
        self.log.ask("partitions", move |log| log.partitions(&topic)).await
    }
}

fn is_refused(error: &LogError) -> bool {
    matches!(error, LogError::Refused(_))
}
