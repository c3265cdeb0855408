//! Tests: waiting at a bulkhead.

use super::*;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Wake;

fn rule(concurrent: u32, queue: u32) -> service::Bulkhead {
    service::Bulkhead { concurrent, queue, wait: Duration::from_secs(3600), adaptive: false }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Polls once; nobody is woken.
async fn poll_once<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    let mut future = Some(future);
    poll_fn(|context| match future.take().unwrap().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[test]
fn a_place_that_is_given_back_goes_to_whoever_waits_longest() {
    block_on(async {
        let (bulkhead, rule) = (Arc::new(Bulkhead::default()), rule(1, 2));
        let held = bulkhead.try_enter(&rule).unwrap();
        let (mut first, mut second) = (pin!(bulkhead.enter(&rule)), pin!(bulkhead.enter(&rule)));
        assert!(poll_once(first.as_mut()).await.is_none());
        assert!(poll_once(second.as_mut()).await.is_none());
        assert_eq!((bulkhead.load(), bulkhead.enter(&rule).await.unwrap_err()), ((1, 2), Full::Queue));

        drop(held);

        assert!(bulkhead.try_enter(&rule).is_none());
        assert!(poll_once(second.as_mut()).await.is_none());
        let permit = first.await.unwrap();
        assert_eq!(bulkhead.load(), (1, 1));
        drop(permit);
        drop(second.await.unwrap());
        assert_eq!(bulkhead.load(), (0, 0));
    });
}

#[test]
fn one_who_leaves_the_line_frees_its_place_in_it_and_its_turn() {
    block_on(async {
        let (bulkhead, rule) = (Arc::new(Bulkhead::default()), rule(1, 2));
        let held = bulkhead.try_enter(&rule).unwrap();
        let mut gone = Box::pin(bulkhead.enter(&rule));
        let mut called = Box::pin(bulkhead.enter(&rule));
        assert!(poll_once(gone.as_mut()).await.is_none());
        assert!(poll_once(called.as_mut()).await.is_none());
        drop(gone);
        assert_eq!(bulkhead.load(), (1, 1));
        let mut next = pin!(bulkhead.enter(&rule));
        assert!(poll_once(next.as_mut()).await.is_none());

        drop(held);
        drop(called);

        drop(next.await.unwrap());
        assert_eq!(bulkhead.load(), (0, 0));
    });
}

#[test]
fn nobody_waits_longer_than_the_rule_says() {
    block_on(async {
        let bulkhead = Arc::new(Bulkhead::default());
        let rule = service::Bulkhead { wait: Duration::from_millis(1), ..rule(1, 1) };
        let _held = bulkhead.try_enter(&rule).unwrap();

        let full = bulkhead.enter(&rule).await.unwrap_err();

        assert_eq!((full, bulkhead.load()), (Full::Wait, (1, 0)));
    });
}

#[test]
fn a_reload_with_a_higher_limit_lets_those_who_wait_in() {
    block_on(async {
        let (bulkhead, low, high) = (Arc::new(Bulkhead::default()), rule(1, 2), rule(3, 2));
        let _held = bulkhead.try_enter(&low).unwrap();
        let mut waiting = pin!(bulkhead.enter(&low));
        assert!(poll_once(waiting.as_mut()).await.is_none());

        let newcomer = bulkhead.try_enter(&high);

        assert!(newcomer.is_some());
        assert!(waiting.await.is_ok());
    });
}

#[test]
fn whoever_is_polled_by_another_task_is_woken_there() {
    struct Noted(AtomicU32);
    impl Wake for Noted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    block_on(async {
        let (bulkhead, rule) = (Arc::new(Bulkhead::default()), rule(1, 2));
        let held = bulkhead.try_enter(&rule).unwrap();
        let mut waiting = pin!(bulkhead.enter(&rule));
        let noted = [(); 2].map(|()| Arc::new(Noted(AtomicU32::new(0))));
        for one in &noted {
            let waker = Waker::from(Arc::clone(one));
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }

        drop(held);

        assert_eq!(noted.map(|one| one.0.load(Ordering::Relaxed)), [0, 1]);
    });
}

#[test]
fn an_adaptive_limit_begins_low_and_learns_only_from_rules_that_ask_for_it() {
    let (bulkhead, fixed) = (Arc::new(Bulkhead::default()), rule(100, 0));
    let adaptive = service::Bulkhead { adaptive: true, ..fixed };
    let permits: Vec<_> = (0..10).map_while(|_| bulkhead.try_enter(&adaptive)).collect();

    permits[0].answered(&fixed, Some(Duration::from_millis(1)));

    assert_eq!((permits.len(), bulkhead.limit(&adaptive), bulkhead.limit(&fixed)), (4, 4, 100));
    assert_eq!(bulkhead.limit(&service::Bulkhead { concurrent: 2, ..adaptive }), 2);
    assert!(bulkhead.adaptive.lock().unwrap().is_untouched());
}

#[test]
fn what_stays_open_takes_no_place_of_an_adaptive_limit_but_one_of_all() {
    let bulkhead = Arc::new(Bulkhead::default());
    let adaptive = service::Bulkhead { adaptive: true, ..rule(6, 0) };
    let permits: Vec<_> = (0..4).map_while(|_| bulkhead.try_enter(&adaptive)).collect();
    assert!(bulkhead.try_enter(&adaptive).is_none());

    let staying: Vec<_> = permits.iter().map(|permit| permit.stays(&adaptive)).collect();

    let more: Vec<_> = (0..9).map_while(|_| bulkhead.try_enter(&adaptive)).collect();
    assert_eq!((more.len(), bulkhead.limit(&adaptive)), (2, 6));
    drop((permits, staying));
    assert_eq!((bulkhead.load(), bulkhead.limit(&adaptive)), ((2, 0), 4));
}

#[test]
fn workers_hand_places_to_each_other() {
    let (bulkhead, rule) = (Arc::new(Bulkhead::default()), rule(2, 64));
    let most = AtomicU32::new(0);
    let worker = || {
        block_on(async {
            for turn in 0..500 {
                let (mut first, mut other) = (pin!(bulkhead.enter(&rule)), Box::pin(bulkhead.enter(&rule)));
                if let Some(entered) = poll_once(other.as_mut()).await {
                    drop(entered.unwrap());
                }
                let early = poll_once(first.as_mut()).await;
                // Every other time somebody who waits, or was just called, leaves.
                if turn % 2 == 0 {
                    drop(other);
                }
                let permit = match early {
                    Some(entered) => entered.unwrap(),
                    None if turn % 2 == 0 => first.await.unwrap(),
                    // Both wait: whoever is called first has to be asked, else the other waits for it.
                    None => continue,
                };
                most.fetch_max(bulkhead.load().0, Ordering::Relaxed);
                drop(permit);
            }
        });
    };

    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(worker))));

    assert_eq!(bulkhead.load(), (0, 0));
    assert!((1..=2).contains(&most.load(Ordering::Relaxed)));
}
