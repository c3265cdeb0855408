//! What is revoked is refused by the authority, and every member that watches knows within a second.

use portcullis_ca::client::{Agent, Options};
use portcullis_ca::deny::Denial;
use portcullis_tests::{Ca, wait};

#[test]
fn who_is_revoked_cannot_renew_and_may_join_again_after_before_now() {
    let ca = Ca::new();
    let server = ca.serve();
    let order = ca.join("svc/order", &server);
    let out = order.display().to_string();

    ca.run(&["revoke", "--id", "svc/order", "--before", "now", "--reason", "laptop lost"]).ok();

    let refused = ca.run(&["rekey", "--out", &out]);
    assert_eq!(refused.code, Some(1), "{}", refused.out);
    let token = ca.token("svc/order", &server);
    ca.run(&["bootstrap", &token, "--out", "fresh"]).ok();
    ca.run(&["rekey", "--out", "fresh"]).ok();
    let list = ca.run(&["revoke", "--list"]).ok();
    assert!(list.contains("laptop lost"), "{list}");
}

#[test]
fn a_revoked_identity_gets_nothing_until_it_is_lifted() {
    let ca = Ca::new();
    let server = ca.serve();
    ca.entry("svc/order", &[]);
    ca.run(&["revoke", "--id", "svc/order"]).ok();
    let token = ca.token("svc/order", &server);

    let refused = ca.run(&["bootstrap", &token, "--out", "order"]);
    ca.run(&["revoke", "--lift", "--id", "svc/order"]).ok();
    let granted = ca.run(&["bootstrap", &token, "--out", "order"]);

    assert_eq!(refused.code, Some(1), "{}", refused.out);
    granted.ok();
}

#[test]
fn a_serial_nobody_knows_is_named() {
    let ca = Ca::new();

    let refused = ca.run(&["revoke", "--serial", &"4a".repeat(16)]);

    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("ca list"), "{}", refused.err);
}

#[test]
fn a_member_that_watches_learns_of_a_revocation_without_asking_and_everybody_is_seen_to_know() {
    let ca = Ca::new();
    let server = ca.serve();
    let payment = ca.join("svc/payment", &server);
    ca.join("svc/order", &server);
    let agent = Agent::new(Options { dir: payment, token_file: None, ttl: None, keep_key: false, url: None })
        .expect("an agent");
    let mut identity = agent.identity();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());

    let denied = runtime.expect("a runtime").block_on(async {
        tokio::task::spawn_local(agent.run(std::future::pending()));
        ca.run(&["revoke", "--id", "svc/order"]).ok();
        let told = identity
            .wait_for(|identity| identity.as_ref().is_some_and(|identity| !identity.trust.denied.is_empty()));
        let told =
            tokio::time::timeout(wait::PATIENCE, told).await.expect("in time").expect("an agent").clone();
        let seen = async {
            let behind = || ca.json(&["bundle", "status"])["behind"] != 0;
            while behind() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(wait::PATIENCE, seen).await.expect("it is acknowledged");
        told.expect("an identity").trust.denied.clone()
    });

    assert_eq!(denied, [Denial::Id("spiffe://shop.example/svc/order".parse().expect("an ID"))]);
}
