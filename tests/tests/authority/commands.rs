//! The commands of the authority: tables, JSON, exit codes, and errors that say what to do next.

use portcullis_tests::Ca;

#[test]
fn init_says_which_commands_to_type_next_and_they_work() {
    let ca = Ca::new();

    let again = ca.run(&["init", "shop.example"]);

    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("already"), "{}", again.err);
    let first = {
        let fresh = ca.path("fresh").display().to_string();
        ca.run(&["init", "shop.example", "--dir", &fresh])
    };
    assert_eq!(first.code, Some(0), "{}", first.err);
    let said = first.out + &first.err;
    for part in ["portcullis ca serve", "entry create", "root-1", "sha-256"] {
        assert!(said.to_lowercase().contains(part), "{part}: {said}");
    }
}

#[test]
fn an_authority_that_is_not_there_is_named_with_what_to_do() {
    let ca = Ca::new();
    for words in [
        ["list"].as_slice(),
        &["check"],
        &["serve"],
        &["entry", "list"],
        &["root", "show"],
        &["audit", "verify"],
    ] {
        let mut command = ca.command(words);

        let ran = portcullis_tests::Ran::of(command.env("PORTCULLIS_CA_DIR", ca.path("nowhere")));

        assert_eq!(ran.code, Some(1), "{words:?}");
        assert!(ran.err.contains("ca init"), "{words:?}: {}", ran.err);
    }
}

#[test]
fn check_says_how_long_an_outage_is_survived() {
    let ca = Ca::new();
    ca.issue("svc/order", &["--ttl-max", "8h"]);

    let check = ca.run(&["check"]);
    let json = ca.json(&["check"]);

    let text = check.ok();
    let tolerance = text.lines().find(|line| line.contains("if the CA dies now")).expect("the line");
    assert!(tolerance.contains("7 h 59 m") || tolerance.contains("in 8 h"), "{text}");
    assert!(tolerance.contains("svc/order"), "{text}");
    assert_eq!(json["health"]["live"], 1, "{json}");
}

#[test]
fn entries_are_checked_shown_and_deleted() {
    let ca = Ca::new();
    ca.entry("svc/order", &["--dns", "order.shop.example", "--ttl-max", "2h", "--grant", "assert"]);

    let wrong = [
        ["entry", "create", "svc/order"].as_slice(),
        &["entry", "create", "spiffe://bank.example/svc/x"],
        &["entry", "create", "svc//x"],
        &["entry", "create", "ca"],
        &["entry", "create", "svc/x", "--dns", "*.shop.example"],
        &["entry", "create", "svc/x", "--ttl-max", "10d"],
        &["entry", "show", "svc/none"],
        &["entry", "delete", "svc/none"],
        &["token", "create", "svc/none"],
        &["issue", "svc/none", "--out", "x"],
    ];
    for words in wrong {
        let refused = ca.run(words);
        assert!(matches!(refused.code, Some(1 | 2)), "{words:?}: {}", refused.out);
        assert!(refused.err.contains("error"), "{words:?}: {}", refused.err);
    }

    let entries = ca.json(&["entry", "list"]);
    assert_eq!(entries.as_array().map(Vec::len), Some(1));
    assert_eq!(entries[0]["id"], "spiffe://shop.example/svc/order");
    assert_eq!(entries[0]["grants"]["assert"], true);
    ca.run(&["entry", "delete", "svc/order"]).ok();
    assert_eq!(ca.json(&["entry", "list"]).as_array().map(Vec::len), Some(0));
}

#[test]
fn tables_are_for_people_and_json_for_scripts() {
    let ca = Ca::new();
    ca.issue("svc/order", &[]);

    for words in [
        ["list"].as_slice(),
        &["entry", "list"],
        &["entry", "show", "svc/order"],
        &["bundle", "status"],
        &["bundle", "show"],
        &["root", "show"],
        &["check"],
        &["revoke", "--list"],
        &["inspect", "svc-order/svid.pem"],
        &["verify", "svc-order/svid.pem", "--bundle", "svc-order/bundle.pem"],
        &["audit", "verify"],
    ] {
        let text = ca.run(words);
        assert_eq!(text.code, Some(0), "{words:?}: {}", text.err);
        assert!(!text.out.trim().is_empty(), "{words:?} says nothing");
        assert!(!text.out.trim_start().starts_with(['{', '[']), "{words:?}: {}", text.out);
        ca.json(words);
    }
}

#[test]
fn a_life_outside_the_bounds_is_clamped_or_refused() {
    let ca = Ca::new();
    ca.entry("svc/order", &["--ttl-max", "2h"]);

    let long = ca.run(&["issue", "svc/order", "--out", "long", "--ttl", "3650d"]);
    let short = ca.run(&["issue", "svc/order", "--out", "short", "--ttl", "1s"]);
    let none = ca.run(&["issue", "svc/order", "--out", "none", "--ttl", "0s"]);

    long.ok();
    let facts = ca.json(&["check"]);
    let seconds = facts["health"]["first_to_expire"]["seconds"].as_u64().expect("seconds");
    assert!((7_100..=7_200).contains(&seconds), "{facts}");
    assert_eq!(short.code, Some(1), "{}", short.out);
    assert_eq!(none.code, Some(2), "{}", none.out);
}
