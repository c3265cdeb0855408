//! `portcullis edge`: the gateway itself.

use super::EdgeArgs;
use super::log::start_log;
use crate::mode;
use std::process::ExitCode;

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

/// Every connection is two files: take as many as the system gives without asking.
pub(super) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_err() {
        tracing::warn!("the limit of open files could not be raised");
    }
}
