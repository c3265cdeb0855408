//! The root is replaced under fifty live clients whose certificates live a minute, and no handshake fails.
//!
//! Each member is a real agent with a state directory of its own, which talks to the real server. Each serves and calls:
//! every half second it shakes hands with another one, with the identities both hold at that moment.

use portcullis_ca::client::{Agent, Identity, Options};
use portcullis_tests::{Ca, CaServer, Ran, mutual_tls, wait};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const MEMBERS: usize = 50;
const PAUSE: Duration = Duration::from_millis(500);
/// Certificates live 60 s and are renewed by two thirds of it: a rotation takes less than two minutes.
const PATIENCE: Duration = Duration::from_secs(180);

type Current = watch::Receiver<Option<Arc<Identity>>>;

#[derive(Clone)]
struct Member {
    identity: Current,
    address: SocketAddr,
}

/// What came of the handshakes.
#[derive(Default)]
struct Tally {
    good: Cell<usize>,
    bad: RefCell<Vec<String>>,
}

fn now_of(identity: &Current) -> Arc<Identity> {
    identity.borrow().clone().expect("it has joined")
}

/// Joins, and stays a member until the test ends.
async fn member(ca: &Ca, server: &CaServer, number: usize) -> Member {
    let name = format!("svc/member-{}", number % 10);
    let file = ca.path(&format!("token-{number}"));
    std::fs::write(&file, ca.token(&name, server)).expect("written");
    let dir = ca.path(&format!("state-{number}"));
    let agent = Agent::new(Options { dir, token_file: Some(file), ttl: None, keep_key: false, url: None })
        .expect("an agent");
    let mut identity = agent.identity();
    tokio::task::spawn_local(agent.run(std::future::pending()));
    tokio::time::timeout(wait::PATIENCE, identity.wait_for(Option::is_some))
        .await
        .expect("in time")
        .expect("it joins");
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    tokio::task::spawn_local(serve(socket, identity.clone()));
    Member { identity, address }
}

/// Greets whoever shows a certificate it believes.
async fn serve(socket: TcpListener, identity: Current) {
    loop {
        let (stream, _) = socket.accept().await.expect("a connection");
        let acceptor = tokio_rustls::TlsAcceptor::from(mutual_tls::accepting(&now_of(&identity)));
        tokio::task::spawn_local(async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.write_all(b"hello").await;
                let _ = stream.shutdown().await;
            }
        });
    }
}

/// One handshake, both ways: the greeting comes only after the other side has verified us.
async fn call(from: &Current, to: SocketAddr) -> Result<(), std::io::Error> {
    let connector = tokio_rustls::TlsConnector::from(mutual_tls::connecting(&now_of(from)));
    let name = rustls::pki_types::ServerName::IpAddress(to.ip().into());
    let mut stream = connector.connect(name, TcpStream::connect(to).await?).await?;
    let mut greeting = [0; 5];
    stream.read_exact(&mut greeting).await.map(|_| ())
}

async fn keep_calling(members: Rc<Vec<Member>>, own: usize, tally: Rc<Tally>) {
    for round in 1.. {
        // Over time everybody calls everybody.
        let peer = (own + round * 7 + round / MEMBERS) % MEMBERS;
        match call(&members[own].identity, members[peer].address).await {
            Ok(()) => tally.good.set(tally.good.get() + 1),
            Err(error) => tally.bad.borrow_mut().push(format!("{own} called {peer}: {error}")),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Types a step of the rotation until it is not refused any more; how often it was.
async fn step(ca: &Arc<Ca>, verb: &'static str) -> usize {
    let end = wait::now() + PATIENCE;
    for refused in 0.. {
        let ca = Arc::clone(ca);
        let ran: Ran = tokio::task::spawn_blocking(move || ca.run(&["root", verb])).await.expect("a thread");
        match ran.code {
            Some(0) => return refused,
            Some(3) => assert!(wait::now() < end, "root {verb} is still refused: {}", ran.err),
            _ => panic!("root {verb}: {ran:?}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    unreachable!("it ends before it runs out of numbers")
}

async fn rotate_under_load() {
    let ca = Arc::new(Ca::with(&["--ttl", "1m"]));
    let server = ca.serve_with(&["--bootstraps-per-second", "1000"]);
    for service in 0..10 {
        ca.entry(&format!("svc/member-{service}"), &["--ttl-max", "1m"]);
    }
    let mut members = Vec::new();
    for number in 0..MEMBERS {
        members.push(member(&ca, &server, number).await);
    }
    let (members, tally) = (Rc::new(members), Rc::new(Tally::default()));
    for own in 0..MEMBERS {
        tokio::task::spawn_local(keep_calling(Rc::clone(&members), own, Rc::clone(&tally)));
    }

    step(&ca, "prepare").await;
    step(&ca, "activate").await;
    let waited = step(&ca, "retire").await;
    // A while under the new root alone.
    tokio::time::sleep(10 * PAUSE).await;

    assert!(waited > 0, "retiring waits for the certificates under the old root");
    assert_eq!(*tally.bad.borrow(), Vec::<String>::new());
    assert!(tally.good.get() > MEMBERS * 20, "only {} handshakes", tally.good.get());
    let new = now_of(&members[0].identity).trust.bundle.roots.clone();
    assert_eq!(new.len(), 1);
    for member in members.iter() {
        assert_eq!(now_of(&member.identity).trust.bundle.roots, new, "everybody believes the new root alone");
    }
    ca.run(&["audit", "verify"]).ok();
}

#[test]
fn the_root_is_replaced_under_fifty_live_clients_without_a_failed_handshake() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());

    runtime.expect("a runtime").block_on(rotate_under_load());
}

#[test]
fn a_root_is_not_activated_over_who_does_not_believe_it_unless_forced() {
    let ca = Ca::new();
    ca.issue("svc/order", &[]);
    ca.run(&["root", "prepare"]).ok();

    let refused = ca.run(&["root", "activate"]);
    let shown = ca.run(&["root", "show"]);
    let instances = ca.json(&["bundle", "status"]);
    let instance = instances["instances"][0]["instance"].as_str().expect("an instance");
    ca.run(&["bundle", "acknowledge", instance, "--sequence", "2"]).ok();
    ca.run(&["root", "activate"]).ok();
    let held = ca.run(&["root", "retire"]);
    let forced = ca.run(&["root", "retire", "--force"]);

    assert_eq!((refused.code, held.code), (Some(3), Some(3)), "{}{}", refused.err, held.err);
    assert!(refused.err.contains("svc/order"), "{}", refused.err);
    assert!(shown.ok().contains("svc/order"));
    forced.ok();
    let audit = ca.run(&["audit", "tail", "--json"]).ok();
    assert!(audit.contains("\"forced\":true"), "{audit}");
}

#[test]
fn a_rotation_goes_back_step_by_step() {
    let ca = Ca::new();
    for verb in ["prepare", "activate", "rollback", "rollback", "prepare", "activate", "retire"] {
        ca.run(&["root", verb]).ok();
    }

    let wrong = ca.run(&["root", "rollback"]);

    assert_eq!(wrong.code, Some(1), "{}", wrong.err);
    let roots = ca.json(&["check"])["health"]["roots"].clone();
    assert_eq!(roots.as_array().map(Vec::len), Some(1), "{roots}");
    assert_eq!(roots[0]["id"], "root-3");
}

#[test]
fn an_intermediate_is_replaced_with_the_root_key_brought_from_elsewhere() {
    let ca = Ca::new();
    let before = ca.issue("svc/order", &[]);
    std::fs::rename(ca.dir().join("keys/root-1.key"), ca.path("safe.key")).expect("moved");

    let away = ca.run(&["intermediate", "rotate"]);
    ca.run(&["intermediate", "rotate", "--root-key", "safe.key"]).ok();
    let after = ca.issue("svc/payment", &[]);

    assert_eq!(away.code, Some(1));
    assert!(away.err.contains("--root-key"), "{}", away.err);
    for member in [before, after] {
        let file = |name: &str| member.join(name).display().to_string();
        ca.run(&["verify", &file("svid.pem"), "--bundle", &file("bundle.pem")]).ok();
    }
}
