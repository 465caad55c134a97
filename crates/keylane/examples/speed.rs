//! Measures how fast the runner is on a real Kafka, beside what is possible there. For Linux, in the release profile:
//!
//! `cargo run --release -p keylane --example speed -- <host:port> w1|w2|w4|w5|w6 [librdkafka's property=value ...]`
//!
//! | workload | records of 150 B | what is measured |
//! |---|---|---|
//! | `w1` | 1,000,000 with 100,000 keys | records a second, three times in turn: of librdkafka polled alone, and of the runner with its commits |
//! | `w2` | 20,000 with 1,000 Zipf keys | time for a handler of 10 ms, divided by the least possible; with 16 lanes, 64 lanes, and 64 lanes with runs of a key |
//! | `w4` | 200,000 with a key each | a runner is killed when all records but offset 100 are done: how soon the next one is done, and how many records it repeats |
//! | `w5` | 200,000 with 1,000 Zipf keys | the handler never returns for the hottest key: how many other records are done, in how much memory |
//! | `w6` | as `w1` | a runner is killed in the middle: how many records the next one repeats |
//!
//! Each step of a workload is a process of its own, so that its memory can be measured. The process ends by `abort`,
//! without leaving its group. Its result is a line of JSON: `load` is the machine's load of the last minute before the
//! step, `seconds` count from the first record, `first_s` are the seconds from the start to the first record, `cpu_s` is
//! the processor time that the step has had, and `peak_mb` is the greatest resident memory. On a machine that has other
//! work, processor times compare better than seconds.
//!
//! `-- <host:port> raw|runner <topic> <number>` takes one step of `w1` again, on a topic that `w1 <topic>` has written;
//! the number tells it from other times.
use std::error::Error;
use std::process::{Command, Stdio, abort, id};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use keylane::{Attempt, Handler, Options, Outcome};
use keylane_log::kafka::KafkaLog;
use keylane_log::{EventLog, NewRecord, Record, Subscription};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: speed <host:port> w1|w2|w4|w5|w6 [property=value ...]";
const MILLION: u64 = 1_000_000;
/// How long the handler of `w2` takes.
const DELAY: Duration = Duration::from_millis(10);
/// The longest time that a step may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);
/// Wait before the committed offset is read: five times as long as finished work waits for its commit.
const SETTLED: Duration = Duration::from_secs(1);

fn main() -> Result<()> {
    let (properties, words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.contains('='));
    let (brokers, work) = words.first().zip(words.get(1)).ok_or(USAGE)?;
    let place = Place {
        brokers,
        topic: &words.get(2).cloned().unwrap_or(format!("speed-{work}-{}", id())),
        round: words.get(3).map_or("0", String::as_str),
        properties: &properties,
    };
    let uniform = || Vec::from_iter((0..MILLION).map(|_| fastrand::u32(..100_000)));
    match work.as_str() {
        "w1" => place.perform(4, &uniform(), &["raw", "runner", "raw", "runner", "raw", "runner"]),
        "w2" => place.perform(4, &zipf(20_000), &["lanes-16", "lanes-64", "runs-64"]),
        "w4" => place.perform(1, &Vec::from_iter(0..200_000), &["stuck", "restarted"]),
        "w5" => place.perform(4, &zipf(200_000), &["hot"]),
        "w6" => place.perform(4, &uniform(), &["killed", "rest"]),
        step => {
            println!("{}", place.step(step)?);
            abort()
        }
    }
}

/// Draws keys from a Zipf distribution: the k-th of 1,000 keys is 1/k times as frequent as the first, key 0, which 13 %
/// of the records have.
fn zipf(records: u64) -> Vec<u32> {
    let mut random = fastrand::Rng::with_seed(1);
    let share: f64 = (1..=1000).map(|rank| 1.0 / f64::from(rank)).sum();
    let key = |mut at: f64| (0..999).find(|key| (at -= 1.0 / f64::from(key + 1), at < 0.0).1);
    (0..records).map(|_| key(random.f64() * share).unwrap_or(999)).collect()
}

fn hottest(records: u64) -> u64 {
    zipf(records).iter().filter(|key| **key == 0).count() as u64
}

fn is_hottest(record: &Record) -> bool {
    record.key.as_deref() == Some(b"key-0")
}

/// Where a workload runs.
struct Place<'a> {
    brokers: &'a str,
    topic: &'a str,
    /// What tells the groups of a step from those of the same step at another time.
    round: &'a str,
    properties: &'a [String],
}

impl Place<'_> {
    /// Writes the records of a workload, and runs its steps one after the other.
    fn perform(&self, partitions: u32, keys: &[u32], steps: &[&str]) -> Result<()> {
        let log = self.log()?;
        log.create_topic(self.topic, partitions)?;
        let record = |key: &u32| NewRecord {
            partition: None,
            timestamp: SystemTime::now().into(),
            key: Some(format!("key-{key}").into()),
            value: Some(vec![b'x'; 150].into()),
            headers: Vec::new(),
        };
        for some in keys.chunks(10_000) {
            let placed = log.append(self.topic, some.iter().map(record).collect(), STEP_TIMEOUT);
            placed.into_iter().collect::<keylane_log::Result<Vec<_>>>()?;
        }
        let mut done = 0;
        for (number, step) in steps.iter().enumerate() {
            // The steps of one group follow each other.
            let round = (number / 2).to_string();
            let load = std::fs::read_to_string("/proc/loadavg")?;
            let mut child = Command::new(std::env::current_exe()?);
            child
                .args([self.brokers, step, self.topic, &round])
                .args(self.properties)
                .stderr(Stdio::inherit());
            let said = child.output()?.stdout;
            let mut line: Value = serde_json::from_slice(&said).map_err(|_| format!("step {step} has failed"))?;
            done += line["done"].as_u64().unwrap_or(0);
            if ["restarted", "rest"].contains(step) {
                line["again"] = json!(done - keys.len() as u64);
            }
            (line["step"], line["load"]) = (json!(step), json!(load.split(' ').next()));
            println!("{line}");
        }
        Ok(())
    }

    fn step(&self, step: &str) -> Result<Value> {
        let stuck = Work::HangAt(|record| record.offset.0 == 100);
        let others = 200_000 - hottest(200_000);
        match step {
            "raw" => self.raw(),
            "runner" | "rest" => self.run("all", 64, Work::Nothing, MILLION),
            "lanes-16" => self.run(step, 16, Work::Delay { max_run: 1 }, 20_000),
            "lanes-64" => self.run(step, 64, Work::Delay { max_run: 1 }, 20_000),
            "runs-64" => self.run(step, 64, Work::Delay { max_run: 100 }, 20_000),
            "stuck" => self.run("all", 64, stuck, 199_999),
            "restarted" => self.run("all", 64, Work::Nothing, 200_000),
            "hot" => self.run("all", 16, Work::HangAt(is_hottest), others),
            "killed" => self.run("all", 64, Work::KillAfter(fastrand::u64(400_000..600_000)), MILLION),
            _ => Err(USAGE.into()),
        }
    }

    /// Reads all records with librdkafka alone.
    fn raw(&self) -> Result<Value> {
        let own = [
            "auto.offset.reset=earliest",
            "enable.auto.commit=false",
            "fetch.queue.backoff.ms=10",
        ];
        let own = own.map(str::to_owned);
        let mut config: ClientConfig = pairs(&own).chain(pairs(self.properties)).collect();
        config
            .set("bootstrap.servers", self.brokers)
            .set("group.id", format!("{}-raw-{}", self.topic, self.round));
        let consumer: BaseConsumer = config.create()?;
        consumer.subscribe(&[self.topic])?;
        let (mut records, mut begun) = (0, Instant::now());
        let reached = until(|| {
            while records < MILLION && consumer.poll(DELAY).transpose()?.is_some() {
                records += 1;
                begun = if records == 1 { Instant::now() } else { begun };
            }
            Ok(records == MILLION)
        })?;
        let per_second = MILLION as f64 / begun.elapsed().as_secs_f64();
        Ok(json!({"reached": reached, "per_second": per_second, "cpu_s": cpu_s()?, "peak_mb": peak_mb()?}))
    }

    /// Runs a runner until `records` records are done or skipped, and also committed if the handler does nothing.
    fn run(&self, group: &str, lanes: usize, work: Work, records: u64) -> Result<Value> {
        let begun = Instant::now();
        let (log, runtime) = (self.log()?, tokio::runtime::Runtime::new()?);
        let subscription = Subscription {
            group: format!("{}-{group}-{}", self.topic, self.round),
            topics: vec![self.topic.to_owned()],
            member: "speed".into(),
            note: String::new(),
            session_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(5),
        };
        let committed = || -> Result<u64> {
            let offsets = log.committed(&subscription.group, self.topic)?;
            Ok(offsets.iter().flatten().map(|offset| offset.0).sum())
        };
        let before = committed()?;
        let probe = Arc::new(Probe {
            work,
            ..Probe::default()
        });
        let options = Options::lanes(lanes).with_log(log.clone());
        let (metrics, handler) = (options.metrics.clone(), Watched(probe.clone()));
        let consumer = log.subscribe(&subscription)?;
        runtime.spawn(keylane::run(consumer, handler, options, CancellationToken::new()));
        let seen = || before + metrics.done.get() + metrics.skipped.get();
        let commits = matches!(probe.work, Work::Nothing);
        let reached = until(|| Ok(seen() >= records && (!commits || committed()? == records)))?;
        let first = *probe.first.get().ok_or("no record came")?;
        let seconds = first.elapsed().as_secs_f64();
        std::thread::sleep(SETTLED);
        let mut line = json!({"reached": reached, "done": metrics.done.get(), "skipped": metrics.skipped.get(),
            "queued": metrics.queued.get(), "commits": metrics.commits.get(), "committed": committed()?, "cpu_s": cpu_s()?, "peak_mb": peak_mb()?,
            "first_s": (first - begun).as_secs_f64(), "seconds": seconds, "per_second": metrics.done.get() as f64 / seconds});
        if let Work::Delay { .. } = probe.work {
            probe.compare(seconds, lanes as f64, &mut line);
        }
        Ok(line)
    }

    fn log(&self) -> Result<Arc<KafkaLog>> {
        // As a static member, the next process takes the place of a killed one at once.
        let properties = pairs(self.properties).chain([("group.instance.id".into(), "static".into())]);
        Ok(Arc::new(KafkaLog::connect(self.brokers, properties.collect())?))
    }
}

fn pairs(properties: &[String]) -> impl Iterator<Item = (String, String)> {
    let pairs = properties.iter().filter_map(|property| property.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// What the handler does with a record.
#[derive(Default)]
enum Work {
    #[default]
    Nothing,
    Delay {
        max_run: usize,
    },
    HangAt(fn(&Record) -> bool),
    KillAfter(u64),
}

/// What the handler does, and what was measured of it.
#[derive(Default)]
struct Probe {
    work: Work,
    /// When the first record came.
    first: OnceLock<Instant>,
    handled: AtomicU64,
    /// Microseconds spent in the handler: with the hottest key, and with all other keys.
    spent: [AtomicU64; 2],
}

struct Watched(Arc<Probe>);

impl Handler for Watched {
    fn max_run(&self) -> usize {
        match self.0.work {
            Work::Delay { max_run } => max_run,
            _ => 1,
        }
    }

    async fn handle(&self, records: &[Record], _: Attempt) -> Outcome {
        let probe = &self.0;
        let begun = *probe.first.get_or_init(Instant::now);
        match probe.work {
            Work::Delay { .. } => probe.sleep(is_hottest(&records[0])).await,
            Work::HangAt(hangs) if hangs(&records[0]) => std::future::pending().await,
            Work::KillAfter(last) if probe.handled.fetch_add(1, Relaxed) == last => {
                let done = probe.handled.load(Relaxed);
                let per_second = done as f64 / begun.elapsed().as_secs_f64();
                println!("{}", json!({"done": done, "per_second": per_second}));
                abort();
            }
            _ => {}
        }
        Outcome::Done
    }
}

impl Probe {
    async fn sleep(&self, hot: bool) {
        let begun = Instant::now();
        tokio::time::sleep(DELAY).await;
        self.spent[usize::from(!hot)].fetch_add(begun.elapsed().as_micros() as u64, Relaxed);
    }

    /// Adds how many times as long as the least possible time it took; first with the delay that was asked for, and
    /// then with the delays that the handlers really had, since timers are late.
    fn compare(&self, seconds: f64, lanes: f64, line: &mut Value) {
        let bound = DELAY.as_secs_f64() * (20_000.0 / lanes).max(hottest(20_000) as f64);
        let [hot, others] = [0, 1].map(|whose| self.spent[whose].load(Relaxed) as f64 / 1e6);
        line["over_bound"] = json!(seconds / bound);
        line["over_bound_as_slept"] = json!(seconds / hot.max((hot + others) / lanes));
    }
}

/// Waits until `reached` says so. Returns `false` if that does not come in time.
fn until(mut reached: impl FnMut() -> Result<bool>) -> Result<bool> {
    let deadline = Instant::now() + STEP_TIMEOUT;
    loop {
        let (reached, over) = (reached()?, Instant::now() > deadline);
        if reached || over {
            return Ok(reached);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The processor time that this process has had so far, in seconds.
fn cpu_s() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().ok_or("no fields")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<std::result::Result<u64, _>>()? as f64 / 100.0)
}

/// The greatest resident memory of this process so far, in MiB.
fn peak_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
    Ok(peak.ok_or("no VmHWM")?.trim().parse::<f64>()? / 1024.0)
}
