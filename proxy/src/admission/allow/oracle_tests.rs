//! Rules against a naive reading of the tables, and what must hold of every rule and every text.

use super::tree::Comparison;
use super::*;
use crate::identity::principal::Principal;
use http::{HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A request as plain lists; every attribute by its name in the rule.
#[derive(Debug, Clone)]
struct Facts {
    caller: Option<(Vec<&'static str>, Vec<&'static str>)>,
    values: BTreeMap<String, Vec<&'static str>>,
}

const NAMES: [&str; 3] = ["a", "b:c", "d e"];
const TEXTS: [&str; 4] = ["x", "y", "x y", "user"];
const HEADERS: [&str; 2] = ["x-a", "x-b"];

fn name() -> impl Strategy<Value = Box<str>> {
    prop::sample::select(&NAMES[..]).prop_map(Box::from)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::User),
        Just(Value::Tier),
        name().prop_map(Value::Claim),
        name().prop_map(Value::Param),
        prop::sample::select(&HEADERS[..]).prop_map(|name| Value::Header(HeaderName::from_static(name))),
        prop::sample::select(&TEXTS[..]).prop_map(|text| Value::Text(text.into())),
    ]
}

fn comparison() -> impl Strategy<Value = Tree> {
    let both_text = |left: &Value, right: &Value| matches!((left, right), (Value::Text(_), Value::Text(_)));
    (value(), any::<bool>(), value())
        .prop_filter("a rule refuses it", move |(left, _, right)| left != right && !both_text(left, right))
        .prop_map(|(left, equal, right)| Tree::Compare(Comparison { left, equal, right }))
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Authenticated),
        name().prop_map(Tree::Role),
        name().prop_map(Tree::Scope),
        comparison(),
        comparison(),
    ];
    leaf.prop_recursive(5, 24, 4, |part| {
        prop_oneof![
            vec(part.clone(), 2..4).prop_map(Tree::Or),
            vec(part.clone(), 2..4).prop_map(Tree::And),
            part.prop_map(|part| Tree::Not(Box::new(part))),
        ]
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let words = || vec(prop::sample::select(&NAMES[..]), 0..3);
    let text = || prop::sample::select(&TEXTS[..]);
    let attribute = move |most: usize| vec(text(), 0..=most);
    let caller = prop::option::of((words(), words(), attribute(1), vec(attribute(3), 3), text()));
    (caller, vec(attribute(1), 3), vec(attribute(2), 2)).prop_map(|(caller, params, headers)| {
        let mut values = BTreeMap::new();
        let named = |kind: &str, names: &[&str]| -> Vec<String> {
            names.iter().map(|name| format!("{kind}.{name}")).collect()
        };
        values.extend(named("path", &NAMES).into_iter().zip(params));
        values.extend(named("header", &HEADERS).into_iter().zip(headers));
        let caller = caller.map(|(roles, scopes, tier, claims, user)| {
            values.extend(named("claim", &NAMES).into_iter().zip(claims));
            values.insert("tier".to_owned(), tier);
            values.insert("user".to_owned(), vec![user]);
            (roles, scopes)
        });
        Facts { caller, values }
    })
}

/// The three values as numbers: `and` is the smaller, `or` the larger, `not` the sign.
fn naive(tree: &Tree, facts: &Facts) -> i8 {
    let has = |list: Option<&Vec<&str>>, name: &str| match list {
        None => 0,
        Some(list) => {
            if list.contains(&name) {
                1
            } else {
                -1
            }
        }
    };
    match tree {
        Tree::Or(parts) => parts.iter().map(|part| naive(part, facts)).max().unwrap(),
        Tree::And(parts) => parts.iter().map(|part| naive(part, facts)).min().unwrap(),
        Tree::Not(part) => -naive(part, facts),
        Tree::Authenticated => i8::from(facts.caller.is_some()),
        Tree::Role(role) => has(facts.caller.as_ref().map(|(roles, _)| roles), role),
        Tree::Scope(scope) => has(facts.caller.as_ref().map(|(_, scopes)| scopes), scope),
        Tree::Compare(Comparison { left, equal, right }) => {
            let (left, right) = (all(left, facts), all(right, facts));
            if left.is_empty() || right.is_empty() {
                return 0;
            }
            let same = left.iter().any(|value| right.contains(value));
            if same == *equal { 1 } else { -1 }
        }
    }
}

fn all(value: &Value, facts: &Facts) -> Vec<String> {
    let named = |name: String| -> Vec<String> {
        facts.values.get(&name).into_iter().flatten().map(ToString::to_string).collect()
    };
    match value {
        Value::User => named("user".to_owned()),
        Value::Tier => named("tier".to_owned()),
        Value::Claim(name) => named(format!("claim.{name}")),
        Value::Param(name) => named(format!("path.{name}")),
        Value::Header(name) => {
            Some(named(format!("header.{name}"))).filter(|all| all.len() == 1).unwrap_or_default()
        }
        Value::Text(text) => vec![text.to_string()],
    }
}

/// Asks the real thing.
fn ask(allow: &Allow, facts: &Facts) -> Option<bool> {
    let of = |name: &str| facts.values.get(name).cloned().unwrap_or_default();
    let boxed = |list: &[&str]| list.iter().map(|text| Box::from(*text)).collect();
    let caller = facts.caller.as_ref().map(|(roles, scopes)| Caller {
        principal: Principal { user: of("user")[0].into(), roles: boxed(roles), scopes: boxed(scopes) },
        tier: of("tier").first().map(|tier| Box::from(*tier)),
        claims: NAMES
            .into_iter()
            .flat_map(|name| {
                of(&format!("claim.{name}")).into_iter().map(move |value| (name.into(), value.into()))
            })
            .collect(),
        api_key: None,
        expires: None,
    });
    let mut headers = HeaderMap::new();
    for name in HEADERS {
        for value in of(&format!("header.{name}")) {
            headers.append(name, HeaderValue::from_static(value));
        }
    }
    let param =
        |name: &str| of(&format!("path.{name}")).first().map(|text| Cow::Owned(text.replace(' ', "%20")));
    let asked = Asked { caller: caller.as_ref(), headers: &headers, param: &param };
    let answer = eval::answer(&allow.tree, &asked);
    assert_eq!(allow.holds(&asked), answer == Some(true));
    assert_eq!(allow.explain(&asked).answer, answer);
    answer
}

proptest! {
    #[test]
    fn a_printed_rule_is_read_as_the_same_rule(tree in tree()) {
        let allow = Allow { tree };

        let read = Allow::parse(&allow.to_string());

        prop_assert_eq!(read, Ok(allow.clone()), "{}", allow);
    }

    #[test]
    fn answers_are_those_of_a_naive_reading(tree in tree(), facts in facts()) {
        let wanted = match naive(&tree, &facts) {
            1 => Some(true),
            -1 => Some(false),
            _ => None,
        };
        let allow = Allow { tree };

        prop_assert_eq!(ask(&allow, &facts), wanted, "{}", allow);
    }

    #[test]
    fn leaving_something_out_never_turns_a_refusal_into_an_admission(tree in tree(), facts in facts()) {
        let allow = Allow { tree };
        let before = ask(&allow, &facts) == Some(true);
        let mut fewer: Vec<Facts> = Vec::new();
        for name in facts.values.keys().filter(|name| *name != "user") {
            let mut values = facts.values.clone();
            values.remove(name);
            fewer.push(Facts { values, ..facts.clone() });
        }
        let of_caller = |name: &String| name.starts_with("claim.") || name == "user" || name == "tier";
        let values = facts.values.clone().into_iter().filter(|(name, _)| !of_caller(name)).collect();
        fewer.push(Facts { caller: None, values });

        for fewer in fewer {
            let after = ask(&allow, &fewer) == Some(true);
            prop_assert!(before || !after, "{}\n{:?}\n{:?}", allow, facts, fewer);
        }
    }

    #[test]
    fn no_text_panics_and_what_is_marked_is_in_the_text(text in "(\\PC|and|or|not|role:|claim\\.|header\\.|==|!=|\"|[() =!&|\\\\\n]){0,40}") {
        if let Err(error) = Allow::parse(&text) {
            prop_assert!(text.get(error.at.clone()).is_some(), "{:?}", error);
            prop_assert!(!error.message.is_empty() && !error.help.is_empty());
        }
    }

    #[test]
    fn whatever_can_be_read_survives_printing(text in "((and|or|not|user|tier|role:a|claim\\.b|path\\.\"c d\"|header\\.x|x|\"y\"|==|!=|[()]) ){0,12}") {
        if let Ok(allow) = Allow::parse(&text) {
            prop_assert_eq!(Allow::parse(&allow.to_string()), Ok(allow));
        }
    }
}
