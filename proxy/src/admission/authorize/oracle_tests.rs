//! The policy against a naive reading of the rules, written differently: no tables, everything as text.

use super::sample::{Request, rule};
use super::*;
use crate::config::authorize::{Peers, User};
use crate::config::route::Methods;
use crate::route::path::text_of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const PATTERNS: [&str; 8] = ["/", "/a", "/a/", "/a/*", "/a/b", "/a/**", "/**", "/a%2Fb/*"];
const PATHS: [&str; 14] = [
    "/",
    "/a",
    "/a/",
    "/A",
    "/a/b",
    "/a/b/",
    "/a/b/c",
    "/ab",
    "/a%2Fb",
    "/a;x/b",
    "/a%2Fb/c",
    "/%61/b",
    "/a%2FB;y/c/",
    "*",
];
const PEERS: [&str; 7] = ["a", "ns/a", "ns/ab", "ns/a/x", "ns/ab/x", "ns/a/x/y", ""];
const FROM: [&str; 6] = ["a", "ns/a", "ns/*", "ns/a/*", "*", "ns/a/x"];

/// All, any and none of three values.
fn and(answers: &[Option<bool>]) -> Option<bool> {
    if answers.contains(&Some(false)) {
        return Some(false);
    }
    if answers.contains(&None) { None } else { Some(true) }
}

fn fits(rule: &Rule, asked: &Asked<'_>) -> bool {
    let answers =
        [from(rule, asked), method(rule, asked), path(rule, asked), user(rule, asked), scopes(rule, asked)];
    and(&answers).unwrap_or(rule.effect == Effect::Deny)
}

fn from(rule: &Rule, asked: &Asked<'_>) -> Option<bool> {
    if rule.from.is_empty() {
        return Some(rule.effect == Effect::Deny);
    }
    let peer = asked.peer?.as_str();
    Some(rule.from.iter().any(|peers| match peers {
        Peers::One(id) => id.as_str() == peer,
        Peers::Below(domain, path) => {
            let rest = peer.strip_prefix(&format!("spiffe://{domain}{path}"));
            rest.is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
        }
    }))
}

fn method(rule: &Rule, asked: &Asked<'_>) -> Option<bool> {
    match (&rule.methods, asked.path) {
        (Methods::Any, _) => Some(true),
        (_, None) => None,
        (Methods::These(list), _) => {
            let names: Vec<&str> = list.iter().map(Method::as_str).collect();
            let asked = asked.method.as_str();
            Some(names.contains(&asked) || asked == "HEAD" && names.contains(&"GET"))
        }
    }
}

fn path(rule: &Rule, asked: &Asked<'_>) -> Option<bool> {
    if rule.paths.is_empty() {
        return Some(true);
    }
    let path = asked.path?;
    let mut texts = rule.paths.iter().map(text_of);
    Some(texts.any(|pattern| {
        matches(&pattern, path)
            || rule.effect == Effect::Deny
                && [false, true].iter().any(|split| matches(&plain(&pattern, *split), &plain(path, *split)))
    }))
}

/// As a lenient server reads it.
fn plain(path: &str, split: bool) -> String {
    let path = if split { path.replace("%2F", "/") } else { path.to_owned() };
    let segments =
        path.split('/').map(|segment| segment.split(';').next().unwrap()).filter(|name| !name.is_empty());
    let path: String = segments.map(|name| format!("/{name}")).collect();
    let path = path.replace("%61", "a").to_lowercase();
    if path.is_empty() { "/".to_owned() } else { path }
}

fn matches(pattern: &str, path: &str) -> bool {
    if let Some(prefix) = pattern.strip_suffix("/**") {
        return path == prefix || path.starts_with(&format!("{prefix}/"));
    }
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    let same = |(one, other): (&&str, &&str)| one == other || *one == "*" && !other.is_empty();
    pattern.len() == path.len() && pattern.iter().zip(&path).all(same)
}

fn user(rule: &Rule, asked: &Asked<'_>) -> Option<bool> {
    let there = asked.principal.is_some();
    Some(rule.user == User::Optional || there == (rule.user == User::Required))
}

fn scopes(rule: &Rule, asked: &Asked<'_>) -> Option<bool> {
    let Some(principal) = asked.principal else { return rule.scopes.is_empty().then_some(true) };
    Some(rule.scopes.iter().all(|scope| principal.scopes.iter().any(|has| has == scope)))
}

fn verdict(rules: &[Rule], asked: &Asked<'_>, with_trials: bool) -> Verdict {
    let any = |effect| {
        rules.iter().any(|rule| rule.effect == effect && (with_trials || !rule.audit) && fits(rule, asked))
    };
    if !any(Effect::Deny) && any(Effect::Allow) { Verdict::Allowed } else { Verdict::Denied }
}

fn part(key: &'static str, values: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    subsequence(values, 0..=most).prop_map(move |list| {
        if list.is_empty() { String::new() } else { format!(" {key}:{}", list.join(",")) }
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let kind = select(vec!["allow", "allow", "deny", "allow audit", "deny audit"]);
    let user = select(vec!["", "", " user:required", " user:forbidden"]);
    let methods = part("methods", &["GET", "POST"], 2);
    let who = (kind, part("from", &FROM, 3), user, part("scopes", &["s", "t"], 2));
    (who, methods, part("paths", &PATTERNS, 2)).prop_map(|((kind, from, user, scopes), methods, paths)| {
        rule(&(kind.to_owned() + &from + user + &scopes + &methods + &paths))
    })
}

fn any_request() -> impl Strategy<Value = Request> {
    let peer = prop_oneof![5 => select(PEERS.to_vec()), 1 => Just("-")];
    let path = prop_oneof![8 => select(PATHS.to_vec()), 1 => Just("-")];
    let user = select(vec!["", " u", " u s", " u t,s"]);
    (peer, select(vec!["GET", "HEAD", "POST", "CONNECT"]), path, user)
        .prop_map(|(peer, method, path, user)| Request::of(&format!("{peer} {method} {path}{user}")))
}

proptest! {
    #[test]
    fn the_policy_says_what_a_naive_reading_says(
        rules in prop::collection::vec(any_rule(), 0..8),
        requests in prop::collection::vec(any_request(), 1..8),
    ) {
        let policy = Policy::build(&rules);

        for request in &requests {
            let asked = request.asked();
            let decision = policy.decide(&asked);

            let expected = verdict(&rules, &asked, false);
            let trial = verdict(&rules, &asked, true);
            prop_assert_eq!(decision.verdict, expected);
            prop_assert_eq!(decision.would.map(|(verdict, _)| verdict), (trial != expected).then_some(trial));
            let deciding = decision.rule.map(|index| &rules[index]);
            prop_assert!(deciding.is_none_or(|rule| !rule.audit && fits(rule, &asked)));
            let trying = decision.would.map(|(_, index)| &rules[index]);
            prop_assert!(trying.is_none_or(|rule| rule.audit && fits(rule, &asked)));
        }
    }

    #[test]
    fn the_order_of_the_rules_means_nothing(
        (rules, shuffled) in prop::collection::vec(any_rule(), 0..8)
            .prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        request in any_request(),
    ) {
        let asked = request.asked();

        let one = Policy::build(&rules).decide(&asked);
        let other = Policy::build(&shuffled).decide(&asked);

        prop_assert_eq!(one.verdict, other.verdict);
        prop_assert_eq!(one.rule.is_some(), other.rule.is_some());
        prop_assert_eq!(one.would.map(|(verdict, _)| verdict), other.would.map(|(verdict, _)| verdict));
    }

    #[test]
    fn an_explanation_names_the_rule_that_decides_and_every_rule_that_does_not_fit(
        rules in prop::collection::vec(any_rule(), 0..8),
        request in any_request(),
    ) {
        let policy = Policy::build(&rules);
        let asked = request.asked();

        let explained = explain(&policy, &asked);

        let decision = policy.decide(&asked);
        prop_assert_eq!(explained.verdict, decision.verdict);
        prop_assert_eq!(explained.rule.map(|rule| rule.index), decision.rule);
        let mut missed: Vec<usize> = explained.misses.iter().map(|miss| miss.rule.index).collect();
        missed.sort_unstable();
        let expected: Vec<usize> = (0..rules.len()).filter(|index| !fits(&rules[*index], &asked)).collect();
        prop_assert_eq!(missed, expected);
    }

    #[test]
    fn who_is_denied_stays_denied_without_a_name_and_without_a_path(
        rules in prop::collection::vec(any_rule(), 0..8),
        request in any_request(),
    ) {
        let policy = Policy::build(&rules);
        let verdict = |request: &Request| policy.decide(&request.asked()).verdict;

        let hidden = Request { peer: None, ..request.clone() };
        prop_assert_eq!(verdict(&hidden), Verdict::Denied);

        let tunnel = Request { path: None, ..request.clone() };
        prop_assert!(verdict(&request) == Verdict::Allowed || verdict(&tunnel) == Verdict::Denied);
    }
}
