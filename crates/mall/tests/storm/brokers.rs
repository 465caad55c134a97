//! Three brokers, three copies of each partition, and what brokers do: one is killed that leads partitions and looks after
//! the group, all are restarted one after the other, and two fall silent, so that nothing can be written any more.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use keylane_log::kafka::KafkaLog;
use keylane_log::{EventLog, LogError, NewRecord, Partition, PartitionInfo};

use crate::assignor::Assignor;
use crate::fleet::Fleet;
use crate::handlers::Part;
use crate::load::Load;
use crate::support::stack::Stack;
use crate::support::{required, wait_for};

const NAMES: [&str; 2] = ["delivery-1", "delivery-2"];
const BROKERS: [&str; 3] = ["broker1", "broker2", "broker3"];
/// Long enough that something is at work whenever something happens.
const SLOW: [&str; 2] = ["--modify-delay", "200ms"];
/// How long two of three brokers say nothing.
const SILENT: Duration = Duration::from_secs(20);

/// The brokers, for as long as this lives. There is one cluster, so its tests take turns.
struct Cluster {
    bootstrap: String,
    log: KafkaLog,
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Cluster {
    #[track_caller]
    fn start() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        services(&["start", "cluster"]);
        let addresses = BROKERS.map(|broker| services(&["address", broker]).trim().to_owned());
        let bootstrap = addresses.join(",");
        let log = KafkaLog::connect(&bootstrap, Vec::new()).expect("a client");
        let cluster = Self {
            bootstrap,
            log,
            _turn: turn,
        };
        wait_for("three brokers", || {
            cluster
                .log
                .cluster()
                .is_ok_and(|found| found.brokers == 3)
                .then_some(())
        });
        cluster
    }

    /// The broker that looks after a group.
    #[track_caller]
    fn coordinator(&self, group: &str) -> String {
        wait_for("the group's coordinator", || {
            let group = self.log.describe_group(group).ok()??;
            Some(format!("broker{}", group.coordinator?.node))
        })
    }

    /// Waits until every copy of every partition is where it should be.
    #[track_caller]
    fn heal(&self) {
        wait_for("all copies to be in sync", || {
            let topics = self.log.topics().ok()?;
            let mut partitions = topics.iter().flat_map(|topic| &topic.partitions);
            partitions
                .all(|info| info.leader.is_some() && info.replicas.len() == 3 && info.isr.len() == 3)
                .then_some(())
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = Command::new(required("MALL_TEST_SERVICES"))
            .args(["stop", "cluster"])
            .status();
        // A second panic, while the test's own is on its way, would end the other tests too.
        assert!(
            stopped.is_ok_and(|status| status.success()) || std::thread::panicking(),
            "the cluster goes on"
        );
    }
}

#[track_caller]
fn services(words: &[&str]) -> String {
    let output = Command::new(required("MALL_TEST_SERVICES"))
        .args(words)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn three_brokers_are_killed_restarted_and_silenced() {
    let cluster = Cluster::start();
    let mut fleet = Fleet::on(Stack::on(&cluster.bootstrap), Assignor::CooperativeSticky, "6");
    NAMES.into_iter().for_each(|name| fleet.start(name, &SLOW));
    let load = Load::start(fleet.order.address());
    load.more(60);

    let group = fleet.real().group.clone();
    let dead = cluster.coordinator(&group);
    services(&["kill", &dead]);
    load.more(60);
    wait_for("another coordinator", || {
        (cluster.coordinator(&group) != dead).then_some(())
    });
    handled_more(&fleet, "behind the death of a broker");
    services(&["revive", &dead]);
    cluster.heal();

    for broker in BROKERS {
        services(&["kill", broker]);
        load.more(20);
        services(&["revive", broker]);
        cluster.heal();
    }
    handled_more(&fleet, "behind the restart of every broker");

    for broker in &BROKERS[1..] {
        services(&["pause", broker]);
    }
    let since = Instant::now();
    wait_for("twenty seconds without a quorum", || {
        (since.elapsed() >= SILENT).then_some(())
    });
    load.more(20);
    for broker in &BROKERS[1..] {
        services(&["resume", broker]);
    }
    cluster.heal();
    handled_more(&fleet, "behind the return of the quorum");

    fleet.nothing_is_lost(&load.stop());
    fleet.handlers.one_at_a_time(Part::Whole, |_| false);
}

/// A topic without a limit of its own has its leaders', and what one of them refuses another may take.
#[test]
fn a_record_may_be_as_large_as_its_leader_lets_it() {
    let cluster = Cluster::start();
    let topic = "leaders";
    assert!(cluster.log.create_topic(topic, 3).expect("it is created"));
    // Which broker is asked is chance, and some learn of a new topic later than others.
    let led = wait_for("the topic to be known", || {
        let topics = cluster.log.topics().ok()?;
        let found = topics.into_iter().find(|found| found.name == topic)?;
        let settled = |info: &PartitionInfo| info.leader.is_some() && info.isr.len() == 3;
        (found.partitions.len() == 3 && found.partitions.iter().all(settled)).then_some(found.partitions)
    });
    let led_by = |node: i32| {
        led.iter()
            .find(|info| info.leader == Some(node))
            .expect("one each")
            .partition
    };
    for node in ["1", "2"] {
        let tool = format!("{}/kafka-configs", required("MALL_TEST_KAFKA_TOOLS"));
        let set = Command::new(tool)
            .args(["--bootstrap-server", &cluster.bootstrap, "--alter"])
            .args(["--entity-type", "brokers", "--entity-name", node])
            .args(["--add-config", "message.max.bytes=20000"])
            .output()
            .expect("it runs");
        assert!(set.status.success(), "{set:?}");
    }
    let send = |partition: Partition, bytes: usize| {
        let record = NewRecord {
            partition: Some(partition),
            timestamp: SystemTime::now().into(),
            key: None,
            value: Some(vec![b'x'; bytes].into()),
            headers: Vec::new(),
        };
        cluster
            .log
            .append(topic, vec![record], Duration::from_secs(60))
            .remove(0)
    };
    for node in [1, 2] {
        wait_for("the smaller limits", || {
            send(led_by(node), 30_000).is_err().then_some(())
        });
    }
    // Each refusal makes the limit be asked for anew, of any broker.
    for _ in 0..5 {
        send(led_by(3), 30_000).expect("this leader takes it");
        send(led_by(1), 30_000).expect_err("this one doesn't");
    }
    let nobody = send(led_by(3), 1_100_000);
    assert!(
        matches!(&nobody, Err(LogError::Refused(why)) if why.contains("max.message.bytes is 1048588")),
        "{nobody:?}"
    );
}

/// Some instance handles an event that it had not handled before.
#[track_caller]
fn handled_more(fleet: &Fleet, when: &str) {
    let handled = |fleet: &Fleet| -> usize {
        let lines = fleet.deliveries.values().flat_map(|role| role.lines());
        lines.filter(|line| line.contains("OrderPlaced order=")).count()
    };
    let before = handled(fleet);
    wait_for(when, || (handled(fleet) > before).then_some(()));
}
