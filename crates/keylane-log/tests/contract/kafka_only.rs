//! Cases for Kafka alone: Java's producer, assignors, properties, and brokers that are away or refuse.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use keylane_log::kafka::KafkaLog;
use keylane_log::{EventLog, Extent, LogError, Offset, Subscription, partitioner};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::mocking::{MockCluster, MockCoordinator};
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, TopicPartitionList};

use crate::groups;
use crate::member::{TIMEOUT, TestMember, partition, until};
use crate::records::{append, keyed, placed_at, topic};
use crate::world::{Kafka, World, subscription};

/// Starts one of Kafka's own tools.
pub fn tool(name: &str) -> Command {
    let folder = std::env::var("MALL_TEST_KAFKA_TOOLS")
        .expect("MALL_TEST_KAFKA_TOOLS must be the folder with Kafka's own tools");
    Command::new(std::path::Path::new(&folder).join(name))
}

pub fn admin(world: &Kafka) -> AdminClient<DefaultClientContext> {
    let config = ClientConfig::from_iter([("bootstrap.servers".to_owned(), world.bootstrap().to_owned())]);
    config.create().expect("an admin client starts")
}

/// Waits for a future of the admin client, whose own threads complete it.
pub fn answered<F: Future>(answer: F) -> F::Output {
    let mut answer = std::pin::pin!(answer);
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(answer) = answer.as_mut().poll(&mut context) {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "the broker must answer the admin client in time"
        );
        std::thread::yield_now();
    }
}

#[test]
fn java_producers_agree_about_partitions() {
    let world = Kafka::new();
    let log = world.open();
    let topic = topic(&*log, "console", 7);
    let keys: Vec<String> = (0..18)
        .map(|n| (n * 37).to_string())
        .chain(["order-1".into(), "주문-6".into()])
        .collect();
    let mut producer = tool("kafka-console-producer")
        .args(["--bootstrap-server", world.bootstrap(), "--topic", &topic])
        .args(["--property", "parse.key=true", "--property", "key.separator=="])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the console producer starts");
    let mut lines = producer.stdin.take().expect("it has an input");
    keys.iter()
        .for_each(|key| writeln!(lines, "{key}=v").expect("it reads its input"));
    drop(lines);
    assert!(producer.wait().expect("the call ends").success());

    let mut found = 0;
    for number in 0..7 {
        for record in log
            .read(&partition(&topic, number), Offset(0), 100)
            .expect("the partition is read")
        {
            let key = record.key.expect("it has a key");
            assert_eq!(partitioner::partition_of(&key, 7), record.partition, "key {key:?}");
            found += 1;
        }
    }
    assert_eq!(found, keys.len());
}

#[test]
fn partitions_move_without_overlap_eagerly() {
    groups::partitions_move_without_overlap(&Kafka::with(&[("partition.assignment.strategy", "range")]));
}

#[test]
fn partitions_move_without_overlap_by_the_broker() {
    groups::partitions_move_without_overlap(&Kafka::with(&[("group.protocol", "consumer")]));
}

#[test]
fn an_eager_revoke_waits_for_the_drain() {
    groups::a_revoke_waits_for_the_drain(&Kafka::with(&[("partition.assignment.strategy", "roundrobin")]));
}

#[test]
fn a_revoke_by_the_broker_waits_for_the_drain() {
    groups::a_revoke_waits_for_the_drain(&Kafka::with(&[("group.protocol", "consumer")]));
}

#[test]
fn commits_survive_a_restart_with_the_broker_assigning() {
    groups::commits_survive_a_restart(&Kafka::with(&[("group.protocol", "consumer")]));
}

#[test]
fn a_new_partition_is_read_soon_with_the_broker_assigning() {
    groups::a_new_partition_is_read_soon(&Kafka::with(&[("group.protocol", "consumer")]));
}

#[test]
fn a_member_that_leaves_an_eager_group_is_gone_at_once() {
    groups::a_member_that_leaves_is_gone_at_once(&Kafka::with(&[("partition.assignment.strategy", "range")]));
}

#[test]
fn properties_of_every_side_are_taken() {
    let world = Kafka::with(&[
        ("fetch.wait.max.ms", "50"),
        ("linger.ms", "1"),
        ("compression.type", "lz4"),
        ("session.timeout.ms", "10000"),
        ("group.instance.id", "static-1"),
        ("client.rack", "here"),
        ("acks", "all"),
        ("enable.auto.commit", "false"),
    ]);
    groups::a_group_reads_everything_once(&world);
}

#[test]
fn properties_that_break_an_invariant_are_refused() {
    let refused = [
        ("enable.auto.commit", "true"),
        ("enable.auto.offset.store", "true"),
        ("auto.offset.reset", "latest"),
        ("enable.idempotence", "false"),
        ("acks", "1"),
        ("partitioner", "consistent"),
        ("message.timeout.ms", "1000"),
        ("group.id", "other"),
        ("bootstrap.servers", "elsewhere:9092"),
        ("no.such.property", "1"),
        ("session.timeout.ms", "soon"),
        ("security.protocol", "telepathy"),
    ];
    for (name, value) in refused {
        let answer = KafkaLog::connect("localhost:1", vec![(name.to_owned(), value.to_owned())]).err();
        assert!(
            matches!(&answer, Some(LogError::Refused(why)) if why.contains(name)),
            "{name}: {answer:?}"
        );
    }
    let world = Kafka::with(&[("group.protocol", "consumer"), ("session.timeout.ms", "10000")]);
    let log = world.open();
    let topic = topic(&*log, "properties", 1);
    let answer = log.subscribe(&subscription("properties", &topic, "member")).err();
    assert!(
        matches!(&answer, Some(LogError::Refused(why)) if why.contains("session.timeout.ms")),
        "{answer:?}"
    );
}

#[test]
fn a_broker_that_is_away_is_reported_soon() {
    let nobody = "127.0.0.1:1";
    let log = KafkaLog::connect(nobody, Vec::new()).expect("connecting does not need a broker");
    let said = |what: &str, error: Option<LogError>, started: Instant| {
        assert!(
            matches!(&error, Some(LogError::Unavailable(why)) if why.contains(nobody)),
            "{what}: {error:?}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(8),
            "{what} took {:?}",
            started.elapsed()
        );
    };
    let started = Instant::now();
    said("topics", log.topics().err(), started);
    let started = Instant::now();
    said("create", log.create_topic("any", 1).err(), started);
    let started = Instant::now();
    let results = log.append("any", vec![keyed("1", "v"), keyed("2", "v")], Duration::from_secs(1));
    assert_eq!(results.len(), 2);
    said("append", results.into_iter().next().and_then(Result::err), started);
}

/// Makes three simulated brokers in this process, which can be switched off, with a topic of one partition.
pub fn simulated(topic: &str) -> (MockCluster<'static, DefaultProducerContext>, KafkaLog) {
    let brokers = MockCluster::new(3).expect("simulated brokers start");
    brokers.create_topic(topic, 1, 3).expect("the topic is made");
    // By its sequence number a real broker refuses a batch behind one that failed, but these brokers take it. So only
    // one batch may be in flight at a time.
    let alone = ("max.in.flight.requests.per.connection".to_owned(), "1".to_owned());
    let log = KafkaLog::connect(&brokers.bootstrap_servers(), vec![alone]).expect("the clients start");
    (brokers, log)
}

#[test]
fn no_record_of_a_failed_append_comes_behind_a_later_one() {
    let (brokers, log) = simulated("outage");
    let numbered = |from: u32, to: u32| (from..to).map(|n| placed_at(0, n.to_string())).collect::<Vec<_>>();
    append(&log, "outage", numbered(0, 10));
    brokers.broker_down(-1).expect("the brokers go down");
    for (from, to) in [(10, 20), (20, 30)] {
        let started = Instant::now();
        let results = log.append("outage", numbered(from, to), Duration::from_secs(1));
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "it took {:?}",
            started.elapsed()
        );
        let unavailable = |answer: &_| matches!(answer, Err(LogError::Unavailable(_)));
        assert!(results.iter().all(unavailable), "{:?}", results[0]);
    }
    brokers.broker_up(-1).expect("the brokers come back");
    append(&log, "outage", numbered(30, 40));
    append(&log, "outage", numbered(40, 50));
    let read = log
        .read(&partition("outage", 0), Offset(0), 1_000)
        .expect("the partition is read");
    let values = read
        .iter()
        .map(|record| String::from_utf8_lossy(record.value.as_ref().expect("a value")).into_owned());
    let numbers: Vec<u32> = values.map(|value| value.parse().expect("a number")).collect();
    // While the brokers were down no request could be in flight, so no record of those calls may appear at all.
    assert_eq!(numbers, (0..10).chain(30..50).collect::<Vec<_>>());
}

#[test]
fn an_append_whose_time_was_taken_by_others_is_not_begun() {
    let (brokers, log) = simulated("queue");
    append(&log, "queue", vec![placed_at(0, "first")]);
    brokers.broker_down(-1).expect("the brokers go down");
    let send = |patience| log.append("queue", vec![placed_at(0, "v")], patience).remove(0);
    let not_begun = |answer| matches!(answer, Err(LogError::Unavailable(why)) if why.contains("earlier appends"));
    // Either of the two calls may get the lock first.
    let told = thread::scope(|scope| {
        let patient = scope.spawn(|| send(Duration::from_secs(1)));
        let mut told = false;
        while !patient.is_finished() && !told {
            told = not_begun(send(Duration::from_millis(50)));
        }
        told | not_begun(patient.join().expect("the call ends"))
    });
    assert!(told, "one of the calls has waited for all of its time");
}

#[test]
fn an_append_is_repeated_in_order_after_errors_that_pass() {
    let (brokers, log) = simulated("stumble");
    append(&log, "stumble", vec![placed_at(0, "first")]);
    brokers.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        ],
    );
    let placed = append(&log, "stumble", (0..100).map(|n| placed_at(0, n.to_string())).collect());
    let offsets: Vec<u64> = placed.iter().map(|placed| placed.offset.0).collect();
    assert_eq!(offsets, (1..=100).collect::<Vec<_>>());
}

#[test]
fn a_member_outlives_an_outage() {
    let (brokers, log) = simulated("member");
    append(&log, "member", (0..10).map(|n| placed_at(0, n.to_string())).collect());
    let mut member = TestMember::join(&log, &subscription("outlives", "member", "member"));
    until("the backlog is read", &mut [&mut member], |members| {
        members[0].observed.read.len() == 10
    });
    brokers.broker_down(-1).expect("the brokers go down");
    let started = Instant::now();
    let outcome = member.try_commit();
    assert!(matches!(outcome, Err(LogError::Unavailable(_))), "{outcome:?}");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        started.elapsed()
    );
    let heard = Instant::now() + TIMEOUT;
    while !matches!(member.try_poll(), Err(LogError::Unavailable(_))) {
        assert!(Instant::now() < heard, "polling says that the brokers are away");
    }
    brokers.broker_up(-1).expect("the brokers come back");
    let back = Instant::now() + TIMEOUT;
    while member.try_commit() != Ok(Vec::new()) {
        assert!(Instant::now() < back, "commits work again");
        let _still_away = member.try_poll();
    }
    append(&log, "member", vec![placed_at(0, "10")]);
    while member.observed.read.len() < 11 {
        assert!(Instant::now() < back, "the rest is read");
        let _still_away = member.try_poll();
    }
}

/// A dead coordinator is replaced only after about a session. Until then the member keeps its partitions.
#[test]
fn a_member_keeps_what_it_has_while_its_coordinator_is_away() {
    let (brokers, log) = simulated("kept");
    brokers
        .coordinator(MockCoordinator::Group("kept".into()), 2)
        .expect("the second broker becomes the coordinator");
    // A simulated coordinator answers a member that rejoins after a session less one second, and nothing else meanwhile. With
    // longer sessions the member would take that for silence, and join anew again and again.
    let subscription = Subscription {
        session_timeout: Duration::from_secs(3),
        ..subscription("kept", "kept", "member")
    };
    let mut member = TestMember::join(&log, &subscription);
    until("the member has the partition", &mut [&mut member], |members| {
        members[0].observed.owned.len() == 1
    });
    brokers.broker_down(2).expect("the broker goes down");
    let died = Instant::now();
    while died.elapsed() < subscription.session_timeout * 2 {
        let _away = member.try_poll();
        assert_eq!(member.observed.lost, [], "given up after {:?}", died.elapsed());
    }
    brokers.broker_up(2).expect("the broker comes back");
    append(&log, "kept", vec![placed_at(0, "v")]);
    let back = Instant::now() + TIMEOUT;
    while member.observed.read.is_empty() || member.try_commit() != Ok(Vec::new()) {
        assert!(Instant::now() < back, "it reads and commits again");
        let _still_away = member.try_poll();
    }
}

/// After its start every broker gets requests for groups that it has not read from the log yet.
#[test]
fn a_coordinator_that_is_not_ready_yet_is_asked_again() {
    use RDKafkaRespErr as E;
    let (brokers, log) = simulated("settling");
    append(&log, "settling", vec![placed_at(0, "v")]);
    let settling = [
        E::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        E::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        E::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        E::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    ];
    brokers.request_errors(RDKafkaApiKey::OffsetFetch, &settling);
    assert_eq!(log.committed("settling", "settling"), Ok(vec![None]));
    brokers.request_errors(RDKafkaApiKey::OffsetFetch, &settling);
    let mut member = TestMember::join(&log, &subscription("settling", "settling", "member"));
    until("the record is read", &mut [&mut member], |members| {
        members[0].observed.read.len() == 1
    });
}

#[test]
fn a_commit_between_two_generations_can_be_repeated() {
    let (brokers, log) = simulated("overtaken");
    append(&log, "overtaken", vec![placed_at(0, "v")]);
    let mut member = TestMember::join(&log, &subscription("overtaken", "overtaken", "member"));
    until("the record is read", &mut [&mut member], |members| {
        members[0].observed.read.len() == 1
    });
    // The call itself repeats the commit 20 times, so it fails after 21 such errors.
    let stale = RDKafkaRespErr::RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH;
    brokers.request_errors(RDKafkaApiKey::OffsetCommit, &[stale; 21]);
    let outcome = member.try_commit();
    assert!(matches!(outcome, Err(LogError::Unavailable(_))), "{outcome:?}");
    assert_eq!(member.commit(), []);
    // Outside of a rebalance librdkafka takes this error to mean that the whole assignment is lost.
    let illegal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
    brokers.request_errors(RDKafkaApiKey::OffsetCommit, &[illegal]);
    assert_eq!(member.commit(), [partition("overtaken", 0)]);
}

#[test]
fn a_topic_may_be_unknown_for_a_while() {
    let (brokers, log) = simulated("unknown");
    let mut member = TestMember::join(&log, &subscription("unknown", "unknown", "member"));
    until("the member has the partition", &mut [&mut member], |members| {
        members[0].observed.owned.len() == 1
    });
    let answer = |error| {
        brokers
            .topic_error("unknown", error)
            .expect("the topic's answer is set")
    };
    answer(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    let deadline = Instant::now() + TIMEOUT;
    let told = loop {
        assert!(Instant::now() < deadline, "polling never returns the error");
        if let Err(error) = member.try_poll() {
            break error;
        }
    };
    assert!(matches!(told, LogError::Unavailable(_)), "{told:?}");
    answer(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    let deadline = Instant::now() + TIMEOUT;
    while member.try_poll().is_err() || member.observed.owned.is_empty() {
        assert!(Instant::now() < deadline, "polling works again");
    }
}

#[test]
fn an_outage_does_not_hold_up_a_member_that_leaves() {
    let (brokers, log) = simulated("away");
    append(&log, "away", (0..10).map(|n| placed_at(0, n.to_string())).collect());
    let mut members: Vec<TestMember> = ["leaves", "is dropped"]
        .map(|group| TestMember::join(&log, &subscription(group, "away", "member")))
        .into();
    for member in &mut members {
        until("the backlog is read", &mut [member], |members| {
            members[0].observed.read.len() == 10
        });
    }
    brokers.broker_down(-1).expect("the brokers go down");
    let started = Instant::now();
    let _outcome = members[0].try_leave();
    drop(members);
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "it took {:?}",
        started.elapsed()
    );
}

/// Removes the records before an offset of a partition.
pub fn delete_records(world: &Kafka, topic: &str, number: i32, before: i64) {
    let mut upto = TopicPartitionList::new();
    upto.add_partition_offset(topic, number, rdkafka::Offset::Offset(before))
        .expect("an offset is set");
    answered(admin(world).delete_records(&upto, &AdminOptions::new())).expect("records are deleted");
}

#[test]
fn reading_from_before_the_first_record_kept() {
    let world = Kafka::new();
    let log = world.open();
    let topic = topic(&*log, "pruned", 1);
    append(&*log, &topic, (0..10).map(|n| placed_at(0, n.to_string())).collect());
    delete_records(&world, &topic, 0, 6);
    assert_eq!(
        log.extents(&topic),
        Ok(vec![Extent {
            start: Offset(6),
            end: Offset(10)
        }])
    );
    let read = log
        .read(&partition(&topic, 0), Offset(0), 100)
        .expect("the rest is read");
    let offsets: Vec<u64> = read.iter().map(|record| record.offset.0).collect();
    assert_eq!(offsets, [6, 7, 8, 9]);
}
