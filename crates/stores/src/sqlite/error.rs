//! Turns SQLite's errors into sentences, and into the error that says what the caller does next.

use rusqlite::{Error, ErrorCode};

use shop::store::StoreError;

/// What an error of the database called `name` means. The transaction in which it happened is rolled back.
pub(super) fn explain(name: &str, error: Error) -> StoreError {
    let Some(code) = error.sqlite_error_code() else {
        return StoreError::Broken(format!("{name} holds something that the mall did not write: {error}"));
    };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::Unavailable(format!("{name} is locked by another program: {error}"))
        }
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig => {
            StoreError::Rejected(format!("{name} can't hold this: {error}"))
        }
        code @ (ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
            StoreError::Unwritable(format!("{name} {}: {error}", trouble(code)))
        }
        code => StoreError::Broken(format!("{name} {}: {error}", trouble(code))),
    }
}

fn trouble(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            "can't be written; it and its folder must be writable for this user"
        }
        ErrorCode::CannotOpen => "can't be opened; its folder must exist and be writable for this user",
        ErrorCode::NotADatabase => "is not a SQLite database; move it away to start with an empty one",
        ErrorCode::DatabaseCorrupt => "is damaged; move it away, or restore it from a copy",
        ErrorCode::DiskFull => "can't grow, the disk is full; nothing of this was written",
        ErrorCode::SystemIoFailure => "can't be read or written, the disk reports an error",
        _ => "can't be used",
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn explained(code: i32) -> StoreError {
        explain("orders.db", Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn a_full_disk_is_said_in_words() {
        let StoreError::Unwritable(sentence) = explained(ffi::SQLITE_FULL) else {
            panic!("there may be room again");
        };
        assert!(
            sentence.starts_with("orders.db can't grow, the disk is full"),
            "{sentence}"
        );
    }

    #[test]
    fn errors_are_sorted_by_what_to_do() {
        assert!(matches!(explained(ffi::SQLITE_BUSY), StoreError::Unavailable(_)));
        assert!(matches!(
            explained(ffi::SQLITE_CONSTRAINT_UNIQUE),
            StoreError::Rejected(_)
        ));
        assert!(matches!(explained(ffi::SQLITE_READONLY), StoreError::Broken(_)));
        assert!(matches!(explained(ffi::SQLITE_IOERR_FSYNC), StoreError::Unwritable(_)));
        assert!(matches!(
            explain("orders.db", Error::QueryReturnedNoRows),
            StoreError::Broken(_)
        ));
    }
}
