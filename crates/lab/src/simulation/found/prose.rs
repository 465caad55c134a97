//! The texts of a scenario that was found.

use shop::text;
use shop::text::Text;
use unicode_width::UnicodeWidthStr;

use super::super::log::LogKind;
use super::super::minimize::Smallest;
use super::draft::{Again, Publishing, Used, Way};

/// What a scenario has to tell of itself.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// The way that it goes.
    pub way: Way,
    /// What it makes use of.
    pub used: Used,
    /// Whether it does no other harm than the history.
    pub exact: bool,
    /// Whether it has a run that shows the cure.
    pub cured: bool,
    /// Whether it came out in each sequence that was tried.
    pub always: bool,
}

/// The lines of the head that readers see.
pub fn head(history: &Smallest, worst: &str, told: Told) -> String {
    let mut sentences = vec![
        summary(history, worst),
        text!(
            "Here its events take effect in the same sequence, on the embedded log.",
            "여기서는 그 이벤트가 내장 로그에서 같은 순서로 반영됩니다."
        ),
    ];
    sentences.extend(stand_ins(history, told));
    if !told.exact {
        sentences.push(text!(
            "Of the harm that the history did, only {worst} has to come here.",
            "이력이 낸 피해 가운데 여기서는 {worst}만 나오면 됩니다."
        ));
    }
    if !told.always {
        sentences.push(text!(
            "In other sequences than the usual one it did not always come out, so no world of real processes is named.",
            "평소와 다른 순서에서는 늘 나오지는 않았으므로 실제 프로세스의 세계는 적지 않았습니다."
        ));
    }
    let cure = match told.cured {
        true => {
            "cure en the fence (--guard version): an event takes effect once, and in its turn\n\
                 cure ko 펜스(--guard version): 이벤트는 한 번, 자기 차례에만 반영\n"
        }
        false => "",
    };
    format!("{}{}{cure}", title(history, worst), explain(&sentences))
}

/// The head of a scenario that is only described.
pub fn described(history: &Smallest, worst: &str, why: &Text) -> String {
    let (title, explain) = (title(history, worst), explain(&[summary(history, worst)]));
    let Text { english, korean } = why;
    format!("{title}described en {english}\ndescribed ko {korean}\n{explain}")
}

/// The history's lines, with what they are.
pub fn carrying(carried: &str) -> String {
    format!("# The history itself. mall lab simulate --replay FILE runs it, step by step.\n{carried}")
}

fn title(history: &Smallest, worst: &str) -> String {
    let seed = history.conditions.seed;
    format!("title en Found by seed {seed}: {worst}\ntitle ko 시드 {seed}에서 찾은 {worst}\n")
}

fn summary(history: &Smallest, worst: &str) -> Text {
    let (seed, length) = (history.conditions.seed, history.length());
    text!(
        "A simulated history with seed {seed} did harm. The smallest one that still does ({worst}) has {length} actions and \
         faults.",
        "시드 {seed}의 시뮬레이션 이력이 피해를 냈습니다. 여전히 피해({worst})를 내는 가장 작은 이력에는 행동과 장애가 \
         {length}개 있습니다."
    )
}

/// What stands for something else in the history.
fn stand_ins(history: &Smallest, Told { way, used, .. }: Told) -> Vec<Text> {
    let mut sentences = vec![match way.publishing {
        Publishing::Relay => text!(
            "The mall's own relay publishes them.",
            "이벤트는 몰의 릴레이가 스스로 발행합니다."
        ),
        Publishing::Scenario => text!(
            "For the relay the scenario itself writes each record, into the partition in which the history had it.",
            "릴레이 대신 시나리오가 각 레코드를 이력에서와 같은 파티션에 씁니다."
        ),
    }];
    if used.twice && way.publishing == Publishing::Relay {
        sentences.push(text!(
            "An event is published twice because the relay dies before it marks what it has sent, whatever the reason was in \
             the history.",
            "이력에서의 까닭이 무엇이었든, 여기서는 릴레이가 보낸 것을 표시하기 전에 죽어 이벤트가 두 번 발행됩니다."
        ));
    }
    if used.again {
        sentences.push(match way.again {
            Again::Crash => text!(
                "Records come again because the instance dies before it commits, whatever the reason was in the history.",
                "이력에서의 까닭이 무엇이었든, 여기서는 인스턴스가 커밋하기 전에 죽어 레코드가 다시 옵니다."
            ),
            Again::SetBack => text!(
                "As a last resort, records come again because the group's position is set back, whatever the reason was in \
                 the history.",
                "이력에서의 까닭이 무엇이었든, 여기서는 마지막 수단으로 그룹의 위치를 되돌려 레코드가 다시 옵니다."
            ),
        });
    }
    if !history.conditions.setup.clocks.is_empty() {
        sentences.push(text!(
            "The clocks of the history were apart; here they are right.",
            "이력에서는 시계가 서로 어긋났지만 여기서는 맞습니다."
        ));
    }
    if matches!(history.conditions.log, LogKind::Kafka(_)) {
        sentences.push(text!(
            "The history happened on simulated brokers.",
            "이력은 시뮬레이션 브로커에서 일어났습니다."
        ));
    }
    sentences
}

fn explain(sentences: &[Text]) -> String {
    let of = |language: fn(&Text) -> &str| wrapped(sentences.iter().flat_map(|text| language(text).split_whitespace()));
    let (english, korean) = (of(|text| &text.english), of(|text| &text.korean));
    format!("explain en\n{english}explain ko\n{korean}")
}

/// These words in lines of a readable width.
fn wrapped<'a>(words: impl Iterator<Item = &'a str>) -> String {
    const WIDTH: usize = 98;
    let (mut lines, mut line) = (String::new(), String::new());
    for word in words {
        if line.width() + 1 + word.width() > WIDTH {
            lines += &format!(" {line}\n");
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &format!(" {line}\n")
}
