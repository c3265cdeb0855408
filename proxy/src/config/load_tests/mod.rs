//! Every message, with its place; several errors in one run; what loads; nothing panics.

use super::*;

mod address;
mod auth;
mod authorize;
mod cors;
mod keys;
mod limits;
mod listeners;
mod meaning;
mod mesh;
mod overload;
mod proofs;
mod resilience;
mod routes;
mod services;
mod serving;
mod sidecar;
mod source;
mod spends;
mod stores;
mod syntax;
mod whole;

/// Surroundings that do not depend on the machine.
const AROUND: Surroundings<'static> = Surroundings { cores: 2, open_files: 1024, env: &env };

fn env(name: &str) -> Option<String> {
    let value = match name {
        "TOKEN" => "s3cret",
        "REDIS_URL" => "redis://u:hunter2@redis.internal:6380/3",
        _ => return None,
    };
    Some(value.to_owned())
}

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

/// As [`expect`], of a text in which what must be marked stands in `«…»`, with `code: message | help` of each.
#[track_caller]
fn expect_marked(text: &str, problems: &[&str]) {
    let (mut clean, mut places) = (String::new(), Vec::new());
    let (mut line, mut column, mut from) = (1, 1, 0);
    for c in text.chars() {
        match c {
            '«' => {
                places.push(format!("{line}:{column}"));
                from = clean.len();
            }
            '»' => {
                if let Some(place) = places.last_mut() {
                    *place += &format!(" [{}]", &clean[from..]);
                }
            }
            c => {
                (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
                clean.push(c);
            }
        }
    }
    assert_eq!(places.len(), problems.len(), "{text}");
    let wanted: Vec<String> =
        places.iter().zip(problems).map(|(place, problem)| format!("{place} {problem}")).collect();
    assert_eq!(said(&clean), wanted, "\n{clean}");
}

/// A service `a` with these fields that a route goes to; see [`expect_marked`].
#[track_caller]
fn expect_of_service(fields: &str, problems: &[&str]) {
    expect_marked(
        &format!(
            "{HEAD}services: {{ a: {{ {fields} }} }}\nroutes: [{{ name: r, match: GET /, auth: public, to: a }}]\n"
        ),
        problems,
    );
}

/// The file of a sidecar, one section a line; see [`sidecar`].
const SIDECAR: [&str; 5] = [
    "version: 1",
    "workload: { service: order, app: 127.0.0.1:8080 }",
    "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: state }",
    "inbound: { bind: 0.0.0.0:15108 }",
    "authorize: [{ id: edge, from: [spiffe://shop.example/edge] }]",
];

/// [`SIDECAR`] with sections replaced in their place, added from line 6 on, or with `-name` taken out.
fn sidecar(sections: &[&str]) -> String {
    let key = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let mut lines: Vec<String> = SIDECAR.iter().map(ToString::to_string).collect();
    for section in sections {
        let name = section.strip_prefix('-').map_or_else(|| key(section), str::to_owned);
        let at = lines.iter().position(|line| key(line) == name);
        let line = if section.starts_with('-') { String::new() } else { (*section).to_owned() };
        match at {
            Some(at) => lines[at] = line,
            None => lines.push(line),
        }
    }
    lines.join("\n") + "\n"
}

/// What loading `text` gives in a folder with a join token `token`, a chain `c.pem`, its key `k.pem` and a bundle
/// `b.pem`; the folder itself reads `DIR`.
fn load_among_files(text: &str) -> (Result<Loaded, Problems>, String) {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::TempDir::new().unwrap();
    let pem = |label: &str| format!("-----BEGIN {label}-----\nAA==\n-----END {label}-----\n");
    for (name, content) in [
        ("token", "pct1.x".to_owned()),
        ("c.pem", pem("CERTIFICATE")),
        ("b.pem", pem("CERTIFICATE")),
        ("k.pem", pem("PRIVATE KEY")),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    (parse_in(text, &dir.path().join("file.yaml"), &AROUND), dir.path().display().to_string())
}

/// As [`said`], among the files of [`load_among_files`].
fn said_among_files(text: &str) -> Vec<String> {
    let (loaded, dir) = load_among_files(text);
    let all = match loaded {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems.0,
    };
    all.iter().map(|one| say(one).replace(&dir, "DIR")).collect()
}

/// A sidecar with these sections must lead to these problems and no other.
#[track_caller]
fn expect_sidecar(sections: &[&str], problems: &[&str]) {
    let text = sidecar(sections);
    assert_eq!(said_among_files(&text), problems, "\n{text}");
}

/// An edge with these sections must lead to these problems and no other.
#[track_caller]
fn expect_edge(sections: &[&str], problems: &[&str]) {
    let text = edge(sections);
    assert_eq!(said_among_files(&text), problems, "\n{text}");
}

/// [`HEAD`] with sections from line 3 on.
fn edge(sections: &[&str]) -> String {
    HEAD.to_owned() + &sections.join("\n") + "\n"
}

/// An edge whose clients may show a certificate (entry `d` of `auth:`); sections begin at line 5.
const KNOWN: &str = "version: 1
listeners: [{ bind: 127.0.0.1:1, tls: { certificates: [{ cert: c.pem, key: file:k.pem }], client_ca: b.pem } }]
auth: { d: { certificate: { subjects: [CN=a] } } }
services: { a: { endpoints: [\"127.0.0.1:1\"] } }
";

/// [`KNOWN`] with these sections must lead to these problems and no other, besides that nobody uses `d`.
#[track_caller]
fn expect_known(sections: &[&str], problems: &[&str]) {
    let text = KNOWN.to_owned() + &sections.join("\n") + "\n";
    let mut said = said_among_files(&text);
    said.retain(|one| !one.starts_with("2:") && !one.starts_with("3:"));
    assert_eq!(said, problems, "\n{text}");
}

/// A limit `x` with these fields, from column 16 of line 5, asked by a route that knows its users.
#[track_caller]
fn expect_limit(fields: &str, problems: &[&str]) {
    let route = "routes: [{ name: r, match: GET /, auth: d, to: a, limits: [x] }]";
    expect_known(&[&format!("limits: {{ x: {{ {fields} }} }}"), route], problems);
}

/// One route of service `a`, from column 12 of line 4.
#[track_caller]
fn expect_route(fields: &str, problems: &[&str]) {
    expect(&format!("{SERVED}routes: [{{ {fields} }}]\n"), problems);
}
