//! A file to a [`Config`], or to everything that is wrong with it.
//!
//! Order: text → tree with places → raw structs → meaning → proofs over the whole. Each step reports all it
//! finds; only text that is no YAML at all ends the run early.

use super::context::{Context, Surroundings, reason};
use super::diagnostic::{Code, Diagnostic, Problems, Severity};
use super::findings::{Finding, Findings};
use super::tree::{Node, Span, Value};
use super::{Config, proofs, raw, read, resolve, yaml};
use std::path::Path;

/// Largest configuration file.
const MAX_FILE: u64 = 4 << 20;

/// A sound configuration and what is still remarkable about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Things that load, but are probably not what was meant.
    pub warnings: Vec<Diagnostic>,
}

/// Loads a file, with the cores, file limit and environment of this process.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let text = text(path).map_err(|finding| Problems(vec![Diagnostic::new(finding, path, &[], &[])]))?;
    parse(&text, path)
}

/// As [`load`], with the text given; `path` is where relative paths start and what messages name.
pub fn parse(text: &str, path: &Path) -> Result<Loaded, Problems> {
    let around = Surroundings {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        open_files: rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX),
        env: &|name| std::env::var(name).ok(),
    };
    parse_in(text, path, &around)
}

/// As [`parse`], in given surroundings.
pub(super) fn parse_in(text: &str, path: &Path, around: &Surroundings<'_>) -> Result<Loaded, Problems> {
    let findings = Findings::default();
    let config = meaning(text, path, around, &findings);
    let sorted = findings.sorted();
    let hidden: Vec<Span> = sorted.iter().filter(|one| one.hidden).map(|one| one.span).collect();
    let (warnings, errors): (Vec<_>, Vec<_>) =
        sorted.into_iter().partition(|finding| finding.severity == Severity::Warning);
    let lines: Vec<&str> = text.lines().collect();
    let place = |finding| Diagnostic::new(finding, path, &lines, &hidden);
    match config {
        Some(config) if errors.is_empty() => {
            Ok(Loaded { config, warnings: warnings.into_iter().map(place).collect() })
        }
        // Errors first: they are what has to be read.
        _ => Err(Problems(errors.into_iter().chain(warnings).map(place).collect())),
    }
}

fn meaning(text: &str, path: &Path, around: &Surroundings<'_>, findings: &Findings) -> Option<Config> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = yaml::parse(text, findings)?;
    if let Value::Null = root.value {
        let help = "begin with `version: 1`";
        findings.add(Finding::error(Code::Syntax, Span::default(), "the file is empty").help(help));
        return None;
    }
    let raw: raw::File = read::read(&root, findings);
    let mut context = Context::new(findings, around, (path, text));
    let config = resolve::config(&raw, &mut context, top(&root));
    proofs::check(&raw, &config, &context);
    Some(Config { files: context.into_files(), ..config }).filter(|_| !findings.has_errors())
}

/// What is missing at the top is said at the first line.
fn top(root: &Node) -> Span {
    Span { line: root.span.line.max(1), column: root.span.column.max(1), len: root.span.len }
}

fn text(path: &Path) -> Result<String, Finding> {
    let whole = |code, message: String, help: &str| Finding::error(code, Span::default(), message).help(help);
    let cannot = |error: &std::io::Error| {
        whole(
            Code::BadFile,
            format!("cannot read the configuration: {}", reason(error)),
            "check the path and its permissions",
        )
    };
    // A pipe has no size: it is read up to the limit like everything else.
    let file = std::fs::File::open(path).map_err(|error| cannot(&error))?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_FILE + 1), &mut bytes)
        .map_err(|error| cannot(&error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(whole(
            Code::TooLarge,
            "the file is larger than 4 MiB".to_owned(),
            "split it over several processes, or generate fewer routes",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        whole(Code::Syntax, format!("the file is not UTF-8 (byte {at})"), "save it as UTF-8")
    })
}

#[cfg(test)]
#[path = "load_tests/mod.rs"]
mod tests;
