//! Leases: each is held by one process at a time, until it expires. Beside them stands when a service was last started.

use std::time::Duration;

use keylane_log::Timestamp;

use super::rows::{column, statement};
use super::session::Session;
use shop::domain::Source;
use shop::store::{Result, StoreError, start_note};

/// How far the clocks of two processes may be apart, in milliseconds. A lease that ends later than that allows was taken by a
/// wrong clock.
const SKEW: i64 = 5_000;

/// Takes or renews a lease. Each of the two statements is atomic, so of several processes that try, one gets it.
pub(super) async fn take(
    session: &mut Session,
    name: &str,
    holder: &str,
    ttl: Duration,
    now: Timestamp,
) -> Result<bool> {
    let expires = now.0.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
    // A lease that ends later than ours would, clock differences allowed for, was taken by a wrong clock. It may be taken
    // over, or it would keep all processes waiting.
    let renew = "update relay_lease set holder = ?, expires = ? \
                 where name = ? and (holder = ? or expires <= ? or expires > ?)";
    let renew = statement(renew.to_owned())
        .bind(holder)
        .bind(expires)
        .bind(name)
        .bind(holder)
        .bind(now.0)
        .bind(expires.saturating_add(SKEW));
    if session.execute(renew).await?.rows_affected() > 0 {
        return Ok(true);
    }
    let first = statement("insert into relay_lease (name, holder, expires) values (?, ?, ?)".to_owned());
    match session.execute(first.bind(name).bind(holder).bind(expires)).await {
        Ok(_) => Ok(true),
        // The row exists already, so another process holds the lease.
        Err(StoreError::Rejected(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Who holds a lease at `now`; none if it is free.
pub(super) async fn holder(session: &mut Session, name: &str, now: Timestamp) -> Result<Option<String>> {
    let sql = "select holder from relay_lease where name = ? and expires > ?";
    let rows = session.fetch(statement(sql.to_owned()).bind(name).bind(now.0)).await?;
    rows.first().map(|row| column(row, 0)).transpose()
}

/// Notes that the service was started now.
pub(super) async fn note_start(session: &mut Session, source: Source, now: Timestamp) -> Result<()> {
    let sql = "insert into relay_lease (name, holder, expires) values (?, '', ?) \
               on duplicate key update expires = values(expires)";
    let note = statement(sql.to_owned()).bind(start_note(source)).bind(now.0);
    session.execute(note).await.map(drop)
}

/// When the service was last started; none if that was never noted.
pub(super) async fn last_start(session: &mut Session, source: Source) -> Result<Option<Timestamp>> {
    let query = statement("select expires from relay_lease where name = ?".to_owned()).bind(start_note(source));
    let rows = session.fetch(query).await?;
    rows.first().map(|row| column(row, 0).map(Timestamp)).transpose()
}
