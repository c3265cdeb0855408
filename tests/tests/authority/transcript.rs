//! The README of the authority is typed as it stands.

use portcullis_tests::{program, repository, wait};
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// The commands of the section, one a line.
fn transcript() -> Vec<String> {
    let readme = std::fs::read_to_string(repository().join("ca/README.md")).expect("a README");
    let section = readme.split("## From nothing to a verified connection").nth(1).expect("the section");
    let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    block.lines().map(str::to_owned).collect()
}

/// A port nobody has at this moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

#[test]
fn the_transcript_of_the_readme_ends_in_a_verified_connection() {
    let commands = transcript();
    assert_eq!(commands.len(), 6, "{commands:#?}");
    let folder = tempfile::tempdir().expect("a folder");
    // Ports of our own: another test may hold those of the README.
    let (ca, service) = (free_port(), free_port());
    let mut script = commands.join("\n").replace("4433", &service.to_string());
    script = script.replacen(
        "portcullis ca init shop.example",
        &format!("portcullis ca init shop.example --url https://127.0.0.1:{ca}"),
        1,
    );
    script = script.replacen("portcullis ca serve", &format!("portcullis ca serve --bind 127.0.0.1:{ca}"), 1);
    let script = format!("set -eu\ntrap 'kill $(jobs -p)' EXIT\n{script}\n");
    let bin = program("portcullis");
    let path =
        format!("{}:{}", bin.parent().expect("a folder").display(), std::env::var("PATH").expect("a PATH"));

    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(folder.path()).env("PATH", path).env_remove("PORTCULLIS_CA_DIR");
    let log = std::fs::File::create(folder.path().join("log")).expect("a file");
    shell.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
    let mut child = shell.spawn().expect("bash");
    let status = wait::eventually("the transcript to end", || child.try_wait().expect("a child"));

    let said = std::fs::read_to_string(folder.path().join("log")).expect("a log");
    assert!(status.success(), "{said}");
    assert!(said.contains("verify return:1") || said.contains("Verify return code: 0 (ok)"), "{said}");
    assert!(said.contains("URI:spiffe://shop.example/svc/order"), "the service saw its caller: {said}");
}
