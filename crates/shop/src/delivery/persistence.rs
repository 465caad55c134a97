//! How often, and with which pauses, an instance tries again what did not succeed at once.

use std::time::Duration;

use keylane::Backoff;

use crate::commit::GroupCommit;
use crate::store::StoreError;

/// How often an event that can't be handled is tried in all, where another attempt may help.
pub(super) const TRIES: u32 = 3;
/// The pause between two of these attempts.
pub(super) const RETRY: Duration = Duration::from_millis(500);
/// The pauses between attempts while the database is away.
const AWAY: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(1),
};

/// Submits a request, again and again while the database is away, until it has been carried out.
///
/// # Errors
/// The database's reason for rejecting the request, which is then the request's own fault.
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
                // `Readiness` logs the outage once for all tasks that wait here.
                tracing::debug!("the database takes nothing, which is waited for: {error}");
                tokio::time::sleep(AWAY.after(attempt, salt)).await;
                attempt += 1;
            }
        }
    }
}
