//! Keeps one record, gap or request too many from flooding the log. A line that any of them can cause carries the field
//! `tally`, the kind of it: the [`Tally`] says which of a kind are told, and what stands for the others.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shop::delivery::EVENTS;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

use super::tally::{Summary, Tally};
use super::{Fields, shown};

/// The field that says of which kind a line is.
pub const KIND: &str = "tally";
/// Between two looks for what is due.
const LOOK: Duration = Duration::from_secs(1);

static TALLY: Mutex<Tally> = Mutex::new(Tally::new());

/// Lets those lines through that are to be told.
pub struct Calm {
    start: Instant,
}

/// Begins; what stands for several lines is told by a thread, since nothing else may happen for long.
pub fn begin() -> Calm {
    let start = Instant::now();
    let told = std::thread::Builder::new().name("tally".to_owned());
    let told = told.spawn(move || {
        loop {
            std::thread::sleep(LOOK);
            let due = tally().due(start.elapsed());
            due.iter().for_each(tell);
        }
    });
    if let Err(error) = told {
        tracing::warn!("lines that repeat are counted and not told: {error}");
    }
    Calm { start }
}

/// Tells what has been counted so far, before the process ends.
pub fn end() {
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

impl<S: Subscriber> Filter<S> for Calm {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        if event.metadata().fields().field(KIND).is_none() {
            return true;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Some(kind) = fields.take_kind() else { return true };
        let text = || fields.0.get("message").map(shown).unwrap_or_default();
        tally().note(&kind, *event.metadata().level(), self.start.elapsed(), text)
    }
}
