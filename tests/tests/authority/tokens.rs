//! Join tokens: good once, for one entry, for a while; and the workload that checks whom it sends one to.

use portcullis_tests::{Ca, CaServer, Ran};
use std::path::Path;

fn bootstrap(ca: &Ca, token: &str, out: &str) -> Ran {
    ca.run(&["bootstrap", token, "--out", out])
}

#[test]
fn a_token_is_good_once() {
    let ca = Ca::new();
    let server = ca.serve();
    ca.entry("svc/order", &[]);
    let token = ca.token("svc/order", &server);

    let first = bootstrap(&ca, &token, "first");
    let second = bootstrap(&ca, &token, "second");

    first.ok();
    assert_eq!(second.code, Some(1), "{}", second.out);
    assert!(!ca.path("second/svid.pem").exists());
    let audit = ca.run(&["audit", "tail", "--json"]).ok();
    assert!(audit.contains("used already"), "{audit}");
    assert!(!second.err.contains("used already"), "a guesser learns nothing: {}", second.err);
}

#[test]
fn two_servers_on_one_store_never_both_take_a_token() {
    let ca = Ca::new();
    let servers = [ca.serve(), ca.serve()];
    ca.entry("svc/order", &[]);

    for round in 0..8 {
        // One token text; each workload asks its own server.
        let tokens = {
            let token = ca.token("svc/order", &servers[0]);
            let other = with_url(&token, &servers[1]);
            [token, other]
        };
        let ran: Vec<_> = std::thread::scope(|scope| {
            let asked = tokens.iter().enumerate().map(|(who, token)| {
                let ca = &ca;
                scope.spawn(move || bootstrap(ca, token, &format!("race-{round}-{who}")))
            });
            asked.collect::<Vec<_>>().into_iter().map(|thread| thread.join().expect("a thread")).collect()
        });

        let won = ran.iter().filter(|ran| ran.code == Some(0)).count();
        assert_eq!(won, 1, "round {round}: {ran:#?}");
    }
}

/// The same token for a workload that reaches another server.
fn with_url(token: &str, server: &CaServer) -> String {
    let mut token: portcullis_ca::token::JoinToken = token.parse().expect("a token");
    token.urls = vec![server.url()];
    token.reveal()
}

#[test]
fn a_token_is_for_its_entry_and_ends_with_it() {
    let ca = Ca::new();
    let server = ca.serve();
    ca.entry("svc/order", &[]);
    let token = ca.token("svc/order", &server);
    ca.run(&["entry", "delete", "svc/order"]).ok();
    ca.entry("svc/order", &[]);

    let refused = bootstrap(&ca, &token, "late");

    assert_eq!(refused.code, Some(1), "a token outlives its entry: {}", refused.out);
}

#[test]
fn a_workload_does_not_send_its_token_to_another_authority() {
    let (ours, theirs) = (Ca::new(), Ca::new());
    let impostor = theirs.serve();
    ours.entry("svc/order", &[]);
    let token = ours.token("svc/order", &impostor);

    let refused = bootstrap(&ours, &token, "order");

    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("Nothing was sent"), "{}", refused.err);
    theirs.run(&["audit", "verify"]).ok();
    let heard = theirs.run(&["audit", "tail", "--json"]).ok();
    assert!(!heard.contains("request_refused"), "the impostor heard something: {heard}");
}

#[test]
fn an_unreachable_authority_and_a_malformed_token_are_named() {
    let ca = Ca::new();
    let server = ca.serve();
    ca.entry("svc/order", &[]);
    let token = ca.token("svc/order", &server);
    server.kill();

    let unreachable = bootstrap(&ca, &token, "order");
    let malformed = bootstrap(&ca, "pct1.nonsense", "order");

    assert_eq!((unreachable.code, malformed.code), (Some(1), Some(1)));
    assert!(unreachable.err.contains(&server.url()), "{}", unreachable.err);
    assert!(malformed.err.contains("token"), "{}", malformed.err);
    assert!(!Path::new(&ca.path("order/svid.pem")).exists());
}
