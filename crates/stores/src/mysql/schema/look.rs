//! Finds out from `information_schema` what a table looks like.

use std::time::Duration;

use super::super::rows::{column, statement};
use super::super::session::Session;
use super::Table;
use shop::store::Result;

/// The deadline of a statement that changes or reads all rows of a table.
pub(super) const REBUILD: Duration = Duration::from_secs(600);

/// What a table in the database looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableState {
    pub engine: String,
    /// The character set of new columns.
    pub charset: String,
    pub columns: Vec<ColumnState>,
    pub indexes: Vec<String>,
}

/// What a column in the database looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnState {
    pub name: String,
    /// The name of its type: `varchar`, `bigint`, …
    pub data_type: String,
    /// The character set of a text column; none for other types.
    pub charset: Option<String>,
    /// Whether the database gives the column ascending numbers.
    pub auto_increment: bool,
    /// Whether the column is declared latin1 but its bytes are UTF-8, written by clients that took one for the other.
    pub utf8_inside: bool,
}

/// What a table looks like; none if it does not exist.
pub(super) async fn at(session: &mut Session, table: &Table) -> Result<Option<TableState>> {
    let sql = "select cast(engine as char(64)), cast(table_collation as char(64)) \
               from information_schema.tables where table_schema = database() and table_name = ?";
    let rows = session.fetch(statement(sql.to_owned()).bind(table.name)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let collation = column::<Option<String>>(row, 1)?.unwrap_or_default();
    Ok(Some(TableState {
        engine: column::<Option<String>>(row, 0)?.unwrap_or_default(),
        charset: collation.split('_').next().unwrap_or_default().to_owned(),
        columns: columns(session, table).await?,
        indexes: indexes(session, table).await?,
    }))
}

/// The lowest number that no row of a table has ever had, as far as the table, its journal, and the sequence of an older
/// system (which numbered rows itself) tell.
pub(super) async fn first_free_number(session: &mut Session, table: &Table) -> Result<i64> {
    let Some((journal, number)) = table.numbers_used else {
        return Ok(1);
    };
    let mut free = 1;
    for (holder, name, next) in [
        (table.name, "id", 1),
        (journal, number, 1),
        // Hibernate keeps its sequence in a table, or in a sequence of MariaDB's.
        ("hibernate_sequence", "next_val", 0),
        ("hibernate_sequence", "next_not_cached_value", 0),
    ] {
        if has_column(session, holder, name).await? {
            let sql = format!("select cast(max({name}) as signed) from {holder}");
            let rows = session.fetch(statement(sql)).await?;
            free = free.max(column::<Option<i64>>(&rows[0], 0)?.unwrap_or(0) + next);
        }
    }
    Ok(free)
}

async fn has_column(session: &mut Session, table: &str, name: &str) -> Result<bool> {
    let sql = "select count(*) from information_schema.columns \
               where table_schema = database() and table_name = ? and column_name = ?";
    let rows = session.fetch(statement(sql.to_owned()).bind(table).bind(name)).await?;
    Ok(column::<i64>(&rows[0], 0)? > 0)
}

async fn columns(session: &mut Session, table: &Table) -> Result<Vec<ColumnState>> {
    let sql = "select cast(column_name as char(64)), lower(cast(data_type as char(64))), \
               lower(cast(character_set_name as char(64))), lower(cast(extra as char(255))) \
               from information_schema.columns where table_schema = database() and table_name = ? \
               order by ordinal_position";
    let rows = session.fetch(statement(sql.to_owned()).bind(table.name)).await?;
    let mut columns = Vec::with_capacity(rows.len());
    for row in &rows {
        let name: String = column(row, 0)?;
        let charset: Option<String> = column(row, 2)?;
        let utf8_inside = charset.as_deref() == Some("latin1") && holds_utf8(session, table, &name).await?;
        columns.push(ColumnState {
            name,
            data_type: column(row, 1)?,
            charset,
            auto_increment: column::<Option<String>>(row, 3)?.is_some_and(|extra| extra.contains("auto_increment")),
            utf8_inside,
        });
    }
    Ok(columns)
}

async fn indexes(session: &mut Session, table: &Table) -> Result<Vec<String>> {
    let sql = "select distinct cast(index_name as char(64)) from information_schema.statistics \
               where table_schema = database() and table_name = ?";
    let rows = session.fetch(statement(sql.to_owned()).bind(table.name)).await?;
    rows.iter().map(|row| column(row, 0)).collect()
}

/// Whether all non-ASCII values of a column are UTF-8 when their bytes are read as such: bytes that are not UTF-8 change when
/// they are converted to it and back. Text that really is latin1 hardly ever passes for UTF-8.
async fn holds_utf8(session: &mut Session, table: &Table, name: &str) -> Result<bool> {
    session.allow(REBUILD);
    let bytes = format!("cast(`{name}` as binary)");
    let sql = format!(
        "select count(*), \
         cast(coalesce(sum(coalesce(cast(convert({bytes} using utf8mb4) as binary) = {bytes}, 0)), 0) as signed) \
         from {} where length(convert(`{name}` using utf8mb4)) > char_length(`{name}`)",
        table.name
    );
    let rows = session.fetch(statement(sql)).await?;
    let (foreign, utf8): (i64, i64) = (column(&rows[0], 0)?, column(&rows[0], 1)?);
    Ok(foreign > 0 && foreign == utf8)
}
