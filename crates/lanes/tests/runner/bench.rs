//! A runner with its script and its handler.

use std::sync::Arc;

use eventlog::LogError;
use lanes::{Handler, Metrics, Options, Summary};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::gated::Gated;
use crate::scripted::{PATIENCE, Script, script};

pub struct Bench<H = Gated> {
    pub script: Script,
    pub handler: H,
    pub metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    running: JoinHandle<Result<Summary, LogError>>,
    runtime: Runtime,
}

pub fn bench(options: Options) -> Bench {
    bench_with(options, Gated::default())
}

pub fn bench_with<H: Handler + Clone>(options: Options, handler: H) -> Bench<H> {
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

impl<H> Bench<H> {
    pub fn shut_down(&self) {
        self.shutdown.cancel();
    }

    pub fn stop(self) -> Result<Summary, LogError> {
        self.shut_down();
        self.end()
    }

    pub fn end(self) -> Result<Summary, LogError> {
        let ended = async { tokio::time::timeout(PATIENCE, self.running).await };
        self.runtime.block_on(ended).expect("the runner didn't end").unwrap()
    }
}
