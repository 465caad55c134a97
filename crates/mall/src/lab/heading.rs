//! What stands above a run and below all of them: how to read it, what is changed, what helps, and the answer.

use lab::scenario::{Action, Run, Step, WorldName};
use shop::text;
use shop::text::Text;

use super::found::Found;
use super::report::{self, Outcome};

/// How events and places are written.
pub fn legend(found: &Found) -> Text {
    let placed = found.scenario.steps.iter().find_map(|line| match &line.says {
        Step::Do(Action::Request(request)) => Some(request.order.to_string()),
        _ => None,
    });
    let name = placed.unwrap_or_else(|| "KIM".to_owned());
    text!(
        "{name} v2 = version 2 of {name}'s order; P0@3 = partition 0, offset 3\n(the delivery service's own events take \
         offsets too)",
        "{name} v2 = {name} 주문의 버전 2, P0@3 = 파티션 0의 오프셋 3\n(배송 서비스의 이벤트도 같은 토픽에서 오프셋을 차지함)"
    )
}

/// Which run it is, what is other than in the other one, and for the fixed one what helps. `second` says that the broken run has
/// been told before.
pub fn heading(found: &Found, run: Run, world: WorldName, second: bool) -> Vec<Text> {
    let (name, scenario) = (&found.name, &found.scenario);
    let run_name = report::run_name(run);
    let place = text!(" (world: {world})", " [실행 환경: {world}]");
    let differs = match run == Run::Fixed && scenario.head.runs.contains(&Run::Broken) {
        true => changes(found, second),
        false => Text::default(),
    };
    let mut lines = vec![
        text!("{name}, {run_name}{differs}{place}", "{name}, {run_name}{differs}{place}"; run_name, differs, place),
    ];
    if run == Run::Fixed {
        lines.push(text!("  what helps: ", "  해결책: ") + scenario.head.cure.clone());
    }
    lines
}

/// The settings of the fixed run that are not those of the broken one: `: guard version (was: off)`.
fn changes(found: &Found, second: bool) -> Text {
    let was = match second {
        true => text!("was", "앞 실행"),
        false => text!("broken run", "문제 재현 실행"),
    };
    let (fixed, broken) = (found.scenario.setup(Run::Fixed), found.scenario.setup(Run::Broken));
    let differences = fixed.differences(&broken);
    let changed: Vec<Text> = differences
        .iter()
        .map(|(now, then)| now.changed_from(then, &was))
        .collect();
    match changed.is_empty() {
        true => text!(": the same settings, other steps", ": 설정은 같고 단계가 다름"),
        false => text!(": ", ": ") + Text::joined(&changed, "; "),
    }
}

/// The answer of the file, once what it speaks of has been seen.
pub fn ending(found: &Found, outcomes: &[Outcome]) -> Text {
    let (name, head) = (&found.name, &found.scenario.head);
    if !outcomes.iter().all(|outcome| outcome.report.is_as_expected()) {
        return Text::default();
    }
    match outcomes.len() == head.runs.len() {
        true => text!("Answer: ", "답: ") + head.answer.clone(),
        false => text!(
            "The answer, which speaks of both runs: mall lab explain {name} --answer",
            "두 실행에 대한 답: mall lab explain {name} --answer"
        ),
    }
}

/// The lines that set this run's mall up.
pub fn settings(found: &Found, run: Run) -> Vec<String> {
    let settings = found.scenario.settings.iter();
    let of_run = settings.filter(|line| line.run.is_none_or(|belongs| belongs == run));
    of_run.map(|line| format!("  {}", line.says)).collect()
}
