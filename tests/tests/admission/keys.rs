//! API keys: made by the command, believed by the gateway, taken back while it runs.

use portcullis_tests::{Client, Config, Edge, Upstream, program, wait};
use std::path::Path;
use std::process::{Command, Output};

fn keys(words: &[&str], file: &Path) -> Output {
    let mut command = Command::new(program("portcullis"));
    command.arg("keys").args(words).arg("--file").arg(file).output().expect("it runs")
}

fn secret(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn config(upstream: &Upstream, file: &Path) -> Config {
    Config::new()
        .top(&format!("auth: {{ partner: {{ api_key: {{ keys: \"file:{}\" }} }} }}", file.display()))
        .service_text("app", &format!("endpoints: [\"{}\"], identity: headers", upstream.address()))
        .route_text("app", "match: GET /**, auth: partner, to: app")
}

fn ask(edge: &Edge, key: &str) -> u16 {
    Client::get("/x").header("x-api-key", key).send(edge.address()).status
}

#[test]
fn a_key_that_was_made_is_believed_until_it_is_taken_back_without_a_restart() {
    let upstream = Upstream::replying(200);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("partners.yaml");
    let first = secret(&keys(&["create", "--id", "acme-1", "--owner", "acme", "--tier", "premium"], &file));
    let edge = Edge::start(config(&upstream, &file));

    assert_eq!(ask(&edge, &first), 200);
    let request = upstream.request();
    assert_eq!(request.header("x-auth-user"), Some("acme"));
    assert_eq!(request.header("x-api-key"), None, "nobody behind us needs the secret");

    let second = secret(&keys(&["create", "--id", "acme-2", "--owner", "acme"], &file));
    wait::eventually("the new key", || (ask(&edge, &second) == 200).then_some(()));
    assert!(keys(&["revoke", "acme-1"], &file).status.success());
    wait::eventually("the old key to be refused", || (ask(&edge, &first) == 401).then_some(()));
    assert_eq!(ask(&edge, &second), 200);
    let list = String::from_utf8(keys(&["list"], &file).stdout).unwrap();
    assert!(list.contains("acme-2") && !list.contains("acme-1") && !list.contains(&second), "{list}");
}

#[test]
fn a_key_that_is_wrong_in_any_way_is_refused_with_a_challenge() {
    let upstream = Upstream::replying(200);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("partners.yaml");
    let key = secret(&keys(&["create", "--id", "acme", "--owner", "acme"], &file));
    let edge = Edge::start(config(&upstream, &file));

    assert_eq!(ask(&edge, &key), 200);
    for wrong in [&key[..key.len() - 1], &format!("{key}x"), "x", &key.to_uppercase()] {
        assert_eq!(ask(&edge, wrong), 401, "{wrong}");
    }
    let twice = Client::get("/x").header("x-api-key", &key).header("x-api-key", &key).send(edge.address());
    assert_eq!(twice.status, 401);
    let none = edge.get("/x");
    assert_eq!(none.header("www-authenticate"), Some("ApiKey header=\"x-api-key\""));
    assert_eq!(edge.get(&format!("/x?x-api-key={key}")).status, 401, "never in the query");
    let log: String = edge.messages().join("\n") + &format!("{:?}", edge.access_log());
    assert!(!log.contains(&key[..20]) || log.contains("url.query"), "the key stands in the log");
}

#[test]
fn a_file_that_became_unsound_leaves_the_keys_of_before_in_force() {
    let upstream = Upstream::replying(200);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("partners.yaml");
    let key = secret(&keys(&["create", "--id", "acme", "--owner", "acme"], &file));
    let edge = Edge::start(config(&upstream, &file));
    assert_eq!(ask(&edge, &key), 200);

    let text = std::fs::read_to_string(&file).unwrap();
    let entry = text.lines().find(|line| line.contains("acme")).unwrap().to_owned();
    std::fs::write(&file, format!("{text}{entry}\n")).unwrap();

    let message = edge.wait_for_message("refused");
    assert!(message.contains("acme") || edge.messages().join("\n").contains("acme"), "{message}");
    assert_eq!(ask(&edge, &key), 200);
}
