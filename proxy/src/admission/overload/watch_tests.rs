//! What a look makes of a reading; that the loop looks again.

use super::*;
use crate::admission::overload::memory::Roots;
use std::cell::Cell;
use std::fs;

const LADDER: Option<Memory> = Some(Memory { limit: None, leave_at: 92, refuse_at: 95 });

fn used(used: u64) -> impl FnOnce(Option<u64>) -> Option<Reading> {
    move |_| Some(Reading { used, limit: 100 })
}

#[test]
fn a_look_moves_the_level_from_where_it_is() {
    let gauge = Gauge::new();

    for (now, level) in [(91, Level::Calm), (96, Level::Refuse), (94, Level::Refuse), (92, Level::Leave)] {
        look(&gauge, LADDER, used(now));

        assert_eq!(gauge.level(), level, "{now}");
    }
}

#[test]
fn memory_that_is_not_watched_any_more_is_calm() {
    let gauge = Gauge::new();
    look(&gauge, LADDER, used(99));

    look(&gauge, None, |_| panic!("it is not read"));

    assert_eq!(gauge.level(), Level::Calm);
}

#[test]
fn what_cannot_be_read_changes_nothing() {
    let gauge = Gauge::new();
    look(&gauge, LADDER, used(99));

    look(&gauge, LADDER, |_| None);

    assert_eq!(gauge.level(), Level::Refuse);
}

#[test]
fn the_limit_of_the_file_is_the_one_that_is_read() {
    let gauge = Gauge::new();
    let asked = Cell::new(None);

    look(&gauge, Some(Memory { limit: Some(7), ..Memory::default() }), |limit| {
        asked.set(limit);
        None
    });

    assert_eq!(asked.get(), Some(7));
}

#[tokio::test(flavor = "current_thread")]
async fn the_loop_looks_at_once_and_again_after_a_while() {
    let dir = tempfile::TempDir::new().unwrap();
    let proc = dir.path().join("proc");
    fs::create_dir_all(proc.join("self")).unwrap();
    let resident = |kilobytes: u32| {
        fs::write(proc.join("self/status"), format!("VmRSS: {kilobytes} kB\n")).unwrap();
    };
    fs::write(proc.join("meminfo"), "MemTotal: 100 kB\n").unwrap();
    let gauge = Gauge::new();
    let looks = Cell::new(0);
    let settings = || {
        looks.set(looks.get() + 1);
        resident(if looks.get() == 1 { 97 } else { 50 });
        LADDER
    };
    let meter = Meter::find(Roots { cgroups: dir.path(), proc: &proc });
    let mut watching = std::pin::pin!(watch(Arc::clone(&gauge), meter, settings));

    let first = tokio::time::timeout(EVERY / 10, watching.as_mut()).await;
    let level = gauge.level();
    let second = tokio::time::timeout(EVERY * 4, async {
        tokio::select! {
            () = watching => {}
            () = async { while gauge.level() != Level::Calm { tokio::task::yield_now().await } } => {}
        }
    });

    assert!(first.is_err() && level == Level::Refuse);
    assert!(second.await.is_ok());
}
