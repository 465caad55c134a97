//! The picture of a mall: what was read of it is told here, and comes out as numbered-to-be frames and as a snapshot.
//!
//! ```text
//!   heard, records, partitions, rows, … ─▶ fresh ── flush ─▶ frames, and the told state ─▶ snapshot
//! ```
//!
//! # Invariants
//! * No clock, no input or output: the time is passed in.
//! * Whoever follows the frames from one snapshot on has what the next snapshot holds.
//! * Its size has a bound, whatever comes: what is kept is counted, texts are cut, and what came too fast is told by its number.
//! * Observations keep the order in which they came.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

use observe::{Ending, Observation, What};
use serde::Serialize;
use serde_json::Value;

use super::load::{Counted, Load};
use super::orders::Orders;
use super::shown::{Actual, Away, Expected, Group, Growth, Mall, Partition, Rates, Record, Role, Row, Verdict};

/// How many observations are kept.
const SEEN: usize = 400;
/// How many observations may wait to be told.
const FRESH: usize = 4096;
/// The longest observation as JSON, in bytes.
const LONGEST: usize = 16 * 1024;
/// How many records of each partition are kept.
const RECORDS: usize = 40;
/// Of how many partitions records are kept.
pub const FOLLOWED: u32 = 256;
/// How many growths are kept.
const GROWTHS: usize = 20;
/// How many verdicts, and how many doubts, are kept.
const VERDICTS: usize = 100;
const DOUBTS: usize = 20;
/// A verdict that is longer as JSON is told once a second at most.
const LONG_VERDICT: usize = 32 * 1024;
/// The longest text of a record, in characters.
const TEXT: usize = 200;

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is: the event's name in the stream.
    pub kind: &'static str,
    /// JSON.
    pub data: Arc<str>,
}

/// The picture.
#[derive(Debug)]
pub struct Picture {
    mall: Mall,
    told: Told,
    fresh: Fresh,
    orders: Orders,
    load: Load,
    /// When a verdict was last told.
    verdict_told: i64,
}

/// What was told.
#[derive(Debug, Default)]
struct Told {
    roles: Vec<Role>,
    partitions: Vec<Partition>,
    records: BTreeMap<u32, VecDeque<Record>>,
    seen: VecDeque<Arc<str>>,
    rows: BTreeMap<i64, Row>,
    verdict: Option<Verdict>,
    rates: Option<Rates>,
    growth: VecDeque<Growth>,
    group: Option<Group>,
    away: Vec<Away>,
}

/// What has come since.
#[derive(Debug, Default)]
struct Fresh {
    roles: Option<Vec<Role>>,
    partitions: Option<Vec<Partition>>,
    records: BTreeMap<u32, VecDeque<Record>>,
    seen: Vec<Arc<str>>,
    missed: BTreeMap<Arc<str>, Option<u64>>,
    /// None for a row that is kept no more.
    rows: BTreeMap<i64, Option<Row>>,
    verdict: Option<Verdict>,
    growth: Vec<Growth>,
    group: Option<Option<Group>>,
    away: Option<Vec<Away>>,
}

impl Picture {
    /// A picture of which nothing is known yet.
    pub fn of(mall: Mall) -> Self {
        Self {
            mall,
            told: Told::default(),
            fresh: Fresh::default(),
            orders: Orders::default(),
            load: Load::default(),
            verdict_told: i64::MIN,
        }
    }

    /// What is looked at.
    pub fn mall(&self) -> &Mall {
        &self.mall
    }

    /// Notes what a role has seen.
    pub fn heard(&mut self, seen: &Observation) {
        let wanted = self.load.count(counted(&seen.what));
        self.note(seen, wanted);
    }

    /// Notes what a role had seen before anybody looked. It says nothing of how much happens now.
    pub fn remembered(&mut self, seen: &Observation) {
        self.note(seen, true);
    }

    fn note(&mut self, seen: &Observation, wanted: bool) {
        let order = seen.what.order();
        if let Some(order) = order {
            let gone = self.orders.touch(order);
            self.drop_rows(gone);
            self.follow(order, &seen.what);
        }
        if !wanted && order.is_some_and(|order| !self.orders.is_followed(order)) {
            return;
        }
        let text = (self.fresh.seen.len() < FRESH).then(|| json(seen));
        match text.filter(|text| text.len() <= LONGEST) {
            Some(text) => self.fresh.seen.push(text.into()),
            None => self.missed(seen.who.clone(), Some(1)),
        }
    }

    /// Notes that so many observations of a role are gone; none if nobody can tell how many.
    pub fn missed(&mut self, who: Arc<str>, many: Option<u64>) {
        let missed = self.fresh.missed.entry(who).or_insert(Some(0));
        *missed = missed.zip(many).map(|(before, more)| before.saturating_add(more));
    }

    /// What an observation says of its order's course.
    fn follow(&mut self, order: i64, what: &What) {
        let version = what
            .event()
            .filter(|event| event.delivery.is_none())
            .and_then(|event| event.version);
        let gone = match (what, version) {
            (What::Taken { .. } | What::Begun { .. } | What::HandedOver { .. }, Some(version)) => {
                self.orders.begin(order, version);
                None
            }
            (What::Skipped { .. }, Some(version)) => {
                self.orders.finish(order, version);
                None
            }
            (What::Finished { ending, .. }, version) => {
                if let Some(version) = version {
                    self.orders.finish(order, version);
                }
                match ending {
                    Ending::OutOfOrder(_)
                    | Ending::AppliedAgain(_)
                    | Ending::AppliedEarly(_)
                    | Ending::Stale { .. }
                    | Ending::Early { .. }
                    | Ending::Poison { .. }
                    | Ending::Buried { .. } => self.orders.trouble(order),
                    Ending::Applied(_) => self.orders.relieve(order),
                    _ => None,
                }
            }
            _ => None,
        };
        self.drop_rows(gone);
    }

    /// Notes records that were found in the topic, those of each partition in their order.
    pub fn records(&mut self, records: impl IntoIterator<Item = Record>) {
        for mut record in records {
            if record.partition >= FOLLOWED {
                continue;
            }
            if let Some(order) = record.order {
                let gone = self.orders.touch(order);
                self.drop_rows(gone);
            }
            [&mut record.key, &mut record.name].into_iter().flatten().for_each(cut);
            let fresh = self.fresh.records.entry(record.partition).or_default();
            keep_last(fresh, record, RECORDS);
        }
    }

    /// Notes the partitions as they are now.
    pub fn partitions(&mut self, now: i64, partitions: Vec<Partition>) {
        let known = self.fresh.partitions.as_ref().unwrap_or(&self.told.partitions);
        if !known.is_empty() && partitions.len() > known.len() && self.fresh.growth.len() < GROWTHS {
            self.fresh.growth.push(Growth {
                at: now,
                from: known.len(),
                to: partitions.len(),
                ends: known.iter().map(|partition| partition.end).collect(),
            });
        }
        self.fresh.partitions = Some(partitions);
    }

    /// Notes the roles as they are now.
    pub fn roles(&mut self, roles: Vec<Role>) {
        self.fresh.roles = Some(roles);
    }

    /// Notes the group as it is now; none if there is no such group.
    pub fn group(&mut self, group: Option<Group>) {
        self.fresh.group = Some(group);
    }

    /// Notes what can't be read now.
    pub fn away(&mut self, away: Vec<Away>) {
        self.fresh.away = Some(away);
    }

    /// Notes what it comes to. Of what was found only the last are kept.
    pub fn verdict(&mut self, mut verdict: Verdict) {
        let surplus = verdict.found.len().saturating_sub(VERDICTS);
        verdict.found.drain(..surplus);
        verdict.doubts.truncate(DOUBTS);
        let orders = verdict
            .found
            .iter()
            .filter_map(|found| found.get("order").and_then(Value::as_i64));
        let gone = self.orders.judge(orders);
        self.drop_rows(gone);
        self.fresh.verdict = Some(verdict);
    }

    /// Notes which orders somebody looks at.
    pub fn select(&mut self, orders: BTreeSet<i64>) {
        let gone = self.orders.select(orders);
        self.drop_rows(gone);
    }

    /// The orders whose rows should be looked at now, each once.
    pub fn take_stale(&mut self) -> Vec<i64> {
        self.orders.take_stale()
    }

    /// Notes that the rows of an order could not be looked at.
    pub fn look_again(&mut self, order: i64) {
        self.orders.look_again(order);
    }

    /// Notes the rows of an order.
    pub fn row(&mut self, order: i64, expected: Option<Expected>, actual: Option<Actual>) {
        if !self.orders.keeps(order) {
            return;
        }
        let behind = match (&expected, &actual) {
            (Some(expected), Some(actual)) => actual.version < expected.version,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let in_flight = behind || self.orders.is_under_way(order);
        if in_flight {
            self.orders.look_again(order);
        }
        let row = Row {
            order,
            expected,
            actual,
            in_flight,
        };
        self.fresh.rows.insert(order, Some(row));
    }

    fn drop_rows(&mut self, gone: impl IntoIterator<Item = i64>) {
        for order in gone {
            self.fresh.rows.remove(&order);
            if self.told.rows.contains_key(&order) {
                self.fresh.rows.insert(order, None);
            }
        }
    }

    /// What has changed since the last time.
    pub fn flush(&mut self, now: i64) -> Vec<Frame> {
        let mut frames = Vec::new();
        replace(&mut frames, "roles", &mut self.told.roles, self.fresh.roles.take());
        replace(&mut frames, "group", &mut self.told.group, self.fresh.group.take());
        replace(&mut frames, "away", &mut self.told.away, self.fresh.away.take());
        self.flush_topic(&mut frames);
        self.flush_seen(&mut frames);
        self.flush_rows(&mut frames);
        self.flush_verdict(&mut frames, now);
        let lag = self.told.partitions.iter().map(|partition| partition.lag).sum();
        let rates = self.load.pass(now, lag).map(Some);
        replace(&mut frames, "rates", &mut self.told.rates, rates);
        frames
    }

    /// Growth comes before the partitions that show it, and records behind them.
    fn flush_topic(&mut self, frames: &mut Vec<Frame>) {
        let growth = std::mem::take(&mut self.fresh.growth);
        if !growth.is_empty() {
            frames.push(frame("growth", &growth));
            growth
                .into_iter()
                .for_each(|one| keep_last(&mut self.told.growth, one, GROWTHS));
        }
        let partitions = self.fresh.partitions.take();
        replace(frames, "partitions", &mut self.told.partitions, partitions);
        let records = std::mem::take(&mut self.fresh.records);
        if !records.is_empty() {
            frames.push(frame("records", &records.values().flatten().collect::<Vec<_>>()));
        }
        for record in records.into_values().flatten() {
            let told = self.told.records.entry(record.partition).or_default();
            keep_last(told, record, RECORDS);
        }
    }

    fn flush_seen(&mut self, frames: &mut Vec<Frame>) {
        for (who, missed) in std::mem::take(&mut self.fresh.missed) {
            frames.push(frame("missed", &serde_json::json!({ "who": *who, "missed": missed })));
        }
        let seen = std::mem::take(&mut self.fresh.seen);
        if !seen.is_empty() {
            frames.push(Frame {
                kind: "seen",
                data: array(&seen).into(),
            });
            seen.into_iter()
                .for_each(|one| keep_last(&mut self.told.seen, one, SEEN));
        }
    }

    fn flush_rows(&mut self, frames: &mut Vec<Frame>) {
        let mut changed = Vec::new();
        for (order, row) in std::mem::take(&mut self.fresh.rows) {
            match row {
                Some(row) if self.told.rows.get(&order) != Some(&row) => {
                    changed.push(json(&row));
                    self.told.rows.insert(order, row);
                }
                Some(_) => {}
                None => {
                    self.told.rows.remove(&order);
                    changed.push(format!("{{\"order\":{order},\"gone\":true}}"));
                }
            }
        }
        if !changed.is_empty() {
            frames.push(Frame {
                kind: "deliveries",
                data: array(&changed).into(),
            });
        }
    }

    fn flush_verdict(&mut self, frames: &mut Vec<Frame>, now: i64) {
        let Some(verdict) = self.fresh.verdict.take() else {
            return;
        };
        if self.told.verdict.as_ref() == Some(&verdict) {
            return;
        }
        let text = json(&verdict);
        let rested = now.saturating_sub(self.verdict_told) >= 1000 || now < self.verdict_told;
        if text.len() > LONG_VERDICT && !rested {
            self.fresh.verdict = Some(verdict);
            return;
        }
        self.verdict_told = now;
        self.told.verdict = Some(verdict);
        frames.push(Frame {
            kind: "verdict",
            data: text.into(),
        });
    }

    /// Everything that was told, as one frame.
    pub fn snapshot(&self, now: i64, resync: bool) -> Frame {
        let told = &self.told;
        let mut text = format!("{{\"now\":{now}");
        if resync {
            text += ",\"resync\":true";
        }
        let mut part = |name: &str, json: String| {
            let _ = write!(text, ",\"{name}\":{json}");
        };
        part("mall", json(&self.mall));
        part("roles", json(&told.roles));
        part("partitions", json(&told.partitions));
        part("records", json(&told.records.values().flatten().collect::<Vec<_>>()));
        part("seen", array(&told.seen));
        part("deliveries", json(&told.rows.values().collect::<Vec<_>>()));
        part("verdict", json(told.verdict.as_ref().unwrap_or(&Verdict::STARTING)));
        part("rates", json(&told.rates));
        part("growth", json(&told.growth));
        part("group", json(&told.group));
        part("away", json(&told.away));
        text.push('}');
        Frame {
            kind: "snapshot",
            data: text.into(),
        }
    }
}

/// What an observation counts as.
fn counted(what: &What) -> Counted {
    let of_order = what.event().is_some_and(|event| event.delivery.is_none());
    match what {
        What::Committed { .. } if of_order => Counted::Committed,
        What::Published { .. } if of_order => Counted::Published,
        What::Finished { ending, .. } if ending.effect().is_some() => Counted::Applied,
        _ => Counted::Other,
    }
}

/// Takes what is new in the place of what was told, and tells it if it differs.
fn replace<T: Serialize + PartialEq>(frames: &mut Vec<Frame>, kind: &'static str, told: &mut T, fresh: Option<T>) {
    if let Some(fresh) = fresh.filter(|fresh| fresh != told) {
        frames.push(frame(kind, &fresh));
        *told = fresh;
    }
}

fn keep_last<T>(kept: &mut VecDeque<T>, one: T, most: usize) {
    kept.push_back(one);
    if kept.len() > most {
        kept.pop_front();
    }
}

fn frame(kind: &'static str, data: &impl Serialize) -> Frame {
    Frame {
        kind,
        data: json(data).into(),
    }
}

/// Puts JSON texts into an array.
fn array<'a, T: AsRef<str> + 'a>(texts: impl IntoIterator<Item = &'a T>) -> String {
    let mut array = String::from("[");
    for text in texts {
        if array.len() > 1 {
            array.push(',');
        }
        array += text.as_ref();
    }
    array.push(']');
    array
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("its maps have texts as keys")
}

/// Cuts a text that somebody else has written.
fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(TEXT) {
        text.truncate(end);
        text.push('…');
    }
}
