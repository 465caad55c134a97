//! Why an event took effect where it did, or not at all: the sentences behind its line, as functions of what is known.

use std::time::Duration;

use super::recall::{Applier, member};
use super::sequence::Sequence;
use crate::domain::decide::ApplyKind;
use crate::domain::fence::{Early, ParkReason};
use crate::domain::{Delivery, DeliveryBefore, Place, Version};
use crate::text;
use crate::text::Text;

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
pub(super) fn again(version: Version, by: Option<&Applier>, here: Option<&Place>) -> Text {
    let Some(by) = by else {
        return text!(
            "again: v{version} took effect before, or was passed over",
            "중복: v{version} 이벤트는 이미 반영되었거나 건너뛰었음"
        );
    };
    let instance = &by.instance;
    if by.kind == ApplyKind::Discarded {
        return text!(
            "again: {instance} passed v{version} over, as a person wanted",
            "중복: v{version} 이벤트를 사람의 지시에 따라 건너뛰었음: {instance}"; instance
        );
    }
    if by.place.is_some() && by.place.as_ref() == here {
        return text!(
            "again: {instance} has applied v{version} from this record before",
            "중복: 바로 이 레코드의 v{version} 이벤트를 이미 반영했음: {instance}"; instance
        );
    }
    text!(
        "again: v{version} was applied before, by ",
        "중복: v{version} 이벤트는 이미 반영되었음: "
    ) + by.named()
}

/// What an event of this version, which came before its turn, waits for. `own` is the name of the instance that says so.
pub(super) fn early(version: Version, early: &Early, own: &str) -> Text {
    let Early { reason, next, worker } = early;
    let worker = worker.as_ref().map(|worker| match worker.instance == own {
        true => text!("this instance", "이 인스턴스"),
        false => member(&worker.instance).into(),
    });
    match (reason, worker) {
        (ParkReason::Behind, None) => text!(
            "early: v{version} waits behind v{next}, which can't be handled; see mall parked",
            "먼저 도착함: v{version} 이벤트가 처리할 수 없는 v{next} 이벤트 뒤에서 기다림. mall parked 참고"
        ),
        (_, Some(worker)) if *next == version => text!(
            "v{version} has its turn, and {worker} handles it",
            "v{version} 이벤트의 차례이며, 처리하는 중: {worker}"; worker
        ),
        (_, Some(worker)) => {
            text!(
                "early: v{version} waits; v{next} is still being worked on by ",
                "먼저 도착함: v{version} 이벤트를 보류함. v{next} 이벤트를 아직 처리하는 중: "
            ) + worker
        }
        (_, None) => text!(
            "early: v{version} waits; v{next} has not been applied yet",
            "먼저 도착함: v{version} 이벤트를 보류함. v{next} 이벤트가 아직 반영되지 않음"
        ),
    }
}

/// Why a record that is parked stays so.
pub(super) fn parked(reason: ParkReason) -> Text {
    match reason {
        ParkReason::Gap => text!(
            "parked: a version before it has not been applied",
            "보류됨: 앞 버전이 아직 반영되지 않음"
        ),
        ParkReason::Poison => text!("parked: it can't be handled", "보류됨: 처리할 수 없음"),
        ParkReason::Behind => text!(
            "parked: a version before it can't be handled",
            "보류됨: 앞 버전을 처리할 수 없음"
        ),
        ParkReason::Disputed => text!(
            "parked: another event claims to be it, and they differ",
            "보류됨: 같은 버전이라는 다른 이벤트가 있고 내용이 서로 다름"
        ),
    }
}

/// Why an event whose slow work is done is not written.
pub(super) fn refused(by: Option<&Applier>) -> Text {
    let what = text!(
        "refused: another instance has applied it during the slow work",
        "거부됨: 오래 걸리는 작업을 하는 동안 다른 인스턴스가 반영했음"
    );
    match by {
        Some(by) => what + text!(", ", ": ") + by.named(),
        None => what,
    }
}

/// Why a parked event of this version, which has waited for so long, is handled now.
pub(super) fn turn(turn: Turn, version: Version, waited: Duration) -> Text {
    let waited = seconds(waited);
    let before = version.0.saturating_sub(1);
    match turn {
        Turn::Reached => text!(
            "its turn: v{before} is done, for which v{version} waited {waited}",
            "차례가 됨: v{before} 이벤트가 끝나 {waited} 동안 기다린 v{version} 이벤트를 처리함"
        ),
        Turn::Marked => text!(
            "tried once more, as a person wants, after v{version} was parked for {waited}",
            "{waited} 동안 보류된 v{version} 이벤트를 사람의 지시에 따라 다시 시도함"
        ),
        Turn::Found => text!(
            "its turn: v{version} was parked for {waited}, and nobody was handling it",
            "차례가 됨: v{version} 이벤트가 {waited} 동안 보류되어 있었고 아무도 처리하지 않고 있었음"
        ),
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
) -> Option<Text> {
    let highest = before.version;
    Some(match sequence {
        Sequence::Next => return None,
        Sequence::Late => late(event, delivery, before, by),
        Sequence::Again => text!(
            "{event} took effect again: v{highest} of its order had been applied",
            "{event} 이벤트가 다시 반영됨: 이 주문은 이미 v{highest}까지 반영되어 있었음"
        ),
        Sequence::Early => {
            let next = highest.next();
            text!(
                "{event} took effect before its turn: v{next} of its order has not taken effect yet",
                "{event} 이벤트가 차례보다 먼저 반영됨: 이 주문의 v{next} 이벤트가 아직 반영되지 않았음"
            )
        }
    })
}

fn late(event: &str, delivery: &Delivery, before: &DeliveryBefore, by: Option<&Applier>) -> Text {
    let (highest, id) = (before.version, delivery.id.0);
    let by = by.map_or_else(Text::default, |by| {
        let Text { english, korean } = by.named();
        text!(", applied by {english}", "({korean})")
    });
    let status = |status: &Option<String>| match status {
        Some(status) => status.as_str().into(),
        None => text!("no status", "상태 없음"),
    };
    let (is, was) = (status(&delivery.status), status(&before.status));
    Text {
        english: format!(
            "OUT OF ORDER: {event} took effect after v{highest} of its order{}; delivery {id} is {} and should still be {}",
            by.english, is.english, was.english
        ),
        korean: format!(
            "순서가 뒤바뀜(OUT OF ORDER): {event} 이벤트가 같은 주문의 v{highest}{}보다 늦게 반영됨. 배송 {id}의 상태는 {}이어야 \
             하는데 {}",
            by.korean, was.korean, is.korean
        ),
    }
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
            instance: "delivery-2".into(),
            place: Some(place(5)),
            kind,
        }
    }

    #[test]
    fn a_duplicate_names_who_was_first() {
        let by = applier(ApplyKind::Applied);
        let of = |by: Option<&Applier>, here: Option<Place>| again(Version(2), by, here.as_ref()).english;
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
        assert!(
            refused(Some(&applier(ApplyKind::Applied)))
                .english
                .ends_with("during the slow work, delivery-2 from P0@5")
        );
        assert!(refused(None).english.ends_with("during the slow work"));
    }

    #[test]
    fn what_comes_early_says_what_it_waits_for() {
        let said = |reason, next, worker: Option<&str>| {
            let worker = worker.map(|instance| Worker {
                instance: instance.to_owned(),
                until: Timestamp(0),
            });
            let next = Version(next);
            early(Version(3), &Early { reason, next, worker }, "delivery-2/12").english
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
        let of = |why| turn(why, Version(3), Duration::from_millis(9806)).english;
        assert_eq!(of(Turn::Reached), "its turn: v2 is done, for which v3 waited 9.81s");
        assert!(of(Turn::Found).ends_with("and nobody was handling it"));
        assert!(of(Turn::Marked).contains("as a person wants"));
    }
}
