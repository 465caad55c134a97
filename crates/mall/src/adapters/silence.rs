//! Says that Kafka doesn't answer while a call still waits for the first answer: a call gives up after seconds, and is made
//! again for half a minute, all of which would pass without a word.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use keylane_log::kafka::FirstAnswer;

use crate::console;

/// How long the first answer is waited for in silence.
const PATIENCE: Duration = Duration::from_secs(3);
/// The pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Watches a client of `brokers` until its first answer has come, or the wait for it was told, or the client is gone.
pub fn watch(first: &Arc<FirstAnswer>, brokers: &str) {
    let (first, brokers) = (Arc::downgrade(first), brokers.to_owned());
    let thread = thread::Builder::new().name("silence".to_owned());
    // Without the thread the wait is silent, as it would be without this file.
    let _ = thread.spawn(move || {
        if is_long(&first) {
            tell(&brokers);
        }
    });
}

/// Waits until the first answer is overdue; false if it has come, or nobody waits for it any more.
fn is_long(first: &Weak<FirstAnswer>) -> bool {
    loop {
        match first.upgrade() {
            Some(first) if first.has_come() => return false,
            Some(first) if first.awaited().is_some_and(|awaited| awaited >= PATIENCE) => return true,
            Some(_) => thread::sleep(LOOK_PAUSE),
            None => return false,
        }
    }
}

/// Says so in the log of a role, or to the user of a tool.
fn tell(brokers: &str) {
    let sentence = format!(
        "no answer yet from Kafka at {brokers} after {} s; waiting",
        PATIENCE.as_secs()
    );
    match tracing::dispatcher::has_been_set() {
        true => tracing::warn!("{sentence}"),
        false => console::say(&sentence),
    }
}
