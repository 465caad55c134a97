//! A Java consumer that commits nothing joins the group of the delivery instances, and leaves it again.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use crate::assignor::Assignor;
use crate::fleet::Fleet;
use crate::handlers::Part;
use crate::load::Load;
use crate::support::tools::{Printed, SHOWN, java, parse, sql};
use crate::support::wait_for;

#[test]
fn a_java_consumer_joins_and_leaves() {
    Assignor::of_storm(Assignor::CooperativeSticky)
        .into_iter()
        .for_each(joins_and_leaves);
}

fn joins_and_leaves(assignor: Assignor) {
    let mut fleet = Fleet::new(assignor, "6");
    fleet.start("delivery-1", &["--modify-delay", "200ms"]);
    fleet.start("delivery-2", &["--modify-delay", "200ms"]);
    let load = Load::start(fleet.order.address());
    load.more(60);
    let guest = Guest::join(&fleet);
    wait_for("the Java consumer to read events that nobody else has", || {
        (not_applied(&fleet, &guest.records()).len() >= 10).then_some(())
    });
    let read = guest.leave();
    load.more(60);
    fleet.nothing_is_lost(&load.stop());
    fleet.handlers.one_at_a_time(Part::Whole, |_| false);

    let lost = not_applied(&fleet, &read);
    assert!(lost.is_empty(), "read by Java, and never come back: {lost:?}");
}

/// Those events of orders that have not taken effect.
fn not_applied<'a>(fleet: &Fleet, read: &'a [Printed]) -> Vec<&'a Printed> {
    let applied = sql(
        &fleet.stack,
        "select concat(record_partition, '@', record_offset) from delivery_apply",
    );
    let applied: BTreeSet<&str> = applied.lines().collect();
    let place = |record: &Printed| format!("{}@{}", record.partition, record.offset);
    let of_orders = read.iter().filter(|record| record.event().starts_with("Order"));
    of_orders
        .filter(|record| !applied.contains(place(record).as_str()))
        .collect()
}

/// Kafka's console consumer as a member of the group.
struct Guest {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Guest {
    fn join(fleet: &Fleet) -> Self {
        let real = fleet.real();
        let mut command = java("kafka-console-consumer", real);
        command.args(["--topic", &real.topic, "--group", &real.group, "--from-beginning"]);
        for property in ["enable.auto.commit=false", fleet.assignor.of_java()] {
            command.args(["--command-property", property]);
        }
        for shown in SHOWN {
            command.args(["--formatter-property", shown]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("Kafka's tool runs");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let reader = std::thread::spawn(move || {
            let read = stdout.lines().map_while(Result::ok);
            read.for_each(|line| sink.lock().expect("no reader panics").push(line));
        });
        Self {
            child,
            lines,
            reader: Some(reader),
        }
    }

    fn records(&self) -> Vec<Printed> {
        let lines = self.lines.lock().expect("no reader panics");
        let records = lines.iter().filter(|line| line.starts_with("CreateTime:"));
        records.map(|line| parse(line)).collect()
    }

    /// Leaves the group as Java does when it is asked to end; what it has read.
    fn leave(mut self) -> Vec<Printed> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        wait_for("the end of the Java consumer", || {
            self.child.try_wait().expect("a child can be waited for")
        });
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no reader panics");
        }
        self.records()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
