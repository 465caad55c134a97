//! A deployment, and one that goes badly: each of three instances is stopped and started again, then killed and started
//! again, while orders come in.

use crate::assignor::Assignor;
use crate::fleet::Fleet;
use crate::handlers::Part;
use crate::load::Load;

const NAMES: [&str; 3] = ["delivery-1", "delivery-2", "delivery-3"];
/// Long enough that something is at work whenever something happens.
const SLOW: [&str; 2] = ["--modify-delay", "200ms"];

#[test]
fn three_instances_are_restarted_and_killed_in_turn() {
    Assignor::of_storm(Assignor::CooperativeSticky)
        .into_iter()
        .for_each(restarts);
}

fn restarts(assignor: Assignor) {
    let mut fleet = Fleet::new(assignor, "8");
    NAMES.into_iter().for_each(|name| fleet.start(name, &SLOW));
    let load = Load::start(fleet.order.address());
    load.more(60);
    for name in NAMES {
        fleet.stop(name);
        load.more(20);
        fleet.start(name, &SLOW);
    }
    for name in NAMES {
        fleet.kill(name);
        load.more(20);
        fleet.start(name, &SLOW);
    }
    fleet.nothing_is_lost(&load.stop());
    fleet.handlers.one_at_a_time(Part::Whole, |_| false);
}
