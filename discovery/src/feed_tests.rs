//! A feed hands out what its source sees, to whoever waits and to whoever asks, and lets it look again when asked to.

use super::*;
use crate::{Endpoint, SourceError};
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::rc::Rc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};
use tracing::field::{Field, Visit};
use tracing::span;

const MOMENT: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn found<const N: usize>(ports: [u16; N]) -> Observation {
    Observation::Found(Endpoints::new(ports.map(|port| Endpoint::at(([127, 0, 0, 1], port).into()))).unwrap())
}

fn failed(why: &str) -> Observation {
    Observation::Failed(SourceError(why.to_owned()))
}

fn ports(snapshot: &Snapshot) -> Vec<u16> {
    snapshot.endpoints.as_slice().iter().map(|one| one.address.port()).collect()
}

/// A source that sees what the test says, when it says so.
struct Told {
    looks: UnboundedReceiver<Observation>,
    begun: Rc<Cell<u32>>,
}

/// The test's end of it.
struct Teller {
    looks: UnboundedSender<Observation>,
    begun: Rc<Cell<u32>>,
}

impl Source for Told {
    fn name(&self) -> String {
        "file told".to_owned()
    }

    async fn look(&mut self) -> Observation {
        self.begun.set(self.begun.get() + 1);
        match self.looks.recv().await {
            Some(seen) => seen,
            None => pending().await,
        }
    }
}

impl Teller {
    /// The source sees that; the watch has dealt with it when this ends.
    async fn tell(&self, seen: Observation) {
        self.looks.send(seen).unwrap();
        sleep(MOMENT).await;
    }

    /// How many looks have begun.
    fn begun(&self) -> u32 {
        self.begun.get()
    }
}

/// A source, its feed, and what watches it.
fn told(settings: Settings) -> (Teller, Feed, impl Future<Output = ()>) {
    let (sender, looks) = unbounded_channel();
    let begun = Rc::new(Cell::new(0));
    let (feed, watching) = watch("order", Told { looks, begun: Rc::clone(&begun) }, settings);
    (Teller { looks: sender, begun }, feed, watching)
}

/// Runs `test` while `watching` goes on.
async fn during(watching: impl Future<Output = ()>, test: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = watching => panic!("nobody watches any more"),
        () = test => {}
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_set_is_handed_out_at_once_and_a_change_a_moment_later() {
    let (teller, mut feed, watching) = told(Settings::default());
    assert_eq!(*feed.current(), Snapshot::default());

    during(watching, async {
        let began = clock::now();
        teller.looks.send(found([1, 2])).unwrap();
        let first = feed.changed().await.expect("a first set");
        assert_eq!((ports(&first), first.version, clock::now()), (vec![1, 2], 1, began));

        teller.looks.send(found([2, 3])).unwrap();
        let next = feed.changed().await.expect("a change");
        assert_eq!((ports(&next), next.version), (vec![2, 3], 2));
        assert_eq!(clock::now() - began, Duration::from_millis(100));
        assert_eq!(feed.current(), next);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_clone_sees_a_change_and_none_is_woken_by_a_look_that_shows_nothing_new() {
    let (teller, feed, watching) = told(Settings::default());

    during(watching, async {
        teller.tell(found([1])).await;
        let (mut one, mut other) = (feed.clone(), feed.clone());
        assert!(one.changed().await.is_some() && other.changed().await.is_some());

        for look in [found([1]), failed("refused"), found([1])] {
            teller.tell(look).await;
        }
        assert!(timeout(MINUTE, one.changed()).await.is_err(), "woken for nothing");

        teller.tell(found([2])).await;
        assert_eq!(one.changed().await, other.changed().await);
        assert_eq!(ports(&one.current()), [2]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_how_the_source_is_doing() {
    let (teller, feed, watching) = told(Settings::default());
    let status = || {
        let Status { source, checked, trouble, since } = feed.status();
        assert_eq!(&*source, "file told");
        (checked, trouble.map(|(_, why)| why), since)
    };
    assert_eq!(status(), (None, None, vec![]));

    during(watching, async {
        teller.tell(failed("no route")).await;
        assert_eq!(status(), (None, Some("no route".into()), vec![]));

        let first = clock::now();
        teller.tell(found([7])).await;
        let since = vec![(([127, 0, 0, 1], 7).into(), first)];
        assert_eq!(status(), (Some(first), None, since.clone()));

        let second = clock::now();
        teller.tell(found([7])).await;
        assert_eq!(status(), (Some(second), None, since.clone()));

        teller.tell(failed("refused")).await;
        assert_eq!(status(), (Some(second), Some("refused".into()), since));
        assert_eq!((feed.current().version, ports(&feed.current())), (1, vec![7]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_set_is_emptied_by_time_alone() {
    let settings = Settings { grace: 2 * SECOND, stale: Some(MINUTE) };
    for (look, after) in [(Observation::Nothing, 2 * SECOND), (failed("no route"), MINUTE)] {
        let (teller, mut feed, watching) = told(settings);

        during(watching, async {
            teller.tell(found([1])).await;
            feed.changed().await;
            let began = clock::now();
            teller.tell(look).await;

            let emptied = feed.changed().await.expect("a change");

            assert_eq!((ports(&emptied), emptied.version, clock::now() - began), (vec![], 2, after));
            assert_eq!(teller.begun(), 3, "no look was cut short for that");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn hints_let_the_source_look_again_but_at_most_once_a_second() {
    let (teller, feed, watching) = told(Settings::default());

    during(watching, async {
        teller.tell(found([1])).await;
        sleep(MINUTE).await;
        assert_eq!(teller.begun(), 2, "the first look, and the one that goes on");

        let began = clock::now();
        for _ in 0..1000 {
            feed.unreachable();
            // Looks by a hint show the same again at once; after each, one begins that waits for its own time.
            if teller.begun() % 2 == 1 {
                teller.looks.send(found([1])).unwrap();
            }
            sleep(10 * MOMENT).await;
        }
        assert_eq!(clock::now() - began, 10 * SECOND);
        assert_eq!((teller.begun() - 2) / 2, 10, "looks by a hint in ten seconds");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_hint_is_one_look() {
    let (teller, feed, watching) = told(Settings::default());

    during(watching, async {
        teller.tell(found([1])).await;
        for _ in 0..10 {
            feed.unreachable();
        }
        sleep(SECOND - 2 * MOMENT).await;
        assert_eq!(teller.begun(), 2, "a second has not gone by since the last look");
        sleep(2 * MOMENT).await;
        assert_eq!(teller.begun(), 3);
        teller.tell(found([1])).await;
        sleep(MINUTE).await;
        assert_eq!(teller.begun(), 4, "the one that goes on");

        for _ in 0..10 {
            feed.unreachable();
        }
        sleep(MOMENT).await;
        assert_eq!(teller.begun(), 5, "the last look was long ago");
        teller.tell(found([1])).await;
        sleep(MINUTE).await;
        assert_eq!(teller.begun(), 6, "the one that goes on");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_look_is_not_cut_short_again_and_again() {
    let (teller, feed, watching) = told(Settings::default());

    during(watching, async {
        for _ in 0..100 {
            feed.unreachable();
            sleep(SECOND).await;
        }
        assert_eq!(teller.begun(), 1, "it is the first look, and looks already");

        teller.tell(found([1])).await;
        for _ in 0..100 {
            feed.unreachable();
            sleep(SECOND).await;
        }
        assert_eq!(teller.begun(), 3, "the second was dropped, the third was begun by a hint");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_keeper_cuts_no_look_short() {
    let (teller, feed, watching) = told(Settings::default());

    during(watching, async {
        for look in [found([1]), found([2]), Observation::Nothing] {
            teller.tell(look).await;
        }
        sleep(MINUTE).await;

        assert_eq!((feed.current().version, teller.begun()), (3, 4));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn watching_ends_with_the_last_clone_of_the_feed() {
    let (teller, feed, watching) = told(Settings::default());
    let mut watching = pin!(watching);
    let other = feed.clone();
    teller.looks.send(found([1])).unwrap();

    drop(feed);
    assert!(timeout(MINUTE, &mut watching).await.is_err(), "somebody listens");
    assert_eq!(ports(&other.current()), [1]);

    drop(other);
    assert!(timeout(MINUTE, &mut watching).await.is_ok(), "nobody listens");
}

#[tokio::test(start_paused = true)]
async fn a_feed_whose_watch_has_ended_keeps_what_it_has() {
    let (teller, mut feed, watching) = told(Settings::default());
    during(watching, teller.tell(found([1]))).await;

    assert_eq!(feed.changed().await.map(|last| ports(&last)), Some(vec![1]));
    assert_eq!(feed.changed().await, None);
    feed.unreachable();
    assert_eq!(ports(&feed.current()), [1]);
}

#[tokio::test]
async fn a_fixed_feed_never_changes() {
    let Observation::Found(endpoints) = found([1, 2]) else { panic!("some") };

    let mut feed = Feed::fixed(endpoints, "the configuration");

    assert_eq!((ports(&feed.current()), feed.current().version), (vec![1, 2], 1));
    assert_eq!(&*feed.status().source, "the configuration");
    assert_eq!(feed.changed().await, None);
}

#[tokio::test(start_paused = true)]
async fn other_threads_read_listen_and_ask_for_a_look() {
    fn anywhere<T: Send + Sync + Clone + 'static>(_: &T) {}
    let (teller, feed, watching) = told(Settings::default());
    anywhere(&feed);

    during(watching, async {
        teller.tell(found([1])).await;
        let mut theirs = feed.clone();
        let worker = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let snapshot = runtime.block_on(theirs.changed());
            theirs.unreachable();
            snapshot.map(|snapshot| ports(&snapshot))
        });
        assert_eq!(worker.join().unwrap(), Some(vec![1]));
        sleep(SECOND).await;
        assert_eq!(teller.begun(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_told_once() {
    let (events, _guard) = Events::record();
    let (teller, _feed, watching) = told(Settings { grace: SECOND, stale: Some(MINUTE) });

    during(watching, async {
        for look in [found([1, 2]), found([2, 3]), failed("no route"), failed("refused"), found([2, 3])] {
            teller.tell(look).await;
            sleep(SECOND).await;
        }
        teller.tell(Observation::Nothing).await;
        sleep(SECOND).await;
        teller.tell(found([4])).await;
        teller.tell(failed("refused")).await;
        sleep(MINUTE).await;
    })
    .await;

    assert_eq!(
        events.take(),
        [
            "INFO endpoints_changed service=order source=file told added=2 removed=0 changed=0 total=2",
            "INFO endpoints_changed service=order source=file told added=1 removed=1 changed=0 total=2",
            "WARN source_failing service=order source=file told error=no route kept=2",
            "WARN source_failing service=order source=file told error=refused kept=2",
            "INFO source_back service=order source=file told seconds=2",
            "WARN endpoints_held service=order source=file told seconds=1",
            "WARN endpoints_emptied service=order source=file told removed=2",
            "INFO endpoints_changed service=order source=file told added=1 removed=0 changed=0 total=1",
            "WARN source_failing service=order source=file told error=refused kept=1",
            "WARN endpoints_emptied service=order source=file told removed=1 error=refused",
        ]
    );
}

/// The events of this thread, as lines without their messages.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    fn record() -> (Self, tracing::subscriber::DefaultGuard) {
        let events = Self::default();
        let guard = tracing::subscriber::set_default(events.clone());
        (events, guard)
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl tracing::Subscriber for Events {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("portcullis_discovery")
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let line = RefCell::new(event.metadata().level().to_string());
        event.record(&mut Line(&line));
        self.0.lock().unwrap().push(line.into_inner());
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line<'a>(&'a RefCell<String>);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() != "message" {
            *self.0.borrow_mut() += &format!(" {}={value:?}", field.name());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        *self.0.borrow_mut() += &match field.name() {
            "event" => format!(" {value}"),
            name => format!(" {name}={value}"),
        };
    }
}
