//! The fixture of tests that take each step of a runner by themselves, on one thread and in a time of their own.

use std::sync::Arc;
use std::time::Duration;

use keylane::{LogError, Metrics, Options, Runner, Summary};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::gated::Gated;
use crate::scripted::{Script, script};

pub const MS: Duration = Duration::from_millis(1);

/// A runner on a scripted consumer. Nothing happens in it, and no time passes, but when a method is called.
pub struct Stepped {
    pub script: Script,
    pub handler: Gated,
    pub metrics: Arc<Metrics>,
    runner: Runner<Gated>,
    runtime: Runtime,
}

pub fn stepped(options: Options) -> Stepped {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (script, consumer) = script();
    let (handler, metrics) = (Gated::default(), options.metrics.clone());
    let now = runtime.block_on(async { Instant::now() });
    let runner = Runner::new(consumer, handler.clone(), options, runtime.handle().clone(), now);
    Stepped {
        script,
        handler,
        metrics,
        runner,
        runtime,
    }
}

impl Stepped {
    /// One step of the runner alone.
    pub fn step(&mut self) -> Result<Duration, LogError> {
        let runner = &mut self.runner;
        self.runtime
            .block_on(async { runner.step(Instant::now(), Duration::ZERO) })
    }

    /// One step of the runner, and everything that its workers can do then without waiting.
    pub fn step_and_work(&mut self) {
        self.step().unwrap();
        self.work();
    }

    /// Everything that the workers can do without waiting.
    pub fn work(&self) {
        self.runtime.block_on(async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Lets time pass, in which the workers go on and the runner does not.
    pub fn pass(&self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
        self.work();
    }

    pub fn begin_close(&mut self) {
        let runner = &mut self.runner;
        self.runtime.block_on(async { runner.begin_close(Instant::now()) });
    }

    pub fn close_step(&mut self) -> Option<Summary> {
        let runner = &mut self.runner;
        self.runtime
            .block_on(async { runner.close_step(Instant::now(), Duration::ZERO) })
    }

    pub fn started(&self) -> Vec<String> {
        self.handler.look(|journal| journal.started.clone())
    }
}
