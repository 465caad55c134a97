//! MySQL and MariaDB, read in a session and a transaction that can't write.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use sqlx::mysql::{MySqlColumn, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions, Connection, Row, TypeInfo};

use super::statement::ReadOnlyStatement;
use super::table::{self, Column, Table};
use crate::config::DatabaseUrl;

/// How long connecting to the server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a statement may run on the server.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs a statement on the server.
///
/// The server prepares the statement, which refuses more than one. It gets the text as a value in hexadecimal digits, so that no
/// character of it stands in anything else that the server runs. The prepared statement is executed by its name, because the
/// server then writes every value as text, as it does for the mysql client.
pub async fn query(url: &DatabaseUrl, statement: &ReadOnlyStatement) -> Result<Table> {
    let mut connection = connect(url).await?;
    protect(&mut connection).await?;
    let hex: String = statement.text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let given = format!("set @mall_statement = convert(x'{hex}' using utf8mb4)");
    run(&mut connection, given).await?;
    run(&mut connection, "prepare mall_statement from @mall_statement").await?;
    let rows = run(&mut connection, "execute mall_statement").await?;
    // The answer is there, so it does not matter whether the connection is closed properly.
    let _ = connection.close().await;
    Ok(Table {
        columns: rows.first().map(columns).unwrap_or_default(),
        rows: rows.iter().map(cells).collect::<Result<_>>()?,
    })
}

async fn connect(url: &DatabaseUrl) -> Result<MySqlConnection> {
    // Without a time zone of its own the session shows times in the server's, as the mysql client does.
    let options = url.options().timezone(None);
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await;
    match connected {
        Ok(connected) => connected.with_context(|| format!("can't connect to {url}")),
        Err(_) => bail!("{url} did not answer within {} s", CONNECT_TIMEOUT.as_secs()),
    }
}

/// Makes the session one that can't write. The SQL mode is the one that the statement was judged by: with `ANSI_QUOTES` or
/// `NO_BACKSLASH_ESCAPES` strings would end elsewhere.
async fn protect(connection: &mut MySqlConnection) -> Result<()> {
    let seconds = STATEMENT_TIMEOUT.as_secs();
    // The first limit is MySQL's, in milliseconds, and the second MariaDB's; each refuses the other.
    let limits = [
        format!("max_execution_time = {}", seconds * 1000),
        format!("max_statement_time = {seconds}"),
    ];
    for limit in limits {
        let _ = run(connection, format!("set session {limit}")).await;
    }
    run(connection, "set session sql_mode = ''").await?;
    run(connection, "set session transaction read only").await?;
    run(connection, "start transaction read only").await.map(drop)
}

async fn run(connection: &mut MySqlConnection, sql: impl Into<String>) -> Result<Vec<MySqlRow>> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.into())).fetch_all(connection).await;
    rows.map_err(|error| match error {
        sqlx::Error::Database(error) => anyhow!("{}", error.message()),
        other => anyhow!(other),
    })
}

fn columns(row: &MySqlRow) -> Vec<Column> {
    // sqlx calls a tinyint(1) BOOLEAN, and the type of a bare null NULL.
    let numbers = ["INT", "DECIMAL", "FLOAT", "DOUBLE", "YEAR", "BOOLEAN", "NULL"];
    let column = |column: &MySqlColumn| Column {
        name: column.name().to_owned(),
        number: numbers.iter().any(|kind| column.type_info().name().contains(kind)),
    };
    row.columns().iter().map(column).collect()
}

fn cells(row: &MySqlRow) -> Result<Vec<Option<String>>> {
    let cell = |column: &MySqlColumn| -> Result<Option<String>> {
        // The server answers in text, whatever the type of the column.
        let bytes: Option<Vec<u8>> = row.try_get_unchecked(column.ordinal())?;
        Ok(bytes.map(|bytes| match column.type_info().name() {
            "BIT" => table::hexadecimal(&bytes),
            name if name.contains("BINARY") || name.contains("BLOB") || name == "GEOMETRY" => table::of_bytes(&bytes),
            _ => String::from_utf8_lossy(&bytes).into_owned(),
        }))
    };
    row.columns().iter().map(cell).collect()
}
