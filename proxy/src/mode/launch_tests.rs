//! Becoming a command, in processes of their own: this test binary started once more.

use super::*;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

fn again(test: &str, script: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([&format!("mode::launch::tests::{test}"), "--exact", "--ignored", "--nocapture"])
        .env("LAUNCHED", script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "becomes another program: run in a process of its own by the tests of this file"]
fn become_what_the_environment_says() {
    let Some(script) = std::env::var_os("LAUNCHED") else { return };
    let starter = std::env::var("STARTER").ok().map(|pid| pid.parse().unwrap());
    let command: Vec<OsString> = match script.to_str() {
        Some(program) if program.starts_with("program:") => vec![program["program:".len()..].into()],
        _ => vec!["/bin/sh".into(), "-c".into(), script],
    };

    let fault = run(Arrange { starter, files: Some(64) }, &command);

    std::process::exit(i32::from(fault.code()));
}

#[test]
#[ignore = "is killed: run in a process of its own by a test of this file"]
fn start_somebody_and_be_killed() {
    if std::env::var_os("LAUNCHED").is_none() {
        return;
    }
    let mut launched = Command::new(std::env::current_exe().unwrap())
        .args([
            "mode::launch::tests::become_what_the_environment_says",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env("STARTER", getpid().as_raw_pid().to_string())
        .spawn()
        .unwrap();
    launched.wait().unwrap();
}

#[test]
fn the_command_takes_over_and_its_exit_code_is_the_answer() {
    let rows = [("exit 3", 3), ("program:/no/such/program", 127), ("program:/etc", 126)];

    for (script, code) in rows {
        let status = again("become_what_the_environment_says", script).wait().unwrap();

        assert_eq!(status.code(), Some(code), "{script}");
    }
}

#[test]
fn the_soft_limit_of_open_files_is_put_back() {
    let mut launched = again("become_what_the_environment_says", "echo limit $(ulimit -Sn)");

    let mut text = String::new();
    launched.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    launched.wait().unwrap();

    assert!(text.contains("limit 64"), "{text}");
}

#[test]
fn it_is_told_to_end_when_its_starter_is_killed() {
    let script = "trap 'echo told; exit' TERM; echo up; i=0; \
                  while [ $i -lt 6000 ]; do sleep 0.01; i=$((i+1)); done; echo lived";
    let mut starter = again("start_somebody_and_be_killed", script);
    let mut lines = BufReader::new(starter.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "up"));

    starter.kill().unwrap();
    starter.wait().unwrap();

    let rest: Vec<String> = lines.collect();
    assert_eq!(rest, ["told"]);
}

#[test]
fn it_does_not_begin_when_its_starter_is_gone_already() {
    let nobody = i32::MAX.to_string();

    let status = Command::new(std::env::current_exe().unwrap())
        .args(["mode::launch::tests::become_what_the_environment_says", "--exact", "--ignored"])
        .envs([("LAUNCHED", "exit 0"), ("STARTER", &nobody)])
        .stdout(Stdio::null())
        .status()
        .unwrap();

    assert_eq!(status.code(), Some(1));
}

#[test]
fn the_words_keep_what_an_outer_binary_needs() {
    let pid = getpid().as_raw_pid().to_string();
    let rows = [
        (vec!["sidecar", "--config", "a", "--", "app"], None, vec!["launch", "--starter", &pid]),
        (
            vec!["portcullis", "sidecar", "--", "sidecar"],
            Some(1024),
            vec!["portcullis", "launch", "--starter", &pid, "--files", "1024"],
        ),
    ];

    for (words, files, launch) in rows {
        let words = words.into_iter().map(OsString::from);

        assert_eq!(through(words, files), launch.into_iter().map(OsString::from).collect::<Vec<_>>());
    }
}
