//! Finds out which of a service's tables are missing or not up to date. Nothing is changed here.

use shop::domain::Source;
use shop::store::{Result, StoreError};

use super::super::rows::{column, statement};
use super::super::session::Session;
use super::super::sessions::CALL_DEADLINE;
use super::tables::{self, Table};
use super::{look, plan};

/// The version of a service's tables that this program knows.
pub(super) const fn newest(source: Source) -> i64 {
    match source {
        Source::Orders => 1,
        // Version 2 added the origin of a parked event's record, version 3 who works on an order's next version.
        Source::Deliveries => 3,
    }
}

/// Whether all tables of a service exist and are up to date.
pub(in crate::mysql) async fn is_ready(session: &mut Session, source: Source) -> Result<bool> {
    Ok(missing(session, source).await?.is_empty())
}

/// The names of the tables that are missing or not up to date.
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

/// The statements that bring a table closer to what it should look like; none if it is up to date.
pub(super) async fn next_steps(session: &mut Session, table: &Table) -> Result<Vec<String>> {
    session.allow(CALL_DEADLINE);
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

/// The version that the database notes for a service's tables; none if they have never been prepared completely.
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

/// The name that a service's tables have in the table of versions.
pub(super) fn name(source: Source) -> &'static str {
    match source {
        Source::Orders => "orders",
        Source::Deliveries => "deliveries",
    }
}
