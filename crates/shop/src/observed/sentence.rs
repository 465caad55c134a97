//! Observations as sentences, in the language of the reader.
//!
//! ```text
//!   OrderPlaced order=2 v1 → P1@0, key 2
//!   OrderModified order=2 v2 P1@7 … DELIVERY MODIFIED 10.01s
//!   OrderCancelled order=2 v3 P0@4 … early: v3 waits; v2 is still being worked on by delivery-1
//! ```

use std::fmt;
use std::time::Duration;

use observe::{Applier, Ending, Event, Place, What};

use super::reasons::{self, seconds};
use crate::text;
use crate::text::{Language, Text};

/// An observation as a sentence, which is written out only where it is displayed.
#[derive(Clone, Copy)]
pub struct Sentence<'a> {
    /// What happened.
    pub what: &'a What,
    /// The reader's language.
    pub language: Language,
}

/// An observation as a sentence in both languages.
pub fn text(what: &What) -> Text {
    if let Some(meaning) = meaning(what, None) {
        return meaning;
    }
    let [english, korean] =
        [Language::English, Language::Korean].map(|language| Sentence { what, language }.to_string());
    Text { english, korean }
}

/// What it means that an event took effect where it did, if that was not its place; `by` is who applied the latest one, where
/// that is known.
pub(crate) fn meaning(what: &What, by: Option<&Applier>) -> Option<Text> {
    match what {
        What::Finished {
            event: Some(event),
            place,
            ending,
            ..
        } => reasons::sequence(ending, &Head(Some(event), *place).to_string(), by),
        _ => None,
    }
}

/// Names a record as `OrderModified order=2 v2 P1@7`: type, order, version, and its place in the log. Of a record that can't be
/// read there is only the place.
pub(crate) struct Head<'a>(pub Option<&'a Event>, pub Option<Place>);

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(event) = self.0.filter(|event| event.name.is_some()) {
            write!(f, "{} ", Named(event))?;
        }
        match self.1 {
            Some(Place { partition, offset }) => write!(f, "P{partition}@{offset}"),
            None => f.write_str("from the order service"),
        }
    }
}

/// Names an event as `DeliveryModified order=2 delivery=1 v2`.
struct Named<'a>(&'a Event);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event {
            order,
            delivery,
            version,
            name,
        } = self.0;
        write!(f, "{} order={order}", name.as_deref().unwrap_or("event"))?;
        if let Some(delivery) = delivery {
            write!(f, " delivery={delivery}")?;
        }
        match version {
            Some(version) => write!(f, " v{version}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let language = self.language;
        match self.what {
            What::Published { event, place, key } => self.published(event, *place, key.as_deref(), f),
            What::Finished {
                event,
                place,
                took,
                ending,
                ..
            } => match ending.effect() {
                Some(effect) => {
                    let status = effect.status.as_deref().unwrap_or("no status");
                    let (head, took) = (Head(event.as_ref(), *place), seconds(Duration::from_micros(*took)));
                    write!(f, "{head} … {status} {took}")
                }
                None => {
                    let why = ended(event.as_ref(), *place, ending);
                    self.about(event.as_ref(), *place, why, f)
                }
            },
            What::Begun { event, place, takes } => {
                let takes = seconds(Duration::from_micros(*takes));
                self.about(Some(event), *place, text!("takes {takes}", "{takes} 걸림"), f)
            }
            What::TriedAgain { event, place, why } => {
                let why = text!("{why}; it is tried again", "{why}. 다시 시도함");
                self.about(event.as_ref(), *place, why, f)
            }
            What::HandedOver {
                event,
                place,
                turn,
                waited,
            } => {
                let version = event.version.unwrap_or_default();
                let why = reasons::turn(*turn, version, Duration::from_micros(*waited));
                self.about(Some(event), *place, why, f)
            }
            What::Taken { event, place, .. } => self.about(
                event.as_ref(),
                Some(*place),
                text!("taken from the log", "로그에서 가져옴"),
                f,
            ),
            What::Skipped { event, place, .. } => {
                let why = text!("done before, says the last commit", "이미 처리됨(마지막 커밋의 기록)");
                self.about(event.as_ref(), Some(*place), why, f)
            }
            What::Committed { event } => {
                let event = Named(event);
                f.write_str(&text!("{event} committed", "{event} 커밋됨").into_language(language))
            }
            other => f.write_str(&of_role(other).into_language(language)),
        }
    }
}

impl Sentence<'_> {
    fn about(&self, event: Option<&Event>, place: Option<Place>, why: Text, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} … {}", Head(event, place), why.into_language(self.language))
    }

    fn published(&self, event: &Event, place: Place, key: Option<&str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → P{}@{}, ", Named(event), place.partition, place.offset)?;
        match (key, self.language) {
            (Some(key), Language::English) => write!(f, "key {key}"),
            (Some(key), Language::Korean) => write!(f, "키 {key}"),
            (None, Language::English) => f.write_str("no key: round robin"),
            (None, Language::Korean) => f.write_str("키 없음: 라운드로빈"),
        }
    }
}

/// What became of a record that had no effect.
fn ended(event: Option<&Event>, place: Option<Place>, ending: &Ending) -> Text {
    let version = event.and_then(|event| event.version).unwrap_or_default();
    match ending {
        Ending::Duplicate { by, why: None } => reasons::again(version, by.as_ref(), place),
        Ending::Duplicate { why: Some(why), .. } => text!(
            "{why}; nothing is done about it, as its version took effect before, or was passed over",
            "{why}. 그 버전은 이미 반영되었거나 건너뛰었으므로 아무것도 하지 않음"
        ),
        Ending::Early { reason, next, worker } => reasons::early(version, *reason, *next, worker.as_ref()),
        Ending::Parked { reason } => reasons::parked(*reason),
        Ending::Stale { by } => reasons::refused(by.as_ref()),
        Ending::Poison { why } => {
            let order = event.map(|event| event.order).unwrap_or_default();
            text!(
                "{why}; order {order} waits from here on, see mall parked",
                "{why}. {order}번 주문은 여기서부터 기다림. mall parked 참고"
            )
        }
        Ending::Buried { why } => text!("{why}; it goes to the dead letters", "{why}. 데드 레터로 보냄"),
        Ending::GivenUp => text!(
            "passed over: a person has marked this version",
            "건너뜀: 사람이 이 버전을 버리도록 지시했음(mall parked discard)"
        ),
        Ending::Ignored { why } => text!("ignored: {why}", "무시함: {why}"),
        Ending::Foreign => text!("no order's event", "주문 이벤트가 아님"),
        Ending::Applied(_) | Ending::OutOfOrder(_) | Ending::AppliedAgain(_) | Ending::AppliedEarly(_) => {
            text!("took effect", "반영됨")
        }
    }
}

/// What has happened to a role, or to an order without a record.
fn of_role(what: &What) -> Text {
    let names = |partitions: &[u32]| {
        let names: Vec<String> = partitions.iter().map(|number| format!("P{number}")).collect();
        names.join(", ")
    };
    match what {
        What::Assigned { partitions } => {
            let each = partitions
                .iter()
                .map(|each| format!("P{} from {} on (epoch {})", each.partition, each.position, each.epoch));
            let each = each.collect::<Vec<_>>().join(", ");
            text!("assigned: {each}", "할당됨: {each}")
        }
        What::Revoked { partitions } => {
            let names = names(partitions);
            text!("given back: {names}", "반납함: {names}")
        }
        What::Lost { partitions } => {
            let names = names(partitions);
            text!("lost: {names}", "잃음: {names}")
        }
        What::Rewound { partition, offset, .. } => text!(
            "P{partition} has gone back to {offset}, and is read from there",
            "P{partition}의 로그가 {offset}(으)로 되돌아가 거기부터 다시 읽음"
        ),
        What::OffsetCommitted { partition, position } => text!(
            "committed: P{partition} up to {position}",
            "오프셋 커밋됨: P{partition}의 {position} 앞까지"
        ),
        What::OffsetRefused { partition, position } => text!(
            "commit refused: P{partition} up to {position}, as the partition is somebody else's by now",
            "오프셋 커밋이 거절됨: P{partition}의 {position} 앞까지. 파티션이 이미 다른 멤버의 것임"
        ),
        What::PassedOver { order, version } => text!(
            "order={order} v{version} … passed over for good, as it was marked",
            "order={order} v{version} … 사람의 지시대로 버려졌음. 다시 반영되지 않음"
        ),
        What::LeaseWon { lease } => text!("has the lease {lease}", "{lease} 임대를 얻음"),
        What::LeaseLost { lease } => text!("has the lease {lease} no longer", "{lease} 임대를 더는 갖고 있지 않음"),
        What::Grown { topic, partitions } => text!(
            "topic {topic} has {partitions} partitions now",
            "{topic} 토픽의 파티션이 {partitions}개로 늘어남"
        ),
        What::Verdict {
            name, english, korean, ..
        } => text!("{name}: {english}", "{name}: {korean}"),
        What::Started { .. } => text!("started", "시작됨"),
        What::Stopped => text!("stopping", "종료 중"),
        What::Killed => text!("killed", "강제 종료됨"),
        What::Frozen => text!("frozen", "멈춤"),
        What::Woken => text!("goes on", "다시 움직임"),
        about_records => about_records.kind().into(),
    }
}

#[cfg(test)]
mod tests {
    use observe::{Before, Effect, Turn};

    use super::*;

    const PLACE: Place = Place {
        partition: 1,
        offset: 6,
    };

    fn event(name: &'static str, delivery: Option<i64>) -> Event {
        Event {
            order: 2,
            delivery,
            version: Some(3),
            name: Some(name.into()),
        }
    }

    fn finished(event: Event, place: Option<Place>, ending: Ending) -> What {
        What::Finished {
            event: Some(event),
            place,
            epoch: None,
            took: 10_011_000,
            ending,
        }
    }

    fn effect(before: Option<Before>) -> Effect {
        Effect {
            delivery: 5,
            status: Some("DELIVERY MODIFIED".into()),
            before,
        }
    }

    #[test]
    fn a_published_event_says_where_it_stands_and_why() {
        let said = |event, key: Option<&str>| {
            let key = key.map(str::to_owned);
            let Text { english, korean } = text(&What::Published {
                event,
                place: PLACE,
                key,
            });
            [english, korean]
        };
        assert_eq!(
            said(event("OrderModified", None), None),
            [
                "OrderModified order=2 v3 → P1@6, no key: round robin",
                "OrderModified order=2 v3 → P1@6, 키 없음: 라운드로빈"
            ]
        );
        assert_eq!(
            said(event("DeliveryModified", Some(7)), Some("2")),
            [
                "DeliveryModified order=2 delivery=7 v3 → P1@6, key 2",
                "DeliveryModified order=2 delivery=7 v3 → P1@6, 키 2"
            ]
        );
    }

    #[test]
    fn a_record_says_what_became_of_it() {
        let modified = || event("OrderModified", None);
        let said = |what| text(&what).english;
        assert_eq!(
            said(finished(modified(), Some(PLACE), Ending::Applied(effect(None)))),
            "OrderModified order=2 v3 P1@6 … DELIVERY MODIFIED 10.01s"
        );
        assert_eq!(
            said(finished(modified(), None, Ending::Stale { by: None })),
            "OrderModified order=2 v3 from the order service … refused: another instance has applied it during the slow work"
        );
        let why = || "the value is not JSON".to_owned();
        let unreadable = Event {
            name: None,
            ..modified()
        };
        assert_eq!(
            said(finished(unreadable, Some(PLACE), Ending::Poison { why: why() })),
            "P1@6 … the value is not JSON; order 2 waits from here on, see mall parked"
        );
        assert_eq!(
            said(What::HandedOver {
                event: modified(),
                place: Some(PLACE),
                turn: Turn::Reached,
                waited: 9_806_000
            }),
            "OrderModified order=2 v3 P1@6 … its turn: v2 is done, for which v3 waited 9.81s"
        );
    }

    #[test]
    fn an_effect_out_of_order_says_what_should_be() {
        let before = Some(Before {
            version: 4,
            status: Some("DELIVERY CANCELLED".to_owned()),
        });
        let what = finished(
            event("OrderModified", None),
            Some(PLACE),
            Ending::OutOfOrder(effect(before)),
        );
        assert_eq!(
            text(&what).english,
            "OUT OF ORDER: OrderModified order=2 v3 P1@6 took effect after v4 of its order; delivery 5 is DELIVERY MODIFIED \
             and should still be DELIVERY CANCELLED"
        );
        let (what, language) = (&what, Language::English);
        assert_eq!(
            Sentence { what, language }.to_string(),
            "OrderModified order=2 v3 P1@6 … DELIVERY MODIFIED 10.01s",
            "the line that comes first"
        );
    }
}
