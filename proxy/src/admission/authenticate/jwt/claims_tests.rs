//! What claims are taken for, and when they are not.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn map() -> ClaimMap {
    ClaimMap { tier: Some("tier".into()), ..ClaimMap::default() }
}

fn named(claims: Value) -> Result<Caller, ClaimFault> {
    let Value::Object(mut claims) = claims else { panic!("an object") };
    claims.entry("sub").or_insert(json!("alice"));
    caller(&map(), &["team".into(), "org.id".into()], &claims, None)
}

fn roles(value: &Value) -> Result<Vec<Box<str>>, ClaimFault> {
    named(json!({ "roles": value })).map(|caller| caller.principal.roles)
}

fn scopes(value: &Value) -> Result<Vec<Box<str>>, ClaimFault> {
    named(json!({ "scope": value })).map(|caller| caller.principal.scopes)
}

fn kept(value: &Value) -> Result<Vec<Box<str>>, ClaimFault> {
    named(json!({ "team": value })).map(|caller| caller.claims.into_iter().map(|(_, value)| value).collect())
}

fn list(items: &[&str]) -> Vec<Box<str>> {
    items.iter().map(|item| (*item).into()).collect()
}

#[test]
fn a_user_is_one_text_and_must_be_there() {
    let map = map();
    let of = |claims: Value| {
        caller(&map, &[], claims.as_object().unwrap(), None).map(|caller| caller.principal.user)
    };

    assert_eq!(of(json!({ "sub": "alice" })), Ok("alice".into()));
    assert_eq!(of(json!({})), Err(ClaimFault::UserMissing));
    assert_eq!(of(json!({ "sub": null })), Err(ClaimFault::UserMissing));
    for user in [json!(17), json!(["alice"]), json!({}), json!(true)] {
        assert_eq!(of(json!({ "sub": user })), Err(ClaimFault::Type), "{user}");
    }
    assert_eq!(of(json!({ "sub": "a b" })), Err(ClaimFault::Name));
    assert_eq!(of(json!({ "sub": "" })), Err(ClaimFault::Name));
}

#[test]
fn roles_and_scopes_are_lists_or_one_text() {
    assert_eq!(roles(&json!(["a", "b"])), Ok(list(&["a", "b"])));
    assert_eq!(roles(&json!("a, b  c,")), Ok(list(&["a", "b", "c"])));
    assert_eq!(scopes(&json!(["a:x", "b"])), Ok(list(&["a:x", "b"])));
    assert_eq!(scopes(&json!(" a:x  b ")), Ok(list(&["a:x", "b"])));
    assert_eq!(scopes(&json!("a,b")), Err(ClaimFault::Name));
    for none in [json!([]), json!(""), json!(" "), json!(null)] {
        assert_eq!((roles(&none), scopes(&none)), (Ok(vec![]), Ok(vec![])), "{none}");
    }
    for wrong in
        [json!(1), json!({ "a": true }), json!(true), json!(["a", 1]), json!([["a"]]), json!(["a", null])]
    {
        assert_eq!(
            (roles(&wrong), scopes(&wrong)),
            (Err(ClaimFault::Type), Err(ClaimFault::Type)),
            "{wrong}"
        );
    }
    assert_eq!(roles(&json!(["a b"])), Err(ClaimFault::Name));
    assert_eq!(roles(&json!([""])), Err(ClaimFault::Name));
    assert_eq!(roles(&json!(vec!["r"; 64])).unwrap().len(), 64);
    assert_eq!(roles(&json!(vec!["r"; 65])), Err(ClaimFault::Size));
    assert_eq!(scopes(&json!("s ".repeat(65))), Err(ClaimFault::Size));
}

#[test]
fn a_claim_of_the_very_name_wins_and_dots_lead_into_objects() {
    let map = ClaimMap {
        user: "https://shop.example/user".into(),
        roles: "realm_access.roles".into(),
        scopes: "a.b.c".into(),
        tier: None,
    };
    let of =
        |claims: Value| caller(&map, &[], claims.as_object().unwrap(), None).map(|caller| caller.principal);
    let user = "https://shop.example/user";

    let nested =
        of(json!({ user: "u", "realm_access": { "roles": ["r"] }, "a": { "b": { "c": "s" } } })).unwrap();
    assert_eq!((nested.roles, nested.scopes), (list(&["r"]), list(&["s"])));
    let flat =
        of(json!({ user: "u", "realm_access.roles": ["flat"], "realm_access": { "roles": ["r"] } })).unwrap();
    assert_eq!(flat.roles, list(&["flat"]));
    let none = of(json!({ user: "u", "realm_access": ["roles"], "a": { "b": "c" } })).unwrap();
    assert_eq!((none.roles, none.scopes), (vec![], vec![]));
}

#[test]
fn a_tier_is_a_name() {
    let tier = |value: Value| named(json!({ "tier": value })).map(|caller| caller.tier);

    assert_eq!(tier(json!("premium")), Ok(Some("premium".into())));
    assert_eq!(tier(json!(null)), Ok(None));
    assert_eq!(tier(json!(1)), Err(ClaimFault::Type));
    assert_eq!(tier(json!(["premium"])), Err(ClaimFault::Type));
    for wrong in ["", "a b", "a\n", "ä", &"x".repeat(257)] {
        assert_eq!(tier(json!(wrong)), Err(ClaimFault::Name), "{wrong:?}");
    }
}

#[test]
fn what_rules_ask_about_is_kept_as_texts_one_for_each_value() {
    assert_eq!(kept(&json!("blue team")), Ok(list(&["blue team"])));
    assert_eq!(kept(&json!("größe")), Ok(list(&["größe"])));
    assert_eq!(kept(&json!([1, -2, 1.5, true, "x"])), Ok(list(&["1", "-2", "1.5", "true", "x"])));
    assert_eq!(kept(&json!(u64::MAX)), Ok(list(&["18446744073709551615"])));
    assert_eq!(kept(&json!([])), Ok(vec![]));
    assert_eq!(kept(&json!(null)), Ok(vec![]));
    let both = named(json!({ "team": ["a", "b"], "org": { "id": 7 }, "other": "x" })).unwrap().claims;
    let expected = [("team", "a"), ("team", "b"), ("org.id", "7")];
    assert_eq!(both, expected.map(|(name, value)| (name.into(), value.into())));
    assert_eq!(kept(&json!({ "a": 1 })), Err(ClaimFault::Type));
    assert_eq!(kept(&json!([["a"]])), Err(ClaimFault::Type));
    assert_eq!(kept(&json!([null])), Err(ClaimFault::Type));
    assert_eq!(kept(&json!("a\r\nb")), Err(ClaimFault::Name));
    assert_eq!(kept(&json!("x".repeat(256))).unwrap().len(), 1);
    assert_eq!(kept(&json!("x".repeat(257))), Err(ClaimFault::Size));
    assert_eq!(kept(&json!(vec!["a"; 64])).unwrap().len(), 64);
    assert_eq!(kept(&json!(vec!["a"; 65])), Err(ClaimFault::Size));
    // 2^64 + 1 and its neighbours have one text.
    assert_eq!(kept(&json!(18_446_744_073_709_551_617_f64)), Err(ClaimFault::Size));
}

#[test]
fn a_moment_is_a_number_of_seconds() {
    let at = |value: Value| moment(&value).map(|moment| moment.0);

    assert_eq!(at(json!(0)), Some(0));
    assert_eq!(at(json!(1_800_000_000)), Some(1_800_000_000));
    assert_eq!(at(json!(1_800_000_000.9)), Some(1_800_000_000));
    assert_eq!(at(json!(1.8e9)), Some(1_800_000_000));
    assert_eq!(at(json!(u64::MAX)), Some(LATEST));
    assert_eq!(at(json!(1e300)), Some(LATEST));
    for none in [json!(-1), json!(-0.1), json!("1"), json!(true), json!(null), json!([1]), json!({})] {
        assert_eq!(at(none.clone()), None, "{none}");
    }
}

proptest! {
    #[test]
    fn names_that_are_taken_are_sound(user: String, role: String, scopes: String) {
        if let Ok(caller) = named(json!({ "sub": user, "roles": [role], "scope": scopes })) {
            prop_assert!(caller.principal.is_sound());
        }
    }
}
