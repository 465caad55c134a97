//! Partition growth: the topic gets more partitions while orders are open. The hash moves most orders to another
//! partition, the relay goes on with the old number of partitions until it sees the new one, and the instances find the
//! new partitions only after records stand in them.

use crate::assignor::Assignor;
use crate::fleet::Fleet;
use crate::handlers::Part;
use crate::load::Load;
use crate::support::tools::{grow, sql};
use crate::support::wait_for;

#[test]
fn the_topic_grows_under_load() {
    Assignor::of_storm(Assignor::Broker).into_iter().for_each(grows);
}

fn grows(assignor: Assignor) {
    let mut fleet = Fleet::new(assignor, "2");
    fleet.start("delivery-1", &["--modify-delay", "30ms"]);
    fleet.start("delivery-2", &["--modify-delay", "30ms"]);
    let load = Load::start(fleet.order.address());
    load.more(100);
    grow(&fleet.stack, 5);
    wait_for("events from all five partitions to take effect", || {
        let partitions = sql(
            &fleet.stack,
            "select count(distinct record_partition) from delivery_apply",
        );
        (partitions.trim() == "5").then_some(())
    });
    load.more(100);
    let verdict = fleet.nothing_is_lost(&load.stop());
    assert!(verdict.contains("hazard split-key"), "no order has moved: {verdict}");
    // An order that moved has two owners for a while: both may look at it, the fence lets one of them work.
    fleet.handlers.one_at_a_time(Part::Work, |_| false);
}
