//! What observations alone make certain, and what they don't.

use std::borrow::Cow;

use lab::checker::{Anomaly, Doubt, Observed};
use observe::{Before, Effect, Ending, Event, Observation, Place, What};
use shop::domain::{OrderId, Version};

const ORDER: i64 = 3;

/// Counts what each of two roles observes.
#[derive(Default)]
struct Sources {
    order: u64,
    delivery: u64,
}

impl Sources {
    fn order(&mut self, what: What) -> Observation {
        self.order += 1;
        observation(self.order, "order", what)
    }

    fn delivery(&mut self, what: What) -> Observation {
        self.delivery += 1;
        observation(self.delivery, "delivery-1", what)
    }
}

fn observation(seq: u64, who: &str, what: What) -> Observation {
    Observation {
        seq,
        at: 1_749_697_512_000 + seq as i64,
        who: who.into(),
        what,
    }
}

fn event(version: i64) -> Event {
    let name = ["OrderPlaced", "OrderModified", "OrderCancelled"][version as usize - 1];
    Event {
        order: ORDER,
        delivery: None,
        version: Some(version),
        name: Some(Cow::Borrowed(name)),
    }
}

fn committed(version: i64) -> What {
    What::Committed { event: event(version) }
}

fn published(version: i64, partition: u32) -> What {
    What::Published {
        event: event(version),
        place: Place { partition, offset: 7 },
        key: None,
    }
}

fn finished(version: i64, ending: Ending) -> What {
    What::Finished {
        event: Some(event(version)),
        place: Some(Place {
            partition: 0,
            offset: 7,
        }),
        epoch: Some(1),
        took: 10,
        ending,
    }
}

fn effect(before: Option<(i64, &str)>) -> Effect {
    Effect {
        delivery: 1,
        status: None,
        before: before.map(|(version, status)| Before {
            version,
            status: Some(status.to_owned()),
        }),
    }
}

fn names(observed: &mut Observed, observation: &Observation) -> Vec<Anomaly> {
    let verdicts = observed.see(observation);
    assert!(verdicts.iter().all(|verdict| verdict.order == OrderId(ORDER)));
    verdicts.iter().map(|verdict| verdict.anomaly).collect()
}

#[test]
fn the_course_breaks_while_somebody_looks_on() {
    let (mut observed, mut from) = (Observed::default(), Sources::default());
    for (what, expected) in [
        (from.order(committed(1)), vec![]),
        (from.order(published(1, 0)), vec![]),
        (from.delivery(finished(1, Ending::Applied(effect(None)))), vec![]),
        (from.order(committed(2)), vec![]),
        (from.order(committed(3)), vec![]),
        (from.order(published(2, 1)), vec![Anomaly::SplitKey]),
        (from.order(published(3, 0)), vec![]),
        (
            from.delivery(finished(3, Ending::AppliedEarly(effect(Some((1, "DELIVERY STARTED")))))),
            vec![Anomaly::Skip],
        ),
        (
            from.delivery(finished(2, Ending::OutOfOrder(effect(Some((3, "DELIVERY CANCELLED")))))),
            vec![Anomaly::Inversion, Anomaly::Resurrection],
        ),
    ] {
        assert_eq!(names(&mut observed, &what), expected, "{what:?}");
    }
    let judgement = observed.finish();
    assert_eq!((judgement.orders, judgement.doubts), (1, vec![]));
}

#[test]
fn an_event_that_made_a_delivery_without_being_the_first_is_an_orphan() {
    let (mut observed, mut from) = (Observed::default(), Sources::default());
    let early = from.delivery(finished(2, Ending::AppliedEarly(effect(None))));
    assert_eq!(names(&mut observed, &early), [Anomaly::Skip, Anomaly::Orphan]);
    let again = from.delivery(finished(
        2,
        Ending::AppliedAgain(effect(Some((2, "DELIVERY MODIFIED")))),
    ));
    assert_eq!(names(&mut observed, &again), [Anomaly::DoubleApply]);
}

/// Whoever resumes may get an observation once more.
#[test]
fn what_is_observed_again_is_not_told_again() {
    let (mut observed, mut from) = (Observed::default(), Sources::default());
    let late = from.delivery(finished(2, Ending::OutOfOrder(effect(Some((3, "DELIVERY STARTED"))))));
    let later = from.delivery(What::Stopped);
    assert_eq!(names(&mut observed, &late), [Anomaly::Inversion]);
    assert_eq!(names(&mut observed, &later), []);
    assert_eq!(names(&mut observed, &later), []);
    observed.restart("delivery-1");
    let mut from = Sources::default();
    let anew = from.delivery(finished(2, Ending::AppliedAgain(effect(Some((3, "DELIVERY STARTED"))))));
    assert_eq!(names(&mut observed, &anew), [Anomaly::DoubleApply]);
    assert_eq!(observed.finish().doubts, [], "nothing was missed");
}

#[test]
fn what_was_missed_is_a_doubt_and_no_verdict() {
    let (mut observed, mut from) = (Observed::default(), Sources::default());
    assert_eq!(names(&mut observed, &from.order(committed(1))), []);
    assert_eq!(names(&mut observed, &from.order(committed(2))), []);
    assert_eq!(names(&mut observed, &from.order(published(1, 0))), []);
    from.order += 4;
    assert_eq!(names(&mut observed, &from.order(What::Stopped)), []);
    observed.miss(2);
    let judgement = observed.finish();
    assert_eq!(judgement.verdicts, []);
    let expected = [
        Doubt::Missed(6),
        Doubt::Moving(OrderId(ORDER)),
        Doubt::Unpublished(OrderId(ORDER), Version(2)),
    ];
    assert!(
        expected.iter().all(|doubt| judgement.doubts.contains(doubt)),
        "{:?}",
        judgement.doubts
    );
    assert_eq!(judgement.doubts.len(), expected.len());
}
