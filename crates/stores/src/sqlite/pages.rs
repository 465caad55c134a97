//! Reads pages of a table.

use std::fmt::Write;

use rusqlite::{Connection, Result, Row};

use super::general_ci;

use shop::store::{Page, PageRequest};

/// Reads one page of `table`; `row` reads a row with these `columns`.
pub(super) fn page<T>(
    connection: &Connection,
    table: &str,
    columns: &str,
    request: &PageRequest,
    row: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Page<T>> {
    let total: i64 = connection.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0))?;
    let sql = format!(
        "select {columns} from {table} order by {} limit ? offset ?",
        order_by(request)
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let offset = request.page.saturating_mul(request.size);
    let items = statement
        .query_map([saturated(request.size), saturated(offset)], |found| row(found))?
        .collect::<Result<_>>()?;
    Ok(Page {
        items,
        total: total.unsigned_abs(),
    })
}

fn order_by(request: &PageRequest) -> String {
    let mut sql = String::new();
    for sort in &request.sort {
        let direction = if sort.descending { " desc" } else { "" };
        let collation = match sort.is_text() {
            true => format!(" collate {}", general_ci::NAME),
            false => String::new(),
        };
        let _ = write!(sql, "\"{}\"{collation}{direction}, ", sort.property);
    }
    sql + "id"
}

fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
