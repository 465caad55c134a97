//! Looks at what waits in the databases of the services: events and dead letters to be published, and parked events. It reads
//! and changes nothing.

use std::time::Duration;

use anyhow::Result;
use keylane_log::Timestamp;
use shop::domain::Source;
use shop::domain::fence::{DeadLetter, ParkReason};
use shop::relay::lease_name;
use shop::store::{Backlog, Store, StoreError, Waiting};
use shop::text;
use shop::text::Text;

use super::report::Report;
use super::services::service;
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
            Err(error) => {
                let path = path.display();
                report.unseen(text!(
                    "what waits in {path}: {error}",
                    "{path} 파일에서 무엇이 기다리는지 알 수 없음: {error}"
                ));
            }
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
        Err(error) => {
            let service = service(source);
            report.unseen(text!(
                "what waits in the database of the {service}: {error}",
                "{service}의 데이터베이스에서 무엇이 기다리는지 알 수 없음: {error}"; service
            ));
        }
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
        let key = key.name();
        report.fine(text!(
            "the {service} publishes its events with --key {key}",
            "{service}가 이벤트를 --key {key} 모드로 발행함"; service
        ));
    }
    if age(journal, now) > SOON {
        let (count, since) = (journal.count, since(journal, now));
        report.wrong(
            text!(
                "{count} event(s) of the {service} are not published yet, the oldest since {since}",
                "{service}의 이벤트 {count}건이 아직 발행되지 않음. 가장 오래된 것은 {since} 전부터 기다림"; service
            ),
            match publisher {
                Some(_) => text!(
                    "see what the role says of the log, and whether the log refuses an event (/readyz)",
                    "서비스의 출력에 이벤트 로그 문제가 있는지, 거절된 이벤트가 있는지(/readyz) 확인하세요"
                ),
                None => text!(
                    "start the {service}: its relay publishes them",
                    "{service}를 시작하세요. 릴레이가 발행합니다"; service
                ),
            },
        );
    } else {
        report.fine(text!(
            "no event of the {service} waits to be published",
            "발행을 기다리는 {service}의 이벤트 없음"; service
        ));
    }
}

fn parked(backlog: &Backlog, deadline: Duration, now: Timestamp, report: &mut Report) {
    let orders = backlog.parked_keys;
    let (mut of_a_person, mut stuck) = (Vec::new(), Vec::new());
    for (reason, waiting) in &backlog.parked {
        let (count, name, since) = (waiting.count, reason.name(), since(waiting, now));
        let told = text!(
            "{count} {name} (the oldest for {since})",
            "{name} {count}건(가장 오래된 것은 {since} 전부터)"
        );
        match reason {
            ParkReason::Poison | ParkReason::Disputed => of_a_person.push(told),
            ParkReason::Gap if age(waiting, now) > deadline => stuck.push(told),
            // Those wait for the others.
            ParkReason::Gap | ParkReason::Behind => {}
        }
    }
    if !of_a_person.is_empty() {
        let events = Text::joined(&of_a_person, ", ");
        report.wrong(
            text!(
                "events of {orders} order(s) are parked and wait for a person: {events}",
                "주문 {orders}건의 이벤트가 보류되어 사람의 결정을 기다림: {events}"; events
            ),
            text!(
                "look with mall parked list, then mall parked retry or discard",
                "mall parked list로 확인한 뒤 mall parked retry나 discard로 처리하세요"
            ),
        );
    }
    if !stuck.is_empty() {
        let events = Text::joined(&stuck, ", ");
        report.wrong(
            text!(
                "events of {orders} order(s) are parked, and a version before them does not come: {events}",
                "주문 {orders}건의 이벤트가 보류되어 있는데 그 앞 버전이 오지 않음: {events}"; events
            ),
            text!(
                "start the order service, which is asked for it (--order-url); mall parked list says which, and mall parked \
                 discard passes over a version that never comes",
                "주문 서비스를 시작하세요. 오지 않는 버전을 주문 서비스에 물어봅니다(--order-url). 어느 버전인지는 mall parked list로 \
                 확인하고, 끝내 오지 않는 버전은 mall parked discard로 건너뛰세요"
            ),
        );
    }
    if of_a_person.is_empty() && stuck.is_empty() {
        report.fine(match orders {
            0 => text!("no order is parked", "보류된 주문 없음"),
            some => text!(
                "{some} order(s) are parked until an earlier version has taken effect",
                "주문 {some}건이 앞 버전이 반영될 때까지 보류되어 있음"
            ),
        });
    }
}

fn buried(unpublished: &Waiting, letters: &[Timestamp], now: Timestamp, report: &mut Report) {
    if age(unpublished, now) > SOON {
        let (count, since) = (unpublished.count, since(unpublished, now));
        report.wrong(
            text!(
                "{count} dead letter(s) are not published yet, the oldest since {since}",
                "데드 레터 {count}건이 아직 발행되지 않음. 가장 오래된 것은 {since} 전부터 기다림"
            ),
            text!(
                "start a delivery instance, and see what it says of the log",
                "배송 인스턴스를 시작하고, 그 출력에 이벤트 로그 문제가 있는지 확인하세요"
            ),
        );
    }
    if let Some(last) = letters.iter().max() {
        let count = match letters.len() {
            many if many >= COUNTED => text!("{many} or more", "{many}건 이상"),
            count => text!("{count}", "{count}건"),
        };
        let ago = elapsed(*last, now);
        report.fine(text!(
            "{count} dead letter(s) were written so far, the last one {ago} ago; mall parked list shows them",
            "지금까지 데드 레터가 {count} 기록됨(마지막은 {ago} 전). mall parked list로 볼 수 있음"; count
        ));
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
