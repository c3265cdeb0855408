//! For any headers at all: what the application sees of protected names is exactly what was proved.

use portcullis_tests::sidecar::{Beside, Evidence, Mesh, Sidecar, Svid, id, protected, seen};
use portcullis_tests::{Client, Response, Upstream};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// What comes along as proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    None,
    /// Of the user alice, in the right hands.
    Sound,
    /// Of alice, given to somebody else.
    Stolen,
}

/// Names an application could read as identity, names that only look so, ordinary ones.
fn name() -> impl Strategy<Value = String> {
    let guarded = prop::sample::select(vec![
        "X-Auth-User",
        "X-Auth-Roles",
        "X-Auth-Scopes",
        "X-Auth-",
        "X-Auth-Anything",
        "X-User-Id",
        "X-Forwarded-User",
        "X-Forwarded-Groups",
        "X-Forwarded-Email",
        "X-Forwarded-Preferred-Username",
        "X-Forwarded-Client-Cert",
        "Remote-User",
        "X-Portcullis-Peer",
        "Portcullis-Peer",
        "Workload-Identity-Token",
        "Workload-Proof-Token",
        "X-Client-Cert",
        "Ssl-Client-Verify",
        "X-Original-Url",
        "X-Rewrite-Url",
        "Txn-Token",
        "Portcullis-Stamps",
        "Portcullis-Chains",
    ]);
    let alike = prop::sample::select(vec!["X-Authority", "X-Users", "X-Auth", "Txn-Tokens", "Accept", "X-A"]);
    let case = vec(any::<bool>(), 40);
    let marks = vec(prop::sample::select(vec!['-', '-', '-', '-', '-', '-', '.', '~', '_']), 8);
    prop_oneof![6 => guarded, 2 => alike].prop_flat_map(move |name| {
        (Just(name), case.clone(), marks.clone()).prop_map(|(name, case, marks)| spelt(name, &case, &marks))
    })
}

fn spelt(name: &str, case: &[bool], marks: &[char]) -> String {
    let mut marks = marks.iter();
    let letter = |(c, upper): (char, &bool)| match c {
        '-' => *marks.next().unwrap_or(&'-'),
        c if *upper => c.to_ascii_uppercase(),
        c => c.to_ascii_lowercase(),
    };
    name.chars().zip(case.iter().cycle()).map(letter).collect()
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        Just("root".to_owned()),
        Just("a.b.c".to_owned()),
        Just("a, b".to_owned()),
        Just(String::new())
    ]
}

struct Scene {
    side: Sidecar,
    edge: Svid,
    sound: Evidence,
    stolen: Evidence,
}

impl Scene {
    /// The projection of what was proved: protected headers the application must see, sorted.
    fn expected(&self, proof: Proof, fields: &[(String, String)]) -> Vec<(String, String)> {
        let leaf = portcullis_ca::names::Fingerprint::of(&self.edge.chain()[0]);
        let hash = portcullis_ca::names::to_hex(leaf.as_bytes());
        let caller = format!("By={};Hash={hash};URI={}", id("svc/order"), id("edge"));
        let mut out = vec![("x-forwarded-client-cert".to_owned(), caller)];
        // A second field of any of the three, and it proves nothing.
        let spoilt = fields.iter().any(|(name, _)| {
            ["txn-token", "portcullis-stamps", "portcullis-chains"]
                .contains(&name.to_ascii_lowercase().as_str())
        });
        if proof == Proof::Sound && !spoilt {
            out.extend([
                ("txn-token".to_owned(), self.sound.passport.clone()),
                ("x-auth-roles".to_owned(), "buyer".to_owned()),
                ("x-auth-scopes".to_owned(), "orders:write".to_owned()),
                ("x-auth-user".to_owned(), "alice".to_owned()),
            ]);
        }
        out.sort();
        out
    }

    fn ask(&self, proof: Proof, fields: &[(String, String)]) -> Response {
        let request =
            fields.iter().fold(Client::get("/open/1"), |request, (name, value)| request.header(name, value));
        let request = match proof {
            Proof::None => request,
            Proof::Sound => self.sound.to(request),
            Proof::Stolen => self.stolen.to(request),
        };
        request.send_on(&mut self.edge.client().connect(self.side.inbound()))
    }
}

fn scene(mesh: &Mesh, app: &Upstream) -> Scene {
    let side =
        Beside::of(&mesh.svid("svc/order"), app).rule("id: edge, from: [spiffe://shop.example/edge]").start();
    let edge = mesh.svid("edge");
    let sound = Evidence::of("alice", &[&edge], &id("svc/order"));
    let stolen = Evidence::of("alice", &[&edge], &id("svc/payment"));
    Scene { side, edge, sound, stolen }
}

#[test]
fn whatever_the_headers_the_application_sees_the_projection_and_nothing_else() {
    let (mesh, app) = (Mesh::new(), Upstream::echo());
    let scene = std::cell::RefCell::new(scene(&mesh, &app));
    let proof = prop::sample::select(vec![Proof::None, Proof::Sound, Proof::Sound, Proof::Stolen]);
    let cases = (proof, vec((name(), value()), 0..8));
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let answered = std::cell::Cell::new(0);

    let result = runner.run(&cases, |(proof, fields)| {
        // A passport lives for a minute.
        let fresh = Evidence::of("alice", &[&scene.borrow().edge], &id("svc/order"));
        scene.borrow_mut().sound = fresh;
        let scene = scene.borrow();
        let answer = scene.ask(proof, &fields);
        match answer.status {
            200 => {
                answered.set(answered.get() + 1);
                let headers = seen(&answer).0.into_iter();
                let lower = headers.map(|(name, value)| (name.to_ascii_lowercase(), value));
                let mut saw: Vec<_> = lower.filter(|(name, _)| protected(name)).collect();
                saw.sort();
                prop_assert_eq!(saw, scene.expected(proof, &fields));
                Ok(())
            }
            // Only a name with `_` makes a request unsound.
            400 if fields.iter().any(|(name, _)| name.contains('_')) => Ok(()),
            other => Err(TestCaseError::fail(format!("{other}: {}", answer.text()))),
        }
    });

    result.unwrap_or_else(|failed| panic!("{failed}"));
    assert!(answered.get() > 50, "only {} of the requests were answered", answered.get());
}
