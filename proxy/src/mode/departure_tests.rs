//! The whole farewell with a real child and hands that take notes.

use super::*;
use crate::clock;
use std::cell::{Cell, RefCell};
use std::ffi::OsString;

/// Takes notes; idle as told.
struct Notes {
    done: RefCell<Vec<&'static str>>,
    busy: Cell<bool>,
    drain: Drain,
}

impl Notes {
    fn new(busy: bool, timeout: Duration) -> Self {
        let drain = Drain { delay: Duration::from_millis(1), timeout };
        Self { done: RefCell::default(), busy: Cell::new(busy), drain }
    }

    fn note(&self, word: &'static str) {
        self.done.borrow_mut().push(word);
    }

    fn done(&self) -> Vec<&'static str> {
        self.done.borrow().clone()
    }
}

impl Hands for Notes {
    fn not_ready(&self) {
        self.note("not ready");
    }
    fn inbound_away(&self) {
        self.note("inbound");
    }
    fn outbound_away(&self) {
        self.note("outbound");
    }
    fn cut(&self) {
        self.note("cut");
    }
    fn inbound_idle(&self) -> bool {
        !self.busy.get()
    }
    fn all_idle(&self) -> bool {
        !self.busy.get()
    }
    fn drain(&self) -> Drain {
        self.drain
    }
}

const LONG: Duration = Duration::from_secs(120);
const TERM: Told = Told { skip_delay: false };

fn local<F: Future<Output = ()>>(test: F) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap();
    runtime.block_on(async {
        tokio::time::timeout(LONG, test).await.expect("it does not come to an end");
    });
}

/// A shell that says through a file that it runs.
async fn shell(script: &str) -> Child {
    let folder = tempfile::tempdir().unwrap();
    let up = folder.path().join("up");
    let (before, after) = script.split_once("UP").unwrap_or(("", script));
    let script = format!("{before} : > {}; {after}", up.display());
    let words: Vec<OsString> = ["/bin/sh", "-c", &script].map(OsString::from).into();
    let child = Child::spawn(&words, None).unwrap();
    while !up.exists() {
        sleep(Duration::from_millis(5)).await;
    }
    child
}

const OBEYS: &str = "trap 'exit 7' TERM; UP while :; do sleep 0.01; done";
const IGNORES: &str = "trap '' TERM; UP while :; do sleep 0.01; done";

#[test]
fn a_job_that_is_done_ends_the_sidecar_with_its_code() {
    local(async {
        let (notes, child) = (Notes::new(false, LONG), shell("UP exit 3").await);
        let (_sender, mut told) = unbounded_channel();

        let code = run(&notes, Some(&child), &mut told).await;

        assert_eq!((code, notes.done()), (3, vec!["not ready", "inbound", "outbound"]));
    });
}

#[test]
fn told_to_end_the_child_is_told_after_inbound_and_before_outbound() {
    local(async {
        let (notes, child) = (Notes::new(false, LONG), shell(OBEYS).await);
        let (sender, mut told) = unbounded_channel();
        sender.send(TERM).unwrap();

        let code = run(&notes, Some(&child), &mut told).await;

        assert_eq!((code, notes.done()), (7, vec!["not ready", "inbound", "outbound"]));
    });
}

#[test]
fn a_child_that_ignores_everything_is_killed_when_the_timeout_is_over() {
    local(async {
        let (notes, child) = (Notes::new(true, Duration::from_millis(100)), shell(IGNORES).await);
        let (sender, mut told) = unbounded_channel();
        sender.send(TERM).unwrap();

        let code = run(&notes, Some(&child), &mut told).await;

        assert_eq!((code, notes.done()), (137, vec!["not ready", "inbound", "cut"]));
    });
}

#[test]
fn a_second_signal_ends_at_once() {
    local(async {
        let (notes, child) = (Notes::new(true, LONG * 100), shell(IGNORES).await);
        let (sender, mut told) = unbounded_channel();
        sender.send(Told { skip_delay: true }).unwrap();
        sender.send(TERM).unwrap();

        let code = run(&notes, Some(&child), &mut told).await;

        assert_eq!((code, notes.done()), (137, vec!["not ready", "inbound", "cut"]));
    });
}

#[test]
fn without_a_child_it_ends_when_nothing_is_in_flight() {
    local(async {
        let notes = Notes::new(true, LONG);
        let (sender, mut told) = unbounded_channel();
        sender.send(TERM).unwrap();
        let begun = clock::now();

        let quiet = async {
            while !notes.done().contains(&"inbound") {
                sleep(Duration::from_millis(5)).await;
            }
            notes.busy.set(false);
            pending::<u8>().await
        };
        let code = tokio::select! {
            code = run(&notes, None, &mut told) => code,
            code = quiet => code,
        };

        assert_eq!((code, notes.done()), (0, vec!["not ready", "inbound", "outbound"]));
        assert!(clock::now() - begun < LONG);
    });
}
