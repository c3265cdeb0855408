//! Which files are opened, and which are made.

use super::{Temporary, change, issue, settings};
use crate::store::sqlite::Sqlite;
use crate::store::{Store, StoreError};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

fn open_error(path: &Path) -> StoreError {
    Sqlite::open(path).map(|_| ()).unwrap_err()
}

#[test]
fn nobody_else_may_read_the_files_of_a_new_store() {
    let temporary = Temporary::new();
    change(&temporary.store, |write| write.put_settings(&settings()));

    let files: Vec<_> = fs::read_dir(temporary.folder.path()).unwrap().map(Result::unwrap).collect();

    let mut names: Vec<_> = files.iter().map(|file| file.file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["store.db", "store.db-shm", "store.db-wal"]);
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
}

#[test]
fn a_store_is_durable_in_the_way_it_promises() {
    let temporary = Temporary::new();

    let write = temporary.store.writer.lock().unwrap();
    let pragma =
        |name| write.pragma_query_value::<rusqlite::types::Value, _>(None, name, |row| row.get(0)).unwrap();

    assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
    assert_eq!(pragma("synchronous"), 2.into(), "FULL");
    assert_eq!(pragma("busy_timeout"), 5_000.into());
    assert_eq!(pragma("foreign_keys"), 1.into());
}

#[test]
fn a_file_that_is_there_is_not_replaced_by_a_new_store() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.db");
    for name in ["store.db", "store.db-wal"] {
        fs::write(folder.path().join(name), "precious").unwrap();

        let error = Sqlite::create(&path).map(|_| ()).unwrap_err();

        assert!(matches!(&error, StoreError::Io { source, .. } if source.kind() == ErrorKind::AlreadyExists));
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"precious");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        fs::remove_file(folder.path().join(name)).unwrap();
    }
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_opening_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.db");

    assert!(matches!(open_error(&path), StoreError::Missing(missing) if missing == path));
    assert!(!path.exists());
}

#[test]
fn a_file_that_others_may_read_or_write_is_refused() {
    let temporary = Temporary::new();
    for mode in [0o640, 0o604, 0o620, 0o602] {
        fs::set_permissions(temporary.path(), Permissions::from_mode(mode)).unwrap();

        assert!(matches!(open_error(&temporary.path()), StoreError::Exposed(_)), "{mode:o}");
    }
    fs::set_permissions(temporary.path(), Permissions::from_mode(0o600)).unwrap();
    assert!(Sqlite::open(&temporary.path()).is_ok());
}

#[test]
fn what_is_not_a_store_is_refused_and_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.db");
    let text = b"this is a long text and certainly not an SQLite database, not even its first hundred bytes are those";
    fs::write(folder.path().join("empty"), "").unwrap();
    fs::write(folder.path().join("text"), text).unwrap();
    let foreign = rusqlite::Connection::open(folder.path().join("foreign")).unwrap();
    foreign.execute_batch("CREATE TABLE cookies (name TEXT); PRAGMA user_version = 1").unwrap();
    foreign.close().unwrap();

    for name in ["empty", "text", "foreign"] {
        let before = fs::read(folder.path().join(name)).unwrap();
        fs::copy(folder.path().join(name), &path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();

        assert!(matches!(open_error(&path), StoreError::Damaged(_)), "{name}");

        assert_eq!(fs::read(&path).unwrap(), before, "{name}");
        fs::remove_file(&path).unwrap();
    }
    assert!(matches!(open_error(folder.path()), StoreError::Damaged(_)), "a folder");
}

#[test]
fn a_truncated_store_is_refused() {
    let temporary = Temporary::new();
    let path = temporary.path();
    change(&temporary.store, |write| (1..200).try_for_each(|number| issue(write, number)));
    drop(temporary.store);
    let length = fs::metadata(&path).unwrap().len();

    OpenOptions::new().write(true).open(&path).unwrap().set_len(length / 2).unwrap();

    assert!(matches!(open_error(&path), StoreError::Damaged(_)));
}

#[test]
fn damage_inside_is_named_when_it_is_met() {
    let temporary = Temporary::new();
    let path = temporary.path();
    change(&temporary.store, |write| (1..200).try_for_each(|number| issue(write, number)));
    drop(temporary.store);
    let length = fs::metadata(&path).unwrap().len();
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    // All but the first page, which says what kind of file it is.
    file.seek(SeekFrom::Start(4_096)).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(length).unwrap() - 4_096]).unwrap();
    drop(file);

    let failed = Sqlite::open(&path).and_then(|store| {
        assert!(matches!(store.check(), Err(StoreError::Damaged(_))));
        store.read()?.ledger(&crate::store::Filter::default()).map(|_| ())
    });

    assert!(matches!(failed, Err(StoreError::Damaged(_))), "{failed:?}");
}

#[test]
fn a_record_that_cannot_be_is_damage() {
    let temporary = Temporary::new();
    change(&temporary.store, |write| issue(write, 1));
    let spoil = rusqlite::Connection::open(temporary.path()).unwrap();

    for sql in [
        "UPDATE issued SET id = 'spiffe://'",
        "UPDATE issued SET id = 'spiffe://shop.example/svc/order', how = 'stolen'",
        "UPDATE issued SET how = 'renew', public_key = x'00'",
    ] {
        spoil.execute(sql, []).unwrap();
        let found = temporary.store.read().unwrap().issued(&super::serial(1));
        assert!(matches!(found, Err(StoreError::Damaged(_))), "{sql}: {found:?}");
    }
    assert!(
        matches!(temporary.store.read().unwrap().settings(), Err(StoreError::Damaged(_))),
        "there are none"
    );
}
