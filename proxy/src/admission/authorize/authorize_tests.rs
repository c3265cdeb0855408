//! What the rules mean, case by case, and the traps others fell into.

use super::sample::{Request, rules};
use super::*;
use Verdict::{Allowed, Denied};

fn decide(lines: &[&str], request: &str) -> Decision {
    Policy::build(&rules(lines)).decide(&Request::of(request).asked())
}

/// Each request with the verdict and the rule.
fn check(lines: &[&str], table: &[(&str, Verdict, Option<usize>)]) {
    for (request, verdict, rule) in table {
        let decision = decide(lines, request);

        assert_eq!((decision.verdict, decision.rule), (*verdict, *rule), "{request} by {lines:?}");
    }
}

#[test]
fn deny_beats_allow_beats_nothing_in_any_order() {
    let allow = "allow from:edge,lab/x";
    let deny = "deny from:lab/*";

    check(&[], &[("edge GET /", Denied, None), ("- GET /", Denied, None)]);
    check(
        &[allow, deny],
        &[("edge GET /", Allowed, Some(0)), ("lab/x GET /", Denied, Some(1)), ("svc/a GET /", Denied, None)],
    );
    check(
        &[deny, allow],
        &[("edge GET /", Allowed, Some(1)), ("lab/x GET /", Denied, Some(0)), ("svc/a GET /", Denied, None)],
    );
}

#[test]
fn the_first_rule_of_the_file_that_decides_is_told() {
    let lines =
        ["allow from:a methods:POST", "allow from:a", "allow from:*", "deny from:a paths:/x", "deny from:a"];

    check(
        &lines[..3],
        &[("a GET /", Allowed, Some(1)), ("a POST /", Allowed, Some(0)), ("b GET /", Allowed, Some(2))],
    );
    check(
        &lines,
        &[("a GET /x", Denied, Some(3)), ("a GET /", Denied, Some(4)), ("b GET /", Allowed, Some(2))],
    );
}

#[test]
fn a_star_stands_for_exactly_one_more_whole_segment() {
    let table = [
        ("ns/a/x GET /", Allowed, Some(0)),
        ("ns/ab/x GET /", Denied, None),
        ("ns/ab GET /", Denied, None),
        ("ns/a GET /", Denied, None),
        ("ns/a/x/y GET /", Denied, None),
        ("NS/a/x GET /", Denied, None),
        ("x/ns/a/x GET /", Denied, None),
    ];

    check(&["allow from:ns/a/*"], &table);
    check(
        &["allow from:*"],
        &[("edge GET /", Allowed, Some(0)), ("svc/a GET /", Denied, None), (" GET /", Denied, None)],
    );
}

#[test]
fn an_identity_is_one_spelling_of_one_domain() {
    let policy = Policy::build(&rules(&["allow from:svc/a,lab/*"]));
    let verdict = |id: &str| {
        let peer = id.parse().unwrap();
        let asked = Request { peer: Some(peer), ..Request::of("- GET /") };
        policy.decide(&asked.asked()).verdict
    };

    assert_eq!(verdict("spiffe://td/svc/a"), Allowed);
    assert_eq!(verdict("spiffe://td/lab/a"), Allowed);
    for stranger in
        ["spiffe://td/svc/A", "spiffe://td/svc/ab", "spiffe://td", "spiffe://td.x/svc/a", "spiffe://t/lab/a"]
    {
        assert_eq!(verdict(stranger), Denied, "{stranger}");
    }
}

#[test]
fn every_condition_must_hold_to_allow() {
    let lines = ["from:edge methods:GET,POST paths:/api/orders/**,/ping user:required scopes:orders:write,b"];
    let table = [
        ("edge POST /api/orders/7 alice b,orders:write,c", Allowed, Some(0)),
        ("edge HEAD /ping alice orders:write,b", Allowed, Some(0)),
        ("edge PUT /ping alice orders:write,b", Denied, None),
        ("edge GET /api/ordersx alice orders:write,b", Denied, None),
        ("edge GET /ping alice orders:write", Denied, None),
        ("edge GET /ping alice", Denied, None),
        ("edge GET /ping", Denied, None),
        ("edge CONNECT - alice orders:write,b", Denied, None),
        ("- GET /ping alice orders:write,b", Denied, None),
    ];

    check(&lines, &table);
}

#[test]
fn a_user_can_be_demanded_and_refused() {
    check(&["from:a user:required"], &[("a GET / u", Allowed, Some(0)), ("a GET /", Denied, None)]);
    check(&["from:a user:forbidden"], &[("a GET / u", Denied, None), ("a GET /", Allowed, Some(0))]);
    check(&["from:a user:optional"], &[("a GET / u", Allowed, Some(0)), ("a GET /", Allowed, Some(0))]);
    check(
        &["from:a", "deny from:a user:required"],
        &[("a GET / u", Denied, Some(1)), ("a GET /", Allowed, Some(0))],
    );
    check(
        &["from:a", "deny from:a user:forbidden"],
        &[("a GET / u", Allowed, Some(0)), ("a GET /", Denied, Some(1))],
    );
}

#[test]
fn a_peer_without_identity_is_never_allowed_and_may_be_whom_a_deny_rule_names() {
    check(&["allow", "allow from:*", "allow from:a"], &[("- GET / u s", Denied, None)]);
    check(&["deny from:lab/*"], &[("- GET /", Denied, Some(0))]);
    check(&["deny from:lab/* paths:/x"], &[("- GET /", Denied, None), ("- GET /x", Denied, Some(0))]);
}

#[test]
fn a_rule_without_from_denies_everybody_and_allows_nobody() {
    check(&["allow"], &[("a GET /", Denied, None), ("- GET /", Denied, None)]);
    check(
        &["from:a", "from:b/*", "deny paths:/x"],
        &[
            ("a GET /", Allowed, Some(0)),
            ("a GET /x", Denied, Some(2)),
            ("b/c GET /x", Denied, Some(2)),
            ("stranger GET /x", Denied, Some(2)),
            ("- GET /x", Denied, Some(2)),
        ],
    );
}

#[test]
fn what_a_deny_rule_cannot_know_does_not_save_from_it() {
    let allow = "from:a";

    check(
        &[allow, "deny from:a paths:/x"],
        &[("a CONNECT -", Denied, Some(1)), ("a GET /", Allowed, Some(0))],
    );
    check(
        &[allow, "deny from:a methods:POST"],
        &[("a CONNECT -", Denied, Some(1)), ("a GET /", Allowed, Some(0))],
    );
    check(
        &[allow, "deny from:a paths:/x scopes:guest"],
        &[
            ("a GET /x u guest", Denied, Some(1)),
            ("a GET /x u member", Allowed, Some(0)),
            ("a GET /x u", Allowed, Some(0)),
            ("a GET /x", Denied, Some(1)),
            ("a GET /y", Allowed, Some(0)),
        ],
    );
    check(
        &[allow, "deny from:a user:required scopes:guest"],
        &[("a GET / u guest", Denied, Some(1)), ("a GET /", Allowed, Some(0))],
    );
}

#[test]
fn a_condition_on_http_does_not_open_a_tunnel() {
    check(&["from:a"], &[("a CONNECT -", Allowed, Some(0))]);
    for line in ["from:a paths:/**", "from:a methods:CONNECT", "from:a methods:GET"] {
        check(&[line], &[("a CONNECT -", Denied, None)]);
    }
}

#[test]
fn a_path_is_allowed_in_its_own_spelling_only() {
    let lines = ["from:a paths:/admin,/o/*/items,/p/**"];
    let table = [
        ("a GET /admin", Allowed, Some(0)),
        ("a GET /admin/", Denied, None),
        ("a GET /Admin", Denied, None),
        ("a GET /admin;x", Denied, None),
        ("a GET /o/7/items", Allowed, Some(0)),
        ("a GET /o/7/8/items", Denied, None),
        ("a GET /o//items", Denied, None),
        ("a GET /p", Allowed, Some(0)),
        ("a GET /p/", Allowed, Some(0)),
        ("a GET /p/a/b", Allowed, Some(0)),
        ("a GET /pa", Denied, None),
        ("a OPTIONS *", Denied, None),
    ];

    check(&lines, &table);
}

#[test]
fn a_path_is_denied_in_every_spelling() {
    let lines = ["from:a", "deny from:a paths:/admin,/internal/**"];
    let denied = [
        "/admin",
        "/admin/",
        "/ADMIN",
        "/admin;x=1",
        "/internal",
        "/internal/a",
        "/internal%2Fa",
        "/Internal;x/a",
    ];

    for path in denied {
        check(&lines, &[(&format!("a GET {path}"), Denied, Some(1))]);
    }
    for path in ["/", "/admin/users", "/administrator", "/x/internal/a", "/internals"] {
        check(&lines, &[(&format!("a GET {path}"), Allowed, Some(0))]);
    }
}

#[test]
fn a_regex_allows_nothing_and_denies_everything() {
    check(&["from:a paths:~/.*"], &[("a GET /x", Denied, None)]);
    check(&["from:a", "deny from:a paths:~/y"], &[("a GET /x", Denied, Some(1))]);
}

#[test]
fn a_rule_on_trial_changes_no_verdict_but_tells_what_it_would() {
    let would = |lines: &[&str], request: &str| {
        let decision = decide(lines, request);
        (decision.verdict, decision.rule, decision.would)
    };

    assert_eq!(would(&["audit from:a"], "a GET /"), (Denied, None, Some((Allowed, 0))));
    assert_eq!(would(&["from:a", "audit deny from:a"], "a GET /"), (Allowed, Some(0), Some((Denied, 1))));
    assert_eq!(would(&["audit from:a", "audit deny from:a"], "a GET /"), (Denied, None, None));
    assert_eq!(would(&["audit from:a", "deny from:a"], "a GET /"), (Denied, Some(1), None));
    assert_eq!(would(&["audit from:a", "from:a"], "a GET /"), (Allowed, Some(1), None));
    assert_eq!(would(&["from:a", "audit deny from:b"], "a GET /"), (Allowed, Some(0), None));
}

#[test]
fn a_policy_knows_whether_it_reads_http() {
    for line in ["from:a methods:GET", "from:a paths:/x", "from:a user:required", "deny from:a scopes:s"] {
        assert!(Policy::build(&rules(&["from:b", line])).reads_http(), "{line}");
    }
    assert!(!Policy::build(&rules(&["from:b", "deny from:a"])).reads_http());
}

#[test]
fn a_decision_leads_back_to_its_rule() {
    let policy = Policy::build(&rules(&["from:a", "deny from:b"]));

    let decision = policy.decide(&Request::of("b GET /").asked());

    let rule = decision.rule.and_then(|index| policy.rule(index)).unwrap();
    assert_eq!((&*rule.id, rule.line), ("deny from:b", 2));
    assert!(policy.rule(2).is_none());
}
