//! What is read.

use std::time::Duration;

use keylane_log::Partition;
use lab::checker::Anomaly;
use lab::scenario::{
    Action, Choice, Consumer, Expectation, Fields, Gate, Guard, Key, Name, Producer, Role, Run, Sight, Stage, Step,
    Wish, WorldName, parse,
};

const SCENARIO: &str = r#"# a comment
title en Zombie
title ko 좀비
anomaly 25 21
worlds embedded simulated
explain en
  An instance "stands still # in the
  midst of its work.

  Then it wakes up.
explain ko 인스턴스가 멈춘다.

deliveries 2        # one is frozen
modify-delay 10s
clock delivery-2 -30s
guard off
broken consumer no-drain

place KIM address="12, \"Main\" street" qty=2
hold KIM v2 in delivery-1
modify KIM address="x"*3 if v1 via order
wait until KIM v2 begun by delivery-1
publish KIM v2 key quoted to P3
fixed start delivery-3 guard off mixed
release KIM v2 in delivery-1
settle
broken expect resurrection KIM
fixed expect clean
expect delivery KIM "DELIVERY CANCELLED" qty=2
"#;

fn kim() -> Name {
    Name("KIM".to_owned())
}

#[test]
fn the_head_keeps_its_texts() {
    let head = parse("z.lab", SCENARIO).expect("a scenario").head;
    assert_eq!(head.title.korean, "좀비");
    assert_eq!(head.anomalies, [21, 25]);
    assert_eq!(head.worlds, [WorldName::Simulated, WorldName::Embedded]);
    assert_eq!(head.runs, Run::ALL);
    let explained = "An instance \"stands still # in the\nmidst of its work.\n\nThen it wakes up.";
    assert_eq!(head.explain.english, explained);
    assert_eq!(head.explain.korean, "인스턴스가 멈춘다.");
}

#[test]
fn a_line_counts_in_its_run_alone() {
    let scenario = parse("z.lab", SCENARIO).expect("a scenario");
    let (broken, fixed) = (scenario.setup(Run::Broken), scenario.setup(Run::Fixed));
    assert_eq!((broken.guard, fixed.guard), (Guard::Off, Guard::Off));
    assert_eq!(
        (broken.consumer, fixed.consumer),
        (Consumer::NoDrain, Consumer::Keylane)
    );
    assert_eq!((broken.deliveries, fixed.deliveries), (2, 2));
    assert_eq!(fixed.modify_delay, Duration::from_secs(10));
    assert_eq!(fixed.clocks[&Role::Delivery(2)], -30_000);
    let last = |run| scenario.steps(run).map(|line| line.says.clone()).collect::<Vec<_>>();
    let harm = Step::Expect(Expectation::Verdict(Anomaly::Resurrection, kim()));
    assert!(last(Run::Broken).contains(&harm) && !last(Run::Fixed).contains(&harm));
    assert!(last(Run::Fixed).contains(&Step::Expect(Expectation::Clean)));
}

#[test]
fn steps_are_read_with_all_that_they_say() {
    let scenario = parse("z.lab", SCENARIO).expect("a scenario");
    let steps: Vec<&Step> = scenario.steps.iter().map(|line| &line.says).collect();
    let [
        Step::Do(Action::Request(place)),
        Step::Do(Action::Hold(gate)),
        Step::Do(Action::Request(modify)),
        Step::WaitUntil(sight),
        Step::Do(publish),
        ..,
    ] = &steps[..]
    else {
        panic!("{steps:?}");
    };
    let address = |text: &str| Some(text.to_owned());
    let placed = Fields {
        qty: Some(2),
        address: address("12, \"Main\" street"),
        ..Fields::default()
    };
    assert_eq!(place.wish, Wish::Place(placed));
    let event = match gate {
        Gate::Work {
            event,
            within: Some(Role::Delivery(1)),
        } => event.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((&event.order, event.version), (&kim(), 2));
    let modified = Fields {
        address: address("xxx"),
        ..Fields::default()
    };
    assert_eq!(modify.wish, Wish::Modify(modified));
    assert_eq!((modify.if_version, modify.via), (Some(1), Some(Role::Order(1))));
    let by = Some(Role::Delivery(1));
    assert_eq!(
        *sight,
        Sight::Event {
            event: event.clone(),
            stage: Stage::Begun,
            by
        }
    );
    let by = Producer {
        key: Some(Key::Quoted),
        choice: Choice::To(Partition(3)),
    };
    assert_eq!(*publish, Action::Publish { event, by });
}

#[test]
fn a_scenario_can_be_described_alone() {
    let text = "title en Two sites\nanomaly 27\ndescribed en Nothing copies between sites.\n";
    let head = parse("d.lab", text).expect("a scenario").head;
    assert!(head.worlds.is_empty() && head.runs.is_empty());
    assert_eq!(
        head.described.expect("a reason").english,
        "Nothing copies between sites."
    );
}
