//! What rules mean, what is said about those that mean nothing, and how answers are explained.

use super::*;
use crate::identity::principal::Principal;
use http::{HeaderName, HeaderValue};

/// A buyer with some claims.
fn alice() -> Caller {
    let words = |words: &[&str]| words.iter().map(|word| Box::from(*word)).collect();
    let claims = [("department", "sales"), ("department", "export"), ("https://x/y", "z"), ("empty", "")];
    Caller {
        principal: Principal {
            user: "alice".into(),
            roles: words(&["buyer", "b(1)"]),
            scopes: words(&["orders:write"]),
        },
        tier: Some("free".into()),
        claims: claims.map(|(name, value)| (name.into(), value.into())).into(),
        api_key: None,
        expires: None,
    }
}

/// What a rule comes to for a caller, with these headers and `path.userId`.
fn answer(rule: &str, caller: Option<&Caller>, headers: &[(&str, &str)], user_id: &str) -> Option<bool> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    let param = |name: &str| (name == "userId").then(|| Cow::Owned(user_id.to_owned()));
    let asked = Asked { caller, headers: &map, param: &param };
    let allow = Allow::parse(rule).unwrap_or_else(|error| panic!("{rule}: {error:?}"));
    let answer = eval::answer(&allow.tree, &asked);
    assert_eq!(allow.holds(&asked), answer == Some(true), "{rule}");
    assert_eq!(allow.explain(&asked).answer, answer, "{rule}");
    answer
}

#[track_caller]
fn expect(rules: &[(&str, Option<bool>)], caller: Option<&Caller>) {
    for (rule, wanted) in rules {
        let got = answer(rule, caller, &[("x-region", "eu west"), ("x-two", "a"), ("x-two", "a")], "alice");
        assert_eq!(got, *wanted, "{rule}");
    }
}

#[test]
fn parts_say_yes_or_no_about_a_caller() {
    expect(
        &[
            ("authenticated", Some(true)),
            ("role:buyer", Some(true)),
            ("role:\"b(1)\"", Some(true)),
            ("role:admin", Some(false)),
            ("scope:orders:write", Some(true)),
            ("scope:orders", Some(false)),
            ("user == alice", Some(true)),
            ("alice == user", Some(true)),
            ("user != alice", Some(false)),
            ("tier == free", Some(true)),
            ("tier == \"free\"", Some(true)),
            ("claim.\"https://x/y\" == z", Some(true)),
            ("claim.https://x/y == z", Some(true)),
            ("claim.empty == \"\"", Some(true)),
            ("path.userId == user", Some(true)),
            ("header.x-region == \"eu west\"", Some(true)),
            ("header.X-Region == eu", Some(false)),
        ],
        Some(&alice()),
    );
}

#[test]
fn a_claim_with_several_values_is_equal_to_each_and_unequal_to_what_it_lacks() {
    expect(
        &[
            ("claim.department == sales", Some(true)),
            ("claim.department == export", Some(true)),
            ("claim.department == hr", Some(false)),
            ("claim.department != export", Some(false)),
            ("claim.department != hr", Some(true)),
            ("hr != claim.department", Some(true)),
        ],
        Some(&alice()),
    );
}

#[test]
fn what_is_not_there_satisfies_nothing_with_or_without_not() {
    let missing = [
        "claim.grade == a",
        "claim.grade != a",
        "claim.grade == claim.department",
        "claim.department != claim.grade",
        "path.orderId == user",
        "header.x-none != a",
        "header.x-two == a",
    ];
    for part in missing {
        expect(
            &[(part, None), (&format!("not {part}"), None), (&format!("not not {part}"), None)],
            Some(&alice()),
        );
    }

    let without_tier = Caller { tier: None, ..alice() };

    expect(&[("tier == free", None), ("not tier == free", None)], Some(&without_tier));
}

#[test]
fn of_an_anonymous_caller_nothing_is_known() {
    let parts = ["authenticated", "role:buyer", "scope:x", "user == alice", "tier != gold", "claim.a != b"];
    for part in parts {
        expect(&[(part, None), (&format!("not {part}"), None)], None);
    }
    expect(&[("header.x-region != us", Some(true)), ("path.userId == alice", Some(true))], None);
}

#[test]
fn words_join_by_kleenes_tables() {
    // true, false and unknown, for a caller without tier
    let caller = Caller { tier: None, ..alice() };
    let (t, f, u) = ("role:buyer", "role:admin", "tier == free");
    let rows = [(t, Some(true)), (f, Some(false)), (u, None)];
    for (left, a) in rows {
        for (right, b) in rows {
            let and = match (a, b) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            let or = match (a, b) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };

            expect(
                &[(&format!("{left} and {right}"), and), (&format!("{left} or {right}"), or)],
                Some(&caller),
            );
        }
    }
}

#[test]
fn not_binds_before_and_and_before_or() {
    expect(
        &[
            ("role:buyer or role:admin and role:admin", Some(true)),
            ("(role:buyer or role:admin) and role:admin", Some(false)),
            ("not role:admin and role:admin", Some(false)),
            ("not (role:admin and role:admin)", Some(true)),
            ("not role:buyer or role:buyer", Some(true)),
            ("not tier == gold and (claim.department == sales or header.x-region == us)", Some(true)),
        ],
        Some(&alice()),
    );
}

#[test]
fn parameters_are_compared_decoded_once() {
    let caller = |user: &str| Caller {
        principal: Principal { user: user.into(), roles: Vec::new(), scopes: Vec::new() },
        ..alice()
    };
    let own = |user: &str, segment: &str| answer("path.userId == user", Some(&caller(user)), &[], segment);

    assert_eq!(own("a@shop.example", "a%40shop.example"), Some(true));
    assert_eq!(own("a@shop.example", "a@shop.example"), Some(true));
    assert_eq!(own("a+b", "a+b"), Some(true));
    assert_eq!(own("a@b", "a%2540b"), Some(false));
    assert_eq!(own("a%40b", "a%40b"), Some(false));
    assert_eq!([own("a", "a%4"), own("a", "%zz"), own("a", "a%")], [None, None, None]);
}

#[test]
fn a_rule_tells_what_it_asks_about() {
    let text = "claim.a == b and (path.x == user or not header.X-R == claim.a) and (tier == free or gold == tier) and tier != free";
    let (allow, mentions) = Allow::parse_with_mentions(text).unwrap();

    assert_eq!(allow.claims(), ["a"]);
    assert_eq!(allow.params(), ["x"]);
    assert_eq!(allow.headers(), ["x-r"]);
    assert_eq!(allow.tiers(), ["free", "gold"]);
    let said: Vec<(&str, Mentioned)> =
        mentions.into_iter().map(|mention| (&text[mention.at], mention.what)).collect();
    assert_eq!(
        said,
        [
            ("claim.a", Mentioned::Claim("a".into())),
            ("path.x", Mentioned::Param("x".into())),
            ("header.X-R", Mentioned::Header("x-r".into())),
            ("claim.a", Mentioned::Claim("a".into())),
            ("free", Mentioned::Tier("free".into())),
            ("gold", Mentioned::Tier("gold".into())),
            ("free", Mentioned::Tier("free".into())),
        ]
    );
}

#[test]
fn a_rule_is_printed_in_its_shortest_form() {
    for (text, printed) in [
        ("( role:a )", "role:a"),
        ("((role:a and scope:b:c)) or role:\"d\"", "role:a and scope:b:c or role:d"),
        ("(role:a or role:b) and not (not role:c)", "(role:a or role:b) and not not role:c"),
        ("(role:a and role:b) and role:c", "(role:a and role:b) and role:c"),
        ("not (role:a or role:b)", "not (role:a or role:b)"),
        ("user==\"alice\" or \"user\" == user", "user == alice or \"user\" == user"),
        ("claim.\"a b\" != \"x \\\"y\\\" \\\\\"", "claim.\"a b\" != \"x \\\"y\\\" \\\\\""),
        ("claim.x == \"roles:y\" or claim.x == \"and\"", "claim.x == \"roles:y\" or claim.x == \"and\""),
        ("header.X-A == b", "header.x-a == b"),
    ] {
        assert_eq!(Allow::parse(text).unwrap().to_string(), printed);
    }
}

/// `[marked] message | help`
fn fault(text: &str) -> String {
    let error = Allow::parse(text).unwrap_err();
    let mark = &text[error.at.clone()];
    format!("{} [{mark}] {} | {}", error.at.start, error.message, error.help)
}

#[test]
fn signs_of_other_languages_are_translated() {
    for (text, said) in [
        ("role:a && role:b", "7 [&&] `&&` is no word of a rule | write `and`"),
        ("role:a || role:b", "7 [||] `||` is no word of a rule | write `or`"),
        ("!role:a", "0 [!] `!` is no word of a rule | write `not`"),
        ("user = alice", "5 [=] one `=` compares nothing | write `==`"),
        ("user === alice", "7 [=] one `=` compares nothing | write `==`"),
        ("tier >= gold", "5 [>=] there is no order to compare by | only `==` and `!=` compare"),
        ("user =~ a", "5 [=~] patterns cannot be compared with | write `==` and the whole value"),
        ("role:a, role:b", "6 [,] a comma joins nothing | write `and` or `or`"),
        ("tier == 'gold'", "8 ['] texts stand in double quotes | write `\"…\"`"),
        (
            "role:a*",
            "6 [*] a `*` stands for nothing: whole values are compared | name every value, or quote a text that holds `*`",
        ),
        ("role:a AND role:b", "7 [AND] `AND` joins nothing | write `and`"),
        ("claim.a == {b}", "11 [{] `{` has no place in a rule | put a text that holds it in double quotes"),
    ] {
        assert_eq!(fault(text), said);
    }
}

#[test]
fn a_word_nobody_knows_comes_with_what_was_meant() {
    let parts = "a part is `role:NAME`, `scope:NAME`, `authenticated`, or compares, as in";
    for (text, said) in [
        (
            "athenticated",
            "0 [athenticated] `athenticated` is not known to a rule | did you mean `authenticated`?",
        ),
        ("NOT role:a", "0 [NOT] `NOT` is not known to a rule | did you mean `not`?"),
        (
            "usr == alice",
            "0 [usr] `usr` is a text, and so is what it is compared with | did you mean `user`?",
        ),
        (
            "claims.a == b",
            "0 [claims.a] `claims.a` is not known to a rule | did you mean `claim.a`? Put it in double quotes if it is a text",
        ),
        (
            "user == paths.id",
            "8 [paths.id] `paths.id` is not known to a rule | did you mean `path.id`? Put it in double quotes if it is a text",
        ),
        (
            "roles:admin",
            "0 [roles:admin] `roles:admin` is not known to a rule | did you mean `role:admin`? Put it in double quotes if it is a text",
        ),
        ("role == admin", "0 [role] `role` cannot be compared | write `role:admin`"),
        ("scopes == \"a b\"", "0 [scopes] `scopes` cannot be compared | write `scope:NAME`"),
        ("admin", &format!("0 [admin] `admin` is not known to a rule | {parts} `claim.NAME == admin`")),
        ("\"a b\"", &format!("0 [\"a b\"] `a b` is not known to a rule | {parts} `claim.NAME == TEXT`")),
    ] {
        assert_eq!(fault(text), said);
    }
}

#[test]
fn what_is_missing_or_too_much_is_marked() {
    for (text, said) in [
        ("", "0 [] this rule says nothing | write a rule, as in `role:buyer`, or remove the key"),
        ("  ", "0 [  ] this rule says nothing | write a rule, as in `role:buyer`, or remove the key"),
        ("(role:a", "0 [(] this `(` is not closed | add a `)`"),
        ("role:a)", "6 [)] nothing is open that this `)` could close | remove it"),
        (
            "()",
            "1 [)] a part of the rule is missing before this `)` | complete it, or remove the parentheses",
        ),
        ("tier == \"gold", "8 [\"] this quote is not closed | add a `\"`"),
        (
            "tier == \"a\\n\"",
            "10 [\\n] a `\\` in quotes stands before `\"` or another `\\` only | write `\\\\` for a backslash",
        ),
        (
            "tier == \"a\nb\"",
            "10 [\n] a text in quotes holds a line break or another control character | write it on one line",
        ),
        (
            "role:a and",
            "10 [] the rule ends where another part should follow | complete it, or remove the last word",
        ),
        ("not", "3 [] the rule ends where another part should follow | complete it, or remove the last word"),
        (
            "user ==",
            "7 [] the rule ends where another part should follow | complete it, or remove the last word",
        ),
        ("role:a role:b", "7 [role:b] two parts stand side by side | write `and` or `or` between them"),
        ("role: a", "0 [role:] `role:` needs a name | write it without a space, as in `role:buyer`"),
        ("role: \"a\"", "0 [role:] `role:` needs a name | write it without a space, as in `role:buyer`"),
        (
            "claim.\"\" == a",
            "0 [claim.\"\"] `claim.` needs a name | write it without a space, as in `claim.department`",
        ),
        (
            "user",
            "0 [user] `user` alone asks nothing | write `authenticated`, or compare it, as in `user == alice`",
        ),
        ("path.id", "0 [path.id] `path.id` alone asks nothing | compare it, as in `path.id == user`"),
        (
            "role:a == b",
            "7 [==] `role:a` is no value to be compared | it stands alone; write `not` in front of it for the opposite",
        ),
        ("user == role:a", "8 [role:a] `role:a` is no value | it stands alone, without `==`"),
        ("user == user", "0 [user == user] both sides are the same | compare two different values"),
        ("user == a == b", "10 [==] a comparison is compared again | join comparisons with `and` or `or`"),
        ("== a", "0 [==] nothing stands before this to be compared | write a value on both sides"),
        (
            "user not == a",
            "0 [user] `user` alone asks nothing | write `authenticated`, or compare it, as in `user == alice`",
        ),
        (
            "claim.a == and",
            "11 [and] a part of the rule is missing before `and` | complete it, or put the word in double quotes if it is a value",
        ),
    ] {
        assert_eq!(fault(text), said);
    }
}

#[test]
fn headers_that_prove_who_somebody_is_are_not_asked_about() {
    for name in [
        "Authorization",
        "cookie",
        "X-Auth-User",
        "x-user-id",
        "X_Forwarded-For",
        "Proxy-Authorization",
        "host",
    ] {
        let rule = format!("header.{name} == a");

        let error = Allow::parse(&rule).unwrap_err();

        assert_eq!(&rule[error.at.clone()], format!("header.{name}"), "{error:?}");
        assert!(error.message.contains("cannot ask") || error.message.contains("is protected"), "{error:?}");
    }
    assert_eq!(
        fault("header.a/b == c"),
        "0 [header.a/b] `a/b` is not the name of a header | use letters, digits and `-`, as in `header.x-region`"
    );
}

#[test]
fn rules_are_bounded_in_length_and_depth() {
    let deep = |n: usize| format!("{}role:a{}", "(".repeat(n), ")".repeat(n));
    let long = |n: usize| format!("role:{}", "a".repeat(n - 5));

    assert!(Allow::parse(&deep(32)).is_ok());
    assert_eq!(Allow::parse(&deep(33)).unwrap_err().at, 32..33);
    assert!(Allow::parse(&format!("{}role:a", "not ".repeat(33))).is_err());
    assert!(Allow::parse(&vec!["(role:a)"; 100].join(" or ")).is_ok(), "wide is not deep");
    assert!(Allow::parse(&long(4096)).is_ok());
    assert!(Allow::parse(&long(4097)).is_err());
}

#[test]
fn an_explanation_shows_every_part_and_what_was_seen() {
    let allow = Allow::parse(
        "path.userId == user or role:admin or not (tier == gold and scope:x) or header.x-two == a and claim.grade == b",
    )
    .unwrap();
    let mut headers = HeaderMap::new();
    headers.append("x-two", HeaderValue::from_static("a"));
    headers.append("x-two", HeaderValue::from_static("a"));
    let param = |_: &str| Some(Cow::Borrowed("17"));
    let caller = Caller { tier: Some("gold".into()), ..alice() };

    let of = |caller| allow.explain(&Asked { caller, headers: &headers, param: &param }).to_string();

    let wanted = "or  true\n  path.userId == user  false (path.userId: 17; user: alice)\n  role:admin  false (roles: buyer, b(1))\n  not  true\n    and  false\n      tier == gold  true (tier: gold)\n      scope:x  false (scopes: orders:write)\n  and  unknown\n    header.x-two == a  unknown (header.x-two: comes more than once)\n    claim.grade == b  unknown (claim.grade: none)";
    assert_eq!(of(Some(&caller)), wanted);
    assert!(of(None).contains("role:admin  unknown (nobody is authenticated)"), "{}", of(None));
}

#[test]
fn what_is_shown_is_short_and_fit_for_a_terminal() {
    let allow = Allow::parse("path.a == x").unwrap();
    let param = |_: &str| Some(Cow::Owned(format!("%1b[31m{}", "y".repeat(200))));
    let asked = Asked { caller: None, headers: &HeaderMap::new(), param: &param };

    let shown = allow.explain(&asked).to_string();

    assert!(shown.chars().all(|c| !c.is_control()) && shown.chars().count() < 120, "{shown}");
}
