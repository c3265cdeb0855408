//! Clients that show certificates: how long one counts on a connection that stays open.

use portcullis_tests::sidecar::People;
use portcullis_tests::{Authority, Client, Config, Edge, Upstream, wait};
use std::fs::read_to_string;

#[test]
fn a_certificate_counts_as_long_as_the_authorities_of_now_vouch_for_it() {
    let (people, others, site, upstream) =
        (People::new(), People::new(), Authority::new(), Upstream::replying(200));
    let roots = [&people, &others].map(|some| read_to_string(some.ca()).expect("a root"));
    let believed = others.ca();
    let believe = |roots: &[String]| std::fs::write(&believed, roots.concat()).expect("written");
    believe(&roots);
    let tls = format!(
        "tls: {{ certificates: [{}], client_ca: \"{}\" }}",
        site.issue(&["a"]).yaml(),
        believed.display()
    );
    let edge = Edge::start(
        Config::new()
            .listener(&tls)
            .top("auth: { device: { certificate: { subjects: [\"CN=alice\"] } } }")
            .service("app", &upstream)
            .route_text("app", "match: \"* /**\", auth: device, to: app"),
    );
    let mut connection = People::connect(&people.client("alice"), edge.address());
    let mut becomes = |roots: &[String], status: u16| {
        believe(roots);
        assert_eq!(edge.admin_post("/reload").status, 200);
        wait::eventually("the answer of these authorities", || {
            let answer = Client::get("/").host("a").send_on(&mut connection);
            (answer.status == status).then_some(())
        });
    };

    becomes(&roots, 200);
    becomes(&roots[1..], 401);
    // The old root beside another one: the same authorities as before, and yet a new bundle.
    becomes(&[roots[1].clone(), roots[0].clone()], 200);
    becomes(&roots[..1], 200);
}
