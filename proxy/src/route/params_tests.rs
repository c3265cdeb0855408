//! Captured ranges.

use super::*;
use crate::route::path::parse_pattern;

fn captured<'p>(pattern: &str, path: &'p str) -> (Vec<&'p str>, Option<&'p str>) {
    let params = Params::of(&parse_pattern(pattern).unwrap(), path);
    (params.ranges().map(|range| &path[range]).collect(), params.rest().map(|at| &path[at..]))
}

#[test]
fn named_segments_are_captured_in_order() {
    assert_eq!(captured("/users/{id}/orders/{order}", "/users/7/orders/x%20y"), (vec!["7", "x%20y"], None));
    assert_eq!(captured("/users/*/orders/{order}", "/users/7/orders/9"), (vec!["9"], None));
    assert_eq!(captured("/{a}/", "/é/"), (vec!["é"], None));
}

#[test]
fn the_rest_of_a_prefix_begins_at_its_slash() {
    assert_eq!(captured("/a/**", "/a/b/c"), (vec![], Some("/b/c")));
    assert_eq!(captured("/a/**", "/a/"), (vec![], Some("/")));
    assert_eq!(captured("/a/**", "/a"), (vec![], Some("")));
    assert_eq!(captured("/**", "/a"), (vec![], Some("/a")));
}

#[test]
fn exact_paths_and_regexes_capture_nothing() {
    assert_eq!(captured("/a/b", "/a/b"), (vec![], None));
    assert_eq!(captured("~/a/(b)", "/a/b"), (vec![], None));
}

#[test]
fn a_parameter_is_found_by_its_name() {
    let pattern = parse_pattern("/users/*/{user}/{order}").unwrap();
    let path = "/users/x/ann/9";
    let params = Params::of(&pattern, path);

    assert_eq!(params.get(&pattern, path, "user"), Some("ann"));
    assert_eq!(params.get(&pattern, path, "order"), Some("9"));
    assert_eq!(params.get(&pattern, path, "other"), None);
}
