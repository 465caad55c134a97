//! What is said of an observation, in both languages. Who saw it and when stands beside it.

use observe::{Applier, Assignment, Effect, Ending, Event, Observation, Place, Reason, Turn, What};
use shop::domain::OrderId;
use shop::text;
use shop::text::{Text, with_particle};

use super::Tone;
use crate::run::Cast;

/// The sentence, and how it is meant. None if there is nothing to tell a reader.
pub(super) fn sentence(seen: &Observation, cast: &Cast) -> Option<(Text, Tone)> {
    let what = &seen.what;
    let named = |event: &Event| named(event, cast);
    let plain = |text| Some((text, Tone::Plain));
    match what {
        What::Committed { event } => {
            let (name, kind, number) = (named(event), kind(event), number(event));
            plain(text!("{name} {kind} committed{number}", "{name} {kind} 커밋{number}"; number))
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
            plain(text!("{event} tries again: {why}", "{event} 다시 시도: \"{why}\""))
        }
        What::HandedOver { event, place, turn, .. } => {
            let version = event.version.unwrap_or_default();
            let event = standing(named(event), *place);
            let says = match turn {
                Turn::Reached => reached(&event, version),
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
            let name = standing(named_or_not(event.as_ref(), cast), *place);
            let (says, tone) = finished(&name, &version(event.as_ref()), ending)?;
            Some((asked_for(*place) + says, tone))
        }
        other => process(other, seen, cast),
    }
}

fn finished(event: &str, version: &str, ending: &Ending) -> Option<(Text, Tone)> {
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
                    "OUT OF ORDER: a later version came first",
                    "순서 뒤바뀜(OUT OF ORDER): 뒤 버전이 먼저 반영됨"
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
                _ => {
                    let missing = with_particle(&format!("v{next}"), "을", "를");
                    text!(
                        "{event} is parked: v{next} comes first",
                        "{event} 보류: 앞선 {missing} 기다림"
                    )
                }
            };
            told(says, Tone::Good)
        }
        Ending::Parked { .. } => told(text!("{event} stays parked", "{event} 계속 보류"), Tone::Plain),
        Ending::Stale { by } => told(refused(event, version, by.as_ref()), Tone::Good),
        Ending::Poison { why } => told(
            text!(
                "{event} can't be handled and is parked: {why}",
                "{event} 처리할 수 없어 보류: \"{why}\""
            ),
            Tone::Good,
        ),
        Ending::Buried { why } => told(
            text!(
                "{event} becomes a dead letter: {why}",
                "{event} 데드 레터로 보냄: \"{why}\""
            ),
            Tone::Bad,
        ),
        Ending::GivenUp => told(text!("{event} is passed over", "{event} 건너뜀"), Tone::Plain),
        Ending::Ignored { why } => told(text!("{event} ignored: {why}", "{event} 무시: \"{why}\""), Tone::Plain),
        Ending::Foreign => None,
    }
}

/// What was done is not written, since somebody else has done it.
fn refused(event: &str, version: &str, by: Option<&Applier>) -> Text {
    match by {
        Some(Applier { instance, .. }) => text!(
            "{event} write refused: {instance} has already applied {version}",
            "{event} 쓰기 거절: 이미 {instance}에서 {version} 반영됨"
        ),
        None => text!(
            "{event} write refused: {version} has already been applied",
            "{event} 쓰기 거절: {version} 이미 반영됨"
        ),
    }
}

/// What happened to a process, to a topic, or to a judgement.
fn process(what: &What, seen: &Observation, cast: &Cast) -> Option<(Text, Tone)> {
    let says = match what {
        What::Assigned { partitions } => {
            let each: Vec<Text> = partitions.iter().map(given).collect();
            let each = Text::joined(&each, "; ");
            text!("gets {each}", "{each}"; each)
        }
        What::Revoked { partitions } => {
            let all = list(partitions);
            text!("gives back {all}", "{all} 반납")
        }
        What::Lost { partitions } => {
            let all = list(partitions);
            text!("has lost {all}", "{all} 할당 상실")
        }
        What::LeaseWon { lease } => {
            let lease = leased(lease);
            text!("has {lease}", "{lease} 획득"; lease)
        }
        What::LeaseLost { lease } => {
            let lease = leased(lease);
            text!("no longer has {lease}", "{lease} 상실"; lease)
        }
        What::Grown { topic, partitions } => grown(topic, *partitions, &seen.who),
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

/// The topic has more partitions: its own observation of that, or that of a process which has counted them.
fn grown(topic: &str, partitions: u32, who: &str) -> Text {
    match who == topic {
        true => text!("has {partitions} partitions now", "파티션이 {partitions}개로 늘어남"),
        false => text!(
            "has noticed that the topic has {partitions} partitions now",
            "토픽의 파티션이 {partitions}개로 늘어난 것을 확인"
        ),
    }
}

/// A parked event is taken up by whoever did the last version before it, whatever partition that one reads.
fn reached(event: &str, version: i64) -> Text {
    let before = format!("v{}", version - 1);
    let done = with_particle(&before, "을", "를");
    text!(
        "{event} its turn has come: whoever applies {before} goes on with what waited for it",
        "{event} 차례가 됨: {done} 반영한 쪽이 이를 기다리던 이벤트도 이어서 처리"
    )
}

fn given(given: &Assignment) -> Text {
    let Assignment {
        partition, position, ..
    } = given;
    text!(
        "P{partition}, from offset {position}",
        "P{partition} 할당됨, 오프셋 {position}부터"
    )
}

/// What a relay holds while it publishes.
fn leased(lease: &str) -> Text {
    match lease {
        "relay/orders" => text!("the relay's lease for order events", "주문 이벤트 릴레이 임대(lease)"),
        "relay/deliveries" => text!(
            "the relay's lease for delivery events",
            "배송 이벤트 릴레이 임대(lease)"
        ),
        other => text!("the lease {other}", "{other} 임대(lease)"),
    }
}

/// The number that the order service has given the order, told once, with its first event.
fn number(event: &Event) -> Text {
    let order = event.order;
    match (event.version, event.delivery) {
        (Some(1), None) => text!(" (order {order})", "({order}번 주문)"),
        _ => Text::default(),
    }
}

/// `KIM v2`
fn named(event: &Event, cast: &Cast) -> String {
    let order = cast.name(OrderId(event.order));
    let of = if event.delivery.is_some() { " delivery" } else { "" };
    let version = version(Some(event));
    format!("{order}{of} {version}")
}

/// `v2`
fn version(event: Option<&Event>) -> String {
    let version = event.and_then(|event| event.version);
    version.map_or_else(|| "v?".to_owned(), |version| format!("v{version}"))
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
