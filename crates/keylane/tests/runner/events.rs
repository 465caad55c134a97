//! What a runner tells its listener, and in which order.

use std::sync::{Arc, Mutex};

use keylane::{Event, Options, Outcome, Record, metadata};
use keylane_log::Offset;

use crate::gated::place;
use crate::scripted::record;
use crate::stepped::{MS, Stepped, stepped};

/// One line for each event, in order.
type Told = Arc<Mutex<Vec<String>>>;

pub fn line(event: Event<'_>) -> String {
    let places = |records: &[Record]| records.iter().map(place).collect::<Vec<_>>().join(" ");
    match event {
        Event::Assigned {
            partition,
            position,
            epoch,
        } => format!("assigned {partition} at {position}, epoch {}", epoch.0),
        Event::GivenBack {
            partition,
            epoch,
            position,
        } => {
            let position = position.map(|position| position.offset.0);
            format!("given back {partition} of epoch {}, commits {position:?}", epoch.0)
        }
        Event::Lost { partition, epoch } => format!("lost {partition} of epoch {}", epoch.0),
        Event::TakenIn { record, epoch } => format!("taken in {}, epoch {}", place(record), epoch.0),
        Event::Skipped { record, epoch } => format!("skipped {}, epoch {}", place(record), epoch.0),
        Event::Rewound {
            partition,
            offset,
            epoch,
        } => format!("rewound {partition} to {offset}, epoch {}", epoch.0),
        Event::Started { records, attempt } => format!("started {}, try {}", places(records), attempt.number),
        Event::Ended {
            records,
            attempt,
            outcome,
        } => {
            format!("ended {}, try {}: {outcome:?}", places(records), attempt.number)
        }
        Event::Committed { position } => format!("committed {} at {}", position.partition, position.offset),
        Event::CommitRefused { position } => format!("refused {} at {}", position.partition, position.offset),
    }
}

fn listened_to(options: Options) -> (Stepped, Told) {
    let told = Told::default();
    let noted = told.clone();
    let bench = stepped(Options {
        listener: Some(Arc::new(move |event| noted.lock().unwrap().push(line(event)))),
        ..options
    });
    (bench, told)
}

fn take(told: &Told) -> Vec<String> {
    std::mem::take(&mut told.lock().unwrap())
}

#[test]
fn a_listener_hears_of_every_record_from_its_assignment_to_its_commit() {
    let (mut bench, told) = listened_to(Options {
        ends_of: Some(Arc::new(|_| Ok(vec![Offset(9)]))),
        ..Options::lanes(1)
    });
    bench.handler.set_outcomes("0@5", vec![Outcome::Retry(5 * MS)]);
    bench.script.assign_with(0, 5, &metadata::encode(Offset(5), [6..7]));
    bench
        .script
        .records(vec![record(0, 5, "a"), record(0, 6, "a"), record(0, 7, "b")]);
    (0..2).for_each(|_| bench.step_and_work());
    bench.pass(10 * MS);
    bench.script.ask_back(0);
    bench.step_and_work();
    assert_eq!(
        take(&told),
        [
            "assigned orders-0 at 5, epoch 1",
            "taken in 0@5, epoch 1",
            "skipped 0@6, epoch 1",
            "taken in 0@7, epoch 1",
            "started 0@5, try 1",
            "ended 0@5, try 1: Retry(5ms)",
            "started 0@7, try 1",
            "ended 0@7, try 1: Done",
            "started 0@5, try 2",
            "ended 0@5, try 2: Done",
            "given back orders-0 of epoch 1, commits Some(8)",
        ]
    );
}

#[test]
fn a_listener_hears_of_rewinds_losses_and_commits() {
    let (mut bench, told) = listened_to(Options::lanes(1));
    bench.script.assign(0, 0);
    bench.script.assign(1, 0);
    bench
        .script
        .records(vec![record(0, 0, "a"), record(0, 1, "b"), record(1, 0, "c")]);
    (0..3).for_each(|_| bench.step_and_work());
    take(&told);
    bench.script.refuse_commits(1);
    bench.step_and_work();
    bench.pass(200 * MS);
    bench.step_and_work();
    assert_eq!(take(&told), ["committed orders-0 at 2", "refused orders-1 at 1"]);
    bench.script.records(vec![record(0, 1, "b")]);
    bench.step_and_work();
    bench.script.lose(0);
    bench.step_and_work();
    assert_eq!(
        take(&told),
        [
            "rewound orders-0 to 1, epoch 1",
            "taken in 0@1, epoch 1",
            "started 0@1, try 1",
            "ended 0@1, try 1: Done",
            "lost orders-0 of epoch 1",
        ]
    );
}
