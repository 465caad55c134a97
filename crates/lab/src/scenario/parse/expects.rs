//! Lines that say what has to come out, and what is waited for.

use super::super::action::Fields;
use super::super::expectation::{Change, DoubtName, Expectation, Row, Sight, Stage};
use super::super::names::Role;
use super::actions::{behind, fields};
use super::cursor::{Cursor, Parsed, partition};
use crate::checker::Anomaly;

/// Reads what stands behind `expect`.
pub(super) fn expectation(words: &mut Cursor<'_>) -> Parsed<Expectation> {
    if let Some(anomaly) = words.takes_if(|word| word.parse::<Anomaly>().ok()) {
        return Ok(Expectation::Verdict(anomaly, words.name()?));
    }
    let names: Vec<&str> = Anomaly::ALL.iter().map(|anomaly| anomaly.name()).collect();
    let all = [&FORMS[..], &names[..]].concat();
    let form = words.one_of("what comes out", &all, |word| {
        FORMS.into_iter().find(|form| *form == word)
    })?;
    Ok(match form {
        "refused" => Expectation::Refused,
        "clean" => Expectation::Clean,
        "doubt" => Expectation::Doubt(
            words.one_of("a doubt", DoubtName::WORDS, DoubtName::named)?,
            words.name()?,
        ),
        "delivery" => Expectation::Delivery(words.name()?, row(words)?),
        "deliveries" => Expectation::Deliveries(words.name()?, words.count("deliveries", 0, 999)?),
        "never" => Expectation::Never(sight(words)?),
        "times" => Expectation::Times(words.count("how often", 0, 9999)?, sight(words)?),
        _ => {
            let first = sight(words)?;
            match words.takes("before") {
                true => Expectation::Before(first, sight(words)?),
                false => Expectation::Seen(first),
            }
        }
    })
}

/// What can stand behind `expect`, verdicts left out.
const FORMS: [&str; 8] = [
    "clean",
    "refused",
    "delivery",
    "deliveries",
    "seen",
    "never",
    "times",
    "doubt",
];

fn row(words: &mut Cursor<'_>) -> Parsed<Row> {
    let status = words.takes_if(|word| (!word.contains('=')).then(|| word.to_owned()));
    let Fields { qty, address, .. } = fields(words, &["qty", "address"])?;
    let row = Row { status, qty, address };
    match row == Row::default() {
        true => Err(words.mistake("how the delivery stands, such as \"DELIVERY CANCELLED\" or address=SEOUL")),
        false => Ok(row),
    }
}

/// Reads `KIM v2 applied by delivery-1`, or `delivery-1 assigned P0`.
pub(super) fn sight(words: &mut Cursor<'_>) -> Parsed<Sight> {
    if let Some(role) = words.takes_if(Role::named) {
        let change = words.one_of("what happens to a process", Change::WORDS, Change::named)?;
        let about_partitions = matches!(change, Change::Assigned | Change::Revoked | Change::Lost);
        let partition = words.takes_if(partition).filter(|_| about_partitions);
        return Ok(Sight::Process {
            role,
            change,
            partition,
        });
    }
    if words
        .peek()
        .is_none_or(|word| super::super::names::Name::named(word).is_none())
    {
        return Err(words.mistake("an event such as KIM v2, or a process such as delivery-1"));
    }
    let event = words.event()?;
    let stage = words.one_of("what happens to an event", Stage::WORDS, Stage::named)?;
    let by = behind(words, "by")?;
    Ok(Sight::Event { event, stage, by })
}
