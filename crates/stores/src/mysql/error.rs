//! What an error of the database means for the caller. Errors are told apart by the server's number, because one SQLSTATE
//! stands for several that must be.

use std::io;

use sqlx::Error;
use sqlx::mysql::MySqlDatabaseError;

use shop::store::StoreError;

/// What the error of a statement means.
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

/// What an error while logging in means.
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

/// Whether the error says that the server is read-only, and has therefore done nothing.
pub(super) fn is_read_only(error: &Error) -> bool {
    number(error).is_some_and(says_read_only)
}

/// Whether the number stands for something read-only: the server, the transaction, the engine (1874), or this database alone
/// (3989).
fn says_read_only(number: u16) -> bool {
    matches!(number, 1290 | 1792 | 1836 | 1874 | 3989)
}

/// Whether the error says that the account lacks a right: on a database, a table, a column, or the server.
pub(super) fn is_missing_right(error: &Error) -> bool {
    matches!(number(error), Some(1044 | 1142 | 1143 | 1227))
}

/// The server's number of an error; none if the error does not come from the server.
pub(super) fn number(error: &Error) -> Option<u16> {
    let error = error.as_database_error()?;
    Some(error.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

fn of_number(number: u16, error: &Error, shown: &str) -> StoreError {
    let said = error
        .as_database_error()
        .map_or_else(String::new, |e| e.message().to_owned());
    match number {
        // A lock wait timed out, a deadlock, "record has changed" (MariaDB from 11.6), a row locked with nowait (MySQL;
        // MariaDB says 1205).
        1205 | 1213 | 1020 | 3572 => StoreError::Conflict(format!("somebody else holds the same rows: {said}")),
        // The server has too many connections, shuts down, was interrupted, killed the session, ended an idle one, or is not
        // ready (Galera).
        1040 | 1047 | 1053 | 1077 | 1079 | 1152 | 1158..=1161 | 1184 | 1203 | 1226 | 1317 | 1927 | 3169 | 4031 => {
            StoreError::Unavailable(format!("the database {shown} can't serve now: {said}"))
        }
        1044 | 1045 | 1129 | 1130 | 1142 | 1143 | 1227 | 1251 | 1370 | 1524 | 1698 => {
            StoreError::Broken(format!("the database {shown} refuses us: {said}"))
        }
        number if says_read_only(number) => {
            StoreError::Unwritable(format!("the database {shown} is read-only: {said}"))
        }
        // A file can't be written (3 and 20 are the numbers of the servers' own file functions), or a table can't grow.
        3 | 20 | 1021 | 1026 | 1114 => StoreError::Unwritable(format!("the database {shown} has no room: {said}")),
        // A file can't be used, a table is damaged, or a database, table, column or index is gone.
        1005 | 1006 | 1016 | 1017 | 1030 | 1034 | 1035 | 1046 | 1049 | 1054 | 1064 | 1146 | 1176 | 1194 | 1195
        | 1932 => StoreError::Broken(format!("the database {shown} is damaged or not ours: {said}")),
        // The table can't hold a value: it is null, duplicate, out of range, too long, of another type, or against a
        // constraint or trigger.
        1048 | 1062 | 1153 | 1264 | 1265 | 1292 | 1364 | 1366 | 1406 | 1451 | 1452 | 1526 | 1644 | 1690 | 3819
        | 4025 => StoreError::Rejected(format!("the database refused a value: {said}")),
        // An error that nobody has met yet counts as an outage: if it counted as the value's fault, an event would be given up.
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
