//! Ten thousand histories of the mall as it ships, on the embedded log and on the simulated Kafka, on all cores.
#![allow(missing_docs)]

use std::ops::ControlFlow;

use lab::simulation::many::in_order;
use lab::simulation::run::Counts;
use lab::simulation::scheduler::{Logs, Mode, conditions, history};

const HISTORIES: u64 = 10_000;

#[test]
fn ten_thousand_histories_do_no_harm() {
    let mut counts = Counts::default();
    let work = |seed| history(&conditions(Mode::Fixed, Logs::Both, seed), false).end().0;
    in_order(HISTORIES, work, |seed, ending| {
        assert!(ending.harm.is_empty(), "seed {seed}: {:#?}", ending.says);
        counts += ending.counts;
        ControlFlow::Continue(())
    });
    assert_eq!(counts.histories, HISTORIES);
    println!("{counts:?}");
}
