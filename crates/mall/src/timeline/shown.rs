//! Prints a timeline: as lines for people, or as a JSON object.

use std::fmt::Write;

use lab::checker::{Doubt, Entry, Fact, Mark, Stage, Story};
use serde_json::{Value, json};
use shop::domain::OrderId;
use shop::rfc3339;

use crate::verify::report;

/// Lines for people: each entry with its time, marks below the entries where something went wrong, and at the end what that
/// comes to.
pub fn text(order: OrderId, entries: &[Entry], story: Option<&Story>, doubts: &[Doubt]) -> String {
    let mut text = format!("order {order}\n");
    entries.iter().for_each(|entry| text += &lines(entry));
    text.push('\n');
    text += &story.map_or_else(|| format!("no harm to order {order} is known\n"), report::plot);
    for doubt in doubts {
        let _ = writeln!(text, "could not tell ({}): {doubt}", doubt.name());
    }
    text
}

/// `2025-06-12T03:05:12.193Z  v2 OrderModified applied, P0@3, by delivery-1 (assignment 4): v1 → v2`
fn lines(entry: &Entry) -> String {
    let at = entry.fact.at.map_or_else(|| "now".to_owned(), rfc3339);
    let fact = Fact {
        at: None,
        ..entry.fact.clone()
    };
    let detail = match &*entry.detail {
        "" => String::new(),
        detail => format!(": {detail}"),
    };
    let mut lines = format!("{at:<24}  {fact}{detail}\n");
    for Mark {
        anomaly,
        says,
        severity,
    } in &entry.marks
    {
        let _ = writeln!(lines, "{:<24}  ◀ {severity} {anomaly}: {says}", "");
    }
    lines
}

/// Everything as a JSON object.
pub fn json(order: OrderId, entries: &[Entry], story: Option<&Story>, doubts: &[Doubt]) -> String {
    let object = json!({
        "order": order.0,
        "entries": entries.iter().map(entry).collect::<Vec<_>>(),
        "story": story.map(report::story),
        "doubts": doubts.iter().map(report::doubt).collect::<Vec<_>>(),
    });
    format!("{object}\n")
}

fn entry(entry: &Entry) -> Value {
    let mut value = report::fact(&entry.fact);
    let mark = |mark: &Mark| json!({"name": mark.anomaly.name(), "kind": mark.severity.to_string(), "says": mark.says});
    value["stage"] = stage(entry.stage).into();
    value["detail"] = (!entry.detail.is_empty()).then(|| entry.detail.clone()).into();
    value["marks"] = entry.marks.iter().map(mark).collect();
    value
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Written => "journal",
        Stage::Published => "topic",
        Stage::Parked => "parked",
        Stage::GivenUp => "dead-letter",
        Stage::Applied => "applied",
        Stage::Reported => "delivery-event",
        Stage::Row => "row",
    }
}
