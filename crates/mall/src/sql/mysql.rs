//! MySQL and MariaDB, asked in a session and a transaction that can't write.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use sqlx::mysql::{MySqlColumn, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions, Connection, Row, TypeInfo};

use super::reading::Reading;
use super::table::{self, Column, Table};
use crate::config::DatabaseUrl;

/// How long a server may take to let us in.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a statement may run on the server.
const LONGEST: Duration = Duration::from_secs(60);

/// Runs a statement there.
///
/// The server prepares it, which takes one statement and no more, and gets its text as a value in hexadecimal digits: no
/// character of it stands in a text that the server runs. Executed by name it is answered in text, as the mysql client sees
/// it, where a statement of the binary protocol would leave it to us how each type is written.
pub async fn query(url: &DatabaseUrl, statement: &Reading) -> Result<Table> {
    let mut connection = connect(url).await?;
    protect(&mut connection).await?;
    let hex: String = statement.text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let given = format!("set @mall_statement = convert(x'{hex}' using utf8mb4)");
    run(&mut connection, given).await?;
    run(&mut connection, "prepare mall_statement from @mall_statement").await?;
    let rows = run(&mut connection, "execute mall_statement").await?;
    // What was asked is answered; how the connection ends changes nothing.
    let _ = connection.close().await;
    Ok(Table {
        columns: rows.first().map(columns).unwrap_or_default(),
        rows: rows.iter().map(cells).collect::<Result<_>>()?,
    })
}

async fn connect(url: &DatabaseUrl) -> Result<MySqlConnection> {
    // Times are those of the server's zone, as the mysql client shows them.
    let options = url.options().timezone(None);
    let connected = tokio::time::timeout(PATIENCE, options.connect()).await;
    match connected {
        Ok(connected) => connected.with_context(|| format!("can't connect to {url}")),
        Err(_) => bail!("{url} did not answer within {} s", PATIENCE.as_secs()),
    }
}

/// Makes the session one that can't write. Its mode is the one whose words the statement was judged by: with
/// `ANSI_QUOTES` or `NO_BACKSLASH_ESCAPES` strings would end elsewhere.
async fn protect(connection: &mut MySqlConnection) -> Result<()> {
    let seconds = LONGEST.as_secs();
    // MySQL has the one limit and MariaDB the other.
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
    // BOOLEAN is what a tinyint(1) is called here, and NULL the type of a bare null.
    let numbers = ["INT", "DECIMAL", "FLOAT", "DOUBLE", "YEAR", "BOOLEAN", "NULL"];
    let column = |column: &MySqlColumn| Column {
        name: column.name().to_owned(),
        number: numbers.iter().any(|kind| column.type_info().name().contains(kind)),
    };
    row.columns().iter().map(column).collect()
}

fn cells(row: &MySqlRow) -> Result<Vec<Option<String>>> {
    let cell = |column: &MySqlColumn| -> Result<Option<String>> {
        // The answer is text, whatever the column's type.
        let bytes: Option<Vec<u8>> = row.try_get_unchecked(column.ordinal())?;
        Ok(bytes.map(|bytes| match column.type_info().name() {
            "BIT" => table::hexadecimal(&bytes),
            name if name.contains("BINARY") || name.contains("BLOB") || name == "GEOMETRY" => table::of_bytes(&bytes),
            _ => String::from_utf8_lossy(&bytes).into_owned(),
        }))
    };
    row.columns().iter().map(cell).collect()
}
