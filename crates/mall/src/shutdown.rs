//! When a role is to stop: on SIGTERM, Ctrl-C or a closed terminal, and when its supervisor has disappeared.
//!
//! The first of them cancels a token, upon which the role drains. A second signal ends the process at once.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

/// Set for children of `mall up`: their stdin is a socket whose other end the supervisor holds open for as long as it lives.
pub const SUPERVISED: &str = "MALL_SUPERVISED";

/// The signals that ask a process to stop.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes these signals over from now on; must be called within a runtime.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one; answers with the exit code a shell gives for it.
    pub async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => 143,
            _ = self.interrupt.recv() => 130,
            _ = self.hang_up.recv() => 129,
        }
    }
}

/// A token that is cancelled when this process is to drain and stop. Call it once, within a runtime.
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
    if std::env::var_os(SUPERVISED).is_some() {
        watch_supervisor(token.clone())?;
    }
    Ok(token)
}

/// A thread, because reading stdin blocks and can't be cancelled.
fn watch_supervisor(cancel: CancellationToken) -> std::io::Result<()> {
    let watch = move || {
        let mut stdin = std::io::stdin().lock();
        let mut byte = [0];
        while matches!(stdin.read(&mut byte), Ok(1)) {}
        cancel.cancel();
    };
    std::thread::Builder::new()
        .name("supervisor-watch".into())
        .spawn(watch)?;
    Ok(())
}

/// For tools that work without a runtime: the exit code to end with once a signal has come (130 after Ctrl-C), 0 before.
/// The second signal ends the process at once.
pub fn exit_code_asked() -> std::io::Result<Arc<AtomicU8>> {
    let asked = Arc::new(AtomicU8::new(0));
    let told = Arc::clone(&asked);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _entered = runtime.enter();
        Signals::listen()?
    };
    let listen = move || {
        runtime.block_on(async {
            let code = signals.next().await;
            told.store(code, Ordering::SeqCst);
            let code = signals.next().await;
            std::process::exit(code.into());
        })
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen)?;
    Ok(asked)
}
