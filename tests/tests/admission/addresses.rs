//! From where somebody may come.

use portcullis_tests::{Client, Edge, Upstream};

#[test]
fn a_route_takes_only_the_addresses_it_names_as_far_as_they_are_believed() {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|c| {
        c.top("trust: { proxies: [127.0.0.1/32] }")
            .service("app", &upstream)
            .route_text("in", "match: GET /in, auth: public, to: app, ip: { allow: [203.0.113.0/24, \"2001:db8::/32\"], deny: [203.0.113.7/32] }")
            .route_text("out", "match: GET /out, auth: public, to: app, ip: { deny: [203.0.113.0/24] }")
    });
    let from = |path: &str, address: &str| {
        Client::get(path).header("x-forwarded-for", address).send(edge.address()).status
    };

    for (path, address, expected) in [
        ("/in", "203.0.113.5", 200),
        ("/in", "203.0.113.7", 403),
        ("/in", "198.51.100.1", 403),
        ("/in", "2001:db8::1", 200),
        ("/in", "::ffff:203.0.113.5", 200),
        // Only the entry the trusted proxy added counts.
        ("/in", "203.0.113.5, 198.51.100.1", 403),
        ("/in", "nonsense", 403),
        ("/out", "203.0.113.5", 403),
        ("/out", "198.51.100.1", 200),
    ] {
        assert_eq!(from(path, address), expected, "{path} {address}");
    }
    let refused = Client::get("/in").send(edge.address());
    assert_eq!((refused.status, refused.code().as_str()), (403, "ADDRESS_DENIED"));
}
