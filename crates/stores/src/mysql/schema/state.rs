//! What of a service's tables is there, and what is missing. Looking changes nothing.

use shop::domain::Source;
use shop::store::{Result, StoreError};

use super::super::rows::{column, statement};
use super::super::session::Session;
use super::super::sessions::PATIENCE;
use super::tables::{self, Table};
use super::{look, plan};

/// The version of a service's tables that this program knows.
pub(super) const fn newest(source: Source) -> i64 {
    match source {
        Source::Orders => 1,
        // Since 2 a parked event says where its record came from.
        Source::Deliveries => 2,
    }
}

/// Whether the tables of a service are there, as this program knows them.
pub(in crate::mysql) async fn is_ready(session: &mut Session, source: Source) -> Result<bool> {
    Ok(missing(session, source).await?.is_empty())
}

/// The tables that are not there, or not as they should be.
pub(super) async fn missing(session: &mut Session, source: Source) -> Result<Vec<&'static str>> {
    if version(session, source).await? != Some(newest(source)) {
        return Ok(tables::of(source).iter().map(|table| table.name).collect());
    }
    let mut missing = Vec::new();
    for table in tables::of(source) {
        if !next_steps(session, table).await?.is_empty() {
            missing.push(table.name);
        }
    }
    Ok(missing)
}

/// The statements that bring a table closer to its shape; none if it has it.
pub(super) async fn next_steps(session: &mut Session, table: &Table) -> Result<Vec<String>> {
    session.allow(PATIENCE);
    match look::at(session, table).await? {
        None => Ok(vec![plan::create(
            table,
            look::first_free_number(session, table).await?,
        )]),
        Some(state) => {
            let floor = match plan::needs_numbering(&state) {
                true => look::first_free_number(session, table).await?,
                false => 1,
            };
            Ok(plan::changes(table, &state, floor))
        }
    }
}

/// The version noted for a service's tables; none on a database that this program hasn't finished preparing.
pub(super) async fn version(session: &mut Session, source: Source) -> Result<Option<i64>> {
    if look::at(session, &tables::SCHEMA).await?.is_none() {
        return Ok(None);
    }
    let query = statement("select version from mall_schema where name = ?".to_owned());
    let rows = session.fetch(query.bind(name(source))).await?;
    let version = rows.first().map(|row| column::<i64>(row, 0)).transpose()?;
    match version {
        Some(version) if version > newest(source) => Err(StoreError::Broken(format!(
            "the {} in this database are of version {version}, made by a newer program; this one knows up to {}",
            name(source),
            newest(source)
        ))),
        version => Ok(version),
    }
}

/// What a service's tables are called in the table of versions.
pub(super) fn name(source: Source) -> &'static str {
    match source {
        Source::Orders => "orders",
        Source::Deliveries => "deliveries",
    }
}
