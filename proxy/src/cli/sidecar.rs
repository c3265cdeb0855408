//! `portcullis sidecar`: the proxy beside one service.

use super::SidecarArgs;
use super::log::start_log;
use crate::mode::{self, launch, sidecar::Start};
use std::process::ExitCode;

/// Runs beside a service until it has drained, or until its application has ended.
pub fn run(args: &SidecarArgs) -> ExitCode {
    let Some(config) = &args.config else { return ExitCode::from(2) };
    let log = start_log();
    // Before it is raised: the application gets what we got.
    let files = launch::soft_file_limit();
    super::edge::raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            super::complain(&format!("error: cannot start: {error}\n"));
            return ExitCode::FAILURE;
        }
    };
    let start = Start { config, command: &args.command, files, log };
    match runtime.block_on(mode::sidecar::run(start)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            super::complain(&format!("error: {error}\n"));
            ExitCode::from(error.code())
        }
    }
}
