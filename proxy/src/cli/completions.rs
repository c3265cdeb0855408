//! `portcullis completions` and `portcullis man`: for packagers and shells.

use super::{CompletionsArgs, ManArgs, command, complain, print};
use std::process::ExitCode;

/// Prints completions for a shell.
pub(super) fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "portcullis", &mut out);
    print(&String::from_utf8_lossy(&out));
    ExitCode::SUCCESS
}

/// Prints a manual page.
pub(super) fn man(args: &ManArgs) -> ExitCode {
    let Some(page) = page(args.command.as_deref()) else {
        let names: Vec<String> = command().get_subcommands().map(|one| one.get_name().to_owned()).collect();
        complain(&format!("there is no such command; commands are: {}\n", names.join(", ")));
        return ExitCode::from(2);
    };
    let mut out = Vec::new();
    if clap_mangen::Man::new(page).render(&mut out).is_err() {
        return ExitCode::FAILURE;
    }
    print(&String::from_utf8_lossy(&out));
    ExitCode::SUCCESS
}

/// The definition of one command; building the whole gives it its full name, `portcullis-check`.
fn page(name: Option<&str>) -> Option<clap::Command> {
    let mut full = command();
    full.build();
    match name {
        None => Some(full),
        Some(name) => full.find_subcommand(name).cloned(),
    }
}
