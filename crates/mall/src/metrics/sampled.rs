//! Something that costs a query: asked at most once a second, by one at a time, and never waited for long.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How old an answer may be.
const FRESH: Duration = Duration::from_secs(1);
/// How long a scrape waits for an answer; it is still taken when it comes later.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks.
type Ask<T> = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Option<T>> + Send>> + Send + Sync>;

/// The last answer to a question.
pub struct Sampled<T> {
    ask: Arc<Ask<T>>,
    last: Arc<Mutex<Option<Answer<T>>>>,
}

struct Answer<T> {
    at: Instant,
    /// `None` if nobody could tell.
    value: Option<T>,
}

impl<T: Clone + Send + 'static> Sampled<T> {
    /// A question that hasn't been asked yet.
    pub fn new<F>(ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        Self {
            ask: Arc::new(Box::new(move || Box::pin(ask()))),
            last: Arc::default(),
        }
    }

    /// The answer as it is now, or was a second ago; `None` if nobody can tell in time.
    pub async fn get(&self) -> Option<T> {
        let mut last = timeout(PATIENCE, self.last.clone().lock_owned()).await.ok()?;
        if let Some(answer) = &*last
            && answer.at.elapsed() < FRESH
        {
            return answer.value.clone();
        }
        let ask = self.ask.clone();
        let asking = tokio::spawn(async move {
            let value = ask().await;
            let at = Instant::now();
            *last = Some(Answer {
                at,
                value: value.clone(),
            });
            value
        });
        timeout(PATIENCE, asking).await.ok()?.ok()?
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
        assert_eq!(start.elapsed(), 2 * PATIENCE);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
