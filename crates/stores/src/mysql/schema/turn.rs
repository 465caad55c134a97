//! One process at a time prepares a database: the others wait for a lock of the server's.

use std::time::Duration;

use shop::store::{Result, StoreError};
use tokio::time::Instant;

use super::super::rows::{column, statement};
use super::super::session::Session;
use super::super::sessions::PATIENCE;

/// How long to wait for another process that prepares the same database.
const TURN: Duration = Duration::from_secs(60);

/// Takes the lock, which goes when the session ends.
pub(super) async fn wait_for_turn(session: &mut Session) -> Result<()> {
    let give_up = Instant::now() + TURN;
    while Instant::now() < give_up {
        session.allow(PATIENCE);
        if has_turn(session).await? {
            return Ok(());
        }
    }
    Err(StoreError::Unavailable(
        "another process has been preparing this database for a minute".to_owned(),
    ))
}

/// Asks for the lock for a second. A lock's name may have 64 characters, as many as the database's own.
pub(super) async fn has_turn(session: &mut Session) -> Result<bool> {
    let sql = "select cast(get_lock(concat('mall schema ', left(sha2(database(), 256), 40)), 1) as signed)";
    let rows = session.fetch(statement(sql.to_owned())).await?;
    Ok(column::<Option<i64>>(&rows[0], 0)? == Some(1))
}
