//! A store, its keeper, and an issuer on loopback.

use super::*;
use crate::clock;
use crate::mesh::support::local;
use crate::upstream::fetch::support::{Outside, Reply, certified, floods, outside, outside_tls, says, with};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::AtomicUsize;

const REFRESH: Duration = Duration::from_secs(600);
const STALE: Duration = Duration::from_secs(86_400);
const LATER: Duration = Duration::from_secs(11);

/// A set with keys of these names.
fn json(names: &[&str]) -> String {
    let key = |name: &&str| {
        format!(
            r#"{{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"{name}","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}"#
        )
    };
    format!(r#"{{"keys":[{}]}}"#, names.iter().map(key).collect::<Vec<_>>().join(","))
}

fn set(names: &[&str]) -> KeySet {
    KeySet::parse(json(names).as_bytes()).unwrap().0
}

/// An issuer whose answer can be changed.
struct Issuer {
    outside: Outside,
    answer: Rc<RefCell<Box<dyn Fn() -> Reply>>>,
}

impl Issuer {
    async fn new(answer: impl Fn() -> Reply + 'static) -> Self {
        let answer: Rc<RefCell<Box<dyn Fn() -> Reply>>> = Rc::new(RefCell::new(Box::new(answer)));
        let told = Rc::clone(&answer);
        Self { outside: outside(move |_| (told.borrow())()).await, answer }
    }

    fn answers(&self, answer: impl Fn() -> Reply + 'static) {
        *self.answer.borrow_mut() = Box::new(answer);
    }

    fn asked(&self) -> usize {
        self.outside.heard.borrow().len()
    }
}

/// A store with a keeper, after the first fetch.
async fn kept(remote: Remote) -> Arc<KeyStore> {
    let store = Arc::new(KeyStore::new(remote, REFRESH, STALE));
    tokio::task::spawn_local(keep(Arc::downgrade(&store)));
    assert_eq!(store.want(0, clock::now()), Wanted::Coming);
    store.refreshed().await;
    store
}

/// What a worker does with a key that is not in the set.
async fn look_again(store: &KeyStore, now: Instant) -> Wanted {
    let wanted = store.want(store.generation(), now);
    store.refreshed().await;
    wanted
}

#[test]
fn keys_are_there_after_the_first_fetch() {
    local(async {
        let issuer = Issuer::new(|| says(200, json(&["a"]))).await;

        let store = kept(issuer.outside.remote()).await;

        assert_eq!(store.current(clock::now()).as_deref(), Some(&set(&["a"])));
        assert_eq!((store.generation(), issuer.asked()), (1, 1));
    });
}

#[test]
fn nothing_serves_before_and_nobody_waits_when_nothing_is_under_way() {
    local(async {
        let issuer = Issuer::new(|| says(200, json(&["a"]))).await;
        let store = KeyStore::new(issuer.outside.remote(), REFRESH, STALE);

        store.refreshed().await;

        assert_eq!((store.current(clock::now()), store.generation()), (None, 0));
    });
}

#[test]
fn a_new_key_is_fetched_once_for_a_hundred_who_ask() {
    local(async {
        let issuer = Issuer::new(|| says(200, json(&["a"]))).await;
        let store = kept(issuer.outside.remote()).await;
        issuer.answers(|| says(200, json(&["a", "b"])));
        let now = clock::now() + LATER;

        let found = Rc::new(Cell::new(0));
        let askers = (0..100).map(|_| {
            let (store, found) = (Arc::clone(&store), Rc::clone(&found));
            tokio::task::spawn_local(async move {
                assert_eq!(look_again(&store, now).await, Wanted::Coming);
                let there = store.current(now).as_deref() == Some(&set(&["a", "b"]));
                found.set(found.get() + usize::from(there));
            })
        });
        for asker in askers.collect::<Vec<_>>() {
            asker.await.unwrap();
        }

        assert_eq!((found.get(), issuer.asked(), store.generation()), (100, 2, 2));
    });
}

#[test]
fn ten_thousand_strangers_cause_no_fetch_within_ten_seconds_and_one_after() {
    local(async {
        let issuer = Issuer::new(|| says(200, json(&["a"]))).await;
        let store = kept(issuer.outside.remote()).await;
        let now = clock::now();

        for _ in 0..10_000 {
            assert_eq!(store.want(1, now), Wanted::Refused);
        }
        assert_eq!(look_again(&store, now + LATER).await, Wanted::Coming);
        for _ in 0..10_000 {
            assert_eq!(store.want(1, clock::now()), Wanted::Refused);
        }

        assert_eq!(issuer.asked(), 2);
    });
}

#[test]
fn whoever_looked_in_a_set_that_has_changed_meanwhile_looks_again() {
    local(async {
        let issuer = Issuer::new(|| says(200, json(&["a"]))).await;
        let store = kept(issuer.outside.remote()).await;

        assert_eq!(store.want(0, clock::now()), Wanted::Changed);
    });
}

#[test]
fn the_same_set_again_is_no_change() {
    local(async {
        let issuer = Issuer::new(|| says(200, json(&["a"]))).await;
        let store = kept(issuer.outside.remote()).await;
        let before = store.current(clock::now()).unwrap();

        look_again(&store, clock::now() + LATER).await;

        assert_eq!((issuer.asked(), store.generation()), (2, 1));
        assert!(Arc::ptr_eq(&before, &store.current(clock::now()).unwrap()));
    });
}

#[test]
fn the_old_set_serves_while_the_issuer_is_down_and_is_gone_when_it_is_stale() {
    local(async {
        let issuer = Issuer::new(|| says(200, json(&["a"]))).await;
        let store = kept(issuer.outside.remote()).await;
        let sent = Arc::new(AtomicUsize::new(0));
        let bad: [Box<dyn Fn() -> Reply>; 4] = [
            Box::new(|| says(500, json(&["b"]))),
            Box::new(|| with(says(200, "<html>sign in</html>"), "content-type", "application/json")),
            Box::new(|| with(says(302, ""), "location", "http://169.254.169.254/")),
            Box::new(move || floods(&sent)),
        ];

        for (turn, answer) in (1..).zip(bad) {
            issuer.answers(answer);
            assert_eq!(look_again(&store, clock::now() + LATER * turn).await, Wanted::Coming);
        }

        let now = clock::now();
        assert_eq!(issuer.asked(), 5);
        assert_eq!(store.current(now + STALE - LATER).as_deref(), Some(&set(&["a"])));
        assert_eq!(store.current(now + STALE + LATER), None);
    });
}

#[test]
fn an_issuer_that_is_silent_does_not_hold_those_who_wait() {
    local(async {
        let issuer = Issuer::new(|| None).await;
        let remote = Remote { timeout: Duration::from_millis(50), ..issuer.outside.remote() };

        let store = kept(remote).await;

        assert_eq!(store.current(clock::now()), None);
        assert_eq!(store.want(0, clock::now()), Wanted::Refused);
    });
}

#[test]
fn an_issuer_that_cannot_prove_its_name_has_no_keys() {
    local(async {
        let (acceptor, _folder, bundle) = certified("id.shop.example");
        let service = outside_tls(acceptor, |_| says(200, json(&["a"]))).await;

        let store = kept(service.remote_tls(Some(bundle))).await;

        assert_eq!((store.current(clock::now()), service.heard.borrow().len()), (None, 0));
    });
}

#[test]
fn an_authority_that_is_put_right_is_read_again() {
    local(async {
        let (acceptor, _folder, bundle) = certified("127.0.0.1");
        let service = outside_tls(acceptor, |_| says(200, json(&["a"]))).await;
        let right = std::fs::read(&bundle).unwrap();
        std::fs::write(&bundle, "").unwrap();
        let store = kept(service.remote_tls(Some(bundle.clone()))).await;
        assert_eq!(store.current(clock::now()), None);

        std::fs::write(&bundle, right).unwrap();
        look_again(&store, clock::now() + LATER).await;

        assert_eq!(store.current(clock::now()).as_deref(), Some(&set(&["a"])));
    });
}

#[test]
fn the_keeper_ends_with_the_store() {
    local(async {
        let issuer = Issuer::new(|| says(200, json(&["a"]))).await;
        let store = Arc::new(KeyStore::new(issuer.outside.remote(), REFRESH, STALE));
        let keeper = tokio::task::spawn_local(keep(Arc::downgrade(&store)));
        store.want(0, clock::now());
        store.refreshed().await;

        drop(store);

        keeper.await.unwrap();
    });
}

#[test]
fn a_store_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}

    shared::<KeyStore>();
}
