//! What is atomic, who waits for whom, and when the version moves.

use super::*;
use crate::store::Filter;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(30);

#[test]
fn a_change_that_is_dropped_never_was() {
    let temporary = Temporary::new();

    let write = temporary.store.write().unwrap();
    issue(&*write, 1).unwrap();
    assert!(write.issued(&serial(1)).unwrap().is_some(), "it sees what it has done");
    drop(write);

    assert_eq!(temporary.store.read().unwrap().issued(&serial(1)).unwrap(), None);
    change(&temporary.store, |write| issue(write, 1));
    assert!(temporary.store.read().unwrap().issued(&serial(1)).unwrap().is_some());
}

#[test]
fn a_change_of_which_a_part_failed_cannot_be_committed() {
    let temporary = Temporary::new();
    change(&temporary.store, |write| write.add_issued(&issued(1)));

    let write = temporary.store.write().unwrap();
    write.add_token(&token(2)).unwrap();
    write.add_issued(&issued(1)).unwrap_err();

    assert!(matches!(write.put_entry(&entry("order")), Err(StoreError::Undone)));
    assert!(matches!(write.commit(), Err(StoreError::Undone)));
    assert_eq!(temporary.store.read().unwrap().token(&fingerprint(2)).unwrap(), None);
    change(&temporary.store, |write| write.add_token(&token(2)));
}

#[test]
fn a_read_looks_at_the_moment_it_began() {
    let temporary = Temporary::new();
    change(&temporary.store, |write| issue(write, 1));

    let before = temporary.store.read().unwrap();
    change(&temporary.store, |write| issue(write, 2));
    let after = temporary.store.read().unwrap();

    assert_eq!(before.ledger(&Filter::default()).unwrap(), [listed(issued(1))]);
    assert_eq!(before.audit_pending().unwrap().len(), 1);
    assert_eq!(after.ledger(&Filter::default()).unwrap(), [issued(2), issued(1)].map(listed));
}

#[test]
fn a_read_does_not_wait_for_a_writer_and_cannot_see_what_it_does() {
    let temporary = Temporary::new();
    let other = Sqlite::open(&temporary.path()).unwrap();

    let write = temporary.store.write().unwrap();
    issue(&*write, 1).unwrap();

    assert_eq!(temporary.store.read().unwrap().ledger(&Filter::default()).unwrap(), []);
    assert_eq!(other.read().unwrap().ledger(&Filter::default()).unwrap(), []);
}

#[test]
fn a_writer_that_does_not_end_makes_others_give_up() {
    // given: a writer, in the same process and in another one
    let temporary = Temporary::new();
    let path = temporary.path();
    let impatient = Sqlite::open_patiently(&path, SHORT).unwrap();
    let own = impatient.write().unwrap();
    assert!(matches!(impatient.write().map(|_| ()), Err(StoreError::Busy)), "of the same handle");
    drop(own);
    let foreign = temporary.store.write().unwrap();
    assert!(matches!(impatient.write().map(|_| ()), Err(StoreError::Busy)), "of another one");

    // when
    drop(foreign);

    // then
    change(&impatient, |write| issue(write, 1));
}

#[test]
fn a_thread_that_panics_in_a_change_leaves_a_store_that_works() {
    let temporary = Temporary::new();

    let died = std::thread::scope(|scope| {
        let broken = scope.spawn(|| {
            let _read = temporary.store.read().unwrap();
            let write = temporary.store.write().unwrap();
            issue(&*write, 1).unwrap();
            panic!("as it happens");
        });
        broken.join()
    });

    assert!(died.is_err());
    assert!(temporary.store.writer.is_poisoned() && temporary.store.reader.is_poisoned());
    assert_eq!(temporary.store.read().unwrap().ledger(&Filter::default()).unwrap(), []);
    change(&temporary.store, |write| issue(write, 2));
    temporary.store.version().unwrap();
    temporary.store.check().unwrap();
}

#[test]
fn the_version_moves_with_each_commit_here_or_elsewhere_and_only_then() {
    let temporary = Temporary::new();
    let other = Sqlite::open(&temporary.path()).unwrap();
    let mut last = temporary.store.version().unwrap();
    let mut moved = || {
        let now = temporary.store.version().unwrap();
        let moved = now != last;
        last = now;
        moved
    };

    assert!(!moved());
    change(&temporary.store, |write| issue(write, 1));
    assert!(moved(), "committed here");
    assert!(!moved());
    change(&other, |write| issue(write, 2));
    assert!(moved(), "committed elsewhere");
    issue(&*temporary.store.write().unwrap(), 3).unwrap();
    issue(&*other.write().unwrap(), 3).unwrap();
    drop(temporary.store.read().unwrap().settings());
    assert!(!moved(), "nothing was committed");
    let read = temporary.store.read().unwrap();
    change(&other, |write| issue(write, 3));
    assert!(moved(), "although somebody looks at the moment before");
    drop(read);
}
