//! The runner against a scripted consumer.

mod gated;
mod scripted;

use std::sync::Arc;
use std::time::Duration;

use eventlog::{LogError, Offset};
use gated::Gated;
use lanes::{Metrics, Options, Outcome, Summary};
use scripted::{PATIENCE, Script, partition, record, script};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A runner, its script and its handler.
struct Bench {
    script: Script,
    handler: Gated,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    running: JoinHandle<Result<Summary, LogError>>,
    runtime: Runtime,
}

fn bench(options: Options) -> Bench {
    bench_with(options, Gated::default())
}

fn bench_with(options: Options, handler: Gated) -> Bench {
    let runtime = Runtime::new().unwrap();
    let (script, consumer) = script();
    let metrics = options.metrics.clone();
    let shutdown = CancellationToken::new();
    let running = runtime.spawn(lanes::run(consumer, handler.clone(), options, shutdown.clone()));
    Bench {
        script,
        handler,
        metrics,
        shutdown,
        running,
        runtime,
    }
}

impl Bench {
    fn stop(self) -> Result<Summary, LogError> {
        self.shutdown.cancel();
        self.end()
    }

    fn end(self) -> Result<Summary, LogError> {
        let ended = async { tokio::time::timeout(PATIENCE, self.running).await };
        self.runtime.block_on(ended).expect("the runner didn't end").unwrap()
    }
}

#[test]
fn one_lane_takes_one_record_at_a_time_in_poll_order() {
    let bench = bench(Options::lanes(1));
    bench.script.assign(0, 10);
    bench.script.assign(1, 0);
    bench.handler.hold("0@10");
    bench.script.records(vec![record(0, 10, "a"), record(1, 0, "b")]);
    bench.script.records(vec![record(0, 11, "c"), record(1, 1, "a")]);
    bench.handler.until_started("0@10");
    let polls = bench.script.seen().polls;
    bench.script.until("it has polled on", |seen| seen.polls > polls + 3);
    assert_eq!(
        bench.handler.look(|journal| journal.started.len()),
        1,
        "others started beside a held one"
    );
    bench.handler.release("0@10");
    bench.script.until_committed(0, 12);
    bench.script.until_committed(1, 2);
    let expected = ["0@10", "1@0", "0@11", "1@1"];
    bench.handler.look(|journal| assert_eq!(journal.started, expected));
    let summary = bench.stop().unwrap();
    assert_eq!((summary.done, summary.unfinished), (4, 0));
}

#[test]
fn a_shutdown_waits_for_what_is_in_flight_and_gives_its_position_back() {
    let bench = bench(Options::lanes(1));
    bench.script.assign(0, 0);
    bench.handler.hold("0@0");
    bench.script.records(vec![record(0, 0, "a"), record(0, 1, "a")]);
    bench.handler.until_started("0@0");
    bench.shutdown.cancel();
    bench
        .script
        .until("everything was paused", |seen| seen.pauses.contains(&partition(0)));
    bench.handler.release("0@0");
    let seen = bench.script.until("it left", |seen| seen.left);
    assert_eq!(seen.released.last().map(|position| position.offset), Some(Offset(1)));
    assert_eq!(
        bench.handler.look(|journal| journal.started.len()),
        1,
        "what was queued must not start any more"
    );
    assert_eq!(bench.end().unwrap().unfinished, 0);
}

#[test]
fn a_retry_comes_again_in_place_and_a_park_counts_as_done() {
    let bench = bench(Options::lanes(1));
    let again = Outcome::Retry(Duration::from_millis(1));
    bench.handler.answer(
        "0@0",
        vec![again.clone(), again, Outcome::Park("no such order".to_owned())],
    );
    bench.script.assign(0, 0);
    bench.script.records(vec![record(0, 0, "a"), record(0, 1, "b")]);
    bench.script.until_committed(0, 2);
    let expected = ["0@0", "0@0#2", "0@0#3", "0@1"];
    bench.handler.look(|journal| assert_eq!(journal.started, expected));
    assert_eq!(
        (
            bench.metrics.done.get(),
            bench.metrics.retried.get(),
            bench.metrics.parked.get()
        ),
        (1, 2, 1)
    );
    bench.stop().unwrap();
}
