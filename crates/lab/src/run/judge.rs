//! Compares what was expected of a run with what came of it.

use observe::Observation;
use shop::domain::{Delivery, OrderId};
use shop::text;
use shop::text::Text;

use super::cast::Cast;
use super::sighting::{times, times_in};
use crate::checker::{Anomaly, Doubt, Judgement, Verdict};
use crate::scenario::{Expectation, Line, Name, Row, Sight, Step};

/// An expectation, and what was observed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line of the expectation.
    pub line: usize,
    /// What was expected, as the file says it, without the word `expect`.
    pub expected: String,
    /// What was observed.
    pub observed: Text,
    /// Whether that is what was expected.
    pub met: bool,
    /// The verdict that was expected and found.
    pub verdict: Option<Verdict>,
}

/// What became of a request that should be refused.
pub(super) fn refusal(line: usize, refused: Option<String>) -> Finding {
    Finding {
        line,
        expected: "refused".to_owned(),
        met: refused.is_some(),
        observed: match refused {
            None => text!("it was granted", "받아들여짐"),
            Some(says) => text!("{says}", "서비스의 답: \"{says}\""),
        },
        verdict: None,
    }
}

/// Everything that is known at the end of a run.
pub(super) struct Outcome<'a> {
    pub(super) cast: &'a Cast,
    pub(super) observations: &'a [Observation],
    pub(super) judgement: &'a Judgement,
    pub(super) deliveries: &'a [Delivery],
}

impl Outcome<'_> {
    /// What was observed of each expectation, but of refused requests.
    pub(super) fn findings(&self, steps: &[&Line<Step>]) -> Vec<Finding> {
        let expectations = steps.iter().filter_map(|line| match &line.says {
            Step::Expect(Expectation::Refused) => None,
            Step::Expect(expectation) => Some((line.number, expectation)),
            _ => None,
        });
        let all: Vec<_> = expectations.collect();
        let doubts = all.iter().filter_map(|(_, expectation)| match expectation {
            Expectation::Doubt(doubt, order) => Some((doubt.word(), self.cast.order(order)?)),
            _ => None,
        });
        let doubts: Vec<(&str, OrderId)> = doubts.collect();
        let find = |(line, expectation): &(usize, &Expectation)| {
            let (met, observed) = self.observed(expectation, &doubts);
            let words = expectation.to_string();
            Finding {
                line: *line,
                expected: words.strip_prefix("expect ").unwrap_or(&words).to_owned(),
                observed,
                met,
                verdict: self.found(expectation).cloned(),
            }
        };
        all.iter().map(find).collect()
    }

    /// Whether an expectation was met, and what was observed instead or just so.
    fn observed(&self, expectation: &Expectation, doubts: &[(&str, OrderId)]) -> (bool, Text) {
        match expectation {
            Expectation::Refused => (false, Text::default()),
            Expectation::Clean => self.cleanness(doubts),
            Expectation::Verdict(anomaly, name) => self.verdict(*anomaly, name),
            Expectation::Doubt(doubt, name) => self.doubt(doubt.word(), name),
            Expectation::Delivery(name, row) => self.delivery(name, row),
            Expectation::Deliveries(name, count) => {
                let found = self.rows(name).len();
                (found == *count as usize, rows(found))
            }
            Expectation::Seen(sight) => {
                let count = times_in(sight, self.cast, self.observations);
                (count > 0, often(count))
            }
            Expectation::Never(sight) => {
                let count = times_in(sight, self.cast, self.observations);
                (count == 0, often(count))
            }
            Expectation::Times(expected, sight) => {
                let count = times_in(sight, self.cast, self.observations);
                (count == *expected as usize, often(count))
            }
            Expectation::Before(first, second) => self.sequence(first, second),
        }
    }

    fn cleanness(&self, expected: &[(&str, OrderId)]) -> (bool, Text) {
        let harm: Vec<Text> = self
            .judgement
            .harm()
            .map(|verdict| self.told(verdict.anomaly, verdict.order))
            .collect();
        let open = |doubt: &&Doubt| {
            !expected
                .iter()
                .any(|(name, order)| doubt.name() == *name && doubt.order() == Some(*order))
        };
        let doubts: Vec<Text> = self.judgement.doubts.iter().filter(open).map(Doubt::says).collect();
        match (harm.is_empty(), doubts.is_empty()) {
            (true, true) => (true, text!("no harm", "피해 없음")),
            (true, false) => (false, Text::joined(&doubts, "; ")),
            (false, _) => (false, Text::joined(&harm, ", ")),
        }
    }

    fn told(&self, anomaly: Anomaly, order: OrderId) -> Text {
        let name = self.cast.name(order);
        text!("{anomaly} {name}", "{anomaly} {name}")
    }

    fn verdicts(&self, name: &Name) -> impl Iterator<Item = &Verdict> {
        let order = self.cast.order(name);
        let verdicts = self.judgement.verdicts.iter();
        verdicts.filter(move |verdict| Some(verdict.order) == order)
    }

    /// The verdict that is expected, if it was found.
    fn found(&self, expectation: &Expectation) -> Option<&Verdict> {
        match expectation {
            Expectation::Verdict(anomaly, name) => self.verdicts(name).find(|verdict| verdict.anomaly == *anomaly),
            _ => None,
        }
    }

    fn verdict(&self, anomaly: Anomaly, name: &Name) -> (bool, Text) {
        if let Some(found) = self.verdicts(name).find(|verdict| verdict.anomaly == anomaly) {
            return (true, found.says.clone());
        }
        let others: Vec<&str> = self.verdicts(name).map(|verdict| verdict.anomaly.name()).collect();
        let others = others.join(", ");
        let instead = match others.is_empty() {
            true => text!("nothing was found", "아무것도 발견되지 않음"),
            false => text!("found instead: {others}", "대신 발견됨: {others}"),
        };
        (false, instead)
    }

    fn doubt(&self, doubt: &str, name: &Name) -> (bool, Text) {
        let order = self.cast.order(name);
        let mut doubts = self.judgement.doubts.iter().filter(|found| found.order() == order);
        match doubts.find(|found| found.name() == doubt) {
            Some(found) => (true, found.says()),
            None => (false, text!("there is no such doubt", "그런 미확정 사항이 없음")),
        }
    }

    fn rows(&self, name: &Name) -> Vec<&Delivery> {
        let order = self.cast.order(name);
        let mut rows: Vec<&Delivery> = self.deliveries.iter().filter(|row| row.order_id == order).collect();
        rows.sort_by_key(|row| row.id);
        rows
    }

    fn delivery(&self, name: &Name, expected: &Row) -> (bool, Text) {
        let Some(row) = self.rows(name).pop() else {
            return (false, text!("there is no delivery", "배송이 없음"));
        };
        let found = Row {
            status: row.status.clone(),
            qty: row.fields.qty,
            address: row.fields.address.clone(),
        };
        (stands_so(expected, row), found.to_string().trim_start().into())
    }

    fn sequence(&self, first: &Sight, second: &Sight) -> (bool, Text) {
        let place = |sight: &Sight| {
            let seen = |observation: &Observation| times(sight, self.cast, observation) > 0;
            self.observations.iter().position(seen)
        };
        match (place(first), place(second)) {
            (Some(one), Some(other)) if one < other => (true, text!("seen in this order", "이 순서대로 관찰됨")),
            (Some(_), Some(_)) => (false, text!("seen in the opposite order", "반대 순서로 관찰됨")),
            (None, _) => (false, never(first)),
            (_, None) => (false, never(second)),
        }
    }
}

/// Whether a delivery is as it is expected.
pub fn stands_so(expected: &Row, row: &Delivery) -> bool {
    (expected.status.is_none() || expected.status == row.status)
        && (expected.qty.is_none() || expected.qty == row.fields.qty)
        && (expected.address.is_none() || expected.address == row.fields.address)
}

fn often(count: usize) -> Text {
    match count {
        0 => text!("never seen", "관찰되지 않음"),
        1 => text!("seen once", "한 번 관찰됨"),
        _ => text!("seen {count} times", "{count}번 관찰됨"),
    }
}

fn never(sight: &Sight) -> Text {
    let sight = sight.told();
    text!("never seen: {sight}", "관찰되지 않음: {sight}"; sight)
}

fn rows(count: usize) -> Text {
    match count {
        0 => text!("no row", "행 없음"),
        1 => text!("1 row", "행 1개"),
        _ => text!("{count} rows", "행 {count}개"),
    }
}
