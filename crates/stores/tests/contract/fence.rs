//! The fence over a store: which events take effect, which wait, and that two instances at once break nothing.

use std::sync::Arc;

use bytes::Bytes;
use keylane_log::{Header, Offset, Partition, Timestamp};
use shop::domain::OrderEventType::{self, Cancelled, Modified, Placed};
use shop::domain::fence::{
    Early, FenceCommand, FenceOutcome, Mark, Marked, NewDeadLetter, ParkReason, ParkedEvent, ParkedKey, Received,
    Refused, Worker,
};
use shop::domain::{
    Delivery, EventRecord, EventType, IncomingEvent, OrderId, Origin, Place, Provenance, Source, Version,
};
use shop::store::{Backlog, Store, Waiting};
use tokio::sync::Barrier;

use crate::fixture::*;

const LATER: Timestamp = Timestamp(NOW.0 + 60_000);

/// An event as an instance has received it, with the record that it was read from.
pub fn received(order: i64, version: i64, event_type: OrderEventType, address: &str) -> Received {
    let value = serde_json::json!({
        "id": order, "productId": "100", "productName": "RADIO", "qty": 3, "customerId": 2000, "address": address,
    });
    let place = Place {
        topic: "kafka.scaling".into(),
        partition: Partition(1),
        offset: Offset(version.cast_unsigned().saturating_add(100)),
    };
    let record = EventRecord {
        origin: Origin::Log(place.clone()),
        timestamp: Timestamp(NOW.0.saturating_add(version)),
        key: Some(Bytes::from_static(b"\x00\xFF \xF0\x9F\x8F\xA0")),
        value: Some(value.to_string().into()),
        headers: vec![
            Header::text("type", EventType::Order(event_type).name()),
            Header::text("ce_sequence", version.to_string()),
            Header {
                name: "null".into(),
                value: None,
            },
        ],
    };
    let mut request = full_event(order, version, event_type, address);
    request.provenance = Provenance {
        instance: "delivery-1/7".into(),
        epoch: Some(3),
        place: Some(place),
    };
    Received {
        request,
        record: Arc::new(record),
    }
}

/// The outcome for an event that waits for version `next`, of which nobody is known to work on it.
fn waits(reason: ParkReason, next: i64) -> FenceOutcome {
    FenceOutcome::Early(Early {
        reason,
        next: Version(next),
        worker: None,
    })
}

fn unversioned(order: i64, event_type: OrderEventType, address: &str) -> Received {
    let mut received = received(order, 1, event_type, address);
    received.request.event.version = None;
    received
}

fn offset_of(record: &mut EventRecord) -> &mut Offset {
    match &mut record.origin {
        Origin::Log(place) => &mut place.offset,
        Origin::Journal | Origin::Nowhere => panic!("the record comes from the log"),
    }
}

/// A record that names its order and version, and whose event can't be read.
fn garbage(order: i64, version: i64) -> EventRecord {
    let mut record = (*received(order, version, Modified, "").record).clone();
    *offset_of(&mut record) = Offset(version.cast_unsigned().saturating_add(900));
    record.value = Some(Bytes::from_static(b"{nope\x00\xFF"));
    record
}

fn refused(order: i64, version: i64) -> FenceCommand {
    refused_record(order, version, garbage(order, version), None)
}

fn refused_record(order: i64, version: i64, record: EventRecord, event: Option<IncomingEvent>) -> FenceCommand {
    FenceCommand::Refuse(Refused {
        order_id: OrderId(order),
        version: Version(version),
        event,
        error: "the address is no address".into(),
        letter: letter(&record, Some(order), Some(version)),
        record: Arc::new(record),
    })
}

fn letter(record: &EventRecord, order: Option<i64>, version: Option<i64>) -> NewDeadLetter {
    NewDeadLetter {
        order_id: order.map(OrderId),
        version: version.map(Version),
        topic: "dlq-kafka.delivery".into(),
        timestamp: NOW,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.clone(),
    }
}

pub fn mark(order: i64, version: i64, mark: Mark) -> FenceCommand {
    FenceCommand::Mark {
        order_id: OrderId(order),
        version: Version(version),
        mark,
    }
}

fn nothing() -> FenceOutcome {
    FenceOutcome::Resumed {
        next: None,
        discarded: Vec::new(),
    }
}

fn resume(order: i64) -> FenceCommand {
    FenceCommand::Resume {
        order_id: OrderId(order),
        holder: "sweeper".into(),
    }
}

async fn run_at(store: &dyn Store, command: FenceCommand, now: Timestamp) -> FenceOutcome {
    let outcomes = store.run_fence(&[command], now).await.unwrap();
    let [outcome] = <[_; 1]>::try_from(outcomes).expect("one outcome a command");
    outcome
}

pub async fn run(store: &dyn Store, command: FenceCommand) -> FenceOutcome {
    run_at(store, command, NOW).await
}

async fn apply(store: &dyn Store, received: Received) -> (Delivery, Option<Box<ParkedEvent>>) {
    match run(store, FenceCommand::Apply(received)).await {
        FenceOutcome::Applied { delivery, next, .. } => (delivery, next),
        other => panic!("not applied: {other:?}"),
    }
}

async fn keys(store: &dyn Store) -> Vec<ParkedKey> {
    store.parked_keys(OrderId(0), 1000).await.unwrap()
}

/// The parked events of an order as `2 gap, 3 poison`.
async fn parked(store: &dyn Store, order: i64) -> String {
    let events = store.parked_events(OrderId(order), Version(0), 100).await.unwrap();
    let one = |event: &ParkedEvent| format!("{} {}", event.head.version, event.head.reason);
    events.iter().map(one).collect::<Vec<_>>().join(", ")
}

pub async fn versions_apply_once_and_in_order(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let (started, _) = apply(&*store, received(6, 1, Placed, "PUSAN")).await;
    assert_eq!((started.version, started.events), (Version(1), Version(1)));
    let again = run(&*store, FenceCommand::Apply(received(6, 1, Placed, "PUSAN"))).await;
    assert_eq!(again, FenceOutcome::Duplicate);
    let (cancelled, _) = apply(&*store, received(6, 2, Cancelled, "PUSAN")).await;
    assert_eq!(cancelled.status.as_deref(), Some("DELIVERY CANCELLED"));
    assert_eq!((cancelled.id, cancelled.version), (started.id, Version(2)));
    let late = run(&*store, FenceCommand::Look(received(6, 2, Modified, "SEOUL"))).await;
    assert_eq!(late, FenceOutcome::Duplicate, "before any slow work");
    assert_eq!(store.deliveries(&page(0, 9, &[])).await.unwrap().items, [cancelled]);
    let journal = store.unpublished(Source::Deliveries, 0, 10).await.unwrap();
    assert_eq!(
        names(journal.iter().map(|row| &row.entry)),
        ["DeliveryStarted v1", "DeliveryCancelled v2"]
    );
}

pub async fn an_early_version_waits_and_is_handed_over(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    apply(&*store, received(6, 1, Placed, "PUSAN")).await;
    let early = received(6, 3, Cancelled, "서울");
    let outcome = run(&*store, FenceCommand::Look(early.clone())).await;
    assert_eq!(outcome, waits(ParkReason::Gap, 2));
    let again = run(&*store, FenceCommand::Apply(early.clone())).await;
    assert_eq!(again, waits(ParkReason::Gap, 2), "kept once");
    let [key] = &keys(&*store).await[..] else {
        panic!("one order waits");
    };
    assert_eq!((key.order_id, key.cursor, key.parked), (OrderId(6), Version(1), 1));
    assert!(key.has_gap() && !key.is_ready(LATER));

    let (modified, next) = apply(&*store, received(6, 2, Modified, "SEOUL")).await;
    assert_eq!(modified.version, Version(2));
    let next = next.expect("what waited is handed over");
    assert_eq!(next.record, *early.record, "byte for byte");
    assert_eq!(next.head.lease_holder, "delivery-1/7");
    assert_eq!(run(&*store, resume(6)).await, nothing(), "it is taken");
    let (cancelled, none) = apply(&*store, early).await;
    assert_eq!((cancelled.version, none), (Version(3), None));
    assert_eq!(cancelled.status.as_deref(), Some("DELIVERY CANCELLED"));
    assert_eq!(keys(&*store).await, []);
}

pub async fn who_waits_hears_who_is_at_work(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    apply(&*store, received(6, 1, Placed, "PUSAN")).await;
    let second = received(6, 2, Modified, "SEOUL");
    let next = FenceOutcome::Next { leased: false };
    let begin = FenceCommand::Begin(second.clone(), LATER);
    assert_eq!(run(&*store, begin).await, next);
    let other = fixture.open(Source::Deliveries).await;
    let third = FenceCommand::Apply(received(6, 3, Cancelled, "SEOUL"));
    let at_work = Early {
        reason: ParkReason::Gap,
        next: Version(2),
        worker: Some(Worker {
            instance: "delivery-1/7".into(),
            until: LATER,
        }),
    };
    assert_eq!(run(&*other, third.clone()).await, FenceOutcome::Early(at_work));
    assert_eq!(
        run_at(&*other, third.clone(), LATER).await,
        waits(ParkReason::Gap, 2),
        "the work must be over by now"
    );
    assert_eq!(apply(&*store, second).await.0.version, Version(2));
    let fifth = FenceCommand::Apply(received(6, 5, Modified, "SEOUL"));
    let FenceOutcome::Early(early) = run(&*other, fifth).await else {
        panic!("it waits");
    };
    assert_eq!(early.next, Version(3), "what was noted of v2 is gone: {early:?}");
}

pub async fn what_a_crash_left_is_taken_when_its_lease_ends(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    apply(&*store, received(6, 1, Placed, "PUSAN")).await;
    run(&*store, FenceCommand::Look(received(6, 3, Cancelled, "PUSAN"))).await;
    apply(&*store, received(6, 2, Modified, "SEOUL")).await;
    drop(store);
    let store = fixture.open(Source::Deliveries).await;
    assert!(!keys(&*store).await[0].is_ready(NOW));
    let early = FenceCommand::Look(received(6, 3, Cancelled, "PUSAN"));
    let FenceOutcome::Early(early) = run(&*store, early).await else {
        panic!("its turn is another's");
    };
    let holder = early.worker.map(|worker| worker.instance);
    assert_eq!((early.next, holder.as_deref()), (Version(3), Some("delivery-1/7")));
    assert!(keys(&*store).await[0].is_ready(LATER));
    let renew = |holder: &str, keep| FenceCommand::Renew {
        order_id: OrderId(6),
        version: Version(3),
        holder: holder.into(),
        keep,
    };
    assert_eq!(
        run_at(&*store, renew("somebody", true), LATER).await,
        FenceOutcome::Noted(false)
    );
    assert_eq!(
        run_at(&*store, renew("delivery-1/7", true), LATER).await,
        FenceOutcome::Noted(true)
    );
    assert_eq!(run_at(&*store, resume(6), LATER).await, nothing(), "renewed");
    run_at(&*store, renew("delivery-1/7", false), LATER).await;
    let FenceOutcome::Resumed { next: Some(taken), .. } = run_at(&*store, resume(6), LATER).await else {
        panic!("it was given back");
    };
    assert_eq!((taken.head.version, &*taken.head.lease_holder), (Version(3), "sweeper"));
}

pub async fn poison_parks_its_order_alone(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    for order in [6, 7] {
        apply(&*store, received(order, 1, Placed, "PUSAN")).await;
    }
    assert_eq!(run(&*store, refused(6, 1)).await, FenceOutcome::Duplicate, "long over");
    for _ in 0..2 {
        assert_eq!(
            run(&*store, refused(6, 2)).await,
            FenceOutcome::Parked(ParkReason::Poison)
        );
    }
    let behind = run(&*store, FenceCommand::Apply(received(6, 3, Cancelled, "PUSAN"))).await;
    assert_eq!(behind, waits(ParkReason::Behind, 2));
    apply(&*store, received(7, 2, Modified, "SEOUL")).await;
    assert_eq!(parked(&*store, 6).await, "2 poison, 3 behind");
    let letters = store.dead_letters(true, 0, 10).await.unwrap();
    assert_eq!(letters.len(), 1, "told of once");
    assert_eq!(letters[0].letter, letter(&garbage(6, 2), Some(6), Some(2)));
    store.mark_letters_published(&[letters[0].id]).await.unwrap();
    assert_eq!(store.dead_letters(true, 0, 10).await.unwrap(), []);
    assert_eq!(store.dead_letters(false, 0, 10).await.unwrap(), letters);
    assert!(!keys(&*store).await[0].is_ready(LATER), "it waits for a person");
}

/// A slot that holds a record which can't be read goes to the event that was written: at the head, above the cursor,
/// and before the order is known.
pub async fn a_readable_event_takes_over_what_garbage_holds(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let poison = FenceOutcome::Parked(ParkReason::Poison);
    for version in [1, 2, 3] {
        assert_eq!(run(&*store, refused(6, version)).await, poison);
    }
    let third = received(6, 3, Cancelled, "PUSAN");
    let behind = run(&*store, FenceCommand::Look(third.clone())).await;
    assert_eq!(behind, waits(ParkReason::Behind, 1));
    let events = store.parked_events(OrderId(6), Version(0), 100).await.unwrap();
    assert_eq!(
        (&events[2].record, &events[2].error),
        (&*third.record, &None),
        "as it came"
    );
    let first = received(6, 1, Placed, "PUSAN");
    let look = run(&*store, FenceCommand::Look(first.clone())).await;
    assert_eq!(look, FenceOutcome::Next { leased: true });
    assert_eq!(run(&*store, resume(6)).await, nothing(), "it is taken");
    drop(store);
    let store = fixture.open(Source::Deliveries).await;
    let (_, next) = apply(&*store, first).await;
    assert_eq!(next, None, "the second is garbage still");
    let (_, next) = apply(&*store, received(6, 2, Modified, "SEOUL")).await;
    let next = next.expect("the third waited");
    assert_eq!(next.record, *third.record);
    let (cancelled, _) = apply(&*store, third).await;
    assert_eq!((cancelled.version, cancelled.events), (Version(3), Version(3)));
    assert_eq!((keys(&*store).await, parked(&*store, 6).await), (vec![], String::new()));
    assert_eq!(run(&*store, refused(6, 2)).await, FenceOutcome::Duplicate);
    assert_eq!(
        store.dead_letters(false, 0, 10).await.unwrap().len(),
        3,
        "the letters stay"
    );
}

/// A record that can't be read, of a version that is parked already, becomes a dead letter and changes nothing.
pub async fn garbage_takes_nothing_over(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    apply(&*store, received(6, 1, Placed, "PUSAN")).await;
    let third = received(6, 3, Cancelled, "PUSAN");
    run(&*store, FenceCommand::Look(third.clone())).await;
    let before = store.parked_events(OrderId(6), Version(0), 100).await.unwrap();
    assert_eq!(run(&*store, refused(6, 3)).await, FenceOutcome::Buried);
    assert_eq!(store.parked_events(OrderId(6), Version(0), 100).await.unwrap(), before);
    let letters = store.dead_letters(true, 0, 10).await.unwrap();
    assert_eq!(letters[0].letter, letter(&garbage(6, 3), Some(6), Some(3)));

    // Another event of that version makes the slot disputed; the event from the journal settles that.
    let other = received(6, 3, Modified, "FORGED");
    let look = run(&*store, FenceCommand::Look(other.clone())).await;
    assert_eq!(look, FenceOutcome::Disputed);
    let mut record = (*other.record).clone();
    *offset_of(&mut record) = Offset(700);
    let refuse = refused_record(6, 3, record, Some(other.request.event));
    assert_eq!(run(&*store, refuse).await, FenceOutcome::Parked(ParkReason::Disputed));
    apply(&*store, received(6, 2, Modified, "SEOUL")).await;
    assert!(keys(&*store).await[0].waits_for_journal());
    let mut written = third;
    Arc::make_mut(&mut written.record).origin = Origin::Journal;
    let (cancelled, _) = apply(&*store, written).await;
    assert_eq!(cancelled.status.as_deref(), Some("DELIVERY CANCELLED"));
    assert_eq!(keys(&*store).await, []);
}

/// A person marks a version that never came to be discarded. The mark is kept, even if the version does come after all.
pub async fn a_discard_of_what_never_came_is_kept(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    apply(&*store, received(6, 1, Placed, "PUSAN")).await;
    let marked = run(&*store, mark(6, 2, Mark::Discard)).await;
    assert_eq!(marked, FenceOutcome::Marked(Marked::NotThere), "nothing waits for it");
    run(&*store, FenceCommand::Look(received(6, 3, Cancelled, "PUSAN"))).await;
    for (version, expected) in [(1, Marked::Passed), (2, Marked::Missing), (5, Marked::NotThere)] {
        let marked = run(&*store, mark(6, version, Mark::Discard)).await;
        assert_eq!(marked, FenceOutcome::Marked(expected), "v{version}");
    }
    drop(store);
    let store = fixture.open(Source::Deliveries).await;
    let key = &keys(&*store).await[0];
    assert_eq!((key.lowest.version, key.lowest.mark), (Version(2), Some(Mark::Discard)));
    assert!(key.is_ready(NOW), "a delivery instance acts on it");
    let late = run(&*store, FenceCommand::Look(received(6, 2, Modified, "SEOUL"))).await;
    assert_eq!(late, FenceOutcome::GivenUp);
    let FenceOutcome::Resumed { discarded, .. } = run(&*store, resume(6)).await else {
        panic!("an answer to another command");
    };
    assert_eq!(discarded, [Version(2)]);
    assert_eq!(parked(&*store, 6).await, "3 gap");
}

/// The journal holds neither of two versions: one that no order reaches, whose record can't be read, and one whose
/// forged event can be.
/// to be.
pub async fn what_was_never_written_is_forgotten(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let forget = |version| FenceCommand::Forget {
        order_id: OrderId(6),
        version: Version(version),
    };
    apply(&*store, received(6, 1, Placed, "PUSAN")).await;
    run(&*store, refused(6, i64::MAX)).await;
    run(&*store, FenceCommand::Look(received(6, 5, Modified, "FORGED"))).await;
    let marked = run(&*store, mark(6, i64::MAX, Mark::Discard)).await;
    assert_eq!(marked, FenceOutcome::Marked(Marked::Parked(ParkReason::Poison)));
    assert_eq!(
        run(&*store, forget(5)).await,
        FenceOutcome::Noted(false),
        "it can be read"
    );
    assert_eq!(run(&*store, forget(i64::MAX)).await, FenceOutcome::Noted(true));
    assert_eq!(parked(&*store, 6).await, "5 gap");
    run(&*store, mark(6, 5, Mark::Discard)).await;
    assert_eq!(
        run(&*store, forget(5)).await,
        FenceOutcome::Noted(true),
        "nobody wants it"
    );
    assert_eq!(keys(&*store).await, []);
    apply(&*store, received(6, 2, Modified, "SEOUL")).await;
}

/// An event that is parked and handed over in one batch is leased, so no other instance takes it.
pub async fn a_lease_of_the_batch_that_parks_is_kept(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let batch = [
        FenceCommand::Look(received(6, 2, Modified, "SEOUL")),
        FenceCommand::Apply(received(6, 1, Placed, "PUSAN")),
    ];
    let outcomes = store.run_fence(&batch, NOW).await.unwrap();
    assert!(matches!(&outcomes[1], FenceOutcome::Applied { next: Some(next), .. } if next.head.version == Version(2)));
    assert_eq!(run(&*store, resume(6)).await, nothing(), "it is taken");
    assert!(keys(&*store).await[0].is_ready(LATER), "until its lease ends");
}

pub async fn a_retry_hands_the_poison_over_and_then_what_is_behind(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    apply(&*store, received(6, 1, Placed, "PUSAN")).await;
    run(&*store, refused(6, 2)).await;
    run(&*store, FenceCommand::Look(received(6, 3, Cancelled, "PUSAN"))).await;
    let absent = run(&*store, mark(6, 9, Mark::Retry)).await;
    assert_eq!(absent, FenceOutcome::Marked(Marked::NotThere));
    let marked = run(&*store, mark(6, 2, Mark::Retry)).await;
    assert_eq!(marked, FenceOutcome::Marked(Marked::Parked(ParkReason::Poison)));
    assert!(keys(&*store).await[0].is_ready(NOW));
    let FenceOutcome::Resumed { next: Some(poison), .. } = run(&*store, resume(6)).await else {
        panic!("marked for a retry");
    };
    assert_eq!(poison.error.as_deref(), Some("the address is no address"));
    run(&*store, refused(6, 2)).await;
    assert!(
        !keys(&*store).await[0].is_ready(LATER),
        "refused again, the mark is used up"
    );
    run(&*store, mark(6, 2, Mark::Retry)).await;
    run(&*store, resume(6)).await;
    let (_, next) = apply(&*store, received(6, 2, Modified, "SEOUL")).await;
    assert_eq!(next.expect("what stood behind").head.version, Version(3));
    apply(&*store, received(6, 3, Cancelled, "PUSAN")).await;
    assert_eq!(keys(&*store).await, []);
    let journal = store.unpublished(Source::Deliveries, 0, 10).await.unwrap();
    assert_eq!(
        names(journal.iter().map(|row| &row.entry)),
        ["DeliveryStarted v1", "DeliveryModified v2", "DeliveryCancelled v3"]
    );
}

pub async fn a_discard_passes_over_one_version(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    apply(&*store, received(6, 1, Placed, "PUSAN")).await;
    run(&*store, refused(6, 2)).await;
    run(&*store, FenceCommand::Look(received(6, 3, Cancelled, "PUSAN"))).await;
    run(&*store, mark(6, 2, Mark::Discard)).await;
    let FenceOutcome::Resumed { next: first, discarded } = run(&*store, resume(6)).await else {
        panic!("an answer to another command");
    };
    assert_eq!(discarded, [Version(2)]);
    let next = match first {
        Some(next) => next,
        // The event after the discarded one was not loaded with it; the next look finds it.
        None => match run(&*store, resume(6)).await {
            FenceOutcome::Resumed { next: Some(next), .. } => next,
            other => panic!("{other:?}"),
        },
    };
    assert_eq!(next.head.version, Version(3));
    let (cancelled, _) = apply(&*store, received(6, 3, Cancelled, "PUSAN")).await;
    assert_eq!((cancelled.version, cancelled.events), (Version(3), Version(2)));
    assert_eq!(keys(&*store).await, []);
    let discards = "insert into parked_event (order_id, version, reason, topic, record_partition, record_offset, \
                    record_timestamp, record_headers, since) \
                    select order_id, 900, 'gap', kind, 0, version_before, version_after, x'', 0 \
                    from delivery_apply where kind = 'discarded'";
    fixture.execute(Source::Deliveries, discards).await;
    let told = store.parked_events(OrderId(6), Version(0), 10).await.unwrap();
    assert_eq!(told.len(), 1, "one row of the history says so");
    assert_eq!(
        (
            told[0].record.origin.place().map(|place| place.offset),
            told[0].record.timestamp
        ),
        (Some(Offset(1)), Timestamp(2))
    );
}

pub async fn a_cursor_is_born_over_an_existing_delivery(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let rows = "insert into Delivery_table (orderId, status, version) \
                values (6, 'DELIVERY STARTED', 1), (6, 'DELIVERY STARTED', 1), (7, 'DELIVERY MODIFIED', 4)";
    fixture.execute(Source::Deliveries, rows).await;
    let placed = run(&*store, FenceCommand::Apply(received(6, 1, Placed, "PUSAN"))).await;
    assert_eq!(placed, FenceOutcome::Duplicate, "no third row");
    let (modified, _) = apply(&*store, received(6, 2, Modified, "SEOUL")).await;
    assert_eq!(modified.id.0, 1, "of several the first");
    let old = run(&*store, FenceCommand::Apply(received(7, 4, Modified, "SEOUL"))).await;
    assert_eq!(old, FenceOutcome::Duplicate);
    apply(&*store, received(7, 5, Cancelled, "SEOUL")).await;
    assert_eq!(store.deliveries(&page(0, 9, &[])).await.unwrap().total, 3);
}

pub async fn without_versions_the_deliverys_state_decides(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let lost = run(&*store, FenceCommand::Apply(unversioned(6, Modified, "SEOUL"))).await;
    assert!(matches!(lost, FenceOutcome::Refused(_)), "{lost:?}");
    let (started, _) = apply(&*store, unversioned(6, Placed, "PUSAN")).await;
    let twice = run(&*store, FenceCommand::Apply(unversioned(6, Placed, "PUSAN"))).await;
    assert!(matches!(twice, FenceOutcome::Ignored(_)), "{twice:?}");
    apply(&*store, unversioned(6, Modified, "SEOUL")).await;
    let (cancelled, _) = apply(&*store, unversioned(6, Cancelled, "SEOUL")).await;
    assert_eq!((cancelled.id, cancelled.events), (started.id, Version(3)));
    for late in [Modified, Cancelled, Placed] {
        let outcome = run(&*store, FenceCommand::Look(unversioned(6, late, "JEJU"))).await;
        assert!(matches!(outcome, FenceOutcome::Ignored(_)), "{outcome:?}");
    }
    assert_eq!(store.deliveries(&page(0, 9, &[])).await.unwrap().items, [cancelled]);
}

pub async fn a_batch_of_many_orders_folds(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    let command = |order, version| match version {
        1 => FenceCommand::Apply(received(order, 1, Placed, "PUSAN")),
        version => FenceCommand::Apply(received(order, version, Modified, "SEOUL")),
    };
    let batch: Vec<_> = (1..=100)
        .flat_map(|order| [command(order, 1), command(order, 3), command(order, 2)])
        .collect();
    let outcomes = store.run_fence(&batch, NOW).await.unwrap();
    for (place, outcome) in outcomes.iter().enumerate() {
        match (place % 3, outcome) {
            (0, FenceOutcome::Applied { next: None, .. }) | (1, FenceOutcome::Early(_)) => {}
            (2, FenceOutcome::Applied { next: Some(next), .. }) => assert_eq!(next.head.version, Version(3)),
            (_, outcome) => panic!("{place}: {outcome:?}"),
        }
    }
    let third: Vec<_> = (1..=100).map(|order| command(order, 3)).collect();
    store.run_fence(&third, NOW).await.unwrap();
    let all = store.deliveries(&page(0, 200, &[])).await.unwrap();
    assert!(all.items.iter().all(|delivery| delivery.version == Version(3)));
    assert_eq!((all.total, keys(&*store).await.len()), (100, 0));
}

/// One instance applies version 1 of new orders, and another applies version 2 at the same time. The one that commits
/// second finds what the first one left, so no event whose predecessor was applied stays parked.
pub async fn nothing_stays_parked_when_two_race(fixture: &dyn Fixture) {
    const ORDERS: i64 = 300;
    let instances = [
        fixture.open(Source::Deliveries).await,
        fixture.open(Source::Deliveries).await,
    ];
    let start = Arc::new(Barrier::new(2));
    let first = tokio::spawn(race(instances[0].clone(), start.clone(), ORDERS, 1, Placed));
    let second = tokio::spawn(race(instances[1].clone(), start, ORDERS, 2, Modified));
    // If one racer fails, the other would wait at the barrier for ever, so both are awaited at the same time.
    let (first, second) = tokio::try_join!(first, second).unwrap();
    let handed_over = first + second;
    let waiting = keys(&*instances[0]).await;
    let stuck: Vec<_> = waiting.iter().filter(|key| key.lowest.lease_until.0 == 0).collect();
    assert_eq!(stuck, [] as [&ParkedKey; 0], "parked after its predecessor was applied");
    let all = instances[0].deliveries(&page(0, 1000, &[])).await.unwrap();
    let done = all
        .items
        .iter()
        .filter(|delivery| delivery.version == Version(2))
        .count();
    assert_eq!(done + handed_over, 300, "applied by its own instance, or handed over");
    assert_eq!((all.total, waiting.len()), (300, handed_over));
}

/// Applies one version of each order, each at the same time as the other racer. Returns how many events were handed
/// over.
async fn race(
    store: Arc<dyn Store>,
    start: Arc<Barrier>,
    orders: i64,
    version: i64,
    event_type: OrderEventType,
) -> usize {
    let mut handed_over = 0;
    for order in 1..=orders {
        start.wait().await;
        let command = FenceCommand::Apply(received(order, version, event_type, "SEOUL"));
        if let FenceOutcome::Applied { next: Some(_), .. } = run(&*store, command).await {
            handed_over += 1;
        }
    }
    handed_over
}

/// A zombie does the slow work of version 2 while another instance, which has its partition now, applies it and goes
/// on.
pub async fn a_zombies_late_write_is_refused(fixture: &dyn Fixture) {
    let zombie = fixture.open(Source::Deliveries).await;
    let other = fixture.open(Source::Deliveries).await;
    apply(&*zombie, received(6, 1, Placed, "PUSAN")).await;
    let held = received(6, 2, Modified, "STALE");
    let look = run(&*zombie, FenceCommand::Look(held.clone())).await;
    assert_eq!(look, FenceOutcome::Next { leased: false });
    apply(&*other, received(6, 2, Modified, "SEOUL")).await;
    let (cancelled, _) = apply(&*other, received(6, 3, Cancelled, "SEOUL")).await;
    assert_eq!(run(&*zombie, FenceCommand::Apply(held)).await, FenceOutcome::Duplicate);
    assert_eq!(other.delivery_of(OrderId(6)).await.unwrap(), Some(cancelled));
}

pub async fn what_is_parked_is_counted_and_dated(fixture: &dyn Fixture) {
    let store = fixture.open(Source::Deliveries).await;
    assert_eq!(store.backlog(Source::Deliveries).await.unwrap(), Backlog::default());
    apply(&*store, received(1, 1, Placed, "PUSAN")).await;
    run(&*store, FenceCommand::Look(received(2, 2, Modified, "SEOUL"))).await;
    run_at(&*store, FenceCommand::Look(received(2, 3, Modified, "SEOUL")), LATER).await;
    run_at(&*store, refused(1, 2), LATER).await;
    let backlog = store.backlog(Source::Deliveries).await.unwrap();
    let waiting = |count, oldest| Waiting {
        count,
        oldest: Some(oldest),
    };
    assert_eq!(backlog.journal, waiting(1, NOW), "the delivery's start");
    assert_eq!(backlog.letters, waiting(1, NOW));
    assert_eq!(backlog.parked_keys, 2);
    assert_eq!(
        backlog.parked,
        [
            (ParkReason::Gap, waiting(2, NOW)),
            (ParkReason::Poison, waiting(1, LATER))
        ]
    );
}

const VERSIONS: i64 = 6;

/// The type of an order's event with this version.
fn event_of(order: i64, version: i64) -> Received {
    let event_type = match version {
        1 => Placed,
        VERSIONS => Cancelled,
        _ => Modified,
    };
    received(order, version, event_type, &format!("v{version}"))
}

/// Three instances get all events of many orders, in batches and in any order, and some of them twice. No batch fails,
/// and each delivery ends in the state that its order's events lead to.
pub async fn whatever_the_interleaving_it_ends_in_order(fixture: &dyn Fixture) {
    const ORDERS: i64 = 60;
    let mut events: Vec<(i64, i64)> = (0..ORDERS * VERSIONS)
        .map(|number| number * 7919 % (ORDERS * VERSIONS))
        .map(|number| (1 + number % ORDERS, 1 + number / ORDERS))
        .collect();
    events.extend_from_within(..40);
    let mut tasks = Vec::new();
    for instance in 0..3 {
        let store = fixture.open(Source::Deliveries).await;
        for part in 0..3 {
            let mine: Vec<_> = events.iter().skip(instance * 3 + part).step_by(9).copied().collect();
            tasks.push(tokio::spawn(apply_all(store.clone(), mine)));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    let store = fixture.open(Source::Deliveries).await;
    assert_eq!(keys(&*store).await, []);
    let all = store.deliveries(&page(0, 1000, &[])).await.unwrap();
    assert_eq!(all.total, ORDERS.cast_unsigned());
    for delivery in all.items {
        assert_eq!(
            (delivery.version, delivery.events),
            (Version(VERSIONS), Version(VERSIONS))
        );
        assert_eq!(delivery.status.as_deref(), Some("DELIVERY CANCELLED"));
        assert_eq!(delivery.fields.address, Some(format!("v{}", VERSIONS - 1)));
    }
}

/// Applies events in batches, and then the events that were handed over for them.
async fn apply_all(store: Arc<dyn Store>, events: Vec<(i64, i64)>) {
    for batch in events.chunks(8) {
        let mut waiting = batch.to_vec();
        while !waiting.is_empty() {
            let commands: Vec<_> = waiting
                .drain(..)
                .map(|(order, version)| FenceCommand::Apply(event_of(order, version)))
                .collect();
            let outcomes = store.run_fence(&commands, NOW).await.expect("no batch fails");
            waiting.extend(outcomes.into_iter().filter_map(|outcome| match outcome {
                FenceOutcome::Applied { next, .. } => next.map(|next| (next.order_id.0, next.head.version.0)),
                _ => None,
            }));
        }
    }
}
