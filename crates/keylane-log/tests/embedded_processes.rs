//! Several processes on one embedded log, which join, leave, are killed and are stopped while the topic grows.
//!
//! All members write into one file, line by line, which records they handled (`H partition offset`), which ranges of
//! offsets they committed (`C partition from to`), and which ranges were refused (`R partition from to`). The test
//! demands that
//!
//! * every record was handled;
//! * the committed ranges never overlap, so that no partition had two owners and no late commit was taken;
//! * the next commit of a member is refused if it was stopped for longer than its session.

#![cfg(feature = "embedded")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::turnstile::Turnstile;
use keylane_log::{
    Assignment, Consumer, EventLog, LogError, NewRecord, Offset, Partition, Position, Rebalance, Record, Subscription,
    Timestamp, TopicPartition,
};

/// The environment variable that gives a child process the log's folder.
const FOLDER: &str = "KEYLANE_LOG_TEST_FOLDER";
const SESSION: Duration = Duration::from_millis(900);
const DEADLINE: Duration = Duration::from_secs(60);
/// How long a member takes for the records of one poll.
const WORK: Duration = Duration::from_millis(10);

fn open(dir: &Path) -> EmbeddedLog {
    EmbeddedLog::open(dir, EmbeddedOptions::default()).unwrap()
}

fn journal(dir: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("journal"))
        .unwrap()
}

// ---------------------------------------------------------------------------------------------- the child processes

/// The body of the child processes that the test below starts. Without the variable [`FOLDER`] it does nothing.
#[test]
fn member() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let dir = Path::new(&dir);
    static ENOUGH: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| {
        // The input ends when the parent wants the member to leave, or has died.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ENOUGH.store(true, Ordering::Relaxed);
    });
    let log = open(dir);
    log.create_topic("orders", 8).unwrap();
    let subscription = Subscription {
        group: "delivery".into(),
        topics: vec!["orders".into()],
        member: "delivery".into(),
        note: String::new(),
        session_timeout: SESSION,
        drain_timeout: SESSION,
    };
    let mut consumer = log.subscribe(&subscription).unwrap();
    let mut journal = journal(dir);
    while !ENOUGH.load(Ordering::Relaxed) {
        round(&mut *consumer, &mut journal);
    }
    consumer.leave(&mut Idle).unwrap();
}

/// Has no records in flight, because the members commit before they poll again.
struct Idle;

impl Rebalance for Idle {
    fn assigned(&mut self, _: &[Assignment]) {}

    fn revoke(&mut self, _: &[TopicPartition], _: Duration) -> Option<Vec<Position>> {
        Some(Vec::new())
    }

    fn lost(&mut self, _: &[TopicPartition]) {}
}

fn round(consumer: &mut dyn Consumer, journal: &mut File) {
    let records = match consumer.poll(Duration::from_millis(50), &mut Idle) {
        Ok(records) => records,
        // A process that was stopped in its turn keeps the others waiting until the test notices.
        Err(LogError::Unavailable(_)) => return,
        Err(error) => panic!("{error}"),
    };
    let handled: String = records
        .iter()
        .map(|r| format!("H {} {}\n", r.partition, r.offset))
        .collect();
    journal.write_all(handled.as_bytes()).unwrap();
    let begun = Instant::now();
    std::thread::sleep(WORK);
    let stopped = begun.elapsed() > SESSION;
    let ranges = ranges(&records);
    let Some(refused) = commit(consumer, &ranges) else {
        return;
    };
    for (partition, (from, to)) in ranges {
        let refused = refused.iter().any(|other| other.partition == partition);
        assert!(refused || !stopped, "a late commit was accepted");
        let line = format!("{} {partition} {from} {to}\n", if refused { "R" } else { "C" });
        journal.write_all(line.as_bytes()).unwrap();
    }
}

fn ranges(records: &[Record]) -> BTreeMap<Partition, (Offset, Offset)> {
    let mut ranges = BTreeMap::new();
    for record in records {
        let next = record.offset.next();
        ranges.entry(record.partition).or_insert((record.offset, next)).1 = next;
    }
    ranges
}

/// Commits ranges, and returns the refused partitions. Returns `None` if the outcome is unknown; then the ranges are
/// not written down.
fn commit(consumer: &mut dyn Consumer, ranges: &BTreeMap<Partition, (Offset, Offset)>) -> Option<Vec<TopicPartition>> {
    let position = |(partition, (_, to)): (&Partition, &(Offset, Offset))| Position {
        partition: TopicPartition::new("orders", *partition),
        offset: *to,
        metadata: String::new(),
    };
    match consumer.commit(&ranges.iter().map(position).collect::<Vec<_>>()) {
        Ok(refused) => Some(refused),
        Err(LogError::Unavailable(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

// ---------------------------------------------------------------------------------------------------- the test

#[test]
fn nothing_is_skipped_and_no_partition_has_two_owners() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // Eight processes open the log at the same time in an empty folder.
    let mut members: Vec<Member> = (0..7).map(|_| Member::start(dir)).collect();
    let log = open(dir);
    log.create_topic("orders", 8).unwrap();
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| produce(&log, &enough));
        let enough = Enough(&enough);
        wait("all have committed", || committed(&log).iter().all(Option::is_some));
        members.drain(..3).for_each(Member::leave);
        for partitions in [9, 12, 13] {
            stop_one_until_its_commit_is_refused(dir, &log, &members[0]);
            members.remove(1).kill();
            log.grow_topic("orders", partitions).unwrap();
            members.push(Member::start(dir));
            wait("the new partitions are consumed", || {
                committed(&log).iter().all(Option::is_some)
            });
            members.remove(0).leave();
            wait("the others go on", progress(&log));
            members.push(Member::start(dir));
        }
        drop(enough);
    });
    wait("all is committed", || committed(&log) == ends(&log));
    members.into_iter().for_each(Member::leave);
    judge(dir, &log);
}

/// Ends the producer when it is dropped, also if the test fails, because the scope would otherwise wait for ever.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A child process, which is killed when this is dropped.
struct Member(Child);

impl Member {
    fn start(dir: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "member", "--nocapture"]).env(FOLDER, dir);
        Self(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn leave(mut self) {
        drop(self.0.stdin.take());
        let mut status = None;
        wait("the member leaves", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        assert!(status.unwrap().success(), "a member failed: see its output above");
    }

    /// Kills the process by SIGKILL, so that it can't leave its group.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Stops the process at a moment at which it does not hold the turn.
    fn stop(&self, dir: &Path) {
        let mut turnstile = Turnstile::open(&dir.join("log.db")).unwrap();
        wait("it is stopped outside of its turn", || {
            self.signal("-STOP");
            let free = turnstile.enter(Duration::from_millis(200)).is_ok();
            if !free {
                self.signal("-CONT");
            }
            free
        });
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn stop_one_until_its_commit_is_refused(dir: &Path, log: &EmbeddedLog, member: &Member) {
    let refused = || lines(dir).iter().filter(|line| line.0 == 'R').count();
    let before = refused();
    wait("a late commit is refused", || {
        member.stop(dir);
        // When every partition makes progress again, the stopped member has been removed.
        wait("the others take over", progress(log));
        member.signal("-CONT");
        wait("all go on", progress(log));
        refused() > before
    });
}

/// Returns a function that tells whether the committed offset of every partition has risen since this call.
fn progress(log: &EmbeddedLog) -> impl FnMut() -> bool {
    let before = committed(log);
    move || committed(log).iter().zip(&before).all(|(now, before)| now > before)
}

fn committed(log: &EmbeddedLog) -> Vec<Option<Offset>> {
    log.committed("delivery", "orders").unwrap()
}

fn ends(log: &EmbeddedLog) -> Vec<Option<Offset>> {
    log.extents("orders")
        .unwrap()
        .iter()
        .map(|extent| Some(extent.end))
        .collect()
}

/// Appends a record to every partition again and again.
fn produce(log: &EmbeddedLog, enough: &AtomicBool) {
    while !enough.load(Ordering::Relaxed) {
        let record = |partition| NewRecord {
            partition: Some(Partition(partition)),
            timestamp: Timestamp(0),
            key: None,
            value: Some("an order".into()),
            headers: Vec::new(),
        };
        let records = (0..log.partitions("orders").unwrap()).map(record).collect();
        for result in log.append("orders", records, DEADLINE) {
            match result {
                Ok(_) | Err(LogError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

#[track_caller]
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The lines of the file: kind, partition, and one or two offsets.
fn lines(dir: &Path) -> Vec<(char, u32, u64, u64)> {
    let text = std::fs::read_to_string(dir.join("journal")).unwrap();
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| fields.get(index).map_or(0, |field| field.parse().unwrap());
        (line.chars().next().unwrap(), number(1) as u32, number(2), number(3))
    };
    text.lines().map(parse).collect()
}

/// Checks what the members have written down.
fn judge(dir: &Path, log: &EmbeddedLog) {
    let lines = lines(dir);
    let handled: BTreeSet<(u32, u64)> = lines
        .iter()
        .filter(|line| line.0 == 'H')
        .map(|line| (line.1, line.2))
        .collect();
    for (partition, extent) in (0..).zip(log.extents("orders").unwrap()) {
        let skipped: Vec<u64> = (0..extent.end.0)
            .filter(|offset| !handled.contains(&(partition, *offset)))
            .collect();
        assert_eq!(skipped, [0; 0], "skipped of partition {partition}");
        let mut accepted: Vec<(u64, u64)> = lines
            .iter()
            .filter(|line| line.0 == 'C' && line.1 == partition)
            .map(|line| (line.2, line.3))
            .collect();
        accepted.sort_unstable();
        let overlap = accepted.windows(2).find(|pair| pair[1].0 < pair[0].1);
        assert_eq!(overlap, None, "partition {partition} had two owners");
    }
}
