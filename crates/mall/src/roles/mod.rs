//! The services, wired: the only place that names adapters.
//!
//! ```text
//!  order:     HTTP ─▶ group commit ─▶ store      relay: store ─▶ log
//!  delivery:  log ─▶ lanes ─▶ handler ─▶ group commit ─▶ store      relay: store ─▶ log
//! ```
//! To stop, a role first stops its intake (HTTP, records), then answers what it has accepted, then publishes what its
//! journal still holds.

pub mod delivery;
pub mod gateway;
pub mod order;

mod adapters;
mod ahead;
mod consuming;
mod patience;
mod relaying;

pub use adapters::{open_store, open_store_to_read};

use std::sync::Arc;
use std::time::SystemTime;

use keylane_log::Timestamp;
use shop::health::Readiness;
use tokio_util::sync::CancellationToken;
use web::Front;

use crate::config::RoleOptions;
use crate::metrics::Page;

/// The wall clock, read here and nowhere below.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}

/// What stands before the routes of a role.
fn front(page: &Page, options: &RoleOptions) -> Front {
    Front {
        traffic: page.traffic.clone(),
        origins: options.cors_origin.iter().cloned().collect(),
    }
}

/// `/readyz` says no from the moment on at which a role is to stop.
fn say_when_stopping(shutdown: &CancellationToken, readiness: Arc<Readiness>) {
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        shutdown.cancelled().await;
        readiness.stop();
        tracing::info!("stopping: finishing what has been begun");
    });
}
