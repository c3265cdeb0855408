//! Every message, with its place; several errors in one run; what loads; nothing panics.

use super::*;

mod keys;
mod listeners;
mod proofs;
mod routes;
mod services;
mod syntax;
mod whole;

/// Surroundings that do not depend on the machine.
const AROUND: Surroundings<'static> =
    Surroundings { cores: 2, open_files: 1024, env: &|name| (name == "TOKEN").then(|| "s3cret".to_owned()) };

/// A complete file around the parts of a test.
const HEAD: &str = "version: 1\nlisteners: [{ bind: 127.0.0.1:8080 }]\n";
/// As [`HEAD`], with a service `a`; the next line is 4.
const SERVED: &str =
    "version: 1\nlisteners: [{ bind: 127.0.0.1:8080 }]\nservices: { a: { endpoints: [\"127.0.0.1:1\"] } }\n";

fn load(text: &str) -> Result<Loaded, Problems> {
    parse_in(text, Path::new("/etc/portcullis/edge.yaml"), &AROUND)
}

/// All problems as `line:column [marked text] code: message | help`.
fn said(text: &str) -> Vec<String> {
    let all = match load(text) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems.0,
    };
    all.iter().map(say).collect()
}

fn say(one: &Diagnostic) -> String {
    let help = one.help.as_ref().map(|help| format!(" | {help}")).unwrap_or_default();
    let marked: String = one.snippet.chars().skip(one.column.saturating_sub(1)).take(one.len).collect();
    format!("{}:{} [{marked}] {}: {}{help}", one.line, one.column, one.code, one.message)
}

/// The text must lead to these problems and no other.
#[track_caller]
fn expect(text: &str, problems: &[&str]) {
    assert_eq!(said(text), problems, "\n{text}");
}

/// One route of service `a`, from column 12 of line 4.
#[track_caller]
fn expect_route(fields: &str, problems: &[&str]) {
    expect(&format!("{SERVED}routes: [{{ {fields} }}]\n"), problems);
}
