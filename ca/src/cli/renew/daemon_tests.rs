//! The daemon's command: it runs after each change, one at a time, whatever it does. What the agent does is tested with
//! the agent.

use super::*;
use crate::cli::inspect::testing::Ca;
use crate::client::StateDir;
use std::fs;
use std::process::Command;
use tokio::sync::{mpsc, oneshot, watch};

/// Runs a test that needs a local runtime. None takes longer than half a minute.
fn limited<T>(test: impl Future<Output = T>) -> T {
    local(async {
        tokio::time::timeout(Duration::from_secs(30), test).await.expect("the test takes too long")
    })
    .unwrap()
}

fn hook<'a>(command: &'a str, out: &'a Path) -> Hook<'a> {
    Hook { command, out, children: signal(SignalKind::child()).unwrap() }
}

/// What is written to the pipe at `path`, each time somebody writes.
fn listen(path: &Path, times: usize) -> mpsc::UnboundedReceiver<String> {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let (sender, heard) = mpsc::unbounded_channel();
    let path = path.to_owned();
    std::thread::spawn(move || {
        (0..times).for_each(|_| drop(sender.send(fs::read_to_string(&path).unwrap())))
    });
    heard
}

#[test]
fn the_command_runs_after_each_change_even_when_it_fails() {
    limited(async {
        let folder = tempfile::tempdir().unwrap();
        let mut heard = listen(&folder.path().join("pipe"), 2);
        let identity = || Some(Arc::new(Ca::new().identity(600, (-60, 3_600))));
        let (changes, identities) = watch::channel(identity());
        let command = r#"echo "$PORTCULLIS_SVID_DIR" > "$PORTCULLIS_SVID_DIR/pipe"; exit 1"#;
        let hook = hook(command, folder.path());
        let (done, ended) = oneshot::channel();
        let expected = folder.path().to_str().unwrap().to_owned();
        tokio::task::spawn_local(async move {
            for _ in 0..2 {
                changes.send_replace(identity());
                assert_eq!(heard.recv().await.unwrap().trim(), expected);
            }
            done.send(()).unwrap();
        });

        tokio::select! {
            never = hook.run(identities) => match never {},
            heard = ended => heard.unwrap(),
        }
    });
}

#[test]
fn a_command_is_waited_for_until_it_ends() {
    limited(async {
        let folder = tempfile::tempdir().unwrap();
        let marker = folder.path().join("marker");
        let command = format!("echo done > {}", marker.display());
        let mut hook = hook(&command, folder.path());
        let child = shell(hook.command, hook.out).spawn().unwrap();

        hook.wait(child).await;

        assert_eq!(fs::read_to_string(&marker).unwrap(), "done\n");
    });
}

#[test]
fn the_daemon_ends_when_it_is_told_to_and_what_is_there_already_is_no_change() {
    limited(async {
        let folder = tempfile::tempdir().unwrap();
        let identity = Ca::new().identity(600, (-60, 3_600));
        StateDir::open(folder.path()).unwrap().store(&identity).unwrap();
        let options = Options {
            dir: folder.path().to_owned(),
            token_file: None,
            ttl: None,
            keep_key: false,
            url: None,
        };
        let agent = Agent::new(options).unwrap();
        let marker = folder.path().join("marker");
        let command = format!("touch {}", marker.display());
        let children = signal(SignalKind::child()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        stop.send(()).unwrap();
        let stopped = async { drop(stopped.await) };

        follow(agent, Some(&command), folder.path(), (stopped, children)).await;

        assert!(!marker.exists());
    });
}
