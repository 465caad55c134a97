//! Each word of the vocabulary as JSON: there and back, under a name that stays.

use observe::{Applier, Assignment, Before, Effect, Ending, Event, Observation, Place, Reason, Turn, What, Worker};
use serde_json::{Value, json};

const PLACE: Place = Place {
    partition: 1,
    offset: 7,
};

fn event() -> Event {
    Event {
        order: 2,
        delivery: None,
        version: Some(3),
        name: Some("OrderModified".into()),
    }
}

fn effect() -> Effect {
    Effect {
        delivery: 5,
        status: Some("DELIVERY MODIFIED".into()),
        before: Some(Before {
            version: 4,
            status: Some("DELIVERY CANCELLED".to_owned()),
        }),
    }
}

fn endings() -> Vec<Ending> {
    let by = Some(Applier {
        instance: "delivery-2".to_owned(),
        own: true,
        place: Some(PLACE),
        discarded: true,
    });
    let worker = Some(Worker {
        instance: "delivery-2".to_owned(),
        own: true,
    });
    let why = || "no quantity".to_owned();
    vec![
        Ending::Applied(effect()),
        Ending::OutOfOrder(effect()),
        Ending::AppliedAgain(effect()),
        Ending::AppliedEarly(effect()),
        Ending::Duplicate {
            by: by.clone(),
            why: Some(why()),
        },
        Ending::Duplicate { by: None, why: None },
        Ending::Early {
            reason: Reason::Gap,
            next: 2,
            worker,
        },
        Ending::Parked {
            reason: Reason::Disputed,
        },
        Ending::Stale { by },
        Ending::Poison { why: why() },
        Ending::Buried { why: why() },
        Ending::GivenUp,
        Ending::Ignored { why: why() },
        Ending::Foreign,
    ]
}

fn words() -> Vec<What> {
    [about_events(), finished(), about_roles()].concat()
}

fn about_events() -> Vec<What> {
    let place = Some(PLACE);
    vec![
        What::Committed { event: event() },
        What::Published {
            event: Event {
                delivery: Some(5),
                ..event()
            },
            place: PLACE,
            key: Some("2".to_owned()),
        },
        What::Taken {
            event: Some(event()),
            place: PLACE,
            epoch: 3,
        },
        What::Skipped {
            event: None,
            place: PLACE,
            epoch: 3,
        },
        What::Begun {
            event: event(),
            place: None,
            takes: 10_000_000,
        },
        What::TriedAgain {
            event: None,
            place,
            why: "no delivery".to_owned(),
        },
        What::HandedOver {
            event: event(),
            place,
            turn: Turn::Reached,
            waited: 1,
        },
        What::PassedOver { order: 2, version: 3 },
    ]
}

fn about_roles() -> Vec<What> {
    vec![
        What::Assigned {
            partitions: vec![Assignment {
                partition: 1,
                position: 8,
                epoch: 3,
            }],
        },
        What::Revoked { partitions: vec![0, 1] },
        What::Lost { partitions: vec![] },
        What::Rewound {
            partition: 1,
            offset: 7,
            epoch: 3,
        },
        What::OffsetCommitted {
            partition: 1,
            position: 8,
        },
        What::OffsetRefused {
            partition: 1,
            position: 8,
        },
        What::LeaseWon {
            lease: "relay/orders".to_owned(),
        },
        What::LeaseLost {
            lease: "relay/orders".to_owned(),
        },
        What::Grown {
            topic: "kafka.scaling".to_owned(),
            partitions: 4,
        },
        What::Started {
            instance: Some("delivery-1/4711".to_owned()),
        },
        What::Stopped,
        What::Killed,
        What::Frozen,
        What::Woken,
        What::Verdict {
            name: "inversion".to_owned(),
            order: Some(2),
            harm: true,
            english: "v3 before v2".to_owned(),
            korean: "v3이 v2보다 먼저".to_owned(),
        },
    ]
}

fn finished() -> Vec<What> {
    let finished = |ending| What::Finished {
        event: Some(event()),
        place: Some(PLACE),
        epoch: Some(3),
        took: 12,
        ending,
    };
    endings().into_iter().map(finished).collect()
}

fn observation(what: What) -> Observation {
    Observation {
        seq: 9,
        at: 1_749_697_512_193,
        who: "delivery-1".into(),
        what,
    }
}

#[test]
fn each_word_comes_back_as_it_was_written() {
    for what in words() {
        let written = serde_json::to_string(&observation(what.clone())).expect("JSON");
        let read: Observation = serde_json::from_str(&written).expect(&written);
        assert_eq!(read, observation(what), "{written}");
    }
}

#[test]
fn each_word_has_the_name_that_it_says() {
    let named = |what: &What, field: &str| serde_json::to_value(what).expect("JSON")[field].clone();
    for what in words() {
        assert_eq!(named(&what, "what"), what.kind());
        if let What::Finished { ending, .. } = &what {
            assert_eq!(named(&what, "ending"), ending.name());
        }
    }
}

#[test]
fn an_observation_is_one_flat_object_whose_names_stay() {
    let finished = What::Finished {
        event: Some(event()),
        place: Some(PLACE),
        epoch: None,
        took: 12,
        ending: Ending::OutOfOrder(effect()),
    };
    let early = What::Finished {
        event: None,
        place: None,
        epoch: Some(1),
        took: 0,
        ending: Ending::Early {
            reason: Reason::Behind,
            next: 2,
            worker: None,
        },
    };
    let head = |rest: Value| {
        let mut all = json!({"seq": 9, "at": 1_749_697_512_193_i64, "who": "delivery-1"});
        let (object, rest) = (all.as_object_mut().expect("an object"), rest);
        object.extend(rest.as_object().expect("an object").clone());
        all
    };
    let written = |what| serde_json::to_value(observation(what)).expect("JSON");
    assert_eq!(
        written(finished),
        head(json!({
            "what": "finished",
            "event": {"order": 2, "version": 3, "name": "OrderModified"},
            "place": {"partition": 1, "offset": 7},
            "took": 12,
            "ending": "out-of-order",
            "delivery": 5,
            "status": "DELIVERY MODIFIED",
            "before": {"version": 4, "status": "DELIVERY CANCELLED"},
        }))
    );
    assert_eq!(
        written(early),
        head(json!({"what": "finished", "epoch": 1, "took": 0, "ending": "early", "reason": "behind", "next": 2}))
    );
    assert_eq!(written(What::Stopped), head(json!({"what": "stopped"})));
}

#[test]
fn what_is_about_an_order_says_which() {
    let about: Vec<&str> = words()
        .iter()
        .filter(|what| what.order().is_none())
        .map(What::kind)
        .collect();
    assert_eq!(
        about,
        [
            "skipped",
            "tried-again",
            "assigned",
            "revoked",
            "lost",
            "rewound",
            "offset-committed",
            "offset-refused",
            "lease-won",
            "lease-lost",
            "grown",
            "started",
            "stopped",
            "killed",
            "frozen",
            "woken"
        ]
    );
    assert!(words().iter().all(|what| what.order().is_none_or(|order| order == 2)));
}
