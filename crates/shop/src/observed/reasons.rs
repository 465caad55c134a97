//! Why an event took effect where it did, or not at all: the sentences behind its line, as functions of what is known.

use std::time::Duration;

use observe::{Applier, Before, Effect, Ending, Place, Reason, Turn, Worker};

use crate::text;
use crate::text::Text;

pub(super) fn seconds(time: Duration) -> String {
    format!("{:.2}s", time.as_secs_f64())
}

/// `delivery-2 from P0@5`
fn named(by: &Applier) -> Text {
    let instance = instance(&by.instance, by.own);
    match &by.place {
        Some(Place { partition, offset }) => instance + text!(" from P{partition}@{offset}", ", P{partition}@{offset}"),
        None => instance,
    }
}

fn instance(name: &str, own: bool) -> Text {
    match own {
        true => text!("this instance", "이 인스턴스"),
        false => name.into(),
    }
}

/// Why an event of this version that comes again does nothing. `here` is the place of its record.
pub(super) fn again(version: i64, by: Option<&Applier>, here: Option<Place>) -> Text {
    let Some(by) = by else {
        return text!(
            "again: v{version} took effect before, or was passed over",
            "중복: v{version} 이벤트는 이미 반영되었거나 건너뛰었음"
        );
    };
    let instance = &instance(&by.instance, by.own);
    if by.discarded {
        return text!(
            "again: {instance} passed v{version} over, as a person wanted",
            "중복: v{version} 이벤트를 사람의 지시에 따라 건너뛰었음: {instance}"; instance
        );
    }
    if by.place.is_some() && by.place == here {
        return text!(
            "again: {instance} has applied v{version} from this record before",
            "중복: 바로 이 레코드의 v{version} 이벤트를 이미 반영했음: {instance}"; instance
        );
    }
    text!(
        "again: v{version} was applied before, by ",
        "중복: v{version} 이벤트는 이미 반영되었음: "
    ) + named(by)
}

/// What an event of this version, which came before its turn, waits for: `next`, on which `worker` may be working.
pub(super) fn early(version: i64, reason: Reason, next: i64, worker: Option<&Worker>) -> Text {
    let worker = worker.map(|worker| instance(&worker.instance, worker.own));
    match (reason, worker) {
        (Reason::Behind, None) => text!(
            "early: v{version} waits behind v{next}, which can't be handled; see mall parked",
            "먼저 도착함: v{version} 이벤트가 처리할 수 없는 v{next} 이벤트 뒤에서 기다림. mall parked 참고"
        ),
        (_, Some(worker)) if next == version => text!(
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
pub(super) fn parked(reason: Reason) -> Text {
    match reason {
        Reason::Gap => text!(
            "parked: a version before it has not been applied",
            "보류됨: 앞 버전이 아직 반영되지 않음"
        ),
        Reason::Poison => text!("parked: it can't be handled", "보류됨: 처리할 수 없음"),
        Reason::Behind => text!(
            "parked: a version before it can't be handled",
            "보류됨: 앞 버전을 처리할 수 없음"
        ),
        Reason::Disputed => text!(
            "parked: another event claims to be it, and they differ",
            "보류됨: 같은 버전이라는 다른 이벤트가 있고 내용이 서로 다름"
        ),
    }
}

/// Why an event whose slow work is done is not written.
pub(super) fn refused(by: Option<&Applier>) -> Text {
    let what = text!(
        "refused: another instance has applied it during the slow work",
        "거절됨: 오래 걸리는 작업을 하는 동안 다른 인스턴스가 반영했음"
    );
    match by {
        Some(by) => what + text!(", ", ": ") + named(by),
        None => what,
    }
}

/// Why a parked event of this version, which has waited for so long, is handled now.
pub(super) fn turn(turn: Turn, version: i64, waited: Duration) -> Text {
    let waited = seconds(waited);
    let before = version.saturating_sub(1);
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
/// the lines name the event, and `by` is who applied the latest one, where that is known.
pub(super) fn sequence(ending: &Ending, event: &str, by: Option<&Applier>) -> Option<Text> {
    let before = |effect: &Effect| effect.before.clone().unwrap_or_default();
    Some(match ending {
        Ending::OutOfOrder(effect) => late(event, effect, &before(effect), by),
        Ending::AppliedAgain(effect) => {
            let highest = before(effect).version;
            text!(
                "{event} took effect again: v{highest} of its order had been applied",
                "{event} 이벤트가 다시 반영됨: 이 주문은 이미 v{highest}까지 반영되어 있었음"
            )
        }
        Ending::AppliedEarly(effect) => {
            let next = before(effect).version + 1;
            text!(
                "{event} took effect before its turn: v{next} of its order has not taken effect yet",
                "{event} 이벤트가 차례보다 먼저 반영됨: 이 주문의 v{next} 이벤트가 아직 반영되지 않았음"
            )
        }
        _ => return None,
    })
}

fn late(event: &str, effect: &Effect, before: &Before, by: Option<&Applier>) -> Text {
    let (highest, id) = (before.version, effect.delivery);
    let by = by.map_or_else(Text::default, |by| {
        let Text { english, korean } = named(by);
        text!(", applied by {english}", "({korean})")
    });
    let status = |status: Option<&str>| match status {
        Some(status) => status.into(),
        None => text!("no status", "상태 없음"),
    };
    let (is, was) = (status(effect.status.as_deref()), status(before.status.as_deref()));
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
    use super::*;

    const HERE: Place = Place {
        partition: 0,
        offset: 7,
    };

    fn applier() -> Applier {
        Applier {
            instance: "delivery-2".to_owned(),
            own: false,
            place: Some(Place {
                partition: 0,
                offset: 5,
            }),
            discarded: false,
        }
    }

    #[test]
    fn a_duplicate_names_who_was_first() {
        let by = applier();
        let of = |by: Option<&Applier>, here: Option<Place>| again(2, by, here).english;
        assert_eq!(
            of(Some(&by), Some(HERE)),
            "again: v2 was applied before, by delivery-2 from P0@5"
        );
        assert_eq!(
            of(Some(&by), by.place),
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
        let own = Applier {
            own: true,
            ..by.clone()
        };
        assert!(of(Some(&own), Some(HERE)).ends_with("by this instance from P0@5"));
        let discarded = Applier { discarded: true, ..by };
        assert_eq!(
            of(Some(&discarded), None),
            "again: delivery-2 passed v2 over, as a person wanted"
        );
        assert_eq!(of(None, None), "again: v2 took effect before, or was passed over");
    }

    #[test]
    fn a_zombie_hears_who_was_faster() {
        assert!(
            refused(Some(&applier()))
                .english
                .ends_with("during the slow work, delivery-2 from P0@5")
        );
        assert!(refused(None).english.ends_with("during the slow work"));
    }

    #[test]
    fn what_comes_early_says_what_it_waits_for() {
        let said = |reason, next, worker: Option<(&str, bool)>| {
            let worker = worker.map(|(instance, own)| Worker {
                instance: instance.to_owned(),
                own,
            });
            early(3, reason, next, worker.as_ref()).english
        };
        let of = |worker| said(Reason::Gap, 2, worker);
        assert_eq!(
            of(Some(("delivery-1", false))),
            "early: v3 waits; v2 is still being worked on by delivery-1"
        );
        assert!(of(Some(("delivery-2", true))).ends_with("by this instance"));
        assert_eq!(of(None), "early: v3 waits; v2 has not been applied yet");
        assert_eq!(
            said(Reason::Gap, 3, Some(("delivery-1", false))),
            "v3 has its turn, and delivery-1 handles it"
        );
        assert!(said(Reason::Behind, 2, None).contains("v2, which can't be handled"));
        assert!(
            said(Reason::Behind, 2, Some(("x", false))).contains("being worked on by x"),
            "it is tried again"
        );
    }

    #[test]
    fn a_turn_says_what_was_waited_for() {
        let of = |why| turn(why, 3, Duration::from_millis(9806)).english;
        assert_eq!(of(Turn::Reached), "its turn: v2 is done, for which v3 waited 9.81s");
        assert!(of(Turn::Found).ends_with("and nobody was handling it"));
        assert!(of(Turn::Marked).contains("as a person wants"));
    }
}
