//! Prints what was found: as stories for people, or as a JSON object.

use lab::checker::{Chapter, Doubt, Fact, Outcome, Story, Verdict, stories};
use serde_json::{Value, json};
use shop::rfc3339;
use shop::text;
use shop::text::Text;

use super::found::{Aside, Found};
use super::remedy::remedy;

/// How many stories of each kind, and doubts, are printed for people. `--json` and `--order` show all.
pub const SHOWN: usize = 50;
/// How many doubts are printed for people.
const DOUBTS: usize = 10;
/// How many pieces of evidence are printed for one chapter.
const FACTS: usize = 12;

/// Lines for people: the orders that were harmed first, then those with hazards, then what could not be told, then the answer.
pub fn text(found: &Found) -> Text {
    let mut text = Text::default();
    for told in [&found.harm, &found.hazards] {
        told.kept.iter().take(SHOWN).for_each(|story| text += lines(story));
        let more = told.all.saturating_sub(SHOWN);
        if more > 0 {
            text += text!(
                "… and {more} more orders like these (--order N or --json shows them)\n",
                "… 이런 주문이 {more}건 더 있음 (--order N이나 --json으로 볼 수 있음)\n"
            );
        }
    }
    text + end(found)
}

/// Lines for people about verdicts that are new.
pub fn stories_of(verdicts: Vec<Verdict>) -> Text {
    let lines: Vec<Text> = stories(verdicts).iter().map(lines).collect();
    Text::joined(&lines, "")
}

/// Lines for people at the end: what could not be told, and the answer.
pub fn end(found: &Found) -> Text {
    let mut text = Text::default();
    let doubts = found.doubts.kept.iter().take(DOUBTS);
    doubts.for_each(|doubt| text += cannot_tell(doubt));
    let more = found.doubts.all.saturating_sub(DOUBTS);
    if more > 0 {
        text += text!(
            "… and {more} more that could not be told\n",
            "… 알 수 없는 것이 {more}건 더 있음\n"
        );
    }
    text + summary(found)
}

/// `could not tell (lagging): partition 0: the delivery group has come to offset 3 of 5`
pub fn cannot_tell(doubt: &Doubt) -> Text {
    let name = doubt.name();
    text!("could not tell ({name}): ", "알 수 없음({name}): ") + doubt.says() + "\n".into()
}

/// `3 order(s): 1 harm, 0 hazard(s), 0 could not be told: harm`
fn summary(found: &Found) -> Text {
    let orders = found.orders;
    let (harm, hazards, doubts) = (found.harm.all, found.hazards.all, found.doubts.all);
    let aside = found.aside.map_or(Text::default(), |Aside { orders, start }| {
        let start = rfc3339(start);
        text!(
            " ({orders} placed before the last start, {start}, left aside)",
            "(마지막 시작({start}) 전에 생성된 {orders}건은 제외)"
        )
    });
    let counts = text!(
        ": {harm} harm, {hazards} hazard(s), {doubts} could not be told: ",
        ": 피해(harm) {harm}, 위험(hazard) {hazards}, 알 수 없음 {doubts}: "
    );
    let answer = match found.outcome() {
        Outcome::NoHarm => text!("no harm\n", "피해 없음\n"),
        Outcome::Harm => text!("harm\n", "피해 있음\n"),
        Outcome::Unknown => text!("unknown\n", "알 수 없음\n"),
    };
    text!("{orders} order(s)", "주문 {orders}건") + aside + counts + answer
}

/// A story: the cause, what followed from it, the evidence by time, and what helps.
fn lines(story: &Story) -> Text {
    told(story, &name(story), true, evidence)
}

/// `order=2`
fn name(story: &Story) -> Text {
    format!("order={}", story.order).into()
}

/// A story without its evidence, where that stands beside it, with or without what helps.
pub fn plot(story: &Story, remedied: bool) -> Text {
    plot_of(story, &name(story), remedied)
}

/// The same, with another name for the order.
pub fn plot_of(story: &Story, name: &Text, remedied: bool) -> Text {
    told(story, name, remedied, |_, _| Text::default())
}

fn told(story: &Story, name: &Text, remedied: bool, evidence: impl Fn(&Story, &Chapter) -> Text) -> Text {
    let mut text = Text::default();
    for (number, chapter) in story.chapters.iter().enumerate() {
        if number > 0 {
            text += text!("also ", "그 밖에: ");
        }
        let (cause, severity) = (&chapter.cause, chapter.severity());
        let anomaly = cause.anomaly;
        text += text!("{severity} {anomaly} {name}: ", "{severity} {anomaly} {name}: "; name)
            + cause.says.clone()
            + "\n".into();
        for follow in &chapter.follows {
            let head = format!("  → {}: ", follow.anomaly);
            text += Text::from(head) + follow.says.clone() + "\n".into();
        }
        text += evidence(story, chapter);
        if remedied {
            text += text!("  remedy: ", "  해결책: ") + remedy(story.order, chapter) + "\n".into();
        }
    }
    text
}

/// The part of the order's timeline that shows it.
fn evidence(story: &Story, chapter: &Chapter) -> Text {
    let facts = chapter.evidence();
    let mut text = Text::default();
    for fact in facts.iter().take(FACTS) {
        text += Text::from("    ") + fact.says() + "\n".into();
    }
    if facts.len() > FACTS {
        let (more, order) = (facts.len() - FACTS, story.order);
        text += text!(
            "    … and {more} more (mall timeline {order})\n",
            "    … {more}개 더 있음 (mall timeline {order})\n"
        );
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
        "stories": stories().map(|told| story(told, true)).collect::<Vec<_>>(),
        "doubts": found.doubts.kept.iter().map(doubt).collect::<Vec<_>>(),
    });
    format!("{object}\n")
}

/// Everything as lines, each with a JSON object: the verdicts, and then the doubts.
pub fn json_lines(found: &Found) -> String {
    let stories = found.harm.kept.iter().chain(&found.hazards.kept);
    let verdicts = stories.flat_map(|story| story.chapters.iter().flat_map(Chapter::verdicts));
    let doubts = found.doubts.kept.iter().map(json_doubt);
    verdicts.map(json_verdict).chain(doubts).collect()
}

/// A verdict as a line with a JSON object.
pub fn json_verdict(found: &Verdict) -> String {
    json_line("verdict", verdict(found))
}

/// A doubt as a line with a JSON object.
pub fn json_doubt(found: &Doubt) -> String {
    json_line("doubt", doubt(found))
}

/// The answer as a line with a JSON object.
pub fn json_end(found: &Found) -> String {
    let counts = json!({
        "answer": answer(found),
        "orders": found.orders,
        "harm": found.harm.all,
        "hazards": found.hazards.all,
        "doubts": found.doubts.kept.iter().map(doubt).collect::<Vec<_>>(),
    });
    json_line("answer", counts)
}

/// A JSON object as a line. What it is stands in front.
fn json_line(what: &str, object: Value) -> String {
    let mut line = json!({ "what": what });
    if let (Some(line), Value::Object(object)) = (line.as_object_mut(), object) {
        line.extend(object);
    }
    format!("{line}\n")
}

/// A story as a JSON object, with or without what helps.
pub fn story(story: &Story, remedied: bool) -> Value {
    let chapter = |chapter: &Chapter| {
        json!({
            "kind": chapter.severity().to_string(),
            "cause": chapter.cause.anomaly.name(),
            "follows": chapter.follows.iter().map(|verdict| verdict.anomaly.name()).collect::<Vec<_>>(),
            "remedy": remedied.then(|| remedy(story.order, chapter).english),
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
        "says": verdict.says.english,
        "evidence": verdict.facts.iter().map(fact).collect::<Vec<_>>(),
    })
}

/// Verdicts about some orders as JSON objects in both languages. The remedy stands on the cause of what happened.
pub fn in_both_languages(verdicts: Vec<Verdict>) -> Vec<Value> {
    let mut objects = Vec::new();
    for story in &stories(verdicts) {
        for chapter in &story.chapters {
            let cause = chapter.cause.anomaly.name();
            for (number, one) in chapter.verdicts().enumerate() {
                let mut object = verdict(one);
                let evidence = one.facts.iter().take(FACTS).map(|told| {
                    let mut object = fact(told);
                    object["what"] = both(&told.what);
                    object
                });
                object["says"] = both(&one.says);
                object["evidence"] = evidence.collect();
                object["cause"] = cause.into();
                object["remedy"] = match number {
                    0 => both(&remedy(story.order, chapter)),
                    _ => Value::Null,
                };
                objects.push(object);
            }
        }
    }
    objects
}

/// A doubt as a JSON object in both languages.
pub fn doubt_in_both_languages(told: &Doubt) -> Value {
    let mut object = doubt(told);
    object["says"] = both(&told.says());
    object
}

/// A text in both languages, as the page reads it.
pub fn both(text: &Text) -> Value {
    json!({ "english": text.english, "korean": text.korean })
}

/// A row or a record as a JSON object.
pub fn fact(fact: &Fact) -> Value {
    json!({
        "what": fact.what.english,
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
        "says": doubt.says().english,
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
            says: says.into(),
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
        let found = found(vec![
            verdict(Anomaly::Divergence, "status is wrong", &[3]),
            verdict(Anomaly::OutDup, "v1 was published twice", &[]),
            verdict(Anomaly::Inversion, "v2 took effect after v3", &[3, 2]),
        ]);
        let text = text(&found).english;
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
    fn a_story_is_told_in_korean() {
        let found = found(vec![verdict(Anomaly::Inversion, "v2 …", &[3, 2])]);
        let text = text(&found).korean;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "harm inversion order=2: v2 …");
        assert!(
            lines[3].starts_with("  해결책: 배송 인스턴스를 --guard version으로"),
            "{text}"
        );
        assert_eq!(
            lines[4],
            "주문 1건: 피해(harm) 1, 위험(hazard) 0, 알 수 없음 0: 피해 있음"
        );
    }

    #[test]
    fn a_hazard_that_did_no_harm_needs_no_remedy() {
        let found = found(vec![verdict(Anomaly::SplitKey, "its events are split", &[1])]);
        let text = text(&found).english;
        assert!(
            text.starts_with("hazard split-key order=2: its events are split\n"),
            "{text}"
        );
        assert!(text.contains("remedy: none is needed"), "{text}");
    }
}
