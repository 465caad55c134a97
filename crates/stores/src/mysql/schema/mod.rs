//! The tables of a service: made when missing, brought up to date when another system made them.
//!
//! ```text
//!  look (information_schema) ─▶ plan: pure, the statements that are missing ─▶ run them ─▶ look again …
//!  no more statements ─▶ backfill the journal, page by page ─▶ note the schema's version
//! ```
//!
//! # Invariants
//! * What is to be done follows from what the database holds, never from what was done before: killed anywhere, the next
//!   start goes on.
//! * One process at a time: the others wait for a lock of the server's, and then find nothing left to do.
//! * A schema newer than this program is left alone.
//! * Looking takes no more than `select`, and what is there and up to date is not made: an account that may only select,
//!   insert, update and delete runs a service whose tables somebody else has made.

mod backfill;
mod look;
mod plan;
mod rights;
mod state;
mod tables;
mod trial;
mod turn;

pub(super) use state::is_ready;
pub use trial::Trial;

use look::REBUILD;
use state::{missing, name, newest, next_steps, version};
use turn::wait_for_turn;

use tokio::time::Instant;

use self::tables::Table;
use super::address::Address;
use super::rows::statement;
use super::session::{Ending, Session};
use super::sessions::PATIENCE;
use shop::domain::Source;
use shop::store::{Result, StoreError};

/// More rounds of looking and changing than any table takes: a column's text passes through bytes, then the table is
/// converted.
const ROUNDS: usize = 8;

/// Makes the database ready for a service.
pub(super) async fn prepare(address: &Address, source: Source) -> Result<()> {
    let mut session = open(address).await?;
    if !is_ready(&mut session, source).await? {
        wait_for_turn(&mut session).await?;
        let made = make_ready(&mut session, source).await;
        made.map_err(|error| for_a_person(error, address))?;
    }
    rights::check(&mut session, address, source).await
}

/// Looks whether the database is ready for a service, and changes nothing.
pub(super) async fn must_be_ready(address: &Address, source: Source) -> Result<()> {
    let mut session = Session::open(address, true, Ending::Auto, Instant::now() + PATIENCE).await?;
    match missing(&mut session, source).await?.first() {
        None => Ok(()),
        Some(table) => Err(StoreError::Broken(format!(
            "the table {table} is not in {}, or not up to date, or the account may not see it; the {} service makes it when it starts",
            address.shown,
            match source {
                Source::Orders => "order",
                Source::Deliveries => "delivery",
            }
        ))),
    }
}

/// Tries out on the server what a service does there, without leaving anything behind.
pub(super) async fn try_out(address: &Address, source: Source) -> Result<Trial> {
    trial::run(address, source).await
}

/// A conflict is somebody who reads or writes these tables all the time, such as an older system that still runs; and what
/// is rejected here is no value but a change of a table.
fn for_a_person(error: StoreError, address: &Address) -> StoreError {
    let shown = &address.shown;
    match error {
        StoreError::Conflict(why) => StoreError::Unavailable(format!(
            "the tables of {shown} can't be changed while somebody uses them: {why}"
        )),
        StoreError::Rejected(why) => {
            StoreError::Broken(format!("the tables of {shown} can't be brought up to date: {why}"))
        }
        error => error,
    }
}

/// Logs in; a database that can't be used is made if it is missing. (Only then: who may use a database may not always
/// make one.)
async fn open(address: &Address) -> Result<Session> {
    let deadline = Instant::now() + PATIENCE;
    match Session::open(address, true, Ending::Auto, deadline).await {
        Err(StoreError::Broken(_)) => {}
        opened => return opened,
    }
    let mut session = Session::open(address, false, Ending::Auto, deadline).await?;
    if !session.execute_if_allowed(address.create_database()).await? {
        return Err(StoreError::Broken(format!(
            "the database of {} is not there, or the account has no right in it, and it may not make one; as somebody who \
             may: create database `{1}`, then grant select, insert, update, delete, create, alter, index on `{1}`.* to {2}",
            address.shown,
            address.database,
            rights::account(&mut session).await?
        )));
    }
    Session::open(address, true, Ending::Auto, deadline).await
}

async fn make_ready(session: &mut Session, source: Source) -> Result<()> {
    for table in tables::of(source) {
        bring_up_to_date(session, table).await?;
    }
    if source == Source::Orders && version(session, source).await?.is_none() {
        backfill::run(session).await?;
    }
    if source == Source::Deliveries {
        name_origins(session).await?;
    }
    let note =
        "insert into mall_schema (name, version) values (?, ?) on duplicate key update version = values(version)";
    session.allow(PATIENCE);
    session
        .execute(statement(note.to_owned()).bind(name(source)).bind(newest(source)))
        .await?;
    Ok(())
}

/// An empty topic was the sign that a parked record came from no log: a row without a value is a person's mark, any other
/// was told by the order service.
async fn name_origins(session: &mut Session) -> Result<()> {
    let sql = "update parked_event set origin = case when record_value is null then 'nowhere' else 'journal' end \
               where topic = '' and origin = 'log'";
    session.allow(REBUILD);
    session.execute(statement(sql.to_owned())).await.map(drop)
}

async fn bring_up_to_date(session: &mut Session, table: &Table) -> Result<()> {
    for _ in 0..ROUNDS {
        let steps = next_steps(session, table).await?;
        if steps.is_empty() {
            return Ok(());
        }
        for step in steps {
            tracing::debug!(sql = step, "a change of the schema");
            tracing::info!("bringing the table {} up to date", table.name);
            session.allow(REBUILD);
            if !session.execute_if_allowed(&*step).await? {
                return Err(rights::to_change(session, table.name, &step).await?);
            }
        }
    }
    Err(StoreError::Broken(format!(
        "the table {} can't be brought into the shape that is needed: its definition doesn't take the changes",
        table.name
    )))
}
