//! Prepares the tables of a service: creates those that are missing, and brings those of an older system up to date.
//!
//! ```text
//!  look (information_schema) ─▶ plan: pure, the statements that are missing ─▶ run them ─▶ look again …
//!  no more statements ─▶ backfill the journal, page by page ─▶ note the schema's version
//! ```
//!
//! # Invariants
//! * What is to be done follows from what the database holds, never from what was done before: if the process is killed at
//!   any point, the next start goes on from there.
//! * One process prepares a database at a time: the others wait for a lock on the server, and then find nothing left to do.
//! * A schema newer than this program is left alone.
//! * Looking needs the right to select only, and nothing is changed that is up to date, so an account that may only select,
//!   insert, update and delete can run a service whose tables exist.

mod backfill;
mod lock;
mod look;
mod plan;
mod rights;
mod state;
mod tables;
mod trial;

pub(super) use state::is_ready;
pub use trial::Trial;

use lock::lock;
use look::REBUILD;
use state::{missing, name, newest, next_steps, version};

use tokio::time::Instant;

use self::tables::Table;
use super::address::Address;
use super::rows::statement;
use super::session::{Ending, Session};
use super::sessions::CALL_DEADLINE;
use shop::domain::Source;
use shop::store::{Result, StoreError};

/// The most rounds of looking and changing for one table: more than any needs. The longest way turns a column's text into
/// bytes, these into text again, and then converts the table.
const ROUNDS: usize = 8;

/// Prepares the database for a service, and checks the account's rights.
pub(super) async fn prepare(address: &Address, source: Source) -> Result<()> {
    let mut session = open(address).await?;
    if !is_ready(&mut session, source).await? {
        lock(&mut session).await?;
        let made = make_ready(&mut session, source).await;
        made.map_err(|error| for_a_person(error, address))?;
    }
    rights::check(&mut session, address, source).await
}

/// Fails unless the database is ready for a service; changes nothing.
pub(super) async fn must_be_ready(address: &Address, source: Source) -> Result<()> {
    let mut session = Session::open(address, true, Ending::Auto, Instant::now() + CALL_DEADLINE).await?;
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

/// Runs a service's statements on temporary tables of the server.
pub(super) async fn try_out(address: &Address, source: Source) -> Result<Trial> {
    trial::run(address, source).await
}

/// Says in a sentence for a person why the tables can't be prepared. A conflict here means that another system, such as an
/// older one that still runs, keeps using the tables; a rejection is about a change of a table and not about a value.
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

/// Logs in to the database. Only if that fails, it is created if it is missing: an account that may use a database may have
/// no right to create one.
async fn open(address: &Address) -> Result<Session> {
    let deadline = Instant::now() + CALL_DEADLINE;
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
    session.allow(CALL_DEADLINE);
    session
        .execute(statement(note.to_owned()).bind(name(source)).bind(newest(source)))
        .await?;
    Ok(())
}

/// Fills in the origin of parked records from before there was such a column. An empty topic then meant that the record did
/// not come from the log: without a value it stands for a version that a person has marked, otherwise it comes from the
/// order service's journal.
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
