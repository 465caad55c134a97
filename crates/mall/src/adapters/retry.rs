//! Waiting at the start for what is away: a role says at once what is missing, and tries for half a minute. An error that
//! no waiting heals ends it at the first try.

use std::time::Duration;

use anyhow::{Result, anyhow};
use keylane_log::LogError;
use shop::store::StoreError;
use tokio::time::{Instant, sleep};

use crate::data_dir::FolderError;

/// How long a broker, a database or a data folder is waited for.
const TRYING: Duration = Duration::from_secs(30);
/// The pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// An error that may pass by itself, or not.
pub trait Passing: std::fmt::Display {
    /// Whether another try may succeed though nobody has changed anything.
    fn may_pass(&self) -> bool;
}

impl Passing for LogError {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl Passing for StoreError {
    fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Unwritable(_) | Self::Conflict(_) | Self::Unknown(_)
        )
    }
}

impl Passing for FolderError {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Kept(_))
    }
}

/// Tries until the attempt succeeds, for half a minute at most. `what` says in the error's sentence, and in the log, what
/// does not work.
pub async fn until_available<T, E: Passing>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, E>) -> Result<T> {
    let seconds = TRYING.as_secs();
    let deadline = Instant::now() + TRYING;
    let mut told = false;
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) if !error.may_pass() => return Err(anyhow!("{what}: {error}")),
            Err(error) if Instant::now() >= deadline => return Err(anyhow!("{what}: {error} (tried for {seconds} s)")),
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("{what}: {error}; trying for {seconds} s");
                }
                sleep(RETRY_PAUSE).await;
            }
        }
    }
}
