//! What is revoked is refused by the authority, and every member that watches knows within a second.

use portcullis_tests::Ca;

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
