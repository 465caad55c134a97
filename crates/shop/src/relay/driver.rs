//! Drives a relay: runs its steps, waits until there may be more to do, and notes what the steps show about log and database.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Progress, Relay, RelayError};
use crate::health::{Call, Fact, Readiness};

/// The pause after a step that failed, or that found another relay with the lease.
const RETRY: Duration = Duration::from_millis(500);

/// Runs steps of a relay until `shutdown` is cancelled, then publishes what is left, for `drain` at most, and gives the
/// lease back. `wake` is notified when this process has written into the journal.
pub async fn run(
    mut relay: Relay,
    wake: Arc<Notify>,
    readiness: Arc<Readiness>,
    shutdown: CancellationToken,
    drain: Duration,
) {
    while !shutdown.is_cancelled() {
        match observe(&mut relay, &readiness).await {
            Pause::None => {}
            Pause::Until(time) => pause(time, None, &shutdown).await,
            Pause::Woken(time) => pause(time, Some(&wake), &shutdown).await,
        }
    }
    let emptied = async { while let Ok(Progress::Published(_)) = relay.step().await {} };
    let _ = tokio::time::timeout(drain, emptied).await;
    if let Err(error) = relay.release().await {
        tracing::warn!("the relay's lease was not given back and ends by itself: {error}");
    }
}

/// How to wait between two steps.
enum Pause {
    /// Don't wait: there is more to publish.
    None,
    /// Wait for this time.
    Until(Duration),
    /// Wait for this time, or until something is written into the journal.
    Woken(Duration),
}

async fn pause(time: Duration, wake: Option<&Notify>, shutdown: &CancellationToken) {
    let woken = async {
        match wake {
            Some(wake) => wake.notified().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = shutdown.cancelled() => {}
        () = woken => {}
        () = tokio::time::sleep(time) => {}
    }
}

/// Runs a step and notes what it has shown about log and database. Returns how to wait for the next step.
async fn observe(relay: &mut Relay, readiness: &Readiness) -> Pause {
    let call = readiness.begin();
    let step = relay.step().await;
    note(&step, relay.found, &call);
    if step.is_ok() {
        let blocked = relay.blocked_orders();
        call.count(Fact::Blocked, blocked, || {
            format!("the log refuses events of {blocked} orders")
        });
    }
    match step {
        Ok(Progress::Published(count)) if relay.has_more_behind(count) => Pause::None,
        Ok(Progress::Published(_)) => Pause::Until(relay.options.gather),
        Ok(Progress::Idle) => Pause::Woken(relay.options.idle_poll),
        Ok(Progress::Standby) | Err(_) => Pause::Until(RETRY),
    }
}

/// Notes what a step has shown. A step that had nothing to publish shows that the log is there only if it has looked for it
/// and `found` it.
fn note(step: &Result<Progress, RelayError>, found: bool, call: &Call<'_>) {
    match step {
        Ok(Progress::Published(_)) => {
            call.good(Fact::Log);
            call.database(false, &Ok(()));
        }
        Ok(Progress::Idle) if found => {
            call.good(Fact::Log);
            call.database(false, &Ok(()));
        }
        Ok(Progress::Idle | Progress::Standby) => call.database(false, &Ok(())),
        Err(RelayError::Log(error)) => call.bad(Fact::Log, error.to_string()),
        Err(RelayError::Store(error)) => call.database(false, &Err::<(), _>(error.clone())),
    }
}
