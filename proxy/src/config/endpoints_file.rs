//! A file of endpoints, as users write it: a list like `endpoints:` of a service. No part of the configuration, but
//! read by its reader.
//!
//! Decides what may stand in it and says everything that is wrong with its place. It must not know when it is looked
//! at, nor what is done with the endpoints.

use super::Config;
use super::context::{Context, Surroundings, read_bounded, reason};
use super::diagnostic::{Code, Diagnostic};
use super::findings::{Finding, Findings};
use super::service::Source;
use super::tree::{Span, Spanned, Value};
use super::{raw, read, resolve, yaml};
use portcullis_discovery::{Endpoint, Endpoints};
use std::path::Path;

/// Most problems that are told of one file where there is only one line to tell them in.
const MOST_TOLD: usize = 5;
/// What to write into such a file.
const HELP: &str = "write a list, as in `[\"10.0.0.7:8080\"]`; when there are none, `[]`";

/// Reads such a file; an empty list is sound.
///
/// # Errors
/// What is wrong, each with `line:column`, in one line.
pub fn endpoints_file(text: &str) -> Result<Endpoints, String> {
    let findings = Findings::default();
    let endpoints = endpoints(text, &findings);
    if !findings.has_errors() {
        return Ok(endpoints);
    }
    let errors: Vec<Finding> = findings.errors();
    let more = errors.len().saturating_sub(MOST_TOLD);
    let mut told: Vec<String> = errors.iter().take(MOST_TOLD).map(tell).collect();
    told.extend((more > 0).then(|| format!("and {more} more")));
    Err(told.join("; "))
}

fn tell(error: &Finding) -> String {
    let Span { line, column, .. } = error.span;
    let place = if line == 0 { String::new() } else { format!("{line}:{column}: ") };
    let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{place}{}{help}", error.message)
}

/// What is wrong with the files of endpoints a configuration names. One that is not there has been said when the
/// configuration was loaded.
pub fn check_endpoint_files(config: &Config) -> Vec<Diagnostic> {
    let paths = config.services.iter().filter_map(|service| match &service.source {
        Source::File(path) => Some(path.as_path()),
        Source::Listed(_) | Source::Dns(_) => None,
    });
    let mut paths: Vec<&Path> = paths.filter(|path| path.exists()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.into_iter().flat_map(check).collect()
}

fn check(path: &Path) -> Vec<Diagnostic> {
    let findings = Findings::default();
    let text = match read_bounded(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            let message = format!("cannot read the endpoints: {}", reason(&error));
            findings.add(Finding::error(Code::BadFile, Span::default(), message));
            String::new()
        }
    };
    if !findings.has_errors() {
        endpoints(&text, &findings);
    }
    let sorted = findings.sorted();
    let hidden: Vec<Span> = sorted.iter().filter(|one| one.hidden).map(|one| one.span).collect();
    let lines: Vec<&str> = text.lines().collect();
    sorted.into_iter().map(|finding| Diagnostic::new(finding, path, &lines, &hidden)).collect()
}

/// The endpoints; to be used only when nothing was wrong.
fn endpoints(text: &str, findings: &Findings) -> Endpoints {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(root) = yaml::parse(text, findings) else { return Endpoints::default() };
    if !matches!(root.value, Value::List(_)) {
        let empty = matches!(root.value, Value::Null);
        let message = if empty {
            "the file is empty".to_owned()
        } else {
            format!("the file must be a list of endpoints, not {}", root.value.noun())
        };
        findings.add(Finding::error(Code::WrongType, root.span, message).help(HELP));
        return Endpoints::default();
    }
    let list: Vec<Spanned<raw::Endpoint>> = read::read(&root, findings);
    let nothing = |_: &str| None;
    let around = Surroundings { cores: 1, open_files: 0, env: &nothing };
    let context = Context::new(findings, &around, (Path::new(""), text));
    let endpoints = resolve::source::endpoints(&list, false, &context);
    let known = endpoints.into_iter().map(|one| Endpoint {
        weight: one.weight,
        zone: one.zone,
        ..Endpoint::at(one.address)
    });
    // What could be wrong with them has been said.
    Endpoints::new(known).unwrap_or_default()
}

#[cfg(test)]
#[path = "endpoints_file_tests.rs"]
mod tests;
