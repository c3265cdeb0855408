//! `portcullis schema`: the JSON Schema of the configuration.

use super::print;
use crate::config::schema::schema;
use std::process::ExitCode;

/// Prints the schema.
pub(super) fn run() -> ExitCode {
    print(&format!("{:#}\n", schema()));
    ExitCode::SUCCESS
}
