//! Removes a database that was made for a while, such as that of a scenario.

use tokio::time::Instant;

use super::address::Address;
use super::session::{Ending, Session};
use super::sessions::CALL_DEADLINE;
use shop::store::Result;

/// Drops the database that `url` names, with everything in it.
///
/// # Errors
/// `Unavailable` if the server can't be reached; otherwise why it does not do that.
pub async fn drop_database(url: &str) -> Result<()> {
    let address = Address::parse(url)?;
    let mut session = Session::open(&address, false, Ending::Auto, Instant::now() + CALL_DEADLINE).await?;
    let name = address.database.replace('`', "``");
    session
        .execute_raw(format!("drop database if exists `{name}`"))
        .await
        .map(drop)
}
