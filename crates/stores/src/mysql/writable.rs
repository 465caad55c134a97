//! Finds out by writing whether the database takes a service's writes. Nothing else tells: a server that has become read-only
//! answers every question as before, and which accounts it binds depends on their rights.
//!
//! The probe inserts one row into the journal and rolls it back. Every other kind of write is made with no rows, which needs
//! the table and the right all the same. The probe is one round trip and leaves nothing behind.

use tokio::time::Instant;

use super::address::Address;
use super::rows::statement;
use super::schema;
use super::session::{Ending, Session};
use super::sessions::CALL_DEADLINE;
use shop::domain::Source;
use shop::store::{Result, StoreError};

/// The size in bytes of the probe's row after a write has failed: more than a page, so that the server must find room for it.
const LARGE: usize = 16 << 10;

/// The kinds of writes that a service makes to each table, except for the inserts into its journal.
fn writes(source: Source) -> &'static [(&'static str, &'static [Write])] {
    use Write::{Delete, Insert, Update};
    match source {
        Source::Orders => &[
            ("relay_lease", &[Insert, Update("expires")]),
            ("order_event", &[Update("published")]),
            ("Order_table", &[Insert, Update("version"), Delete]),
        ],
        Source::Deliveries => &[
            ("relay_lease", &[Insert, Update("expires")]),
            ("delivery_event", &[Update("published")]),
            ("Delivery_table", &[Insert, Update("version")]),
            ("delivery_apply", &[Insert]),
            ("order_cursor", &[Insert, Update("version")]),
            ("parked_event", &[Insert, Update("reason"), Delete]),
            ("dead_letter", &[Insert, Update("published")]),
        ],
    }
}

/// A kind of write.
#[derive(Clone, Copy)]
enum Write {
    Insert,
    /// An update of this column.
    Update(&'static str),
    Delete,
}

impl Write {
    /// A statement of this kind that writes no row.
    fn of_nothing(self, table: &str) -> String {
        match self {
            Self::Insert => format!("insert into {table} select * from {table} where false"),
            Self::Update(column) => format!("update {table} set {column} = {column} where false"),
            Self::Delete => format!("delete from {table} where false"),
        }
    }
}

/// Tries every kind of write and rolls back. `suspect` says that a write has failed lately, so the probe also finds out
/// whether there is room again.
pub(super) async fn probe(session: &mut Session, source: Source, suspect: bool) -> Result<()> {
    let payload = if suspect { LARGE } else { 2 };
    // The number is negative, as no real row's is, and random, so that two probes don't wait for each other.
    let number = -1 - i64::from(fastrand::u32(..));
    session.execute_raw(statements(source, number, payload)).await?;
    Ok(())
}

/// Whether the database at `url` takes the writes of the service `source`. Nothing is created, and nothing stays written.
/// `false` if the database or its tables do not exist yet.
///
/// # Errors
/// [`Unavailable`](StoreError::Unavailable) if the database can't be reached; otherwise why it takes no writes.
pub async fn takes_writes(url: &str, source: Source) -> Result<bool> {
    let address = Address::parse(url)?;
    let deadline = Instant::now() + CALL_DEADLINE;
    let mut session = Session::open(&address, false, Ending::Auto, deadline).await?;
    let database = statement("select 1 from information_schema.schemata where schema_name = ?".to_owned());
    if session.fetch(database.bind(&*address.database)).await?.is_empty() {
        return Ok(false);
    }
    let mut session = Session::open(&address, true, Ending::Auto, deadline).await?;
    if !schema::is_ready(&mut session, source).await? {
        return Ok(false);
    }
    match probe(&mut session, source, true).await {
        Ok(()) => Ok(true),
        // Another session holds the tables for a moment, and writes to them.
        Err(StoreError::Conflict(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

fn statements(source: Source, number: i64, payload: usize) -> String {
    let (journal, owner) = match source {
        Source::Orders => ("order_event", ""),
        Source::Deliveries => ("delivery_event", "delivery_id, "),
    };
    let owned = if owner.is_empty() {
        String::new()
    } else {
        format!("{number}, ")
    };
    let mut statements = vec![
        "start transaction".to_owned(),
        format!(
            "insert into {journal} (id, {owner}order_id, version, type, payload, timestamp, published) \
             values ({number}, {owned}{number}, 0, 'probe', repeat(' ', {payload}), 0, 1)"
        ),
    ];
    for (table, kinds) in writes(source) {
        statements.extend(kinds.iter().map(|kind| kind.of_nothing(table)));
    }
    statements.push("rollback".to_owned());
    statements.join("; ")
}
