//! How often, and with which pauses, an instance tries what does not succeed at once.

use std::time::Duration;

use keylane::Backoff;

use crate::commit::GroupCommit;
use crate::store::StoreError;

/// How often an event that can't be handled is tried, where trying again may help.
pub(super) const TRIES: u32 = 3;
/// The pause between two of these tries.
pub(super) const RETRY: Duration = Duration::from_millis(500);
/// The pauses while the database is away.
const AWAY: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(1),
};

/// Submits a request until the database has done it: one that is away is waited for, without end.
///
/// # Errors
/// Why the database refuses the request, which then is the request's own fault.
pub(super) async fn persistently<Q, A>(commit: &GroupCommit<Q, A>, request: Q) -> Result<A, String>
where
    Q: Clone + Send + Sync + 'static,
    A: Send + 'static,
{
    let (mut attempt, salt) = (1, fastrand::u64(..));
    loop {
        match commit.submit(request.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(StoreError::Rejected(why)) => return Err(why),
            Err(error) => {
                // That the database is away is told once for all of those who wait here, by `Readiness`.
                tracing::debug!("the database takes nothing, which is waited for: {error}");
                tokio::time::sleep(AWAY.after(attempt, salt)).await;
                attempt += 1;
            }
        }
    }
}
