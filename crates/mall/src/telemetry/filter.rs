//! Keeps lines that a record, a gap or a request can cause from flooding the log. Such a line carries the field `tally`, which
//! names its kind. The [`Tally`] decides which lines of a kind are written, and which line stands for the others.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shop::lines::{EVENTS, OUT_OF_ORDER};
use shop::text::Language;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

use super::fields::{Fields, KIND};
use super::tally::{Summary, Tally};

/// How often it is checked whether a summary is due.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How many broken orders are announced in full before they are counted.
const BROKEN_ORDERS: u64 = 20;

static TALLY: Mutex<Tally> = Mutex::new(Tally::new());

/// Lets those lines through that the tally wants to be written.
pub struct TallyFilter {
    /// The tally's times count from here.
    start: Instant,
    language: Language,
}

/// Begins to count lines that repeat. Their summaries are written by a thread, because the process may be idle when one is
/// due.
pub fn count_repeated_lines(language: Language) -> TallyFilter {
    let start = Instant::now();
    let thread = std::thread::Builder::new().name("tally".to_owned());
    let started = thread.spawn(move || {
        loop {
            std::thread::sleep(CHECK_INTERVAL);
            let due = tally().due(start.elapsed());
            due.iter().for_each(tell);
        }
    });
    if let Err(error) = started {
        tracing::warn!("lines that repeat are counted, but no summary is written: {error}");
    }
    TallyFilter { start, language }
}

/// Writes the summaries of what has been counted so far. Called before the process ends.
pub fn tell_the_rest() {
    let rest = tally().rest();
    rest.iter().for_each(tell);
}

fn tally() -> MutexGuard<'static, Tally> {
    TALLY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell(summary: &Summary) {
    let Summary {
        kind,
        more,
        total,
        over,
        ..
    } = summary;
    match summary.level {
        Level::ERROR => tracing::error!(target: EVENTS, kind, more, total, over, "{summary}"),
        Level::WARN => tracing::warn!(target: EVENTS, kind, more, total, over, "{summary}"),
        _ => tracing::info!(target: EVENTS, kind, more, total, over, "{summary}"),
    }
}

impl<S: Subscriber> Filter<S> for TallyFilter {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        if event.metadata().fields().field(KIND).is_none() {
            return true;
        }
        let mut fields = Fields::of(event, self.language);
        let Some(kind) = fields.take_kind() else { return true };
        let text = || fields.message().unwrap_or_default();
        let in_full = if kind == OUT_OF_ORDER { BROKEN_ORDERS } else { 1 };
        tally().note(&kind, in_full, *event.metadata().level(), self.start.elapsed(), text)
    }
}
