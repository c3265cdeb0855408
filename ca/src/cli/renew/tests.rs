//! `ca renew` and `ca rekey` without an authority that answers: what is due, what is said, what is left as it was.

use super::*;
use crate::cli::inspect::testing::{Ca, failing, parsed, run};
use crate::client::Clocks;
use std::fs;

const LIFE: (i64, i64) = (-3_600, 3_600);

/// A folder with an identity that is to be renewed so many seconds from now.
fn joined(renew: i64, life: (i64, i64)) -> (tempfile::TempDir, Identity) {
    let folder = tempfile::tempdir().unwrap();
    let identity = Ca::new().identity(renew, life);
    StateDir::open(folder.path()).unwrap().store(&identity).unwrap();
    (folder, identity)
}

fn stored(folder: &Path) -> Identity {
    StateDir::open(folder).unwrap().load().unwrap().unwrap()
}

#[test]
fn it_is_due_when_the_authority_said_or_when_it_nearly_ends() {
    let ca = Ca::new();
    let at = |seconds: i64| Timestamp(ca.now.0 + seconds);

    let chosen = ca.identity(600, LIFE);
    let never = ca.identity(999_999, LIFE);

    assert_eq!([599, 600].map(|second| due(&chosen, at(second))), [false, true]);
    // In the last tenth, whatever the authority said; and after the end, to hear what to do.
    assert_eq!([2_879, 2_880, 9_999].map(|second| due(&never, at(second))), [false, true, true]);
    assert_eq!(
        Clocks { wall: at(0), up: Duration::ZERO }.jumped_since(Clocks { wall: at(0), up: Duration::ZERO }),
        None
    );
}

#[test]
fn who_is_not_due_is_done_though_the_authority_is_away() {
    let (folder, before) = joined(600, LIFE);
    let told = folder.path().join("told");
    let command = format!("touch {}", told.display());

    let code = run(&["renew", "--out", folder.path().to_str().unwrap(), "--exec", &command]).unwrap();

    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(stored(folder.path()).svid, before.svid);
    // No file changed.
    assert!(!told.exists());
}

#[test]
fn a_renewal_that_fails_leaves_everything_as_it_was() {
    let (folder, before) = joined(-60, LIFE);
    let out = folder.path().to_str().unwrap();
    for words in
        [["renew", "--out", out].as_slice(), &["rekey", "--out", out], &["renew", "--force", "--out", out]]
    {
        let said = failing(words);

        assert!(said.contains("cannot reach the authority") && said.contains("\nhint: "), "{said}");
        assert_eq!(stored(folder.path()).svid, before.svid);
    }
}

#[test]
fn an_expired_workload_is_told_how_to_join_again() {
    let (folder, _) = joined(-3_000, (-7_200, -3_600));

    let said = failing(&["renew", "--out", folder.path().to_str().unwrap()]);

    for part in ["expired at", "by the clock of this machine", "token create svc/order", "bootstrap --out"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn who_never_joined_is_told_so_and_no_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("svid");
    for words in [["renew", "--out"].as_slice(), &["rekey", "--out"], &["renew", "--daemon", "--out"]] {
        let words = [words, &[out.to_str().unwrap()]].concat();

        let said = failing(&words);

        assert!(said.contains("holds no identity") && said.contains("token create"), "{said}");
        assert!(!out.exists());
    }
}

#[test]
fn a_damaged_folder_is_told_apart_from_an_empty_one() {
    let (folder, _) = joined(600, LIFE);
    fs::write(folder.path().join("state.json"), "{").unwrap();

    let said = failing(&["renew", "--out", folder.path().to_str().unwrap()]);

    assert!(said.contains("state.json is damaged") && said.contains("token create"), "{said}");
}

#[test]
fn the_command_knows_the_folder_and_its_failure_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    let command = r#"echo "$PORTCULLIS_SVID_DIR" > "$PORTCULLIS_SVID_DIR/told""#;

    exec(command, folder.path()).unwrap();
    let said = exec("exit 3", folder.path()).unwrap_err().to_string();

    assert_eq!(
        fs::read_to_string(folder.path().join("told")).unwrap().trim(),
        folder.path().to_str().unwrap()
    );
    assert!(said.contains("`exit 3` failed") && said.contains("the files have changed"), "{said}");
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    assert!(parsed(&["renew", "--daemon", "--force"]).is_err());
    assert!(parsed(&["renew", "--token-file", "x"]).is_err());
    assert!(parsed(&["renew", "--daemon", "--ttl", "1h"]).is_err());
    assert!(parsed(&["renew", "--daemon", "--token-file", "x", "--ttl", "1h", "--exec", "true"]).is_ok());
}
