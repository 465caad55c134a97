//! How fast the embedded log is here: `cargo run --release -p eventlog --example embedded_speed`.
//!
//! Prints one figure a line. The log is kept in a temporary folder, below `TMPDIR`.

#[cfg(feature = "embedded")]
mod speed {
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use eventlog::embedded::{EmbeddedLog, EmbeddedOptions};
    use eventlog::{
        Assignment, EventLog, Header, LogError, NewRecord, Position, Rebalance, Result, Subscription, Timestamp,
        TopicPartition,
    };

    const PATIENCE: Duration = Duration::from_secs(10);
    const BATCH: usize = 500;

    struct Idle;

    impl Rebalance for Idle {
        fn assigned(&mut self, _: &[Assignment]) {}

        fn revoke(&mut self, _: &[TopicPartition], _: Duration) -> Option<Vec<Position>> {
            Some(Vec::new())
        }

        fn lost(&mut self, _: &[TopicPartition]) {}
    }

    pub fn main() -> Result<()> {
        let dir = tempfile::tempdir().map_err(|error| LogError::Broken(error.to_string()))?;
        let log = EmbeddedLog::open(dir.path(), EmbeddedOptions::default())?;
        log.create_topic("orders", 4)?;
        batches(&log, "append in batches of 500")?;
        singles(&log)?;
        hand_over(&log)?;
        drain(&log)?;
        std::thread::scope(|scope| {
            let other = EmbeddedLog::open(dir.path(), EmbeddedOptions::default())?;
            let producer = scope.spawn(move || batches(&other, "the same, two at once (other)"));
            batches(&log, "the same, two at once (one)")?;
            producer.join().expect("the other producer is done")
        })
    }

    fn record(number: usize) -> NewRecord {
        NewRecord {
            partition: None,
            timestamp: Timestamp(now_micros()),
            key: Some(number.to_string().into()),
            value: Some("x".repeat(170).into()),
            headers: vec![
                Header::text("type", "OrderPlaced"),
                Header::text("contentType", "\"application/json\""),
                Header::text("ce_id", format!("/orders/{number}/1")),
                Header::text("ce_sequence", format!("{number:020}")),
            ],
        }
    }

    fn now_micros() -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_micros() as i64
    }

    fn append(log: &EmbeddedLog, records: Vec<NewRecord>) -> Result<()> {
        log.append("orders", records, PATIENCE)
            .into_iter()
            .collect::<Result<Vec<_>>>()
            .map(drop)
    }

    fn batches(log: &EmbeddedLog, name: &str) -> Result<()> {
        let batch: Vec<NewRecord> = (0..BATCH).map(record).collect();
        let (begun, count) = (Instant::now(), 400);
        for _ in 0..count {
            append(log, batch.clone())?;
        }
        println!(
            "{name}: {:.0} records/s",
            (count * BATCH) as f64 / begun.elapsed().as_secs_f64()
        );
        Ok(())
    }

    fn singles(log: &EmbeddedLog) -> Result<()> {
        let single = |number| {
            let begun = Instant::now();
            append(log, vec![record(number)]).map(|()| begun.elapsed())
        };
        print_times("append of one", (0..2000).map(single).collect::<Result<_>>()?);
        Ok(())
    }

    fn subscription(group: &str) -> Subscription {
        Subscription {
            group: group.into(),
            topics: vec!["orders".into()],
            member: "speed".into(),
            session_timeout: PATIENCE,
            drain_timeout: PATIENCE,
        }
    }

    /// From before the append to after the poll, of records that come one at a time.
    fn hand_over(log: &EmbeddedLog) -> Result<()> {
        let mut consumer = log.subscribe(&subscription("latency"))?;
        while !consumer.poll(Duration::ZERO, &mut Idle)?.is_empty() {}
        std::thread::scope(|scope| {
            let enough = Instant::now() + Duration::from_secs(3);
            let producer = scope.spawn(move || -> Result<()> {
                for number in 0.. {
                    if Instant::now() > enough {
                        break;
                    }
                    append(log, vec![record(number)])?;
                    std::thread::sleep(Duration::from_micros(3700));
                }
                Ok(())
            });
            let mut times = Vec::new();
            while Instant::now() < enough {
                let records = consumer.poll(Duration::from_millis(50), &mut Idle)?;
                let now = now_micros();
                times.extend(
                    records
                        .iter()
                        .map(|r| Duration::from_micros(now.abs_diff(r.timestamp.0))),
                );
            }
            producer.join().expect("the producer is done")?;
            print_times("append to poll", times);
            consumer.leave(&mut Idle)
        })
    }

    /// Everything from the beginning, with a commit per poll.
    fn drain(log: &EmbeddedLog) -> Result<()> {
        let mut consumer = log.subscribe(&subscription("throughput"))?;
        let (begun, mut count) = (Instant::now(), 0);
        loop {
            let records = consumer.poll(Duration::from_millis(5), &mut Idle)?;
            if records.is_empty() {
                break;
            }
            count += records.len();
            let position = |r: &eventlog::Record| Position {
                partition: r.topic_partition(),
                offset: r.offset.next(),
                metadata: String::new(),
            };
            consumer.commit(&[position(&records[records.len() - 1])])?;
        }
        println!(
            "poll and commit: {:.0} records/s",
            count as f64 / begun.elapsed().as_secs_f64()
        );
        consumer.leave(&mut Idle)
    }

    fn print_times(name: &str, mut times: Vec<Duration>) {
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 1000].as_secs_f64() * 1e3;
        println!(
            "{name}: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
            at(500),
            at(990),
            at(999)
        );
    }
}

#[cfg(feature = "embedded")]
fn main() {
    if let Err(error) = speed::main() {
        eprintln!("{error}");
        std::process::exit(2);
    }
}

#[cfg(not(feature = "embedded"))]
fn main() {}
