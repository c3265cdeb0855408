//! Copies: made while somebody writes, put back, and refused.

use super::*;
use crate::store::Filter;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says so when dropped, so that a failed assertion ends the writer too.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let all = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = all.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn serials(store: &Sqlite) -> Vec<Serial> {
    store.read().unwrap().ledger(&Filter::default()).unwrap().iter().map(|issued| issued.serial).collect()
}

#[test]
fn a_backup_made_while_somebody_writes_is_of_one_moment() {
    // given: a writer that does not rest
    let temporary = Temporary::new();
    let (path, folder) = (temporary.path(), TempDir::new().unwrap());
    let store = &temporary.store;
    change(store, |write| (0..500).try_for_each(|number| issue(write, number)));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let own = Sqlite::open(&path).unwrap();
            for number in (500..).take_while(|_| !over.load(Ordering::Relaxed)) {
                change(&own, |write| issue(write, number));
            }
        });
        let _over = Over(&over);
        let mut last = 500;
        for round in 0..10 {
            // when
            let moving = store.version().unwrap();
            while store.version().unwrap() == moving {
                std::thread::yield_now();
            }
            let copy = folder.path().join(format!("{round}.db"));
            store.backup(&copy).unwrap();

            // then: whole issues, all from the first to the last, and never fewer than in the one before
            let copy = Sqlite::open(&copy).unwrap();
            copy.check().unwrap();
            let read = copy.read().unwrap();
            let ledger = read.ledger(&Filter::default()).unwrap();
            assert_eq!(
                ledger,
                (0..u64::try_from(ledger.len()).unwrap())
                    .rev()
                    .map(|number| listed(issued(number)))
                    .collect::<Vec<_>>()
            );
            assert_eq!(read.audit_pending().unwrap().len(), ledger.len());
            assert_eq!(read.live_instances(NOW).unwrap().len(), ledger.len());
            assert_eq!(read.fresh_tokens(NOW).unwrap(), []);
            assert!(ledger.len() > last, "the backup does not stop the writer");
            last = ledger.len();
        }
    });
}

#[test]
fn a_backup_is_one_file_that_nobody_else_may_read_and_replaces_nothing() {
    let temporary = Temporary::new();
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy.db");

    temporary.store.backup(&copy).unwrap();

    assert_eq!(names(folder.path()), ["copy.db"]);
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&copy).unwrap();
    assert!(matches!(temporary.store.backup(&copy), Err(StoreError::Io { .. })));
    assert!(matches!(temporary.store.backup(&folder.path().join("no/such.db")), Err(StoreError::Io { .. })));
    assert_eq!(fs::read(&copy).unwrap(), before);
    assert_eq!(names(folder.path()), ["copy.db"]);
}

#[test]
fn a_backup_is_put_back_and_is_not_changed_by_it() {
    let temporary = Temporary::new();
    let folder = TempDir::new().unwrap();
    let (copy, back) = (folder.path().join("copy.db"), folder.path().join("back.db"));
    change(&temporary.store, |write| {
        write.put_settings(&settings())?;
        issue(write, 1)
    });
    temporary.store.backup(&copy).unwrap();
    let before = fs::read(&copy).unwrap();

    Sqlite::restore(&copy, &back).unwrap();

    assert_eq!(names(folder.path()), ["back.db", "copy.db"]);
    assert_eq!(fs::read(&copy).unwrap(), before);
    assert_eq!(fs::metadata(&back).unwrap().permissions().mode() & 0o777, 0o600);
    let back = Sqlite::open(&back).unwrap();
    assert_eq!(back.read().unwrap().settings().unwrap(), settings());
    assert_eq!(serials(&back), [serial(1)]);
    change(&back, |write| issue(write, 2));
}

#[test]
fn a_copy_of_the_files_of_a_running_store_is_put_back_with_what_its_wal_file_holds() {
    let temporary = Temporary::new();
    let folder = TempDir::new().unwrap();
    change(&temporary.store, |write| issue(write, 1));
    for suffix in ["", "-wal"] {
        let name = format!("store.db{suffix}");
        fs::copy(temporary.folder.path().join(&name), folder.path().join(&name)).unwrap();
    }

    Sqlite::restore(&folder.path().join("store.db"), &folder.path().join("back.db")).unwrap();

    assert_eq!(serials(&Sqlite::open(&folder.path().join("back.db")).unwrap()), [serial(1)]);
}

#[test]
fn what_is_no_sound_backup_is_not_put_back() {
    let temporary = Temporary::new();
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    change(&temporary.store, |write| (0..200).try_for_each(|number| issue(write, number)));
    temporary.store.backup(&at("good")).unwrap();
    let length = fs::metadata(at("good")).unwrap().len();
    fs::write(at("empty"), "").unwrap();
    fs::copy(at("good"), at("short")).unwrap();
    OpenOptions::new().write(true).open(at("short")).unwrap().set_len(length - 8_192).unwrap();
    fs::copy(at("good"), at("flipped")).unwrap();
    let flipped = OpenOptions::new().write(true).open(at("flipped")).unwrap();
    (1..length / 4_096).for_each(|page| flipped.write_all_at(&[0xff; 16], page * 4_096).unwrap());
    fs::copy(at("good"), at("newer")).unwrap();
    rusqlite::Connection::open(at("newer")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = names(folder.path());

    let tried = |name: &str| Sqlite::restore(&at(name), &at("back")).unwrap_err();

    assert!(matches!(tried("missing"), StoreError::Missing(_)));
    for name in ["empty", "short", "flipped"] {
        assert!(matches!(tried(name), StoreError::Damaged(_)), "{name}: {:?}", tried(name));
    }
    assert!(matches!(tried("newer"), StoreError::TooNew { found: 99, .. }));
    assert_eq!(names(folder.path()), before, "nothing is left of it");
}
