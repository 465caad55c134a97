//! Looks at what waits in the databases of the services: events and dead letters to be published, and parked events. It reads
//! and changes nothing.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use keylane_log::Timestamp;
use shop::domain::Source;
use shop::domain::fence::{DeadLetter, ParkReason};
use shop::relay::lease_name;
use shop::store::{Backlog, Store, StoreError, Waiting};

use super::report::Report;
use crate::adapters::look_into_sqlite;
use crate::clock::now;
use crate::config::RoleOptions;
use crate::data_dir::DataFile;
use crate::modes::Publisher;
use crate::runtime;

/// For how long an event may wait to be published. It usually takes milliseconds.
const SOON: Duration = Duration::from_secs(10);
/// How many dead letters are read at a time. Each may be as large as a record can be.
const PAGE: usize = 100;
/// How many dead letters are counted.
const COUNTED: usize = 1000;

/// Looks into those databases of the embedded default that are there.
pub fn look_at_files(options: &RoleOptions, report: &mut Report) -> Result<()> {
    let runtime = runtime::on_this_thread()?;
    for source in [Source::Orders, Source::Deliveries] {
        let path = options.storage.data.join(DataFile::of(source).name());
        if !path.is_file() {
            continue;
        }
        match look_into_sqlite(&path, source) {
            Ok(store) => runtime.block_on(look(&*store, source, options, report)),
            Err(error) => report.unseen(format!("what waits in {}: {error}", shown(&path))),
        }
    }
    Ok(())
}

/// Looks into the database of a service.
pub async fn look(store: &dyn Store, source: Source, options: &RoleOptions, report: &mut Report) {
    match what_waits(store, source).await {
        Ok((backlog, publisher, letters)) => {
            published(source, &backlog.journal, publisher.as_ref(), now(), report);
            if source == Source::Deliveries {
                parked(&backlog, options.gap_deadline, now(), report);
                buried(&backlog.letters, &letters, now(), report);
            }
        }
        Err(error) => report.unseen(format!(
            "what waits in the database of the {}: {error}",
            service(source)
        )),
    }
}

async fn what_waits(
    store: &dyn Store,
    source: Source,
) -> Result<(Backlog, Option<Publisher>, Vec<Timestamp>), StoreError> {
    let backlog = store.backlog(source).await?;
    let holder = store.lease_holder(&lease_name(source), now()).await?;
    let letters = match source {
        Source::Orders => Vec::new(),
        Source::Deliveries => times_of_letters(store).await?,
    };
    Ok((backlog, holder.as_deref().map(Publisher::parse), letters))
}

/// When the first dead letters were written.
async fn times_of_letters(store: &dyn Store) -> Result<Vec<Timestamp>, StoreError> {
    let (mut times, mut after) = (Vec::new(), 0);
    while times.len() < COUNTED {
        let page: Vec<DeadLetter> = store.dead_letters(false, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        times.extend(page.iter().map(|letter| letter.letter.timestamp));
    }
    Ok(times)
}

/// Tells who publishes a service's events, and which wait for it.
fn published(source: Source, journal: &Waiting, publisher: Option<&Publisher>, now: Timestamp, report: &mut Report) {
    let service = service(source);
    if let Some(key) = publisher.and_then(|publisher| publisher.key) {
        report.fine(format!("the {service} publishes its events with --key {}", key.name()));
    }
    if age(journal, now) > SOON {
        let (count, since) = (journal.count, since(journal, now));
        report.wrong(
            format!("{count} event(s) of the {service} are not published yet, the oldest since {since}"),
            match publisher {
                Some(_) => {
                    "see what the role says of the log, and whether the log refuses an event (/readyz)".to_owned()
                }
                None => format!("start the {service}: its relay publishes them"),
            },
        );
    } else {
        report.fine(format!("no event of the {service} waits to be published"));
    }
}

fn parked(backlog: &Backlog, deadline: Duration, now: Timestamp, report: &mut Report) {
    let orders = backlog.parked_keys;
    let (mut of_a_person, mut stuck) = (Vec::new(), Vec::new());
    for (reason, waiting) in &backlog.parked {
        let told = format!(
            "{} {} (the oldest for {})",
            waiting.count,
            reason.name(),
            since(waiting, now)
        );
        match reason {
            ParkReason::Poison | ParkReason::Disputed => of_a_person.push(told),
            ParkReason::Gap if age(waiting, now) > deadline => stuck.push(told),
            // Those wait for the others.
            ParkReason::Gap | ParkReason::Behind => {}
        }
    }
    if !of_a_person.is_empty() {
        report.wrong(
            format!(
                "events of {orders} order(s) are parked and wait for a person: {}",
                of_a_person.join(", ")
            ),
            "look with mall parked list, then mall parked retry or discard",
        );
    }
    if !stuck.is_empty() {
        report.wrong(
            format!(
                "events of {orders} order(s) are parked, and a version before them does not come: {}",
                stuck.join(", ")
            ),
            "start the order service, which is asked for it (--order-url); mall parked list says which, and mall parked discard \
             passes over a version that never comes",
        );
    }
    if of_a_person.is_empty() && stuck.is_empty() {
        report.fine(match orders {
            0 => "no order is parked".to_owned(),
            some => format!("{some} order(s) are parked until an earlier version has taken effect"),
        });
    }
}

fn buried(unpublished: &Waiting, letters: &[Timestamp], now: Timestamp, report: &mut Report) {
    if age(unpublished, now) > SOON {
        report.wrong(
            format!(
                "{} dead letter(s) are not published yet, the oldest since {}",
                unpublished.count,
                since(unpublished, now)
            ),
            "start a delivery instance, and see what it says of the log",
        );
    }
    if let Some(last) = letters.iter().max() {
        let count = match letters.len() {
            many if many >= COUNTED => format!("{many} or more"),
            count => count.to_string(),
        };
        report.fine(format!(
            "{count} dead letter(s) were written so far, the last one {} ago; mall parked list shows them",
            elapsed(*last, now)
        ));
    }
}

fn service(source: Source) -> &'static str {
    match source {
        Source::Orders => "order service",
        Source::Deliveries => "delivery service",
    }
}

fn age(waiting: &Waiting, now: Timestamp) -> Duration {
    waiting.oldest.map_or(Duration::ZERO, |oldest| between(oldest, now))
}

fn since(waiting: &Waiting, now: Timestamp) -> String {
    elapsed(waiting.oldest.unwrap_or(now), now)
}

fn elapsed(then: Timestamp, now: Timestamp) -> String {
    let seconds = Duration::from_secs(between(then, now).as_secs());
    humantime::format_duration(seconds).to_string()
}

fn between(then: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(now.0.saturating_sub(then.0).try_into().unwrap_or(0))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
