//! A ledger of 100 000 certificates.

use super::*;
use crate::store::Filter;
use crate::store::sqlite::read::ledger;

const ROWS: u64 = 100_000;
const IDS: u64 = 1_000;

fn name(number: u64) -> SpiffeId {
    id(&format!("s{:03}", number % IDS))
}

/// The ends are spread, so that the n-th has expired n seconds from now.
fn row(number: u64) -> Issued {
    let root = AuthorityId::root(1 + number % 2);
    Issued { id: name(number), root, not_after: later(number.cast_signed()), ..issued(number) }
}

fn fill(store: &Sqlite) {
    change(store, |write| {
        for number in 0..ROWS {
            let issued = row(number);
            write.add_issued(&issued)?;
            write.put_instance(&Instance {
                id: issued.id,
                not_after: issued.not_after,
                ..instance(number)
            })?;
        }
        Ok(())
    });
}

fn serials(ledger: &[Issued]) -> Vec<Serial> {
    ledger.iter().map(|issued| issued.serial).collect()
}

#[test]
fn a_large_ledger_gives_the_right_answers() {
    let temporary = Temporary::new();
    fill(&temporary.store);
    let read = temporary.store.read().unwrap();
    let last = |count: u64| (ROWS - count..ROWS).rev().map(serial).collect::<Vec<_>>();
    let half = Filter { live_at: Some(later((ROWS / 2).cast_signed())), ..Filter::default() };

    let newest = read.ledger(&Filter { limit: Some(50), ..Filter::default() }).unwrap();
    assert_eq!(serials(&newest), last(50));
    assert_eq!(newest[0], listed(row(ROWS - 1)));
    let live = read.ledger(&Filter { limit: Some(50), ..half.clone() }).unwrap();
    assert_eq!(serials(&live), last(50));
    let under_one = read.ledger(&Filter { root: Some(AuthorityId::root(1)), ..half.clone() }).unwrap();
    assert_eq!(
        serials(&under_one),
        (ROWS / 2..ROWS).rev().step_by(2).map(|n| serial(n - 1)).collect::<Vec<_>>()
    );
    let one = read.ledger(&Filter { id: Some(name(7)), ..half }).unwrap();
    let expected: Vec<_> = (ROWS / 2..ROWS).rev().filter(|number| number % IDS == 7).map(serial).collect();
    assert_eq!(serials(&one), expected);

    let live = read.live_instances(later((ROWS - 10).cast_signed())).unwrap();
    assert_eq!(
        live.iter().map(|live| live.serial).collect::<Vec<_>>(),
        last(10).into_iter().rev().collect::<Vec<_>>()
    );
    let all = read.live_instances(NOW).unwrap();
    assert_eq!(all.len(), usize::try_from(ROWS).unwrap());
    assert!(all.is_sorted_by(|a, b| (&a.id, &a.instance) < (&b.id, &b.instance)));
    assert_eq!(read.key_holder(&fingerprint(77_777), NOW).unwrap(), Some(name(77_777)));
    drop(read);

    change(&temporary.store, |write| {
        let before = later((ROWS - 10).cast_signed());
        assert_eq!(write.prune(NOW, before)?, 2 * (ROWS - 10));
        Ok(())
    });
    let left = temporary.store.read().unwrap().ledger(&Filter::default()).unwrap();
    assert_eq!(serials(&left), last(10));
}

#[test]
fn no_question_to_the_ledger_reads_all_of_it_or_sorts_whole_rows() {
    let temporary = Temporary::new();
    let connection = temporary.store.reader.lock().unwrap();
    let (root, id) = (Some(AuthorityId::root(1)), Some(id("order")));
    let (live_at, limit, none) = (Some(NOW), Some(1), Filter::default);

    for (filter, index) in [
        (Filter { limit, ..none() }, "SCAN issued"),
        (Filter { id: id.clone(), ..none() }, "SEARCH issued USING COVERING INDEX issued_by_id (id=?)"),
        (
            Filter { root: root.clone(), ..none() },
            "SEARCH issued USING COVERING INDEX issued_by_root (root=?)",
        ),
        (Filter { live_at, ..none() }, "SEARCH issued USING COVERING INDEX issued_by_end (not_after>?)"),
        (
            Filter { root, live_at, limit, ..none() },
            "SEARCH issued USING COVERING INDEX issued_by_root (root=? AND not_after>?)",
        ),
        (
            Filter { id, live_at, limit, ..none() },
            "SEARCH issued USING COVERING INDEX issued_by_id (id=? AND not_after>?)",
        ),
    ] {
        let (sql, values) = ledger(&filter);
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan =
            statement.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        let plan: Vec<_> = plan.map(Result::unwrap).collect();

        let (rows, numbers) = plan.split_at(2);
        assert_eq!(
            rows,
            ["SEARCH issued USING INTEGER PRIMARY KEY (rowid=?)", "LIST SUBQUERY 1"],
            "{plan:?}"
        );
        assert_eq!(numbers[0], index, "{plan:?}");
    }
}
