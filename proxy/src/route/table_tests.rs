//! Precedence, fall-through, ambiguity, and the agreement with a naive search.

use super::*;
use crate::route::path::parse_pattern;
use crate::route::sample::{Request, condition, route, routes};
use proptest::prelude::*;

fn table(lines: &[&str]) -> RouteTable {
    RouteTable::build(&routes(lines)).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// What came of a request: the index of the route, or a negative word.
fn ask(table: &RouteTable, text: &str) -> String {
    match table.find(&Request::of(text).head()) {
        Found::Match { index, .. } => index.to_string(),
        Found::NoRoute => "none".to_owned(),
        Found::MethodNotAllowed { allow } => allow.to_value().to_str().unwrap().to_owned(),
    }
}

#[track_caller]
fn expect(lines: &[&str], asked: &[(&str, &str)]) {
    let forward = table(lines);
    let mut reversed = routes(lines);
    reversed.reverse();
    let backward = RouteTable::build(&reversed).unwrap();
    for (request, answer) in asked {
        assert_eq!(ask(&forward, request), *answer, "{request}");
        // Only regexes may depend on the order of the file.
        if !lines.iter().any(|line| line.contains('~')) {
            let mirrored = match answer.parse::<usize>() {
                Ok(index) => (lines.len() - 1 - index).to_string(),
                Err(_) => continue,
            };
            assert_eq!(ask(&backward, request), mirrored, "{request} with the file upside down");
        }
    }
}

fn complaints(lines: &[&str]) -> Vec<String> {
    match RouteTable::build(&routes(lines)) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn an_exact_host_comes_before_a_wildcard_and_that_before_any() {
    expect(
        &["* a.x /**", "* *.x /**", "* - /**"],
        &[
            ("GET a.x /", "0"),
            ("GET b.x /", "1"),
            ("GET x /", "2"),
            ("GET a.b.x /", "2"),
            ("GET other /", "2"),
        ],
    );
}

#[test]
fn the_host_counts_more_than_the_path() {
    expect(&["* a.x /**", "* - /orders"], &[("GET a.x /orders", "0"), ("GET b.x /orders", "1")]);
}

#[test]
fn exact_then_template_then_regex_then_the_longest_prefix() {
    expect(
        &["* - /a/b", "* - /a/{x}", "* - ~/a/[a-z]+(/.*)?", "* - /a/**", "* - /a/b/**", "* - /**"],
        &[
            ("GET h /a/b", "0"),
            ("GET h /a/c", "1"),
            ("GET h /a/c/d", "2"),
            ("GET h /a/b/c", "2"),
            ("GET h /a/1/d", "3"),
            ("GET h /a/", "3"),
            ("GET h /a", "3"),
            ("GET h /b", "5"),
        ],
    );
}

#[test]
fn templates_prefer_a_literal_from_left_to_right() {
    expect(
        &["* - /{a}/{b}/c", "* - /{a}/b/{c}", "* - /a/{b}/{c}", "* - /{a}/{b}/{c}"],
        &[
            ("GET h /a/b/c", "2"),
            ("GET h /x/b/c", "1"),
            ("GET h /x/y/c", "0"),
            ("GET h /x/y/z", "3"),
            ("GET h /a/b", "none"),
            ("GET h /x//c", "none"),
            ("GET h /x/y/", "none"),
        ],
    );
}

#[test]
fn a_template_search_turns_back_from_a_dead_end() {
    expect(&["* - /a/b/c", "* - /a/{x}/d", "* - /{x}/b/e"], &[("GET h /a/b/d", "1"), ("GET h /a/b/e", "2")]);
}

#[test]
fn p10_prefixes_end_at_segments_and_case_counts() {
    expect(
        &["* - /products/**", "* - /admin"],
        &[
            ("GET h /products", "0"),
            ("GET h /products/", "0"),
            ("GET h /products/1/2", "0"),
            ("GET h /productsfoo", "none"),
            ("GET h /product", "none"),
            ("GET h /Products/1", "none"),
            ("GET h /admin", "1"),
            ("GET h /admin/", "none"),
            ("GET h /adminx", "none"),
            ("GET h /ADMIN", "none"),
        ],
    );
}

#[test]
fn regexes_are_tried_in_the_order_of_the_file() {
    expect(
        &["* - ~/[a-z]+", "* - ~/abc", "* - ~/[0-9]+"],
        &[("GET h /abc", "0"), ("GET h /12", "2"), ("GET h /A", "none")],
    );
}

#[test]
fn more_conditions_come_first() {
    expect(
        &["* - /o", "* - /o x-beta=1", "* - /o x-beta=1 ?v=2", "* - /o x-beta=2"],
        &[
            ("GET h /o", "0"),
            ("GET h /o x-beta:0", "0"),
            ("GET h /o x-beta:1", "1"),
            ("GET h /o?v=2 x-beta:1", "2"),
            ("GET h /o?v=2", "0"),
            ("GET h /o?v=2 x-beta:2", "3"),
        ],
    );
}

#[test]
fn a_named_method_comes_before_the_star() {
    expect(
        &["* - /o", "GET,PUT - /o", "POST - /o"],
        &[("GET h /o", "1"), ("POST h /o", "2"), ("HEAD h /o", "1"), ("DELETE h /o", "0")],
    );
}

#[test]
fn get_takes_head_unless_a_route_names_it() {
    expect(
        &["GET - /a", "GET - /b", "HEAD - /b"],
        &[("HEAD h /a", "0"), ("HEAD h /b", "2"), ("GET h /b", "1")],
    );
}

#[test]
fn conditions_count_more_than_a_named_method() {
    expect(&["GET - /o", "* - /o x-beta=1"], &[("GET h /o x-beta:1", "1"), ("GET h /o", "0")]);
}

#[test]
fn a_route_that_does_not_hold_leaves_the_request_to_the_next() {
    expect(
        &["POST a.x /o/b", "* a.x /o/{x} x-beta=1", "GET a.x /o/**", "DELETE *.x /o/b", "* - /**"],
        &[
            ("POST a.x /o/b", "0"),
            ("PUT a.x /o/b x-beta:1", "1"),
            ("GET a.x /o/b", "2"),
            ("DELETE a.x /o/b", "3"),
            ("PATCH a.x /o/b", "4"),
        ],
    );
}

#[test]
fn no_route_for_the_method_is_405_with_what_is_allowed() {
    expect(
        &["GET - /o", "PUT,GET - /o x-beta=1", "POST - /o/**", "DELETE a.x /o", "PATCH - /o x-never=1"],
        &[
            ("TRACE h /o", "GET, HEAD, POST"),
            ("TRACE h /o x-beta:1", "PUT, GET, HEAD, POST"),
            ("TRACE a.x /o", "DELETE, GET, HEAD, POST"),
            ("GET h /o/x", "POST"),
            ("GET h /x", "none"),
        ],
    );
}

#[test]
fn a_condition_that_fails_is_404_and_not_405() {
    expect(
        &["GET - /o x-beta=1"],
        &[("GET h /o", "none"), ("POST h /o", "none"), ("POST h /o x-beta:1", "GET, HEAD")],
    );
}

#[test]
fn captures_come_with_the_match() {
    let lines = ["* - /users/{id}/orders/{order}", "* - /files/**"];
    let table = table(&lines);
    let request = Request::of("GET h /users/ann/orders/9");
    let routes = routes(&lines);

    let Found::Match { index, params } = table.find(&request.head()) else { panic!("no match") };

    assert_eq!(params.get(&routes[index].path, "/users/ann/orders/9", "order"), Some("9"));
    let Found::Match { params, .. } = table.find(&Request::of("GET h /files/a/b").head()) else {
        panic!("no match")
    };
    assert_eq!(params.rest(), Some("/files".len()));
}

#[test]
fn ties_are_errors_that_name_both_routes() {
    assert_eq!(
        complaints(&["GET - /a", "* - /b", "GET,POST - /a"]),
        [
            "routes `r0` (line 0) and `r2` (line 2) both take GET /a, and nothing says which comes first: change a \
             path or method, or add a `when:` to one"
        ]
    );
    assert_eq!(
        complaints(&["* a.x,b.x /a/** x-a=1", "* b.x /a/** x-b=1"]),
        [
            "routes `r0` (line 0) and `r1` (line 1) both take * /a/** on host b.x, and their conditions (`when:`, 1 \
             each) can hold for one request: give one of them more conditions, or the same header different values"
        ]
    );
}

#[test]
fn every_kind_of_tie_is_found() {
    for pair in [
        ["* - /a", "* - /a"],
        ["* - /{x}/b", "* - /{y}/b"],
        ["* - /{x}", "* - /*"],
        ["* - ~/a+", "* - ~/a+"],
        ["* - /**", "* - /**"],
        ["* *.x /a", "* *.x /a"],
        ["GET - /a x-a=1", "GET - /a x-a=*"],
        ["GET - /a x-a=1", "GET - /a ?x-a=2"],
    ] {
        assert_eq!(complaints(&pair).len(), 1, "{pair:?}");
    }
}

#[test]
fn what_has_an_order_is_no_tie() {
    for pair in [
        ["GET - /a", "POST - /a"],
        ["GET - /a", "* - /a"],
        ["GET - /a", "HEAD - /a"],
        ["* - /a", "* a.x /a"],
        ["* a.x /a", "* *.x /a"],
        ["* - /a", "* - /a/"],
        ["* - /a", "* - /a/**"],
        ["* - /{x}/b", "* - /a/{y}"],
        ["* - ~/a+", "* - ~/a*"],
        ["* - /a x-a=1", "* - /a x-a=2"],
        ["* - /a x-a=1", "* - /a"],
        ["* a.x,a.x /a", "* - /a"],
    ] {
        assert_eq!(complaints(&pair), Vec::<String>::new(), "{pair:?}");
    }
}

#[test]
fn a_regex_that_cannot_be_built_names_its_route() {
    let mut routes = routes(&["* - /a", "* - /b"]);
    routes[1].path = PathPattern::Regex("(".into());

    let errors = RouteTable::build(&routes).unwrap_err();

    assert!(errors[0].to_string().starts_with("route `r1` (line 1): "), "{}", errors[0]);
    assert_eq!(errors.len(), 1);
}

#[test]
fn an_empty_table_finds_nothing() {
    assert_eq!(ask(&table(&[]), "GET h /"), "none");
}

#[test]
fn ten_thousand_routes_are_told_apart() {
    let lines: Vec<String> = (0..10_000)
        .map(|at| match at % 4 {
            0 => format!("GET - /s{at}/items"),
            1 => format!("GET - /s{at}/items/{{id}}"),
            2 => format!("GET - /s{at}/**"),
            _ => format!("GET h{at}.x /**"),
        })
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let table = table(&lines);

    for at in 0..10_000 {
        let request = match at % 4 {
            0 => format!("GET h /s{at}/items"),
            1 => format!("GET h /s{at}/items/7"),
            2 => format!("GET h /s{at}/a/b/c"),
            _ => format!("GET h{at}.x /a"),
        };
        assert_eq!(ask(&table, &request), at.to_string(), "{request}");
    }
}

/// The order of the documentation, one route at a time.
mod naive {
    use super::*;

    /// How specific a route is for a request; the greatest wins. `None` = host or path do not match.
    pub(super) fn specificity(routes: &[Route], index: usize, head: &Head<'_>) -> Option<Vec<i64>> {
        let route = &routes[index];
        let host = host_of(route, head.host)?;
        // Equal regexes stand where the first of them stands.
        let same = |other: &Route| other.path == route.path && host_of(other, head.host) == Some(host);
        let position = routes.iter().position(same).unwrap();
        let mut rank = vec![host];
        rank.extend(path_rank(&route.path, position, head.path)?);
        rank.push(route.when.len() as i64);
        rank.push(match &route.methods {
            Methods::Any => 0,
            Methods::These(list) if list.contains(&Method::HEAD) => 2,
            Methods::These(_) => 1,
        });
        rank.push(-(index as i64));
        Some(rank)
    }

    fn host_of(route: &Route, host: &str) -> Option<i64> {
        let best = route.hosts.iter().filter_map(|pattern| host_rank(pattern, host)).max();
        if route.hosts.is_empty() { Some(0) } else { best }
    }

    fn host_rank(pattern: &HostPattern, host: &str) -> Option<i64> {
        match pattern {
            HostPattern::Exact(exact) => (**exact == *host).then_some(2),
            HostPattern::Wildcard(suffix) => {
                let label = host.strip_suffix(&**suffix)?.strip_suffix('.')?;
                (!label.is_empty() && !label.contains('.')).then_some(1)
            }
        }
    }

    fn path_rank(pattern: &PathPattern, index: usize, path: &str) -> Option<Vec<i64>> {
        match pattern {
            PathPattern::Exact(exact) => (**exact == *path).then(|| vec![4]),
            PathPattern::Template(segments) => {
                let texts: Vec<&str> = path[1..].split('/').collect();
                let matches = segments.len() == texts.len()
                    && segments.iter().zip(&texts).all(|(segment, text)| match segment {
                        crate::config::route::Segment::Literal(literal) => **literal == **text,
                        crate::config::route::Segment::Param(_) => !text.is_empty(),
                    });
                let literal =
                    |segment| i64::from(matches!(segment, &crate::config::route::Segment::Literal(_)));
                matches.then(|| [3].into_iter().chain(segments.iter().map(literal)).collect())
            }
            PathPattern::Regex(text) => {
                PathRegex::new(text).unwrap().matches(path).then(|| vec![2, -(index as i64)])
            }
            PathPattern::Prefix(prefix) => {
                let below = format!("{path}/");
                below.starts_with(&format!("{prefix}/")).then(|| vec![1, prefix.len() as i64])
            }
        }
    }

    pub(super) fn find(routes: &[Route], head: &Head<'_>) -> String {
        let conditions =
            |route: &Route| route.when.iter().all(|when| predicate::holds(when, head.headers, head.query));
        let mut near: Vec<(Vec<i64>, usize)> = (0..routes.len())
            .filter(|index| conditions(&routes[*index]))
            .filter_map(|index| Some((specificity(routes, index, head)?, index)))
            .collect();
        near.sort();
        let taken = near.iter().rev().find(|(_, index)| method::takes(&routes[*index].methods, head.method));
        match taken {
            Some((_, index)) => index.to_string(),
            None if near.is_empty() => "none".to_owned(),
            None => "405".to_owned(),
        }
    }
}

fn a_route() -> impl Strategy<Value = String> {
    let methods = prop::sample::select(vec!["*", "GET", "POST", "GET,POST", "HEAD"]);
    let hosts = prop::sample::select(vec!["-", "-", "a.x", "*.x", "a.x,*.y"]);
    let segment = prop::sample::select(vec!["a", "b", "{p}", "*"]);
    let tail = prop::sample::select(vec!["", "", "/", "/**"]);
    let path = (prop::collection::vec(segment, 0..4), tail).prop_map(|(segments, tail)| {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        if path.is_empty() && tail.is_empty() { "/".to_owned() } else { path + tail }
    });
    let regex = prop::sample::select(vec!["~/a.*", "~/[ab]", "~/(a|b)/.+"]).prop_map(str::to_owned);
    let when = prop::sample::select(vec!["", "", "", "x-a=1", "x-a=2", "?q=1", "x-a=1 ?q=1", "x-a=*"]);
    (methods, hosts, prop_oneof![6 => path, 1 => regex], when)
        .prop_map(|(methods, hosts, path, when)| format!("{methods} {hosts} {path} {when}"))
}

fn a_request() -> impl Strategy<Value = String> {
    let method = prop::sample::select(vec!["GET", "POST", "HEAD", "PUT"]);
    let host = prop::sample::select(vec!["a.x", "b.x", "c.y", "x", "a.b.x", "h"]);
    let segments = prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "ab"]), 0..4);
    let tail = prop::sample::select(vec!["", "", "/", "?q=1", "/?q=2&q=1"]);
    let headers = prop::sample::select(vec!["", "x-a:1", "x-a:2", "x-a:3", "x-a:1 x-a:2"]);
    (method, host, segments, tail, headers).prop_map(|(method, host, segments, tail, headers)| {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        let path = if path.is_empty() && !tail.starts_with('/') { "/".to_owned() } else { path };
        format!("{method} {host} {path}{tail} {headers}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_table_agrees_with_a_naive_search(
        lines in prop::collection::vec(a_route(), 1..12),
        requests in prop::collection::vec(a_request(), 1..12),
    ) {
        // Patterns that cannot be read (`/{p}/**`, `{p}` twice) and routes that tie are left out.
        let mut routes: Vec<Route> = Vec::new();
        for text in &lines {
            let path = text.split_whitespace().nth(2).unwrap();
            if parse_pattern(path).is_err() {
                continue;
            }
            let next = route(routes.len(), text);
            if routes.iter().all(|other| !ties_by_definition(other, &next)) {
                routes.push(next);
            }
        }

        let table = RouteTable::build(&routes);

        prop_assert!(table.is_ok(), "{:?}", table.err());
        let table = table.unwrap();
        for request in &requests {
            let answer = ask(&table, request);
            let answer = if answer.parse::<usize>().is_ok() || answer == "none" { answer } else { "405".to_owned() };
            prop_assert_eq!(answer, naive::find(&routes, &Request::of(request).head()), "{} in {:?}", request, &lines);
        }
    }

    #[test]
    fn every_tie_of_two_routes_is_found_and_nothing_else(one in a_route(), other in a_route()) {
        let parses = |text: &String| parse_pattern(text.split_whitespace().nth(2).unwrap()).is_ok();
        prop_assume!(parses(&one) && parses(&other));
        let routes = [route(0, &one), route(1, &other)];

        prop_assert_eq!(RouteTable::build(&routes).is_err(), ties_by_definition(&routes[0], &routes[1]));
    }
}

/// The definition of a tie, spelled out.
fn ties_by_definition(one: &Route, other: &Route) -> bool {
    let shape = |route: &Route| {
        let text = super::super::path::text_of(&route.path);
        if text.starts_with('~') { text } else { text.replace("{p}", "*") }
    };
    let same_host = (one.hosts.is_empty() && other.hosts.is_empty())
        || one.hosts.iter().any(|pattern| other.hosts.contains(pattern));
    let same_methods = match (&one.methods, &other.methods) {
        (Methods::Any, Methods::Any) => true,
        (Methods::These(one), Methods::These(other)) => one.iter().any(|method| other.contains(method)),
        _ => false,
    };
    let apart = one.when.contains(&condition("x-a=1")) && other.when.contains(&condition("x-a=2"))
        || one.when.contains(&condition("x-a=2")) && other.when.contains(&condition("x-a=1"));
    same_host && shape(one) == shape(other) && same_methods && one.when.len() == other.when.len() && !apart
}
