//! Dead letters whose transactions are committed in another order than that of their numbers.

use std::sync::Arc;
use std::time::Duration;

use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::{EventLog, Offset, Partition, TopicPartition};
use shop::LogCalls;
use shop::domain::Source;
use shop::relay::{KeyMode, Progress, Relay, RelayOptions};
use tempfile::TempDir;

use super::database::{Database, execute, number};
use super::words::NOW;

const TOPIC: &str = "kafka.scaling";
const LETTERS: &str = "dlq-kafka.delivery";

#[tokio::test]
async fn a_letter_that_is_committed_behind_a_later_one_is_published_all_the_same() {
    let (database, folder) = (Database::unmade(), TempDir::new().expect("a folder"));
    let store = Arc::new(database.open(Source::Deliveries).await);
    let log = Arc::new(EmbeddedLog::open(folder.path(), EmbeddedOptions::default()).expect("a log"));
    log.create_topic(TOPIC, 1).expect("a topic");
    let options = RelayOptions {
        source: Source::Deliveries,
        topic: TOPIC.into(),
        key: KeyMode::OrderId,
        holder: "a".into(),
        idle_poll: Duration::from_millis(25),
        gather: Duration::ZERO,
        clock: || NOW,
    };
    let mut relay = Relay::new(store, LogCalls::blocking(log.clone()), options);
    let (mut slow, mut quick) = (database.client().await, database.client().await);
    execute(&mut slow, &format!("start transaction; {}", letter("slow"))).await;
    execute(&mut quick, &letter("quick")).await;
    let last = "select cast(last_insert_id() as signed)";
    assert!(number(&mut slow, last).await < number(&mut quick, last).await);
    assert_eq!(relay.step().await, Ok(Progress::Published(1)));
    execute(&mut slow, "commit").await;
    assert_eq!(relay.step().await, Ok(Progress::Published(1)));
    let partition = TopicPartition::new(LETTERS, Partition(0));
    let records = log.read(&partition, Offset(0), 10).expect("its records");
    let values: Vec<_> = records.iter().map(|record| record.value.as_deref()).collect();
    assert_eq!(values, [Some(&b"quick"[..]), Some(&b"slow"[..])]);
}

fn letter(value: &str) -> String {
    format!(
        "insert into dead_letter (topic, timestamp, record_value, record_headers) values ('{LETTERS}', 0, '{value}', '')"
    )
}
