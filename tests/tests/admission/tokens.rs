//! Tokens that must not be believed: the table of attacks on JWTs, a line each, over real sockets.

use super::{guarded, with_token};
use portcullis_tests::issuer::{Fault, Issuer, base64url, now};
use portcullis_tests::{Client, Edge, Report, Upstream};
use serde_json::{Value, json};

fn header_of(token: &str) -> String {
    token.split('.').next().unwrap().to_owned()
}

/// A token whose signature is `change`d.
fn signature(token: &str, change: impl Fn(&str) -> String) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    format!("{signed}.{}", change(signature))
}

fn check(report: &mut Report, edge: &Edge, row: &str, token: &str) {
    let answer = with_token(edge, "/x", token);
    report.row(row, "");
    report.check(answer.status == 401, || format!("{} {}", answer.status, answer.text()));
    let challenge = answer.header("www-authenticate").unwrap_or_default().to_owned();
    report.check(challenge == "Bearer error=\"invalid_token\"", || format!("challenge {challenge:?}"));
    let body = answer.text();
    report.check(token.len() < 8 || !body.contains(token), || "the token stands in the answer".to_owned());
}

#[test]
fn no_token_of_the_table_is_believed_and_none_of_it_is_told() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = guarded(&upstream, &issuer);
    let good = issuer.token(json!({}));
    let key = issuer.key();
    let claims = |more: Value| issuer.claims(more);
    let mut report = Report::new();
    assert_eq!(with_token(&edge, "/x", &good).status, 200, "the forger's ground is sound");

    // J01
    for alg in [json!("none"), json!("None"), json!("nOnE"), json!(""), json!(1), Value::Null] {
        let token = key.sign(&json!({ "alg": alg }), &claims(json!({})));
        check(&mut report, &edge, &format!("J01 alg {alg}"), &token);
        check(
            &mut report,
            &edge,
            &format!("J01 alg {alg}, no signature"),
            &signature(&token, |_| String::new()),
        );
    }
    // J02, J04
    for alg in ["HS256", "ES384", "RS256", "PS256", "EdDSA", "ES256K"] {
        check(
            &mut report,
            &edge,
            &format!("J04 alg {alg}"),
            &key.sign(&json!({ "alg": alg }), &claims(json!({}))),
        );
    }
    // J03
    let zeros = base64url([0; 64]);
    check(&mut report, &edge, "J03 a signature of zeros", &signature(&good, |_| zeros.clone()));
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51_u8,
    ];
    check(
        &mut report,
        &edge,
        "J03 r and s of the order",
        &signature(&good, |_| base64url([order, order].concat())),
    );
    check(&mut report, &edge, "J03 short", &signature(&good, |whole| whole[..40].to_owned()));
    // J05
    for name in ["jwk", "jku", "x5u", "x5c"] {
        let header = json!({ name: format!("http://{}/jwks.json", upstream.address()) });
        check(&mut report, &edge, &format!("J05 {name}"), &key.sign(&header, &claims(json!({}))));
    }
    // J06
    for kid in [
        json!("../../dev/null"),
        json!("' OR 1"),
        json!("\u{0}"),
        json!("k".repeat(10_000)),
        json!(["k1"]),
        json!(1),
    ] {
        check(&mut report, &edge, "J06 kid", &key.sign(&json!({ "kid": kid }), &claims(json!({}))));
    }
    // J07
    for header in [json!({ "crit": ["exp"] }), json!({ "b64": false }), json!({ "zip": "DEF" })] {
        check(&mut report, &edge, &format!("J07 {header}"), &key.sign(&header, &claims(json!({}))));
    }
    // J08
    for exp in [json!("9999999999"), json!(-1), json!(true), json!([1]), Value::Null, json!(now() - 60)] {
        check(
            &mut report,
            &edge,
            &format!("J08 exp {exp}"),
            &key.sign(&json!({}), &claims(json!({ "exp": exp }))),
        );
    }
    let endless = claims(json!({})).to_string().replace(&(now() + 600).to_string(), "1e400");
    check(&mut report, &edge, "J08 exp 1e400", &key.sign_text(r#"{"alg":"ES256","kid":"k1"}"#, &endless));
    for nbf in [json!("1"), json!(now() + 120)] {
        check(
            &mut report,
            &edge,
            &format!("J08 nbf {nbf}"),
            &key.sign(&json!({}), &claims(json!({ "nbf": nbf }))),
        );
    }
    // J09
    let name = issuer.name();
    for iss in
        [json!(1), json!([name]), json!(format!("{name}/")), json!(format!("{name}.evil")), Value::Null]
    {
        check(
            &mut report,
            &edge,
            &format!("J09 iss {iss}"),
            &key.sign(&json!({}), &claims(json!({ "iss": iss }))),
        );
    }
    for aud in [json!([]), json!({}), json!("shop"), json!("shop-api2"), json!(["other"]), Value::Null] {
        check(
            &mut report,
            &edge,
            &format!("J09 aud {aud}"),
            &key.sign(&json!({}), &claims(json!({ "aud": aud }))),
        );
    }
    // J10
    let doubled = claims(json!({})).to_string().replacen('{', "{\"sub\":\"root\",", 1);
    check(&mut report, &edge, "J10 sub twice", &key.sign_text(r#"{"alg":"ES256","kid":"k1"}"#, &doubled));
    let header = r#"{"alg":"ES256","alg":"ES256","kid":"k1"}"#;
    check(&mut report, &edge, "J10 alg twice", &key.sign_text(header, &claims(json!({})).to_string()));
    let nested = format!("{{\"x\":{}{}}}", "[".repeat(3_000), "]".repeat(3_000));
    check(&mut report, &edge, "J10 nested", &key.sign_text(r#"{"alg":"ES256","kid":"k1"}"#, &nested));
    // J11
    check(&mut report, &edge, "J11 two segments", good.rsplit_once('.').unwrap().0);
    check(&mut report, &edge, "J11 four segments", &format!("{good}.x"));
    check(&mut report, &edge, "J11 padding", &format!("{good}=="));
    check(&mut report, &edge, "J11 an empty header", &good.replacen(&header_of(&good), "", 1));
    // J12
    for text in ["Bearer ", "Bearer", &format!("Bearer {good}, Bearer {good}"), &format!("Bearer  {good}")] {
        let answer = Client::get("/x").header("authorization", text).send(edge.address());
        report.row("J12", text.split('.').next().unwrap_or_default());
        report.check(matches!(answer.status, 400 | 401), || answer.status.to_string());
    }
    let twice = Client::get("/x")
        .header("authorization", &format!("Bearer {good}"))
        .header("authorization", &format!("Bearer {good}"))
        .send(edge.address());
    report.row("J12 two fields", "");
    report.check(matches!(twice.status, 400 | 401), || twice.status.to_string());
    report.row("J12 in the query", "");
    let query = edge.get(&format!("/x?access_token={good}"));
    report.check(query.status == 401, || query.status.to_string());
    report.row("J12 the scheme in lower case", "");
    let lower = Client::get("/x").header("authorization", &format!("bearer {good}")).send(edge.address());
    report.check(lower.status == 200, || lower.status.to_string());
    // J18
    for user in ["a\r\nX-Admin: 1", "a b", "", "ä"] {
        check(
            &mut report,
            &edge,
            &format!("J18 {user:?}"),
            &key.sign(&json!({}), &claims(json!({ "sub": user }))),
        );
    }
    // J17
    let log: String =
        edge.messages().join("\n") + &edge.access_log().iter().map(Value::to_string).collect::<String>();
    report.row("J17 logs", "");
    report.check(!log.contains(&header_of(&good)), || "a token stands in the log".to_owned());
    report.row("J05 nobody was asked", "");
    report.check(issuer.fetched() <= 2, || format!("{} fetches", issuer.fetched()));

    report.end();
    assert_eq!(upstream.requests().len(), 2, "only the sound ones went on");
}

#[test]
fn a_bad_token_is_not_taken_for_none_where_nobody_may_come_too() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = Edge::with(|c| {
        c.top(&format!("auth: {{ customer: {{ {} }} }}", issuer.jwt("")))
            .service("app", &upstream)
            .route_text("app", "match: GET /**, auth: [customer, public], to: app")
    });

    assert_eq!(edge.get("/x").status, 200, "nobody");
    assert_eq!(with_token(&edge, "/x", &issuer.token(json!({}))).status, 200, "somebody");
    assert_eq!(with_token(&edge, "/x", "a.b.c").status, 401, "somebody wrong");
    assert_eq!(with_token(&edge, "/x", &issuer.token(json!({ "exp": now() - 60 }))).status, 401);
}

#[test]
fn a_token_is_good_for_as_long_as_it_says_and_no_longer_however_often_it_was_seen() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = guarded(&upstream, &issuer);
    // 30 s of leeway: it ends two seconds from now.
    let token = issuer.token(json!({ "exp": now() - 28 }));

    assert_eq!(with_token(&edge, "/x", &token).status, 200);
    portcullis_tests::wait::eventually("it has ended", || {
        (with_token(&edge, "/x", &token).status == 401).then_some(())
    });
    portcullis_tests::wait::eventually("the log to say so", || {
        edge.access_log().iter().any(|line| line["portcullis.disbelieved"] == "expired").then_some(())
    });
}

#[test]
fn without_a_token_the_challenge_names_no_error() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = guarded(&upstream, &issuer);

    let answer = edge.get("/x");

    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.text().contains("NOT_AUTHENTICATED"));
    issuer.fault(Some(Fault::Status(500)));
}
