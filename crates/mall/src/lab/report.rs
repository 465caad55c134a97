//! What came of a run: for people, as JSON, as JUnit's XML.

use lab::checker::{Severity, stories};
use lab::run::{Finding, Report};
use lab::scenario::{Run, WorldName};
use serde_json::{Value, json};
use shop::domain::{Delivery, OrderId};
use shop::text;
use shop::text::Text;

use super::screen::{Colour, Screen};
use crate::console::columns;
use crate::language::LanguageOption;
use crate::verify::report as verdicts;

/// A run of a scenario that has ended.
#[derive(Debug)]
pub struct Outcome {
    pub name: String,
    /// Where the scenario's text stands.
    pub file: String,
    pub world: WorldName,
    pub cure: Text,
    /// Whether another consumer than the one that ships handled the events. No option of the mall helps it.
    pub naive: bool,
    pub report: Report,
}

/// Prints expected beside observed, what was found and why, and what helps; or a line only.
pub fn tell(outcome: &Outcome, screen: Screen, language: LanguageOption, in_full: bool) {
    let (report, read) = (&outcome.report, |text| language.read(text));
    if in_full {
        screen.line("", Colour::Plain);
        rows(report, screen, language);
        causes(outcome, screen, language);
    }
    if !report.findings.is_empty() && (in_full || !report.is_as_expected()) {
        findings(report, screen, language, in_full);
    }
    if let Some(failure) = &report.failure {
        let place = match failure.line {
            Some(line) => format!("{}:{line}: ", outcome.file),
            None => String::new(),
        };
        screen.line(&(place + &read(failure.says.clone())), Colour::Red);
    }
    let colour = if report.is_as_expected() {
        Colour::Green
    } else {
        Colour::Red
    };
    screen.line(&read(answer(outcome)), colour);
}

/// `The row of KIM (order 1) in Delivery_table says: DELIVERY MODIFIED (should be DELIVERY CANCELLED)`
fn rows(report: &Report, screen: Screen, language: LanguageOption) {
    for row in &report.deliveries {
        let Some(order) = row.order_id else { continue };
        let name = named(report, order);
        let is = row.status.as_deref().unwrap_or("null");
        let wrong = report.should.get(&order).filter(|should| **should != is);
        let should = wrong.map_or_else(Text::default, |should| {
            text!(" (should be {should})", " ({should}이어야 함)")
        });
        let says = text!(
            "The row of {name} in Delivery_table says: {is}",
            "Delivery_table의 {name} 행: {is}"; name
        ) + should;
        let colour = if wrong.is_some() { Colour::Red } else { Colour::Plain };
        screen.line(&language.read(says), colour);
    }
}

/// `KIM (order 1)`
fn named(report: &Report, order: OrderId) -> Text {
    let name = report.cast.name(order);
    text!("{name} (order {order})", "{name}({order}번 주문)")
}

/// What was expected, beside what was found. What the stories of `told` orders say is not said again.
fn findings(report: &Report, screen: Screen, language: LanguageOption, told: bool) {
    let widths = report.findings.iter().map(|finding| columns::width(&finding.expected));
    let width = widths.max().unwrap_or(0).min(WIDEST);
    let heading = text!(
        "What the file expects of this run, and behind it what was found (✓ as expected, ✗ not):",
        "파일이 이 실행에서 기대한 것, 그 뒤에 실제로 나온 것(✓ 예상과 같음, ✗ 다름):"
    );
    screen.line(&language.read(heading), Colour::Bold);
    for finding in &report.findings {
        line(finding, width, found(finding, report, told), screen, language);
    }
}

/// What was found. A hazard that did no harm says so.
fn found(finding: &Finding, report: &Report, told: bool) -> Text {
    let Some(verdict) = &finding.verdict else {
        return finding.observed.clone();
    };
    let mut harm = report.judgement.harm();
    match harm.any(|harm| harm.order == verdict.order) {
        true if told => text!("found, see above", "발견됨(위 참고)"),
        true => finding.observed.clone(),
        false => text!("a hazard, which did no harm: ", "위험(hazard)이지만 피해 없음: ") + finding.observed.clone(),
    }
}

/// `✓ inversion KIM             v2 took effect after v3`
fn line(finding: &Finding, width: usize, found: Text, screen: Screen, language: LanguageOption) {
    let expected = columns::left(&finding.expected, width);
    let (sign, colour) = match finding.met {
        true => ("✓", Colour::Green),
        false => ("✗", Colour::Red),
    };
    let observed = language.read(found);
    screen.write(&format!(
        "{} {expected}  {}",
        screen.painted(sign, colour),
        screen.painted(&observed, Colour::Plain)
    ));
}

/// What is expected takes no more columns, so that what was observed stands beside it.
const WIDEST: usize = 48;

/// The stories of the orders that were harmed, as `mall verify` tells them.
fn causes(outcome: &Outcome, screen: Screen, language: LanguageOption) {
    let stories = stories(outcome.report.judgement.verdicts.clone());
    let harmed: Vec<_> = stories
        .iter()
        .filter(|story| story.severity() == Severity::Harm)
        .collect();
    for story in &harmed {
        let plot = verdicts::plot_of(story, &named(&outcome.report, story.order), !outcome.naive);
        screen.lines(&language.read(plot), Colour::Plain);
    }
}

/// What a run is called, in headings and results.
pub fn run_name(run: Run) -> Text {
    match run {
        Run::Broken => text!("broken", "문제 재현 실행(broken)"),
        Run::Fixed => text!("fixed", "고친 실행(fixed)"),
    }
}

/// `zombie, broken: as expected, harm was found`
fn answer(outcome: &Outcome) -> Text {
    let Outcome { name, report, .. } = outcome;
    let run = run_name(report.run);
    let harm = report.judgement.harm().next().is_some();
    match (&report.failure, report.is_as_expected()) {
        (Some(failure), _) if failure.astray => {
            text!("{name}, {run}: it went another way", "{name}, {run}: 다르게 진행됨"; run)
        }
        (Some(_), _) => text!("{name}, {run}: could not be run", "{name}, {run}: 실행하지 못함"; run),
        (None, false) => text!("{name}, {run}: NOT as expected", "{name}, {run}: 예상과 다름"; run),
        (None, true) if harm => text!(
            "{name}, {run}: as expected, harm was found",
            "{name}, {run}: 예상대로 피해 발견"; run
        ),
        (None, true) => text!(
            "{name}, {run}: as expected, no harm",
            "{name}, {run}: 예상대로 피해 없음"; run
        ),
    }
}

/// How many runs came out as expected.
pub fn table(outcomes: &[Outcome], screen: Screen, language: LanguageOption) {
    let all = outcomes.len();
    let good = outcomes
        .iter()
        .filter(|outcome| outcome.report.is_as_expected())
        .count();
    let colour = if good == all { Colour::Green } else { Colour::Red };
    let text = text!(
        "{good} of {all} runs as expected",
        "실행 {all}건 중 {good}건이 예상과 같음"
    );
    screen.line(&language.read(text), colour);
}

/// A run as a line of JSON.
pub fn json(outcome: &Outcome) -> String {
    let Outcome { report, .. } = outcome;
    let finding = |finding: &Finding| {
        json!({
            "line": finding.line,
            "expected": finding.expected,
            "observed": finding.observed.english,
            "met": finding.met,
            "kind": finding.verdict.as_ref().map(|verdict| verdict.severity.to_string()),
        })
    };
    let failure = report.failure.as_ref();
    let stories = stories(report.judgement.verdicts.clone());
    let object = json!({
        "name": outcome.name,
        "run": report.run.word(),
        "world": outcome.world.word(),
        "asExpected": report.is_as_expected(),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "failure": failure.map(|failure| json!({"line": failure.line, "says": failure.says.english, "astray": failure.astray})),
        "stories": stories.iter().map(|story| verdicts::story(story, !outcome.naive)).collect::<Vec<_>>(),
        "doubts": report.judgement.doubts.iter().map(verdicts::doubt).collect::<Vec<_>>(),
        "rows": report.deliveries.iter().map(|row| row_of(row, report)).collect::<Vec<_>>(),
        "cure": outcome.cure.english,
        "observations": report.observations.iter().map(|seen| json!(seen)).collect::<Vec<Value>>(),
    });
    format!("{object}\n")
}

/// The row of a delivery, with the status that it should have.
fn row_of(row: &Delivery, report: &Report) -> Value {
    json!({
        "order": row.order_id.map(|order| order.0),
        "status": row.status,
        "statusShouldBe": row.order_id.and_then(|order| report.should.get(&order)),
    })
}

/// All runs as JUnit's XML, a test suite for each world.
pub fn junit(outcomes: &[Outcome]) -> String {
    let mut worlds: Vec<WorldName> = outcomes.iter().map(|outcome| outcome.world).collect();
    worlds.sort_unstable();
    worlds.dedup();
    let suites: String = worlds.into_iter().map(|world| suite(world, outcomes)).collect();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n{suites}</testsuites>\n")
}

fn suite(world: WorldName, outcomes: &[Outcome]) -> String {
    let of_world: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.world == world).collect();
    let errors = of_world.iter().filter(|outcome| outcome.failed()).count();
    let bad = of_world
        .iter()
        .filter(|outcome| !outcome.report.is_as_expected())
        .count();
    let cases: String = of_world.iter().map(|outcome| case(outcome)).collect();
    format!(
        "  <testsuite name=\"lab.{world}\" tests=\"{}\" failures=\"{}\" errors=\"{errors}\">\n{cases}  </testsuite>\n",
        of_world.len(),
        bad - errors
    )
}

impl Outcome {
    /// Whether the world itself has failed.
    fn failed(&self) -> bool {
        self.report.failure.as_ref().is_some_and(|failure| !failure.astray)
    }
}

fn case(outcome: &Outcome) -> String {
    let Outcome {
        name, world, report, ..
    } = outcome;
    let run: Run = report.run;
    let head = format!("    <testcase classname=\"lab.{world}\" name=\"{} ({run})\"", xml(name));
    if report.is_as_expected() {
        return format!("{head}/>\n");
    }
    let kind = if outcome.failed() { "error" } else { "failure" };
    let missed = report.findings.iter().filter(|finding| !finding.met);
    let missed = missed.map(|finding| format!("expected {}, observed {}", finding.expected, finding.observed.english));
    let failure = report.failure.iter().map(|failure| failure.says.english.clone());
    let says: Vec<String> = failure.chain(missed).collect();
    format!(
        "{head}>\n      <{kind} message=\"{}\"/>\n    </testcase>\n",
        xml(&says.join("; "))
    )
}

/// A text as XML takes it in an attribute. Characters that XML has no way to write are left out.
fn xml(text: &str) -> String {
    let allowed = text.chars().filter(|c| !c.is_control());
    allowed.fold(String::new(), |mut safe, c| {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
        safe
    })
}

#[cfg(test)]
mod tests {
    use lab::checker::Judgement;
    use lab::run::{Cast, Failure};

    use super::*;

    fn outcome(findings: Vec<Finding>, failure: Option<Failure>) -> Outcome {
        Outcome {
            name: "zombie".to_owned(),
            file: "a21-zombie.lab".to_owned(),
            world: WorldName::Simulated,
            cure: "the fence".into(),
            naive: false,
            report: Report {
                run: Run::Broken,
                findings,
                judgement: Judgement::default(),
                deliveries: Vec::new(),
                should: Default::default(),
                cast: Cast::default(),
                observations: Vec::new(),
                failure,
            },
        }
    }

    fn finding(met: bool) -> Finding {
        Finding {
            line: 7,
            expected: "delivery KIM \"DELIVERY MODIFIED\"".to_owned(),
            observed: "<none>".into(),
            met,
            verdict: None,
        }
    }

    fn failure(astray: bool) -> Option<Failure> {
        Some(Failure {
            line: Some(3),
            says: "the port is taken".into(),
            astray,
        })
    }

    #[test]
    fn junit_counts_what_failed_and_what_could_not_be_run() {
        let outcomes = [
            outcome(vec![finding(true)], None),
            outcome(vec![finding(false)], None),
            outcome(vec![], failure(false)),
        ];
        assert_eq!(
            junit(&outcomes),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites>
  <testsuite name=\"lab.simulated\" tests=\"3\" failures=\"1\" errors=\"1\">
    <testcase classname=\"lab.simulated\" name=\"zombie (broken)\"/>
    <testcase classname=\"lab.simulated\" name=\"zombie (broken)\">
      <failure message=\"expected delivery KIM &quot;DELIVERY MODIFIED&quot;, observed &lt;none&gt;\"/>
    </testcase>
    <testcase classname=\"lab.simulated\" name=\"zombie (broken)\">
      <error message=\"the port is taken\"/>
    </testcase>
  </testsuite>
</testsuites>
"
        );
    }

    #[test]
    fn the_answer_tells_apart_what_can_happen() {
        let english = |outcome: &Outcome| answer(outcome).english;
        assert_eq!(
            english(&outcome(vec![finding(true)], None)),
            "zombie, broken: as expected, no harm"
        );
        assert_eq!(
            english(&outcome(vec![finding(false)], None)),
            "zombie, broken: NOT as expected"
        );
        assert_eq!(
            english(&outcome(vec![], failure(true))),
            "zombie, broken: it went another way"
        );
        assert_eq!(
            english(&outcome(vec![], failure(false))),
            "zombie, broken: could not be run"
        );
    }

    #[test]
    fn json_holds_expected_beside_observed() {
        let object: Value = serde_json::from_str(&json(&outcome(vec![finding(false)], failure(true)))).expect("JSON");
        assert_eq!(object["findings"][0]["observed"], "<none>");
        assert_eq!(object["failure"]["line"], 3);
        assert_eq!(
            (&object["run"], &object["asExpected"]),
            (&"broken".into(), &false.into())
        );
    }
}
