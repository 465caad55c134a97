//! Prints a judgement: as lines for people, or as a JSON object.

use std::fmt::Write;

use lab::checker::{Doubt, Fact, Judgement, Outcome, Severity, Verdict};
use serde_json::{Value, json};

/// How many verdicts of each kind are printed for people. `--json` and `--order` show all.
const VERDICTS: usize = 50;
/// How many doubts are printed for people.
const DOUBTS: usize = 10;
/// How many pieces of evidence are printed for one verdict.
const FACTS: usize = 6;

/// Lines for people: harm first, then hazards, then what could not be told, then the answer.
pub fn text(judgement: &Judgement) -> String {
    let mut text = String::new();
    let (harm, hazards): (Vec<_>, Vec<_>) = judgement
        .verdicts
        .iter()
        .partition(|verdict| verdict.severity == Severity::Harm);
    for verdicts in [&harm, &hazards] {
        verdicts
            .iter()
            .take(VERDICTS)
            .for_each(|verdict| text += &lines(verdict));
        more(&mut text, verdicts.len(), VERDICTS, "(--order N or --json shows them)");
    }
    for doubt in judgement.doubts.iter().take(DOUBTS) {
        let _ = writeln!(text, "could not tell ({}): {doubt}", doubt.name());
    }
    more(&mut text, judgement.doubts.len(), DOUBTS, "that could not be told");
    let _ = writeln!(
        text,
        "{} order(s): {} harm, {} hazard(s), {} could not be told: {}",
        judgement.orders,
        harm.len(),
        hazards.len(),
        judgement.doubts.len(),
        answer(judgement)
    );
    text
}

fn more(text: &mut String, all: usize, shown: usize, what: &str) {
    if all > shown {
        let _ = writeln!(text, "… and {} more {what}", all - shown);
    }
}

fn lines(verdict: &Verdict) -> String {
    let mut lines = format!(
        "{} {} order={}: {}\n",
        verdict.severity, verdict.anomaly, verdict.order, verdict.says
    );
    for fact in verdict.facts.iter().take(FACTS) {
        let _ = writeln!(lines, "    {fact}");
    }
    if verdict.facts.len() > FACTS {
        let _ = writeln!(lines, "    … and {} more", verdict.facts.len() - FACTS);
    }
    lines
}

fn answer(judgement: &Judgement) -> &'static str {
    match judgement.outcome() {
        Outcome::NoHarm => "no harm",
        Outcome::Harm => "harm",
        Outcome::Unknown => "unknown",
    }
}

/// Everything as a JSON object.
pub fn json(judgement: &Judgement) -> String {
    let object = json!({
        "answer": answer(judgement),
        "orders": judgement.orders,
        "verdicts": judgement.verdicts.iter().map(verdict).collect::<Vec<_>>(),
        "doubts": judgement.doubts.iter().map(doubt).collect::<Vec<_>>(),
    });
    format!("{object}\n")
}

fn verdict(verdict: &Verdict) -> Value {
    json!({
        "order": verdict.order.0,
        "name": verdict.anomaly.name(),
        "kind": verdict.severity.to_string(),
        "says": verdict.says,
        "evidence": verdict.facts.iter().map(fact).collect::<Vec<_>>(),
    })
}

fn fact(fact: &Fact) -> Value {
    json!({
        "what": fact.what,
        "version": fact.version.map(|version| version.0),
        "partition": fact.place.map(|place| place.partition.0),
        "offset": fact.place.map(|place| place.offset.0),
        "instance": fact.instance.as_deref(),
        "assignment": fact.epoch,
        "timestamp": fact.at.map(|at| at.0),
    })
}

fn doubt(doubt: &Doubt) -> Value {
    json!({
        "name": doubt.name(),
        "order": doubt.order().map(|order| order.0),
        "says": doubt.to_string(),
    })
}
