//! What a runner does with partitions, records and offsets, as observations.

use std::sync::Arc;

use keylane::{Event as Step, Listener, TopicPartition};
use keylane_log::{Position, Record, Timestamp};
use observe::{Assignment, Event, Observer, Place, What};

use crate::domain::EventType;

/// A listener that lets `observer` know what a runner does. How records are handled, their handler tells by itself.
pub fn listener(observer: Observer, clock: fn() -> Timestamp) -> Listener {
    Arc::new(move |step: Step<'_>| {
        if let Some(what) = observation(step) {
            observer.emit(clock().0, what);
        }
    })
}

fn observation(step: Step<'_>) -> Option<What> {
    let number = |partition: &TopicPartition| partition.partition.0;
    let at = |position: &Position| (number(&position.partition), position.offset.0);
    Some(match step {
        Step::Assigned {
            partition,
            position,
            epoch,
        } => What::Assigned {
            partitions: vec![Assignment {
                partition: number(partition),
                position: position.0,
                epoch: epoch.0,
            }],
        },
        Step::GivenBack { partition, .. } => What::Revoked {
            partitions: vec![number(partition)],
        },
        Step::Lost { partition, .. } => What::Lost {
            partitions: vec![number(partition)],
        },
        Step::TakenIn { record, epoch } => What::Taken {
            event: named(record),
            place: place(record),
            epoch: epoch.0,
        },
        Step::Skipped { record, epoch } => What::Skipped {
            event: named(record),
            place: place(record),
            epoch: epoch.0,
        },
        Step::Rewound {
            partition,
            offset,
            epoch,
        } => What::Rewound {
            partition: number(partition),
            offset: offset.0,
            epoch: epoch.0,
        },
        Step::Committed { position } => {
            let (partition, position) = at(position);
            What::OffsetCommitted { partition, position }
        }
        Step::CommitRefused { position } => {
            let (partition, position) = at(position);
            What::OffsetRefused { partition, position }
        }
        Step::Started { .. } | Step::Ended { .. } => return None,
    })
}

fn place(record: &Record) -> Place {
    Place {
        partition: record.partition.0,
        offset: record.offset.0,
    }
}

/// The order's event that a record's headers name. To read its value as well would hold the polling thread up.
fn named(record: &Record) -> Option<Event> {
    let text = |name| record.header(name).and_then(|value| std::str::from_utf8(value).ok());
    let event_type = EventType::from_name(text("type")?)?;
    let EventType::Order(_) = event_type else { return None };
    Some(Event {
        order: text("ce_subject")?.parse().ok()?,
        delivery: None,
        version: text("ce_sequence").and_then(|version| version.parse().ok()),
        name: Some(event_type.name().into()),
    })
}

#[cfg(test)]
mod tests {
    use keylane::Epoch;
    use keylane_log::{Header, Offset, Partition, TimestampType};

    use super::*;

    fn record(headers: &[(&str, &str)]) -> Record {
        Record {
            topic: "t".into(),
            partition: Partition(1),
            offset: Offset(7),
            timestamp: Timestamp(0),
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: None,
            headers: headers
                .iter()
                .map(|(name, value)| Header::text(*name, *value))
                .collect(),
        }
    }

    #[test]
    fn a_record_that_is_taken_names_its_event() {
        let taken = |headers| match observation(Step::TakenIn {
            record: &record(headers),
            epoch: Epoch(3),
        }) {
            Some(What::Taken { event, place, epoch }) => {
                assert_eq!((place.partition, place.offset, epoch), (1, 7, 3));
                event.map(|event| (event.order, event.version, event.name.expect("a name").into_owned()))
            }
            other => panic!("{other:?}"),
        };
        let named = [
            ("type", "OrderModified"),
            ("ce_subject", "2"),
            ("ce_sequence", "00000000000000000003"),
        ];
        assert_eq!(taken(&named), Some((2, Some(3), "OrderModified".to_owned())));
        assert_eq!(taken(&named[..2]), Some((2, None, "OrderModified".to_owned())));
        assert_eq!(taken(&named[..1]), None);
        assert_eq!(taken(&[("type", "DeliveryStarted"), ("ce_subject", "2")]), None);
    }

    #[test]
    fn an_offset_is_that_of_the_next_record() {
        let position = Position {
            partition: TopicPartition::new("t", Partition(1)),
            offset: Offset(8),
            metadata: String::new(),
        };
        let position = &position;
        assert_eq!(
            observation(Step::Committed { position }),
            Some(What::OffsetCommitted {
                partition: 1,
                position: 8
            })
        );
    }
}
