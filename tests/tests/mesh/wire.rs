//! The rows about connections, framing and processes.

use super::forge::{Evidence, Fields};
use super::member::{BOTH, Http, Member, ask, raw, shake};
use super::world::{HOST, ORDER, Way, World, arrived, get, told};
use portcullis_ca::client::Identity;
use portcullis_tests::client::{flag, kind};
use portcullis_tests::{Ca, Client, Config, Edge, Frames, Raw, Report, wait};
use rustls::client::Resumption;
use rustls::{ClientConfig, HandshakeKind};
use serde_json::json;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

/// No handshake, or one that ends before a request is answered.
fn refused(world: &World, report: &mut Report, what: &str, config: &ClientConfig) {
    for service in [&world.order, &world.payment] {
        let target = world.fresh("/open/refused");
        let status = ask(config, service.process.address(), Http::One, &get(&target, &Vec::new()));
        report.equal(what, (status, arrived(&service.app, &target).is_some()), (0, false));
    }
}

pub(super) fn certificates_that_are_not_good(world: &World, report: &mut Report) {
    let good = world.member("svc/other");
    let id = good.id();
    report.equal(
        "a good one",
        good.ask(world.order.process.address(), Http::One, &get("/open/x", &Vec::new())),
        200,
    );
    let forged = good.forged(&world.ca, &[&id], |_| {});
    report.equal(
        "one by the thief",
        forged.ask(world.order.process.address(), Http::One, &get("/open/x", &Vec::new())),
        200,
    );
    let stranger = Ca::new();
    let theirs = Member::load(&stranger.issue("svc/other", &[]));
    let lookalike = Identity {
        chain: theirs.identity.chain.clone(),
        key: Arc::clone(&theirs.identity.key),
        ..(*good.identity).clone()
    };
    let ago = |seconds: u64| portcullis_ca::clock::wall().calendar() - Duration::from_secs(seconds);
    let rows = [
        ("none", good.tls_without_certificate(Http::One)),
        ("self-signed", good.self_signed(&id).tls(Http::One)),
        ("of another authority", Member { identity: Arc::new(lookalike) }.tls(Http::One)),
        (
            "of another trust domain",
            good.forged(&world.ca, &["spiffe://other.example/svc/other"], |_| {}).tls(Http::One),
        ),
        (
            "over",
            good.forged(&world.ca, &[&id], |params| {
                params.not_before = ago(7200);
                params.not_after = ago(10);
            })
            .tls(Http::One),
        ),
        (
            "not yet good",
            good.forged(&world.ca, &[&id], |params| {
                params.not_before = portcullis_ca::clock::wall().calendar() + Duration::from_secs(600)
            })
            .tls(Http::One),
        ),
        (
            "for servers alone",
            good.forged(&world.ca, &[&id], |params| {
                params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
            })
            .tls(Http::One),
        ),
        (
            "of an authority",
            good.forged(&world.ca, &[&id], |params| {
                params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)
            })
            .tls(Http::One),
        ),
        ("of a person", world.people.tls(Some("alice"), Http::One)),
    ];
    for (what, config) in rows {
        refused(world, report, what, &config);
    }
    denied(world, report);
}

fn denied(world: &World, report: &mut Report) {
    let denied = world.member("svc/denied");
    let address = world.order.process.address();
    let mut before = denied.raw(address);
    report.equal("before", get("/open/x", &Vec::new()).send_on(&mut before).status, 200);

    world.ca.run(&["revoke", "--id", "svc/denied"]).ok();

    report.check(before.closes_within(wait::PATIENCE).is_some(), || "its connection stays open".into());
    let refused = || (denied.ask(address, Http::One, &get("/open/x", &Vec::new())) == 0).then_some(());
    report.check(wait::within(wait::PATIENCE, refused).is_some(), || "it still gets in".into());
}

pub(super) fn plaintext_and_past_the_sidecar(world: &World, report: &mut Report) {
    let address = world.order.process.address();
    for (what, bytes) in [
        ("HTTP/1", get("/open/plain", &Vec::new()).bytes()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec()),
        ("an alert", b"\x15\x03\x01\0\x02\x01\0".to_vec()),
    ] {
        let mut plain = Raw::connect(address);
        plain.send(bytes);
        let said = plain.closes_within(wait::PATIENCE);
        report.check(said.is_some(), || format!("{what}: the connection stays open"));
        let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
        report.check(!said.contains("HTTP/"), || format!("{what}: it was answered {said:?}"));
    }
    report.check(!world.order.app.saw("/open/plain"), || "plaintext reached the application".into());
    // The application listens on one loopback address alone: whoever comes by another finds nobody.
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], world.order.app.address().port()));
    report.check(TcpStream::connect(elsewhere).is_err(), || {
        "the application is reached past its sidecar".into()
    });
}

/// Sound evidence of the edge for alice, at `order`.
fn sound<'a>(world: &'a World, edge: &'a Member) -> (Way<'a>, Fields) {
    ((edge, &world.order, Http::One), Evidence::by(edge, &json!({})).handed(edge, ORDER).fields(edge))
}

pub(super) fn connection_options(world: &World, report: &mut Report) {
    let edge = world.member("edge");
    let (_, fields) = sound(world, &edge);
    for name in [
        "x-auth-user",
        "X-Auth-Roles",
        "txn-token",
        "x_auth.user",
        "Portcullis-Stamps",
        "x-forwarded-client-cert",
        "X-Forwarded-For",
    ] {
        let mut named = fields.clone();
        named.push(("Connection".into(), format!("keep-alive, {name}")));
        let seen = world.ask((&edge, &world.order, Http::One), "/user/14", &named);
        report.equal(name, (seen.status, seen.at_app.is_some()), (400, false));
        // HTTP/2 has no such field at all.
        let seen = world.ask((&edge, &world.order, Http::Two), "/user/14", &named);
        report.check([0, 400].contains(&seen.status) && seen.at_app.is_none(), || {
            format!("{name} over HTTP/2: {seen:?}")
        });
        let (seen, answer) =
            world.outside(Some("alice"), "/user/14", &vec![("Connection".into(), name.into())]);
        report.equal(name, (seen.status, seen.at_app.is_some()), (400, false));
        report.equal(name, answer.code().as_str(), "CONNECTION_OPTION");
        let call = world.call_on("/open/14", &vec![("Connection".into(), name.into())]);
        report.equal(name, (call.status, call.at_app.is_some()), (400, false));
    }
    let mut named = fields;
    named.extend([("Connection".into(), "X-Hop".into()), ("X-Hop".into(), "1".into())]);
    let seen = world.ask((&edge, &world.order, Http::One), "/user/14", &named);
    report.equal("the user beside a field of the hop", seen.user().as_deref(), Some("alice"));
    let request = seen.at_app.unwrap_or_default();
    report.check(!request.headers.has("x-hop") && !request.headers.has("connection"), || {
        format!("{:?}", request.headers)
    });
}

pub(super) fn trailers(world: &World, report: &mut Report) {
    let edge = world.member("edge");
    let ((by, to, _), fields) = sound(world, &edge);
    let trailers = [
        ("X-Auth-User", "root"),
        ("x_auth_user", "root"),
        ("Txn-Token", "eyJ"),
        ("X-Forwarded-Client-Cert", "root"),
    ];
    for http in BOTH {
        let target = world.fresh("/user/15");
        let status = match http {
            Http::One => {
                let mut raw = by.raw(to.process.address());
                let names = "Trailer: X-Auth-User\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n";
                let lines: String =
                    fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let after: String =
                    trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                raw.send(format!("POST {target} HTTP/1.1\r\nHost: shop.test\r\n{lines}{names}{after}\r\n"));
                raw.response("POST").status
            }
            Http::Two => {
                let mut frames = by.frames(to.process.address());
                let mut head =
                    vec![(":method", "POST"), (":scheme", "https"), (":authority", HOST), (":path", &target)];
                head.extend(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                frames.headers(1, flag::END_HEADERS, &head);
                frames.frame(kind::DATA, 0, 1, b"x");
                let lower: Vec<_> = trailers.map(|(name, value)| (name.to_ascii_lowercase(), value)).into();
                let lower: Vec<_> = lower.iter().map(|(name, value)| (name.as_str(), *value)).collect();
                frames.headers(1, flag::WHOLE, &lower);
                let _ended = frames.ending(1);
                frames.status(1).unwrap_or_default()
            }
        };
        let request = arrived(&to.app, &target);
        report.check([200, 400].contains(&status), || format!("over {http:?}: {status}"));
        report.equal("it arrived", request.is_some(), status == 200);
        let Some(request) = request else { continue };
        let spoofed: Fields =
            told(&request).into_iter().filter(|(_, value)| value == "root" || value == "eyJ").collect();
        report.check(spoofed.is_empty(), || format!("over {http:?}: {spoofed:?}"));
        report.equal("the user", request.headers.all("x-auth-user"), vec!["alice"]);
    }
    let target = world.fresh("/open/15");
    let mut browser = world.browser(None);
    browser.send(format!(
        "POST {target} HTTP/1.1\r\nHost: {HOST}\r\nTrailer: X-Auth-User\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Auth-User: root\r\n\r\n"
    ));
    let status = browser.response("POST").status;
    let told = arrived(&world.order.app, &target).as_ref().map(told).unwrap_or_default();
    report.check([200, 400].contains(&status) && told.is_empty(), || {
        format!("from outside: {status} {told:?}")
    });
}

pub(super) fn smuggling(world: &World, report: &mut Report) {
    let edge = world.member("edge");
    let inner = "GET /open/smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n";
    let post = |rest: &str| format!("POST /open/16 HTTP/1.1\r\nHost: shop.test\r\n{rest}");
    let rows = [
        (
            "two framings",
            post(&format!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}")),
        ),
        (
            "two codings",
            post(&format!(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{inner}"
            )),
        ),
        ("a coding that looks alike", post(&format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{inner}"))),
        ("a coding with a tab", post(&format!("Transfer-Encoding:\tchunked, gzip\r\n\r\n0\r\n\r\n{inner}"))),
        (
            "two lengths",
            post(&format!("Content-Length: 0\r\nContent-Length: {}\r\n\r\n{inner}", inner.len())),
        ),
        ("a length with a sign", post(&format!("Content-Length: +0\r\n\r\n{inner}"))),
        ("a folded line", post("X-A: 1\r\n X-Auth-User: root\r\n\r\n")),
        ("a blank before the colon", post("X-Auth-User : root\r\n\r\n")),
        ("a bare LF", post("X-A: 1\nX-Auth-User: root\r\n\r\n")),
        ("a bare CR", post("X-A: 1\rX-Auth-User: root\r\n\r\n")),
        ("NUL", post("X-A: 1\0\r\n\r\n")),
        ("a chunk with a blank", post(&format!("Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n{inner}"))),
        ("a path with a blank", format!("GET /open/16 x HTTP/1.1\r\nHost: shop.test\r\n\r\n{inner}")),
        ("two hosts", "GET /open/16 HTTP/1.1\r\nHost: shop.test\r\nHost: b\r\n\r\n".to_owned()),
    ];
    let before = world.order.app.count();
    for (what, bytes) in &rows {
        let mut raw = edge.raw(world.order.process.address());
        raw.send(bytes);
        let status =
            raw.try_response("POST", wait::PATIENCE).ok().flatten().map_or(0, |answer| answer.status);
        report.check([0, 400, 501].contains(&status), || format!("{what}: {status}"));
        report.check(raw.closes_within(wait::PATIENCE).is_some(), || {
            format!("{what}: the connection stays open")
        });
    }
    let head = [(":method", "GET"), (":scheme", "https"), (":authority", HOST)];
    let path = (":path", "/open/16");
    let with = |more: &[(&'static str, &'static str)]| [head.as_slice(), [path].as_slice(), more].concat();
    let blocks = [
        ("NUL", with(&[("x", "a\0b")])),
        ("CRLF", with(&[("x", "y\r\nX-Auth-User: root")])),
        ("a capital letter", with(&[("X-Auth-User", "root")])),
        ("a length and no body", with(&[("content-length", "5")])),
        ("a coding", with(&[("transfer-encoding", "chunked")])),
        ("two paths", with(&[(":path", "/admin")])),
        ("a path with a blank", [head.as_slice(), &[(":path", "/open/16 HTTP/1.1")]].concat()),
        ("a pseudo-header nobody knows", with(&[(":user", "root")])),
    ];
    for (what, fields) in blocks {
        let mut frames = edge.frames(world.order.process.address());
        frames.headers(1, flag::WHOLE, &fields);
        let ended = frames.ending(1);
        report.check(ended.refused(), || format!("{what} over HTTP/2: {ended:?}"));
    }
    report.equal("requests that reached the application", world.order.app.count() - before, 0);
    report.check(!world.order.app.saw("/open/smuggled"), || "a request inside a request arrived".into());
}

pub(super) fn upgrades_and_tunnels(world: &World, report: &mut Report) {
    let edge = world.member("edge");
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let upgrade = |host: &str| {
        format!(
            "GET /open/17 HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n{preface}"
        )
    };
    let tunnel = "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\nGET /open/17-tunnel HTTP/1.1\r\nHost: shop.test\r\n\r\n";
    let plain = |listener: usize| Raw::connect(world.order.process.listener(listener));
    let doors: [(&str, &dyn Fn() -> Raw, &str); 4] = [
        ("inbound", &|| edge.raw(world.order.process.address()), HOST),
        ("the edge", &|| world.browser(None), HOST),
        ("outbound", &|| plain(1), "payment"),
        ("local", &|| plain(2), "payment"),
    ];
    for (what, door, host) in doors {
        let mut raw = door();
        raw.send(upgrade(host));
        let answer = raw.try_response("GET", wait::PATIENCE).ok().flatten();
        let status = answer.map_or(0, |answer| answer.status);
        report.check(status != 101 && status != 0, || format!("Upgrade at {what}: {status}"));
        let mut raw = door();
        raw.send(tunnel);
        let answer = raw.try_response("CONNECT", wait::PATIENCE).ok().flatten();
        let status = answer.map_or(0, |answer| answer.status);
        report
            .check([0, 400, 403, 404, 405, 501].contains(&status), || format!("CONNECT at {what}: {status}"));
    }
    let mut frames = edge.frames(world.order.process.address());
    frames.headers(1, flag::END_HEADERS, &[(":method", "CONNECT"), (":authority", "127.0.0.1:22")]);
    let ended = frames.ending(1);
    report.check(ended.refused(), || format!("CONNECT over HTTP/2: {ended:?}"));
    for app in [&world.order.app, &world.payment.app] {
        report.check(!app.saw("17-tunnel") && !app.saw("PRI *"), || {
            "the application read what was tunnelled".into()
        });
        report.check(!app.saw("h2c"), || "the application was asked to upgrade".into());
    }
}

pub(super) fn resumption(world: &World, report: &mut Report) {
    let other = world.member("svc/other");
    let doors = [
        ("order", other.tls(Http::One), world.order.process.address(), HOST),
        ("payment", other.tls(Http::One), world.payment.process.address(), HOST),
        ("the edge", world.people.tls(Some("alice"), Http::One), world.edge.address(), HOST),
    ];
    for (what, mut config, address, name) in doors {
        config.resumption = Resumption::in_memory_sessions(8);
        config.enable_early_data = true;
        for _ in 0..3 {
            let stream = shake(&config, address, name).expect("a handshake");
            let kind = stream.conn.handshake_kind();
            let early = stream.conn.is_early_data_accepted();
            report.check(kind != Some(HandshakeKind::Resumed) && !early, || format!("{what}: {kind:?}"));
            // Tickets come after the handshake.
            let answer = get("/open/18", &Vec::new()).send_on(&mut raw(stream));
            report.equal(what, answer.status, 200);
        }
    }
}

pub(super) fn another_authority(world: &World, report: &mut Report) {
    for host in ["other.test", "payment", "svc.shop.test"] {
        let answer = Client::get("/open/19").host(host).send_on(&mut world.browser(Some("alice")));
        report.equal(host, answer.status, 421);
        let config = world.people.tls(Some("alice"), Http::Two);
        let stream = shake(&config, world.edge.address(), HOST).expect("a handshake");
        let mut frames = Frames::over(raw(stream));
        frames.headers(
            1,
            flag::WHOLE,
            &[(":method", "GET"), (":scheme", "https"), (":authority", host), (":path", "/open/19")],
        );
        let _ended = frames.ending(1);
        report.equal(host, frames.status(1), Some(421));
    }
    report.check(!world.order.app.saw("/open/19"), || "it reached the application".into());
    // The same at a sidecar; and without a name asked for, there is still but one application behind it.
    let edge = world.member("edge");
    let target = world.fresh("/open/19");
    for http in BOTH {
        let request = Client::get(&target).host("payment");
        let mut config = edge.tls(http);
        report.equal(
            "another name at a sidecar",
            ask(&config, world.order.process.address(), http, &request),
            421,
        );
        config.enable_sni = false;
        report.equal("no name asked for", ask(&config, world.order.process.address(), http, &request), 200);
    }
    let (own, others) = (arrived(&world.order.app, &target), arrived(&world.payment.app, &target));
    report.equal("where it arrived", (own.is_some(), others.is_some()), (true, false));
}

pub(super) fn odd_names(world: &World, report: &mut Report) {
    let good = world.member("svc/other");
    let id = good.id();
    let rows: [(&str, &[&str]); 16] = [
        ("two", &[&id, "spiffe://shop.example/edge"]),
        ("the same twice", &[&id, &id]),
        ("a web address beside", &[&id, "https://shop.example/"]),
        ("none", &[]),
        ("an encoded dot", &["spiffe://shop.example/svc/%2e%2e/edge"]),
        ("an encoded letter", &["spiffe://shop.example/svc/%6Fther"]),
        ("dots", &["spiffe://shop.example/svc/../edge"]),
        ("a trust domain in capitals", &["spiffe://SHOP.EXAMPLE/svc/other"]),
        ("a scheme in capitals", &["SPIFFE://shop.example/svc/other"]),
        ("a slash at the end", &["spiffe://shop.example/svc/other/"]),
        ("two slashes", &["spiffe://shop.example/svc//other"]),
        ("no path", &["spiffe://shop.example"]),
        ("a port", &["spiffe://shop.example:443/svc/other"]),
        ("a user", &["spiffe://edge@shop.example/svc/other"]),
        ("a query", &["spiffe://shop.example/svc/other?edge"]),
        ("another alphabet", &["spiffe://xn--shp-jua.example/svc/other"]),
    ];
    let control = good.forged(&world.ca, &[&id], |_| {});
    report.equal(
        "exactly one",
        control.ask(world.order.process.address(), Http::One, &get("/open/x", &Vec::new())),
        200,
    );
    for (what, uris) in rows {
        refused(world, report, what, &good.forged(&world.ca, uris, |_| {}).tls(Http::One));
    }
}

pub(super) fn too_many_fields(world: &World, report: &mut Report) {
    let edge = world.member("edge");
    let mut many: Fields = (0..1000).map(|number| (format!("a{number}"), "1".to_owned())).collect();
    many.push(("x-auth-user".into(), "root".into()));
    let long =
        vec![("x-long".to_owned(), "a".repeat(200_000)), ("x-auth-user".to_owned(), "root".to_owned())];
    let before = world.order.app.count();
    for (what, fields) in [("many", &many), ("long", &long)] {
        let mut raw = edge.raw(world.order.process.address());
        raw.send(get("/open/27", fields).bytes());
        let status = raw.try_response("GET", wait::PATIENCE).ok().flatten().map_or(0, |answer| answer.status);
        report.equal(what, status, 431);
        let mut browser = world.browser(Some("alice"));
        browser.send(get("/open/27", fields).bytes());
        let status =
            browser.try_response("GET", wait::PATIENCE).ok().flatten().map_or(0, |answer| answer.status);
        report.equal(what, status, 431);
    }
    let mut frames = edge.frames(world.order.process.address());
    let mut head =
        vec![(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "/open/27")];
    head.extend(many.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    frames.headers(1, flag::WHOLE, &head);
    let ended = frames.ending(1);
    report.check(ended.refused(), || format!("many over HTTP/2: {ended:?}"));
    report.equal("requests that reached the application", world.order.app.count() - before, 0);
}

pub(super) fn overrides(world: &World, report: &mut Report) {
    let other = world.member("svc/other");
    let names =
        ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"];
    let fields =
        |value: &str| names.iter().map(|name| ((*name).to_owned(), value.to_owned())).collect::<Fields>();
    for http in BOTH {
        let open = world.ask((&other, &world.order, http), "/open/28", &fields("/closed"));
        report.equal("the status", open.status, 200);
        let request = open.at_app.unwrap_or_default();
        let left: Vec<_> = names.iter().filter(|name| request.headers.has(name)).collect();
        report.check(left.is_empty(), || format!("the application reads {left:?}"));
        let closed = world.ask((&other, &world.order, http), "/closed/28", &fields("/open/28"));
        report.equal("a path that is not allowed", (closed.status, closed.at_app.is_some()), (403, false));
    }
    let (outside, _) = world.outside(None, "/open/28", &fields("/user/28"));
    let request = outside.at_app.unwrap_or_default();
    report.equal("the method", request.method.as_str(), "GET");
    report.check(names.iter().all(|name| !request.headers.has(name)), || format!("{:?}", request.headers));
}

pub(super) fn admin(world: &World, report: &mut Report) {
    let order = &world.order.process;
    let admin = order.admin();
    report.check(admin.ip().is_loopback(), || format!("it listens on {admin}"));
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], admin.port()));
    report.check(TcpStream::connect(elsewhere).is_err(), || "it is reached by another address".into());
    let file = std::fs::read_to_string(order.file()).expect("the file");
    let open = file.replace("admin: { bind: \"127.0.0.1:0\" }", "admin: { bind: \"0.0.0.0:0\" }");
    let refused =
        Edge::try_start(Config::sidecar(open)).err().map(|failed| failed.messages).unwrap_or_default();
    report.check(refused.contains("could administer"), || format!("open to everybody: {refused:?}"));
    let socket = std::fs::metadata(world.ca.path("admin.sock")).expect("a socket");
    report.equal("who may use a socket", socket.permissions().mode() & 0o777, 0o600);
    // The application reaches services it is given, and no others.
    for target in ["/config", "/metrics", "/drain"] {
        for host in [admin.to_string(), format!("localhost:{}", admin.port()), "admin".into()] {
            for path in [target.to_owned(), format!("http://{host}{target}")] {
                let answer = Client::get(&path).host(&host).send(order.listener(1));
                report.check(answer.status >= 400, || {
                    format!("{path} of {host} through the sidecar: {}", answer.status)
                });
            }
        }
        let rebound = Client::get(target).host("order.shop.internal").send(admin);
        report.check(rebound.status == 403, || format!("{target} by a foreign name: {}", rebound.status));
        let edge = world.member("edge");
        let inbound = world.ask((&edge, &world.order, Http::Two), target, &Vec::new());
        report.equal("a member asks for it", (inbound.status, inbound.at_app.is_some()), (403, false));
    }
}

/// The limit: who reaches the application past the sidecar is believed by it, there is no seal. What holds: the sidecar
/// speaks of peers and users on connections of its own alone, and believes no process of this machine either.
pub(super) fn posing_as_the_sidecar(world: &World, report: &mut Report) {
    let edge = world.member("edge");
    let spoofed: Fields = vec![("X-Auth-User".into(), "root".into())];
    let target = world.fresh("/user/30");
    let direct = get(&target, &spoofed).send(world.order.app.address());
    let past = arrived(&world.order.app, &target).unwrap_or_default();
    report.equal("past the sidecar (a limit that is documented)", direct.status, 200);
    report.equal(
        "what it says is its own",
        past.headers.0.len(),
        get(&target, &spoofed).bytes().split(|byte| *byte == b'\n').count() - 3,
    );
    report.check(!past.headers.has("x-forwarded-client-cert") && !past.headers.has("via"), || {
        format!("{:?}", past.headers)
    });
    let (_, fields) = sound(world, &edge);
    let through = world.ask((&edge, &world.order, Http::One), "/user/30", &fields).at_app.unwrap_or_default();
    report.check(through.headers.has("x-forwarded-client-cert") && through.headers.has("via"), || {
        format!("{:?}", through.headers)
    });
    for listener in [1, 2] {
        let target = world.fresh("/open/30");
        let status = Client::get(&target)
            .host("payment")
            .header("X-Auth-User", "root")
            .send(world.order.process.listener(listener))
            .status;
        let request = arrived(&world.payment.app, &target);
        report.equal("another process asks the sidecar", (status, request.is_some()), (200, true));
        let told = told(&request.unwrap_or_default());
        report.check(told.is_empty(), || format!("payment was told {told:?}"));
    }
}
