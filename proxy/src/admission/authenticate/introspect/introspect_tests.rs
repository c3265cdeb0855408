//! Questions to an issuer on loopback.

use super::*;
use crate::admission::authenticate::jwt::claims::ClaimFault;
use crate::clock;
use crate::mesh::support::local;
use crate::upstream::fetch::support::{Outside, Reply, certified, floods, outside, outside_tls, says, with};
use std::sync::atomic::AtomicUsize;

const WALL: Timestamp = Timestamp(1_000_000);
const ALICE: &str = r#"{"active":true,"sub":"alice","exp":1000020}"#;

fn rule(remote: crate::config::auth::Remote) -> IntrospectRule {
    IntrospectRule {
        secret_from: "env:SECRET".into(),
        remote,
        client: "edge".into(),
        secret: "s3cret".into(),
        cache: Duration::from_secs(30),
        identity: ClaimMap::default(),
        claims: vec![],
    }
}

fn of(service: &Outside) -> Introspector {
    Introspector::new(&rule(service.remote())).unwrap()
}

async fn ask(introspector: &Introspector, token: &str) -> Answer {
    introspector.ask(token, clock::now(), WALL).await
}

fn user(answer: &Answer) -> &str {
    &answer.as_ref().unwrap().principal.user
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_issuer_is_asked_as_the_standard_says() {
    local(async {
        let service = outside(|_| says(200, ALICE)).await;

        let answer = ask(&of(&service), "to/ken").await;

        assert_eq!(user(&answer), "alice");
        assert_eq!(answer.unwrap().expires, Some(Timestamp(1_000_020)));
        let heard = service.heard.borrow();
        assert_eq!(heard[0].method, http::Method::POST);
        assert_eq!(heard[0].body, "token=to%2Fken&token_type_hint=access_token");
        assert_eq!(heard[0].headers["authorization"], "Basic ZWRnZTpzM2NyZXQ=");
        assert_eq!(heard[0].headers["accept"], "application/json");
    });
}

#[test]
fn an_answer_holds_until_the_token_expires_or_the_cache_says() {
    local(async {
        let service = outside(|heard| {
            says(200, if heard.body.contains("long") { r#"{"active":true,"sub":"bob"}"# } else { ALICE })
        })
        .await;
        let introspector = of(&service);
        let now = clock::now();

        introspector.ask("short", now, WALL).await.unwrap();
        introspector.ask("long", now, WALL).await.unwrap();

        assert!(introspector.look("short", now + secs(19)).unwrap().is_ok());
        assert!(introspector.look("short", now + secs(20)).is_none());
        assert!(introspector.look("long", now + secs(29)).unwrap().is_ok());
        assert!(introspector.look("long", now + secs(30)).is_none());
        assert!(introspector.look("other", now).is_none());
    });
}

#[test]
fn a_refusal_holds_for_ten_seconds() {
    local(async {
        let service = outside(|_| says(200, r#"{"active":false}"#)).await;
        let introspector = of(&service);
        let now = clock::now();

        let answer = introspector.ask("x", now, WALL).await;

        assert_eq!(answer, Err(Asked::Refused(Refused::Inactive)));
        assert_eq!(introspector.look("x", now + secs(9)), Some(Err(Refused::Inactive)));
        assert_eq!(introspector.look("x", now + secs(10)), None);
    });
}

#[test]
fn without_a_cache_nothing_is_remembered() {
    local(async {
        let service = outside(|_| says(200, ALICE)).await;
        let rule = IntrospectRule { cache: Duration::ZERO, ..rule(service.remote()) };
        let introspector = Introspector::new(&rule).unwrap();
        let now = clock::now();

        introspector.ask("x", now, WALL).await.unwrap();

        assert!(introspector.look("x", now).is_none());
    });
}

#[test]
fn a_token_past_its_end_is_taken_within_the_leeway_and_not_remembered() {
    local(async {
        let service = outside(|_| says(200, r#"{"active":true,"sub":"alice","exp":999990}"#)).await;
        let introspector = of(&service);
        let now = clock::now();

        let answer = introspector.ask("x", now, WALL).await;

        assert_eq!(user(&answer), "alice");
        assert!(introspector.look("x", now).is_none());
    });
}

#[test]
fn a_token_that_names_nobody_is_refused() {
    local(async {
        let service = outside(|_| says(200, r#"{"active":true}"#)).await;

        let answer = ask(&of(&service), "x").await;

        assert_eq!(answer, Err(Asked::Refused(Refused::Claims(ClaimFault::UserMissing))));
    });
}

#[test]
fn anything_but_a_sound_answer_lets_nobody_in_refuses_nobody_and_is_not_remembered() {
    local(async {
        let sent = Arc::new(AtomicUsize::new(0));
        type Bad = (&'static str, Box<dyn Fn() -> Reply>);
        let bad: [Bad; 7] = [
            ("status", Box::new(|| says(500, ALICE))),
            ("status", Box::new(|| says(401, ALICE))),
            ("unsound", Box::new(|| says(200, "<html>sign in</html>"))),
            ("unsound", Box::new(|| says(200, r#"{"active":"true","sub":"alice"}"#))),
            ("unsound", Box::new(|| says(204, ""))),
            ("redirected", Box::new(|| with(says(302, ALICE), "location", "http://169.254.169.254/"))),
            ("too_large", Box::new(move || floods(&sent))),
        ];

        for (word, answer) in bad {
            let service = outside(move |_| answer()).await;
            let introspector = of(&service);
            let answer = ask(&introspector, "x").await;
            assert!(matches!(&answer, Err(Asked::Unavailable(why)) if why.word() == word), "{answer:?}");
            assert_eq!(introspector.look("x", clock::now()), None, "{word}");
        }
    });
}

#[test]
fn a_silent_issuer_and_one_that_cannot_prove_its_name_are_unavailable() {
    local(async {
        let silent = outside(|_| None).await;
        let late = crate::config::auth::Remote { timeout: Duration::from_millis(50), ..silent.remote() };
        let (acceptor, _folder, bundle) = certified("id.shop.example");
        let other = outside_tls(acceptor, |_| says(200, ALICE)).await;

        let late = ask(&Introspector::new(&rule(late)).unwrap(), "x").await;
        let forged = ask(&Introspector::new(&rule(other.remote_tls(Some(bundle)))).unwrap(), "x").await;

        assert_eq!((late.unwrap_err().word(), forged.unwrap_err().word()), ("timeout", "tls"));
    });
}

#[test]
fn whoever_shows_the_same_token_meanwhile_waits_for_the_same_answer() {
    local(async {
        let service = outside(|_| says(200, ALICE)).await;
        let introspector = Rc::new(of(&service));

        let askers: Vec<_> = (0..100)
            .map(|_| {
                let introspector = Rc::clone(&introspector);
                tokio::task::spawn_local(async move { ask(&introspector, "x").await })
            })
            .collect();
        for asker in askers {
            assert_eq!(user(&asker.await.unwrap()), "alice");
        }

        assert_eq!(service.heard.borrow().len(), 1);
        assert!(introspector.asking.borrow().is_empty());
    });
}

#[test]
fn when_whoever_asks_goes_away_the_next_asks() {
    local(async {
        let answers = Rc::new(Cell::new(false));
        let told = Rc::clone(&answers);
        let service = outside(move |_| told.get().then(|| says(200, ALICE)).flatten()).await;
        let introspector = Rc::new(of(&service));
        let start = || {
            let introspector = Rc::clone(&introspector);
            tokio::task::spawn_local(async move { ask(&introspector, "x").await })
        };
        let (first, second) = (start(), start());
        while service.heard.borrow().is_empty() {
            tokio::task::yield_now().await;
        }

        answers.set(true);
        first.abort();

        assert_eq!(user(&second.await.unwrap()), "alice");
        assert_eq!(service.heard.borrow().len(), 2);
    });
}

#[test]
fn beyond_64_tokens_at_once_nobody_is_asked() {
    local(async {
        let service = outside(|_| None).await;
        let introspector = Rc::new(of(&service));
        let askers: Vec<_> = (0..MOST)
            .map(|number| {
                let introspector = Rc::clone(&introspector);
                tokio::task::spawn_local(async move { ask(&introspector, &number.to_string()).await })
            })
            .collect();
        while introspector.asking.borrow().len() < MOST {
            tokio::task::yield_now().await;
        }

        let answer = ask(&introspector, "one more").await;

        assert_eq!(answer, Err(Asked::Unavailable(Unavailable::Busy)));
        for asker in askers {
            asker.abort();
            assert!(asker.await.unwrap_err().is_cancelled());
        }
        assert!(introspector.asking.borrow().is_empty(), "whoever goes away makes room");
    });
}
