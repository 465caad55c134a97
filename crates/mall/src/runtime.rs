//! The asynchronous runtime of a command that has little to wait for.

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

/// A runtime that works on the calling thread alone.
pub fn on_this_thread() -> Result<Runtime> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.context("can't start the asynchronous runtime")
}
