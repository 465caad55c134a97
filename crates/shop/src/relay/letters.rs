//! Publishes the dead letters, each to the topic that it names, which is created if it is missing. Dead letters have a
//! journal of their own, because they hold any bytes that could not be read, and belong to no delivery.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use keylane_log::{EventLog, LogError, NewRecord};
use tokio::time::Instant;

use super::RelayError;
use super::outbox::{Outbox, Row};
use crate::LogCalls;
use crate::domain::fence::DeadLetter;
use crate::store::Store;

/// How many letters are read from their journal at a time: few, because each may be as large as a record can be.
const PAGE_SIZE: usize = 100;
/// The pause after a look that found no letters, as letters are rare.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// Publishes the dead letters of one database.
pub(super) struct Letters {
    store: Arc<dyn Store>,
    /// Sends the letters to the log; its refusals are by the letter's number.
    outbox: Outbox,
    /// The topics that are known to exist.
    topics: HashSet<Arc<str>>,
    /// When the last look found no letters to publish; none if it found some.
    empty_since: Option<Instant>,
}

impl Letters {
    pub fn new(store: Arc<dyn Store>, log: LogCalls) -> Self {
        Self {
            store,
            outbox: Outbox::new(log),
            topics: HashSet::new(),
            empty_since: None,
        }
    }

    /// Publishes a page of letters. Returns how many were published.
    ///
    /// Each step begins with the first unpublished letter, so a letter that is committed later than letters of higher numbers
    /// is found by the next step. Letters have no order among them, so these may overtake it. They are read page by page,
    /// because all of them at once might fill the memory.
    pub async fn step(&mut self) -> Result<usize, RelayError> {
        if self.empty_since.is_some_and(|since| since.elapsed() < LOOK_PAUSE) {
            return Ok(0);
        }
        let (mut after, mut waiting) = (0, Vec::new());
        loop {
            let page = self.store.dead_letters(true, after, PAGE_SIZE).await?;
            let Some(last) = page.last().map(|letter| letter.id) else {
                self.outbox.refused.keep(waiting);
                self.empty_since = Some(Instant::now());
                return Ok(0);
            };
            waiting.extend(page.iter().map(|letter| letter.id));
            let published = self.publish(page).await?;
            if published > 0 {
                return Ok(published);
            }
            // All letters of this page are blocked; the next page may have others.
            after = last;
        }
    }

    /// How many letters the log refuses.
    pub fn blocked(&self) -> usize {
        self.outbox.refused.count()
    }

    async fn publish(&mut self, page: Vec<DeadLetter>) -> Result<usize, RelayError> {
        let now = Instant::now();
        let mut by_topic = BTreeMap::<Arc<str>, Vec<DeadLetter>>::new();
        for letter in page
            .into_iter()
            .filter(|letter| !self.outbox.refused.is_blocked(letter.id, letter.id, now))
        {
            by_topic.entry(letter.letter.topic.clone()).or_default().push(letter);
        }
        let mut published = 0;
        for (topic, letters) in by_topic {
            published += self.publish_to(topic, letters).await?;
        }
        Ok(published)
    }

    async fn publish_to(&mut self, topic: Arc<str>, letters: Vec<DeadLetter>) -> Result<usize, RelayError> {
        if !self.topics.contains(&topic) {
            let created = topic.clone();
            let create = move |log: &dyn EventLog| log.create_topic(&created, 1);
            self.outbox.log.ask("create", create).await?;
            self.topics.insert(topic.clone());
        }
        let rows: Vec<Row> = letters.iter().map(row).collect();
        let records = letters.into_iter().map(record).collect();
        let sent = self.outbox.send(&topic, records, &rows).await;
        for (at, why) in &sent.refused {
            tell_refused(rows[*at].id, why);
        }
        if !sent.taken.is_empty() {
            self.store.mark_letters_published(&sent.taken_ids(&rows)).await?;
        }
        match sent.failure {
            Some(error) => {
                // The topic may be gone, so it is created again before the letters are sent again.
                self.topics.remove(&topic);
                Err(error.into())
            }
            None => Ok(sent.taken.len()),
        }
    }
}

fn row(letter: &DeadLetter) -> Row {
    Row {
        number: letter.id,
        id: letter.id,
    }
}

fn tell_refused(letter: i64, why: &LogError) {
    tracing::error!(
        letter,
        tally = "dead letters that the log refuses",
        "the log refuses a dead letter, which stays in its journal: {why}"
    );
}

fn record(letter: DeadLetter) -> NewRecord {
    let letter = letter.letter;
    NewRecord {
        partition: None,
        timestamp: letter.timestamp,
        key: letter.key,
        value: letter.value,
        headers: letter.headers,
    }
}
