//! Hands rows of an outbox to the log: events and dead letters alike.
//!
//! # Invariants
//! * What the log refuses is blocked and tried again later; it is nobody else's concern.
//! * Any other error is the caller's to act on: nothing is known of what was sent, so it begins anew from its table.

use std::sync::Arc;
use std::time::Duration;

use keylane_log::{EventLog, LogError, NewRecord, Placed};
use tokio::time::Instant;

use super::refusals::Refusals;
use crate::on_log;

/// How long an append may take before it is given up and begun anew.
const APPEND_DEADLINE: Duration = Duration::from_secs(10);

/// The way into the log, and what the log has refused.
pub(super) struct Outbox {
    log: Arc<dyn EventLog>,
    /// What the log has refused, and has not taken since.
    pub refused: Refusals,
}

/// A row of an outbox's table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// What a refusal blocks: the order, or the letter itself.
    pub number: i64,
    /// The row's own number.
    pub id: i64,
}

/// What became of the rows that were sent.
#[derive(Default)]
pub(super) struct Sent {
    /// The numbers of the rows that the log has now.
    pub taken: Vec<i64>,
    /// Positions, among what was sent, of rows that the log takes again after having refused them.
    pub healed: Vec<usize>,
    /// Positions of rows that the log refuses for the first time, and why.
    pub refused: Vec<(usize, LogError)>,
    /// Why the log took nothing of the rest.
    pub failure: Option<LogError>,
}

impl Outbox {
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self {
            log,
            refused: Refusals::new(),
        }
    }

    /// Appends a record for each row, and waits until the log has them.
    pub async fn send(&mut self, topic: &str, records: Vec<NewRecord>, rows: &[Row]) -> Sent {
        let name = topic.to_owned();
        let mut answers = self.ask(move |log| log.append(&name, records, APPEND_DEADLINE)).await;
        self.excuse(topic, &mut answers).await;
        let mut sent = Sent::default();
        for (at, (row, answer)) in rows.iter().zip(answers).enumerate() {
            match answer {
                Ok(_) => {
                    sent.taken.push(row.id);
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

    /// A topic that is gone refuses no row for itself: it may be made again, and then takes them all.
    async fn excuse(&self, topic: &str, answers: &mut [Result<Placed, LogError>]) {
        let refused = |answer: &Result<Placed, LogError>| answer.as_ref().is_err_and(is_refused);
        if !answers.iter().any(refused) {
            return;
        }
        let topic = topic.to_owned();
        if let Err(gone) = self.ask(move |log| log.partitions(&topic)).await {
            for answer in answers.iter_mut().filter(|answer| refused(answer)) {
                *answer = Err(LogError::Unavailable(gone.to_string()));
            }
        }
    }

    /// Calls the log.
    pub async fn ask<T: Send + 'static>(&self, call: impl FnOnce(&dyn EventLog) -> T + Send + 'static) -> T {
        on_log(&self.log, call).await
    }
}

fn is_refused(error: &LogError) -> bool {
    matches!(error, LogError::Refused(_))
}
