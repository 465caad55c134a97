//! A number that costs a query. It is asked for at most once a second, by one scrape at a time, and never waited for long.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How old an answer may be before it is asked for again.
const FRESH: Duration = Duration::from_secs(1);
/// How long a scrape waits for an answer. One that comes later is kept for the next scrape.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(2);

/// The query.
type Query<T> = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Option<T>> + Send>> + Send + Sync>;

/// A query and its last answer.
pub struct Sampled<T> {
    ask: Arc<Query<T>>,
    last: Arc<Mutex<Option<Sample<T>>>>,
}

struct Sample<T> {
    at: Instant,
    /// `None` if the query failed.
    value: Option<T>,
}

impl<T: Clone + Send + 'static> Sampled<T> {
    /// A query that has not been made yet.
    pub fn new<F>(ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        Self {
            ask: Arc::new(Box::new(move || Box::pin(ask()))),
            last: Arc::default(),
        }
    }

    /// The answer as it is now, or was up to a second ago. `None` if the query fails or takes too long.
    pub async fn get(&self) -> Option<T> {
        let mut last = timeout(SCRAPE_TIMEOUT, self.last.clone().lock_owned()).await.ok()?;
        if let Some(answer) = &*last
            && answer.at.elapsed() < FRESH
        {
            return answer.value.clone();
        }
        let ask = self.ask.clone();
        let asking = tokio::spawn(async move {
            let value = ask().await;
            let at = Instant::now();
            *last = Some(Sample {
                at,
                value: value.clone(),
            });
            value
        });
        timeout(SCRAPE_TIMEOUT, asking).await.ok()?.ok()?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_once_a_second_at_most() {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = asked.clone();
        let sampled = Sampled::new(move || {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            async move { Some(number) }
        });
        assert_eq!(sampled.get().await, Some(0));
        tokio::time::advance(FRESH / 2).await;
        assert_eq!(sampled.get().await, Some(0), "still fresh");
        tokio::time::advance(FRESH / 2).await;
        assert_eq!(sampled.get().await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_answer_holds_up_nobody_and_is_not_asked_twice() {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = asked.clone();
        let sampled: Sampled<u32> = Sampled::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        });
        let start = Instant::now();
        assert_eq!(sampled.get().await, None);
        assert_eq!(sampled.get().await, None);
        assert_eq!(start.elapsed(), 2 * SCRAPE_TIMEOUT);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
