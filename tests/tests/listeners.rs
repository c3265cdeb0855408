//! How clients connect: TLS, versions of HTTP, the PROXY protocol, caps, and what happens when there are no file descriptors.

use portcullis_tests::{
    Authority, Client, Config, Edge, H2, Identity, ProxyHeader, Raw, TlsClient, Upstream, field, wait,
};
use std::net::SocketAddr;
use std::time::Duration;

fn scene(config: impl FnOnce(Config) -> Config) -> (Upstream, Edge) {
    let upstream = Upstream::echo();
    let edge = Edge::with(|c| config(c).service("api", &upstream).route("* /**", "api"));
    (upstream, edge)
}

fn tls(certificates: &[&Identity], more: &str) -> String {
    let list: Vec<String> = certificates.iter().map(|one| one.yaml()).collect();
    format!("tls: {{ certificates: [{}] }}{more}", list.join(", "))
}

/// Whether the certificate shown to a client that asks for `name` holds `text`.
fn shows(authority: &Authority, address: SocketAddr, name: &str, text: &str) -> bool {
    let (_, der) = TlsClient::new(authority, name).look(address).unwrap_or_default();
    der.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn the_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let authority = Authority::new();
    let (a, any) = (authority.issue(&["a.test"]), authority.issue(&["*.b.test"]));
    let (_upstream, edge) = scene(|c| c.more_listeners(&tls(&[&a, &any], "")));
    let address = edge.listener(1);

    assert!(shows(&authority, address, "a.test", "a.test"));
    assert!(shows(&authority, address, "A.TEST", "a.test"));
    assert!(shows(&authority, address, "x.b.test", "*.b.test"));
    assert!(TlsClient::new(&authority, "other.test").look(address).is_err(), "no certificate fits");
    let mut raw = TlsClient::new(&authority, "x.b.test").connect(address);
    let answer = Client::get("/").host("x.b.test").send_on(&mut raw);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let line = edge.wait_for_lines(1).remove(0);
    assert_eq!(field(&line, "url.scheme"), "https", "{line:#}");
}

#[test]
fn the_protocol_is_agreed_on_by_alpn() {
    let authority = Authority::new();
    let cert = authority.issue(&["a"]);
    let (upstream, edge) =
        scene(|c| c.more_listeners(&tls(&[&cert], "")).more_listeners(&tls(&[&cert], ", http: [h1]")));
    let agreed = |listener: usize, alpn: &[&str]| {
        TlsClient::new(&authority, "a").alpn(alpn).look(edge.listener(listener)).map(|(alpn, _)| alpn).ok()
    };

    assert_eq!(agreed(1, &["h2", "http/1.1"]).as_deref(), Some("h2"));
    assert_eq!(agreed(1, &["http/1.1"]).as_deref(), Some("http/1.1"));
    assert_eq!(agreed(1, &[]).as_deref(), Some(""));
    assert_eq!(agreed(1, &["foo"]), None, "nothing in common");
    assert_eq!(agreed(2, &["h2", "http/1.1"]).as_deref(), Some("http/1.1"));
    let over_tls = H2::connect_tls(edge.listener(1), &authority, "a");
    assert_eq!(
        over_tls.request(http::Request::get("https://a/x").body(()).expect("a request"), vec![]).status,
        200
    );
    assert_eq!(upstream.request().header("x-forwarded-proto"), Some("https"));
}

#[test]
fn http_2_is_spoken_by_prior_knowledge_beside_http_1() {
    let (upstream, edge) = scene(|c| c);

    let h2 = H2::connect(edge.address());
    let answers = h2.get_together("/x", 50);
    let h1 = edge.get("/y");

    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!((h1.status, upstream.count()), (200, 51));
    let lines = edge.wait_for_lines(51);
    assert_eq!(lines.iter().filter(|line| field(line, "network.protocol.version") == "2").count(), 50);
}

#[test]
fn a_replaced_certificate_is_served_without_a_restart() {
    let authority = Authority::new();
    let cert = authority.issue(&["a.test", "before.test"]);
    let (_upstream, edge) = scene(|c| c.more_listeners(&tls(&[&cert], "")));
    let address = edge.listener(1);
    let mut old = TlsClient::new(&authority, "a.test").connect(address);
    assert!(shows(&authority, address, "a.test", "before.test"));

    authority.issue_to(&["a.test", "after.test"], &cert.cert);

    wait::eventually("the new certificate", || {
        shows(&authority, address, "a.test", "after.test").then_some(())
    });
    assert_eq!(Client::get("/").host("a.test").send_on(&mut old).status, 200, "connections go on");
}

#[test]
fn a_certificate_that_is_broken_later_leaves_the_old_one_in_place() {
    let authority = Authority::new();
    let cert = authority.issue(&["a.test"]);
    let (_upstream, edge) = scene(|c| c.more_listeners(&tls(&[&cert], "")));
    let before = edge.messages().len();

    std::fs::write(&cert.cert, "nonsense").expect("written");

    wait::eventually("a message about it", || {
        edge.messages()
            .iter()
            .skip(before)
            .any(|line| line.contains("ERROR") || line.contains("WARN"))
            .then_some(())
    });
    assert!(shows(&authority, edge.listener(1), "a.test", "a.test"));
}

#[test]
fn a_redirecting_listener_names_the_same_address_on_https() {
    let (upstream, edge) =
        scene(|c| c.more_listeners("redirect: https").more_listeners("redirect: { https: 8443 }"));

    let plain = Client::get("/a?b=c").host("shop.test:8080").send(edge.listener(1));
    let port = Client::post("/a", "body").host("shop.test").send(edge.listener(2));

    assert_eq!((plain.status, plain.header("location")), (308, Some("https://shop.test/a?b=c")));
    assert_eq!((port.status, port.header("location")), (308, Some("https://shop.test:8443/a")));
    assert_eq!(upstream.count(), 0);
}

const TRUSTED: &str = "trust: { proxies: [127.0.0.0/8] }";

fn source() -> (SocketAddr, SocketAddr) {
    ("203.0.113.9:5555".parse().expect("an address"), "198.51.100.1:443".parse().expect("an address"))
}

#[test]
fn a_proxy_header_of_a_trusted_peer_names_the_client() {
    let (upstream, edge) = scene(|c| c.top(TRUSTED).more_listeners("proxy_protocol: true"));
    let (from, to) = source();
    let six =
        ("[2001:db8::9]:5555".parse().expect("an address"), "[2001:db8::1]:443".parse().expect("an address"));
    let headers = [
        (ProxyHeader::v1(from, to), "203.0.113.9"),
        (ProxyHeader::v2(from, to), "203.0.113.9"),
        (ProxyHeader::v1(six.0, six.1), "2001:db8::9"),
        (ProxyHeader::v2(six.0, six.1), "2001:db8::9"),
        (ProxyHeader::v2_local(), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ];

    for (count, (header, client)) in headers.iter().enumerate() {
        let mut raw = Raw::connect(edge.listener(1));
        raw.send([header.clone(), Client::get("/").bytes()].concat());
        assert_eq!(raw.response("GET").status, 200, "{client}");
        assert_eq!(upstream.requests()[count].header("x-forwarded-for"), Some(*client));
        assert_eq!(field(&edge.wait_for_lines(count + 1)[count], "client.address"), *client);
    }

    let mut slow = Raw::connect(edge.listener(1));
    let bytes = [ProxyHeader::v2(from, to), Client::get("/").bytes()].concat();
    let parts: Vec<&[u8]> = bytes.chunks(7).collect();
    slow.drip(&parts, Duration::from_millis(5));
    assert_eq!(slow.response("GET").status, 200, "in small parts");
}

#[test]
fn a_proxy_header_goes_before_the_handshake() {
    let authority = Authority::new();
    let cert = authority.issue(&["a"]);
    let (upstream, edge) = scene(|c| c.top(TRUSTED).more_listeners(&tls(&[&cert], ", proxy_protocol: true")));
    let (from, to) = source();

    let mut raw = TlsClient::new(&authority, "a").prefix(ProxyHeader::v2(from, to)).connect(edge.listener(1));

    assert_eq!(Client::get("/").send_on(&mut raw).status, 200);
    assert_eq!(upstream.request().header("x-forwarded-for"), Some("203.0.113.9"));
}

#[test]
fn a_proxy_header_that_is_none_or_not_ours_to_believe_ends_the_connection() {
    let (from, to) = source();
    let (upstream, edge) =
        scene(|c| c.top(TRUSTED).more_listeners("proxy_protocol: true, timeouts: { handshake: 500ms }"));
    let get = Client::get("/").bytes();
    let bad: [Vec<u8>; 6] = [
        get.clone(),
        b"PROXY TCP4 1.2.3.4\r\n".to_vec(),
        b"PROXY TCP4 999.2.3.4 1.2.3.4 1 2\r\n".to_vec(),
        [b"PROXY ".as_slice(), &[b'x'; 200]].concat(),
        ProxyHeader::v2_raw(0x31, 0x11, &[0; 12]),
        ProxyHeader::v2_raw(0x21, 0x11, &[0; 4]),
    ];
    for header in bad {
        let mut raw = Raw::connect(edge.listener(1));
        raw.send([header.clone(), get.clone()].concat());
        let rest = String::from_utf8_lossy(&raw.until_closed()).into_owned();
        assert!(!rest.contains("200"), "{:?}: {rest}", String::from_utf8_lossy(&header));
    }
    let mut silent = Raw::connect(edge.listener(1));
    assert_eq!(silent.until_closed(), b"", "no header at all");
    assert_eq!(upstream.count(), 0);

    let (upstream, edge) =
        scene(|c| c.top("trust: { proxies: [10.0.0.0/8] }").more_listeners("proxy_protocol: true"));
    let mut raw = Raw::connect(edge.listener(1));
    raw.send([ProxyHeader::v1(from, to), get.clone()].concat());
    let rest = raw.until_closed();
    assert!(
        !String::from_utf8_lossy(&rest).contains("200")
            || upstream.requests().iter().all(|r| r.header("x-forwarded-for") == Some("127.0.0.1"))
    );

    // Without `proxy_protocol` the header is not HTTP.
    let (upstream, edge) = scene(|c| c.top(TRUSTED));
    let mut raw = Raw::connect(edge.address());
    raw.send([ProxyHeader::v1(from, to), get].concat());
    assert_eq!(raw.response("GET").status, 400);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn no_more_connections_than_the_cap_are_open() {
    let (_upstream, edge) = scene(|c| c.listener("caps: { connections: 5 }"));
    let mut held: Vec<Raw> = (0..5).map(|_| Raw::connect(edge.address())).collect();
    for raw in &mut held {
        assert_eq!(Client::get("/").send_on(raw).status, 200);
    }

    let mut sixth = Raw::connect(edge.address());
    sixth.send(Client::get("/").bytes());
    let answer = sixth.try_response("GET", Duration::from_millis(500)).expect("sound");
    assert!(answer.is_none_or(|answer| answer.status == 503), "the sixth was served");

    assert_eq!(Client::get("/").send_on(&mut held[0]).status, 200, "those that are in stay in");
    drop(held);
    wait::eventually("a place to be free again", || {
        let mut raw = Raw::connect(edge.address());
        raw.send(Client::get("/").bytes());
        raw.try_response("GET", Duration::from_millis(200))
            .ok()
            .flatten()
            .filter(|answer| answer.status == 200)
    });
    assert!(edge.metric("portcullis_connections_refused_total", &[]) >= 1.0);
}

#[test]
fn no_more_connections_of_one_address_than_the_cap_are_open() {
    let (_upstream, edge) =
        scene(|c| c.top(TRUSTED).more_listeners("proxy_protocol: true, caps: { per_address: 3 }"));
    let from = |source: &str| {
        let mut raw = Raw::connect(edge.listener(1));
        let to = source.parse::<SocketAddr>().expect("an address");
        raw.send([ProxyHeader::v2(to, to), Client::get("/").bytes()].concat());
        let served = raw
            .try_response("GET", Duration::from_millis(500))
            .ok()
            .flatten()
            .is_some_and(|a| a.status == 200);
        (raw, served)
    };

    let same: Vec<_> = (0..5).map(|port| from(&format!("203.0.113.9:{}", 1000 + port))).collect();
    let other = from("203.0.113.10:1000");
    let net: Vec<_> = (0..5).map(|host| from(&format!("[2001:db8::{host}]:1000"))).collect();

    assert_eq!(same.iter().filter(|(_, served)| *served).count(), 3, "one address");
    assert!(other.1, "another address");
    assert_eq!(net.iter().filter(|(_, served)| *served).count(), 3, "one /64");
}

#[test]
fn without_file_descriptors_it_waits_says_so_and_recovers() {
    let (_upstream, edge) = scene(|c| c.max_files(64).listener("caps: { connections: 1000 }").workers(1));
    assert_eq!(edge.get("/").status, 200);
    let cpu = edge.cpu();

    let flood: Vec<Raw> = (0..100).map(|_| Raw::connect(edge.address())).collect();
    let complaint = wait::eventually("a message about it", || {
        edge.messages()
            .into_iter()
            .find(|line| line.contains("accept") && (line.contains("WARN") || line.contains("ERROR")))
    });
    wait::pause(Duration::from_millis(1500));
    let complaints = edge.messages().iter().filter(|line| line.contains("accept")).count();
    let burnt = edge.cpu() - cpu;
    drop(flood);

    assert!(complaints <= 4, "{complaints} messages, the first: {complaint}");
    assert!(burnt < Duration::from_millis(800), "{burnt:?} of CPU");
    wait::eventually("it to serve again", || {
        let mut raw = Raw::connect(edge.address());
        raw.send(Client::get("/").bytes());
        raw.try_response("GET", Duration::from_secs(1)).ok().flatten().filter(|answer| answer.status == 200)
    });
}
