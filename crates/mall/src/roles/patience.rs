//! What is away at the start is said at once and tried for half a minute; what is wrong is not tried twice.

use std::time::Duration;

use anyhow::{Result, anyhow};
use keylane_log::LogError;
use shop::store::StoreError;
use tokio::time::{Instant, sleep};

use crate::data_dir;

/// How long a role that starts waits for a broker or a database.
const START: Duration = Duration::from_secs(30);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether trying again may help.
pub trait Trouble: std::fmt::Display {
    /// It may pass by itself.
    fn may_pass(&self) -> bool;
}

impl Trouble for LogError {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl Trouble for StoreError {
    fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Unwritable(_) | Self::Conflict(_) | Self::Unknown(_)
        )
    }
}

impl Trouble for data_dir::Trouble {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Kept(_))
    }
}

/// Tries until it works, for [`START`] at most.
pub async fn patiently<T, E: Trouble>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, E>) -> Result<T> {
    let deadline = Instant::now() + START;
    let mut said = false;
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) if !error.may_pass() => return Err(anyhow!("{what}: {error}")),
            Err(error) if Instant::now() >= deadline => {
                return Err(anyhow!("{what}: {error} (tried for {} s)", START.as_secs()));
            }
            Err(error) => {
                if !said {
                    tracing::warn!("{what}: {error}; trying for {} s", START.as_secs());
                }
                said = true;
                sleep(PAUSE).await;
            }
        }
    }
}
