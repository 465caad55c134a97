//! Prints the records of a Kafka topic, each key in order and 16 keys at once:
//! `cargo run -p keylane --features kafka --example kafka -- localhost:9092 my-topic`
use std::{env::args, sync::Arc, time::Duration};

use keylane::kafka::KafkaLog;
use keylane::{Attempt, CancellationToken, EventLog, Handler, LogError, Options, Outcome, Record, Subscription, tokio};

struct Print;

impl Handler for Print {
    async fn handle(&self, records: &[Record], attempt: Attempt) -> Outcome {
        for record in records {
            let (place, key) = (record.topic_partition(), &record.key);
            println!(
                "{place}@{} {key:?} {:?} (try {})",
                record.offset, record.value, attempt.number
            );
        }
        Outcome::Done
    }
}

#[tokio::main(crate = "keylane::tokio")]
async fn main() -> Result<(), LogError> {
    let [brokers, topic] = [1, 2].map(|place| args().nth(place).expect("usage: kafka <host:port> <topic>"));
    let log: Arc<dyn EventLog> = Arc::new(KafkaLog::connect(&brokers, Vec::new())?);
    let consumer = log.subscribe(&Subscription {
        group: "keylane-example".into(),
        topics: vec![topic],
        member: "example".into(),
        note: String::new(),
        session_timeout: Duration::from_secs(10),
        drain_timeout: Duration::from_secs(30),
    })?;
    let shutdown = CancellationToken::new();
    let running = keylane::run(consumer, Print, Options::lanes(16).with_log(log), shutdown.clone());
    tokio::spawn(async move { tokio::signal::ctrl_c().await.map(|()| shutdown.cancel()) });
    println!("{:?}", running.await?);
    Ok(())
}
