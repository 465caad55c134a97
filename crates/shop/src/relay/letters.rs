//! Publishes the dead letters, each to the topic that it names, which is made if it is missing. They have a journal of
//! their own, because a dead letter is whatever bytes could not be read, and belongs to no delivery.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use keylane_log::{EventLog, LogError, NewRecord, Placed};
use tokio::time::Instant;

use super::refusals::Refusals;
use super::{PATIENCE, RelayError, is_refused};
use crate::domain::fence::DeadLetter;
use crate::store::Store;

/// Letters read from their journal at a time: each may be as large as a record can be.
const PAGE: usize = 100;
/// How long no more are looked for once there were none.
const LOOK: Duration = Duration::from_millis(200);

/// Publishes the dead letters of one database.
pub(super) struct Letters {
    store: Arc<dyn Store>,
    log: Arc<dyn EventLog>,
    topics: HashSet<Arc<str>>,
    /// Letters that the log refuses.
    refused: Refusals,
    /// When there were none.
    empty_since: Option<Instant>,
}

impl Letters {
    pub fn new(store: Arc<dyn Store>, log: Arc<dyn EventLog>) -> Self {
        Self {
            store,
            log,
            topics: HashSet::new(),
            refused: Refusals::new(),
            empty_since: None,
        }
    }

    /// Publishes a page of letters; how many. Letters are rare, so they are not looked for each time.
    ///
    /// Each step begins with the first: one that is committed behind others of higher numbers is found by the next step.
    /// That these overtake it harms nobody, as a letter waits for no other; and all of them at once might fill the memory.
    pub async fn step(&mut self) -> Result<usize, RelayError> {
        if self.empty_since.is_some_and(|since| since.elapsed() < LOOK) {
            return Ok(0);
        }
        let (mut after, mut waiting) = (0, Vec::new());
        loop {
            let page = self.store.dead_letters(true, after, PAGE).await?;
            let Some(last) = page.last().map(|letter| letter.id) else {
                self.refused.keep(waiting);
                self.empty_since = Some(Instant::now());
                return Ok(0);
            };
            waiting.extend(page.iter().map(|letter| letter.id));
            let published = self.publish(page).await?;
            if published > 0 {
                return Ok(published);
            }
            // All of it is blocked; others may stand behind.
            after = last;
        }
    }

    /// How many of them the log refuses.
    pub fn blocked(&self) -> usize {
        self.refused.count()
    }

    async fn publish(&mut self, page: Vec<DeadLetter>) -> Result<usize, RelayError> {
        let now = Instant::now();
        let mut by_topic = BTreeMap::<Arc<str>, Vec<DeadLetter>>::new();
        for letter in page
            .into_iter()
            .filter(|letter| !self.refused.is_blocked(letter.id, now))
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
            self.with_log(move |log| log.create_topic(&created, 1)).await?;
            self.topics.insert(topic.clone());
        }
        let (ids, records): (Vec<i64>, Vec<NewRecord>) =
            letters.into_iter().map(|letter| (letter.id, record(letter))).unzip();
        let answers = self.with_log(move |log| log.append(&topic, records, PATIENCE)).await;
        let published = self.acknowledged(&ids, &answers);
        if !published.is_empty() {
            self.store.mark_letters_published(&published).await?;
        }
        match answers
            .into_iter()
            .filter_map(Result::err)
            .find(|error| !is_refused(error))
        {
            Some(error) => Err(error.into()),
            None => Ok(published.len()),
        }
    }

    fn acknowledged(&mut self, ids: &[i64], answers: &[Result<Placed, LogError>]) -> Vec<i64> {
        let mut published = Vec::with_capacity(ids.len());
        for (id, answer) in ids.iter().zip(answers) {
            match answer {
                Ok(_) => {
                    self.refused.taken(*id);
                    published.push(*id);
                }
                Err(error) if is_refused(error) => {
                    if self.refused.refused(*id, *id, Instant::now()) {
                        tracing::error!(
                            letter = id,
                            tally = "dead letters that the log refuses",
                            "the log refuses a dead letter, which stays in its journal: {error}"
                        );
                    }
                }
                Err(_) => {}
            }
        }
        published
    }

    async fn with_log<T: Send + 'static>(&self, call: impl FnOnce(&dyn EventLog) -> T + Send + 'static) -> T {
        let log = self.log.clone();
        tokio::task::spawn_blocking(move || call(log.as_ref()))
            .await
            .expect("the log's calls don't panic")
    }
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
