//! What SQLite's result codes mean to a caller of the store.

use crate::store::StoreError;
use rusqlite::{Error, ErrorCode, ffi};

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        let Error::SqliteFailure(failure, _) = &error else { return from_reading(error) };
        match (failure.code, failure.extended_code) {
            // The second: there is no room for the index of the WAL file.
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Self::Full,
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Self::Busy,
            (ErrorCode::DatabaseCorrupt, _) | (_, ffi::SQLITE_IOERR_SHORT_READ) => {
                Self::Damaged("its pages contradict each other")
            }
            (ErrorCode::NotADatabase, _) => Self::Damaged("the file is not a database"),
            _ => Self::Sqlite(error),
        }
    }
}

/// A value that is not what its column holds.
fn from_reading(error: Error) -> StoreError {
    match error {
        Error::InvalidColumnType(..)
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..)
        | Error::QueryReturnedNoRows => StoreError::Damaged("a value is missing or of the wrong kind"),
        other => StoreError::Sqlite(other),
    }
}
