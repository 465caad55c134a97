//! Drives a relay: steps it, waits until there may be more to do, and tells what its steps have shown of log and database.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Relay, RelayError, Step};
use crate::health::{Call, Fact, Readiness};

/// How long a relay waits that does not hold the lease, or whose step has failed.
const AGAIN: Duration = Duration::from_millis(500);

/// Steps a relay until `shutdown`, then publishes what is left, for `drain` at most, and gives the lease back.
///
/// `wake` is rung by whoever has written into the journal from within this process.
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
    let emptied = async { while let Ok(Step::Published(_)) = relay.step().await {} };
    let _ = tokio::time::timeout(drain, emptied).await;
    if let Err(error) = relay.release().await {
        tracing::warn!("the relay's lease was not given back and ends by itself: {error}");
    }
}

/// What to do between two steps.
enum Pause {
    /// There is more to publish.
    None,
    /// Nothing before this time has passed.
    Until(Duration),
    /// Nothing before something is written or this time has passed.
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
        () = shutdown.cancelled() => {}
        () = woken => {}
        () = tokio::time::sleep(time) => {}
    }
}

/// Takes a step, tells what it has shown of log and database, and what to do until the next one.
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
        Ok(Step::Published(count)) if relay.has_more_behind(count) => Pause::None,
        Ok(Step::Published(_)) => Pause::Until(relay.options.gather),
        Ok(Step::Idle) => Pause::Woken(relay.options.idle_poll),
        Ok(Step::Standby) | Err(_) => Pause::Until(AGAIN),
    }
}

/// What a step has shown; one that had nothing to publish has shown nothing of the log, unless it has `found` it.
fn note(step: &Result<Step, RelayError>, found: bool, call: &Call<'_>) {
    match step {
        Ok(Step::Published(_)) => {
            call.good(Fact::Log);
            call.database(false, &Ok(()));
        }
        Ok(Step::Idle) if found => {
            call.good(Fact::Log);
            call.database(false, &Ok(()));
        }
        Ok(Step::Idle | Step::Standby) => call.database(false, &Ok(())),
        Err(RelayError::Log(error)) => call.bad(Fact::Log, error.to_string()),
        Err(RelayError::Store(error)) => call.database(false, &Err::<(), _>(error.clone())),
    }
}
