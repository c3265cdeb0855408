//! kill −9 in the middle of an issue: nothing that was answered is lost, and nothing is half done.

use super::*;
use crate::names::to_hex;
use crate::store::Filter;
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const KILLS: usize = 25;
const FOLDER: &str = "PORTCULLIS_TEST_CRASH_FOLDER";
const MARK: &str = "issued ";

/// Not a test of its own: what the test below kills. Issues for ever, and says so after each commit.
#[test]
#[ignore = "the process another test kills"]
fn a_process_that_issues_for_ever() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = Sqlite::open(&Path::new(&folder).join("store.db")).unwrap();
    let first = fastrand::u64(..u64::MAX / 2);
    for number in first.. {
        change(&store, |write| write.add_token(&token(number)));
        let write = store.write().unwrap();
        assert!(write.spend_token(&fingerprint(number), &spent(number)).unwrap());
        write.add_issued(&issued(number)).unwrap();
        write.put_instance(&instance(number)).unwrap();
        write.commit().unwrap();
        println!("{MARK}{}", to_hex(serial(number).as_bytes()));
    }
}

fn start(folder: &Path) -> Child {
    let path = module_path!().split_once("::").unwrap().1;
    let name = format!("{path}::a_process_that_issues_for_ever");
    Command::new(std::env::current_exe().unwrap())
        .args([&name, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets the child issue `count` times, kills it a random moment later, and returns all it said before it died.
fn kill_after(mut child: Child, count: usize) -> Vec<Serial> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let said = |line: String| -> Option<Serial> { line.split_once(MARK)?.1.parse().ok() };
    let mut serials: Vec<_> = lines.by_ref().filter_map(said).take(count).collect();
    assert_eq!(serials.len(), count, "the child issues");
    for _ in 0..fastrand::u32(..1_000_000) {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    serials.extend(lines.filter_map(said));
    serials
}

fn verify(store: &Sqlite, answered: &HashSet<Serial>) {
    store.check().unwrap();
    let read = store.read().unwrap();
    let ledger = read.ledger(&Filter::default()).unwrap();
    let known: HashSet<_> = ledger.iter().map(|issued| issued.serial).collect();
    assert!(answered.is_subset(&known), "an answered certificate is lost");
    assert_eq!(known.len(), ledger.len());
    for issued in &ledger {
        let token = read.token(&issued.key).unwrap().expect("each certificate had a token");
        assert_eq!(token.spent.expect("it is spent").serial, issued.serial);
        assert!(read.instance(&issued.instance).unwrap().is_some());
    }
    let spent = "SELECT count(*) FROM tokens WHERE spent_serial IS NOT NULL";
    let spent: u32 =
        rusqlite::Connection::open(&store.path).unwrap().query_row(spent, [], |row| row.get(0)).unwrap();
    assert_eq!(usize::try_from(spent).unwrap(), ledger.len(), "each spent token has its certificate");
}

#[test]
fn a_process_killed_at_any_moment_has_done_each_issue_wholly_or_not_at_all() {
    let temporary = Temporary::new();
    let mut answered = HashSet::new();
    for _ in 0..KILLS {
        let child = start(temporary.folder.path());

        answered.extend(kill_after(child, fastrand::usize(1..20)));

        verify(&temporary.store, &answered);
    }
    // The same after everybody has let go of the file, so that what the dead have left is recovered.
    let path = temporary.path();
    drop(temporary.store);
    verify(&Sqlite::open(&path).unwrap(), &answered);
    drop(kill_after(start(temporary.folder.path()), 3));
    verify(&Sqlite::open(&path).unwrap(), &answered);
}
