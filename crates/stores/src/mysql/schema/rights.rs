//! Checks what the account may do with the tables, and says what to grant it if that is too little.

use super::super::address::Address;
use super::super::rows::{column, statement};
use super::super::session::Session;
use super::super::sessions::CALL_DEADLINE;
use super::tables;
use shop::domain::Source;
use shop::store::{Result, StoreError};

/// The tables that a service deletes rows from; it deletes from no other.
const EMPTIED: [&str; 2] = ["Order_table", "parked_event"];

/// Fails if the account lacks a right that a running service needs, and names the right. This is found out by statements that
/// touch no row, because a server checks rights before it looks for rows.
pub(super) async fn check(session: &mut Session, address: &Address, source: Source) -> Result<()> {
    let mut lacking = Vec::new();
    for table in tables::of(source) {
        session.allow(CALL_DEADLINE);
        for (right, sql) in statements(table.name, table.columns[0].0) {
            match session.execute_if_allowed(sql).await {
                Ok(true) => {}
                Ok(false) => lacking.push(format!("{right} {}", table.name)),
                Err(error @ StoreError::Unavailable(_)) => return Err(error),
                // Any other error is not about rights, and shows again when the service writes.
                Err(_) => {}
            }
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    Err(StoreError::Broken(format!(
        "the account may not {} in {}; grant select, insert, update, delete on `{}`.* to {}",
        lacking.join(", "),
        address.shown,
        address.database,
        account(session).await?
    )))
}

fn statements(table: &str, column: &str) -> Vec<(&'static str, String)> {
    let mut statements = vec![
        ("select from", format!("select 1 from {table} where 1 = 0")),
        (
            "insert into",
            format!("insert into {table} ({column}) select {column} from {table} where 1 = 0"),
        ),
        ("update", format!("update {table} set {column} = {column} where 1 = 0")),
    ];
    if EMPTIED.contains(&table) {
        statements.push(("delete from", format!("delete from {table} where 1 = 0")));
    }
    statements
}

/// The error for a change of a table that the account may not make.
pub(super) async fn to_change(session: &mut Session, table: &str, step: &str) -> Result<StoreError> {
    let right = match step.split(' ').next() {
        Some("alter") => "ALTER",
        _ if step.starts_with("create table") => "CREATE",
        _ => "INDEX",
    };
    Ok(StoreError::Broken(format!(
        "the table {table} has to be made or changed (or the account may not see it), and the account lacks the right {right} \
         for that; grant select, insert, update, delete, create, alter, index on the database to {}, or start the service once \
         as somebody who has them: afterwards select, insert, update and delete are enough",
        account(session).await?
    )))
}

/// The account in the form that `grant` takes: `'user'@'host'`.
pub(super) async fn account(session: &mut Session) -> Result<String> {
    session.allow(CALL_DEADLINE);
    let rows = session
        .fetch(statement("select cast(current_user() as char(255))".to_owned()))
        .await?;
    let account: String = column(&rows[0], 0)?;
    Ok(match account.rsplit_once('@') {
        Some((user, host)) => format!("'{user}'@'{host}'"),
        None => account,
    })
}
