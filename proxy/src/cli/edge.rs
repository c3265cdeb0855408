//! `portcullis edge`: the gateway itself.

use super::EdgeArgs;
use crate::admin::{LogLevel, log_level};
use crate::mode;
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Shows and changes the level of the process's own log.
pub type LogHandle = LogLevel;

/// Runs the gateway until it has drained.
pub fn run(args: &EdgeArgs) -> ExitCode {
    let log = start_log();
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            super::complain(&format!("error: cannot start: {error}\n"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(mode::edge::run(&args.config, log)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::complain(&format!("{error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// The process's own log: lines for people on standard error, level from `PORTCULLIS_LOG` (default `info`).
fn start_log() -> LogHandle {
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

/// Every connection is two files: take as many as the system gives without asking.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_err() {
        tracing::warn!("the limit of open files could not be raised");
    }
}
