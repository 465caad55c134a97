//! What an error of the database means for the caller. By number: SQLSTATE lumps together what must be told apart.

use std::io;

use sqlx::Error;
use sqlx::mysql::MySqlDatabaseError;

use shop::store::StoreError;

/// What an error means that a statement answered with, or broke on.
pub(super) fn of_statement(error: &Error, shown: &str) -> StoreError {
    if let Some(number) = number(error) {
        return of_number(number, error, shown);
    }
    match error {
        Error::ColumnDecode { .. } | Error::Decode(_) | Error::Encode(_) | Error::ColumnNotFound(_) => {
            StoreError::Unreadable(format!("the database {shown} holds what can't be read: {error}"))
        }
        _ => StoreError::Unavailable(format!("lost the connection to the database {shown}: {}", cause(error))),
    }
}

/// What an error means that came up while logging in.
pub(super) fn of_connect(error: &Error, shown: &str) -> StoreError {
    if let Some(number) = number(error) {
        return of_number(number, error, shown);
    }
    match error {
        Error::Io(_) => StoreError::Unavailable(format!("can't reach the database {shown}: {}", cause(error))),
        Error::Tls(why) => StoreError::Broken(format!("no TLS with the database {shown}: {why}")),
        _ => StoreError::Broken(format!(
            "what answers at {shown} doesn't speak as MySQL or MariaDB do: {error}"
        )),
    }
}

/// Whether the server is read-only, and so has done nothing.
pub(super) fn is_read_only(error: &Error) -> bool {
    number(error).is_some_and(says_read_only)
}

/// The server, the transaction, the engine (1874), or this database alone (3989).
fn says_read_only(number: u16) -> bool {
    matches!(number, 1290 | 1792 | 1836 | 1874 | 3989)
}

/// Whether the account may not do what it asked for: with a database, a table, a column, or the server.
pub(super) fn is_missing_right(error: &Error) -> bool {
    matches!(number(error), Some(1044 | 1142 | 1143 | 1227))
}

/// The server's number of an error, if the server said it.
pub(super) fn number(error: &Error) -> Option<u16> {
    let error = error.as_database_error()?;
    Some(error.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

fn of_number(number: u16, error: &Error, shown: &str) -> StoreError {
    let said = error
        .as_database_error()
        .map_or_else(String::new, |e| e.message().to_owned());
    match number {
        // Lock wait timeout, deadlock, "record has changed" (MariaDB from 11.6), and nowait (MySQL; MariaDB says 1205).
        1205 | 1213 | 1020 | 3572 => StoreError::Conflict(format!("somebody else holds the same rows: {said}")),
        // Too many connections, shutting down, interrupted, killed, idle for too long, not ready (Galera).
        1040 | 1047 | 1053 | 1077 | 1079 | 1152 | 1158..=1161 | 1184 | 1203 | 1226 | 1317 | 1927 | 3169 | 4031 => {
            StoreError::Unavailable(format!("the database {shown} can't serve now: {said}"))
        }
        1044 | 1045 | 1129 | 1130 | 1142 | 1143 | 1227 | 1251 | 1370 | 1524 | 1698 => {
            StoreError::Broken(format!("the database {shown} refuses us: {said}"))
        }
        // The server, the transaction, the engine (1874), or this database alone (3989).
        1290 | 1792 | 1836 | 1874 | 3989 => {
            StoreError::Unwritable(format!("the database {shown} is read-only: {said}"))
        }
        // A file can't be written (3 and 20 are the numbers of the servers' own file functions), or a table can't grow.
        3 | 20 | 1021 | 1026 | 1114 => StoreError::Unwritable(format!("the database {shown} has no room: {said}")),
        // Files, damaged tables, and databases, tables, columns or indexes that somebody took away.
        1005 | 1006 | 1016 | 1017 | 1030 | 1034 | 1035 | 1046 | 1049 | 1054 | 1064 | 1146 | 1176 | 1194 | 1195
        | 1932 => StoreError::Broken(format!("the database {shown} is damaged or not ours: {said}")),
        // Values it can't hold: null, duplicate, out of range, too long, not of the type, against a constraint or trigger.
        1048 | 1062 | 1153 | 1264 | 1265 | 1292 | 1364 | 1366 | 1406 | 1451 | 1452 | 1526 | 1644 | 1690 | 3819
        | 4025 => StoreError::Rejected(format!("the database refused a value: {said}")),
        // What nobody has met yet is waited for: to take it for the value's own fault would pass an event over.
        _ => StoreError::Unavailable(format!("the database {shown} failed (error {number}): {said}")),
    }
}

fn cause(error: &Error) -> String {
    match error {
        Error::Io(io) if io.kind() == io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        Error::Io(io) => io.to_string(),
        other => other.to_string(),
    }
}
