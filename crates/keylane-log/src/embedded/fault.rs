//! Turns SQLite's errors into the log's errors, each with a sentence for a person.

use std::path::Path;

use rusqlite::{Error, ErrorCode};

use crate::port::LogError;

/// The sentence does not name the file, because a SQLite error does not know it; `in_file` adds it.
impl From<Error> for LogError {
    fn from(error: Error) -> Self {
        let Some(code) = error.sqlite_error_code() else {
            return Self::Broken(format!(
                "the log's file holds data that this program does not expect ({error})"
            ));
        };
        let sentence = match code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                return Self::Unavailable("another process is keeping the log's file locked".into());
            }
            ErrorCode::NotADatabase => "the log's file is not a database".into(),
            ErrorCode::DatabaseCorrupt => {
                "the log's file is corrupt: restore it, or start over with an empty folder".into()
            }
            ErrorCode::DiskFull => {
                return Self::Unavailable("the disk is full, so nothing can be written to the log".into());
            }
            ErrorCode::SystemIoFailure => {
                return Self::Unavailable(format!("the log's file cannot be read or written ({error})"));
            }
            ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
                "the log's file cannot be opened: it and its folder must be readable and writable".into()
            }
            ErrorCode::ReadOnly => "the log's file or folder is read-only".into(),
            _ => format!("the log's file cannot be used ({error})"),
        };
        Self::Broken(sentence)
    }
}

/// Adds the name of the file to the sentence of an error.
pub(super) fn in_file(path: &Path, error: LogError) -> LogError {
    let with = |sentence: String| format!("{sentence} ({})", path.display());
    match error {
        LogError::Unavailable(sentence) => LogError::Unavailable(with(sentence)),
        LogError::Broken(sentence) => LogError::Broken(with(sentence)),
        refused @ LogError::Refused(_) => refused,
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::{in_memory, write};
    use super::*;

    #[test]
    fn a_full_disk_is_reported_and_nothing_is_half_written() {
        let conn = in_memory();
        let pages: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
        let full = write(&conn, |tx| {
            tx.execute("insert into groups values ('small', 1)", [])?;
            tx.execute("insert into groups values (hex(zeroblob(9000)), 1)", [])?;
            Ok(())
        });
        let Err(LogError::Unavailable(sentence)) = full else {
            panic!("the file can't grow, so the write must fail")
        };
        assert!(sentence.contains("disk is full"), "{sentence}");
        let rows: i64 = conn
            .query_row("select count(*) from groups", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 0);
    }
}
