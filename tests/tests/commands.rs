//! The commands of the binary: what they print, and how they end. Every configuration under `examples/` is checked here.

use portcullis_tests::{Config, Edge, program, repository};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// How a command ended, and all it printed.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(name: &str, words: &[&str]) -> Ran {
    let Output { status, stdout, stderr } =
        Command::new(program(name)).args(words).env("NO_COLOR", "1").output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

fn portcullis(words: &[&str]) -> Ran {
    run("portcullis", words)
}

/// A file that goes with its folder.
struct Written {
    folder: tempfile::TempDir,
}

impl Written {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("edge.yaml"), text).expect("written");
        Self { folder }
    }

    fn path(&self) -> String {
        self.folder.path().join("edge.yaml").display().to_string()
    }
}

const SOUND: &str = "\
version: 1
listeners: [{ bind: \"127.0.0.1:0\" }]
services: { api: { endpoints: [\"127.0.0.1:9\"] } }
routes:
  - { name: things, match: \"GET /things/**\", auth: public, to: api, path: /inner/** }
tests:
  - { name: inner, send: GET /things/1, expect: { route: things, path: /inner/1 } }
";

const WRONG: &str = "\
version: 1
listeners:
  - { bind: \"127.0.0.1:0\", htpp: [h1] }
services: { orders: { endpoints: [\"127.0.0.1:9\"] } }
routes:
  - { name: things, match: \"GET /things/**\", auth: public, to: ordres }
  - { name: slow, match: GET /slow, auth: public, to: orders, timeout: { request: 5 } }
";

#[test]
fn check_says_everything_that_is_wrong_at_once_and_where() {
    let (sound, wrong) = (Written::new(SOUND), Written::new(WRONG));

    let good = portcullis(&["check", &sound.path()]);
    let bad = portcullis(&["check", &sound.path(), &wrong.path()]);

    assert_eq!(good.code, Some(0), "{}{}", good.out, good.err);
    assert_eq!(bad.code, Some(1));
    let said = format!("{}{}", bad.out, bad.err);
    for part in [
        "edge.yaml:3:28",
        "did you mean `http`?",
        "edge.yaml:6:",
        "did you mean `orders`?",
        "edge.yaml:7:",
        "3 errors",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
}

#[test]
fn check_speaks_json_to_programs() {
    let wrong = Written::new(WRONG);

    let ran = portcullis(&["check", "--format", "json", &wrong.path()]);

    let found: Value = serde_json::from_str(&ran.out).expect("JSON");
    let found = found.as_array().expect("a list");
    assert_eq!((ran.code, found.len()), (Some(1), 3), "{}", ran.out);
    let first = found.first().expect("one");
    assert_eq!(
        (&first["severity"], &first["code"], &first["line"]),
        (&"error".into(), &"unknown-key".into(), &3.into())
    );
}

#[test]
fn the_effective_configuration_is_sound_and_says_the_same_again() {
    let sound = Written::new(SOUND);

    let once = portcullis(&["check", "--print-effective", &sound.path()]);
    let again = Written::new(&once.out);
    let twice = portcullis(&["check", "--print-effective", &again.path()]);

    assert_eq!((once.code, twice.code), (Some(0), Some(0)), "{}{}", twice.out, twice.err);
    assert_eq!(once.out, twice.out);
    assert!(once.out.contains("header: 10s") && once.out.contains("connect: 1s"), "{}", once.out);
}

#[test]
fn the_tests_of_a_file_are_run_and_the_command_fails_with_them() {
    let sound = Written::new(SOUND);
    let failing = Written::new(&SOUND.replace("path: /inner/1 }", "path: /outer/1 }"));

    let (good, bad) = (portcullis(&["test", &sound.path()]), portcullis(&["test", &failing.path()]));

    assert_eq!(good.code, Some(0), "{}{}", good.out, good.err);
    assert_eq!(bad.code, Some(1), "{}{}", bad.out, bad.err);
    let said = format!("{}{}", bad.out, bad.err);
    assert!(said.contains("inner") && said.contains("/outer/1") && said.contains("/inner/1"), "{said}");
}

#[test]
fn explain_says_where_a_request_goes_or_who_refuses_it() {
    let sound = Written::new(SOUND);
    let explain = |request: &str| portcullis(&["explain", "--config", &sound.path(), request]);

    let (admitted, refused, unsound) =
        (explain("GET /things/1?a=b"), explain("GET /other"), explain("GET /things/%2e%2e/x"));

    assert_eq!(admitted.code, Some(0), "{}", admitted.err);
    for part in ["things", "api", "/inner/1", "x-forwarded-for"] {
        assert!(admitted.out.contains(part), "{part:?} is not in\n{}", admitted.out);
    }
    assert_eq!((refused.code, unsound.code), (Some(3), Some(3)));
    assert!(refused.out.contains("404") && refused.out.contains("route"), "{}", refused.out);
    assert!(unsound.out.contains("400") && unsound.out.contains("path"), "{}", unsound.out);
}

#[test]
fn schema_is_json_that_knows_every_section() {
    let ran = portcullis(&["schema"]);

    let schema: Value = serde_json::from_str(&ran.out).expect("JSON");
    for section in
        ["listeners", "services", "routes", "observe", "tests", "trust", "strict", "admin", "drain"]
    {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
    assert_eq!(ran.code, Some(0));
}

#[test]
fn what_is_meant_for_people_and_packagers_is_there() {
    for words in [
        &["--help"][..],
        &["--version"],
        &["man"],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["completions", "fish"],
    ] {
        let ran = portcullis(words);
        assert_eq!(ran.code, Some(0), "{words:?} {}", ran.err);
        assert!(ran.out.contains("portcullis"), "{words:?}");
    }
}

#[test]
fn wrong_words_are_2_and_what_cannot_be_run_is_1() {
    assert_eq!(portcullis(&["edgee"]).code, Some(2));
    assert_eq!(portcullis(&["check"]).code, Some(2));
    let missing = portcullis(&["edge", "--config", "/nowhere/edge.yaml"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("/nowhere/edge.yaml"), "{}", missing.err);

    let wrong = Edge::try_start(Config::raw(WRONG)).expect_err("it does not start");
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.messages.contains("did you mean `http`?"), "{}", wrong.messages);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let text = SOUND.replace("127.0.0.1:0", &taken.local_addr().expect("an address").to_string());
    let busy = Edge::try_start(Config::raw(text)).expect_err("it does not start");
    assert_eq!(busy.code, Some(1));
    assert!(busy.messages.contains("in use"), "{}", busy.messages);
}

/// Every file under `examples/` that is no program, as a path from there; what the demo makes for itself left out.
fn example_files() -> Vec<PathBuf> {
    let root = repository().join("examples");
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let inner = path.strip_prefix(&root).expect("inside").to_owned();
            if !path.is_dir() {
                files.push(inner);
            } else if ![Path::new("src"), Path::new("shop/people")].contains(&&*inner) {
                folders.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Those that are configurations.
fn examples(files: &[PathBuf]) -> Vec<&PathBuf> {
    let root = repository().join("examples");
    let is_config = |file: &&PathBuf| {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let has = |key: &str| text.lines().any(|line| line.starts_with(key));
        file.extension().is_some_and(|end| end == "yaml") && (has("listeners:") || has("workload:"))
    };
    files.iter().filter(is_config).collect()
}

/// A copy of `examples/` in which the certificates are made that are not kept.
fn furnished(files: &[PathBuf]) -> tempfile::TempDir {
    let (examples, copy) = (repository().join("examples"), tempfile::tempdir().expect("a folder"));
    for file in files {
        let to = copy.path().join(file);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::fs::copy(examples.join(file), to).expect("a copy");
    }
    let made =
        Command::new("sh").arg(examples.join("tls/make-certs.sh")).arg(copy.path().join("tls")).status();
    assert!(made.expect("sh runs").success());
    let people = copy.path().join("shop/people").display().to_string();
    assert_eq!(run("shop", &["people", &people]).code, Some(0));
    copy
}

#[test]
fn every_example_is_sound_and_its_tests_pass() {
    let all = example_files();
    let files = examples(&all);
    for known in ["shop/portcullis.yaml", "shop/sidecars/payment.yaml", "mesh/users.yaml"] {
        assert!(files.iter().any(|file| *file == Path::new(known)), "{files:?}");
    }

    let copy = furnished(&all);

    for file in files {
        let path = copy.path().join(file).display().to_string();
        for command in ["check", "test"] {
            let ran = portcullis(&[command, &path]);
            assert_eq!(ran.code, Some(0), "{command} {path}\n{}{}", ran.out, ran.err);
        }
    }
}

#[test]
fn the_demo_does_what_it_promises() {
    let ran = run("shop", &["--check"]);

    assert_eq!(ran.code, Some(0), "{}\n{}", ran.out, ran.err);
}
