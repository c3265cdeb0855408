//! Who may call, and for what: the same answer from the live sidecar, from `explain` and from `test`.

use portcullis_tests::sidecar::{Beside, Evidence, Forged, Mesh, Sidecar, Svid, id};
use portcullis_tests::{Client, Ran, Report, Response, Upstream, field, program, wait};
use std::process::Command;
use std::time::Duration;

const RULES: [&str; 8] = [
    "id: edge-orders, from: [spiffe://shop.example/edge], to: { methods: [GET, POST], paths: [/api/orders, /api/orders/**] }, user: required",
    "id: writers, from: [spiffe://shop.example/edge], to: { methods: [PUT], paths: [/api/orders/*] }, scopes: [\"orders:write\"]",
    "id: members-read, from: [spiffe://shop.example/svc/*], to: { methods: [GET], paths: [/api/stock/*] }",
    "id: machines, from: [spiffe://shop.example/svc/payment], to: { paths: [/api/jobs/**] }, user: forbidden",
    "id: no-secrets, deny: true, from: [spiffe://shop.example/svc/*, spiffe://shop.example/edge], to: { paths: [/api/orders/secret, /api/stock/secret] }",
    "id: freeze, deny: true, from: [spiffe://shop.example/svc/other], to: { methods: [GET], paths: [/api/stock/frozen] }",
    "id: by-name, from: [spiffe://shop.example/svc/other], to: { paths: [\"/api/things/{id}/parts\"] }",
    "id: trial, mode: audit, from: [spiffe://shop.example/svc/other], to: { paths: [/api/trial] }",
];

struct Scene {
    mesh: Mesh,
    app: Upstream,
    side: Sidecar,
    edge: Svid,
    payment: Svid,
    other: Svid,
}

fn scene(rules: &[&str]) -> Scene {
    scene_with(rules, |beside| beside, Upstream::echo())
}

fn scene_with(rules: &[&str], describe: impl FnOnce(Beside) -> Beside, app: Upstream) -> Scene {
    let mesh = Mesh::new();
    let [edge, payment, other] = ["edge", "svc/payment", "svc/other"].map(|name| mesh.svid(name));
    let beside =
        rules.iter().fold(Beside::of(&mesh.svid("svc/order"), &app), |beside, rule| beside.rule(rule));
    let side = describe(beside).start();
    Scene { mesh, app, side, edge, payment, other }
}

/// A user as an asserter would introduce it: name and scopes.
type User = Option<(&'static str, &'static [&'static str])>;

impl Scene {
    fn member(&self, name: &str) -> &Svid {
        match name {
            "edge" => &self.edge,
            "svc/payment" => &self.payment,
            _ => &self.other,
        }
    }

    /// A request of a member, perhaps for a user the edge introduced.
    fn ask(&self, from: &str, line: &str, user: User) -> Response {
        let (method, target) = line.split_once(' ').expect("a line");
        let request = Client::new(method, target);
        let who = self.member(from);
        let request = match user {
            None => request,
            Some((name, scopes)) => {
                let passport = Forged::passport(&self.edge, name).claim("scope", scopes.join(" "));
                let hands: &[&Svid] = if from == "edge" { &[&self.edge] } else { &[&self.edge, who] };
                Evidence::with(&passport, hands, &id("svc/order")).to(request)
            }
        };
        request.send_on(&mut who.client().connect(self.side.inbound()))
    }

    /// The same, asked of `explain`.
    fn explain(&self, from: &str, line: &str, user: User) -> Ran {
        let from = id(from);
        let mut words = vec![line.to_owned(), "--from".into(), from, "--host".into(), "a".into()];
        if let Some((name, scopes)) = user {
            let scopes = scopes.iter().map(|scope| format!(",scope={scope}")).collect::<String>();
            words.extend(["--as".to_owned(), format!("user={name}{scopes}")]);
        }
        self.side.explain(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

const ALICE: User = Some(("alice", &["orders:read"]));
const WRITER: User = Some(("alice", &["orders:read", "orders:write"]));

/// From whom, what, for which user; the status.
const TABLE: [(&str, &str, User, u16); 46] = [
    // A user is required, methods and paths count.
    ("edge", "GET /api/orders", ALICE, 200),
    ("edge", "GET /api/orders/1", ALICE, 200),
    ("edge", "HEAD /api/orders/1", ALICE, 200),
    ("edge", "POST /api/orders/1/items", ALICE, 200),
    ("edge", "GET /api/orders/1?x=/api/closed", ALICE, 200),
    ("edge", "GET /api/orders/1", None, 403),
    ("edge", "DELETE /api/orders/1", ALICE, 403),
    ("edge", "GET /api/ordersx", ALICE, 403),
    ("edge", "GET /API/orders/1", ALICE, 403),
    ("edge", "GET /", ALICE, 403),
    // Another peer, though for a good user.
    ("svc/payment", "GET /api/orders/1", ALICE, 403),
    ("svc/other", "GET /api/orders/1", ALICE, 403),
    // Scopes.
    ("edge", "PUT /api/orders/1", WRITER, 200),
    ("edge", "PUT /api/orders/1", ALICE, 403),
    ("edge", "PUT /api/orders/1", None, 403),
    ("edge", "PUT /api/orders/1/2", WRITER, 403),
    ("edge", "PUT /api/orders", WRITER, 403),
    // Members below a name, one segment exactly.
    ("svc/payment", "GET /api/stock/1", None, 200),
    ("svc/payment", "GET /api/stock/1", ALICE, 200),
    ("svc/other", "GET /api/stock/1", None, 200),
    ("edge", "GET /api/stock/1", ALICE, 403),
    ("svc/payment", "POST /api/stock/1", None, 403),
    ("svc/payment", "GET /api/stock/1/2", None, 403),
    ("svc/payment", "GET /api/stock", None, 403),
    // No user may be there.
    ("svc/payment", "POST /api/jobs/1", None, 200),
    ("svc/payment", "POST /api/jobs/1", ALICE, 403),
    ("svc/payment", "POST /api/jobs", None, 200),
    // Deny beats allow.
    ("edge", "GET /api/orders/secret", ALICE, 403),
    ("svc/payment", "GET /api/stock/secret", None, 403),
    ("svc/payment", "GET /api/stock/frozen", None, 200),
    ("svc/other", "GET /api/stock/frozen", None, 403),
    ("svc/other", "HEAD /api/stock/frozen", None, 403),
    // Named segments.
    ("svc/other", "POST /api/things/7/parts", None, 200),
    ("svc/other", "POST /api/things/7/8/parts", None, 403),
    ("svc/other", "POST /api/things//parts", None, 400),
    // A rule on trial allows nobody.
    ("svc/other", "GET /api/trial", None, 403),
    // Paths in other spellings: decided on what is forwarded.
    ("edge", "GET /api/%6frders/1", ALICE, 200),
    ("svc/payment", "GET /api/stock/%73ecret", None, 403),
    ("svc/payment", "GET /api/stock/x/../secret", None, 403),
    ("svc/payment", "GET /api/stock/./secret", None, 403),
    ("svc/payment", "GET /api/stock/x/%2e%2e/secret", None, 400),
    ("svc/payment", "GET /api/stock%2fsecret", None, 400),
    ("svc/payment", "GET /api/stock/secret;x=1", None, 400),
    ("svc/payment", "GET /api/stock//secret", None, 400),
    ("svc/payment", "GET /api/stock/secret%00", None, 400),
    ("svc/payment", "GET /api/stock/..\\secret", None, 400),
];

#[test]
fn the_sidecar_and_explain_say_the_same_of_every_request() {
    let (scene, mut report) = (scene(&RULES), Report::new());
    let mut forwarded = 0;
    for (from, line, user, status) in TABLE {
        let named = user.map_or("nobody", |(name, _)| name);
        report.row("-", format_args!("{line} by {from} for {named}"));

        let answer = scene.ask(from, line, user);
        let said = scene.explain(from, line, user);

        report.equal("the status", answer.status, status);
        if status == 403 {
            report.equal(
                "the code",
                answer.code(),
                if line.starts_with("HEAD") { "" } else { "NOT_AUTHORIZED" }.to_owned(),
            );
        }
        let expected = if status == 200 { 0 } else { 3 };
        report.check(said.code == Some(expected), || {
            format!("explain: {:?}\n{}{}", said.code, said.out, said.err)
        });
        report.check(status != 403 || said.out.contains("403"), || format!("explain: {}", said.out));
        forwarded += usize::from(status == 200);
    }
    report.equal("requests the application got", scene.app.count(), forwarded);
    for line in scene.side.wait_for_lines(TABLE.len()) {
        if field(&line, "http.response.status_code") == 403 {
            report.check(field(&line, "portcullis.stage") == "authz", || line.to_string());
            report.check(field(&line, "portcullis.peer").is_string(), || line.to_string());
        }
    }
    report.end();
}

#[test]
fn the_tests_of_the_file_say_the_same_and_notice_when_they_do_not() {
    let line = |(from, line, user, status): (&str, &str, User, u16)| {
        let user = user.map_or_else(String::new, |(name, scopes)| {
            let scopes: Vec<_> = scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
            format!("as: {{ user: {name}, scopes: [{}] }}, ", scopes.join(", "))
        });
        let stage = if status == 403 { ", stage: authz" } else { "" };
        let target = line.replace('\\', "\\\\");
        format!(
            "  - {{ name: \"{target} by {from}\", send: \"{target}\", from: {}, {user}expect: {{ status: {status}{stage} }} }}",
            id(from)
        )
    };
    let all = |rows: &[(&'static str, &'static str, User, u16)]| {
        let lines: Vec<_> = rows.iter().map(|row| line(*row)).collect();
        format!("tests:\n{}", lines.join("\n"))
    };
    let wrong: Vec<_> = TABLE
        .iter()
        .filter(|row| row.3 == 403)
        .map(|(from, line, user, _)| (*from, *line, *user, 200))
        .collect();
    let mesh = Mesh::new();
    let app = Upstream::echo();
    let file = |tests: &str| {
        let beside =
            RULES.iter().fold(Beside::of(&mesh.svid("svc/order"), &app), |beside, rule| beside.rule(rule));
        let path = mesh.fresh_path("tests");
        std::fs::write(&path, beside.top(tests).yaml()).expect("written");
        Ran::of(Command::new(program("portcullis")).arg("test").arg(&path).env("NO_COLOR", "1"))
    };

    let right = file(&all(&TABLE));
    let wrong_said = file(&all(&wrong));

    assert_eq!(right.code, Some(0), "{}{}", right.out, right.err);
    assert_eq!(wrong_said.code, Some(1), "{}{}", wrong_said.out, wrong_said.err);
}

#[test]
fn without_rules_nobody_comes_in() {
    let scene = scene(&[]);

    for (from, user) in [("edge", ALICE), ("svc/payment", None), ("svc/other", WRITER)] {
        let answer = scene.ask(from, "GET /", user);
        assert_eq!((answer.status, answer.code()), (403, "NOT_AUTHORIZED".to_owned()), "{from}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{from}");
    }

    assert_eq!(scene.app.count(), 0);
}

#[test]
fn what_a_client_is_told_names_no_rule() {
    let scene = scene(&RULES);

    let answer = scene.ask("edge", "PUT /api/orders/1", ALICE);

    let text = format!("{:?} {}", answer.headers, answer.text());
    for secret in ["writers", "orders:write", "no-secrets", "alice"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn a_rule_on_trial_only_says_what_it_would_do() {
    let rules = [
        "id: all, from: [spiffe://shop.example/svc/other, spiffe://shop.example/svc/payment]",
        "id: trial, deny: true, mode: audit, from: [spiffe://shop.example/svc/other]",
    ];
    let scene = scene(&rules);

    let (tried, plain) = (scene.ask("svc/other", "GET /a", None), scene.ask("svc/payment", "GET /b", None));

    assert_eq!((tried.status, plain.status), (200, 200));
    let lines = scene.side.wait_for_lines(2);
    let line =
        |path: &str| lines.iter().find(|line| field(line, "url.path") == path).expect("a line").to_string();
    assert!(line("/a").contains("\"all\"") && line("/b").contains("\"all\""), "the rule in force is named");
    let said = scene.side.wait_for_message("would_deny");
    assert!(said.contains("trial") && said.contains("/a") && said.contains("svc/other"), "{said}");
    assert_eq!(scene.side.count_messages("would_deny"), 1, "it would deny nobody else");
    let counted = |verdict: &str, rule: &str| {
        scene.side.metric("portcullis_authorize_total", &[("verdict", verdict), ("rule", rule)])
    };
    assert_eq!(counted("would_deny", "trial"), 1.0);
    assert_eq!(counted("allowed", "all"), 2.0);
}

#[test]
fn decisions_are_counted_by_verdict_and_rule() {
    let scene = scene(&RULES);

    scene.ask("edge", "GET /api/orders/1", ALICE);
    scene.ask("edge", "GET /api/orders/secret", ALICE);
    scene.ask("edge", "GET /nowhere", ALICE);

    let counted = |verdict: &str, rule: &str| {
        scene.side.metric("portcullis_authorize_total", &[("verdict", verdict), ("rule", rule)])
    };
    assert_eq!(counted("allowed", "edge-orders"), 1.0);
    assert_eq!(counted("denied", "no-secrets"), 1.0);
    assert_eq!(scene.side.metric("portcullis_authorize_total", &[("verdict", "denied")]), 2.0);
}

/// An application that begins an answer and goes on until its client leaves.
fn streaming() -> Upstream {
    Upstream::scripted(|_, wire| {
        wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        wire.until_gone();
    })
}

#[test]
fn a_new_rule_ends_answers_that_are_under_way_and_leaves_the_others() {
    let all = "id: all, from: [spiffe://shop.example/svc/other, spiffe://shop.example/svc/payment]";
    let scene = scene_with(&[all], |beside| beside, streaming());
    let begin = |who: &Svid| {
        let mut raw = who.client().connect(scene.side.inbound());
        raw.send(Client::get("/live").bytes());
        assert_eq!(raw.head("GET").status, 200);
        raw
    };
    let (mut doomed, mut spared) = (begin(&scene.other), begin(&scene.payment));
    let mut doomed_h2 = scene.other.client().frames(scene.side.inbound());
    doomed_h2.get(1, "/live");
    scene.app.wait_for_requests(3);

    scene
        .side
        .rewrite(|beside| beside.rule("id: freeze, deny: true, from: [spiffe://shop.example/svc/other]"));

    let ended = doomed.closes_within(Duration::from_secs(10));
    assert!(ended.is_some(), "the answer goes on although nobody may have it any more");
    let ending = doomed_h2.ending_within(1, Duration::from_secs(10));
    assert!(ending.refused(), "over HTTP/2: {ending:?}");
    scene.app.wait_abandoned(2);
    spared.read_some();
    assert!(spared.stays_quiet(Duration::from_millis(200)), "somebody else's answer ended too");
    assert_eq!(scene.ask("svc/other", "GET /live", None).status, 403);
}

#[test]
fn rules_that_cannot_be_read_leave_those_before_in_force() {
    let scene = scene(&["id: other, from: [spiffe://shop.example/svc/other], to: { paths: [/a] }"]);
    for wrong in [
        "id: all, from: [spiffe://shop.example/**]",
        "id: all, from: [\"*\"]",
        "id: all, from: [svc/other]",
        "id: all",
        "id: other, from: [spiffe://shop.example/edge]",
        "id: all, from: [spiffe://shop.example/edge], to: { paths: [\"/a.*\"] }, oops: 1",
    ] {
        let before = scene.side.metric("portcullis_config_reloads_total", &[("result", "refused")]);

        scene.side.rewrite(|beside| {
            beside
                .without_rules()
                .rule("id: other, from: [spiffe://shop.example/svc/other], to: { paths: [/b] }")
                .rule(wrong)
        });

        wait::eventually("the file to be refused", || {
            let now = scene.side.metric("portcullis_config_reloads_total", &[("result", "refused")]);
            (now > before).then_some(())
        });
        let statuses = ["GET /a", "GET /b"].map(|line| scene.ask("svc/other", line, None).status);
        assert_eq!(statuses, [200, 403], "{wrong}");
    }
}

#[test]
fn an_outbound_call_to_nobody_it_may_call_goes_nowhere() {
    let beside = |beside: Beside| {
        beside.service("payment", "mesh: spiffe://shop.example/svc/payment, endpoints: [\"127.0.0.1:9\"]")
    };
    let scene = scene_with(&[], beside, Upstream::echo());

    for host in ["nowhere", "payment.evil.example", "order", "127.0.0.1:9", "payment:81.evil"] {
        let answer = scene.side.call(&Client::get("/x").host(host));
        assert!(matches!(answer.status, 400 | 404), "{host}: {}", answer.text());
        assert!(answer.status == 400 || answer.code() == "NO_ROUTE", "{host}: {}", answer.text());
    }
    assert_eq!(scene.app.count(), 0);
    assert!(scene.mesh.ca().dir().exists());
}

#[test]
fn a_member_may_ask_so_often_and_others_and_whoever_is_not_allowed_count_for_themselves() {
    let scene = scene_with(
        &["id: read, from: [spiffe://shop.example/svc/*], to: { methods: [GET], paths: [/api/stock/*] }"],
        |beside| {
            beside
                .inbound("limits: [per-peer]")
                .top("limits: { per-peer: { key: [peer, { header: X-Shop }], rate: 3/h, scope: instance } }")
        },
        Upstream::echo(),
    );
    let status = |from: &str, line: &str| scene.ask(from, line, None).status;

    assert_eq!(status("svc/payment", "DELETE /api/stock/1"), 403, "spends nothing");
    let of_payment: Vec<u16> = (0..4).map(|_| status("svc/payment", "GET /api/stock/1")).collect();
    let of_other: Vec<u16> = (0..4).map(|_| status("svc/other", "GET /api/stock/1")).collect();

    assert_eq!(of_payment, [200, 200, 200, 429]);
    assert_eq!(of_other, [200, 200, 200, 429]);
}
