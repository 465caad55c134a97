//! What is said of an observation, in both languages. Who saw it and when stands beside it.

use observe::{Applier, Effect, Ending, Event, Place, Reason, Turn, What};
use shop::domain::OrderId;
use shop::text;
use shop::text::Text;

use super::Tone;
use crate::run::Cast;

/// The sentence, and how it is meant. None if there is nothing to tell a reader.
pub(super) fn sentence(what: &What, cast: &Cast) -> Option<(Text, Tone)> {
    let named = |event: &Event| named(event, cast);
    let plain = |text| Some((text, Tone::Plain));
    match what {
        What::Committed { event } => {
            let (event, name) = (named(event), kind(event));
            plain(text!("{event} {name} committed", "{event} {name} 커밋"))
        }
        What::Published { event, place, key } => {
            let (event, place) = (named(event), at(*place));
            plain(match key {
                Some(key) => text!("{event} → {place}, key {key}", "{event} → {place}, 키 {key}"),
                None => text!("{event} → {place}, no key", "{event} → {place}, 키 없음"),
            })
        }
        What::Begun { event, place, takes } => {
            let asked = asked_for(*place);
            let event = standing(named(event), *place);
            let takes = seconds(*takes);
            plain(asked + text!("{event} … takes {takes}", "{event} … {takes} 걸림"))
        }
        What::TriedAgain { event, place, why } => {
            let event = standing(named_or_not(event.as_ref(), cast), *place);
            plain(text!("{event} tries again: {why}", "{event} 다시 시도: {why}"))
        }
        What::HandedOver { event, place, turn, .. } => {
            let event = standing(named(event), *place);
            let says = match turn {
                Turn::Reached => text!("{event} its turn has come", "{event} 차례가 됨"),
                Turn::Marked => text!(
                    "{event} is tried again, as a person wants",
                    "{event} 사람이 요청해 다시 시도"
                ),
                Turn::Found => text!(
                    "{event} was left behind, and is handled now",
                    "{event} 남겨져 있던 것을 처리"
                ),
            };
            Some((says, Tone::Good))
        }
        What::PassedOver { order, version } => {
            let order = cast.name(OrderId(*order));
            plain(text!(
                "{order} v{version} passed over, as a person wanted",
                "{order} v{version} 사람이 요청해 건너뜀"
            ))
        }
        What::Finished {
            event, place, ending, ..
        } => {
            let (says, tone) = finished(&standing(named_or_not(event.as_ref(), cast), *place), ending)?;
            Some((asked_for(*place) + says, tone))
        }
        other => process(other, cast),
    }
}

fn finished(event: &str, ending: &Ending) -> Option<(Text, Tone)> {
    let told = |text, tone| Some((text, tone));
    match ending {
        Ending::Applied(effect) => {
            let status = status(effect);
            told(text!("{event} … {status}", "{event} … {status}"), Tone::Plain)
        }
        Ending::OutOfOrder(effect) | Ending::AppliedAgain(effect) | Ending::AppliedEarly(effect) => {
            let status = status(effect);
            let how = match ending {
                Ending::OutOfOrder(_) => text!(
                    "OUT OF ORDER: later versions came first",
                    "순서 위반: 뒤 버전이 먼저 반영됨"
                ),
                Ending::AppliedAgain(_) => text!("for the second time", "두 번째로 반영"),
                _ => text!("before its turn", "차례보다 먼저 반영"),
            };
            told(
                text!("{event} … {status}, {how}", "{event} … {status}, {how}"; how),
                Tone::Bad,
            )
        }
        Ending::Duplicate { by, .. } => {
            let by = by_whom(by.as_ref());
            let says = text!("{event} changes nothing: it took effect before{by}", "{event} 바뀌는 것 없음: 이미 반영됨{by}"; by);
            told(says, Tone::Good)
        }
        Ending::Early { reason, next, .. } => {
            let says = match reason {
                Reason::Disputed => text!(
                    "{event} is held back: v{next} is disputed",
                    "{event} 보류: v{next} 내용이 서로 다름"
                ),
                _ => text!(
                    "{event} is parked: v{next} comes first",
                    "{event} 보류: v{next}이(가) 먼저"
                ),
            };
            told(says, Tone::Good)
        }
        Ending::Parked { .. } => told(text!("{event} stays parked", "{event} 계속 보류"), Tone::Plain),
        Ending::Stale { by } => {
            let by = by_whom(by.as_ref());
            let says = text!("{event} write refused: it took effect meanwhile{by}", "{event} 쓰기 거절: 그사이 이미 반영됨{by}"; by);
            told(says, Tone::Good)
        }
        Ending::Poison { why } => told(
            text!(
                "{event} can't be handled and is parked: {why}",
                "{event} 처리할 수 없어 보류: {why}"
            ),
            Tone::Good,
        ),
        Ending::Buried { why } => told(
            text!(
                "{event} becomes a dead letter: {why}",
                "{event} 데드 레터로 보냄: {why}"
            ),
            Tone::Bad,
        ),
        Ending::GivenUp => told(text!("{event} is passed over", "{event} 건너뜀"), Tone::Plain),
        Ending::Ignored { why } => told(text!("{event} ignored: {why}", "{event} 무시: {why}"), Tone::Plain),
        Ending::Foreign => None,
    }
}

/// What happened to a process, to a topic, or to a judgement.
fn process(what: &What, cast: &Cast) -> Option<(Text, Tone)> {
    let says = match what {
        What::Assigned { partitions } => {
            let each = partitions
                .iter()
                .map(|given| format!("P{} @{}", given.partition, given.position));
            let each = each.collect::<Vec<_>>().join(", ");
            text!("gets {each}", "할당됨 {each}")
        }
        What::Revoked { partitions } => {
            let all = list(partitions);
            text!("gives back {all}", "반납함 {all}")
        }
        What::Lost { partitions } => {
            let all = list(partitions);
            text!("has lost {all}", "잃음 {all}")
        }
        What::LeaseWon { lease } => text!("has the lease {lease}", "{lease} 임대를 얻음"),
        What::LeaseLost { lease } => text!("has the lease {lease} no longer", "{lease} 임대를 더는 갖고 있지 않음"),
        What::Grown { topic, partitions } => text!(
            "{topic} has {partitions} partitions now",
            "{topic} 파티션이 {partitions}개로 늘어남"
        ),
        What::Started { .. } => text!("serves", "시작됨"),
        What::Stopped => text!("stops", "종료 중"),
        What::Killed => text!("is killed", "강제 종료됨"),
        What::Frozen => text!("stands still", "멈춤"),
        What::Woken => text!("goes on", "다시 움직임"),
        What::Verdict { name, order, harm, .. } => {
            let order = order.map(|order| cast.name(OrderId(order))).unwrap_or_default();
            let tone = if *harm { Tone::Bad } else { Tone::Plain };
            return Some((text!("◀ {name} {order}", "◀ {name} {order}"), tone));
        }
        _ => return None,
    };
    Some((says, Tone::Plain))
}

/// `KIM v2`
fn named(event: &Event, cast: &Cast) -> String {
    let order = cast.name(OrderId(event.order));
    let of = if event.delivery.is_some() { " delivery" } else { "" };
    let version = event
        .version
        .map_or_else(|| "v?".to_owned(), |version| format!("v{version}"));
    format!("{order}{of} {version}")
}

fn named_or_not(event: Option<&Event>, cast: &Cast) -> String {
    event.map_or_else(|| "?".to_owned(), |event| named(event, cast))
}

fn kind(event: &Event) -> &str {
    event.name.as_deref().unwrap_or("?")
}

/// What has no place among the records came from the order service's journal.
fn asked_for(place: Option<Place>) -> Text {
    match place {
        Some(_) => Text::default(),
        None => text!("asked of the order service: ", "주문 서비스에 물어 받음: "),
    }
}

fn standing(event: String, place: Option<Place>) -> String {
    match place {
        Some(place) => format!("{event} {}", at(place)),
        None => event,
    }
}

fn at(place: Place) -> String {
    format!("P{}@{}", place.partition, place.offset)
}

fn status(effect: &Effect) -> &str {
    effect.status.as_deref().unwrap_or("?")
}

fn by_whom(by: Option<&Applier>) -> Text {
    match by {
        Some(applier) => {
            let instance = &applier.instance;
            text!(", by {instance}", " ({instance})")
        }
        None => Text::default(),
    }
}

fn list(partitions: &[u32]) -> String {
    let each: Vec<String> = partitions.iter().map(|partition| format!("P{partition}")).collect();
    each.join(", ")
}

/// `10.00s`
fn seconds(micros: u64) -> String {
    let hundredths = micros / 10_000;
    format!("{}.{:02}s", hundredths / 100, hundredths % 100)
}
