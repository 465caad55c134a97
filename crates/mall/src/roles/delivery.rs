//! The delivery service.

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;

/// Runs until `shutdown` is cancelled, then drains.
pub async fn run(_settings: Settings, _shutdown: CancellationToken) -> Result<()> {
    bail!("the delivery service is not part of this build")
}
