//! The server dies at any moment, files are damaged, the disk is full: nothing is lost and nothing is half done.

use portcullis_tests::{Ca, CaServer, wait};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn mode(file: &Path, mode: u32) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

/// Serves where tokens say.
fn serve(ca: &Ca, port: u16) -> CaServer {
    ca.serve_at(&format!("127.0.0.1:{port}"))
}

#[test]
fn a_server_killed_at_any_moment_spends_no_token_without_a_certificate() {
    const MEMBERS: usize = 12;
    let port = free_port();
    let ca = Ca::with(&["--url", &format!("https://127.0.0.1:{port}")]);
    let tokens: Vec<_> = (0..MEMBERS)
        .map(|member| {
            let name = format!("svc/member-{member}");
            ca.entry(&name, &[]);
            ca.run(&["token", "create", &name]).ok().trim().to_owned()
        })
        .collect();
    let joined = AtomicUsize::new(0);

    std::thread::scope(|scope| {
        for (member, token) in tokens.iter().enumerate() {
            let (ca, joined) = (&ca, &joined);
            scope.spawn(move || {
                let out = format!("member-{member}");
                // The same token and the same key until it works: whatever the server had done when it died.
                wait::within(Duration::from_secs(60), || {
                    (ca.run(&["bootstrap", token, "--out", &out]).code == Some(0)).then_some(())
                })
                .expect("it joins");
                joined.fetch_add(1, Ordering::SeqCst);
            });
        }
        let mut life = 1;
        while joined.load(Ordering::SeqCst) < MEMBERS {
            let server = serve(&ca, port);
            // Longer each time, so that the last ones get through.
            let _ = wait::within(Duration::from_millis(life), || None::<()>);
            life *= 2;
            server.kill();
        }
    });

    let ledger = ca.json(&["list"]);
    assert_eq!(ledger.as_array().map(Vec::len), Some(MEMBERS), "one certificate a token: {ledger}");
    ca.run(&["audit", "verify"]).ok();
}

#[test]
fn a_server_starts_with_no_key_that_others_can_read_and_no_half_a_key() {
    let ca = Ca::new();
    let key = ca.dir().join("keys/intermediate-1.key");
    let text = std::fs::read_to_string(&key).expect("a key");

    mode(&key, 0o644);
    let exposed = ca.run(&["serve", "--bind", "127.0.0.1:0"]);
    mode(&key, 0o600);
    std::fs::write(&key, &text[..text.len() / 2]).expect("written");
    let truncated = ca.run(&["serve", "--bind", "127.0.0.1:0"]);
    std::fs::remove_file(&key).expect("removed");
    let missing = ca.run(&["serve", "--bind", "127.0.0.1:0"]);

    for (name, ran) in [("exposed", exposed), ("truncated", truncated), ("missing", missing)] {
        assert_eq!(ran.code, Some(1), "{name}");
        assert!(ran.err.contains("intermediate-1.key"), "{name}: {}", ran.err);
    }
}

#[test]
fn a_backup_made_while_the_server_works_can_be_put_back_and_members_go_on() {
    let port = free_port();
    let ca = Ca::with(&["--url", &format!("https://127.0.0.1:{port}")]);
    let server = serve(&ca, port);
    let before = ca.join("svc/order", &server);
    ca.entry("svc/late", &[]);
    let unused = ca.run(&["token", "create", "svc/late"]).ok().trim().to_owned();
    ca.run(&["backup", "copy"]).ok();
    let after = ca.join("svc/payment", &server);
    server.kill();
    std::fs::remove_dir_all(ca.dir()).expect("lost");

    ca.run(&["restore", "copy"]).ok();

    let _server = serve(&ca, port);
    ca.entry("svc/payment", &["--replace"]);
    for member in [before, after] {
        ca.run(&["rekey", "--out", &member.display().to_string()]).ok();
    }
    let refused = ca.run(&["bootstrap", &unused, "--out", "late"]);
    assert_eq!(refused.code, Some(1), "a token that may have been spent since the backup is good no more");
    ca.run(&["audit", "verify"]).ok();
}

#[test]
fn a_full_disk_is_named_and_everything_works_again_when_there_is_space() {
    let ca = Ca::new();
    let small = ca.path("small");
    std::fs::create_dir(&small).expect("a folder");
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"])
        .arg(&small)
        .status()
        .expect("mount");
    assert!(mount.success(), "this test needs root: it mounts a small file system");
    let _unmount = Unmount(&small);
    let dir = small.join("ca").display().to_string();
    let run = |words: &[&str]| {
        let all: Vec<_> = words.iter().chain(&["--dir", &dir]).copied().collect();
        ca.run(&all)
    };
    run(&["init", "full.example"]).ok();
    run(&["entry", "create", "svc/before"]).ok();
    std::fs::write(small.join("filler"), vec![0; 1 << 20]).expect_err("full now");

    let refused = (0..200)
        .map(|n| run(&["entry", "create", &format!("svc/during-{n}")]))
        .find(|ran| ran.code != Some(0));
    let refused = refused.expect("the disk is full");
    assert!(refused.err.contains("full"), "{}", refused.err);
    std::fs::remove_file(small.join("filler")).expect("removed");

    run(&["entry", "create", "svc/after"]).ok();
    let entries = run(&["entry", "list"]).ok();
    assert!(entries.contains("svc/before") && entries.contains("svc/after"), "{entries}");
    run(&["audit", "verify"]).ok();
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0).status();
    }
}
