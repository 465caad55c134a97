//! The errors of the embedded log when its file is missing, damaged, or not a log.

#![cfg(feature = "embedded")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::turnstile::Turnstile;
use keylane_log::{EventLog, LogError, NewRecord, Offset, Partition, Result, Subscription, Timestamp, TopicPartition};

/// The timeout of appends, and the times of a subscription.
const TIMEOUT: Duration = Duration::from_secs(60);

fn open(dir: &Path) -> Result<EmbeddedLog> {
    EmbeddedLog::open(dir, EmbeddedOptions::default())
}

fn fill(log: &EmbeddedLog, count: usize) -> Result<()> {
    let record = NewRecord {
        partition: Some(Partition(0)),
        timestamp: Timestamp(0),
        key: None,
        value: Some(vec![7; 500].into()),
        headers: Vec::new(),
    };
    let results = log.append("orders", vec![record; count], TIMEOUT);
    results.into_iter().collect::<Result<Vec<_>>>().map(drop)
}

#[track_caller]
fn assert_broken<T>(result: Result<T>, wanted: &str, dir: &Path) {
    let Err(LogError::Broken(sentence)) = result else {
        panic!("the call must fail with Broken");
    };
    assert!(sentence.contains(wanted), "{sentence}");
    assert!(
        sentence.contains(dir.to_str().unwrap()),
        "the sentence must name the file: {sentence}"
    );
}

#[test]
fn reading_creates_nothing_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    for folder in [dir.path(), &missing] {
        assert!(matches!(EmbeddedLog::open_existing(folder), Err(LogError::Refused(_))));
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

    open(dir.path()).unwrap().create_topic("orders", 1).unwrap();
    let reading = EmbeddedLog::open_existing(dir.path()).unwrap();
    assert_eq!(reading.partitions("orders"), Ok(1));
    assert!(matches!(fill(&reading, 1), Err(LogError::Refused(_))));
    assert!(matches!(reading.grow_topic("orders", 2), Err(LogError::Refused(_))));
    let subscription = Subscription {
        group: "group".into(),
        topics: vec!["orders".into()],
        member: "member".into(),
        note: String::new(),
        session_timeout: TIMEOUT,
        drain_timeout: TIMEOUT,
    };
    assert!(matches!(reading.subscribe(&subscription), Err(LogError::Refused(_))));
}

#[test]
fn a_file_that_is_not_a_log_is_named_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log.db");
    fs::write(&file, "a letter, and not a database".repeat(100)).unwrap();
    assert_broken(open(dir.path()), "not a database", dir.path());

    fs::remove_file(&file).unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("create table letters (text)").unwrap();
    assert_broken(open(dir.path()), "not a log", dir.path());
    let mode: String = other
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "delete");
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_broken(open(&file.join("folder")), "cannot create the folder", dir.path());
}

#[test]
fn a_corrupt_page_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    log.create_topic("orders", 1).unwrap();
    fill(&log, 1000).unwrap();
    drop(log);
    // The log is closed now, so that a plain handle on its file does no harm.
    let file = fs::OpenOptions::new()
        .write(true)
        .open(dir.path().join("log.db"))
        .unwrap();
    for page in 20..40 {
        file.write_all_at(&[0xff; 4096], page * 4096).unwrap();
    }
    drop(file);
    let log = open(dir.path()).unwrap();
    let partition = TopicPartition::new("orders", Partition(0));
    assert_broken(log.read(&partition, Offset(0), 1000), "corrupt", dir.path());
}

#[test]
fn a_file_deleted_while_open_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    log.create_topic("orders", 1).unwrap();
    fill(&log, 1).unwrap();
    fs::remove_file(dir.path().join("log.db")).unwrap();
    assert_broken(fill(&log, 1), "deleted", dir.path());
    assert_broken(log.partitions("orders"), "deleted", dir.path());
}

#[test]
fn a_kept_turn_is_reported_with_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    log.create_topic("orders", 1).unwrap();
    let mut keeper = Turnstile::open(&dir.path().join("log.db")).unwrap();
    let turn = keeper.enter(TIMEOUT).unwrap();
    let Err(LogError::Unavailable(sentence)) = fill(&log, 1) else {
        panic!("the turn is taken");
    };
    assert!(sentence.contains("kept others from writing"), "{sentence}");
    drop(turn);
    assert_eq!(
        log.extents("orders").unwrap()[0].end,
        Offset(0),
        "the refused record is not in the log"
    );
    fill(&log, 1).unwrap();
}
