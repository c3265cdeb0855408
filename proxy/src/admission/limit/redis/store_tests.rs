//! The store against a real Redis.

use super::support_tests::{Server, ask, config, limit, rate, store, within, worker};
use super::*;
use crate::config::limit::{Limit, Rate, Window};
use redis::Commands;

const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_secs(10);

fn bucket(amount: u32, window: Duration, burst: u32) -> Limit {
    limit(Algorithm::TokenBucket, rate(amount, window, burst))
}

/// Asks until it is answered well.
async fn recovered(store: &Store, ask: &Ask<'_>) {
    let end = clock::now() + SOON;
    while store.take(ask).await.is_err() {
        assert!(clock::now() < end, "the store is asked again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn exactly_a_hundred_of_a_thousand_at_once_are_admitted() {
    worker(async {
        let server = Server::start(&[]).await;
        for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow] {
            // Two stores, as two processes have them.
            let stores = [store(&server.config()).0, store(&server.config()).0].map(Rc::new);
            let limit = Rc::new(limit(algorithm, rate(100, 24 * HOUR, 100)));

            let asking: Vec<_> = (0..1000)
                .map(|n| {
                    let (store, limit) = (stores[n % 2].clone(), limit.clone());
                    tokio::task::spawn_local(async move {
                        store.take(&ask(&limit, algorithm as u128, 1)).await.unwrap().admitted
                    })
                })
                .collect();
            let mut admitted = 0;
            for task in asking {
                admitted += u32::from(task.await.unwrap());
            }

            assert_eq!(admitted, 100, "{algorithm:?}");
        }
    });
}

#[test]
fn what_is_asked_at_once_travels_together() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        let (store, limit) = (Rc::new(store), Rc::new(bucket(1000, HOUR, 1000)));
        store.take(&ask(&limit, 1, 1)).await.unwrap();
        let reads = |server: &Server| -> u64 {
            let text: String = redis::cmd("INFO").arg("stats").query(&mut server.direct()).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
            line.unwrap().trim().parse().unwrap()
        };
        let before = reads(&server);

        let asking: Vec<_> = (0..200)
            .map(|_| {
                let (store, limit) = (store.clone(), limit.clone());
                tokio::task::spawn_local(async move { store.take(&ask(&limit, 1, 1)).await.map(drop) })
            })
            .collect();
        for task in asking {
            task.await.unwrap().unwrap();
        }

        let reads = reads(&server) - before;
        assert!(reads < 50, "200 questions in {reads} reads");
    });
}

#[test]
fn a_bucket_says_what_is_left_and_how_long_to_wait() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        let limit = bucket(2, 2 * HOUR, 3);

        let first = store.take(&ask(&limit, 7, 2)).await.unwrap();
        let refused = store.take(&ask(&limit, 7, 2)).await.unwrap();
        let last = store.take(&ask(&limit, 7, 1)).await.unwrap();

        assert_eq!((first.admitted, first.remaining, first.reset_after), (true, 1, 2 * HOUR));
        assert_eq!((refused.admitted, refused.remaining), (false, 1));
        assert!(refused.retry_after <= HOUR && refused.retry_after > HOUR - SOON, "{refused:?}");
        assert_eq!((last.admitted, last.remaining), (true, 0), "what was refused has spent nothing");
    });
}

#[test]
fn a_bucket_admits_again_when_it_has_said_so() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        let limit = bucket(7, Duration::from_secs(1), 1);
        store.take(&ask(&limit, 7, 1)).await.unwrap();

        let refused = store.take(&ask(&limit, 7, 1)).await.unwrap();
        tokio::time::sleep(refused.retry_after).await;
        let after = store.take(&ask(&limit, 7, 1)).await.unwrap();

        assert_eq!((refused.admitted, after.admitted), (false, true));
    });
}

#[test]
fn windows_say_what_is_left_and_end() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        let day = Rate { amount: 2, window: Window::Day("Europe/Berlin".into()), burst: 2 };
        let limits = [
            limit(Algorithm::FixedWindow, rate(2, HOUR, 2)),
            limit(Algorithm::FixedWindow, day),
            limit(Algorithm::SlidingWindow, rate(2, HOUR, 2)),
        ];
        for (limit, longest) in limits.iter().zip([HOUR, 25 * HOUR, 2 * HOUR]) {
            let key = longest.as_secs().into();

            let mut decisions = Vec::new();
            for _ in 0..3 {
                decisions.push(store.take(&ask(limit, key, 1)).await.unwrap());
            }

            let seen: Vec<_> = decisions.iter().map(|one| (one.admitted, one.remaining)).collect();
            assert_eq!(seen, [(true, 1), (true, 0), (false, 0)]);
            assert!(decisions[2].reset_after <= longest && decisions[2].retry_after > Duration::ZERO);
            let left: i64 = server.direct().pttl(store.inner.key(Key(key))).unwrap();
            assert!(left > 0 && left <= longest.as_millis() as i64 + 1, "keys end by themselves: {left}");
        }
    });
}

#[test]
fn what_is_given_back_can_be_spent_again() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow] {
            let limit = limit(algorithm, rate(5, 24 * HOUR, 5));
            let ask = ask(&limit, algorithm as u128, 5);
            assert!(store.take(&ask).await.unwrap().admitted);
            let full = store.take(&ask).await.unwrap();

            store.give_back(&ask, 5).await.unwrap();
            let after = store.take(&ask).await.unwrap();

            assert_eq!((full.admitted, after.admitted), (false, true), "{algorithm:?}");
        }
    });
}

#[test]
fn nothing_is_made_by_giving_back() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow] {
            let limit = limit(algorithm, rate(5, 24 * HOUR, 5));
            let one = ask(&limit, algorithm as u128, 1);

            store.give_back(&one, 100).await.unwrap();
            store.take(&one).await.unwrap();
            store.give_back(&one, 100).await.unwrap();
            let granted = store.reserve(&one, 100).await.unwrap();

            assert_eq!(granted.n, 5, "{algorithm:?}");
        }
    });
}

#[test]
fn a_reservation_takes_what_there_is_but_not_less_than_the_cost() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow] {
            let limit = limit(algorithm, rate(10, 240 * HOUR, 10));
            let key = algorithm as u128;

            let some = store.reserve(&ask(&limit, key, 2), 7).await.unwrap();
            let too_few = store.reserve(&ask(&limit, key, 4), 8).await.unwrap();
            let rest = store.reserve(&ask(&limit, key, 2), 8).await.unwrap();

            assert_eq!((some.n, some.remaining), (7, 3), "{algorithm:?}");
            assert_eq!((too_few.n, too_few.remaining), (0, 3), "{algorithm:?}");
            assert!(too_few.retry_after > Duration::ZERO, "{algorithm:?}");
            assert_eq!((rest.n, rest.remaining), (3, 0), "{algorithm:?}");
        }
    });
}

#[test]
fn the_largest_sliding_window_is_exact() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        let month = Duration::from_secs(31 * 86_400);
        let limit = limit(Algorithm::SlidingWindow, rate(u32::MAX, month, u32::MAX));
        // The window before has spent everything.
        let now = clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as u64;
        let length = month.as_micros() as u64;
        let from = now - now % length;
        let state = format!("s {} {} 0", from - length, u32::MAX);
        let () = server.direct().set(store.inner.key(Key(1)), state).unwrap();

        let decision = store.take(&ask(&limit, 1, 1)).await.unwrap();

        let view = |now: u64| {
            (u128::from(u32::MAX) * u128::from(from + length - now)).div_ceil(length.into()) as u32
        };
        let left = u32::MAX - view(now) - 1;
        assert!(decision.admitted);
        assert!(
            decision.remaining >= left && decision.remaining < left + 100_000,
            "{decision:?}, not {left}"
        );
    });
}

#[test]
fn a_refusal_is_remembered_and_the_store_not_asked_again() {
    worker(async {
        let mut server = Server::start(&[]).await;
        let (store, seen) = store(&server.config());
        let limit = bucket(1, HOUR, 1);
        store.take(&ask(&limit, 1, 1)).await.unwrap();
        let refused = store.take(&ask(&limit, 1, 1)).await.unwrap();

        server.kill();
        let again = store.take(&ask(&limit, 1, 1)).await.unwrap();

        assert!(!refused.admitted && !again.admitted);
        assert!(again.retry_after <= refused.retry_after);
        assert!(seen.errors.borrow().is_empty());
    });
}

#[test]
fn names_of_keys_are_the_prefix_and_a_digest() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        let limit = bucket(1, HOUR, 1);

        store.take(&ask(&limit, 0xabc, 1)).await.unwrap();

        let mut keys: Vec<String> = server.direct().keys("*").unwrap();
        keys.sort();
        assert_eq!(keys, ["test:instances", "test:{00000000000000000000000000000abc}"]);
    });
}

#[test]
fn a_server_that_has_forgotten_the_scripts_gets_them_again() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, seen) = store(&server.config());
        let limit = bucket(2, HOUR, 2);
        store.take(&ask(&limit, 1, 1)).await.unwrap();

        let () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut server.direct()).unwrap();
        let after = store.take(&ask(&limit, 1, 1)).await.unwrap();

        assert_eq!((after.admitted, after.remaining), (true, 0));
        assert!(seen.errors.borrow().is_empty());
    });
}

#[test]
fn a_server_that_was_started_again_is_found_again() {
    worker(async {
        let mut server = Server::start(&[]).await;
        let (store, seen) = store(&server.config());
        let limit = bucket(2, HOUR, 2);
        store.take(&ask(&limit, 1, 1)).await.unwrap();

        server.kill();
        let without = store.take(&ask(&limit, 1, 1)).await;
        let open = store.is_open();
        server.again().await;
        recovered(&store, &ask(&limit, 1, 1)).await;

        assert_eq!((without, open), (Err(StoreError::Unreachable), true));
        assert!(!store.is_open());
        assert_eq!(*seen.breaker.borrow(), [true, false]);
    });
}

#[test]
fn a_server_that_hangs_costs_three_questions_their_time_and_recovers() {
    worker(async {
        let server = Server::start(&[]).await;
        let mut config = server.config();
        config.timeout = Duration::from_millis(200);
        let (store, seen) = store(&config);
        let limit = bucket(100, HOUR, 100);
        store.start();
        within(SOON, "connected", || matches!(&*store.inner.phase.borrow(), Phase::Up(_))).await;

        server.signal("STOP");
        let mut waits = Vec::new();
        let mut words = Vec::new();
        for _ in 0..6 {
            let began = clock::now();
            words.push(store.take(&ask(&limit, 1, 1)).await.unwrap_err().word());
            waits.push(began.elapsed());
        }
        server.signal("CONT");
        recovered(&store, &ask(&limit, 1, 1)).await;

        assert_eq!(words, ["timeout", "timeout", "timeout", "open", "open", "open"]);
        assert!(waits.iter().all(|wait| *wait < 2 * config.timeout), "{waits:?}");
        assert!(waits[3..].iter().all(|wait| *wait < Duration::from_millis(20)), "{waits:?}");
        assert_eq!(*seen.breaker.borrow(), [true, false]);
    });
}

#[test]
fn a_server_that_hangs_for_long_is_connected_to_anew() {
    worker(async {
        let server = Server::start(&[]).await;
        let mut config = server.config();
        config.timeout = Duration::from_millis(100);
        let (store, _) = store(&config);
        let limit = bucket(100, HOUR, 100);
        store.start();
        within(SOON, "connected", || matches!(&*store.inner.phase.borrow(), Phase::Up(_))).await;

        server.signal("STOP");
        for _ in 0..3 {
            store.take(&ask(&limit, 1, 1)).await.unwrap_err();
        }
        within(SOON, "given up", || matches!(&*store.inner.phase.borrow(), Phase::Down(StoreError::Timeout)))
            .await;
        server.signal("CONT");

        recovered(&store, &ask(&limit, 1, 1)).await;
    });
}

#[test]
fn a_server_that_is_not_there_is_known_to_be_missing() {
    worker(async {
        let mut server = Server::start(&[]).await;
        server.kill();
        let (store, seen) = store(&server.config());
        let limit = bucket(2, HOUR, 2);

        let first = store.take(&ask(&limit, 1, 1)).await;
        let second = store.take(&ask(&limit, 1, 1)).await;

        assert_eq!((first, second), (Err(StoreError::Unreachable), Err(StoreError::Unreachable)));
        assert_eq!(*seen.errors.borrow(), ["unreachable", "unreachable"]);
        assert_eq!((store.instances(), store.is_open()), (1, true));
    });
}

#[test]
fn a_wrong_password_is_refused_and_a_right_one_is_not() {
    worker(async {
        let server = Server::start(&["--requirepass", "secret"]).await;
        let limit = bucket(2, HOUR, 2);
        let with = |password: Option<&str>| {
            let mut config = server.config();
            config.password = password.map(Into::into);
            store(&config).0
        };
        let (wrong, none, right) = (with(Some("wrong")), with(None), with(Some("secret")));

        assert_eq!(wrong.take(&ask(&limit, 1, 1)).await, Err(StoreError::Refused));
        assert_eq!(none.take(&ask(&limit, 1, 1)).await, Err(StoreError::Refused));
        assert!(right.take(&ask(&limit, 1, 1)).await.unwrap().admitted);
    });
}

#[test]
fn the_database_of_the_configuration_is_used() {
    worker(async {
        let server = Server::start(&[]).await;
        let config = store::Redis { database: 3, ..server.config() };
        let (store, _) = store(&config);

        store.take(&ask(&bucket(2, HOUR, 2), 1, 1)).await.unwrap();

        let mut direct = server.direct();
        let none: Vec<String> = direct.keys("*").unwrap();
        let () = redis::cmd("SELECT").arg(3).query(&mut direct).unwrap();
        let all: Vec<String> = direct.keys("*").unwrap();
        assert_eq!((none.len(), all.len()), (0, 2));
    });
}

#[test]
fn a_primary_that_becomes_a_replica_is_noticed_and_used_again_when_it_is_back() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        let limit = bucket(100, HOUR, 100);
        store.take(&ask(&limit, 1, 1)).await.unwrap();
        let role = |host: &str, port: &str| {
            let () = redis::cmd("REPLICAOF").arg(host).arg(port).query(&mut server.direct()).unwrap();
        };

        role("127.0.0.1", "1");
        // Redis may close the connection or answer first.
        let mut words = Vec::new();
        let end = clock::now() + SOON;
        while words.last() != Some(&"readonly") && clock::now() < end {
            words.extend(store.take(&ask(&limit, 1, 1)).await.err().map(|error| error.word()));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        role("NO", "ONE");
        recovered(&store, &ask(&limit, 1, 1)).await;

        assert_eq!(words.last(), Some(&"readonly"));
    });
}

#[test]
fn a_full_memory_is_noticed_and_its_end() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        let limit = bucket(100, HOUR, 100);
        store.take(&ask(&limit, 1, 1)).await.unwrap();
        let memory = |bytes: &str| {
            let () = redis::cmd("CONFIG")
                .arg("SET")
                .arg("maxmemory")
                .arg(bytes)
                .query(&mut server.direct())
                .unwrap();
        };
        memory("1");

        let mut words = Vec::new();
        for _ in 0..4 {
            words.push(store.take(&ask(&limit, 1, 1)).await.unwrap_err().word());
        }
        memory("0");
        recovered(&store, &ask(&limit, 1, 1)).await;

        assert_eq!(words, ["oom", "oom", "oom", "open"]);
    });
}

#[test]
fn a_slow_script_of_another_makes_the_store_busy() {
    worker(async {
        let server = Server::start(&["--busy-reply-threshold", "10"]).await;
        let (store, _) = store(&server.config());
        let limit = bucket(100, HOUR, 100);
        store.take(&ask(&limit, 1, 1)).await.unwrap();
        let mut other = server.direct();
        let slow = redis::cmd("EVAL").arg("while true do end").arg(0).get_packed_command();
        other.send_packed_command(&slow).unwrap();

        let mut word = "";
        let end = clock::now() + SOON;
        while word != "busy" && clock::now() < end {
            word = store.take(&ask(&limit, 1, 1)).await.map_or_else(|error| error.word(), |_| "");
        }
        let () = redis::cmd("SCRIPT").arg("KILL").query(&mut server.direct()).unwrap();
        recovered(&store, &ask(&limit, 1, 1)).await;

        assert_eq!(word, "busy");
    });
}

#[test]
fn a_key_of_another_kind_is_an_error_of_that_key_alone() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        let limit = bucket(100, HOUR, 100);
        let () = server.direct().rpush(store.inner.key(Key(1)), "x").unwrap();

        for _ in 0..20 {
            assert_eq!(store.take(&ask(&limit, 1, 1)).await, Err(StoreError::Protocol));
        }

        assert!(store.take(&ask(&limit, 2, 1)).await.unwrap().admitted);
        assert!(!store.is_open());
    });
}

#[test]
fn state_of_another_algorithm_counts_as_none() {
    worker(async {
        let server = Server::start(&[]).await;
        let (store, _) = store(&server.config());
        for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow] {
            let limit = limit(algorithm, rate(5, HOUR, 5));

            let decision = store.take(&ask(&limit, 1, 1)).await.unwrap();

            assert_eq!((decision.admitted, decision.remaining), (true, 4), "{algorithm:?}");
        }
    });
}

#[test]
fn processes_learn_how_many_share_a_store() {
    worker(async {
        let server = Server::start(&[]).await;
        let config = server.config();
        let limit = bucket(100, HOUR, 100);
        let process = |id| Store::of_process(&config, Rc::new(support_tests::Seen::default()), id).unwrap();
        // One that has not been seen for a while.
        let () = server.direct().zadd("test:instances", "gone", 1000).unwrap();

        let stores = [process(1), process(1), process(2)];
        for store in &stores {
            store.take(&ask(&limit, 1, 1)).await.unwrap();
        }

        assert_eq!(stores.each_ref().map(Store::instances), [1, 1, 2]);
    });
}

#[test]
fn settings_that_cannot_work_are_refused_at_once() {
    let tally = Rc::new(support_tests::Seen::default());
    let mut none = config(1);
    none.servers = store::Servers::Cluster(Vec::new());
    let mut address = config(1);
    address.servers = store::Servers::Single("redis".into());
    let mut authorities = config(1);
    authorities.tls = Some(store::StoreTls { ca: Some("/nowhere/ca.pem".into()) });

    for config in [none, address, authorities] {
        let refused = Store::new(&config, tally.clone()).err().map(|error| error.word());

        assert_eq!(refused, Some("settings"));
    }
}
