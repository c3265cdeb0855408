//! Why a service outside gave no answer that can be used. Pure.

/// Why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Its name has no address.
    #[error("the name cannot be resolved: {0}")]
    Resolve(Box<str>),
    /// No address takes connections.
    #[error("no connection: {0}")]
    Connect(Box<str>),
    /// It is not who it should be, or the authorities to believe cannot be read.
    #[error("TLS: {0}")]
    Tls(Box<str>),
    /// It took too long in all.
    #[error("no answer in time")]
    Timeout,
    /// What it says is not HTTP, or ends too early.
    #[error("HTTP: {0}")]
    Protocol(Box<str>),
    /// The answer is larger than it may be.
    #[error("the answer is too large")]
    TooLarge,
    /// It points elsewhere. Nobody goes there: whoever answers is believed because of the configured name.
    #[error("the answer is a redirect, which is never followed")]
    Redirected,
    /// It answers with anything but success.
    #[error("the answer has status {0}")]
    Status(u16),
}

impl FetchError {
    /// The word in logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Resolve(_) => "resolve",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout => "timeout",
            Self::Protocol(_) => "protocol",
            Self::TooLarge => "too_large",
            Self::Redirected => "redirected",
            Self::Status(_) => "status",
        }
    }
}
