//! `observe:`: logs, metrics, trace propagation.

use std::net::SocketAddr;
use std::path::PathBuf;

/// The `observe:` block.
#[derive(Debug, Clone, Default)]
pub struct Observe {
    /// The access log; `None` = off.
    pub access_log: Option<AccessLog>,
    /// A listener of its own for `/metrics`; the admin listener has it too.
    pub metrics: Option<SocketAddr>,
    /// Which trace headers are read and written besides W3C `traceparent`.
    pub b3: B3,
}

/// The access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where lines go.
    pub to: LogSink,
    /// Query parameters whose values are written as `REDACTED`.
    pub redact_query: Vec<String>,
}

/// Where access log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSink {
    /// Standard output. The default.
    Stdout,
    /// Standard error.
    Stderr,
    /// Appended to a file.
    File(PathBuf),
}

/// B3 propagation (Zipkin).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum B3 {
    /// Neither read nor written.
    #[default]
    Off,
    /// One `b3` header.
    Single,
    /// `X-B3-TraceId`, `X-B3-SpanId`, `X-B3-Sampled`.
    Multi,
}
