//! The table, and the rows about evidence of users.
//!
//! What cannot be is left out of a request, not refused: then there is no user, it is counted with a reason, and rules that
//! want a user answer 403. Four rows ask for what there is not, and say what holds instead: 8 (no replay cache), 29 (no
//! token where only this machine reaches), 30 (no seal on loopback), 31 (evidence is bound to an identity, not to one of its
//! certificates).

use super::forge::{self, Evidence, Fields, PASSPORT, STAMP, b64, header, jws, now, patched, signature};
use super::member::{BOTH, Http, Member};
use super::wire;
use super::world::{EDGE, LEGACY, ORDER, PAYMENT, Way, World, folder, get, rekey, told, wait_renewed};
use portcullis_tests::{Report, wait};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// Number, what is attacked, and what is done and looked at.
type Row = (&'static str, &'static str, fn(&World, &mut Report));

const ROWS: [Row; 31] = [
    ("1", "a client outside says who it is in a header", an_outsider_says_who_it_is),
    ("2", "a client outside brings a passport", an_outsider_brings_a_passport),
    ("3", "no certificate, or one that is not good", wire::certificates_that_are_not_good),
    ("4", "plaintext to the mesh, or past the sidecar", wire::plaintext_and_past_the_sidecar),
    ("5", "a service that may not introduce users does", a_service_introduces_a_user),
    ("6", "a service replays what it saw on its way to another", a_service_replays_a_passport),
    ("7", "a leaked passport in the hands of a stranger", a_leaked_passport),
    ("8", "a passport twice: in the right hands it passes, in others never", a_passport_twice),
    ("9", "signatures that choose how they are checked", odd_signatures),
    ("10", "one who may introduce users signs as another", an_asserter_signs_as_another),
    ("11", "audience, age and life of a passport", times_and_audience),
    ("12", "spellings an application behind WSGI folds", spellings_of_the_user),
    ("13", "everything twice", everything_twice),
    ("14", "Connection names what the next hop shall delete", wire::connection_options),
    ("15", "users in trailers", wire::trailers),
    ("16", "requests inside requests", wire::smuggling),
    ("17", "Upgrade and CONNECT around the filter", wire::upgrades_and_tunnels),
    ("18", "resumption and early data", wire::resumption),
    ("19", "another authority on a connection", wire::another_authority),
    ("20", "two users over the same connections", two_users_at_once),
    ("21", "a trusted service without its user, or with a small one", confused_deputies),
    ("22", "an application keeps a passport for later", a_passport_kept_for_later),
    ("23", "passports in what leaves the mesh, in answers and in logs", leaks),
    ("24", "X-Forwarded-Client-Cert with elements of one's own", forged_client_certificates),
    ("25", "names in certificates that are not one SPIFFE ID", wire::odd_names),
    ("26", "requests while the rules change", rules_that_change),
    ("27", "so many fields that some might be looked over", wire::too_many_fields),
    ("28", "another method or path in a header", wire::overrides),
    ("29", "the application asks the admin listener", wire::admin),
    ("30", "another process of this machine poses as the sidecar", wire::posing_as_the_sidecar),
    ("31", "certificates change while requests run; replicas", certificates_that_change),
];

#[test]
fn none_of_the_thirty_one_attacks_on_identity_works() {
    let world = World::start();
    let mut report = Report::new();

    the_forger_is_good_enough(&world, &mut report);
    for (number, name, attack) in ROWS {
        report.row(number, name);
        let ran = catch_unwind(AssertUnwindSafe(|| attack(&world, &mut report)));
        report.check(ran.is_ok(), || "it came to no end; see above".into());
    }

    report.end();
}

/// What must pass: otherwise all that is refused below proves nothing.
fn the_forger_is_good_enough(world: &World, report: &mut Report) {
    report.row("0", "sound evidence is believed");
    let (edge, order) = (world.member("edge"), world.member("svc/order"));
    let first = Evidence::by(&edge, &json!({})).handed(&edge, ORDER);
    let second = first.clone().handed(&order, PAYMENT);
    for http in BOTH {
        has_user(world, report, "from the edge", (&edge, &world.order, http), &first.fields(&edge));
        has_user(world, report, "by a service", (&order, &world.payment, http), &second.fields(&order));
    }
}

/// The fields are evidence for alice.
fn has_user(world: &World, report: &mut Report, what: &str, (by, to, http): Way<'_>, fields: &Fields) {
    let seen = world.ask((by, to, http), "/user/x", fields);
    report.equal(&format!("{what} over {http:?}: the status"), seen.status, 200);
    report.equal(&format!("{what} over {http:?}: the user"), seen.user().as_deref(), Some("alice"));
}

/// The fields are no evidence of anybody; `reason` is counted, empty: nothing is.
fn no_user(world: &World, report: &mut Report, what: &str, (by, to, http): Way<'_>, sent: (&Fields, &str)) {
    let (fields, reason) = sent;
    let before = to.rejected(reason, &by.id());
    let open = world.ask((by, to, http), "/open/x", fields);
    let closed = world.ask((by, to, http), "/user/x", fields);
    report.equal(&format!("{what} over {http:?}: the status where nobody need be"), open.status, 200);
    report.check(open.told().is_empty(), || {
        format!("{what} over {http:?}: the application was told {:?}", open.told())
    });
    report.equal(&format!("{what} over {http:?}: the status where somebody must be"), closed.status, 403);
    report.check(closed.at_app.is_none(), || format!("{what} over {http:?}: it reached the application"));
    if !reason.is_empty() {
        let counted = to.rejected(reason, &by.id()) - before;
        report.check(counted == 2.0, || {
            format!("{what} over {http:?}: {reason} was counted {counted} times, not 2")
        });
    }
}

fn field(name: &str, value: &str) -> Fields {
    vec![(name.into(), value.into())]
}

fn an_outsider_says_who_it_is(world: &World, report: &mut Report) {
    let claims = ["X-Auth-User", "x-auth-user", "X-Auth-Roles", "X-Auth-Scopes", "X-User-Id", "Remote-User"];
    let fields: Fields = claims.iter().map(|name| ((*name).into(), "admin".into())).collect();
    for person in [None, Some("alice"), Some("mallory")] {
        let (open, _) = world.outside(person, "/open/x", &fields);
        report.equal("the status of the public route", open.status, 200);
        report.check(open.told().is_empty(), || format!("{person:?}: {:?}", open.told()));
    }
    let (user, _) = world.outside(Some("alice"), "/user/x", &fields);
    report.equal("the user", user.user().as_deref(), Some("alice"));
    report.check(user.told().iter().all(|(_, value)| value != "admin"), || format!("{:?}", user.told()));
    for person in [None, Some("mallory")] {
        let (refused, answer) = world.outside(person, "/user/x", &fields);
        report.equal("the status without a known certificate", refused.status, 401);
        report.equal("its code", answer.code().as_str(), "NOT_AUTHENTICATED");
        report.check(refused.at_app.is_none(), || "it reached the application".into());
    }
}

/// A real passport, as the application of `order` got it for alice.
fn captured(world: &World) -> String {
    let (seen, _) = world.outside(Some("alice"), "/user/captured", &Vec::new());
    let request = seen.at_app.expect("it arrived");
    request.header("txn-token").expect("a passport").to_owned()
}

fn an_outsider_brings_a_passport(world: &World, report: &mut Report) {
    let edge = world.member("edge");
    let own = world.member("svc/other");
    let expired = json!({ "iat": now() - 120, "exp": now() - 60 });
    let evidence = [
        ("its own", Evidence::by(&own, &json!({})).handed(&own, ORDER)),
        ("one that is over", Evidence::by(&edge, &expired).handed(&edge, ORDER)),
        ("a good one", Evidence::by(&edge, &json!({})).handed(&edge, ORDER)),
        ("a captured one", Evidence::with(captured(world), &edge).handed(&edge, ORDER)),
    ];
    for (what, evidence) in evidence {
        let fields = evidence.fields(&own);
        let (open, _) = world.outside(None, "/open/x", &fields);
        report.equal(what, (open.status, open.told()), (200, Vec::new()));
        let (nobody, _) = world.outside(None, "/user/x", &fields);
        report.equal(what, nobody.status, 401);
        let (bob, _) = world.outside(Some("bob"), "/user/x", &fields);
        report.equal(what, bob.user().as_deref(), Some("bob"));
        let token = bob.at_app.and_then(|request| request.header("txn-token").map(str::to_owned));
        report
            .check(token != Some(evidence.passport.clone()), || format!("{what}: the passport went through"));
    }
}

fn a_service_introduces_a_user(world: &World, report: &mut Report) {
    let other = world.member("svc/other");
    let mut plain = field("X-Auth-User", "admin");
    plain.extend(field("X-Auth-Scopes", "orders:write"));
    let signed = Evidence::by(&other, &json!({})).handed(&other, PAYMENT);
    for http in BOTH {
        no_user(world, report, "plain headers", (&other, &world.payment, http), (&plain, ""));
        no_user(world, report, "plain headers", (&other, &world.order, http), (&plain, ""));
        let way = (&other, &world.payment, http);
        no_user(world, report, "a passport", way, (&signed.fields(&other), "not_asserter"));
    }
    // Where plain headers count, they count for those who may introduce users alone.
    for (by, expected) in [("svc/other", None), ("edge", Some("admin"))] {
        let answer = get("/open/x", &plain).send_on(&mut world.member(by).raw(world.legacy.address()));
        report.equal("the status at a service that takes plain headers", answer.status, 200);
        report.equal(by, answer.json()["HTTP_X_AUTH_USER"].as_str(), expected);
    }
}

fn a_service_replays_a_passport(world: &World, report: &mut Report) {
    let [edge, order, other] = ["edge", "svc/order", "svc/other"].map(|name| world.member(name));
    let to_order = Evidence::by(&edge, &json!({})).handed(&edge, ORDER);
    let to_payment = to_order.clone().handed(&order, PAYMENT);
    let rows = [
        ("as it was handed to another", to_order.clone(), "wrong_audience"),
        ("as another handed it on", to_payment.clone(), "wrong_hands"),
        ("and handed on again", to_payment.clone().handed(&other, PAYMENT), "broken_chain"),
        ("as if it had been handed to it", to_order.handed(&other, PAYMENT), "broken_chain"),
    ];
    for (what, evidence, reason) in rows {
        for http in BOTH {
            no_user(world, report, what, (&other, &world.payment, http), (&evidence.fields(&other), reason));
        }
    }
    has_user(
        world,
        report,
        "who was on the path",
        (&order, &world.payment, Http::Two),
        &to_payment.fields(&order),
    );
    let over = json!({ "iat": now() - 70, "exp": now() - 10 });
    let late = Evidence::by(&edge, &over).handed(&edge, ORDER).handed(&order, PAYMENT);
    let way = (&order, &world.payment, Http::Two);
    no_user(world, report, "who was on the path, later", way, (&late.fields(&order), "expired"));
}

fn a_leaked_passport(world: &World, report: &mut Report) {
    let [edge, other] = ["edge", "svc/other"].map(|name| world.member(name));
    let passport = captured(world);
    let rows = [
        ("alone", Evidence::with(passport.clone(), &edge), "no_stamps"),
        (
            "with a stamp of one's own",
            Evidence::with(passport, &edge).handed(&other, PAYMENT),
            "broken_chain",
        ),
    ];
    for (what, evidence, reason) in rows {
        for http in BOTH {
            no_user(world, report, what, (&other, &world.payment, http), (&evidence.fields(&other), reason));
        }
    }
}

fn a_passport_twice(world: &World, report: &mut Report) {
    let [edge, order, other] = ["edge", "svc/order", "svc/other"].map(|name| world.member(name));
    let evidence = Evidence::by(&edge, &json!({})).handed(&edge, ORDER).handed(&order, PAYMENT);
    // Often enough that every worker has verified it: what is remembered must be bound to the peer.
    let very_bytes = evidence.fields(&order);
    for _ in 0..8 {
        has_user(world, report, "the right hands", (&order, &world.payment, Http::Two), &very_bytes);
    }
    for _ in 0..4 {
        let way = (&other, &world.payment, Http::Two);
        no_user(world, report, "other hands, the very bytes", way, (&very_bytes, "wrong_hands"));
        no_user(world, report, "other hands", way, (&evidence.fields(&other), "wrong_hands"));
    }
    let (first, _) = world.outside(Some("alice"), "/pay/x", &Vec::new());
    let (second, _) = world.outside(Some("alice"), "/pay/x", &Vec::new());
    report.equal("two calls in one minute", (first.status, second.status), (200, 200));
}

/// Passports whose form is not the one there is.
fn odd_passports(edge: &Member) -> Vec<(String, String)> {
    let good = header(edge, PASSPORT);
    let said = forge::claims(edge);
    let text = |header: &Value| format!("{}.{}", b64(header.to_string()), b64(said.to_string()));
    let none = patched(good.clone(), &json!({ "alg": "none" }));
    let secret = &edge.identity.chain[0];
    let hs256 = text(&patched(good.clone(), &json!({ "alg": "HS256" })));
    let tag = aws_lc_rs::hmac::sign(
        &aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret),
        hs256.as_bytes(),
    );
    let sound = jws(edge, &good, &said);
    let (signed, _) = sound.rsplit_once('.').expect("a signature");
    let raw = signature(edge, signed);
    let twice = format!(
        "{}.{}",
        b64(format!(
            "{{\"alg\":\"none\",\"alg\":\"ES256\",\"typ\":\"{PASSPORT}\",\"x5t#S256\":\"{}\"}}",
            edge.leaf()
        )),
        b64(said.to_string())
    );
    let mut rows = vec![
        ("alg none, no signature".to_owned(), format!("{}.", text(&none))),
        ("alg none, signed".into(), jws(edge, &none, &said)),
        ("HS256 with the certificate".into(), format!("{hs256}.{}", b64(tag.as_ref()))),
        ("no signature".into(), format!("{signed}.")),
        ("two parts".into(), signed.to_owned()),
        ("four parts".into(), format!("{sound}.AAAA")),
        ("a padded signature".into(), format!("{sound}==")),
        ("a short signature".into(), format!("{signed}.{}", b64(&raw[..63]))),
        ("a blank inside".into(), sound.replacen('.', ". ", 1)),
        ("a member twice".into(), format!("{twice}.{}", b64(signature(edge, &twice)))),
        ("nothing but a word".into(), "admin".into()),
        (
            "a certificate that is no digest".into(),
            jws(edge, &patched(good.clone(), &json!({ "x5t#S256": "AA" })), &said),
        ),
    ];
    let key = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" });
    let headers = [
        ("jwk", json!({ "jwk": key })),
        ("jku", json!({ "jku": "https://evil.example/keys" })),
        ("x5u", json!({ "x5u": "https://evil.example/cert" })),
        ("x5c", json!({ "x5c": [b64(secret)] })),
        ("kid", json!({ "kid": "../../etc/passwd" })),
        ("crit", json!({ "crit": ["exp"] })),
        ("b64", json!({ "b64": false, "crit": ["b64"] })),
        ("ES384", json!({ "alg": "ES384" })),
        ("small alg", json!({ "alg": "es256" })),
        ("no alg", json!({ "alg": null })),
        ("no typ", json!({ "typ": null })),
        ("typ JWT", json!({ "typ": "JWT" })),
        ("typ at+jwt", json!({ "typ": "at+jwt" })),
        ("typ of a stamp", json!({ "typ": STAMP })),
        ("no certificate", json!({ "x5t#S256": null })),
    ];
    rows.extend(
        headers.iter().map(|(what, patch)| ((*what).into(), jws(edge, &patched(good.clone(), patch), &said))),
    );
    let claims = [
        ("no subject", json!({ "sub": null })),
        ("an empty subject", json!({ "sub": "" })),
        ("a subject with a line", json!({ "sub": "alice\r\nX-Auth-User: root" })),
        ("a scope with a line", json!({ "scope": "a\nb" })),
        ("a role with a comma", json!({ "roles": ["buyer,admin"] })),
        ("a subject that is a list", json!({ "sub": ["alice"] })),
        ("a claim nobody knows", json!({ "act": { "sub": "root" } })),
        ("a time in words", json!({ "exp": "tomorrow" })),
        ("a time with a fraction", json!({ "exp": 1.5e9 })),
    ];
    rows.extend(
        claims.iter().map(|(what, patch)| ((*what).into(), jws(edge, &good, &patched(said.clone(), patch)))),
    );
    rows
}

fn odd_signatures(world: &World, report: &mut Report) {
    let edge = world.member("edge");
    let way = (&edge, &world.order, Http::Two);
    for (what, passport) in odd_passports(&edge) {
        let evidence = Evidence::with(passport, &edge).handed(&edge, ORDER);
        no_user(world, report, &what, way, (&evidence.fields(&edge), "malformed"));
    }
    let sound = Evidence::by(&edge, &json!({}));
    let (signed, _) = sound.passport.rsplit_once('.').expect("a signature");
    let claims = patched(forge::claims(&edge), &json!({ "sub": "root" }));
    let changed = format!("{}.{}", signed.split('.').next().unwrap_or_default(), b64(claims.to_string()));
    let (_, signature) = sound.passport.rsplit_once('.').expect("a signature");
    let changed = Evidence::with(format!("{changed}.{signature}"), &edge).handed(&edge, ORDER);
    no_user(world, report, "another's signature", way, (&changed.fields(&edge), "signature"));
    let zero = Evidence::with(format!("{signed}.{}", b64([0; 64])), &edge).handed(&edge, ORDER);
    no_user(world, report, "a signature of nulls", way, (&zero.fields(&edge), "signature"));
    // As a stamp, too.
    let (stamp, _) = sound.clone().handed(&edge, ORDER).stamps[0]
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("a stamp");
    for (what, end, reason) in [
        ("an unsigned stamp", String::new(), "malformed"),
        ("a stamp signed with nulls", b64([0; 64]), "signature"),
    ] {
        let mut fields = sound.bare();
        fields.extend(field("portcullis-stamps", &format!("{stamp}.{end}")));
        no_user(world, report, what, way, (&fields, reason));
    }
}

fn an_asserter_signs_as_another(world: &World, report: &mut Report) {
    let [edge, two, other] = ["edge", "edge-two", "svc/other"].map(|name| world.member(name));
    let as_edge = json!({ "iss": EDGE, "req_wl": EDGE });
    let mut rows = Vec::new();
    for (what, by) in [("another asserter", &two), ("a service", &other)] {
        let stamped = Evidence::by(by, &as_edge).handed_with(by, ORDER, &json!({ "iss": EDGE }));
        rows.push((format!("{what} signs as the edge"), by, stamped, "wrong_hands"));
        rows.push((
            format!("{what} signs a passport as the edge"),
            by,
            Evidence::by(by, &as_edge).handed(by, ORDER),
            "broken_chain",
        ));
    }
    let mixed = json!({ "req_wl": format!("{EDGE}-two") });
    rows.push((
        "two names in one".into(),
        &edge,
        Evidence::by(&edge, &mixed).handed(&edge, ORDER),
        "not_asserter",
    ));
    let as_two = json!({ "iss": two.id(), "req_wl": two.id() });
    let named = Evidence::by(&edge, &as_two).handed_with(&edge, ORDER, &json!({ "iss": two.id() }));
    rows.push(("the edge signs as another asserter".into(), &two, named, "untrusted_signer"));
    for (what, by, evidence, reason) in rows {
        no_user(world, report, &what, (by, &world.order, Http::Two), (&evidence.fields(by), reason));
    }
}

fn times_and_audience(world: &World, report: &mut Report) {
    let edge = world.member("edge");
    let way = (&edge, &world.order, Http::Two);
    let at = |from: i64, to: i64| json!({ "iat": now() + from, "exp": now() + to });
    let rows = [
        ("another trust domain", json!({ "aud": "other.example" }), "wrong_audience"),
        ("no trust domain", json!({ "aud": "" }), "wrong_audience"),
        ("a trust domain in capitals", json!({ "aud": "SHOP.EXAMPLE" }), "wrong_audience"),
        ("the workload instead", json!({ "aud": ORDER }), "wrong_audience"),
        ("two audiences", json!({ "aud": ["shop.example", "other.example"] }), "malformed"),
        ("61 seconds", at(0, 61), "too_long"),
        ("an hour", at(0, 3600), "too_long"),
        ("no life", at(0, 0), "too_long"),
        ("backwards", at(0, -1), "too_long"),
        ("for ever", json!({ "exp": i64::MAX }), "too_long"),
        ("since ever", json!({ "iat": i64::MIN, "exp": i64::MAX }), "too_long"),
        ("from tomorrow on", at(86_400, 86_430), "not_yet"),
        ("from 10 seconds on", at(10, 60), "not_yet"),
        ("until 10 seconds ago", at(-60, -10), "expired"),
    ];
    for (what, patch, reason) in rows {
        // The stamp must not be the reason.
        let iat = patch["iat"].as_i64().unwrap_or_else(now).max(now() - 60);
        let exp = patch["exp"].as_i64().unwrap_or_else(|| now() + 60);
        let times = if exp.checked_sub(iat).is_some_and(|life| (1..=60).contains(&life)) {
            json!({ "iat": iat, "exp": exp })
        } else {
            json!({ "iat": now(), "exp": now() + 30 })
        };
        let evidence = Evidence::by(&edge, &patch).handed_with(&edge, ORDER, &times);
        no_user(world, report, what, way, (&evidence.fields(&edge), reason));
    }
    for (what, patch) in [("a clock 3 seconds ahead", at(3, 60)), ("a clock 2 seconds behind", at(-60, -2))] {
        has_user(world, report, what, way, &Evidence::by(&edge, &patch).handed(&edge, ORDER).fields(&edge));
    }
    let stamps = [
        ("a stamp that outlives its passport", json!({ "exp": now() + 120 }), "too_long"),
        ("a stamp from 10 seconds on", json!({ "iat": now() + 10 }), "not_yet"),
        ("a stamp for another", json!({ "aud": PAYMENT }), "wrong_audience"),
        ("a stamp for nobody", json!({ "aud": "" }), "wrong_audience"),
        ("a stamp of another passport", json!({ "prev": b64([0; 32]) }), "broken_chain"),
    ];
    for (what, patch, reason) in stamps {
        let evidence = Evidence::by(&edge, &json!({})).handed_with(&edge, ORDER, &patch);
        no_user(world, report, what, way, (&evidence.fields(&edge), reason));
    }
}

/// Names that some application takes for `X-Auth-User`.
const SPELLINGS: [&str; 9] = [
    "X_Auth_User",
    "X-Auth_User",
    "x_auth-user",
    "x.auth.user",
    "X-AUTH-USER",
    "x-auth~user",
    "X_AUTH_ROLES",
    "x_auth_scopes",
    "Remote_User",
];

fn spellings_of_the_user(world: &World, report: &mut Report) {
    let [edge, other] = ["edge", "svc/other"].map(|name| world.member(name));
    let users = ["HTTP_X_AUTH_USER", "HTTP_X_AUTH_ROLES", "HTTP_X_AUTH_SCOPES", "HTTP_REMOTE_USER"];
    for name in SPELLINGS {
        let spoofed = field(name, "root");
        let alone = get("/open/x", &spoofed).send_on(&mut other.raw(world.legacy.address()));
        report.check([200, 400].contains(&alone.status), || format!("{name} alone: {}", alone.status));
        let told: Vec<_> = users.iter().filter(|key| alone.json().get(key).is_some()).collect();
        report.check(told.is_empty(), || format!("{name} alone: WSGI has {told:?}"));
        if name != "X-AUTH-USER" {
            let mut both = Evidence::by(&edge, &json!({})).handed(&edge, LEGACY).fields(&edge);
            both.extend(spoofed.clone());
            let beside = get("/legacy/x", &both).send_on(&mut edge.raw(world.legacy.address()));
            let user = beside.json()["HTTP_X_AUTH_USER"].as_str().map(str::to_owned);
            report.check(beside.status == 400 || user.as_deref() == Some("alice"), || {
                format!("{name} beside alice: {} {user:?}", beside.status)
            });
            report
                .check(!beside.text().contains("root"), || format!("{name} beside alice: {}", beside.text()));
        }
        for http in BOTH {
            let seen = world.ask((&other, &world.order, http), "/open/x", &spoofed);
            report.check(seen.told().is_empty(), || format!("{name} over {http:?}: {:?}", seen.told()));
        }
        let mut browser = world.browser(Some("alice"));
        let answer = get("/legacy/x", &spoofed).send_on(&mut browser);
        let user = answer.json()["HTTP_X_AUTH_USER"].as_str().map(str::to_owned);
        report.check(answer.status == 400 || user.as_deref() == Some("alice"), || {
            format!("{name} from outside: {} {user:?}", answer.status)
        });
        report.check(!answer.text().contains("root"), || format!("{name} from outside: {}", answer.text()));
    }
}

fn everything_twice(world: &World, report: &mut Report) {
    let [edge, other] = ["edge", "svc/other"].map(|name| world.member(name));
    let good = Evidence::by(&edge, &json!({})).handed(&edge, ORDER);
    let bob = Evidence::by(&edge, &json!({ "sub": "bob" })).handed(&edge, ORDER);
    let fields = good.fields(&edge);
    let with = |more: Fields| fields.iter().cloned().chain(more).collect::<Fields>();
    let joined = vec![
        ("txn-token".to_owned(), format!("{}, {}", good.passport, bob.passport)),
        ("portcullis-stamps".to_owned(), good.stamps.join(", ")),
    ];
    for http in BOTH {
        let names = [("X-Auth-User".to_owned(), "a".to_owned()), ("x-auth-user".to_owned(), "b".to_owned())];
        let way = (&other, &world.order, http);
        no_user(world, report, "two names of users", way, (&names.to_vec(), ""));
        no_user(world, report, "two users in one field", way, (&field("X-Auth-User", "a, b"), ""));
        let way = (&edge, &world.order, http);
        no_user(
            world,
            report,
            "the same passport twice",
            way,
            (&with(field("txn-token", &good.passport)), "duplicate"),
        );
        no_user(world, report, "two passports", way, (&with(field("Txn-Token", &bob.passport)), "duplicate"));
        no_user(world, report, "an empty second one", way, (&with(field("txn-token", "")), "duplicate"));
        no_user(
            world,
            report,
            "two fields of stamps",
            way,
            (&with(field("portcullis-stamps", &bob.stamps[0])), "duplicate"),
        );
        let chains =
            [field("portcullis-chains", &edge.chain()), field("portcullis-chains", &edge.chain())].concat();
        no_user(world, report, "two fields of chains", way, (&with(chains), "duplicate"));
        no_user(world, report, "two passports in one field", way, (&joined, "malformed"));
    }
}

fn two_users_at_once(world: &World, report: &mut Report) {
    const EACH: usize = 150;
    let [edge, order] = ["edge", "svc/order"].map(|name| world.member(name));
    let run = |user: &'static str| {
        let mut browser = world.browser(Some(user));
        let target = |number: usize| {
            format!("/{}/20-{user}?n={number}", if number.is_multiple_of(3) { "pay" } else { "user" })
        };
        (0..EACH)
            .filter(|number| get(&target(*number), &Vec::new()).send_on(&mut browser).status != 200)
            .count()
    };
    let interleaved = || {
        let of = |user: &str| {
            Evidence::by(&edge, &json!({ "sub": user }))
                .handed(&edge, ORDER)
                .handed(&order, PAYMENT)
                .fields(&order)
        };
        let (alice, bob) = (of("alice"), of("bob"));
        let mut raw = order.raw(world.payment.process.address());
        let ask = |number: usize, raw: &mut _| {
            let (user, fields) = if number.is_multiple_of(2) { ("alice", &alice) } else { ("bob", &bob) };
            get(&format!("/user/20-{user}?i={number}"), fields).send_on(raw).status
        };
        (0..EACH).filter(|number| ask(*number, &mut raw) != 200).count()
    };

    let failed = std::thread::scope(|scope| {
        let threads = [scope.spawn(|| run("alice")), scope.spawn(|| run("bob")), scope.spawn(interleaved)];
        threads.map(|thread| thread.join().unwrap_or(EACH))
    });

    report.equal("requests that failed", failed, [0, 0, 0]);
    for (name, app) in [("order", &world.order.app), ("payment", &world.payment.app)] {
        let requests = app.requests();
        let ours: Vec<_> = requests.iter().filter(|request| request.target.contains("/20-")).collect();
        report.check(ours.len() >= EACH, || format!("{name} saw {} requests", ours.len()));
        for request in ours {
            let expected = if request.target.contains("/20-alice") { "alice" } else { "bob" };
            report.equal(name, request.headers.all("x-auth-user").as_slice(), [expected].as_slice());
        }
    }
}

fn confused_deputies(world: &World, report: &mut Report) {
    let [edge, order, other] = ["edge", "svc/order", "svc/other"].map(|name| world.member(name));
    let of = |patch: &Value, by: &Member| {
        Evidence::by(&edge, patch).handed(&edge, &by.id()).handed(by, PAYMENT).fields(by)
    };
    let (large, small, similar) =
        (json!({}), json!({ "scope": "orders:read" }), json!({ "scope": "orders:write:own xorders:write" }));
    let matrix: [(&str, &Member, Fields, u16); 7] = [
        ("the service for a user who may", &order, of(&large, &order), 200),
        ("the service as itself", &order, Vec::new(), 403),
        ("the service for a user who may less", &order, of(&small, &order), 403),
        ("the service for a user with scopes that look alike", &order, of(&similar, &order), 403),
        ("the service for a user with none", &order, of(&json!({ "scope": "" }), &order), 403),
        ("another service for a user who may", &other, of(&large, &other), 403),
        ("another service as itself", &other, Vec::new(), 403),
    ];
    for (what, by, fields, expected) in matrix {
        let seen = world.ask((by, &world.payment, Http::Two), "/scoped/x", &fields);
        report.equal(what, (seen.status, seen.at_app.is_some()), (expected, expected == 200));
    }
    // The same over the real sidecar: its application asks for nobody.
    let seen = world.call_on("/user/x", &Vec::new());
    report.equal("the application for nobody", (seen.status, seen.at_app.is_some()), (403, false));
}

fn a_passport_kept_for_later(world: &World, report: &mut Report) {
    let (paid, _) = world.outside(Some("alice"), "/pay/22", &Vec::new());
    report.equal("a call for a request in flight", paid.status, 200);
    let kept = field("Txn-Token", &captured(world));

    let refused =
        wait::within(wait::PATIENCE, || (world.call_on("/user/22", &kept).status == 403).then_some(()));
    report.check(refused.is_some(), || "a passport whose request has long ended still goes on".into());

    let before = world.order.rejected("not_in_flight", "");
    let open = world.call_on("/open/22", &kept);
    report.equal("the status for nobody", open.status, 200);
    report.check(open.told().is_empty(), || format!("payment was told {:?}", open.told()));
    report.equal("not_in_flight", world.order.rejected("not_in_flight", "") - before, 1.0);
    let edge = world.member("edge");
    let own = Evidence::by(&edge, &json!({})).handed(&edge, ORDER);
    let made = world.call_on("/user/22", &own.fields(&edge));
    report.equal("a passport that never came in", made.status, 403);
    let mut plain = field("X-Auth-User", "admin");
    plain.extend(field("X_Auth_User", "admin"));
    let plain = world.call_on("/open/22", &plain);
    report.check(plain.told().is_empty(), || format!("plain headers of the application: {:?}", plain.told()));
}

fn leaks(world: &World, report: &mut Report) {
    let (seen, answer) = world.outside(Some("alice"), "/user/egress", &Vec::new());
    report.equal("the status", seen.status, 200);
    let strangers = world.foreign.requests();
    report.check(!strangers.is_empty(), || "the stranger was not called".into());
    for request in strangers {
        report.check(told(&request).is_empty(), || format!("the stranger was told {:?}", told(&request)));
    }
    report.check(!world.foreign.saw("eyJ"), || "the stranger has a passport".into());
    let (_, leaky) = world.outside(Some("alice"), "/user/23", &Vec::new());
    let (_, problem) = world.outside(None, "/user/23", &Vec::new());
    let (_, trailing) = world.outside(Some("alice"), "/user/trailers", &field("TE", "trailers"));
    let edge = world.member("edge");
    let mut fields = Evidence::by(&edge, &json!({})).handed(&edge, ORDER).fields(&edge);
    fields.extend(field("TE", "trailers"));
    let peer = get("/user/trailers", &fields).send_on(&mut edge.raw(world.order.process.address()));
    report.equal("the status of an answer with trailers", (trailing.status, peer.status), (200, 200));
    for answer in [answer, leaky, problem, trailing, peer] {
        let text = format!("{:?} {:?} {}", answer.headers, answer.trailers, answer.text());
        report
            .check(!text.contains("eyJ") && !text.contains("leaked"), || format!("the client reads {text}"));
    }
    let other = world.member("svc/other");
    let inside = get("/open/23", &Vec::new()).send_on(&mut other.raw(world.payment.process.address()));
    report.check(!format!("{:?}", inside.headers).contains("leaked"), || {
        format!("a peer reads {:?}", inside.headers)
    });
    for process in [&world.edge, &world.order.process, &world.payment.process, &world.legacy] {
        let lines = process.access_log();
        report.check(!lines.is_empty(), || "an access log is empty".into());
        let log = lines.iter().map(ToString::to_string).chain(process.messages());
        let telling: Vec<String> = log.filter(|line| line.contains("eyJ")).collect();
        report.check(telling.is_empty(), || format!("a log tells {telling:?}"));
    }
}

pub(super) fn forged_client_certificates(world: &World, report: &mut Report) {
    let other = world.member("svc/other");
    let element = "By=spiffe://shop.example/svc/order;Hash=00;URI=spiffe://shop.example/edge";
    let mut fields = field("X-Forwarded-Client-Cert", &format!("{element},{element}"));
    fields.extend(field("x-forwarded-client-cert", element));
    for http in BOTH {
        let seen = world.ask((&other, &world.order, http), "/open/x", &fields);
        let request = seen.at_app.unwrap_or_default();
        let hash = portcullis_ca::names::Fingerprint::of(&other.identity.chain[0]);
        let hash: String = hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = format!("By={ORDER};Hash={hash};URI={}", other.id());
        report.equal("the element", request.headers.all("x-forwarded-client-cert"), vec![expected.as_str()]);
    }
    let (outside, _) = world.outside(None, "/open/x", &fields);
    let request = outside.at_app.unwrap_or_default();
    let elements = request.headers.all("x-forwarded-client-cert");
    report.check(elements.len() == 1 && elements[0].ends_with(&format!("URI={EDGE}")), || {
        format!("{elements:?}")
    });
}

fn rules_that_change(world: &World, report: &mut Report) {
    const SWAPS: usize = 20;
    let (edge, order) = (world.member("edge"), &world.order);
    let first = std::fs::read_to_string(order.process.file()).expect("the file");
    let strict = first.replace("paths: [/user/**, /pay/**, /legacy/**]", "paths: [/nothing/**]");
    report.check(first != strict, || "the two sets of rules are the same".into());
    let over = AtomicBool::new(false);
    let address = order.process.address();
    let ask = |fields: &dyn Fn() -> Fields, path: &str| {
        let mut raw = edge.raw(address);
        let mut statuses = Vec::new();
        while !over.load(Ordering::Relaxed) {
            raw.send(get(path, &fields()).bytes());
            match raw.try_response("GET", wait::PATIENCE) {
                Ok(Some(answer)) => statuses.push(answer.status),
                // A connection may end with an old configuration; a request on it may not.
                _ => raw = edge.raw(address),
            }
        }
        statuses
    };
    let evidence = || Evidence::by(&edge, &json!({})).handed(&edge, ORDER).fields(&edge);

    let (nobody, alice, unknown) = std::thread::scope(|scope| {
        let nobody = scope.spawn(|| ask(&Vec::new, "/user/26"));
        let alice = scope.spawn(|| ask(&evidence, "/user/26"));
        let unknown = scope.spawn(|| ask(&evidence, "/closed/26"));
        for swap in 0..SWAPS {
            let reloads = order.process.metric("portcullis_config_reloads_total", &[]);
            order.process.rewrite_text(if swap % 2 == 0 { &strict } else { &first });
            order.process.signal("HUP");
            let read =
                || (order.process.metric("portcullis_config_reloads_total", &[]) > reloads).then_some(());
            report.check(wait::within(wait::PATIENCE, read).is_some(), || format!("swap {swap} is not read"));
        }
        over.store(true, Ordering::Relaxed);
        [nobody, alice, unknown].map(|thread| thread.join().unwrap_or_default()).into()
    });

    let only = |statuses: &[u16], allowed: &[u16]| {
        !statuses.is_empty() && statuses.iter().all(|status| allowed.contains(status))
    };
    report.check(only(&nobody, &[403]), || format!("without a user: {nobody:?}"));
    report.check(only(&unknown, &[403]), || format!("where nobody may: {unknown:?}"));
    report.check(only(&alice, &[200, 403]), || format!("with a user: {alice:?}"));
    report.check(alice.contains(&200) && alice.contains(&403), || {
        format!("only one set of rules was seen in {} requests", alice.len())
    });
    let settled = wait::within(wait::PATIENCE, || {
        (world.ask((&edge, order, Http::Two), "/user/26", &evidence()).status == 200).then_some(())
    });
    report.check(settled.is_some(), || "the first rules are not back".into());
}

fn certificates_that_change(world: &World, report: &mut Report) {
    let over = AtomicBool::new(false);
    let run = || {
        let mut browser = world.browser(Some("alice"));
        let mut statuses = Vec::new();
        while !over.load(Ordering::Relaxed) {
            statuses.push(get("/pay/31", &Vec::new()).send_on(&mut browser).status);
        }
        statuses
    };

    let statuses = std::thread::scope(|scope| {
        let threads = [scope.spawn(run), scope.spawn(run)];
        for (name, process) in
            [("edge", &world.edge), ("svc/payment", &world.payment.process), ("edge", &world.edge)]
        {
            let before = process.messages().iter().filter(|line| line.contains("identity_renewed")).count();
            rekey(&world.ca, &folder(&world.ca, name));
            wait_renewed(process, before);
            let (fresh, _) = world.outside(Some("bob"), "/pay/31", &Vec::new());
            report.equal("the first request afterwards", fresh.status, 200);
        }
        over.store(true, Ordering::Relaxed);
        threads.map(|thread| thread.join().unwrap_or_default()).concat()
    });

    let failed = statuses.iter().filter(|status| **status != 200).count();
    report.check(statuses.len() > 20, || format!("only {} requests ran", statuses.len()));
    report.equal("requests that failed", failed, 0);
    replicas(world, report);
}

/// Evidence is bound to an identity: what one replica signed is good from another when the certificate comes along.
fn replicas(world: &World, report: &mut Report) {
    let [one, two] = ["edge", "edge"].map(|name| world.member(name));
    let evidence = Evidence::by(&one, &json!({})).handed(&one, ORDER);
    let way = (&two, &world.order, Http::Two);
    no_user(
        world,
        report,
        "a replica's evidence, whose certificate nobody has seen",
        way,
        (&evidence.bare(), "untrusted_signer"),
    );
    has_user(world, report, "a replica's evidence with its certificate", way, &evidence.fields(&two));
    let other = world.member("svc/other");
    no_user(
        world,
        report,
        "the same from a stranger",
        (&other, &world.order, Http::Two),
        (&evidence.fields(&other), "wrong_hands"),
    );
}
