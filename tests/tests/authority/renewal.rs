//! Renewal: a new key each time, all files at once, and what stands against it.

use portcullis_tests::{Ca, Ran, wait};
use std::path::Path;
use std::process::Stdio;

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).expect("a file")
}

fn out(folder: &Path) -> String {
    folder.display().to_string()
}

#[test]
fn a_renewal_brings_a_new_certificate_and_a_new_key_and_only_when_due() {
    let ca = Ca::new();
    let server = ca.serve();
    let order = ca.join("svc/order", &server);
    let before = (read(&order, "svid.pem"), read(&order, "svid.key"));

    let not_due = ca.run(&["renew", "--out", &out(&order)]);
    assert_eq!(not_due.code, Some(0), "{}", not_due.err);
    assert_eq!(read(&order, "svid.pem"), before.0);
    ca.run(&["renew", "--out", &out(&order), "--force", "--keep-key"]).ok();
    let kept = (read(&order, "svid.pem"), read(&order, "svid.key"));
    ca.run(&["rekey", "--out", &out(&order)]).ok();
    let after = (read(&order, "svid.pem"), read(&order, "svid.key"));

    assert_ne!(kept.0, before.0);
    assert_eq!(kept.1, before.1);
    assert_ne!(after.0, kept.0);
    assert_ne!(after.1, kept.1);
    let instances = ca.json(&["bundle", "status"]);
    assert_eq!(
        instances["instances"].as_array().map(Vec::len),
        Some(1),
        "renewals stay one instance: {instances}"
    );
}

#[test]
fn needs_renewal_answers_by_its_exit_code() {
    let ca = Ca::new();
    let order = ca.issue("svc/order", &[]);
    let svid = out(&order.join("svid.pem"));

    let fresh = ca.run(&["needs-renewal", &svid]);
    let soon = ca.run(&["needs-renewal", &svid, "--expires-in", "48h"]);
    let none = ca.run(&["needs-renewal", "nothing.pem"]);

    assert_eq!([fresh, soon, none].map(|ran| ran.code), [Some(1), Some(0), Some(2)]);
}

#[test]
fn who_is_not_registered_any_more_is_not_renewed() {
    let ca = Ca::new();
    let server = ca.serve();
    let order = ca.join("svc/order", &server);
    ca.run(&["entry", "delete", "svc/order"]).ok();

    let refused = ca.run(&["rekey", "--out", &out(&order)]);

    assert_eq!(refused.code, Some(1), "{}", refused.out);
    assert!(ca.run(&["audit", "tail", "--json"]).ok().contains("not registered any more"));
}

#[test]
fn a_daemon_renews_in_time_runs_its_command_and_ends_on_sigterm() {
    let ca = Ca::new();
    let server = ca.serve();
    ca.entry("svc/order", &["--ttl-max", "1m"]);
    let token = ca.token("svc/order", &server);
    let order = ca.path("order");
    ca.run(&["bootstrap", &token, "--out", &out(&order)]).ok();
    let first = read(&order, "svid.pem");
    let marks = ca.path("marks");
    let exec = format!("cat {}/svid.pem >> {}", out(&order), out(&marks));
    let mut command = ca.command(&["renew", "--out", &out(&order), "--daemon", "--exec", &exec]);
    let mut daemon =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a daemon");

    // Certificates of a minute are renewed after 30 to 40 s.
    let renewed = wait::within(std::time::Duration::from_secs(60), || {
        let marked = std::fs::read_to_string(&marks).unwrap_or_default();
        (marked.contains("BEGIN CERTIFICATE") && read(&order, "svid.pem") != first).then_some(())
    });
    let killed = Ran::of(std::process::Command::new("kill").args(["-TERM", &daemon.id().to_string()]));
    let ended = wait::eventually("the daemon to end", || daemon.try_wait().expect("a child"));

    assert_eq!(renewed, Some(()));
    killed.ok();
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn a_member_whose_certificate_expired_joins_again_when_its_token_file_is_replaced() {
    let ca = Ca::new();
    let server = ca.serve();
    ca.entry("svc/order", &["--ttl-max", "1m"]);
    let order = ca.path("order");
    let file = ca.path("token");
    let token = ca.token("svc/order", &server);
    ca.run(&["bootstrap", &token, "--out", &out(&order)]).ok();
    std::fs::write(&file, &token).expect("written");
    let before = read(&order, "svid.pem");
    let id = ca.json(&["list"])[0]["serial"].as_str().map(str::to_owned).expect("a serial");
    // As good as expired: nothing that hangs on this certificate works any more.
    ca.run(&["revoke", "--serial", &id]).ok();
    let words = ["renew", "--out", &out(&order), "--daemon", "--token-file", &out(&file)];
    let mut daemon = ca.command(&words).stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("a daemon");

    std::fs::write(ca.path("new"), ca.token("svc/order", &server)).expect("written");
    std::fs::rename(ca.path("new"), &file).expect("renamed");
    let healed = wait::within(std::time::Duration::from_secs(110), || {
        (read(&order, "svid.pem") != before).then_some(())
    });
    let _ = daemon.kill();
    let _ = daemon.wait();

    assert_eq!(healed, Some(()));
}
