//! Pages of other origins, in a real browser and by hand.

use super::with_token;
use portcullis_tests::issuer::{Browser, Issuer};
use portcullis_tests::{Client, Edge, Reply, Response, Upstream};
use serde_json::json;

const SHOP: &str = "https://shop.example";

fn edge(upstream: &Upstream, issuer: &Issuer, origin: &str) -> Edge {
    Edge::with(|c| {
        c.top(&format!("auth: {{ customer: {{ {} }} }}", issuer.jwt("")))
            .top("limits: { few: { key: ip, rate: 2/h, scope: instance } }")
            .top(&format!(
                "defaults: {{ cors: {{ origins: [\"{origin}\", \"https://*.shop.example\"], headers: [Authorization, Content-Type], \
                 expose: [X-Total], credentials: true }} }}"
            ))
            .service("app", upstream)
            .route_text("app", "match: GET|PUT /**, auth: customer, to: app")
            .route_text("few", "match: GET /few, auth: public, limits: [few], to: app")
            .route_text("none", "match: GET /none, auth: public, cors: none, to: app")
    })
}

fn preflight(edge: &Edge, origin: &str, method: &str, path: &str) -> Response {
    Client::new("OPTIONS", path)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "authorization")
        .send(edge.address())
}

#[test]
fn a_preflight_is_answered_before_anybody_is_asked_and_every_refusal_can_be_read() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = edge(&upstream, &issuer, SHOP);

    let answer = preflight(&edge, SHOP, "PUT", "/x");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("PUT"));
    for _ in 0..5 {
        assert_eq!(preflight(&edge, SHOP, "GET", "/few").status, 204, "not counted");
    }
    let from = |path: &str| Client::get(path).header("origin", SHOP).send(edge.address());
    let refused = from("/x");
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some(SHOP)));
    let statuses: Vec<u16> = (0..3).map(|_| from("/few").status).collect();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(from("/few").header("access-control-allow-origin"), Some(SHOP));
    assert_eq!(from("/none").header("access-control-allow-origin"), None);
    assert_eq!(upstream.count(), 3);
}

#[test]
fn no_page_that_is_not_meant_is_let_in() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = edge(&upstream, &issuer, SHOP);

    for origin in [
        "https://evilshop.example",
        "https://shop.example.evil",
        "http://shop.example",
        "https://shop.example:444",
        "https://a.b.shop.example",
        "https://.shop.example",
        "null",
        "https://SHOP.example",
    ] {
        let answer = preflight(&edge, origin, "PUT", "/x");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
    }
    assert_eq!(
        preflight(&edge, "https://a.shop.example", "PUT", "/x").header("access-control-allow-origin"),
        Some("https://a.shop.example")
    );
}

#[test]
fn what_a_service_says_about_pages_does_not_count() {
    let issuer = Issuer::start();
    let upstream = Upstream::answering(|_| Reply::new(200).header("access-control-allow-origin", "*"));
    let edge = edge(&upstream, &issuer, SHOP);

    let answer = Client::get("/few").header("origin", SHOP).send(edge.address());

    assert_eq!(answer.headers.all("access-control-allow-origin"), [SHOP]);
    assert!(answer.header("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("origin")));
}

#[test]
fn a_browser_reads_what_it_may_and_refusals_too() {
    let issuer = Issuer::start();
    let upstream = Upstream::answering(|_| Reply::new(200).header("x-total", "17").body("tea"));
    let token = issuer.token(json!({}));
    let page = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let shown = std::sync::Arc::clone(&page);
    let pages = Upstream::answering(move |_| {
        Reply::new(200).header("content-type", "text/html").body(shown.lock().unwrap().clone())
    });
    let origin = format!("http://{}", pages.address());
    let edge = edge(&upstream, &issuer, &origin);
    *page.lock().unwrap() = format!(
        "<body><script>
        const at = 'http://{}';
        const line = text => document.body.append(text + ';');
        const ask = async (name, path, options) => {{
          try {{
            const answer = await fetch(at + path, options);
            line(name + '=' + answer.status + ',' + answer.headers.get('x-total') + ',' + (await answer.text()).slice(0, 3));
          }} catch (error) {{ line(name + '=blocked'); }}
        }};
        (async () => {{
          await ask('put', '/x', {{ method: 'PUT', body: '1', headers: {{ authorization: 'Bearer {token}' }} }});
          await ask('refused', '/x', {{ headers: {{ authorization: 'Bearer x' }} }});
          await ask('none', '/none', {{}});
          line('done');
        }})();
        </script></body>",
        edge.address()
    );

    let text = Browser::text_of(&format!("{origin}/"));

    assert!(text.contains("put=200,17,tea;"), "{text}");
    assert!(text.contains("refused=401,null,"), "{text}");
    assert!(text.contains("none=blocked;"), "{text}");
    assert_eq!(with_token(&edge, "/x", &token).status, 200);
}
