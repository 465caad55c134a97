//! One connection to the database, whose statements have a deadline.
//!
//! # Invariants
//! * No statement outlives the deadline of its session. A statement that would is given up together with its connection,
//!   which stays busy until the server answers and can't be used again.
//! * Only [`commit`](Session::commit) leaves an outcome unknown. A unit of work that fails before it is rolled back.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::mysql::{MySqlArguments, MySqlConnection, MySqlQueryResult, MySqlRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Error, MySql, Row};
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::error;
use shop::store::{Result, StoreError};

/// How long a session may be idle before the server ends it and rolls its transaction back. Otherwise the server would keep
/// the rows of a client that has vanished locked, by default for eight hours.
pub(super) const QUIET: Duration = Duration::from_secs(10);

/// A prepared statement with its values.
pub(super) type Statement<'q> = Query<'q, MySql, MySqlArguments>;

/// How the transactions of a session end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Each statement is a transaction of its own.
    Auto,
    /// The first statement begins a transaction, [`Session::commit`] ends it.
    Commit,
}

/// Whether a connection can be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// The connection can be used again.
    Sound,
    /// The connection is gone, or can't be trusted any more.
    Lost,
    /// The connection was given up while it waited for locked rows: either another session holds them, or the server hangs.
    Stalled,
}

/// A connection that has been set up.
pub(super) struct Session {
    connection: MySqlConnection,
    shown: Arc<str>,
    /// The step in which the server numbers rows (`auto_increment_increment`).
    increment: i64,
    /// How often the open connections had been given up when this one was opened, see `Server::give_up_all`.
    pub given_up_before: u64,
    /// Until when the session's statements may run.
    pub deadline: Instant,
    /// Whether the connection can be used again.
    pub health: Health,
}

impl Session {
    /// Logs in, with a database or without one, and sets the session up.
    pub async fn open(address: &Address, database: bool, ending: Ending, deadline: Instant) -> Result<Self> {
        let options = if database {
            address.with_database()
        } else {
            address.server.clone()
        };
        let connect = async {
            let mut connection = options.connect().await?;
            let row = sqlx::raw_sql(AssertSqlSafe(set_up(ending)))
                .fetch_one(&mut connection)
                .await?;
            let increment: i64 = row.try_get(0)?;
            Ok((connection, increment))
        };
        let (connection, increment) = match timeout_at(deadline, connect).await {
            Ok(connected) => connected.map_err(|error| error::of_connect(&error, &address.shown))?,
            Err(_) => {
                return Err(StoreError::Unavailable(format!(
                    "can't reach the database {}: no answer in time",
                    address.shown
                )));
            }
        };
        Ok(Self {
            connection,
            shown: address.shown.clone(),
            increment,
            given_up_before: 0,
            deadline,
            health: Health::Sound,
        })
    }

    /// Moves the deadline of the session's statements to `time` from now.
    pub fn allow(&mut self, time: Duration) {
        self.deadline = Instant::now() + time;
    }

    /// The rows of a query.
    pub async fn fetch(&mut self, query: Statement<'_>) -> Result<Vec<MySqlRow>> {
        let answer = within(self.deadline, query.fetch_all(&mut self.connection)).await;
        self.judge(answer)
    }

    /// The rows of a query that locks them. It may have to wait for other sessions that hold them.
    pub async fn lock(&mut self, query: Statement<'_>) -> Result<Vec<MySqlRow>> {
        let answer = within(self.deadline, query.fetch_all(&mut self.connection)).await;
        let in_time = answer.is_some();
        let rows = self.judge(answer);
        if !in_time {
            self.health = Health::Stalled;
        }
        rows
    }

    /// Runs a statement that returns no rows, and may have to wait for other sessions that hold the rows it writes.
    pub async fn execute_locking(&mut self, query: Statement<'_>) -> Result<MySqlQueryResult> {
        let answer = within(self.deadline, query.execute(&mut self.connection)).await;
        let in_time = answer.is_some();
        let result = self.judge(answer);
        if !in_time {
            self.health = Health::Stalled;
        }
        result
    }

    /// Runs a statement that returns no rows.
    pub async fn execute(&mut self, query: Statement<'_>) -> Result<MySqlQueryResult> {
        let answer = within(self.deadline, query.execute(&mut self.connection)).await;
        self.judge(answer)
    }

    /// Runs a statement that can't be prepared, such as a change of the schema.
    pub async fn execute_raw(&mut self, sql: impl Into<String>) -> Result<MySqlQueryResult> {
        let query = sqlx::raw_sql(AssertSqlSafe(sql.into()));
        let answer = within(self.deadline, query.execute(&mut self.connection)).await;
        self.judge(answer)
    }

    /// Runs a statement that can't be prepared. Returns `false` if the account lacks the right, and nothing was done.
    pub async fn execute_if_allowed(&mut self, sql: impl Into<String>) -> Result<bool> {
        let query = sqlx::raw_sql(AssertSqlSafe(sql.into()));
        let answer = within(self.deadline, query.execute(&mut self.connection)).await;
        match &answer {
            Some(Err(error)) if error::is_missing_right(error) => Ok(false),
            _ => self.judge(answer).map(|_| true),
        }
    }

    /// Runs a statement that inserts `rows` rows without numbers. Returns the numbers that the server gave them, which ascend
    /// in the rows' order.
    pub async fn insert(&mut self, rows: usize, query: Statement<'_>) -> Result<Vec<i64>> {
        let first = self.execute(query).await?.last_insert_id().cast_signed();
        Ok(numbers(first, self.increment, rows))
    }

    /// Commits the transaction. Without an answer the outcome is unknown, and so it is after an error that doesn't clearly say
    /// that nothing was committed. A conflict says so, and a server that has become read-only, which rolls back.
    pub async fn commit(&mut self) -> Result<()> {
        let answer = within(self.deadline, sqlx::raw_sql("commit").execute(&mut self.connection)).await;
        let read_only = matches!(&answer, Some(Err(error)) if error::is_read_only(error));
        match self.judge(answer) {
            Ok(_) => Ok(()),
            Err(error @ StoreError::Conflict(_)) => Err(error),
            Err(error) if read_only => Err(error),
            Err(error) => {
                self.health = Health::Lost;
                Err(StoreError::Unknown(format!(
                    "whether it was committed is unknown: {error}"
                )))
            }
        }
    }

    /// Rolls the transaction back. A connection that can't do that is lost.
    pub async fn roll_back(&mut self) {
        if self.execute_raw("rollback").await.is_err() {
            self.health = Health::Lost;
        }
    }

    fn judge<T>(&mut self, answer: Option<Result<T, Error>>) -> Result<T> {
        let error = match answer {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(error)) => error::of_statement(&error, &self.shown),
            None => StoreError::Unavailable(format!("the database {} doesn't answer", self.shown)),
        };
        let elsewhere = matches!(
            error,
            StoreError::Unavailable(_) | StoreError::Unwritable(_) | StoreError::Broken(_)
        );
        if elsewhere {
            self.health = Health::Lost;
        }
        Err(error)
    }
}

/// The numbers that the rows of one insert were given. The servers of a cluster count in steps larger than 1.
fn numbers(first: i64, increment: i64, rows: usize) -> Vec<i64> {
    std::iter::successors(Some(first), |number| Some(number + increment))
        .take(rows)
        .collect()
}

async fn within<T>(deadline: Instant, answer: impl Future<Output = T>) -> Option<T> {
    timeout_at(deadline, answer).await.ok()
}

/// The statements that set a session up. It is READ COMMITTED, because REPEATABLE READ also locks the space between rows,
/// which leads to deadlocks. It is strict, so that a value that doesn't fit is an error and never cut off. An id of 0 is stored
/// as 0 and does not ask for a new number.
fn set_up(ending: Ending) -> String {
    format!(
        "set session transaction isolation level read committed; \
         set names utf8mb4 collate {}, session innodb_lock_wait_timeout = 1, session lock_wait_timeout = 10, \
         session wait_timeout = {}, session autocommit = {}, \
         session sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO'; \
         select cast(@@auto_increment_increment as signed)",
        super::address::COLLATION,
        QUIET.as_secs(),
        i32::from(ending == Ending::Auto),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_in_the_servers_steps() {
        assert_eq!(numbers(4, 1, 3), [4, 5, 6]);
        assert_eq!(numbers(4, 7, 3), [4, 11, 18]);
        assert_eq!(numbers(0, 1, 0), [0; 0]);
    }
}
