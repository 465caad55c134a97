//! Everything that is known of one order, by time, with marks where its order broke.

use keylane_log::Timestamp;
use shop::domain::{Delivery, OrderFields, OrderPatch};
use shop::text::Text;

use super::evidence::{published, row, stands, took_effect, was_parked, was_written};
use super::history::{Applied, History, Written};
use super::verdict::{Anomaly, Fact, Severity, Verdict};

/// One thing that happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is known from.
    pub stage: Stage,
    /// What happened, when and where.
    pub fact: Fact,
    /// What it changed; empty if it changed nothing.
    pub detail: String,
    /// What went wrong here.
    pub marks: Vec<Mark>,
}

/// Where something is known from, in the sequence in which an event gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The order service's journal.
    Written,
    /// An order event in the topic.
    Published,
    /// The parked events.
    Parked,
    /// The dead letters.
    GivenUp,
    /// The apply history.
    Applied,
    /// A delivery event in the topic.
    Reported,
    /// The delivery's row as it is now.
    Row,
}

/// Something that went wrong at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What it is called.
    pub anomaly: Anomaly,
    /// The same in a sentence.
    pub says: Text,
    /// Whether it did harm.
    pub severity: Severity,
}

/// The entries of a history of one order, by time, and what these verdicts say where it shows.
pub fn timeline(history: &History, verdicts: &[Verdict]) -> Vec<Entry> {
    let mut entries = written(history);
    let mut add = |stage, fact, detail| entries.push(Entry::of(stage, fact, detail));
    let mut topic: Vec<_> = history.topic.iter().collect();
    topic.sort_by_key(|record| record.place);
    topic
        .into_iter()
        .for_each(|record| add(Stage::Published, stands(record), String::new()));
    let parked = history.parked.iter();
    parked.for_each(|parked| add(Stage::Parked, was_parked(parked), String::new()));
    let mut applied: Vec<&Applied> = history.applied.iter().collect();
    applied.sort_by_key(|applied| applied.counter);
    for applied in applied {
        let change = format!("v{} → v{}", applied.before, applied.after);
        add(Stage::Applied, took_effect(applied), change);
    }
    let answers = history.delivery_records.iter();
    answers.for_each(|record| add(Stage::Reported, published(record), String::new()));
    let rows = history.deliveries.iter();
    rows.for_each(|delivery| add(Stage::Row, row(delivery), shown(&patch_of(delivery))));
    sort_by_time(&mut entries);
    verdicts.iter().for_each(|verdict| mark(&mut entries, verdict));
    entries
}

/// Sorts entries by their time. Of those with the same time an event's causes come first; those without a time come last.
pub fn sort_by_time(entries: &mut [Entry]) {
    entries.sort_by_key(|entry| (entry.fact.at.is_none(), entry.fact.at, entry.stage));
}

impl Entry {
    /// An entry without a mark.
    pub fn of(stage: Stage, fact: Fact, detail: String) -> Self {
        Self {
            stage,
            fact,
            detail,
            marks: Vec::new(),
        }
    }

    /// Whether something did harm here.
    pub fn is_broken(&self) -> bool {
        self.marks.iter().any(|mark| mark.severity == Severity::Harm)
    }

    /// When it happened; none if it is so now.
    pub fn at(&self) -> Option<Timestamp> {
        self.fact.at
    }
}

fn written(history: &History) -> Vec<Entry> {
    let mut rows: Vec<&Written> = history.written.iter().collect();
    rows.sort_by_key(|written| written.version);
    let mut before = OrderPatch::default();
    let entry = |written: &Written| {
        let detail = shown(&changes(&before, &written.fields));
        before.clone_from(&written.fields);
        Entry::of(Stage::Written, was_written(written), detail)
    };
    rows.into_iter().map(entry).collect()
}

/// The fields that an event gives another value than the event before it.
fn changes(before: &OrderPatch, event: &OrderPatch) -> OrderPatch {
    fn changed<T: PartialEq + Clone>(before: Option<&T>, event: Option<&T>) -> Option<T> {
        event.filter(|_| event != before).cloned()
    }
    OrderPatch {
        product_id: changed(before.product_id.as_ref(), event.product_id.as_ref()),
        product_name: changed(before.product_name.as_ref(), event.product_name.as_ref()),
        qty: changed(before.qty.as_ref(), event.qty.as_ref()),
        customer_id: changed(before.customer_id.as_ref(), event.customer_id.as_ref()),
        address: changed(before.address.as_ref(), event.address.as_ref()),
    }
}

fn patch_of(delivery: &Delivery) -> OrderPatch {
    let OrderFields {
        product_id,
        product_name,
        qty,
        customer_id,
        address,
    } = delivery.fields.clone();
    OrderPatch {
        product_id: Some(product_id),
        product_name: Some(product_name),
        qty: Some(qty),
        customer_id: Some(customer_id),
        address: Some(address),
    }
}

/// `address "SEOUL", qty 3`
fn shown(fields: &OrderPatch) -> String {
    fn text<T: std::fmt::Debug>(name: &str, value: Option<&Option<T>>) -> Option<String> {
        Some(match value? {
            Some(value) => format!("{name} {value:?}"),
            None => format!("{name} null"),
        })
    }
    let named = [
        text("address", fields.address.as_ref()),
        text("qty", fields.qty.as_ref()),
        text("customerId", fields.customer_id.as_ref()),
        text("productId", fields.product_id.as_ref()),
        text("productName", fields.product_name.as_ref()),
    ];
    named.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Marks the place that a verdict is about.
fn mark(entries: &mut [Entry], verdict: &Verdict) {
    let fact = match verdict.anomaly {
        // What is missing comes first in the evidence, and what shows that behind it.
        Anomaly::LostApply => verdict.facts.first(),
        // One record of each partition is named, and the second partition is where the order was lost.
        Anomaly::SplitKey => verdict.facts.iter().max_by_key(|fact| fact.at),
        _ => verdict.facts.last(),
    };
    let place = fact.and_then(|fact| entries.iter_mut().find(|entry| entry.fact == *fact));
    if let Some(entry) = place {
        entry.marks.push(Mark {
            anomaly: verdict.anomaly,
            says: verdict.says.clone(),
            severity: verdict.severity,
        });
    }
}
