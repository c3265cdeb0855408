//! `portcullis test`: the `tests:` of a configuration, decided offline.

use super::decide::{Asked, Deciding, Decision};
use super::{TestArgs, complain, print, unsound, warn};
use crate::config::{self, Config, ConfigTest};
use std::path::Path;
use std::process::ExitCode;

/// Runs the tests of every file.
pub fn run(args: &TestArgs) -> ExitCode {
    let sound = args.files.iter().filter(|file| !run_file(file)).count() == 0;
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `true` when all tests of the file hold.
fn run_file(file: &Path) -> bool {
    let loaded = match config::load(file) {
        Ok(loaded) => loaded,
        Err(problems) => {
            let _failed = unsound(&problems);
            return false;
        }
    };
    warn(&loaded.warnings);
    let Some(deciding) = Deciding::new(loaded.config) else { return false };
    let config = &deciding.config;
    let mut failed = 0;
    for test in &config.tests {
        let faults = run_test(test, &deciding);
        if !faults.is_empty() {
            failed += 1;
            complain(&format!("{}:{}: FAILED {}\n", file.display(), test.line, test.name));
            faults.iter().for_each(|fault| complain(&format!("    {fault}\n")));
        }
    }
    if config.tests.is_empty() {
        print(&format!("{}: no `tests:` in it\n", file.display()));
        return true;
    }
    let passed = config.tests.len() - failed;
    print(&format!("{}: {passed} passed, {failed} failed\n", file.display()));
    list_untested(&deciding);
    failed == 0
}

/// What does not hold, a sentence each.
fn run_test(test: &ConfigTest, deciding: &Deciding) -> Vec<String> {
    let config = &deciding.config;
    match Asked::of_test(test, config).decide(deciding) {
        Ok(decision) => compare(test, config, &decision),
        Err(error) => vec![error.to_string()],
    }
}

fn compare(test: &ConfigTest, config: &Config, decision: &Decision) -> Vec<String> {
    let expect = &test.expect;
    let admitted = decision.result.as_ref().ok();
    let row = decision.result.as_ref().err().map(crate::pipeline::reject::Rejection::row);
    let status = row.as_ref().map_or(200, |row| row.status.as_u16());
    let stage = row.as_ref().map(|row| row.stage.word().to_owned());
    let route =
        decision.known.route.and_then(|index| config.routes.get(index)).map(|route| route.name.to_string());
    let service =
        admitted.and_then(|to| config.services.get(to.way.service.0)).map(|service| service.name.to_string());
    let path = admitted.map(|to| to.way.target.path().to_owned());
    let mut faults = Vec::new();
    differ("status", expect.status.map(|s| s.to_string()), Some(status.to_string()), &mut faults);
    differ("stage", expect.stage.clone(), stage, &mut faults);
    differ("route", expect.route.clone(), route, &mut faults);
    differ("service", expect.service.clone(), service, &mut faults);
    differ("path", expect.upstream_path.clone(), path, &mut faults);
    for name in &expect.absent {
        if admitted.is_some() && decision.head.headers.contains_key(name.as_str()) {
            faults.push(format!("the upstream header {name} should be absent"));
        }
    }
    for (name, value) in &expect.present {
        let sent = decision
            .head
            .headers
            .get(name.as_str())
            .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        differ(&format!("upstream header {name}"), Some(value.clone()), sent, &mut faults);
    }
    faults
}

fn differ(what: &str, expected: Option<String>, found: Option<String>, faults: &mut Vec<String>) {
    let Some(expected) = expected else { return };
    if found.as_ref() != Some(&expected) {
        let found = found.unwrap_or_else(|| "none".to_owned());
        faults.push(format!("{what}: expected {expected}, found {found}"));
    }
}

/// Routes nobody tests, and whether any test expects a refusal.
fn list_untested(deciding: &Deciding) {
    let config = &deciding.config;
    let reached: Vec<_> = config
        .tests
        .iter()
        .filter_map(|test| Asked::of_test(test, config).decide(deciding).ok()?.known.route)
        .collect();
    let untested = config.routes.iter().enumerate().filter(|(index, _)| !reached.contains(index));
    let names: Vec<_> = untested.map(|(_, route)| route.name.to_string()).collect();
    if !names.is_empty() {
        print(&format!("    routes without a test: {}\n", names.join(", ")));
    }
}
