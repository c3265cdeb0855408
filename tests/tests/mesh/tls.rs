//! The table about TLS, against the inbound of a live sidecar: openssl, which shares no code with us, hellos made by hand,
//! and certificates by a thief of the authority's key.
//!
//! Rows another table has already are only named. Where the table asks for what there is not, the row says what holds
//! instead: T08 and T09 (nothing is ever resumed), T12 (no lists: what is revoked is told by the authority).

use super::attacks::forged_client_certificates;
use super::envoy::{service, sidecar};
use super::member::{Http, Member, offering, params, raw, shake};
use super::wire;
use super::world::{HOST, World, arrived, get};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_tests::transport::Transport;
use portcullis_tests::{Ca, Client, Config, Edge, Ran, Raw, Report, Upstream, mutual_tls, wait};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa};
use rcgen::{Issuer, KeyPair, SanType};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Number, what is attacked, and what is done and looked at.
type Row = (&'static str, &'static str, fn(&World, &mut Report));

const ROWS: [Row; 16] = [
    ("T01", "no certificate", no_certificate),
    ("T02", "expired, not yet good", out_of_time),
    ("T03", "another authority with the same names and key id", another_authority),
    ("T04", "a leaf signs a leaf, an authority below the last", chains_that_are_too_long),
    ("T05", "for servers alone as a client, for clients alone as a server", usages),
    ("T06", "an identity where none belongs", identities_elsewhere),
    ("T07", "odd spellings of an identity", odd_spellings),
    ("T08", "resumption: there is none", wire::resumption),
    ("T09", "early data: there are no tickets to send it with", no_tickets),
    ("T10", "old versions", old_versions),
    ("T11", "hellos in pieces, large ones, odd ones", odd_hellos),
    ("T12", "revoked: no lists, the authority tells", revoked),
    ("T13", "many who send one byte", many_that_hang),
    ("T14", "odd names asked for, odd protocols offered", odd_offers),
    ("T15", "plaintext to TLS, TLS to plaintext, permissive and back", plaintext),
    ("T16", "a header that says who one is", forged_client_certificates),
];

#[test]
fn every_row_of_the_table_about_tls_holds_at_the_inbound_of_a_sidecar() {
    let world = World::start();
    let mut report = Report::new();

    for (number, name, attack) in ROWS {
        report.row(number, name);
        let ran = catch_unwind(AssertUnwindSafe(|| attack(&world, &mut report)));
        report.check(ran.is_ok(), || "it came to no end; see above".into());
        still_serves(&world, &mut report);
    }

    report.end();
}

fn still_serves(world: &World, report: &mut Report) {
    let status =
        world.ask((&world.member("svc/other"), &world.order, Http::One), "/open/x", &Vec::new()).status;
    report.equal("a good one afterwards", status, 200);
}

/// What openssl makes of the inbound of order: with the certificate of `member`, sending `text`.
fn openssl(world: &World, member: Option<&Member>, words: &[&str], text: &str) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("timeout");
    command.args(["60", "openssl", "s_client", "-ign_eof", "-nocommands", "-connect"]);
    command.arg(world.order.process.address().to_string()).args(words).current_dir(folder.path());
    if let Some(member) = member {
        let write =
            |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("written");
        let (leaf, rest) = member.identity.chain.split_at(1);
        write("leaf", pem("CERTIFICATE", leaf));
        write("rest", pem("CERTIFICATE", rest));
        write("key", pem("PRIVATE KEY", &[member.identity.key.pkcs8().to_vec()]));
        command.args(["-cert", "leaf", "-key", "key"]);
        if !rest.is_empty() {
            command.args(["-cert_chain", "rest"]);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("openssl");
    let _gone = child.stdin.take().expect("a pipe").write_all(text.as_bytes());
    let output = child.wait_with_output().expect("openssl ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn pem(what: &str, all: &[Vec<u8>]) -> String {
    all.iter().fold(String::new(), |mut text, der| {
        let _ = writeln!(text, "-----BEGIN {what}-----");
        for line in STANDARD.encode(der).as_bytes().chunks(64) {
            let _ = writeln!(text, "{}", std::str::from_utf8(line).expect("ASCII"));
        }
        let _ = writeln!(text, "-----END {what}-----");
        text
    })
}

/// One request, after which the sidecar closes.
fn request() -> String {
    format!("GET /open/openssl HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n")
}

/// openssl is refused with this alert (0: with any) before anything of HTTP is said. It sends nothing of its own: what is
/// not read would reset the connection, and the alert would be lost.
fn alert(
    world: &World,
    report: &mut Report,
    what: &str,
    (member, words): (Option<&Member>, &[&str]),
    number: u8,
) {
    let ran = openssl(world, member, words, "");
    let all = format!("{}{}", ran.out, ran.err);
    let wanted =
        if number == 0 { "SSL alert number ".to_owned() } else { format!("SSL alert number {number}\n") };
    report.check(all.contains(&wanted), || {
        let said: Vec<_> =
            ran.err.lines().filter(|line| line.contains("error") || line.contains("alert")).collect();
        format!("{what}: no {wanted:?}, but {:?} {said:?}", ran.code)
    });
    report.check(!all.contains("HTTP/"), || format!("{what}: it was answered {all}"));
}

fn no_certificate(world: &World, report: &mut Report) {
    let good = openssl(world, Some(&world.member("svc/other")), &[], &request());
    report.check(good.out.contains("HTTP/1.1 200"), || format!("openssl with a good one: {good:?}"));
    alert(world, report, "none", (None, &[]), 116);
    wire_request_refused(world, report, "none, and a request at once", None);
}

/// The same with a request right behind the handshake.
fn wire_request_refused(world: &World, report: &mut Report, what: &str, member: Option<&Member>) {
    let ran = openssl(world, member, &[], &request());
    report.check(!ran.out.contains("HTTP/"), || format!("{what}: it was answered {}", ran.out));
}

fn out_of_time(world: &World, report: &mut Report) {
    let good = world.member("svc/other");
    let id = good.id();
    let now = portcullis_ca::clock::wall().calendar();
    let over = good.forged(&world.ca, &[&id], |params| {
        params.not_before = now - Duration::from_secs(7200);
        params.not_after = now - Duration::from_secs(61);
    });
    let early = good.forged(&world.ca, &[&id], |params| params.not_before = now + Duration::from_secs(600));
    alert(world, report, "expired", (Some(&over), &[]), 45);
    alert(world, report, "not yet good", (Some(&early), &[]), 0);
    wire_request_refused(world, report, "expired, and a request at once", Some(&over));
}

fn another_authority(world: &World, report: &mut Report) {
    let good = world.member("svc/other");
    let foreign = Member::load(&Ca::new().issue("svc/other", &[]));
    alert(world, report, "of another authority", (Some(&foreign), &[]), 48);
    // Issuer and key id are those of ours; the key is not.
    let der = good.identity.chain[1].as_slice().into();
    let issuer = Issuer::from_ca_cert_der(&der, KeyPair::generate().expect("a key")).expect("an issuer");
    let lookalike = signed_by(&good, params(&[&good.id()]), &issuer, &good.identity.chain[1..]);
    alert(world, report, "signed by a lookalike, with our intermediate", (Some(&lookalike), &[]), 0);
    let mut params_of_it = params(&[]);
    params_of_it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params_of_it.distinguished_name.push(DnType::CommonName, "people");
    let own =
        CertifiedIssuer::self_signed(params_of_it, KeyPair::generate().expect("a key")).expect("a root");
    let rooted = signed_by(&good, params(&[&good.id()]), &own, &[own.der().to_vec()]);
    alert(world, report, "with a root of its own in the chain", (Some(&rooted), &[]), 0);
}

/// Somebody with a certificate by `issuer`, and `above` behind it.
fn signed_by(
    good: &Member,
    params: CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
    above: &[Vec<u8>],
) -> Member {
    let key = KeyPair::generate().expect("a key");
    let leaf = params.signed_by(&key, issuer).expect("a certificate");
    good.showing([&[leaf.der().to_vec()], above].concat(), &key)
}

fn chains_that_are_too_long(world: &World, report: &mut Report) {
    let good = world.member("svc/other");
    for (what, is_ca) in [
        ("a leaf signs a leaf", IsCa::NoCa),
        ("a leaf that says it is none", IsCa::ExplicitNoCa),
        ("an authority below the last", IsCa::Ca(BasicConstraints::Unconstrained)),
        ("an authority below the last, for leaves", IsCa::Ca(BasicConstraints::Constrained(0))),
    ] {
        let upper = good.forged(&world.ca, &[&good.id()], |params| params.is_ca = is_ca);
        let key = KeyPair::try_from(upper.identity.key.pkcs8()).expect("a key");
        let issuer = Issuer::new(CertificateParams::default(), key);
        let lower = signed_by(&good, params(&["spiffe://shop.example/edge"]), &issuer, &upper.identity.chain);
        alert(world, report, what, (Some(&lower), &[]), 0);
    }
}

fn usages(world: &World, report: &mut Report) {
    let good = world.member("svc/other");
    let only =
        |purpose| good.forged(&world.ca, &[&good.id()], |params| params.extended_key_usages = vec![purpose]);
    alert(world, report, "for servers alone", (Some(&only(ExtendedKeyUsagePurpose::ServerAuth)), &[]), 0);
    // The other way round: whom a sidecar calls.
    let app = Upstream::echo();
    for (what, callee, believed) in [
        ("a good one", good.clone(), true),
        ("for clients alone", only(ExtendedKeyUsagePurpose::ClientAuth), false),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let services = format!("services:\n{}", service("callee", &good.id(), address));
        let folder = world.ca.path(&format!("caller-{believed}"));
        world.ca.run(&["issue", "svc/order", "--out", &folder.display().to_string()]).ok();
        let caller = sidecar(&folder, app.address(), &services);
        let callee = Arc::clone(&callee.identity);
        let shaken = std::thread::spawn(move || accepts(&listener, &callee));
        let answer = Client::get("/x").host("callee").send(caller.listener(1));
        report.check(answer.status >= 500, || format!("{what}: nobody speaks HTTP there: {answer:?}"));
        report.equal(what, shaken.join().expect("a thread"), believed);
    }
}

/// Whether whoever connects first takes us for who they meant.
fn accepts(listener: &TcpListener, own: &Arc<portcullis_ca::client::Identity>) -> bool {
    let (socket, _) = listener.accept().expect("a connection");
    socket.set_read_timeout(Some(wait::PATIENCE)).expect("a socket");
    let mut config = (*mutual_tls::accepting(own)).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let session = ServerConnection::new(Arc::new(config)).expect("a session");
    let mut stream = StreamOwned::new(session, socket);
    while stream.conn.is_handshaking() {
        if stream.conn.complete_io(&mut stream.sock).is_err() {
            return false;
        }
    }
    true
}

fn identities_elsewhere(world: &World, report: &mut Report) {
    let good = world.member("svc/other");
    let id = good.id();
    let ia5 = |text: &str| text.try_into().expect("ASCII");
    let rows: [(&str, Vec<SanType>); 4] = [
        ("the common name", vec![]),
        ("a DNS name", vec![SanType::DnsName(ia5("other.shop.example"))]),
        ("a DNS name that is one", vec![SanType::DnsName(ia5(&id))]),
        ("a mail address", vec![SanType::Rfc822Name(ia5(&id))]),
    ];
    for (what, names) in rows {
        let forged = good.forged(&world.ca, &[], |params| {
            params.subject_alt_names = names;
            params.distinguished_name.push(DnType::CommonName, id.as_str());
        });
        alert(world, report, what, (Some(&forged), &[]), 0);
    }
    for (what, uris) in [
        ("two", vec![id.as_str(), "spiffe://shop.example/edge"]),
        ("another trust domain", vec!["spiffe://other.example/ns/x"]),
    ] {
        alert(world, report, what, (Some(&good.forged(&world.ca, &uris, |_| {})), &[]), 0);
    }
}

fn odd_spellings(world: &World, report: &mut Report) {
    wire::odd_names(world, report);
    let good = world.member("svc/other");
    let long = format!("spiffe://shop.example/{}", "a".repeat(2049 - 22));
    for (what, uri) in [
        ("NUL", "spiffe://shop.example/svc/other\0.b"),
        ("NUL at the end", "spiffe://shop.example/svc/other\0"),
        ("2049 bytes", &long),
        ("a blank", "spiffe://shop.example/svc/other "),
    ] {
        alert(world, report, what, (Some(&good.forged(&world.ca, &[uri], |_| {})), &[]), 0);
    }
}

fn no_tickets(world: &World, report: &mut Report) {
    let member = world.member("svc/other");
    let ran = openssl(world, Some(&member), &["-sess_out", "session"], &request());
    report.check(ran.out.contains("HTTP/1.1 200"), || format!("{ran:?}"));
    report.check(!ran.out.contains("New Session Ticket"), || format!("a ticket came: {}", ran.out));
}

fn old_versions(world: &World, report: &mut Report) {
    let member = world.member("svc/other");
    for (version, number) in [("-tls1", 0), ("-tls1_1", 0), ("-tls1_2", 70)] {
        let words = [version, "-cipher", "ALL:@SECLEVEL=0"];
        alert(world, report, version, (Some(&member), &words), number);
    }
    let sslv2 = b"\x80\x2e\x01\0\x02\0\x15\0\0\0\x10\x01\0\x80\x02\0\x80\x03\0\x80\x04\0\x80\x05\0\x80\x06\0\x40\x07\0\xc00123456789abcdef";
    let mut plain = Raw::connect(world.order.process.address());
    plain.send(sslv2);
    let said = plain.closes_within(wait::PATIENCE);
    report.check(said.as_ref().is_some_and(|said| said.is_empty() || said[0] == 0x15), || {
        format!("SSLv2: {said:?}")
    });
}

/// The hello of this client, without its record.
fn hello(session: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).expect("a hello");
    bytes.split_off(5)
}

fn session(member: &Member) -> ClientConnection {
    let name = ServerName::try_from(HOST).expect("a name");
    ClientConnection::new(Arc::new(member.tls(Http::One)), name).expect("a session")
}

/// Records of this many bytes each.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |part: &[u8]| {
        let length = u16::try_from(part.len()).expect("a record").to_be_bytes();
        [&[0x16, 3, 1], length.as_slice(), part].concat()
    };
    message.chunks(size).flat_map(record).collect()
}

/// The hello with more extensions: type and length of each.
fn extended(hello: &[u8], more: impl Iterator<Item = (u16, u16)>) -> Vec<u8> {
    let session = 4 + 2 + 32;
    let ciphers = session + 1 + usize::from(hello[session]);
    let compression = ciphers + 2 + usize::from(u16::from_be_bytes([hello[ciphers], hello[ciphers + 1]]));
    let extensions = compression + 1 + usize::from(hello[compression]);
    let mut all = hello[extensions + 2..].to_vec();
    for (kind, length) in more {
        all.extend([kind.to_be_bytes(), length.to_be_bytes()].concat());
        all.extend(vec![0; usize::from(length)]);
    }
    let length = u16::try_from(all.len()).expect("extensions").to_be_bytes();
    let body = [&hello[4..extensions], &length, &all].concat();
    [&[1], &u32::try_from(body.len()).expect("a hello").to_be_bytes()[1..], &body].concat()
}

fn odd_hellos(world: &World, report: &mut Report) {
    let member = world.member("svc/other");
    let address = world.order.process.address();
    // What is cut must still be understood, or be refused: after it a whole handshake follows.
    for size in [1, 7, 100] {
        let mut session = session(&member);
        let hello = hello(&mut session);
        let mut socket = TcpStream::connect(address).expect("a connection");
        socket.set_read_timeout(Some(wait::PATIENCE)).expect("a socket");
        let _sent = socket.write_all(&records(&hello, size));
        let mut stream = StreamOwned::new(session, socket);
        let mut ended = Ok((0, 0));
        while stream.conn.is_handshaking() && ended.is_ok() {
            ended = stream.conn.complete_io(&mut stream.sock);
        }
        match ended {
            Ok(_) => {
                let status = get("/open/x", &Vec::new())
                    .send_on(&mut Raw::over(Transport::Client(Box::new(stream))))
                    .status;
                report.equal("the status after pieces", status, 200);
            }
            Err(error) => report.check(error.kind() != std::io::ErrorKind::WouldBlock, || {
                format!("pieces of {size}: neither an answer nor an end")
            }),
        }
    }
    let plain = hello(&mut session(&member));
    let whole = |hello: &[u8]| records(hello, 16384);
    let empty = [0x16, 3, 1, 0, 0];
    for (what, bytes) in [
        ("an extension of 16 KiB", whole(&extended(&plain, [(21, 16384)].into_iter()))),
        ("200 extensions", whole(&extended(&plain, (0..200).map(|n| (0xf000 + n, 1))))),
        ("GREASE", whole(&extended(&plain, [(0x0a0a, 0), (0xfafa, 1)].into_iter()))),
        ("an extension twice", whole(&extended(&plain, [(0x0a0a, 0), (0x0a0a, 0)].into_iter()))),
        ("empty records", [empty.repeat(50), whole(&plain)].concat()),
        ("a length that lies", whole(&[&[1, 0xff, 0xff, 0xff], &plain[4..]].concat())),
        ("zeros", vec![0; 300]),
    ] {
        let mut raw = Raw::connect(address);
        raw.send(bytes);
        raw.half_close();
        let said = raw.closes_within(wait::PATIENCE);
        let sound = said.as_ref().is_some_and(|said| said.is_empty() || [0x15, 0x16].contains(&said[0]));
        report.check(sound, || format!("{what}: {said:?}"));
    }
    let panicked = world.order.process.messages().into_iter().find(|line| line.contains("panic"));
    report.check(panicked.is_none(), || format!("it panicked: {panicked:?}"));
}

fn revoked(world: &World, report: &mut Report) {
    let denied = world.member("svc/denied");
    // Revokes it, and waits until it is refused.
    wire::certificates_that_are_not_good(world, report);
    alert(world, report, "revoked", (Some(&denied), &[]), 44);
    wire_request_refused(world, report, "revoked, and a request at once", Some(&denied));
}

fn many_that_hang(world: &World, report: &mut Report) {
    let mut hanging: Vec<_> = (0..300).map(|_| Raw::connect(world.order.process.address())).collect();
    for raw in &mut hanging {
        raw.send([0x16]);
    }
    still_serves(world, report);
    let open = hanging
        .iter_mut()
        .filter_map(|raw| raw.closes_within(3 * wait::PATIENCE).is_none().then_some(()))
        .count();
    report.equal("connections that stay open", open, 0);
}

fn odd_offers(world: &World, report: &mut Report) {
    let member = world.member("svc/other");
    let long = "a".repeat(255);
    for (what, words) in [
        ("no name", vec!["-noservername"]),
        ("an address", vec!["-servername", "127.0.0.1"]),
        ("255 bytes", vec!["-servername", long.as_str()]),
        ("a dot at the end", vec!["-servername", "shop.test."]),
        ("another alphabet", vec!["-servername", "shöp.test"]),
        ("HTTP/1.1", vec!["-alpn", "foo,http/1.1"]),
    ] {
        let ran = openssl(world, Some(&member), &words, &request());
        let answered = ["HTTP/1.1 200", "HTTP/1.1 421"].iter().any(|line| ran.out.contains(line));
        let refused =
            format!("{}{}", ran.out, ran.err).contains("SSL alert number") && !ran.out.contains("HTTP/1.1 ");
        report.check(answered || refused, || format!("{what}: {ran:?}"));
    }
    alert(world, report, "a protocol nobody speaks", (Some(&member), &["-alpn", "foo"]), 120);
    let mut config = offering(member.tls(Http::Two), Http::Two);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let chosen = shake(&config, world.order.process.address(), HOST).expect("a handshake");
    report.equal("HTTP/2 alone", chosen.conn.alpn_protocol(), Some(b"h2".as_slice()));
    config.alpn_protocols = Vec::new();
    let target = world.fresh("/open/14");
    let none = shake(&config, world.order.process.address(), HOST).map(|stream| {
        let mut raw = raw(stream);
        raw.send(get(&target, &Vec::new()).bytes());
        raw.try_response("GET", wait::PATIENCE).ok().flatten().map_or(0, |answer| answer.status)
    });
    let reached = arrived(&world.order.app, &target).is_some();
    report.equal("none is HTTP/1.1", (none.unwrap_or_default(), reached), (200, true));
}

fn plaintext(world: &World, report: &mut Report) {
    wire::plaintext_and_past_the_sidecar(world, report);
    let hello = records(&hello(&mut session(&world.member("svc/other"))), 16384);
    for listener in [1, 2] {
        let mut raw = Raw::connect(world.order.process.listener(listener));
        raw.send(&hello);
        let said = raw.closes_within(wait::PATIENCE);
        report.check(
            said.as_ref().is_some_and(|said| said.is_empty() || said.starts_with(b"HTTP/1.1 400")),
            || format!("TLS to plaintext: {said:?}"),
        );
    }
    flipped(world, report);
}

/// From permissive to strict, while somebody asks in plaintext. Permissive asks rules that deny alone about who shows no
/// certificate; whom they say they are is not believed even then.
fn flipped(world: &World, report: &mut Report) {
    let folder = world.ca.path("flipped");
    world.ca.run(&["issue", "svc/order", "--out", &folder.display().to_string()]).ok();
    let app = Upstream::echo();
    let strict = std::fs::read_to_string(sidecar(&folder, app.address(), "").file()).expect("the file");
    let bind = format!("inbound: {{ bind: \"{}\"", free());
    let strict = strict.replace("inbound: { bind: \"127.0.0.1:0\"", &bind);
    let process = Edge::start(Config::sidecar(strict.replace(&bind, &format!("{bind}, permissive: true"))));
    let ask = || -> Vec<u8> {
        let request = Client::get("/allowed/x").host(HOST).header("Connection", "close");
        let claims =
            [("X-Auth-User", "root"), ("X-Forwarded-Client-Cert", "URI=root"), ("Txn-Token", "root")];
        let request = claims.iter().fold(request, |request, (name, value)| request.header(name, value));
        let mut raw = Raw::connect(process.address());
        raw.send(request.bytes());
        raw.closes_within(wait::PATIENCE).unwrap_or_default()
    };
    let before = String::from_utf8_lossy(&ask()).into_owned();
    report.check(before.starts_with("HTTP/1.1 200"), || format!("permissive: {before:?}"));
    report.check(!app.saw("root"), || format!("the application was told: {}", app.raw_text()));
    process.rewrite_text(&strict);
    let refused = wait::within(wait::PATIENCE, || (!ask().starts_with(b"HTTP/")).then_some(()));
    report.check(refused.is_some(), || format!("strict takes plaintext: {:?}", process.messages()));
    let reached = app.count();
    let again = (0..20).filter(|_| ask().starts_with(b"HTTP/")).count();
    report.equal("plaintext answered afterwards", again, 0);
    report.equal("requests that reached the application", app.count() - reached, 0);
    let member = world.member("svc/other");
    let status = member.ask(process.address(), Http::Two, &Client::get("/others/x").host(HOST));
    report.equal("a member afterwards", status, 200);
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port")
}
