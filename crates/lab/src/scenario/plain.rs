//! What the words of a file mean, for readers who don't know its language: in English and in Korean.

use shop::text;
use shop::text::{Text, with_particle};

use super::action::{Choice, Differently, Forged, Key, Producer};
use super::expectation::{Change, Sight, Stage};
use super::names::EventName;
use super::setup::Setting;
use super::words::Span;

/// What can be seen, as `it is applied`, and in Korean as what somebody does, as what is done, and as a name.
struct Words {
    english: &'static str,
    does: &'static str,
    done: &'static str,
    name: &'static str,
}

impl Sight {
    /// Behind `waiting until`; in Korean the whole sentence.
    pub fn awaited(&self) -> Text {
        let english = self.english();
        let korean = self.korean();
        text!("waiting until {english}", "{korean} 때까지 기다림")
    }

    /// That it was seen or not: `KIM v2 is applied by delivery-1`, and in Korean its name: `KIM v2 반영(delivery-1)`.
    pub fn told(&self) -> Text {
        let korean = match self {
            Self::Event { event, stage, by } => {
                let by = by.map_or_else(String::new, |role| format!("({role})"));
                format!("{event} {}{by}", words(*stage).name)
            }
            Self::Process {
                role,
                change,
                partition,
            } => {
                let partition = partition.map_or_else(String::new, |partition| format!("P{partition} "));
                format!("{role} {partition}{}", change_words(*change).name)
            }
        };
        Text {
            english: self.english(),
            korean,
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Event { event, stage, by } => {
                let by = by.map_or_else(String::new, |role| format!(" by {role}"));
                format!("{event} {}{by}", words(*stage).english)
            }
            Self::Process {
                role,
                change,
                partition,
            } => {
                let partition = partition.map_or_else(String::new, |partition| format!(" P{partition}"));
                format!("{role} {}{partition}", change_words(*change).english)
            }
        }
    }

    fn korean(&self) -> String {
        match self {
            Self::Event { event, stage, by } => {
                let Words { does, done, .. } = words(*stage);
                match by {
                    Some(role) => format!("{} {} {does}", subject(role), object(event, *stage)),
                    None if *stage == Stage::Begun => format!("{event} 처리가 {done}"),
                    None => format!("{} {done}", subject(event)),
                }
            }
            Self::Process {
                role,
                change,
                partition,
            } => {
                let what = partition.map_or_else(
                    || "파티션을 ".to_owned(),
                    |number| with_particle(&format!("P{number}"), "을 ", "를 "),
                );
                let what = match change {
                    Change::Assigned | Change::Revoked | Change::Lost => what,
                    _ => String::new(),
                };
                format!("{} {what}{}", subject(role), change_words(*change).does)
            }
        }
    }
}

/// What an instance does something to: the event, or its handling where that is what begins.
fn object(event: &EventName, stage: Stage) -> String {
    match stage {
        Stage::Begun => format!("{event} 처리를"),
        _ => with_particle(&event.to_string(), "을", "를"),
    }
}

fn subject(who: &impl ToString) -> String {
    with_particle(&who.to_string(), "이", "가")
}

fn words(stage: Stage) -> Words {
    let of = |english, does, done, name| Words {
        english,
        does,
        done,
        name,
    };
    match stage {
        Stage::Committed => of("is committed", "커밋할", "커밋될", "커밋"),
        Stage::Published => of("is published", "발행할", "발행될", "발행"),
        Stage::Taken => of("is taken from the log", "로그에서 가져갈", "읽힐", "읽기"),
        Stage::Begun => of("is begun", "시작할", "시작될", "처리 시작"),
        Stage::TriedAgain => of("is tried again", "다시 시도할", "다시 시도될", "다시 시도"),
        Stage::Applied => of("is applied", "반영할", "반영될", "반영"),
        Stage::OutOfOrder => of(
            "is applied out of order",
            "뒤늦게 반영할",
            "뒤늦게 반영될",
            "뒤늦은 반영",
        ),
        Stage::AppliedAgain => of(
            "is applied again",
            "두 번째로 반영할",
            "두 번째로 반영될",
            "두 번째 반영",
        ),
        Stage::AppliedEarly => of(
            "is applied before its turn",
            "차례보다 먼저 반영할",
            "차례보다 먼저 반영될",
            "차례보다 이른 반영",
        ),
        Stage::Duplicate => of(
            "is found to be applied already",
            "이미 반영된 것으로 볼",
            "이미 반영된 것으로 확인될",
            "이미 반영됨을 확인",
        ),
        Stage::Parked => of("is parked", "보류할", "보류될", "보류"),
        Stage::HandedOver => of(
            "is taken up from where it was parked",
            "보류에서 꺼낼",
            "보류에서 꺼내질",
            "보류에서 꺼냄",
        ),
        Stage::Stale => of(
            "is refused when it is to be written",
            "쓰려다 거절당할",
            "쓰기에서 거절될",
            "쓰기 거절",
        ),
        Stage::Poison => of(
            "can't be handled and is parked",
            "처리하지 못해 보류할",
            "처리되지 못해 보류될",
            "처리 불가로 보류",
        ),
        Stage::Buried => of(
            "is made a dead letter",
            "데드 레터로 보낼",
            "데드 레터가 될",
            "데드 레터로 보냄",
        ),
        Stage::Ignored => of("is ignored", "무시할", "무시될", "무시"),
        Stage::PassedOver => of("is passed over", "건너뛸", "건너뛰어질", "건너뜀"),
    }
}

/// What happens to a process. It is always the process that does it.
fn change_words(change: Change) -> Words {
    let of = |english, does, name| Words {
        english,
        does,
        done: does,
        name,
    };
    match change {
        Change::Assigned => of("is assigned", "할당받을", "할당"),
        Change::Revoked => of("gives back", "반납할", "반납"),
        Change::Lost => of("loses", "잃을", "할당 상실"),
        Change::Leads => of(
            "has a relay's lease",
            "릴레이 임대(lease)를 얻을",
            "릴레이 임대(lease) 획득",
        ),
        Change::Started => of("serves", "시작될", "시작"),
        Change::Stopped => of("stops", "종료될", "종료"),
        Change::Killed => of("is killed", "강제 종료될", "강제 종료"),
        Change::Frozen => of("stands still", "정지할", "정지"),
        Change::Woken => of("goes on", "다시 움직일", "다시 움직임"),
    }
}

impl Forged {
    /// What the record says.
    pub fn told(&self) -> Text {
        match self {
            Self::Event(..) => self.to_string().into(),
            Self::Unreadable => text!("(which nobody can read)", "(아무도 읽을 수 없는 내용)"),
        }
    }
}

/// Nothing, if the record is written as the relay would.
impl Producer {
    /// How the record is written, behind a comma.
    pub fn told(&self) -> Text {
        let key = match self.key {
            None => Text::default(),
            Some(Key::Plain) => text!(", with the order's number as key", ", 키: 주문 번호"),
            Some(Key::None) => text!(", without a key", ", 키 없음"),
            Some(Key::Empty) => text!(", with an empty key", ", 빈 키"),
            Some(Key::Quoted) => text!(", with the key in quotes", ", 키: 따옴표로 감싼 주문 번호"),
            Some(Key::Padded) => text!(", with leading zeros in the key", ", 키: 앞에 0을 붙인 주문 번호"),
            Some(Key::Binary) => text!(", with the key as four bytes", ", 키: 4바이트 이진수"),
        };
        let choice = match self.choice {
            Choice::Murmur2 => Text::default(),
            Choice::Crc32 => text!(", with the partitioner CRC32", ", 파티셔너: CRC32"),
            Choice::Assuming(partitions) => text!(
                ", counting {partitions} partition(s) still",
                ", 파티션이 아직 {partitions}개라고 알고 있음"
            ),
            Choice::To(partition) => text!(", to P{partition}", ", P{partition}에"),
        };
        key + choice
    }
}

impl Differently {
    /// What the process is started with, behind a colon.
    pub fn told(&self) -> Text {
        let own = |setting: Setting| Text::from(setting.option());
        let mut parts: Vec<Text> = Vec::new();
        parts.extend(self.key.map(|key| own(Setting::Key(key))));
        parts.extend(self.guard.map(|guard| own(Setting::Guard(guard))));
        parts.extend(self.lanes.map(|lanes| own(Setting::Lanes(lanes))));
        parts.extend(self.modify_delay.map(|time| own(Setting::ModifyDelay(time))));
        if self.mixed {
            parts.push("--mixed".into());
        }
        match parts.is_empty() {
            true => Text::default(),
            false => Text::from(" ") + Text::joined(&parts, " "),
        }
    }
}

impl Setting {
    /// As an option of a role where there is one: `--guard off`.
    fn option(&self) -> String {
        format!("--{self}")
    }

    /// The matter and its value, with the value that it has in the other run: `guard version (was: off)`.
    pub fn changed_from(&self, other: &Self, when: &Text) -> Text {
        let (words, was) = (self.to_string(), other.value());
        let matter = match self {
            Self::Partitions(_) => "파티션 수",
            Self::Deliveries(_) => "배송 인스턴스 수",
            Self::Relays(_) => "릴레이 수",
            Self::Key(_) => "이벤트의 키",
            Self::Guard(_) => "펜스",
            Self::Lanes(_) => "동시에 처리하는 주문 수",
            Self::ModifyDelay(_) => "수정에 걸리는 시간",
            Self::SessionTimeout(_) => "세션 타임아웃",
            Self::GapDeadline(_) => "빠진 버전을 기다리는 시간",
            Self::Consumer(_) => "컨슈머",
            Self::Assignor(_) => "파티션 할당 방식",
            Self::Clock(..) => "시계",
        };
        let named = match self {
            Self::Partitions(_) | Self::Key(_) | Self::Guard(_) | Self::Lanes(_) | Self::ModifyDelay(_) => {
                self.option()
            }
            Self::SessionTimeout(_) | Self::GapDeadline(_) => self.option(),
            _ => self.to_string(),
        };
        Text {
            english: format!("{words} ({}: {was})", when.english),
            korean: format!("{matter}({named}), {}: {was}", when.korean),
        }
    }

    /// The value alone: `off`.
    fn value(&self) -> String {
        match self {
            Self::ModifyDelay(time) | Self::SessionTimeout(time) | Self::GapDeadline(time) => Span(*time).to_string(),
            other => other
                .to_string()
                .split_once(' ')
                .map_or_else(String::new, |(_, value)| value.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse;
    use crate::scenario::{Guard, Step};

    /// What is said of a wait, in both languages.
    fn awaited(sight: &str) -> [String; 2] {
        let text = format!("deliveries 2\nplace KIM\nwait until {sight}\nexpect clean\n");
        let scenario = parse("own.lab", &text).expect("a scenario");
        let waits = scenario.steps.iter().find_map(|line| match &line.says {
            Step::WaitUntil(sight) => Some(sight.awaited()),
            _ => None,
        });
        let Text { english, korean } = waits.expect("a wait");
        [english, korean]
    }

    #[test]
    fn a_wait_is_a_sentence_in_both_languages() {
        for (sight, english, korean) in [
            (
                "KIM v2 begun by delivery-1",
                "waiting until KIM v2 is begun by delivery-1",
                "delivery-1이 KIM v2 처리를 시작할 때까지 기다림",
            ),
            (
                "KIM v3 applied by delivery-2",
                "waiting until KIM v3 is applied by delivery-2",
                "delivery-2가 KIM v3를 반영할 때까지 기다림",
            ),
            (
                "KIM v2 parked",
                "waiting until KIM v2 is parked",
                "KIM v2가 보류될 때까지 기다림",
            ),
            (
                "KIM v2 begun",
                "waiting until KIM v2 is begun",
                "KIM v2 처리가 시작될 때까지 기다림",
            ),
            (
                "delivery-2 assigned P1",
                "waiting until delivery-2 is assigned P1",
                "delivery-2가 P1을 할당받을 때까지 기다림",
            ),
            (
                "order leads",
                "waiting until order has a relay's lease",
                "order가 릴레이 임대(lease)를 얻을 때까지 기다림",
            ),
        ] {
            assert_eq!(awaited(sight), [english, korean]);
        }
    }

    #[test]
    fn a_setting_that_differs_says_what_it_was() {
        let was = text!("was", "앞 실행");
        let Text { english, korean } = Setting::Guard(Guard::Version).changed_from(&Setting::Guard(Guard::Off), &was);
        assert_eq!(english, "guard version (was: off)");
        assert_eq!(korean, "펜스(--guard version), 앞 실행: off");
    }
}
