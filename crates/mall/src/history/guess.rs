//! What a learner can guess before a scenario runs: what the delivery that it is about will say, how many there will be, or, where
//! both runs come to the same, whether there is harm. Pure; made of what the scenario expects, and of what one might think.

use lab::run::{Report, stands_so};
use lab::scenario::{Expectation, Name, Row, Run, Scenario, Step};
use shop::domain::{Delivery, OrderEventType};
use shop::text;
use shop::text::Text;

/// One of several things that may come out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What tells it from the others of its scenario.
    pub id: String,
    /// What comes out.
    pub says: Text,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Row(Name, Row),
    Count(Name, u32),
    Harm(bool),
}

/// The statuses, as an order goes through them.
const STATUSES: [OrderEventType; 3] = [
    OrderEventType::Placed,
    OrderEventType::Modified,
    OrderEventType::Cancelled,
];

/// What is to be guessed.
pub fn asks(scenario: &Scenario) -> Text {
    match choices(scenario).pop().map(|choice| choice.what) {
        Some(What::Row(name, _)) => text!(
            "What will {name}'s delivery be in the end?",
            "마지막에 {name}의 배송은 어떻게 될까요?"
        ),
        Some(What::Count(name, _)) => text!(
            "How many deliveries will {name}'s order have?",
            "{name}의 주문에 배송이 몇 건 생길까요?"
        ),
        Some(What::Harm(_)) => text!("Will there be harm?", "피해가 생길까요?"),
        None => Text::default(),
    }
}

/// What may come out, in a sequence that says nothing of which does. None of a scenario that can't be run.
pub fn choices(scenario: &Scenario) -> Vec<Choice> {
    if scenario.head.runs.is_empty() {
        return Vec::new();
    }
    let whats = about_an_order(scenario).unwrap_or_else(|| vec![What::Harm(false), What::Harm(true)]);
    let choice = |(number, what): (usize, What)| Choice {
        id: number.to_string(),
        says: what.says(),
        what,
    };
    whats.into_iter().enumerate().map(choice).collect()
}

/// What may become of an order of which every run says something, and not all the same; or of the only run's last one.
fn about_an_order(scenario: &Scenario) -> Option<Vec<What>> {
    let runs: Vec<Vec<What>> = scenario.head.runs.iter().map(|run| expected(scenario, *run)).collect();
    let all: Vec<&What> = runs.iter().flatten().collect();
    let differs = |what: &&&What| {
        let of = |run: &Vec<What>| {
            run.iter()
                .filter(|other| other.name() == what.name())
                .cloned()
                .collect()
        };
        let each: Vec<Vec<What>> = runs.iter().map(of).collect();
        each.iter().all(|run| !run.is_empty()) && each.iter().any(|run| *run != each[0])
    };
    let about = match runs.len() {
        1 => all.last().copied(),
        _ => all.iter().find(differs).copied(),
    };
    let name = about?.name()?.clone();
    let of_order: Vec<What> = all
        .into_iter()
        .filter(|what| what.name() == Some(&name))
        .cloned()
        .collect();
    let counts = of_order.iter().filter(|what| matches!(what, What::Count(..))).count();
    Some(match counts {
        0 | 1 => rows(&name, &of_order),
        _ => (0..3).map(|count| What::Count(name.clone(), count)).collect(),
    })
}

/// The rows that are expected of an order, none at all if that is expected, and the statuses that one might think of.
fn rows(name: &Name, expected: &[What]) -> Vec<What> {
    let mut whats: Vec<What> = expected
        .iter()
        .filter(|what| matches!(what, What::Count(_, 0)))
        .take(1)
        .cloned()
        .collect();
    for status in STATUSES.map(OrderEventType::delivery_status) {
        let so = |what: &&What| matches!(what, What::Row(_, row) if row.status.as_deref() == Some(status));
        let before = whats.len();
        for what in expected.iter().filter(so) {
            if !whats.contains(what) {
                whats.push(what.clone());
            }
        }
        if whats.len() == before {
            let row = Row {
                status: Some(status.to_owned()),
                ..Row::default()
            };
            whats.push(What::Row(name.clone(), row));
        }
    }
    whats
}

fn expected(scenario: &Scenario, run: Run) -> Vec<What> {
    let expected = scenario.steps(run).filter_map(|line| match &line.says {
        Step::Expect(Expectation::Delivery(name, row)) => Some(What::Row(name.clone(), row.clone())),
        Step::Expect(Expectation::Deliveries(name, count)) => Some(What::Count(name.clone(), *count)),
        _ => None,
    });
    expected.collect()
}

impl Choice {
    /// Whether it came out so.
    pub fn came(&self, report: &Report) -> bool {
        match &self.what {
            What::Harm(harm) => report.judgement.harm().next().is_some() == *harm,
            What::Count(name, count) => rows_of(report, name).len() == *count as usize,
            What::Row(name, row) => rows_of(report, name)
                .into_iter()
                .max_by_key(|delivery| delivery.id)
                .is_some_and(|delivery| stands_so(row, delivery)),
        }
    }
}

fn rows_of<'a>(report: &'a Report, name: &Name) -> Vec<&'a Delivery> {
    let order = report.cast.order(name);
    let rows = report.deliveries.iter();
    rows.filter(|row| order.is_some() && row.order_id == order).collect()
}

impl What {
    fn name(&self) -> Option<&Name> {
        match self {
            Self::Row(name, _) | Self::Count(name, _) => Some(name),
            Self::Harm(_) => None,
        }
    }

    fn says(&self) -> Text {
        match self {
            Self::Harm(false) => text!(
                "No: every event takes effect once, in its order",
                "아니요. 모든 이벤트가 한 번씩 순서대로 반영됩니다"
            ),
            Self::Harm(true) => text!("Yes: an order breaks", "예. 순서가 깨지는 주문이 있습니다"),
            Self::Count(_, 0) => text!("no delivery", "배송 없음"),
            Self::Count(_, 1) => text!("one delivery", "배송 1건"),
            Self::Count(_, count) => text!("{count} deliveries", "배송 {count}건"),
            Self::Row(_, row) => {
                let status = Text::from(row.status.clone().unwrap_or_default());
                let qty = row.qty.map(|qty| text!(", {qty} pieces", ", {qty}개"));
                let to = row
                    .address
                    .as_ref()
                    .map(|address| text!(", to {address}", ", 배송지 {address}"));
                [qty, to].into_iter().flatten().fold(status, |said, more| said + more)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::found::shipped;

    fn of(name: &str) -> (String, Vec<String>) {
        let all = shipped();
        let found = all.iter().find(|found| found.name == name).expect(name);
        let choices = choices(&found.scenario).into_iter();
        (
            asks(&found.scenario).english,
            choices.map(|choice| choice.says.english).collect(),
        )
    }

    #[test]
    fn what_is_asked_is_what_differs_between_the_runs() {
        let statuses = ["DELIVERY STARTED", "DELIVERY MODIFIED", "DELIVERY CANCELLED"];
        assert_eq!(of("missing-key").0, "What will KIM's delivery be in the end?");
        assert_eq!(of("missing-key").1, statuses);
        assert_eq!(of("lesson-1").0, "What will KIM's delivery be in the end?");
        let two_sites = [
            "DELIVERY STARTED",
            "DELIVERY MODIFIED, to DAEGU",
            "DELIVERY MODIFIED, to SEOUL",
        ];
        assert_eq!(of("two-active-sites").1[..3], two_sites);
        assert_eq!(
            of("poison-event").1[1..3],
            ["DELIVERY MODIFIED, 3 pieces", "DELIVERY MODIFIED, 5 pieces"]
        );
        assert_eq!(of("redelivery").1, ["no delivery", "one delivery", "2 deliveries"]);
        assert_eq!(of("removed-event").1[0], "no delivery");
        assert_eq!(of("hot-key").0, "Will there be harm?");
        assert_eq!(of("new-partition-read-from-its-end").0, "Will there be harm?");
        assert_eq!(of("kafka-transaction"), (String::new(), Vec::new()));
    }

    #[test]
    fn every_scenario_that_can_be_run_has_choices_of_which_each_differs() {
        for found in shipped() {
            let choices = choices(&found.scenario);
            assert_eq!(
                choices.is_empty(),
                found.scenario.head.runs.is_empty(),
                "{}",
                found.name
            );
            for (at, choice) in choices.iter().enumerate() {
                assert!(
                    choices[at + 1..].iter().all(|other| other.says != choice.says),
                    "{}",
                    found.name
                );
            }
        }
    }
}
