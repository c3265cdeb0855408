//! The application as a real process: how it starts, is told, ends.

use super::*;
use rustix::process::{set_child_subreaper, test_kill_process};
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

/// No test takes that long unless something is broken.
const LONG: Duration = Duration::from_secs(120);

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn shell(script: &str) -> Child {
    Child::spawn(&words(&["/bin/sh", "-c", script]), None).unwrap()
}

async fn end(child: &Child) -> Ended {
    timeout(LONG, child.ended()).await.expect("it does not end")
}

async fn exists(file: &Path) {
    let look = async {
        while !file.exists() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, look).await.expect("it does not begin");
}

#[tokio::test]
async fn its_exit_code_is_told_as_a_shell_tells_it() {
    let rows = [
        ("exit 0", Ended::Code(0), 0),
        ("exit 3", Ended::Code(3), 3),
        ("exit 255", Ended::Code(255), 255),
        ("kill -TERM $$", Ended::Signal(15), 143),
        ("kill -KILL $$", Ended::Signal(9), 137),
    ];

    for (script, ended, code) in rows {
        let child = shell(script);

        assert_eq!(end(&child).await, ended, "{script}");
        assert_eq!(end(&child).await.code(), code, "asked again: {script}");
    }
}

#[tokio::test]
async fn a_command_that_cannot_be_run_is_told_as_a_shell_tells_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    std::fs::write(&file, "nothing to run").unwrap();
    let rows = [
        (words(&[]), 1, "no command"),
        (words(&["/no/such/program"]), 127, "`/no/such/program`: command not found"),
        (words(&["no-such-program-anywhere"]), 127, "command not found"),
        (vec![file.into_os_string()], 126, "cannot be run"),
        (vec![folder.path().as_os_str().to_owned()], 126, "cannot be run"),
    ];

    for (command, code, says) in rows {
        let error = Child::spawn(&command, None).unwrap_err();

        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn it_is_told_to_end_and_may_take_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let up = folder.path().join("up");
    let child = shell(&format!("trap 'exit 7' TERM; : > {}; while :; do sleep 0.01; done", up.display()));
    exists(&up).await;

    child.terminate();

    assert_eq!(end(&child).await, Ended::Code(7));
}

#[tokio::test]
async fn waiting_may_be_given_up_and_begun_again() {
    let child = shell("read line < /dev/null; sleep 0.1; exit 5");

    let _given_up = timeout(Duration::from_millis(1), child.ended()).await;

    assert_eq!(end(&child).await, Ended::Code(5));
}

#[tokio::test]
async fn killing_ends_all_it_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("trap '' TERM; sleep 100 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
    let child = shell(&script);
    exists(&file).await;
    let grandchild: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    let grandchild = Pid::from_raw(grandchild).unwrap();

    child.kill();

    assert_eq!(end(&child).await, Ended::Signal(9));
    if child.group == Group::Own {
        timeout(LONG, gone(grandchild)).await.expect("the grandchild lives on");
    }
}

/// Returns when the process has ended; whoever adopted it may not have collected it.
async fn gone(pid: Pid) {
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).unwrap_or_default();
    while test_kill_process(pid).is_ok() && !state().contains(") Z ") {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn who_has_ended_is_sent_nothing() {
    let child = shell("exit 0");
    let ended = end(&child).await;

    child.terminate();
    child.kill();

    assert_eq!(end(&child).await, ended);
}

#[tokio::test]
async fn nobody_is_left_behind_when_it_is_dropped() {
    let child = shell("sleep 100");
    let pid = child.pid;

    drop(child);

    timeout(LONG, gone(pid)).await.expect("it lives on");
}

#[tokio::test]
async fn it_leads_a_group_of_its_own_unless_there_is_a_terminal() {
    let child = shell("sleep 100");

    let group = rustix::process::getpgid(Some(child.pid)).unwrap();

    assert_eq!(group == child.pid, child.group == Group::Own);
}

#[tokio::test]
async fn what_is_meant_for_the_application_is_handed_on() {
    let folder = tempfile::tempdir().unwrap();
    let up = folder.path().join("up");
    let script = format!("trap 'exit 9' USR2; : > {}; while :; do sleep 0.01; done", up.display());
    let child = Rc::new(shell(&script));
    exists(&up).await;

    let forwarding = child.forward().unwrap();
    kill_process(getpid(), Signal::USR2).unwrap();

    let ended = tokio::select! {
        () = forwarding => panic!("it ended"),
        ended = end(&child) => ended,
    };
    assert_eq!(ended, Ended::Code(9));
}

/// Runs one ignored test of this file in a process of its own; what it wrote.
fn in_its_own_process(name: &str) -> String {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args([&format!("mode::child::tests::{name}"), "--exact", "--ignored", "--nocapture"])
        .env("ALONE", "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    process.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(process.wait().unwrap().success(), "{text}");
    text
}

#[test]
fn orphans_are_collected_where_they_come_to_us() {
    let text = in_its_own_process("a_subreaper_collects_orphans");

    assert!(text.contains("1 passed"), "{text}");
}

#[tokio::test]
#[ignore = "makes the whole process a subreaper: run in one of its own by the test above"]
async fn a_subreaper_collects_orphans() {
    if std::env::var_os("ALONE").is_none() {
        return;
    }
    set_child_subreaper(Some(getpid())).unwrap();
    // The middle process ends at once; its child, now ours, ends before the application does.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orphan");
    let script = format!("sh -c '(sleep 0.05 & echo $! > {0})'; sleep 0.5; exit 6", file.display());

    let child = shell(&script);

    assert_eq!(end(&child).await, Ended::Code(6));
    let orphan: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    // Not even a zombie is left.
    assert!(test_kill_process(Pid::from_raw(orphan).unwrap()).is_err());
    assert_eq!(wait(WaitOptions::NOHANG).unwrap_err(), Errno::CHILD);
}
