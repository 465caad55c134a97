//! Prints a timeline: as lines for people, or as a JSON object.

use lab::checker::{Doubt, Entry, Fact, Mark, Stage, Story};
use serde_json::{Value, json};
use shop::domain::OrderId;
use shop::rfc3339;
use shop::text;
use shop::text::Text;

use crate::verify::report;

/// Lines for people: each entry with its time, marks below the entries where something went wrong, and at the end what that
/// comes to.
pub fn text(order: OrderId, entries: &[Entry], story: Option<&Story>, doubts: &[Doubt]) -> Text {
    let mut text = text!("order {order}\n", "주문 {order}\n");
    entries.iter().for_each(|entry| text += lines(entry));
    text += "\n".into();
    text += match story {
        Some(story) => report::plot(story, true),
        None => text!(
            "no harm to order {order} is known\n",
            "{order}번 주문에는 알려진 피해가 없음\n"
        ),
    };
    doubts.iter().for_each(|doubt| text += report::cannot_tell(doubt));
    text
}

/// `2025-06-12T03:05:12.193Z  v2 OrderModified applied, P0@3, by delivery-1 (assignment 4): v1 → v2`
fn lines(entry: &Entry) -> Text {
    let at = match entry.fact.at {
        Some(at) => rfc3339(at).into(),
        None => text!("now                     ", "현재                    "),
    };
    let fact = Fact {
        at: None,
        ..entry.fact.clone()
    };
    let detail = match &*entry.detail {
        "" => String::new(),
        detail => format!(": {detail}"),
    };
    let mut lines = at + "  ".into() + fact.says() + format!("{detail}\n").into();
    for Mark {
        anomaly,
        says,
        severity,
    } in &entry.marks
    {
        let mark = format!("{:<24}  ◀ {severity} {anomaly}: ", "");
        lines += Text::from(mark) + says.clone() + "\n".into();
    }
    lines
}

/// Everything as a JSON object.
pub fn json(order: OrderId, entries: &[Entry], story: Option<&Story>, doubts: &[Doubt]) -> String {
    let object = json!({
        "order": order.0,
        "entries": entries.iter().map(entry).collect::<Vec<_>>(),
        "story": story.map(|told| report::story(told, true)),
        "doubts": doubts.iter().map(report::doubt).collect::<Vec<_>>(),
    });
    format!("{object}\n")
}

fn entry(entry: &Entry) -> Value {
    let mut value = report::fact(&entry.fact);
    let mark = |mark: &Mark| json!({"name": mark.anomaly.name(), "kind": mark.severity.to_string(), "says": mark.says.english});
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
