//! Looks whether any order was harmed, as `mall verify` would say. A long history is left to that, because a doctor is asked
//! in a hurry.

use lab::checker::{Chapter, Scope};
use shop::domain::{OrderId, Source};
use shop::text;
use shop::text::Text;

use super::report::Report;
use crate::config::RoleOptions;
use crate::verify::found::Found;
use crate::verify::remedy::remedy;
use crate::verify::{Sources, look};

/// The longest history that is looked at: so many records in the topic, rows in the journal, and rows in the apply history.
const LONGEST: i64 = 200_000;
/// How many harmed orders are named.
const NAMED: usize = 3;

/// Looks at the history of all orders, if log and databases are there. If they aren't, that was told before.
pub fn look(options: &RoleOptions, report: &mut Report) {
    let Ok(sources) = Sources::look_into(&options.storage, &options.topic, &options.group) else {
        return;
    };
    let Ok(records) = records(&sources) else { return };
    let found = match is_long(&sources, records) {
        Ok(true) => {
            let topic = &options.topic;
            return report.fine(text!(
                "the history of {topic} is too long to look for harm in a hurry; mall verify does",
                "토픽 {topic}의 이력이 길어 피해가 있는지 바로 확인하지 않음. mall verify로 확인할 수 있음"
            ));
        }
        Ok(false) => look::look(&sources, Scope::default(), NAMED),
        Err(error) => Err(error),
    };
    match found {
        Ok(found) => tell(&found, report),
        Err(error) => report.unseen(text!(
            "whether orders were harmed: {error:#}",
            "피해를 입은 주문이 있는지 알 수 없음: {error:#}"
        )),
    }
}

fn records(sources: &Sources) -> anyhow::Result<u64> {
    let extents = sources.of_log(sources.log.extents(&sources.topic))?;
    let lengths = extents.iter().map(|extent| extent.end.0.saturating_sub(extent.start.0));
    Ok(lengths.sum())
}

fn is_long(sources: &Sources, records: u64) -> anyhow::Result<bool> {
    let journal = sources.of_orders(|store| store.journal(Source::Orders, LONGEST, 1))?;
    let applies = sources.of_deliveries(|store| store.applies(LONGEST, 1))?;
    Ok(records > LONGEST.cast_unsigned() || !journal.is_empty() || !applies.is_empty())
}

fn tell(found: &Found, report: &mut Report) {
    if found.orders == 0 {
        return;
    }
    if found.harm.all == 0 {
        let orders = found.orders;
        return report.fine(text!(
            "no harm to any of {orders} order(s) is known",
            "주문 {orders}건 가운데 피해를 입은 것으로 확인된 주문 없음"
        ));
    }
    let more = found.harm.all.saturating_sub(NAMED);
    let harmed = found.harm.kept.iter().take(NAMED);
    for (number, story) in harmed.enumerate() {
        let others = match more {
            1.. if number + 1 == NAMED => text!(" (and {more} more orders)", " (이런 주문이 {more}건 더 있음)"),
            _ => Text::default(),
        };
        let chapter = &story.chapters[0];
        let remedy = remedy(story.order, chapter);
        report.wrong(
            harm(story.order, chapter) + others,
            text!(
                "{remedy}; mall verify tells all of it",
                "{remedy}. 자세한 내용은 mall verify로 확인하세요"; remedy
            ),
        );
    }
}

/// `order 2 was harmed: split-key (its events stand in the partitions 0, 1) → inversion, divergence`
fn harm(order: OrderId, chapter: &Chapter) -> Text {
    let cause = &chapter.cause;
    let follows: Vec<&str> = chapter.follows.iter().map(|verdict| verdict.anomaly.name()).collect();
    let follows = match &follows[..] {
        [] => String::new(),
        follows => format!(" → {}", follows.join(", ")),
    };
    let (anomaly, says) = (cause.anomaly, &cause.says);
    text!(
        "order {order} was harmed: {anomaly} ({says}){follows}",
        "{order}번 주문이 피해를 입음: {anomaly} ({says}){follows}"; says
    )
}

#[cfg(test)]
mod tests {
    use lab::checker::{Anomaly, Judgement, Verdict};

    use super::*;

    fn found(harmed: i64) -> Found {
        let verdict = |order: i64, anomaly: Anomaly, says: &str| Verdict {
            order: OrderId(order),
            anomaly,
            says: says.into(),
            facts: Vec::new(),
            severity: anomaly.severity(),
        };
        let verdicts = (1..=harmed).flat_map(|order| {
            [
                verdict(order, Anomaly::Divergence, "it differs"),
                verdict(order, Anomaly::Inversion, "v2 after v3"),
            ]
        });
        let mut found = Found::default();
        found.orders = 9;
        found.add(
            Judgement {
                verdicts: verdicts.collect(),
                ..Judgement::default()
            },
            NAMED,
        );
        found.finish();
        found
    }

    #[test]
    fn harm_is_named_with_its_cause_and_its_remedy() {
        let mut report = Report::default();
        tell(&found(1), &mut report);
        let [fault] = &report.faults[..] else {
            panic!("{report:?}")
        };
        let (what, remedy) = (&fault.what, &fault.remedy);
        assert_eq!(what.english, "order 1 was harmed: inversion (v2 after v3) → divergence");
        assert_eq!(
            what.korean,
            "1번 주문이 피해를 입음: inversion (v2 after v3) → divergence"
        );
        assert!(remedy.english.contains("--guard version"), "{fault:?}");
        assert!(remedy.english.ends_with("; mall verify tells all of it"), "{fault:?}");
    }

    #[test]
    fn of_many_harmed_orders_the_first_are_named() {
        let mut report = Report::default();
        tell(&found(7), &mut report);
        assert_eq!(report.faults.len(), NAMED);
        assert!(
            report.faults[NAMED - 1].what.english.ends_with(" (and 4 more orders)"),
            "{report:?}"
        );
        let mut report = Report::default();
        tell(&found(3), &mut report);
        assert!(
            report
                .faults
                .iter()
                .all(|fault| !fault.what.english.contains("more orders"))
        );
        let mut report = Report::default();
        tell(&found(0), &mut report);
        assert_eq!(report.fine[0].english, "no harm to any of 9 order(s) is known");
    }
}
