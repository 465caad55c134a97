//! MySQL and MariaDB, asked in a read-only transaction.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use sqlx::mysql::{MySqlConnectOptions, MySqlRow};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions, Connection, Executor, Row, TypeInfo};

use super::table::{Column, Table};
use crate::config::DatabaseUrl;

/// How long a server may take to let us in.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a statement there. The text is the user's own, and all of it is meant to be run.
pub async fn query(url: &DatabaseUrl, statement: &str) -> Result<Table> {
    let options: MySqlConnectOptions = url.expose().parse().context("the database URL can't be read")?;
    let options = options.disable_statement_logging();
    let connected = tokio::time::timeout(PATIENCE, options.connect()).await;
    let mut connection = match connected {
        Ok(connected) => connected.with_context(|| format!("can't connect to {url}"))?,
        Err(_) => bail!("{url} did not answer within {} s", PATIENCE.as_secs()),
    };
    connection.execute("start transaction read only").await?;
    let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(&mut connection).await;
    let rows = rows.map_err(|error| match error {
        sqlx::Error::Database(error) => anyhow!("{}", error.message()),
        other => anyhow!(other),
    })?;
    connection.execute("rollback").await?;
    // What was asked is answered; how the connection ends changes nothing.
    let _ = connection.close().await;
    Ok(Table {
        columns: rows.first().map(columns).unwrap_or_default(),
        rows: rows.iter().map(cells).collect::<Result<_>>()?,
    })
}

fn columns(row: &MySqlRow) -> Vec<Column> {
    let numbers = ["INT", "DECIMAL", "FLOAT", "DOUBLE", "YEAR"];
    let column = |column: &sqlx::mysql::MySqlColumn| Column {
        name: column.name().to_owned(),
        number: numbers.iter().any(|kind| column.type_info().name().contains(kind)),
    };
    row.columns().iter().map(column).collect()
}

fn cells(row: &MySqlRow) -> Result<Vec<Option<String>>> {
    let cell = |index| -> Result<Option<String>> {
        // A plain statement is answered in text, whatever the column's type.
        let bytes: Option<Vec<u8>> = row.try_get_unchecked(index)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    (0..row.len()).map(cell).collect()
}
