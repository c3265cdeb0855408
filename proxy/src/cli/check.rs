//! `portcullis check`: every problem of every file.

use super::{CheckArgs, Format, complain, print};
use crate::config::{self, Config, Diagnostic, Severity, diagnostic, effective};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Checks all files; 0 when all are sound.
pub(super) fn run(args: &CheckArgs) -> ExitCode {
    let mut all = Vec::new();
    let mut output = String::new();
    let mut sound = true;
    for file in &args.files {
        match config::load(file) {
            Ok(loaded) => {
                let of_files = config::check_endpoint_files(&loaded.config);
                let unsound = of_files.iter().any(|one| one.severity == Severity::Error);
                all.extend(loaded.warnings.into_iter().chain(of_files));
                if unsound {
                    sound = false;
                    continue;
                }
                output.push_str(&praise(file, &loaded.config, args));
            }
            Err(problems) => {
                sound = false;
                all.extend(problems.0);
            }
        }
    }
    report(&all, args.format);
    print(&output);
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(diagnostics: &[Diagnostic], format: Format) {
    match format {
        Format::Json => print(&format!("{:#}\n", diagnostic::to_json(diagnostics))),
        Format::Text if diagnostics.is_empty() => {}
        Format::Text => complain(&format!("{}\n", diagnostic::render(diagnostics))),
    }
}

/// What is said about a sound file.
fn praise(file: &Path, config: &Config, args: &CheckArgs) -> String {
    let mut text = String::new();
    if args.print_effective {
        if args.files.len() > 1 {
            // Writing to a String does not fail.
            let _ = writeln!(text, "---\n# {}", file.display());
        }
        text.push_str(&effective::to_yaml(config));
    } else if args.format == Format::Text {
        let Config { listeners, services, routes, .. } = config;
        let (listeners, services, routes) = (listeners.len(), services.len(), routes.len());
        let file = file.display();
        let _ =
            writeln!(text, "{file}: sound (listeners: {listeners}, services: {services}, routes: {routes})");
    }
    text
}
