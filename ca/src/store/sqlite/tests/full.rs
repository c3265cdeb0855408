//! The disk is full.

use super::*;
use crate::store::Filter;

/// Lets the file grow by `more` pages at most.
fn leave(store: &Sqlite, more: i64) {
    let writer = store.writer.lock().unwrap();
    let pages: i64 = writer.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let set: i64 =
        writer.pragma_update_and_check(None, "max_page_count", pages + more, |row| row.get(0)).unwrap();
    assert_eq!(set, pages + more);
}

/// Issues until an error.
fn issue_until_error(store: &Sqlite, first: u64) -> (u64, StoreError) {
    for number in first..first + 1_000 {
        let done = store.write().and_then(|write| {
            issue(&*write, number)?;
            write.commit()
        });
        if let Err(error) = done {
            return (number, error);
        }
    }
    panic!("the disk does not get full");
}

#[test]
fn on_a_full_disk_nothing_is_changed_and_with_room_again_it_goes_on() {
    for room in 0..12 {
        // given
        let temporary = Temporary::new();
        let store = &temporary.store;
        change(store, |write| issue(write, 0));
        leave(store, room);

        // when
        let (failed, error) = issue_until_error(store, 1);

        // then
        assert!(matches!(error, StoreError::Full), "{error:?}");
        let read = store.read().unwrap();
        assert_eq!(read.ledger(&Filter::default()).unwrap().len(), usize::try_from(failed).unwrap());
        assert_eq!(read.token(&fingerprint(failed)).unwrap(), None);
        assert_eq!(read.audit_pending().unwrap().len(), usize::try_from(failed).unwrap());
        drop(read);
        store.check().unwrap();

        // and
        leave(store, 1_000);
        change(store, |write| issue(write, failed));
        store.check().unwrap();
    }
}

#[test]
fn what_is_written_after_the_disk_got_full_is_not_committed_by_itself() {
    let temporary = Temporary::new();
    leave(&temporary.store, 2);

    let write = temporary.store.write().unwrap();
    let full = (0..1_000).find_map(|number| write.add_issued(&issued(number)).err());
    assert!(matches!(full, Some(StoreError::Full)), "{full:?}");
    // SQLite may have ended the transaction by itself.
    assert!(matches!(write.add_audit("x"), Err(StoreError::Undone)));
    assert!(matches!(write.commit(), Err(StoreError::Undone)));

    let read = temporary.store.read().unwrap();
    assert_eq!(read.ledger(&Filter::default()).unwrap(), []);
    assert_eq!(read.audit_pending().unwrap(), []);
}
