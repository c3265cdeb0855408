//! What is shown about the configuration as a whole.

use super::*;

/// Services `a` and `b`, the routes from line 5 on, one a line: `NAME: MATCH [+ FIELDS]`.
fn routes(lines: &[&str]) -> Vec<String> {
    let mut text = "version: 1\nlisteners: [{ bind: 127.0.0.1:8080 }]\nservices: { a: { endpoints: [\"127.0.0.1:1\"] } }\nroutes:\n".to_owned();
    for line in lines {
        let (name, rest) = line.split_once(": ").unwrap();
        let (matched, fields) =
            rest.split_once(" + ").map_or((rest, String::new()), |(m, f)| (m, format!(", {f}")));
        text.push_str(&format!("- {{ name: {name}, match: \"{matched}\", auth: public, to: a{fields} }}\n"));
    }
    said(&text)
}

#[test]
fn two_routes_of_equal_right_are_refused_at_the_later_one() {
    let said = routes(&["one: GET /a/{x}", "two: GET|POST /a/{y}"]);

    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("6:23 [\"GET|POST /a/{y}\"] ambiguous-route: routes `one` (line 5) and `two` (line 6) both take GET"), "{said:?}");
    assert!(said[0].ends_with("the other route is at line 5"), "{said:?}");
}

#[test]
fn ambiguities_are_reported_beside_other_errors() {
    let said = routes(&["one: GET /a", "two: GET /a", "three: GET b"]);

    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("6:23 [\"GET /a\"] ambiguous-route"), "{said:?}");
    assert!(said[1].starts_with("7:25 [\"GET b\"] bad-value"), "{said:?}");
}

#[test]
fn a_route_that_no_request_reaches_is_pointed_out() {
    let cases: [(&[&str], Option<&str>); 8] = [
        (&["one: GET /a", "two: * /a"], None),
        (&["one: GET ~/a/[a-z]+", "two: GET /a/b/**"], None),
        (
            &["one: GET ~.*", "two: GET /a/**"],
            Some(
                "6:23 [\"GET /a/**\"] shadowed-route: no request reaches route `two`: route `one` takes them first",
            ),
        ),
        (
            &["one: GET ~/a/.*", "two: GET /a/b/**"],
            Some(
                "6:23 [\"GET /a/b/**\"] shadowed-route: no request reaches route `two`: route `one` takes them first",
            ),
        ),
        (&["one: GET|POST /a", "two: GET /b"], None),
        (&["one: GET /a/{x}", "two: GET /a/**"], None),
        (&["one: GET /a/** + hosts: [x.example]", "two: GET /a/** + hosts: [\"*.example\"]"], None),
        (&["one: GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS /a", "two: * /a"], None),
    ];

    for (lines, wanted) in cases {
        let said = routes(lines);
        let shadowed: Vec<&String> = said.iter().filter(|one| one.contains("shadowed")).collect();
        match wanted {
            None => assert!(said.is_empty(), "{lines:?}: {said:?}"),
            Some(wanted) => {
                assert!(shadowed.len() == 1 && shadowed[0].starts_with(wanted), "{lines:?}: {said:?}")
            }
        }
    }
}

#[test]
fn a_service_nobody_uses_is_pointed_out() {
    expect(
        &format!(
            "{HEAD}services:\n  a: {{ endpoints: [\"127.0.0.1:1\"] }}\n  b: {{ endpoints: [\"127.0.0.1:1\"] }}\nroutes: [{{ name: r, match: GET /, auth: public, to: a }}]\n"
        ),
        &["5:3 [b] unused-service: no route goes to service `b` | remove it, or add a route with this `to:`"],
    );
}

#[test]
fn nothing_routed_is_pointed_out() {
    assert!(said(HEAD)[0].starts_with("1:1 [v] no-routes: there are no routes"));
}

#[test]
fn ten_thousand_routes_are_read_in_time() {
    let mut text = SERVED.to_owned() + "routes:\n";
    for number in 0..10_000 {
        text.push_str(&format!(
            "  - {{ name: r{number}, match: \"GET /shop/{}/item/{number}/{{id}}\", auth: public, to: a }}\n",
            number % 100
        ));
    }

    let loaded = load(&text).unwrap();

    assert_eq!(loaded.config.routes.len(), 10_000);
    assert!(loaded.warnings.is_empty());
}
