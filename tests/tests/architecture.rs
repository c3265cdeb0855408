//! The dependency law and the sizes: what the source may look like, read as text.
//!
//! The law: nobody imports the assembly (`mode`) but the commands that start it; stages do not import each other; raw
//! configuration stays in `config`; only `tls` touches TLS and only `config/yaml` the YAML reader; what decides is pure.

use portcullis_tests::{Report, repository};
use std::path::{Path, PathBuf};

/// A source file without its tests.
struct Source {
    /// Path from the repository, with `/`.
    path: String,
    /// As it stands.
    text: String,
    /// Without comments and without `#[cfg(test)]` modules.
    code: String,
}

/// Every Rust file below `folder`.
fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    collect(&repository().join(folder), &mut files);
    assert!(!files.is_empty(), "{folder} has no source");
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).expect("a file");
        let path = file.strip_prefix(repository()).expect("inside").display().to_string();
        Source { code: code(&text), path, text }
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// The lines that are product code: no comments, nothing from the first test module on.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = body.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// Whether a file is nothing but tests.
fn is_test(path: &str) -> bool {
    path.ends_with("_tests.rs")
        || path.ends_with("/tests.rs")
        || path.contains("/src/") && path.contains("/tests/")
        || path.contains("_tests/")
        || path.starts_with("tests/tests/")
}

fn product(folder: &str) -> Vec<Source> {
    sources(folder).into_iter().filter(|source| !is_test(&source.path)).collect()
}

/// The modules of the crate that `code` names: `crate::a::b`, also inside braces.
fn imports(code: &str) -> Vec<String> {
    let mut out = Vec::new();
    for part in code.split("crate::").skip(1) {
        let end = part.find(|c: char| !(c.is_alphanumeric() || "_:{}, ".contains(c))).unwrap_or(part.len());
        let path = part[..end].trim();
        match path.strip_prefix('{') {
            Some(list) => out.extend(
                list.split('}').next().unwrap_or_default().split(", ").map(|one| one.trim().to_owned()),
            ),
            None => out.push(
                path.split([',', ' ', '{', '}']).next().unwrap_or_default().trim_end_matches(':').to_owned(),
            ),
        }
    }
    out
}

/// The folder or file under `proxy/src` a path belongs to.
fn module(path: &str) -> &str {
    let rest = path.strip_prefix("proxy/src/").unwrap_or(path);
    rest.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

#[test]
fn nobody_imports_the_assembly_but_the_commands_that_start_it() {
    let mut report = Report::new();
    for source in product("proxy/src") {
        report.row(&source.path, "");
        let starts = ["cli", "main", "mode", "lib"].contains(&module(&source.path));
        let named = imports(&source.code).iter().any(|path| path == "mode" || path.starts_with("mode::"));
        report.check(starts || !named, || "imports mode".into());
    }
    report.end();
}

/// What stands side by side and must not know of each other.
const STAGES: [&str; 9] =
    ["listener", "tls", "admission", "route", "identity", "transform", "resilience", "balance", "upstream"];

/// The exceptions, each with its reason.
const SEAMS: [(&str, &str, &str); 13] = [
    ("admission", "route::path", "a path of a rule is compared as a path of a route"),
    ("admission", "identity::principal", "a rule asks who the user is and what its scopes are"),
    ("admission", "upstream::fetch", "issuers of tokens are asked for keys and judgements"),
    ("admission", "identity::headers", "rules do not look at what only we may say"),
    ("listener", "admission::overload", "no handshake when there is no memory left"),
    ("listener", "tls", "a listener shakes hands before it reads"),
    ("upstream", "tls", "a connection to a service shakes hands too"),
    ("upstream", "balance", "a service owns the state its endpoints are chosen by"),
    ("upstream", "resilience", "the one shell around what resilience decides is where attempts are made"),
    ("upstream", "route::split", "the place of an endpoint on the ring is found as that of a caller"),
    ("upstream", "listener::gate", "answers are held to the same framing rules as requests"),
    ("upstream", "identity", "protected names are deleted from trailers while they stream"),
    ("transform", "route", "a rewrite fills in what the match left"),
];

#[test]
fn stages_do_not_import_each_other() {
    let mut report = Report::new();
    for source in product("proxy/src") {
        let own = module(&source.path);
        if !STAGES.contains(&own) {
            continue;
        }
        report.row(&source.path, "");
        for path in imports(&source.code) {
            let first = path.split("::").next().unwrap_or_default();
            let seam = SEAMS
                .iter()
                .any(|(from, to, _)| *from == own && (path == *to || path.starts_with(&format!("{to}::"))));
            let foreign = STAGES.contains(&first) && first != own;
            report.check(!foreign || seam, || format!("imports {path}"));
        }
    }
    report.end();
}

#[test]
fn what_belongs_to_one_folder_stays_in_it() {
    let law: [(&str, &[&str]); 8] = [
        ("config::raw", &["proxy/src/config/"]),
        (
            "rustls::",
            &[
                "proxy/src/tls/",
                "ca/src/tls.rs",
                "ca/src/server/",
                "ca/src/client/",
                "ca/src/verify.rs",
                "ca/src/cli/probe.rs",
                "examples/src/people.rs",
            ],
        ),
        ("rusqlite", &["ca/src/store/"]),
        ("hickory", &["discovery/src/dns/"]),
        (
            "rcgen",
            &[
                "ca/src/key.rs",
                "ca/src/profile.rs",
                "ca/src/issuer.rs",
                "ca/src/cli/inspect/",
                "examples/src/people.rs",
            ],
        ),
        ("serde_saphyr", &["proxy/src/config/yaml.rs"]),
        ("prometheus_client", &["proxy/src/telemetry/"]),
        ("anyhow", &["proxy/src/cli/", "proxy/src/main.rs", "examples/"]),
    ];
    let mut report = Report::new();
    let all = ["proxy/src", "ca/src", "discovery/src", "examples/src"].into_iter().flat_map(product);
    for source in all {
        report.row(&source.path, "");
        for (word, homes) in law {
            let home = homes.iter().any(|home| source.path.starts_with(home));
            report.check(home || !source.code.contains(word), || format!("uses {word}"));
        }
    }
    report.end();
}

#[test]
fn the_authority_and_the_discovery_know_nothing_of_the_proxy() {
    for name in ["ca", "discovery"] {
        let manifest =
            std::fs::read_to_string(repository().join(name).join("Cargo.toml")).expect("a manifest");
        let wanted = |line: &str| line.starts_with("portcullis.") || line.starts_with("portcullis =");
        assert!(!manifest.lines().any(wanted), "{name}/Cargo.toml depends on the proxy");
        let other = if name == "ca" { "portcullis_discovery" } else { "portcullis_ca" };
        for source in sources(&format!("{name}/src")) {
            assert!(
                !source.code.contains("use portcullis::") && !source.code.contains(other),
                "{}",
                source.path
            );
        }
    }
}

/// Files of those folders that ask somebody outside, wait, or read what the machine says.
const SHELLS: [&str; 14] = [
    "admission/authenticate/authenticator.rs",
    "admission/authenticate/introspect/mod.rs",
    "admission/authenticate/issuer/keeper.rs",
    "admission/authenticate/issuer/mod.rs",
    "admission/limit/limiter.rs",
    "admission/limit/redis/client.rs",
    "admission/limit/redis/instances.rs",
    "admission/limit/redis/keeper.rs",
    "admission/overload/",
    "resilience/bulkhead",
    "discovery/src/clock.rs",
    "discovery/src/dns/",
    "discovery/src/feed.rs",
    "discovery/src/file.rs",
];

/// Folders in which every other file decides and does nothing else.
const PURE: [&str; 8] = [
    "proxy/src/admission/",
    "proxy/src/route/",
    "proxy/src/identity/",
    "proxy/src/transform/",
    "proxy/src/balance/",
    "proxy/src/resilience/",
    "proxy/src/listener/gate/",
    "discovery/src/",
];

#[test]
fn what_decides_is_pure() {
    let impure = [
        "tokio",
        "hyper",
        "Instant::now",
        "SystemTime::now",
        "fastrand",
        "TcpStream",
        "UdpSocket",
        "std::fs",
        "std::env",
    ];
    let mut report = Report::new();
    for source in ["proxy/src", "ca/src", "discovery/src"].into_iter().flat_map(product) {
        let head: String = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
        let says = head.contains(" Pure") || head.contains("Pure:") || head.contains("Pure.");
        let is_shell = SHELLS.iter().any(|shell| source.path.contains(shell));
        if !says && (is_shell || !PURE.iter().any(|folder| source.path.starts_with(folder))) {
            continue;
        }
        report.row(&source.path, "");
        for word in impure {
            report.check(!source.code.contains(word), || format!("mentions {word}"));
        }
    }
    report.end();
}

#[test]
fn the_clock_is_read_in_one_place() {
    for source in ["proxy/src", "ca/src", "discovery/src"].into_iter().flat_map(product) {
        let reads = ["Instant::now", "SystemTime::now"].iter().any(|word| source.code.contains(word));
        let home = ["proxy/src/clock.rs", "ca/src/clock.rs", "discovery/src/clock.rs"]
            .contains(&source.path.as_str());
        assert!(!reads || home, "{} reads the clock", source.path);
    }
}

fn everything() -> Vec<Source> {
    ["proxy/src", "ca/src", "discovery/src", "examples/src", "tests/src", "tests/tests"]
        .into_iter()
        .flat_map(sources)
        .collect()
}

#[test]
fn every_file_says_at_its_top_what_it_decides() {
    let mut report = Report::new();
    for source in everything() {
        report.row(&source.path, "");
        report.check(source.text.starts_with("//! "), || "does not open with //!".into());
    }
    report.end();
}

#[test]
fn files_and_functions_are_small() {
    let mut report = Report::new();
    for source in everything().into_iter().filter(|source| !is_test(&source.path)) {
        report.row(&source.path, "");
        let lines = source.text.split("#[cfg(test)]\nmod ").next().map_or(0, |text| text.lines().count());
        report.check(lines <= 500, || format!("has {lines} lines"));
        for (name, lines) in functions(&source.code) {
            report.check(lines <= 80, || format!("{name} has {lines} lines"));
        }
    }
    report.end();
}

/// Functions and their lengths; rustfmt puts the closing brace under the beginning.
fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut out = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start();
        let Some((before, after)) = words.split_once("fn ") else { continue };
        let qualifiers = ["pub", "const", "async", "unsafe", "pub(super)", "pub(crate)"];
        if words.ends_with(';') || !before.split_whitespace().all(|word| qualifiers.contains(&word)) {
            continue;
        }
        let name = after.split(['(', '<']).next().unwrap_or_default().to_owned();
        let closing = format!("{}}}", " ".repeat(indent));
        let end = lines.iter().skip(start).position(|line| *line == closing).unwrap_or(0);
        out.push((name, end + 1));
    }
    out
}

#[test]
fn no_test_is_skipped_without_a_reason() {
    let bare = ["#[ignore", "]"].concat();
    for source in everything() {
        assert!(!source.text.contains(&bare), "{} skips a test without saying why", source.path);
    }
}

#[test]
fn nothing_sleeps_and_no_test_says_that_it_is_one() {
    let sleep = ["thread::", "sleep"].concat();
    let prefix = ["fn ", "test_"].concat();
    for source in everything() {
        // The demo waits for processes it cannot be woken by.
        assert!(
            !source.text.contains(&sleep) || source.path.starts_with("examples/"),
            "{} sleeps",
            source.path
        );
        assert!(!source.text.contains(&prefix), "{} names a test test_", source.path);
    }
}

#[test]
fn the_law_itself_can_be_broken() {
    assert_eq!(
        imports("use crate::{mode, route::Table};\nlet x = crate::tls::client::X;"),
        ["mode", "route::Table", "tls::client::X"]
    );
    let long = format!("fn f() {{\n{}}}\n", "    x();\n".repeat(90));
    assert_eq!(functions(&long), [("f".to_owned(), 92)]);
    assert_eq!(code("//! a\nuse x; // y\n#[cfg(test)]\nmod tests {}\n"), "use x;\n");
    assert!(is_test("proxy/src/route/table_tests.rs") && !is_test("proxy/src/route/table.rs"));
}
