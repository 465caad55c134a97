use super::super::append::{Batch, MAX_RECORD_BYTES, RoundRobin, append};
use super::super::fetch::{Fetched, fetch};
use super::super::positions::{commit, release};
use super::super::retention::{Pruned, Retention, prune};
use super::super::schema::in_memory;
use super::super::topics;
use super::*;
use crate::port::{Position, Subscription};
use crate::record::{NewRecord, Offset, Partition, Timestamp};
use crate::topic::NewTopic;

const SESSION: Duration = Duration::from_secs(3);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn log(partitions: u32) -> Connection {
    let conn = in_memory();
    topics::create(&conn, &NewTopic::new("orders", partitions)).unwrap();
    conn
}

fn member(name: &str, incarnation: u64) -> Member {
    let subscription = Subscription {
        group: "delivery".into(),
        topics: vec!["orders".into()],
        member: name.into(),
        note: String::new(),
        session_timeout: SESSION,
        drain_timeout: SESSION,
    };
    Member::new(&subscription, incarnation)
}

fn partition(number: u32) -> TopicPartition {
    TopicPartition::new("orders", Partition(number))
}

fn partitions(numbers: &[u32]) -> Vec<TopicPartition> {
    numbers.iter().copied().map(partition).collect()
}

fn position(number: u32, offset: u64) -> Position {
    Position {
        partition: partition(number),
        offset: Offset(offset),
        metadata: format!("at {offset}"),
    }
}

fn take(conn: &Connection, member: &mut Member, now: u64) -> StepOutcome {
    step(conn, member, ms(now), &[]).unwrap()
}

fn claimed(step: &StepOutcome) -> Vec<(u32, u64)> {
    let place = |a: &Assignment| (a.partition.partition.0, a.position.0);
    step.claimed.iter().map(place).collect()
}

fn fill(conn: &Connection, numbers: &[u32]) {
    let record = |number: &u32| NewRecord {
        partition: Some(Partition(*number)),
        timestamp: Timestamp(0),
        key: None,
        value: Some("v".into()),
        headers: Vec::new(),
    };
    let records: Vec<_> = numbers.iter().map(record).collect();
    let batch = Batch {
        topic: "orders",
        records: &records,
    };
    append(
        conn,
        &[batch],
        Timestamp(0),
        MAX_RECORD_BYTES,
        &mut RoundRobin::default(),
    )
    .unwrap();
}

fn fetched(conn: &Connection, member: &mut Member) -> Vec<(u32, u64)> {
    match fetch(conn, member).unwrap() {
        Fetched::Records { records, .. } => records.iter().map(|r| (r.partition.0, r.offset.0)).collect(),
        Fetched::GroupChanged => panic!("the group has changed"),
    }
}

fn committed(conn: &Connection) -> Vec<Option<u64>> {
    let offsets = topics::committed(conn, "delivery", "orders").unwrap();
    offsets
        .into_iter()
        .map(|offset| offset.map(|offset| offset.0))
        .collect()
}

#[test]
fn the_first_member_takes_all_and_reads_from_the_beginning() {
    let conn = log(2);
    fill(&conn, &[0, 0, 1]);
    let mut one = member("one", 1);
    assert_eq!(
        fetch(&conn, &mut one),
        Ok(Fetched::GroupChanged),
        "no record is handed out before the first step"
    );
    assert_eq!(claimed(&take(&conn, &mut one, 0)), [(0, 0), (1, 0)]);
    assert_eq!(fetched(&conn, &mut one), [(0, 0), (0, 1), (1, 0)]);
    assert_eq!(fetched(&conn, &mut one), []);
    assert_eq!(take(&conn, &mut one, 500), StepOutcome::default());
}

#[test]
fn a_partition_changes_hands_only_once_it_is_released_with_its_position() {
    let conn = log(2);
    fill(&conn, &[0, 1, 1]);
    let (mut one, mut two) = (member("one", 1), member("two", 2));
    take(&conn, &mut one, 0);
    assert_eq!(take(&conn, &mut two, 0), StepOutcome::default(), "nothing is free yet");
    assert_eq!(
        fetch(&conn, &mut one),
        Ok(Fetched::GroupChanged),
        "the first member notices that another has joined"
    );

    assert_eq!(take(&conn, &mut one, 10).surplus, partitions(&[1]));
    assert_eq!(
        take(&conn, &mut one, 20).surplus,
        [],
        "a surplus partition is named in one step only"
    );
    assert_eq!(
        fetched(&conn, &mut one),
        [(0, 0)],
        "no more records of a surplus partition are handed out"
    );
    assert_eq!(
        take(&conn, &mut two, 20),
        StepOutcome::default(),
        "the partition is still owned"
    );
    assert_eq!(
        commit(&conn, &mut one, &[position(1, 1)]),
        Ok(vec![]),
        "until the release its owner may commit"
    );

    assert_eq!(
        release(&conn, &mut one, &partitions(&[1]), &[position(1, 2)]),
        Ok(vec![])
    );
    assert_eq!(
        fetch(&conn, &mut two),
        Ok(Fetched::GroupChanged),
        "the second member notices the release"
    );
    let step = take(&conn, &mut two, 30);
    assert_eq!((claimed(&step), &*step.claimed[0].metadata), (vec![(1, 2)], "at 2"));
    assert_eq!(commit(&conn, &mut one, &[position(1, 9)]), Ok(partitions(&[1])));
    assert_eq!(committed(&conn), [None, Some(2)]);
}

#[test]
fn a_silent_member_is_removed_and_its_late_commit_refused() {
    let conn = log(2);
    let (mut one, mut two) = (member("one", 1), member("two", 2));
    take(&conn, &mut one, 0);
    let mut removed = Vec::new();
    for now in (0..=3000).step_by(500) {
        assert!(removed.is_empty(), "the member was removed too early, at {now} ms");
        removed = take(&conn, &mut two, now).removed;
    }
    assert_eq!(removed, [one.id().to_owned()]);
    assert_eq!(two.held().count(), 2);

    assert_eq!(commit(&conn, &mut one, &[position(0, 5)]), Ok(partitions(&[0])));
    assert_eq!(committed(&conn), [None, None]);
    assert_eq!(take(&conn, &mut one, 3000).lost, partitions(&[0, 1]));
    assert!(!one.joined());
    assert_eq!(
        take(&conn, &mut one, 3100),
        StepOutcome::default(),
        "a removed member pauses before it joins again"
    );
    take(&conn, &mut one, 3500);
    assert_eq!(take(&conn, &mut two, 3500).surplus, partitions(&[0]));
}

/// Comparing the owner alone would not do: here the same member is the owner again, in a later generation.
#[test]
fn a_commit_of_an_earlier_generation_is_refused() {
    let conn = log(1);
    let mut one = member("one", 1);
    take(&conn, &mut one, 0);
    let mut zombie = Member {
        held: one.held.clone(),
        ..member("one", 1)
    };
    leave(&conn, &mut one).unwrap();
    assert_eq!(
        commit(&conn, &mut zombie, &[position(0, 5)]),
        Ok(partitions(&[0])),
        "the partition has no owner"
    );
    let mut again = member("one", 1);
    assert_eq!(claimed(&take(&conn, &mut again, 10)), [(0, 0)]);
    assert_eq!(
        commit(&conn, &mut zombie, &[position(0, 5)]),
        Ok(partitions(&[0])),
        "the partition has a later generation"
    );
    assert_eq!(
        release(&conn, &mut zombie, &partitions(&[0]), &[position(0, 5)]),
        Ok(partitions(&[0]))
    );
    assert_eq!(committed(&conn), [None]);
    assert_eq!(commit(&conn, &mut again, &[position(0, 1)]), Ok(vec![]));
}

#[test]
fn a_restarted_member_of_the_same_name_is_another_member() {
    let conn = log(1);
    let (mut before, mut after) = (member("one", 1), member("one", 2));
    take(&conn, &mut before, 0);
    let step = step(&conn, &mut after, ms(0), &[before.id().to_owned()]).unwrap();
    assert_eq!((step.removed.len(), claimed(&step)), (1, vec![(0, 0)]));
    assert_eq!(commit(&conn, &mut before, &[position(0, 5)]), Ok(partitions(&[0])));
    assert_eq!(take(&conn, &mut before, 10).lost, partitions(&[0]));
    assert_eq!(commit(&conn, &mut after, &[position(0, 1)]), Ok(vec![]));
}

#[test]
fn new_partitions_are_claimed_and_leaving_frees_all() {
    let conn = log(1);
    let (mut one, mut two) = (member("one", 1), member("two", 2));
    take(&conn, &mut one, 0);
    take(&conn, &mut two, 0);
    take(&conn, &mut one, 10);
    topics::grow(&conn, "orders", 3).unwrap();
    fill(&conn, &[1, 2]);
    assert_eq!(fetch(&conn, &mut two), Ok(Fetched::GroupChanged));
    assert_eq!(claimed(&take(&conn, &mut two, 20)), [(1, 0)]);
    assert_eq!(claimed(&take(&conn, &mut one, 20)), [(2, 0)]);
    assert_eq!(fetched(&conn, &mut two), [(1, 0)]);

    two.prepare_to_leave();
    assert_eq!(take(&conn, &mut two, 30).surplus, partitions(&[1]));
    release(&conn, &mut two, &partitions(&[1]), &[position(1, 1)]).unwrap();
    leave(&conn, &mut two).unwrap();
    assert_eq!(fetch(&conn, &mut one), Ok(Fetched::GroupChanged));
    assert_eq!(claimed(&take(&conn, &mut one, 40)), [(1, 1)]);
    assert_eq!(
        take(&conn, &mut two, 50),
        StepOutcome::default(),
        "a member that has left does not come back"
    );
}

#[test]
fn pruned_records_are_passed_over_and_committed_offsets_stay() {
    let conn = log(2);
    fill(&conn, &[0, 0, 1]);
    let mut one = member("one", 1);
    take(&conn, &mut one, 0);
    commit(&conn, &mut one, &[position(0, 2)]).unwrap();
    let all = Retention {
        age: Some(Duration::ZERO),
        bytes: None,
    };
    while matches!(prune(&conn, all, Timestamp(9)), Ok(Pruned::Removed(_))) {}
    // Retention never removes unread records. If they are gone for another reason, the member reads on behind them.
    conn.execute("delete from records where partition = 1", []).unwrap();
    fill(&conn, &[0, 1]);
    assert_eq!(committed(&conn), [Some(2), None]);
    assert_eq!(fetched(&conn, &mut one), [(0, 2), (1, 1)]);
    leave(&conn, &mut one).unwrap();
    assert_eq!(claimed(&take(&conn, &mut member("two", 2), 0)), [(0, 2), (1, 1)]);
}

#[test]
fn a_paused_partition_goes_on_where_it_stopped() {
    let conn = log(2);
    let mut one = member("one", 1);
    take(&conn, &mut one, 0);
    fill(&conn, &[0, 1]);
    one.pause(&partitions(&[0]), true);
    assert_eq!(fetched(&conn, &mut one), [(1, 0)]);
    one.pause(&partitions(&[0]), false);
    assert_eq!(fetched(&conn, &mut one), [(0, 0)]);
}

/// A step has committed, but the member never learnt that, so the table says that it owns partitions of which it does
/// not know. The next step takes them over, or frees those that are not its share.
#[test]
fn a_step_repairs_one_of_unknown_outcome() {
    let conn = log(2);
    let mut one = member("one", 1);
    take(&conn, &mut one, 0);
    one.held.clear();
    let mut two = member("two", 2);
    take(&conn, &mut two, 0);
    assert_eq!(claimed(&take(&conn, &mut one, 10)), [(0, 0)]);
    assert_eq!(claimed(&take(&conn, &mut two, 10)), [(1, 0)]);
}

#[test]
fn metadata_must_fit() {
    let conn = log(1);
    let mut one = member("one", 1);
    take(&conn, &mut one, 0);
    for metadata in ["é".to_owned(), "x".repeat(4097)] {
        let position = Position {
            metadata,
            ..position(0, 1)
        };
        assert!(matches!(
            commit(&conn, &mut one, &[position]),
            Err(crate::LogError::Refused(_))
        ));
    }
    assert_eq!(committed(&conn), [None]);
}
