//! When a process is to stop: on SIGTERM, on Ctrl-C, when its terminal is closed, and when its supervisor is gone.
//!
//! The first of these cancels a token, and the role finishes its work. A second signal ends the process at once.

use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::{runtime, supervised};

/// The signals that ask a process to stop.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Receives these signals from now on. Must be called within a runtime.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal, and answers with the exit code that a shell gives to a process which it ended.
    pub async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => 143,
            _ = self.interrupt.recv() => 130,
            _ = self.hang_up.recv() => 129,
        }
    }
}

/// A token that is cancelled when this process is to stop. Called once, within a runtime.
pub fn token() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut signals = Signals::listen()?;
    let cancel = token.clone();
    tokio::spawn(async move {
        signals.next().await;
        cancel.cancel();
        signals.next().await;
        std::process::exit(Exit::COULD_NOT.0.into());
    });
    if supervised::is_supervised() {
        supervised::watch(token.clone())?;
    }
    Ok(token)
}

/// Whether a signal has come, for tools that work without a runtime.
#[derive(Debug, Clone)]
pub struct StopSignal(Arc<OnceLock<Exit>>);

impl StopSignal {
    /// Receives the signals from now on. The first is noted, and the second ends the process at once.
    pub fn listen() -> Result<Self> {
        let noted = Arc::new(OnceLock::new());
        let note = noted.clone();
        let runtime = runtime::on_this_thread()?;
        let mut signals = {
            let _entered = runtime.enter();
            Signals::listen().context("can't listen for signals")?
        };
        let listen = move || {
            runtime.block_on(async {
                let _ = note.set(Exit(signals.next().await));
                std::process::exit(signals.next().await.into());
            })
        };
        let thread = std::thread::Builder::new().name("signals".into()).spawn(listen);
        thread.context("can't listen for signals")?;
        Ok(Self(noted))
    }

    /// The exit code to end with, once a signal has come (130 after Ctrl-C).
    pub fn exit(&self) -> Option<Exit> {
        self.0.get().copied()
    }
}
