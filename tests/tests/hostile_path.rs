//! Attacks on the path: rows P01 to P14, over both versions of HTTP.
//!
//! `/admin` and `/pub` go to different upstreams, which stands for a rule that holds on one and not on the other: a path may be
//! refused, or go where its canonical form belongs, and what is sent is that very form. Over HTTP/2 the parser cuts `#…` off
//! before anybody sees it; what is left is judged and sent. Choices where the list leaves one: an
//! encoded dot segment, an empty segment, `;`, `%2f`, `\`, `#` and a climb above the root are 400; paths are case-sensitive.

use portcullis_tests::{Client, Config, Edge, Frames, Raw, Report, Upstream};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Where a path may end.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// 400, nothing upstream.
    Refused,
    /// 404, nothing upstream.
    Nowhere,
    /// To `/admin`'s upstream, in this form.
    Admin(&'static str),
    /// To `/pub`'s upstream, in this form.
    Public(&'static str),
}

use Fate::{Admin, Nowhere, Public, Refused};

const ROWS: &[(&str, &str, Fate)] = &[
    ("P00", "/admin", Admin("/admin")),
    ("P00", "/pub/a-b_c.d~e", Public("/pub/a-b_c.d~e")),
    ("P01", "/./admin", Admin("/admin")),
    ("P01", "/x/../admin", Admin("/admin")),
    ("P01", "/pub/../admin/x", Admin("/admin/x")),
    ("P01", "/../admin", Refused),
    ("P01", "/pub/../../admin", Refused),
    ("P01", "/admin/.", Admin("/admin/")),
    ("P01", "/pub/x/..", Public("/pub/")),
    ("P02", "/%61dmin", Admin("/admin")),
    ("P02", "/pub/%7Euser", Public("/pub/~user")),
    ("P02", "/%2e/admin", Refused),
    ("P02", "/x/%2e%2e/admin", Refused),
    ("P02", "/x/.%2E/admin", Refused),
    ("P03", "//admin", Refused),
    ("P03", "///admin", Refused),
    ("P03", "//admin/secret", Refused),
    ("P03", "/x//../admin", Refused),
    ("P03", "/pub//x", Refused),
    ("P04", "/x%2f..%2fadmin", Refused),
    ("P04", "/admin%2f", Refused),
    ("P04", "/%2Fadmin", Refused),
    ("P05", "\\admin", Refused),
    ("P05", "/x\\..\\admin", Refused),
    ("P05", "/pub/%5c", Refused),
    ("P05", "/pub/%5Cx", Refused),
    ("P06", "/admin;x", Refused),
    ("P06", "/;/admin", Refused),
    ("P06", "/..;/admin", Refused),
    ("P06", "/pub;/../admin", Refused),
    ("P06", "/pub/..%3b/admin", Refused),
    ("P07", "/admin%00", Refused),
    ("P07", "/pub/%0d%0aX:%20y", Refused),
    ("P07", "/pub/%09", Refused),
    ("P07", "/pub/%7f", Refused),
    ("P07", "/admin%20", Nowhere),
    ("P07", "/admin%3f", Nowhere),
    ("P07", "/pub/%3Fx", Public("/pub/%3Fx")),
    ("P08", "/%252e%252e/admin", Nowhere),
    ("P08", "/pub/%252e%252e/admin", Public("/pub/%252e%252e/admin")),
    ("P08", "/pub/%u002e/admin", Refused),
    ("P08", "/pub/0x2e0x2e/admin", Public("/pub/0x2e0x2e/admin")),
    ("P08", "/pub/%zz", Refused),
    ("P08", "/pub/%a", Refused),
    ("P08", "/pub/%", Refused),
    ("P09", "/pub#/../admin", Refused),
    ("P09", "/admin#", Refused),
    ("P09", "/pub/%23/../admin", Refused),
    ("P10", "/ADMIN", Nowhere),
    ("P10", "/Admin/", Nowhere),
    ("P10", "/adminx", Nowhere),
    ("P10", "/admin/", Admin("/admin/")),
    ("P10", "/pubx", Nowhere),
    ("P13", "/api/x", Public("/inner/x")),
    ("P13", "/%61pi/admin", Public("/inner/admin")),
    ("P13", "/api/..%2fadmin", Refused),
    ("P13", "/api//admin", Refused),
    ("P13", "/api/../admin", Admin("/admin")),
    ("P13", "/api/%2e%2e/admin", Refused),
];

struct Scene {
    public: Upstream,
    admin: Upstream,
    edge: Edge,
}

impl Scene {
    fn new(config: impl FnOnce(Config) -> Config) -> Self {
        let (public, admin) = (Upstream::named("public"), Upstream::named("admin"));
        let edge = Edge::with(|c| {
            config(c)
                .service("public", &public)
                .service("admin", &admin)
                .route("* /pub/**", "public")
                .route("* /admin/**", "admin")
                .route_with("stripped", "* /api/**", "to: public, path: /inner/**")
        });
        Self { public, admin, edge }
    }

    /// Compares what reached the upstreams since `before` with `fate`.
    fn check(&self, report: &mut Report, fate: Fate, before: (usize, usize), status: Option<u16>) {
        let new = |upstream: &Upstream, from: usize| -> Vec<String> {
            upstream.requests().into_iter().skip(from).map(|request| request.target).collect()
        };
        let (public, admin) = (new(&self.public, before.0), new(&self.admin, before.1));
        let (to_public, to_admin, statuses): (&[&str], &[&str], &[u16]) = match &fate {
            Refused => (&[], &[], &[400]),
            Nowhere => (&[], &[], &[404]),
            Admin(form) => (&[], &[form], &[200]),
            Public(form) => (&[form], &[], &[200]),
        };
        report.check(status.is_none_or(|status| statuses.contains(&status)), || {
            format!("{status:?}, expected {statuses:?}")
        });
        report
            .check(public == to_public, || format!("/pub's upstream got {public:?}, expected {to_public:?}"));
        report.check(admin == to_admin, || format!("/admin's upstream got {admin:?}, expected {to_admin:?}"));
    }

    fn counts(&self) -> (usize, usize) {
        (self.public.count(), self.admin.count())
    }
}

#[test]
fn a_path_is_refused_or_goes_where_its_canonical_form_belongs() {
    let scene = Scene::new(|c| c);
    let mut report = Report::new();

    for (id, path, fate) in ROWS {
        report.row(id, path);
        let before = scene.counts();
        let mut raw = Raw::connect(scene.edge.address());
        raw.send(Client::get(path).bytes());
        let answer = raw.response("GET");
        scene.check(&mut report, *fate, before, Some(answer.status));
    }

    report.end();
    assert_eq!(scene.edge.wait_for_lines(ROWS.len()).len(), ROWS.len());
}

#[test]
fn over_http_2_a_path_has_the_same_fate() {
    let scene = Scene::new(|c| c);
    let mut report = Report::new();

    for (id, path, fate) in ROWS {
        report.row(id, path);
        let before = scene.counts();
        let mut frames = Frames::connect(scene.edge.address());
        frames.get(1, path);
        let ended = frames.ending(1);
        match (fate, frames.status(1)) {
            // A path no parser takes may end the stream instead of being answered.
            (Refused, None) if !path.contains('#') => report.check(ended.refused(), || format!("{ended:?}")),
            (_, status) => report.check(status.is_some(), || format!("{ended:?}")),
        }
        let fate = if path.contains('#') { cut_at_fragment(path) } else { *fate };
        scene.check(&mut report, fate, before, frames.status(1));
    }

    report.end();
}

/// What an HTTP/2 parser leaves of a path with a fragment.
fn cut_at_fragment(path: &str) -> Fate {
    if path.starts_with("/admin#") { Admin("/admin") } else { Public("/pub") }
}

#[test]
fn invalid_utf8_is_never_taken_for_a_dot() {
    let scene = Scene::new(|c| c);

    for path in ["/pub/%c0%ae%c0%ae/admin", "/pub/%e0%80%ae/admin", "/pub/%ff/admin"] {
        let status = scene.edge.get(path).status;
        assert!(matches!(status, 200 | 400), "P08 {path}: {status}");
    }

    assert!(scene.public.requests().iter().all(|request| request.target.starts_with("/pub/%")));
    assert_eq!(scene.admin.count(), 0, "P08");
}

#[test]
fn a_route_that_keeps_encoded_slashes_and_semicolons_matches_and_sends_that_very_form() {
    let upstream = Upstream::named("kept");
    let edge = Edge::with(|c| {
        c.service("api", &upstream)
            .route_with("kept", "GET /files/**", "to: api, paths: { encoded_slash: keep, semicolon: keep }")
            .route_with("one", "GET /one/{id}", "to: api, paths: { encoded_slash: keep }")
    });

    for (path, status) in [
        ("/files/a%2fb", 200),
        ("/files/a;v=1", 200),
        ("/files/..%2fx", 400),
        ("/files/..;/x", 400),
        ("/one/a%2Fb", 200),
        ("/one/a;b", 400),
    ] {
        let answer = edge.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }

    let targets: Vec<String> = upstream.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/files/a%2Fb", "/files/a;v=1", "/one/a%2Fb"]);
}

#[test]
fn a_nested_regex_takes_linear_time() {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|c| c.service("api", &upstream).route("GET ~/(a+)+x", "api"));
    let before = edge.cpu();

    let status = edge.get(&format!("/{}", "a".repeat(7000))).status;

    assert_eq!(status, 404, "P11");
    assert!(edge.cpu() - before < std::time::Duration::from_millis(500), "P11 {:?}", edge.cpu() - before);
}

#[test]
fn a_redirect_never_leads_to_another_host() {
    let edge = Edge::with(|c| c.more_listeners("redirect: https"));
    let mut locations = Vec::new();

    for path in ["/x?a=b", "//evil.com/%2f..", "/\\evil.com", "/%2fevil.com", "/.//evil.com", "/%0d%0aX:y"] {
        let answer = Client::get(path).send(edge.listener(1));
        if answer.status == 308 {
            locations.push(answer.header("location").unwrap_or_default().to_owned());
        } else {
            assert_eq!(answer.status, 400, "P12 {path}");
        }
    }

    assert_eq!(locations.first().map(String::as_str), Some("https://a/x?a=b"), "P12");
    assert!(locations.iter().all(|location| location.starts_with("https://a/")), "P12 {locations:?}");
}

#[test]
fn no_generated_path_reaches_an_upstream_that_its_form_does_not_name() {
    let scene = Scene::new(|c| c);
    let raw = std::cell::RefCell::new(Raw::connect(scene.edge.address()));
    let words = [
        "/", "/", ".", "..", "%2e", "%2F", "%5c", ";", "pub", "admin", "api", "x", "%61", "%2561", "%", "//",
        "A", "%70",
    ];
    let paths = proptest::collection::vec(proptest::sample::select(words.to_vec()), 1..10)
        .prop_map(|parts| format!("/{}", parts.concat()));
    let config = ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() };

    let result = TestRunner::new(config).run(&paths, |path| {
        let before = scene.counts();
        let answer = Client::get(&path).send_on(&mut raw.borrow_mut());
        if answer.says_close() {
            raw.replace(Raw::connect(scene.edge.address()));
        }
        let sent = |upstream: &Upstream, from: usize| {
            upstream.requests().into_iter().skip(from).map(|one| one.target)
        };
        for target in sent(&scene.public, before.0) {
            prop_assert!(
                target == "/pub"
                    || target.starts_with("/pub/")
                    || target == "/inner"
                    || target.starts_with("/inner/"),
                "{target}"
            );
        }
        for target in sent(&scene.admin, before.1) {
            prop_assert!(target == "/admin" || target.starts_with("/admin/"), "{target}");
        }
        prop_assert!(matches!(answer.status, 200 | 400 | 404), "{}", answer.status);
        Ok(())
    });

    result.unwrap_or_else(|failure| panic!("P14 {failure}"));
}
