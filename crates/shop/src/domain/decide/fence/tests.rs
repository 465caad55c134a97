//! The fence, step by step: what a database would hold after each command, without a database.
//!
//! A script has one command in each line. Its transcript follows each command with the fence's outcome and the order's
//! state: `cursor 1, DELIVERY STARTED A | 3 gap`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use keylane_log::{Header, Offset, Partition, Timestamp};

use super::*;
use crate::domain::fence::Received;
use crate::domain::{
    DeliveryRequest, EventRecord, EventType, IncomingEvent, OrderEventType, OrderFields, OrderPatch, Origin, Place,
    Provenance,
};
use crate::records;

const ORDER: OrderId = OrderId(6);

/// The rows that a database would hold of one order.
#[derive(Default)]
struct Shelf {
    row: FenceRow,
    events: BTreeMap<Version, ParkedEvent>,
    letters: usize,
    history: Vec<String>,
    now: i64,
}

impl Shelf {
    /// Runs the commands of one line as one batch, as an adapter does.
    fn run(&mut self, commands: &[FenceCommand]) -> Vec<FenceOutcome> {
        let now = Timestamp(self.now);
        let wanted = self
            .row
            .wanted(&fenced_orders(commands).remove(&ORDER).unwrap_or_default());
        let mut loaded = self.row.clone();
        let held = |version: &Version| self.events.get(version).map(records::held);
        loaded.heads = wanted.iter().filter_map(held).collect();
        let decision = decide_fence(BTreeMap::from([(ORDER, loaded)]), commands, now);
        let inserted: Vec<DeliveryId> = (8..).map(DeliveryId).take(decision.inserts.len()).collect();
        self.write(&decision);
        let handed_over = decision
            .handed_over
            .iter()
            .map(|(_, version)| self.events[version].clone())
            .collect();
        let delivered = decision.inserts.last().cloned();
        let done = decision.complete(&inserted, handed_over, now);
        if let (Some(new), Some(id)) = (delivered, inserted.last()) {
            self.row.delivery = Some(Delivery {
                id: *id,
                order_id: Some(ORDER),
                fields: new.fields,
                status: Some(new.status.into()),
                version: new.version,
                events: new.events,
            });
        }
        for apply in done.applies {
            let version = apply.version.map_or("-".to_owned(), |version| version.to_string());
            let line = format!("{version} {}→{} {}", apply.before, apply.after, apply.kind.name());
            self.history.push(line);
        }
        done.outcomes
    }

    fn write(&mut self, decision: &FenceDecision) {
        for cursor in &decision.cursors {
            (self.row.cursor, self.row.parked) = (Some(cursor.version), cursor.parked);
            self.row.worker = cursor.worker.clone();
        }
        if let Some(delivery) = decision.updates.last() {
            self.row.delivery = Some(delivery.clone());
        }
        for (_, version) in &decision.unparks {
            assert!(self.events.remove(version).is_some(), "v{version} is parked");
        }
        for new in &decision.parks {
            let event = ParkedEvent {
                order_id: new.order_id,
                head: new.head.clone(),
                error: new.error.clone(),
                record: (*new.record).clone(),
            };
            assert_eq!(self.events.insert(new.head.version, event), None, "its slot is free");
        }
        for change in &decision.changes {
            let event = self.events.get_mut(&change.head.version).expect("it is parked");
            event.head = change.head.clone();
            event.error = change.error.clone().or(event.error.take());
        }
        assert_eq!(
            self.row.parked,
            self.events.len() as i64,
            "the cursor counts what is parked"
        );
        self.letters += decision.letters.len();
    }

    fn shown(&self) -> String {
        let cursor = self.row.cursor.map_or("none".to_owned(), |version| version.to_string());
        let mut line = format!("cursor {cursor}");
        if let Some(Delivery { status, fields, .. }) = &self.row.delivery {
            let _ = write!(
                line,
                ", {} {}",
                status.as_deref().unwrap_or("-"),
                fields.address.as_deref().unwrap_or("-")
            );
        }
        let heads: Vec<String> = self.events.values().map(|event| self.head(event)).collect();
        if !heads.is_empty() {
            let _ = write!(line, " | {}", heads.join(", "));
        }
        line
    }

    /// Shows a parked event as `2 poison`, with the address that its event would set if that is readable and the event
    /// is written or disputed.
    fn head(&self, event: &ParkedEvent) -> String {
        let head = &event.head;
        let mut text = format!("{} {}", head.version, head.reason);
        if event.record.origin == Origin::Journal {
            text += " written";
        }
        if let Some(mark) = head.mark {
            let _ = write!(text, " {}", mark.name());
        }
        if head.lease_until.0 > self.now {
            let _ = write!(text, " of {}", head.lease_holder);
        }
        text
    }
}

/// A record with the event that the arguments describe, or one that can't be read.
fn record(event: Option<&IncomingEvent>, origin: Origin) -> EventRecord {
    let value = event.map_or("{nope".to_owned(), |event| {
        let address = event.fields.address.clone().flatten();
        serde_json::json!({"id": event.order_id.0, "address": address}).to_string()
    });
    let name = event.map_or("OrderModified", |event| EventType::Order(event.event_type).name());
    let mut headers = vec![Header::text("type", name)];
    let version = event.and_then(|event| event.version);
    headers.extend(version.map(|version| Header::text("ce_sequence", version.to_string())));
    EventRecord {
        origin,
        timestamp: Timestamp(0),
        key: None,
        value: Some(value.into()),
        headers,
    }
}

/// Reads `apply 2 Modified B by x`: the event's version (`-` for none), its type and address, and the instance that
/// applies it. With `written` it comes from the order service's journal. A refused record can be read if it has a type,
/// and stands at an offset of the log (`@4`).
fn command(line: &str) -> FenceCommand {
    let words: Vec<&str> = line.split(' ').collect();
    let by = words.iter().position(|word| *word == "by");
    let holder: Arc<str> = by.map_or("x", |by| words[by + 1]).into();
    let version = words.get(1).and_then(|word| word.parse().ok()).map(Version);
    let this = || version.expect("a version");
    match words[0] {
        "look" => FenceCommand::Look(received(&words, version, &holder)),
        // Work takes ten seconds from the beginning of the script.
        "begin" => FenceCommand::Begin(received(&words, version, &holder), Timestamp(10_000)),
        "apply" => FenceCommand::Apply(received(&words, version, &holder)),
        "refuse" => FenceCommand::Refuse(refused(&words, this())),
        "forget" => FenceCommand::Forget {
            order_id: ORDER,
            version: this(),
        },
        "bury" => FenceCommand::Bury(letter()),
        "resume" => FenceCommand::Resume {
            order_id: ORDER,
            holder,
        },
        "renew" | "release" => FenceCommand::Renew {
            order_id: ORDER,
            version: this(),
            holder,
            keep: words[0] == "renew",
        },
        mark => FenceCommand::Mark {
            order_id: ORDER,
            version: this(),
            mark: Mark::from_name(mark).expect("a command"),
        },
    }
}

fn received(words: &[&str], version: Option<Version>, holder: &Arc<str>) -> Received {
    let event_type = match words[2] {
        "Placed" => OrderEventType::Placed,
        "Modified" => OrderEventType::Modified,
        _ => OrderEventType::Cancelled,
    };
    let address = words.get(3).filter(|word| !["by", "written"].contains(word));
    let event = IncomingEvent {
        order_id: ORDER,
        version,
        event_type,
        fields: OrderPatch {
            address: Some(address.map(|word| (*word).to_owned())),
            ..OrderPatch::default()
        },
    };
    Received {
        record: Arc::new(record(Some(&event), origin(words, 100))),
        request: DeliveryRequest {
            event,
            traceparent: None,
            provenance: Provenance {
                instance: holder.clone(),
                ..Provenance::default()
            },
        },
    }
}

fn refused(words: &[&str], version: Version) -> Refused {
    let readable = words.len() > 2 && !words[2].starts_with('@');
    let event = readable.then(|| received(words, Some(version), &"x".into()).request.event);
    let offset = words.iter().find_map(|word| word.strip_prefix('@')?.parse().ok());
    let usual = event.as_ref().map_or(0, |_| 100);
    let record = record(event.as_ref(), origin(words, offset.unwrap_or(usual)));
    Refused {
        order_id: ORDER,
        version,
        event,
        record: Arc::new(record),
        error: "unreadable".into(),
        letter: letter(),
    }
}

/// Where a record came from: from the order service's journal with `written`, otherwise from this offset of the log.
fn origin(words: &[&str], offset: u64) -> Origin {
    match words.contains(&"written") {
        true => Origin::Journal,
        false => Origin::Log(Place {
            topic: "t".into(),
            partition: Partition(0),
            offset: Offset(offset),
        }),
    }
}

fn letter() -> NewDeadLetter {
    NewDeadLetter {
        order_id: Some(ORDER),
        version: None,
        topic: "dlq".into(),
        timestamp: Timestamp(0),
        key: None,
        value: None,
        headers: Vec::new(),
    }
}

fn said(outcome: &FenceOutcome) -> String {
    match outcome {
        FenceOutcome::Duplicate => "duplicate".into(),
        FenceOutcome::Next { leased: false } => "next".into(),
        FenceOutcome::Next { leased: true } => "next, leased".into(),
        FenceOutcome::Parked(reason) => format!("parked as {reason}"),
        FenceOutcome::Early(early) => match &early.worker {
            Some(worker) => format!("parked as {}, {} with {}", early.reason, early.next, worker.instance),
            None => format!("parked as {}", early.reason),
        },
        FenceOutcome::Ignored(_) => "ignored".into(),
        FenceOutcome::Refused(why) => format!("refused: {why}"),
        FenceOutcome::Applied { next: None, .. } => "applied".into(),
        FenceOutcome::Applied { next: Some(next), .. } => format!("applied, {} handed over", next.head.version),
        FenceOutcome::Resumed { next: None, discarded } if discarded.is_empty() => "nothing".into(),
        FenceOutcome::Resumed { next: None, discarded } => format!("passed over {discarded:?}"),
        FenceOutcome::Resumed { next: Some(next), .. } => format!("{} handed over", next.head.version),
        FenceOutcome::Noted(noted) => format!("{noted}"),
        FenceOutcome::Marked(marked) => format!("marked: {marked:?}").to_lowercase(),
        FenceOutcome::Disputed => "disputed".into(),
        FenceOutcome::GivenUp => "given up".into(),
        FenceOutcome::Buried => "buried".into(),
    }
}

/// Runs the commands of a transcript (its lines that begin with `>`), and expects exactly this transcript.
fn transcript(expected: &str) -> Shelf {
    transcript_on(Shelf::default(), expected)
}

fn transcript_on(mut shelf: Shelf, expected: &str) -> Shelf {
    let expected: Vec<&str> = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let mut found = Vec::new();
    for line in expected.iter().filter_map(|line| line.strip_prefix("> ")) {
        found.push(format!("> {line}"));
        if let Some(seconds) = line.strip_prefix("wait ") {
            shelf.now += seconds.parse::<i64>().expect("seconds") * 1000;
            continue;
        }
        let commands: Vec<FenceCommand> = line.split(" + ").map(command).collect();
        let outcomes: Vec<String> = shelf.run(&commands).iter().map(said).collect();
        found.push(format!("{}; {}", outcomes.join(" + "), shelf.shown()));
    }
    assert_eq!(found.join("\n"), expected.join("\n"));
    shelf
}

#[test]
fn in_order_each_once() {
    let shelf = transcript(
        "> look 1 Placed A
         next; cursor none
         > apply 1 Placed A
         applied; cursor 1, DELIVERY STARTED A
         > apply 1 Placed A
         duplicate; cursor 1, DELIVERY STARTED A
         > apply 2 Modified B
         applied; cursor 2, DELIVERY MODIFIED B
         > look 1 Placed A
         duplicate; cursor 2, DELIVERY MODIFIED B
         > apply 3 Cancelled C
         applied; cursor 3, DELIVERY CANCELLED B",
    );
    assert_eq!(shelf.history, ["1 0→1 applied", "2 1→2 applied", "3 2→3 applied"]);
}

#[test]
fn anomaly_a1_versions_overtake_each_other() {
    let shelf = transcript(
        "> look 3 Cancelled
         parked as gap; cursor 0 | 3 gap
         > look 2 Modified B
         parked as gap; cursor 0 | 2 gap, 3 gap
         > look 3 Cancelled
         parked as gap; cursor 0 | 2 gap, 3 gap
         > apply 1 Placed A by x
         applied, 2 handed over; cursor 1, DELIVERY STARTED A | 2 gap of x, 3 gap
         > resume by y
         nothing; cursor 1, DELIVERY STARTED A | 2 gap of x, 3 gap
         > apply 2 Modified B by x
         applied, 3 handed over; cursor 2, DELIVERY MODIFIED B | 3 gap of x
         > apply 3 Cancelled by x
         applied; cursor 3, DELIVERY CANCELLED B",
    );
    assert_eq!(shelf.history, ["1 0→1 applied", "2 1→2 applied", "3 2→3 applied"]);
}

#[test]
fn anomaly_a17_a_crash_leaves_what_was_handed_over() {
    transcript(
        "> look 2 Modified B
         parked as gap; cursor 0 | 2 gap
         > apply 1 Placed A by x
         applied, 2 handed over; cursor 1, DELIVERY STARTED A | 2 gap of x
         > wait 9
         > resume by y
         nothing; cursor 1, DELIVERY STARTED A | 2 gap of x
         > renew 2 by x
         true; cursor 1, DELIVERY STARTED A | 2 gap of x
         > wait 9
         > look 2 Modified B by y
         parked as gap, 2 with x; cursor 1, DELIVERY STARTED A | 2 gap of x
         > wait 1
         > look 2 Modified B by y
         next, leased; cursor 1, DELIVERY STARTED A | 2 gap of y
         > renew 2 by x
         false; cursor 1, DELIVERY STARTED A | 2 gap of y
         > release 2 by y
         true; cursor 1, DELIVERY STARTED A | 2 gap
         > resume by z
         2 handed over; cursor 1, DELIVERY STARTED A | 2 gap of z",
    );
}

#[test]
fn who_waits_hears_who_is_at_work() {
    transcript(
        "> begin 1 Modified A by x
         next; cursor none
         > look 2 Modified B by z
         parked as gap; cursor 0 | 2 gap
         > apply 1 Placed A by x
         applied, 2 handed over; cursor 1, DELIVERY STARTED A | 2 gap of x
         > look 3 Cancelled by z
         parked as gap, 2 with x; cursor 1, DELIVERY STARTED A | 2 gap of x, 3 gap
         > apply 2 Modified B by x
         applied, 3 handed over; cursor 2, DELIVERY MODIFIED B | 3 gap of x",
    );
    transcript(
        "> apply 1 Placed A by x
         applied; cursor 1, DELIVERY STARTED A
         > begin 2 Modified B by x
         next; cursor 1, DELIVERY STARTED A
         > wait 9
         > look 3 Cancelled by y
         parked as gap, 2 with x; cursor 1, DELIVERY STARTED A | 3 gap
         > begin 2 Modified B by z
         next; cursor 1, DELIVERY STARTED A | 3 gap
         > look 4 Modified by y
         parked as gap, 2 with z; cursor 1, DELIVERY STARTED A | 3 gap, 4 gap
         > wait 1
         > look 4 Modified by y
         parked as gap; cursor 1, DELIVERY STARTED A | 3 gap, 4 gap
         > apply 2 Modified B by z
         applied, 3 handed over; cursor 2, DELIVERY MODIFIED B | 3 gap of z, 4 gap
         > look 4 Modified by y
         parked as gap, 3 with z; cursor 2, DELIVERY MODIFIED B | 3 gap of z, 4 gap",
    );
    transcript(
        "> apply 1 Placed A by x
         applied; cursor 1, DELIVERY STARTED A
         > begin 2 Modified B by x
         next; cursor 1, DELIVERY STARTED A
         > apply 2 Modified B by y
         applied; cursor 2, DELIVERY MODIFIED B
         > look 4 Modified by y
         parked as gap; cursor 2, DELIVERY MODIFIED B | 4 gap
         > begin 1 Placed A by x
         duplicate; cursor 2, DELIVERY MODIFIED B | 4 gap",
    );
}

#[test]
fn anomaly_a21_a_zombie_comes_back() {
    let shelf = transcript(
        "> apply 1 Placed A
         applied; cursor 1, DELIVERY STARTED A
         > look 2 Modified STALE by zombie
         next; cursor 1, DELIVERY STARTED A
         > look 2 Modified B by other
         next; cursor 1, DELIVERY STARTED A
         > apply 2 Modified B by other
         applied; cursor 2, DELIVERY MODIFIED B
         > apply 3 Cancelled by other
         applied; cursor 3, DELIVERY CANCELLED B
         > apply 2 Modified STALE by zombie
         duplicate; cursor 3, DELIVERY CANCELLED B",
    );
    assert_eq!(shelf.history.len(), 3);
}

#[test]
fn anomaly_a24_poison_parks_its_order_until_a_person_has_it_retried() {
    let shelf = transcript(
        "> apply 1 Placed A
         applied; cursor 1, DELIVERY STARTED A
         > refuse 2
         parked as poison; cursor 1, DELIVERY STARTED A | 2 poison
         > look 3 Cancelled
         parked as behind; cursor 1, DELIVERY STARTED A | 2 poison, 3 behind
         > refuse 2
         parked as poison; cursor 1, DELIVERY STARTED A | 2 poison, 3 behind
         > resume
         nothing; cursor 1, DELIVERY STARTED A | 2 poison, 3 behind
         > retry 2
         marked: parked(poison); cursor 1, DELIVERY STARTED A | 2 poison retry, 3 behind
         > resume by x
         2 handed over; cursor 1, DELIVERY STARTED A | 2 poison retry of x, 3 behind
         > refuse 2
         parked as poison; cursor 1, DELIVERY STARTED A | 2 poison, 3 behind
         > resume
         nothing; cursor 1, DELIVERY STARTED A | 2 poison, 3 behind
         > retry 2
         marked: parked(poison); cursor 1, DELIVERY STARTED A | 2 poison retry, 3 behind
         > resume by x
         2 handed over; cursor 1, DELIVERY STARTED A | 2 poison retry of x, 3 behind
         > apply 2 Modified B by x
         applied, 3 handed over; cursor 2, DELIVERY MODIFIED B | 3 behind of x
         > apply 3 Cancelled
         applied; cursor 3, DELIVERY CANCELLED B
         > refuse 2
         duplicate; cursor 3, DELIVERY CANCELLED B
         > bury
         true; cursor 3, DELIVERY CANCELLED B",
    );
    assert_eq!(shelf.letters, 2, "one for the poison, one that was buried alone");
}

#[test]
fn anomaly_a24_or_passed_over() {
    let shelf = transcript(
        "> apply 1 Placed A
         applied; cursor 1, DELIVERY STARTED A
         > refuse 2
         parked as poison; cursor 1, DELIVERY STARTED A | 2 poison
         > look 3 Modified C
         parked as behind; cursor 1, DELIVERY STARTED A | 2 poison, 3 behind
         > discard 2 + discard 9
         marked: parked(poison) + marked: notthere; cursor 1, DELIVERY STARTED A | 2 poison discard, 3 behind
         > look 2 Modified B + apply 2 Modified B
         given up + given up; cursor 1, DELIVERY STARTED A | 2 poison discard, 3 behind
         > resume
         passed over [Version(2)]; cursor 2, DELIVERY STARTED A | 3 behind
         > resume by x
         3 handed over; cursor 2, DELIVERY STARTED A | 3 behind of x
         > apply 3 Modified C
         applied; cursor 3, DELIVERY MODIFIED C",
    );
    assert_eq!(shelf.history, ["1 0→1 applied", "2 1→2 discarded", "3 2→3 applied"]);
}

#[test]
fn a_discard_of_what_stands_behind_takes_effect_in_its_turn() {
    let shelf = transcript(
        "> look 2 Modified B + look 3 Modified C
         parked as gap + parked as gap; cursor 0 | 2 gap, 3 gap
         > discard 2
         marked: parked(gap); cursor 0 | 2 gap discard, 3 gap
         > apply 1 Placed A + look 3 Modified C by y
         applied, 3 handed over + parked as gap, 3 with x; cursor 2, DELIVERY STARTED A | 3 gap of x",
    );
    assert_eq!(shelf.history, ["1 0→1 applied", "2 1→2 discarded"]);
}

#[test]
fn anomaly_a26_what_never_came_can_be_passed_over() {
    let shelf = transcript(
        "> apply 1 Placed A
         applied; cursor 1, DELIVERY STARTED A
         > discard 2
         marked: notthere; cursor 1, DELIVERY STARTED A
         > discard 1
         marked: passed; cursor 1, DELIVERY STARTED A
         > look 4 Cancelled
         parked as gap; cursor 1, DELIVERY STARTED A | 4 gap
         > discard 3 + retry 2
         marked: notthere + marked: notthere; cursor 1, DELIVERY STARTED A | 4 gap
         > discard 2
         marked: missing; cursor 1, DELIVERY STARTED A | 2 gap discard, 4 gap
         > look 2 Modified B
         given up; cursor 1, DELIVERY STARTED A | 2 gap discard, 4 gap
         > resume
         passed over [Version(2)]; cursor 2, DELIVERY STARTED A | 4 gap
         > apply 3 Modified C
         applied, 4 handed over; cursor 3, DELIVERY MODIFIED C | 4 gap of x",
    );
    assert_eq!(shelf.history, ["1 0→1 applied", "2 1→2 discarded", "3 2→3 applied"]);
}

#[test]
fn anomaly_a25_nothing_follows_a_cancellation() {
    transcript(
        "> apply 1 Placed A
         applied; cursor 1, DELIVERY STARTED A
         > apply 2 Cancelled
         applied; cursor 2, DELIVERY CANCELLED A
         > apply 2 Modified B
         duplicate; cursor 2, DELIVERY CANCELLED A
         > apply 3 Modified B
         refused: the delivery of order 6 is cancelled, and nothing follows a cancellation; cursor 2, DELIVERY CANCELLED A",
    );
}

#[test]
fn an_order_that_does_not_begin_with_its_placing_is_refused() {
    transcript(
        "> apply 1 Modified A
         refused: there is no delivery of order 6; cursor none",
    );
}

#[test]
fn without_versions_only_the_state_counts() {
    let shelf = transcript(
        "> apply - Modified A
         refused: there is no delivery of order 6; cursor none
         > look - Placed A
         next; cursor none
         > apply - Placed A
         applied; cursor none, DELIVERY STARTED A
         > apply - Placed B
         ignored; cursor none, DELIVERY STARTED A
         > apply - Modified B
         applied; cursor none, DELIVERY MODIFIED B
         > apply - Cancelled
         applied; cursor none, DELIVERY CANCELLED B
         > look - Modified C
         ignored; cursor none, DELIVERY CANCELLED B
         > apply - Cancelled
         ignored; cursor none, DELIVERY CANCELLED B",
    );
    assert_eq!(shelf.history, ["- 0→1 applied", "- 1→1 applied", "- 1→1 applied"]);
}

/// An older order service, which does not number events, placed the order; then one that does took over.
#[test]
fn versions_may_begin_after_an_order_was_placed_without_one() {
    let shelf = transcript(
        "> apply - Placed A + apply - Modified B
         applied + applied; cursor none, DELIVERY MODIFIED B
         > apply 1 Placed A
         duplicate; cursor none, DELIVERY MODIFIED B
         > apply 2 Modified C
         applied; cursor 2, DELIVERY MODIFIED C
         > apply - Modified D
         applied; cursor 2, DELIVERY MODIFIED D
         > apply 3 Cancelled
         applied; cursor 3, DELIVERY CANCELLED D",
    );
    let expected = [
        "- 0→1 applied",
        "- 1→1 applied",
        "2 1→2 applied",
        "- 2→2 applied",
        "3 2→3 applied",
    ];
    assert_eq!(shelf.history, expected);
}

#[test]
fn a_placed_order_without_a_version_moves_no_cursor_that_others_wait_on() {
    transcript(
        "> look 2 Modified B
         parked as gap; cursor 0 | 2 gap
         > apply - Placed A
         applied; cursor 0, DELIVERY STARTED A | 2 gap
         > apply 1 Placed C
         applied, 2 handed over; cursor 1, DELIVERY STARTED C | 2 gap of x",
    );
}

#[test]
fn a_cursor_is_born_over_the_delivery_that_is_there() {
    let mut shelf = Shelf::default();
    shelf.row.delivery = Some(Delivery {
        id: DeliveryId(3),
        order_id: Some(ORDER),
        fields: OrderFields::default(),
        status: Some("DELIVERY STARTED".into()),
        version: Version(1),
        events: Version(1),
    });
    transcript_on(
        shelf,
        "> apply 1 Placed A
         duplicate; cursor none, DELIVERY STARTED -
         > look 3 Cancelled
         parked as gap; cursor 1, DELIVERY STARTED - | 3 gap
         > apply 2 Modified B
         applied, 3 handed over; cursor 2, DELIVERY MODIFIED B | 3 gap of x",
    );
}

#[test]
fn a_batch_folds() {
    transcript(
        "> apply 1 Placed A + look 3 Modified C + apply 2 Modified B + apply 3 Modified C
         applied + parked as gap + applied + applied; cursor 3, DELIVERY MODIFIED C",
    );
}

#[test]
fn a_readable_event_takes_over_what_garbage_holds_at_the_head() {
    let shelf = transcript(
        "> apply 1 Placed A + refuse 2 + look 3 Modified C
         applied + parked as poison + parked as behind; cursor 1, DELIVERY STARTED A | 2 poison, 3 behind
         > look 2 Modified B by x
         next, leased; cursor 1, DELIVERY STARTED A | 2 gap of x, 3 behind
         > refuse 2
         buried; cursor 1, DELIVERY STARTED A | 2 gap of x, 3 behind
         > apply 2 Modified B by x
         applied, 3 handed over; cursor 2, DELIVERY MODIFIED B | 3 behind of x
         > apply 3 Modified C by x
         applied; cursor 3, DELIVERY MODIFIED C",
    );
    assert_eq!(
        shelf.letters, 2,
        "the garbage came twice, once when it no longer stood there"
    );
    let at_once = transcript(
        "> apply 1 Placed A + refuse 2 + apply 2 Modified B
         applied + parked as poison + applied; cursor 2, DELIVERY MODIFIED B",
    );
    assert_eq!((at_once.letters, at_once.row.parked), (1, 0));
}

#[test]
fn a_readable_event_takes_over_what_garbage_holds_above_the_cursor_and_before_the_order() {
    let shelf = transcript(
        "> refuse 2 + refuse 1
         parked as poison + parked as poison; cursor 0 | 1 poison, 2 poison
         > look 2 Modified B
         parked as behind; cursor 0 | 1 poison, 2 behind
         > apply 1 Placed A by x
         applied, 2 handed over; cursor 1, DELIVERY STARTED A | 2 behind of x
         > apply 2 Modified B by x
         applied; cursor 2, DELIVERY MODIFIED B",
    );
    assert_eq!(shelf.history, ["1 0→1 applied", "2 1→2 applied"]);
}

#[test]
fn garbage_changes_nothing_where_something_readable_is_parked_or_was_applied() {
    let shelf = transcript(
        "> apply 1 Placed A + look 3 Modified C
         applied + parked as gap; cursor 1, DELIVERY STARTED A | 3 gap
         > refuse 3 @7
         buried; cursor 1, DELIVERY STARTED A | 3 gap
         > refuse 1 @8
         duplicate; cursor 1, DELIVERY STARTED A | 3 gap
         > refuse 2 @9 + refuse 2 @9 + refuse 2 @10
         parked as poison + parked as poison + buried; cursor 1, DELIVERY STARTED A | 2 poison, 3 gap
         > apply 2 Modified B by x
         applied, 3 handed over; cursor 2, DELIVERY MODIFIED B | 3 gap of x",
    );
    assert_eq!(shelf.letters, 3, "the records 7, 9 and 10, each once");
}

#[test]
fn two_events_that_differ_wait_for_the_journal() {
    let shelf = transcript(
        "> apply 1 Placed A + look 3 Modified FORGED
         applied + parked as gap; cursor 1, DELIVERY STARTED A | 3 gap
         > look 3 Modified FORGED + look 3 Modified C
         parked as gap + disputed; cursor 1, DELIVERY STARTED A | 3 gap
         > refuse 3 Modified C
         parked as poison; cursor 1, DELIVERY STARTED A | 3 poison",
    );
    assert_eq!(shelf.letters, 1);
    let shelf = transcript(
        "> apply 1 Placed A + look 3 Modified FORGED
         applied + parked as gap; cursor 1, DELIVERY STARTED A | 3 gap
         > refuse 3 Modified C @7
         parked as disputed; cursor 1, DELIVERY STARTED A | 3 disputed
         > apply 2 Modified B by x
         applied; cursor 2, DELIVERY MODIFIED B | 3 disputed
         > look 3 Modified FORGED + apply 3 Modified FORGED + look 3 Modified C
         parked as disputed + parked as disputed + disputed; cursor 2, DELIVERY MODIFIED B | 3 disputed
         > look 3 Modified C written by x
         next, leased; cursor 2, DELIVERY MODIFIED B | 3 gap written of x
         > apply 3 Modified C written by x
         applied; cursor 3, DELIVERY MODIFIED C",
    );
    assert_eq!(shelf.letters, 1, "that of the one that came second");
}

/// The journal holds the event that came first, so the second one was forged.
#[test]
fn a_dispute_is_settled_also_where_the_first_was_right() {
    transcript(
        "> apply 1 Placed A + look 3 Modified C
         applied + parked as gap; cursor 1, DELIVERY STARTED A | 3 gap
         > refuse 3 Modified FORGED @7 + apply 2 Modified B
         parked as disputed + applied; cursor 2, DELIVERY MODIFIED B | 3 disputed
         > apply 3 Modified C written
         applied; cursor 3, DELIVERY MODIFIED C",
    );
}

#[test]
fn what_was_written_takes_over_and_stays_where_it_can_not_be_handled_itself() {
    let shelf = transcript(
        "> apply 1 Placed A + refuse 2 Modified FORGED
         applied + parked as poison; cursor 1, DELIVERY STARTED A | 2 poison
         > look 2 Modified B by x
         disputed; cursor 1, DELIVERY STARTED A | 2 poison
         > refuse 2 Modified B written @7
         parked as poison; cursor 1, DELIVERY STARTED A | 2 poison written
         > look 2 Modified B written + apply 2 Modified B written + look 2 Modified B
         parked as poison + parked as poison + parked as poison; cursor 1, DELIVERY STARTED A | 2 poison written
         > retry 2
         marked: parked(poison); cursor 1, DELIVERY STARTED A | 2 poison written retry
         > apply 2 Modified B written
         applied; cursor 2, DELIVERY MODIFIED B",
    );
    assert_eq!(shelf.letters, 2);
}

#[test]
fn what_was_never_written_is_forgotten_unless_it_can_be_read_and_nobody_gave_it_up() {
    transcript(
        "> apply 1 Placed A + refuse 7 + look 9 Modified FORGED
         applied + parked as poison + parked as gap; cursor 1, DELIVERY STARTED A | 7 poison, 9 gap
         > forget 7 + forget 8 + forget 9
         true + false + false; cursor 1, DELIVERY STARTED A | 9 gap
         > discard 9 + forget 9
         marked: parked(gap) + true; cursor 1, DELIVERY STARTED A
         > apply 2 Modified B
         applied; cursor 2, DELIVERY MODIFIED B",
    );
}

#[test]
fn a_person_who_gives_a_version_up_is_not_overruled() {
    let shelf = transcript(
        "> apply 1 Placed A + refuse 2 + discard 2
         applied + parked as poison + marked: parked(poison); cursor 1, DELIVERY STARTED A | 2 poison discard
         > refuse 2 + look 2 Modified B + apply 2 Modified B written + refuse 2 Modified B @7
         parked as poison + given up + given up + buried; cursor 1, DELIVERY STARTED A | 2 poison discard
         > resume
         passed over [Version(2)]; cursor 2, DELIVERY STARTED A",
    );
    assert_eq!(shelf.history, ["1 0→1 applied", "2 1→2 discarded"]);
}

#[test]
fn the_last_of_all_versions_can_be_marked_and_forgotten() {
    const LAST: i64 = i64::MAX;
    transcript(&format!(
        "> apply 1 Placed A + refuse {LAST}
         applied + parked as poison; cursor 1, DELIVERY STARTED A | {LAST} poison
         > retry {LAST} + discard {LAST}
         marked: parked(poison) + marked: parked(poison); cursor 1, DELIVERY STARTED A | {LAST} poison discard
         > forget {LAST}
         true; cursor 1, DELIVERY STARTED A"
    ));
}

/// A lease that is taken in the batch that parks the event must be written with the event.
#[test]
fn what_is_parked_and_handed_over_in_one_batch_is_leased() {
    transcript(
        "> look 2 Modified B + apply 1 Placed A by x
         parked as gap + applied, 2 handed over; cursor 1, DELIVERY STARTED A | 2 gap of x",
    );
}
