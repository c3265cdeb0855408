//! Explanations: who came close, and why each lost.

use super::*;
use crate::route::sample::{Request, routes};
use crate::route::table::Found;
use proptest::prelude::*;

fn explained(lines: &[&str], request: &str) -> Vec<String> {
    let routes = routes(lines);
    let table = RouteTable::build(&routes).unwrap();
    let candidates = table.explain(&Request::of(request).head());
    candidates
        .iter()
        .map(|candidate| format!("{} {}", candidate.index, candidate.sentence(&routes)))
        .collect()
}

#[test]
fn every_reason_is_told_best_first() {
    let lines = [
        "* - /**",
        "POST - /orders/{id}",
        "GET - /orders/{id} x-beta=1",
        "GET - /orders/{id} ?v=* x-a=1",
        "GET - /orders/{id}",
        "GET api.x,*.y /orders/**",
        "GET - /orders/7/items",
        "GET - /products",
    ];

    assert_eq!(
        explained(&lines, "GET h /orders/7?v=1"),
        [
            "4 takes the request",
            "3 needs header x-a = \"1\"",
            "2 needs header x-beta = \"1\"",
            "1 takes POST only",
            "0 would take it, but `r4` is more specific",
            "5 is for host api.x, *.y",
            "6 is for path /orders/7/items",
        ]
    );
}

#[test]
fn a_request_without_a_route_still_shows_what_was_near() {
    let lines = ["GET - /orders", "GET - /orders/7/items", "GET - ~/o.*x", "GET - /users"];

    assert_eq!(
        explained(&lines, "GET h /orders/7"),
        ["1 is for path /orders/7/items", "0 is for path /orders", "2 is for path ~/o.*x"]
    );
    assert_eq!(explained(&["GET - /orders ?v=*"], "GET h /orders"), ["0 needs query parameter v"]);
}

#[test]
fn an_explanation_is_short() {
    let lines: Vec<String> = (0..100).map(|at| format!("GET - /a/b{at}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();

    assert_eq!(explained(&lines, "GET h /a/c").len(), 20);
}

proptest! {
    #[test]
    fn the_explanation_takes_the_same_route_as_the_search(
        method in prop::sample::select(vec!["GET", "POST", "PUT"]),
        path in prop::sample::select(vec!["/", "/a", "/a/b", "/a/b/c", "/b/a"]),
        header in prop::sample::select(vec!["", "x-a:1"]),
    ) {
        let lines = ["GET - /a", "POST - /a x-a=1", "* - /a/{x}", "GET h /a/**", "PUT - /**", "GET *.x /**"];
        let routes = routes(&lines);
        let table = RouteTable::build(&routes).unwrap();
        let request = Request::of(&format!("{method} h {path} {header}"));

        let explained = table.explain(&request.head()).into_iter().find(|one| one.verdict == Verdict::Taken);

        let found = match table.find(&request.head()) {
            Found::Match { index, .. } => Some(index),
            _ => None,
        };
        prop_assert_eq!(explained.map(|one| one.index), found);
    }
}
