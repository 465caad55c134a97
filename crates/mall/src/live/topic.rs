//! Follows the topic: what each partition holds, how far the group has come, and the records that are new.

use std::time::Duration;

use anyhow::{Result, anyhow};
use keylane_log::{Extent, Offset};
use lab::translate::{self, TopicRecord};
use shop::domain::EventType;
use web::live::{FOLLOWED, Partition, Record};

use super::gathering::Gathering;
use crate::adapters::log::explained;
use crate::clock;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// How many of the newest records of a partition are read. The ones before are not kept anyway.
const NEWEST: u64 = 40;
/// The pause after something went wrong.
const AWAY: Duration = Duration::from_secs(1);

/// Follows the topic until nobody wants that any more.
pub fn follow(gathering: &Gathering) {
    let mut read = Vec::new();
    while gathering.goes_on() {
        match look(gathering, &mut read) {
            Ok(()) => {
                gathering.note_away("log", None);
                gathering.pause(PAUSE);
            }
            Err(error) => {
                gathering.note_away("log", Some(format!("{error:#}")));
                gathering.give_up_log();
                gathering.pause(AWAY);
            }
        }
    }
}

/// Looks once. `read` holds the next offset to be read of each partition.
fn look(gathering: &Gathering, read: &mut Vec<Offset>) -> Result<()> {
    let (log, sight) = (gathering.log()?, &gathering.sight);
    let told = |error| anyhow!(explained(&error, &sight.storage));
    // Committed positions are asked for first, so that none is behind the end that is shown with it.
    let committed = log.committed(&sight.group, &sight.topic).map_err(told)?;
    let extents = log.extents(&sight.topic).map_err(told)?;
    let partitions = (0..).zip(&extents).map(|(number, extent)| {
        let committed = committed.get(number as usize).copied().flatten();
        Partition::new(number, extent.start.0, extent.end.0, committed.map(|offset| offset.0))
    });
    let partitions = partitions.collect();
    gathering
        .session
        .tell(|picture| picture.partitions(clock::now().0, partitions));
    let followed = extents.len().min(FOLLOWED as usize);
    let unread = unread(&extents[..followed], read);
    if unread.iter().all(|extent| extent.start >= extent.end) {
        return Ok(());
    }
    let mut records = Vec::new();
    log.scan(&sight.topic, &unread, &mut |record| records.push(shown(record)))
        .map_err(told)?;
    *read = unread.iter().map(|extent| extent.end).collect();
    gathering.session.tell(|picture| picture.records(records));
    Ok(())
}

/// What is to be read of each partition: the newest records behind those that were read.
fn unread(extents: &[Extent], read: &[Offset]) -> Vec<Extent> {
    let unread = extents.iter().enumerate().map(|(number, extent)| {
        let newest = Offset(extent.end.0.saturating_sub(NEWEST)).max(extent.start);
        // A topic that ends before what was read was deleted and created again.
        let behind = read.get(number).copied().filter(|read| *read <= extent.end);
        Extent {
            start: behind.map_or(newest, |read| read.max(newest)),
            end: extent.end,
        }
    });
    unread.collect()
}

fn shown(record: &keylane_log::Record) -> Record {
    let key = record.key.as_deref();
    let mut shown = Record {
        partition: record.partition.0,
        offset: record.offset.0,
        at: record.timestamp.0,
        key: key.map(|key| String::from_utf8_lossy(key).into_owned()),
        order: None,
        version: None,
        name: None,
        delivery: None,
    };
    match translate::found(record) {
        Some(TopicRecord::Order(event)) => {
            shown.order = Some(event.order.0);
            shown.version = event.version.map(|version| version.0);
            shown.name = event.event_type.map(|kind| EventType::Order(kind).name().to_owned());
        }
        Some(TopicRecord::Delivery(event)) => {
            shown.order = Some(event.order.0);
            shown.version = Some(event.version.0);
            shown.name = Some(EventType::Delivery(event.event_type).name().to_owned());
            shown.delivery = Some(event.delivery.0);
        }
        None => {}
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_records_are_read_once() {
        let extent = |start, end| Extent {
            start: Offset(start),
            end: Offset(end),
        };
        let read = |start: u64, end: u64, read: &[u64]| {
            let read: Vec<Offset> = read.iter().copied().map(Offset).collect();
            let unread = unread(&[extent(start, end)], &read)[0];
            (unread.start.0, unread.end.0)
        };
        assert_eq!(read(0, 5, &[]), (0, 5));
        assert_eq!(read(0, 100, &[]), (60, 100));
        assert_eq!(read(90, 100, &[]), (90, 100), "the others are no longer kept");
        assert_eq!(read(0, 105, &[100]), (100, 105));
        assert_eq!(read(0, 500, &[100]), (460, 500));
        assert_eq!(read(0, 100, &[100]), (100, 100));
        assert_eq!(read(0, 3, &[100]), (0, 3), "another topic of that name");
    }
}
