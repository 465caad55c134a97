//! Scans, which read all partitions of a topic together.

use std::collections::BTreeMap;

use keylane_log::{EventLog, Extent, Offset, Partition, Record};

use crate::member::partition;
use crate::records::{append, placed_at, topic};
use crate::world::World;

pub fn extent(start: u64, end: u64) -> Extent {
    Extent {
        start: Offset(start),
        end: Offset(end),
    }
}

/// Scans a topic. Returns the offsets of each partition in the order in which they were seen, and where the scan ended
/// in each.
pub fn scanned(log: &dyn EventLog, topic: &str, extents: &[Extent]) -> (BTreeMap<u32, Vec<u64>>, Vec<u64>) {
    let mut shown: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    let mut see = |record: &Record| shown.entry(record.partition.0).or_default().push(record.offset.0);
    let ends = log.scan(topic, extents, &mut see).expect("the topic is read");
    (shown, ends.iter().map(|end| end.0).collect())
}

pub fn many_partitions_are_read_together(world: &dyn World) {
    let log = world.open();
    let topic = topic(&*log, "together", 60);
    // One partition has many records, some have a few, and most have none.
    let records = (0..60).flat_map(|number| {
        let held = match number {
            7 => 1_300,
            n if n % 5 == 0 => n,
            _ => 0,
        };
        (0..held).map(move |n| placed_at(number, n.to_string()))
    });
    append(&*log, &topic, records.collect());
    let extents = log.extents(&topic).expect("there are extents");
    let (shown, ends) = scanned(&*log, &topic, &extents);
    assert_eq!(ends, extents.iter().map(|extent| extent.end.0).collect::<Vec<_>>());
    for (number, extent) in extents.iter().enumerate() {
        let wanted: Vec<u64> = (0..extent.end.0).collect();
        let shown = shown.get(&(number as u32)).cloned().unwrap_or_default();
        assert_eq!(
            shown, wanted,
            "partition {number}: every record is seen once and in order"
        );
    }
}

pub fn a_scan_shows_what_stands_between_its_bounds(world: &dyn World) {
    let log = world.open();
    let topic = topic(&*log, "bounds", 3);
    let records = (0..3).flat_map(|number| (0..10).map(move |n| placed_at(number, n.to_string())));
    append(&*log, &topic, records.collect());
    let (shown, ends) = scanned(&*log, &topic, &[extent(2, 5), extent(10, 10), extent(0, 10)]);
    assert_eq!(shown, [(0, vec![2, 3, 4]), (2, (0..10).collect())].into());
    assert_eq!(ends, [5, 10, 10]);
    assert_eq!(scanned(&*log, &topic, &[]), (BTreeMap::new(), Vec::new()));
    let nothing = scanned(&*log, &topic, &[extent(4, 4), extent(0, 0), extent(9, 3)]);
    assert!(nothing.0.is_empty(), "{nothing:?}");
    // A second scan does not depend on the first one, nor on a read in between.
    assert_eq!(
        log.read(&partition(&topic, 0), Offset(5), 2)
            .expect("records are read")
            .len(),
        2
    );
    let (again, _) = scanned(&*log, &topic, &[extent(2, 5), extent(0, 0), extent(9, 10)]);
    assert_eq!(again, [(0, vec![2, 3, 4]), (2, vec![9])].into());
}

pub fn the_log_may_be_used_during_a_scan(world: &dyn World) {
    let log = world.open();
    let topic = topic(&*log, "asking", 2);
    append(
        &*log,
        &topic,
        vec![placed_at(0, "a"), placed_at(1, "b"), placed_at(1, "c")],
    );
    let extents = log.extents(&topic).expect("there are extents");
    let mut seen = Vec::new();
    let mut see = |record: &Record| {
        let place = record.topic_partition();
        let again = log.read(&place, record.offset, 1).expect("it is read");
        assert_eq!(again[0], *record);
        // A record that is appended now lies behind the extents of the scan.
        append(&*log, &topic, vec![placed_at(record.partition.0, "later")]);
        seen.push((record.partition, record.offset));
    };
    log.scan(&topic, &extents, &mut see).expect("the topic is read");
    seen.sort();
    let places = [(0, 0), (1, 0), (1, 1)].map(|(partition, offset)| (Partition(partition), Offset(offset)));
    assert_eq!(seen, places);
}
