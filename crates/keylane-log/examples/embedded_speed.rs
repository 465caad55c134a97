//! Measures how fast the embedded log is on this machine:
//! `cargo run --release -p keylane-log --example embedded_speed`.
//!
//! Prints one measurement on each line. The log is in a temporary folder below `TMPDIR`.

#[cfg(feature = "embedded")]
mod speed {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
    use keylane_log::{
        Assignment, EventLog, Header, LogError, NewRecord, Position, Rebalance, Result, Subscription, Timestamp,
        TopicPartition,
    };

    /// The timeout of appends, and the times of subscriptions.
    const TIMEOUT: Duration = Duration::from_secs(10);
    /// The records of a batch.
    const BATCH: usize = 500;

    /// Never has records in flight, and counts the partitions that it was assigned.
    #[derive(Default)]
    struct Idle(usize);

    impl Rebalance for Idle {
        fn assigned(&mut self, assignments: &[Assignment]) {
            self.0 += assignments.len();
        }

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
        take_over(&log)?;
        std::thread::scope(|scope| {
            let other = EmbeddedLog::open(dir.path(), EmbeddedOptions::default())?;
            let producer = scope.spawn(move || batches(&other, "the same, two at once (other)"));
            batches(&log, "the same, two at once (one)")?;
            producer.join().expect("the other producer is done")
        })?;
        commits(&log)
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
        log.append("orders", records, TIMEOUT)
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
            note: String::new(),
            session_timeout: TIMEOUT,
            drain_timeout: TIMEOUT,
        }
    }

    /// Measures the time from before an append to after the poll that returns its record, for records that come singly.
    fn hand_over(log: &EmbeddedLog) -> Result<()> {
        let mut consumer = log.subscribe(&subscription("latency"))?;
        while !consumer.poll(Duration::ZERO, &mut Idle::default())?.is_empty() {}
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
                let records = consumer.poll(Duration::from_millis(50), &mut Idle::default())?;
                let now = now_micros();
                times.extend(
                    records
                        .iter()
                        .map(|r| Duration::from_micros(now.abs_diff(r.timestamp.0))),
                );
            }
            producer.join().expect("the producer is done")?;
            print_times("append to poll", times);
            consumer.leave(&mut Idle::default())
        })
    }

    /// Reads all records from the beginning, with one commit for each poll.
    fn drain(log: &EmbeddedLog) -> Result<()> {
        let mut consumer = log.subscribe(&subscription("throughput"))?;
        let (begun, mut count) = (Instant::now(), 0);
        loop {
            let records = consumer.poll(Duration::from_millis(5), &mut Idle::default())?;
            if records.is_empty() {
                break;
            }
            count += records.len();
            let position = |r: &keylane_log::Record| Position {
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
        consumer.leave(&mut Idle::default())
    }

    /// Measures commits while a producer appends as fast as it can.
    fn commits(log: &EmbeddedLog) -> Result<()> {
        let mut consumer = log.subscribe(&subscription("commits"))?;
        let mut idle = Idle::default();
        let times = std::thread::scope(|scope| -> Result<Vec<Duration>> {
            let producer = scope.spawn(|| batches(log, "append beside a consumer"));
            let mut times = Vec::new();
            while !producer.is_finished() {
                let records = consumer.poll(Duration::from_millis(5), &mut idle)?;
                let Some(last) = records.last() else { continue };
                let position = Position {
                    partition: last.topic_partition(),
                    offset: last.offset.next(),
                    metadata: String::new(),
                };
                let begun = Instant::now();
                consumer.commit(&[position])?;
                times.push(begun.elapsed());
            }
            producer.join().expect("the producer is done")?;
            Ok(times)
        })?;
        print_times("commit beside a producer", times);
        consumer.leave(&mut idle)
    }

    /// Measures the time from a member's first poll until it has its half of the partitions, which another one gives
    /// back.
    fn take_over(log: &EmbeddedLog) -> Result<()> {
        let enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| -> Result<()> {
                let mut consumer = log.subscribe(&subscription("moves"))?;
                while !enough.load(Ordering::Relaxed) {
                    consumer.poll(Duration::from_millis(50), &mut Idle::default())?;
                }
                consumer.leave(&mut Idle::default())
            });
            let mut times = Vec::new();
            for _ in 0..50 {
                let (mut consumer, mut idle) = (log.subscribe(&subscription("moves"))?, Idle::default());
                let begun = Instant::now();
                while idle.0 < 2 {
                    consumer.poll(Duration::from_millis(1), &mut idle)?;
                }
                times.push(begun.elapsed());
                consumer.leave(&mut idle)?;
            }
            enough.store(true, Ordering::Relaxed);
            print_times("planned hand-over", times);
            other.join().expect("the other member is done")
        })
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
