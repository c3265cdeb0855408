//! The schema: an old file is brought up to date, a newer one is refused.

use super::*;
use crate::deny::Denial;
use crate::store::sqlite::schema::{STEPS, apply};
use crate::store::{AuditHead, AuthorityRecord, Denied};
use rusqlite::Connection;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// A store as the first portcullis left it: its schema and one row in each table, written by hand. Never edited.
const FIRST: &str = include_str!("first.sql");

fn version(connection: &Connection) -> u32 {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

fn open(text: &str) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(text).unwrap();
    connection
}

#[test]
fn a_store_of_the_first_portcullis_is_read_by_this_one() {
    // given
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(FIRST).unwrap();
    old.close().unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();

    // when
    let store = Sqlite::open(&path).unwrap();

    // then
    store.check().unwrap();
    let read = store.read().unwrap();
    let short = Issued { der: vec![0x30, 0x00], ..issued(1) };
    assert_eq!(read.settings().unwrap(), settings());
    assert_eq!(read.entries().unwrap(), [entry("order")]);
    assert_eq!(read.issued(&serial(1)).unwrap(), Some(short));
    assert_eq!(read.token(&fingerprint(1)).unwrap(), Some(Token { spent: Some(spent(1)), ..token(1) }));
    assert_eq!(read.live_instances(NOW).unwrap(), [instance(1)]);
    let rule = Denial::Before { id: id("stock"), not_before: NOW };
    let reason = "key lost".to_owned();
    assert_eq!(read.denials().unwrap(), [Denied { rule, reason, at: NOW, until: None }]);
    let root = AuthorityRecord {
        id: AuthorityId::root(1),
        root: None,
        der: vec![0x30, 0x00],
        not_before: NOW,
        not_after: later(9),
    };
    assert_eq!(read.authorities().unwrap(), [root]);
    assert_eq!(read.audit_pending().unwrap(), [(3, "{}".to_owned())]);
    assert_eq!(read.audit_head().unwrap(), Some(AuditHead { number: 2, hash: fingerprint(2) }));
    drop(read);
    assert_eq!(version(&store.writer.lock().unwrap()), u32::try_from(STEPS.len()).unwrap());
    let journal: String =
        store.writer.lock().unwrap().pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(journal, "wal");
    change(&store, |write| issue(write, 9));
}

#[test]
fn only_the_steps_that_are_missing_are_taken() {
    let connection = open("CREATE TABLE a (x)");
    apply(&connection, &["INSERT INTO a VALUES (1)"]).unwrap();
    assert_eq!(version(&connection), 1);

    let steps = ["INSERT INTO a VALUES (1)", "INSERT INTO a VALUES (2)", "INSERT INTO a VALUES (3)"];
    apply(&connection, &steps).unwrap();
    apply(&connection, &steps).unwrap();

    assert_eq!(version(&connection), 3);
    let all: String = connection.query_row("SELECT group_concat(x) FROM a", [], |row| row.get(0)).unwrap();
    assert_eq!(all, "1,2,3");
}

#[test]
fn of_steps_that_fail_none_is_taken() {
    let connection = open("CREATE TABLE a (x PRIMARY KEY); CREATE TABLE b (x REFERENCES a)");
    let good = "INSERT INTO a VALUES (1)";
    for bad in ["INSERT INTO missing VALUES (1)", "INSERT INTO b VALUES (7)"] {
        assert!(apply(&connection, &[good, bad]).is_err(), "{bad}");

        assert_eq!(version(&connection), 0);
        assert!(connection.is_autocommit());
        let rows: u32 = connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0);
    }
    apply(&connection, &[good, "INSERT INTO b VALUES (1)"]).unwrap();
    let enforced: bool = connection.pragma_query_value(None, "foreign_keys", |row| row.get(0)).unwrap();
    assert!(enforced, "from now on again");
}

#[test]
fn a_store_of_a_newer_portcullis_is_refused_and_stays_as_it_is() {
    let temporary = Temporary::new();
    let path = temporary.path();
    temporary.store.writer.lock().unwrap().pragma_update(None, "user_version", 1_000).unwrap();

    let error = Sqlite::open(&path).map(|_| ()).unwrap_err();

    let known = u32::try_from(STEPS.len()).unwrap();
    assert!(
        matches!(&error, StoreError::TooNew { path: at, found: 1_000, known: k } if *at == path && *k == known),
        "{error}"
    );
    assert_eq!(version(&temporary.store.writer.lock().unwrap()), 1_000);
}

#[test]
fn two_who_open_an_old_store_at_once_bring_it_up_to_date_once() {
    let folder = TempDir::new().unwrap();
    for round in 0..10 {
        let path = folder.path().join(format!("{round}.db"));
        let empty = open_file(&path);
        drop(empty);
        std::thread::scope(|scope| {
            let take = || {
                let connection = open_file(&path);
                apply(&connection, STEPS).unwrap();
                assert_eq!(version(&connection), u32::try_from(STEPS.len()).unwrap());
            };
            let threads = [scope.spawn(take), scope.spawn(take), scope.spawn(take)];
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}

fn open_file(path: &std::path::Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).unwrap();
    connection
}
