//! The process's own log, of those commands that run for long.

use crate::admin::{LogLevel, log_level};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The process's own log: lines for people on standard error, level from `PORTCULLIS_LOG` (default `info`).
pub(super) fn start_log() -> LogLevel {
    let wanted = std::env::var("PORTCULLIS_LOG").unwrap_or_else(|_unset| "info".to_owned());
    let filter = EnvFilter::try_new(&wanted).unwrap_or_else(|error| {
        super::complain(&format!(
            "warning: PORTCULLIS_LOG={wanted} is not understood, using info: {error}\n"
        ));
        EnvFilter::new("info")
    });
    let (filter, handle) = tracing_subscriber::reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    // Fails only when a log was started before, in a process that embeds this one: then that one is used.
    let _already = tracing_subscriber::registry().with(filter).with(lines).try_init().is_err();
    log_level(handle)
}
