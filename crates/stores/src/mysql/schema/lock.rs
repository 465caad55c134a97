//! The lock on the server with which one process at a time prepares a database.

use std::time::Duration;

use shop::store::{Result, StoreError};
use tokio::time::Instant;

use super::super::rows::{column, statement};
use super::super::session::Session;
use super::super::sessions::CALL_DEADLINE;

/// How long to wait for another process that prepares the same database.
const LOCK_DEADLINE: Duration = Duration::from_secs(60);

/// Takes the lock, which the server releases when the session ends.
pub(super) async fn lock(session: &mut Session) -> Result<()> {
    let give_up = Instant::now() + LOCK_DEADLINE;
    while Instant::now() < give_up {
        session.allow(CALL_DEADLINE);
        if try_lock(session).await? {
            return Ok(());
        }
    }
    Err(StoreError::Unavailable(
        "another process has been preparing this database for a minute".to_owned(),
    ))
}

/// Waits for the lock for a second. Returns whether the session holds it now. The lock's name holds a hash of the database's
/// name, because both may have 64 characters.
pub(super) async fn try_lock(session: &mut Session) -> Result<bool> {
    let sql = "select cast(get_lock(concat('mall schema ', left(sha2(database(), 256), 40)), 1) as signed)";
    let rows = session.fetch(statement(sql.to_owned())).await?;
    Ok(column::<Option<i64>>(&rows[0], 0)? == Some(1))
}
