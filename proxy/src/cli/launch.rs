//! `portcullis launch`: becomes the application; started by `portcullis sidecar`, not by people.

use crate::mode::launch::{self, Arrange};
use clap::Args;
use std::ffi::OsString;
use std::process::ExitCode;

/// Arguments of `launch`.
#[derive(Debug, Args)]
pub(super) struct LaunchArgs {
    /// Process id of the sidecar: TERM comes when it dies.
    #[arg(long, value_name = "PID")]
    pub(super) starter: Option<i32>,
    /// Soft limit of open files.
    #[arg(long, value_name = "N")]
    pub(super) files: Option<u64>,
    /// The command.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

/// Becomes the command; the exit code when that failed.
pub(super) fn run(args: &LaunchArgs) -> ExitCode {
    let fault = launch::run(Arrange { starter: args.starter, files: args.files }, &args.command);
    super::complain(&format!("error: {fault}\n"));
    ExitCode::from(fault.code())
}
