//! Prints what was found: as stories for people, or as a JSON object.

use std::fmt::Write;

use lab::checker::{Chapter, Doubt, Fact, Outcome, Story, Verdict};
use serde_json::{Value, json};
use shop::rfc3339;

use super::found::{Aside, Found, Told};
use super::remedy::remedy;

/// How many stories of each kind, and doubts, are printed for people. `--json` and `--order` show all.
pub const SHOWN: usize = 50;
/// How many doubts are printed for people.
const DOUBTS: usize = 10;
/// How many pieces of evidence are printed for one chapter.
const FACTS: usize = 12;

/// Lines for people: the orders that were harmed first, then those with hazards, then what could not be told, then the answer.
pub fn text(found: &Found) -> String {
    let mut text = String::new();
    for told in [&found.harm, &found.hazards] {
        told.kept.iter().take(SHOWN).for_each(|story| text += &lines(story));
        more(
            &mut text,
            told,
            SHOWN,
            "orders like these (--order N or --json shows them)",
        );
    }
    for doubt in found.doubts.kept.iter().take(DOUBTS) {
        let _ = writeln!(text, "could not tell ({}): {doubt}", doubt.name());
    }
    more(&mut text, &found.doubts, DOUBTS, "that could not be told");
    text + &summary(found)
}

/// `3 order(s): 1 harm, 0 hazard(s), 0 could not be told: harm`
fn summary(found: &Found) -> String {
    let aside = found.aside.map_or(String::new(), |Aside { orders, start }| {
        format!(
            " ({orders} placed before the last start, {}, left aside)",
            rfc3339(start)
        )
    });
    format!(
        "{} order(s){aside}: {} harm, {} hazard(s), {} could not be told: {}\n",
        found.orders,
        found.harm.all,
        found.hazards.all,
        found.doubts.all,
        answer(found)
    )
}

fn more<T>(text: &mut String, told: &Told<T>, shown: usize, what: &str) {
    if told.all > shown {
        let _ = writeln!(text, "… and {} more {what}", told.all - shown);
    }
}

/// A story: the cause, what followed from it, the evidence by time, and what helps.
fn lines(story: &Story) -> String {
    told(story, evidence)
}

/// A story without its evidence, where that stands beside it.
pub fn plot(story: &Story) -> String {
    told(story, |_, _| String::new())
}

fn told(story: &Story, evidence: impl Fn(&Story, &Chapter) -> String) -> String {
    let mut text = String::new();
    for (number, chapter) in story.chapters.iter().enumerate() {
        let (cause, severity) = (&chapter.cause, chapter.severity());
        let also = if number == 0 { "" } else { "also " };
        let (anomaly, order, says) = (cause.anomaly, story.order, &cause.says);
        let _ = writeln!(text, "{also}{severity} {anomaly} order={order}: {says}");
        for follow in &chapter.follows {
            let _ = writeln!(text, "  → {}: {}", follow.anomaly, follow.says);
        }
        text += &evidence(story, chapter);
        let _ = writeln!(text, "  remedy: {}", remedy(story.order, chapter));
    }
    text
}

/// The part of the order's timeline that shows it.
fn evidence(story: &Story, chapter: &Chapter) -> String {
    let facts = chapter.evidence();
    let mut text = String::new();
    for fact in facts.iter().take(FACTS) {
        let _ = writeln!(text, "    {fact}");
    }
    if facts.len() > FACTS {
        let (more, order) = (facts.len() - FACTS, story.order);
        let _ = writeln!(text, "    … and {more} more (mall timeline {order})");
    }
    text
}

fn answer(found: &Found) -> &'static str {
    match found.outcome() {
        Outcome::NoHarm => "no harm",
        Outcome::Harm => "harm",
        Outcome::Unknown => "unknown",
    }
}

/// Everything as a JSON object.
pub fn json(found: &Found) -> String {
    let stories = || found.harm.kept.iter().chain(&found.hazards.kept);
    let verdicts = |story: &Story| -> Vec<Value> {
        let verdicts = story.chapters.iter().flat_map(Chapter::verdicts);
        verdicts.map(verdict).collect()
    };
    let object = json!({
        "answer": answer(found),
        "orders": found.orders,
        "leftAside": found.aside.map(|aside| json!({"orders": aside.orders, "placedBefore": aside.start.0})),
        "verdicts": stories().flat_map(verdicts).collect::<Vec<_>>(),
        "stories": stories().map(story).collect::<Vec<_>>(),
        "doubts": found.doubts.kept.iter().map(doubt).collect::<Vec<_>>(),
    });
    format!("{object}\n")
}

/// A story as a JSON object.
pub fn story(story: &Story) -> Value {
    let chapter = |chapter: &Chapter| {
        json!({
            "kind": chapter.severity().to_string(),
            "cause": chapter.cause.anomaly.name(),
            "follows": chapter.follows.iter().map(|verdict| verdict.anomaly.name()).collect::<Vec<_>>(),
            "remedy": remedy(story.order, chapter),
        })
    };
    json!({
        "order": story.order.0,
        "kind": story.severity().to_string(),
        "chapters": story.chapters.iter().map(chapter).collect::<Vec<_>>(),
    })
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

/// A row or a record as a JSON object.
pub fn fact(fact: &Fact) -> Value {
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

/// A doubt as a JSON object.
pub fn doubt(doubt: &Doubt) -> Value {
    json!({
        "name": doubt.name(),
        "order": doubt.order().map(|order| order.0),
        "says": doubt.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use keylane_log::Timestamp;
    use lab::checker::{Anomaly, Judgement};
    use shop::domain::{OrderId, Version};

    use super::*;

    fn verdict(anomaly: Anomaly, says: &str, versions: &[i64]) -> Verdict {
        let fact = |version: &i64| Fact {
            at: Some(Timestamp(1_749_697_512_000 + version)),
            version: Some(Version(*version)),
            what: "applied".into(),
            place: None,
            instance: Some("delivery-1".into()),
            epoch: None,
        };
        Verdict {
            order: OrderId(2),
            anomaly,
            says: says.to_owned(),
            facts: versions.iter().map(fact).collect(),
            severity: anomaly.severity(),
        }
    }

    fn found(verdicts: Vec<Verdict>) -> Found {
        let mut found = Found::default();
        found.orders = 1;
        found.add(
            Judgement {
                verdicts,
                ..Judgement::default()
            },
            SHOWN,
        );
        found.finish();
        found
    }

    #[test]
    fn a_story_goes_from_the_cause_to_the_remedy() {
        let text = text(&found(vec![
            verdict(Anomaly::Divergence, "status is wrong", &[3]),
            verdict(Anomaly::OutDup, "v1 was published twice", &[]),
            verdict(Anomaly::Inversion, "v2 took effect after v3", &[3, 2]),
        ]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "harm inversion order=2: v2 took effect after v3");
        assert_eq!(lines[1], "  → divergence: status is wrong");
        assert_eq!(
            lines[2..4],
            [
                "    v2 applied, by delivery-1, 2025-06-12T03:05:12.002Z",
                "    v3 applied, by delivery-1, 2025-06-12T03:05:12.003Z"
            ]
        );
        assert!(lines[4].starts_with("  remedy: run the delivery instances with --guard version"));
        assert_eq!(lines[5], "also hazard out-dup order=2: v1 was published twice");
        assert!(lines[6].starts_with("  remedy: none is needed"));
        assert_eq!(lines[7], "1 order(s): 1 harm, 0 hazard(s), 0 could not be told: harm");
    }

    #[test]
    fn a_hazard_that_did_no_harm_needs_no_remedy() {
        let text = text(&found(vec![verdict(Anomaly::SplitKey, "its events are split", &[1])]));
        assert!(
            text.starts_with("hazard split-key order=2: its events are split\n"),
            "{text}"
        );
        assert!(text.contains("remedy: none is needed"), "{text}");
    }
}
