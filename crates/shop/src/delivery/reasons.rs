//! Why an event took effect where it did, or not at all: the sentences behind its line, as functions of what is known.

use std::time::Duration;

use super::recall::{Applier, member};
use super::sequence::Sequence;
use crate::domain::decide::ApplyKind;
use crate::domain::fence::{Early, ParkReason};
use crate::domain::{Delivery, DeliveryBefore, Place, Version};

/// How a parked event came to be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The versions before it are done, and whoever did the last of them goes on with it.
    Reached,
    /// A person wants it tried again.
    Marked,
    /// Its turn had come, and nobody was handling it, as after a crash.
    Found,
}

pub(super) fn seconds(time: Duration) -> String {
    format!("{:.2}s", time.as_secs_f64())
}

/// Why an event that comes again does nothing. `here` is the place of its record.
pub(super) fn again(version: Version, by: Option<&Applier>, here: Option<&Place>) -> String {
    match by {
        None => format!("again: v{version} took effect before, or was passed over"),
        Some(by) if by.kind == ApplyKind::Discarded => {
            format!("again: {} passed v{version} over, as a person wanted", by.instance)
        }
        Some(by) if by.place.is_some() && by.place.as_ref() == here => {
            format!("again: {} has applied v{version} from this record before", by.instance)
        }
        Some(by) => format!("again: v{version} was applied before, by {by}"),
    }
}

/// What an event of this version, which came before its turn, waits for. `own` is the name of the instance that says so.
pub(super) fn early(version: Version, early: &Early, own: &str) -> String {
    let Early { reason, next, worker } = early;
    let worker = worker.as_ref().map(|worker| match worker.instance == own {
        true => "this instance",
        false => member(&worker.instance),
    });
    match (reason, worker) {
        (ParkReason::Behind, None) => {
            format!("early: v{version} waits behind v{next}, which can't be handled; see mall parked")
        }
        (_, Some(worker)) if *next == version => format!("v{version} has its turn, and {worker} handles it"),
        (_, Some(worker)) => format!("early: v{version} waits; v{next} is still being worked on by {worker}"),
        (_, None) => format!("early: v{version} waits; v{next} has not been applied yet"),
    }
}

/// Why a record that is parked stays so.
pub(super) fn parked(reason: ParkReason) -> &'static str {
    match reason {
        ParkReason::Gap => "parked: a version before it has not been applied",
        ParkReason::Poison => "parked: it can't be handled",
        ParkReason::Behind => "parked: a version before it can't be handled",
        ParkReason::Disputed => "parked: another event claims to be it, and they differ",
    }
}

/// Why an event whose slow work is done is not written.
pub(super) fn refused(by: Option<&Applier>) -> String {
    let what = "refused: another instance has applied it during the slow work";
    match by {
        Some(by) => format!("{what}, {by}"),
        None => what.to_owned(),
    }
}

/// Why a parked event of this version, which has waited for so long, is handled now.
pub(super) fn turn(turn: Turn, version: Version, waited: Duration) -> String {
    let waited = seconds(waited);
    match turn {
        Turn::Reached => format!(
            "its turn: v{} is done, for which v{version} waited {waited}",
            version.0.saturating_sub(1)
        ),
        Turn::Marked => format!("tried once more, as a person wants, after v{version} was parked for {waited}"),
        Turn::Found => {
            format!("its turn: v{version} was parked for {waited}, and nobody was handling it")
        }
    }
}

/// What an effect that was not the next one of its order means, without a fence; none if it was the next one. `event` is how
/// the lines name the event, and `by` is who applied the latest one.
pub(super) fn sequence(
    sequence: Sequence,
    event: &str,
    delivery: &Delivery,
    before: &DeliveryBefore,
    by: Option<&Applier>,
) -> Option<String> {
    let highest = before.version;
    let status = |status: &Option<String>| status.clone().unwrap_or_else(|| "no status".to_owned());
    Some(match sequence {
        Sequence::Next => return None,
        Sequence::Late => format!(
            "OUT OF ORDER: {event} took effect after v{highest} of its order{}; delivery {} is {} and should still be {}",
            by.map(|by| format!(", applied by {by}")).unwrap_or_default(),
            delivery.id.0,
            status(&delivery.status),
            status(&before.status)
        ),
        Sequence::Again => format!("{event} took effect again: v{highest} of its order had been applied"),
        Sequence::Early => format!(
            "{event} took effect before its turn: v{} of its order has not taken effect yet",
            highest.next()
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keylane_log::{Offset, Partition, Timestamp};

    use super::*;
    use crate::domain::fence::Worker;

    fn place(offset: u64) -> Place {
        Place {
            topic: Arc::from("kafka.scaling"),
            partition: Partition(0),
            offset: Offset(offset),
        }
    }

    fn applier(kind: ApplyKind) -> Applier {
        Applier {
            instance: "delivery-2".to_owned(),
            place: Some(place(5)),
            kind,
        }
    }

    #[test]
    fn a_duplicate_names_who_was_first() {
        let by = applier(ApplyKind::Applied);
        let of = |by: Option<&Applier>, here: Option<Place>| again(Version(2), by, here.as_ref());
        assert_eq!(
            of(Some(&by), Some(place(7))),
            "again: v2 was applied before, by delivery-2 from P0@5"
        );
        assert_eq!(
            of(Some(&by), Some(place(5))),
            "again: delivery-2 has applied v2 from this record before"
        );
        let nowhere = Applier {
            place: None,
            ..by.clone()
        };
        assert_eq!(
            of(Some(&nowhere), None),
            "again: v2 was applied before, by delivery-2",
            "two records from nowhere are not the same"
        );
        let discarded = applier(ApplyKind::Discarded);
        assert_eq!(
            of(Some(&discarded), None),
            "again: delivery-2 passed v2 over, as a person wanted"
        );
        assert_eq!(of(None, None), "again: v2 took effect before, or was passed over");
    }

    #[test]
    fn a_zombie_hears_who_was_faster() {
        assert!(refused(Some(&applier(ApplyKind::Applied))).ends_with("during the slow work, delivery-2 from P0@5"));
        assert!(refused(None).ends_with("during the slow work"));
    }

    #[test]
    fn what_comes_early_says_what_it_waits_for() {
        let said = |reason, next, worker: Option<&str>| {
            let worker = worker.map(|instance| Worker {
                instance: instance.to_owned(),
                until: Timestamp(0),
            });
            let next = Version(next);
            early(Version(3), &Early { reason, next, worker }, "delivery-2/12")
        };
        let of = |worker| said(ParkReason::Gap, 2, worker);
        assert_eq!(
            of(Some("delivery-1/11")),
            "early: v3 waits; v2 is still being worked on by delivery-1"
        );
        assert!(of(Some("delivery-2/12")).ends_with("by this instance"));
        assert_eq!(of(None), "early: v3 waits; v2 has not been applied yet");
        assert_eq!(
            said(ParkReason::Gap, 3, Some("delivery-1/11")),
            "v3 has its turn, and delivery-1 handles it"
        );
        assert!(said(ParkReason::Behind, 2, None).contains("v2, which can't be handled"));
        assert!(
            said(ParkReason::Behind, 2, Some("x")).contains("being worked on by x"),
            "it is tried again"
        );
    }

    #[test]
    fn a_turn_says_what_was_waited_for() {
        let of = |why| turn(why, Version(3), Duration::from_millis(9806));
        assert_eq!(of(Turn::Reached), "its turn: v2 is done, for which v3 waited 9.81s");
        assert!(of(Turn::Found).ends_with("and nobody was handling it"));
        assert!(of(Turn::Marked).contains("as a person wants"));
    }
}
