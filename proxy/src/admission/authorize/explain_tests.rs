//! Explanations: what people read.

use super::super::sample::{Request, rules};
use super::*;

fn explained(lines: &[&str], request: &str) -> Explained {
    let mut rules = rules(lines);
    for (number, rule) in rules.iter_mut().enumerate() {
        rule.id = format!("r{number}").into();
    }
    explain(&Policy::build(&rules), &Request::of(request).asked())
}

fn text(lines: &[&str], request: &str) -> Vec<String> {
    explained(lines, request).to_string().lines().map(str::to_owned).collect()
}

#[test]
fn a_denied_request_is_told_every_near_miss_best_first() {
    let lines = [
        "from:svc/a,lab/* methods:GET",
        "from:edge methods:GET,PUT",
        "from:edge paths:/api/*,/ping",
        "from:edge user:required scopes:s",
        "deny from:edge user:required",
        "from:edge scopes:s,orders:write",
    ];

    assert_eq!(
        text(&lines, "edge POST /x"),
        [
            "denied: no rule allows it",
            "  `r1` (line 2) allow: method POST is not among GET, PUT",
            "  `r2` (line 3) allow: path: is not among /api/*, /ping",
            "  `r5` (line 6) allow: scope s is missing: there is no user",
            "  `r4` (line 5) deny: needs a user",
            "  `r0` (line 1) allow: from: spiffe://td/edge is not among spiffe://td/svc/a, spiffe://td/lab/*",
            "  `r3` (line 4) allow: needs a user",
        ]
    );
    assert_eq!(&*explained(&lines, "edge POST /x").nearest().unwrap().rule.id, "r1");
}

#[test]
fn the_deciding_rule_is_named_with_its_line() {
    let lines = ["from:a", "deny from:b", "audit deny from:a"];

    assert_eq!(
        text(&lines, "a GET /"),
        [
            "allowed by `r0` (line 1)",
            "in force, `r2` (line 3) would make it denied",
            "  `r1` (line 2) deny: from: spiffe://td/a is not among spiffe://td/b",
        ]
    );
    assert_eq!(text(&lines, "b GET /")[0], "denied by `r1` (line 2)");
    assert!(explained(&lines, "b GET /").nearest().is_none());
}

#[test]
fn a_missing_scope_is_named() {
    assert_eq!(
        text(&["from:a scopes:x,orders:write"], "a GET / alice x"),
        ["denied: no rule allows it", "  `r0` (line 1) allow: scope orders:write is missing"]
    );
    assert_eq!(text(&["from:a user:forbidden"], "a GET / u")[1], "  `r0` (line 1) allow: takes no user");
}

#[test]
fn what_is_not_known_is_told() {
    assert_eq!(
        text(&["from:a", "deny from:a paths:/x"], "a CONNECT -"),
        ["denied by `r1` (line 2), because the path is not known here"]
    );
    assert_eq!(
        text(&["deny from:lab/*", "audit from:a"], "- GET /"),
        [
            "denied by `r0` (line 1), because the peer is not known here",
            "  `r1` (line 2) allow, audit: from: the peer has no identity (plaintext)",
        ]
    );
    assert_eq!(
        text(&["from:a methods:GET"], "a CONNECT -")[1],
        "  `r0` (line 1) allow: method: a tunnel has none"
    );
    assert_eq!(
        text(&["from:a paths:/x"], "a CONNECT -")[1],
        "  `r0` (line 1) allow: path: a tunnel has none"
    );
    assert_eq!(text(&["allow"], "a GET /")[1], "  `r0` (line 1) allow: from: names nobody");
}

#[test]
fn an_explanation_is_short() {
    let lines = ["from:a"; 100];

    assert_eq!(explained(&lines, "b GET /").misses.len(), MOST);
}
