//! Why a store has not decided.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use thiserror::Error;

/// Why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No answer in time.
    #[error("the store does not answer in time")]
    Timeout,
    /// No connection, or it broke.
    #[error("the store cannot be reached")]
    Unreachable,
    /// User or password are wrong, or may not do this.
    #[error("the store refuses this user")]
    Refused,
    /// It runs a slow script, loads its data, or parts of a cluster are down.
    #[error("the store is busy")]
    Busy,
    /// It takes no writes: a replica, or it cannot save.
    #[error("the store takes no writes")]
    ReadOnly,
    /// Its memory is full.
    #[error("the memory of the store is full")]
    OutOfMemory,
    /// It answered something else than expected.
    #[error("the store answers something else than expected")]
    Protocol,
    /// Its clock and that of this machine differ by more than a window of the calendar.
    #[error("the clock of the store differs by a day or more")]
    Clock,
    /// It is not asked, after failures.
    #[error("the store is not asked for now")]
    Open,
    /// The settings are impossible.
    #[error("{0}")]
    Settings(Box<str>),
}

impl StoreError {
    /// For metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::ReadOnly => "readonly",
            Self::OutOfMemory => "oom",
            Self::Protocol => "protocol",
            Self::Clock => "clock",
            Self::Open => "open",
            Self::Settings(_) => "settings",
        }
    }

    /// Whether another connection may help: it broke, or leads to a server that is no primary any more, or to one
    /// whose passwords have changed.
    pub(super) fn wants_reconnect(&self) -> bool {
        matches!(self, Self::Unreachable | Self::ReadOnly | Self::Refused)
    }
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Refused,
            ErrorKind::Io
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::ClusterConnectionNotFound => Self::Unreachable,
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::ReadOnly,
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask,
            ) => Self::Busy,
            _ => by_code(error.code().unwrap_or_default(), error.detail().unwrap_or_default()),
        }
    }
}

/// Codes the crate has no name for. Before version 7 a failure inside a script has the code `ERR`, and the real one in
/// its text.
fn by_code(code: &str, detail: &str) -> StoreError {
    match code {
        "OOM" => StoreError::OutOfMemory,
        "BUSY" => StoreError::Busy,
        "NOAUTH" | "WRONGPASS" => StoreError::Refused,
        "MISCONF" | "NOREPLICAS" => StoreError::ReadOnly,
        "CLOCKS" => StoreError::Clock,
        "ERR" if detail.contains("-OOM ") => StoreError::OutOfMemory,
        "ERR" if detail.contains("-READONLY ") || detail.contains("-MISCONF ") => StoreError::ReadOnly,
        _ => StoreError::Protocol,
    }
}
