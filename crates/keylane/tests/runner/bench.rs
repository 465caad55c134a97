//! The fixture of these tests: a runner on a Tokio runtime of its own, and the script of the consumer that it reads.

use std::sync::Arc;

use keylane::{Handler, Metrics, Options, Summary};
use keylane_log::{Consumer, LogError};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::gated::Gated;
use crate::scripted::{Script, TIMEOUT, script};

/// A runner that was started, on any consumer.
pub struct Running {
    shutdown: CancellationToken,
    running: JoinHandle<Result<Summary, LogError>>,
    runtime: Runtime,
}

/// A runner on a scripted consumer.
pub struct Bench<H = Gated> {
    pub script: Script,
    pub handler: H,
    pub metrics: Arc<Metrics>,
    running: Running,
}

pub fn bench(options: Options) -> Bench {
    bench_with(options, Gated::default())
}

pub fn bench_with<H: Handler + Clone>(options: Options, handler: H) -> Bench<H> {
    let (script, consumer) = script();
    Bench {
        script,
        handler: handler.clone(),
        metrics: options.metrics.clone(),
        running: Running::start(consumer, handler, options),
    }
}

impl<H> Bench<H> {
    /// Starts the shutdown without waiting for it.
    pub fn shut_down(&self) {
        self.running.shutdown.cancel();
    }

    /// Shuts the runner down and waits for its end.
    pub fn stop(self) -> Result<Summary, LogError> {
        self.running.stop()
    }

    /// Waits until the runner ends by itself.
    pub fn end(self) -> Result<Summary, LogError> {
        self.running.end()
    }
}

impl Running {
    pub fn start(consumer: Box<dyn Consumer>, handler: impl Handler, options: Options) -> Self {
        let runtime = Runtime::new().unwrap();
        let shutdown = CancellationToken::new();
        let running = runtime.spawn(keylane::run(consumer, handler, options, shutdown.clone()));
        Self {
            shutdown,
            running,
            runtime,
        }
    }

    pub fn stop(self) -> Result<Summary, LogError> {
        self.shutdown.cancel();
        self.end()
    }

    pub fn end(self) -> Result<Summary, LogError> {
        let ended = async { tokio::time::timeout(TIMEOUT, self.running).await };
        self.runtime
            .block_on(ended)
            .expect("the runner did not end in time")
            .unwrap()
    }
}
