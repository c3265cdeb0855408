//! The processes everybody attacks, started once.
//!
//! | path | who may ask `order` and `payment` |
//! |--|--|
//! | `/open/**` | the edges and the services, with a user or without |
//! | `/user/**` | the same, for a user |
//! | `/pay/**` | the same at `order`, whose application calls `payment` with the passport it got |
//! | `/scoped/**` | `svc/order` at `payment`, for a user with `orders:write` |
//! | anything else | nobody |

use super::forge::Fields;
use super::member::{Http, Member, offering, raw, shake};
use portcullis_tests::{
    Authority, Ca, CaServer, Client, Config, Edge, Raw, Reply, Request, Response, Upstream, wait,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The edge, which may introduce users.
pub(super) const EDGE: &str = "spiffe://shop.example/edge";
/// A service in the middle.
pub(super) const ORDER: &str = "spiffe://shop.example/svc/order";
/// A service at the end.
pub(super) const PAYMENT: &str = "spiffe://shop.example/svc/payment";
/// A service in front of WSGI.
pub(super) const LEGACY: &str = "spiffe://shop.example/svc/legacy";
/// The host of the edge.
pub(super) const HOST: &str = "shop.test";

/// A sidecar and its application.
pub(super) struct Service {
    /// The sidecar; the edge, in one case.
    pub(super) process: Edge,
    /// The application.
    pub(super) app: Upstream,
}

/// Everything.
pub(super) struct World {
    /// The edge.
    pub(super) edge: Edge,
    /// In the middle.
    pub(super) order: Service,
    /// At the end.
    pub(super) payment: Service,
    /// In front of WSGI.
    pub(super) legacy: Edge,
    _wsgi: Wsgi,
    /// A service outside the mesh, which `order` knows.
    pub(super) foreign: Upstream,
    /// Who gives people their certificates.
    pub(super) people: People,
    /// The authority.
    pub(super) ca: Ca,
    _server: CaServer,
    asked: AtomicUsize,
}

/// Who asks, whom, and how.
pub(super) type Way<'a> = (&'a Member, &'a Service, Http);

/// What became of a request.
#[derive(Debug)]
pub(super) struct Seen {
    /// The status; 0: no answer.
    pub(super) status: u16,
    /// As the application got it.
    pub(super) at_app: Option<Request>,
}

impl Seen {
    /// What the application was told of the user.
    pub(super) fn told(&self) -> Fields {
        self.at_app.as_ref().map(told).unwrap_or_default()
    }

    /// The user the application was told, when it was told exactly one.
    pub(super) fn user(&self) -> Option<String> {
        match self.at_app.as_ref()?.headers.all("x-auth-user").as_slice() {
            [user] => Some((*user).to_owned()),
            _ => None,
        }
    }
}

/// The fields of a request that speak of a user, whatever their spelling.
pub(super) fn told(request: &Request) -> Fields {
    request
        .headers
        .0
        .iter()
        .chain(&request.trailers.0)
        .filter(|(name, _)| speaks_of_users(name))
        .cloned()
        .collect()
}

fn speaks_of_users(name: &str) -> bool {
    let folded: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let begins = ["x-auth-", "x-user-", "x-portcullis-", "portcullis-", "x-forwarded-user", "ssl-client-"];
    let whole = ["txn-token", "remote-user", "workload-identity-token", "workload-proof-token"];
    begins.iter().any(|begin| folded.starts_with(begin)) || whole.contains(&folded.as_str())
}

impl World {
    /// Starts all of it.
    pub(super) fn start() -> Self {
        let ca = Ca::new();
        let server = ca.serve();
        for name in ["edge", "edge-two"] {
            ca.entry(name, &["--grant", "assert"]);
        }
        for name in ["svc/order", "svc/payment", "svc/other", "svc/legacy", "svc/denied"] {
            ca.entry(name, &[]);
        }
        let people = People::new();
        let foreign = Upstream::echo();
        let payment_app = Upstream::answering(|_| leaky(200));
        let payment = Edge::start(Config::sidecar(sidecar(
            "payment",
            payment_app.address(),
            &format!("{}, identity: {{ assert: [{EDGE}, {EDGE}-two] }}", svid(&ca, &server, "svc/payment")),
            "  - { id: scoped, from: [spiffe://shop.example/svc/order], to: { paths: [/scoped/**] }, user: required, scopes: [orders:write] }\n",
        )));
        let (order_app, sidecar_of_order) = calling_app();
        let joined = format!(
            "ca: {{ join_token: \"file:{}\" }}, state: \"{}\"",
            token(&ca, &server),
            ca.path("order-state").display()
        );
        let order = Edge::start(Config::sidecar(order_yaml(
            &sidecar("order", order_app.address(), &joined, ""),
            payment.address(),
            foreign.address(),
        )));
        sidecar_of_order.set((order.listener(1), order.listener(2))).expect("set once");
        let wsgi = Wsgi::start();
        let legacy = Edge::start(Config::sidecar(
            sidecar(
                "legacy",
                wsgi.address,
                &format!(
                    "{}, identity: {{ level: headers, assert: [{EDGE}] }}",
                    svid(&ca, &server, "svc/legacy")
                ),
                "",
            )
            .replace("\"127.0.0.1:0\" } #admin", &format!("\"unix:{}\" }}", ca.path("admin.sock").display())),
        ));
        let edge = Edge::start(Config::raw(edge_yaml(
            &svid(&ca, &server, "edge"),
            &people,
            (order.address(), legacy.address()),
        )));
        Self {
            edge,
            order: Service { process: order, app: order_app },
            payment: Service { process: payment, app: payment_app },
            legacy,
            _wsgi: wsgi,
            foreign,
            people,
            ca,
            _server: server,
            asked: AtomicUsize::new(0),
        }
    }

    /// A new certificate for `name` (`svc/order`), with a key of its own: another replica, or a thief.
    pub(super) fn member(&self, name: &str) -> Member {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let folder = self.ca.path(&format!("member-{number}"));
        self.ca.run(&["issue", name, "--out", &folder.display().to_string()]).ok();
        Member::load(&folder)
    }

    /// A path nobody has asked for.
    pub(super) fn fresh(&self, path: &str) -> String {
        format!("{path}?n={}", self.asked.fetch_add(1, Ordering::Relaxed))
    }

    /// What becomes of a GET by a member.
    pub(super) fn ask(&self, (by, to, http): Way<'_>, path: &str, fields: &Fields) -> Seen {
        let target = self.fresh(path);
        let status = by.ask(to.process.address(), http, &get(&target, fields));
        Seen { status, at_app: arrived(&to.app, &target) }
    }

    /// What becomes of a GET by somebody outside, with the certificate of `person`.
    pub(super) fn outside(&self, person: Option<&str>, path: &str, fields: &Fields) -> (Seen, Response) {
        let target = self.fresh(path);
        let answer = get(&target, fields).send_on(&mut self.browser(person));
        (Seen { status: answer.status, at_app: arrived(&self.order.app, &target) }, answer)
    }

    /// A connection to the edge.
    pub(super) fn browser(&self, person: Option<&str>) -> Raw {
        let config = self.people.tls(person, Http::One);
        raw(shake(&config, self.edge.address(), HOST).expect("a handshake"))
    }

    /// What the application of `order` gets from its sidecar when it asks for `payment`.
    pub(super) fn call_on(&self, path: &str, fields: &Fields) -> Seen {
        let target = self.fresh(path);
        let status = get(&target, fields).send(self.order.process.listener(2)).status;
        Seen { status, at_app: arrived(&self.payment.app, &target) }
    }
}

/// A GET with these fields.
pub(super) fn get(target: &str, fields: &Fields) -> Client {
    fields.iter().fold(Client::get(target).host(HOST), |client, (name, value)| client.header(name, value))
}

/// The request for `target` as it arrived.
pub(super) fn arrived(app: &Upstream, target: &str) -> Option<Request> {
    app.requests().into_iter().find(|request| request.target == target)
}

impl Service {
    /// How often evidence of `peer` was refused for this reason; empty: of anybody.
    pub(super) fn rejected(&self, reason: &str, peer: &str) -> f64 {
        let labels = [("reason", reason), ("peer", peer)];
        let known = if peer.is_empty() { &labels[..1] } else { &labels };
        self.process.metric("portcullis_identity_rejected_total", known)
    }
}

/// An answer that tells what it should not.
fn leaky(status: u16) -> Reply {
    Reply::new(status)
        .header("Txn-Token", "eyJsZWFrIjoxfQ.e30.AAAA")
        .header("Portcullis-Stamps", "eyJsZWFrIjoxfQ.e30.AAAA")
        .header("X-Auth-User", "leaked")
        .header("X-Forwarded-Client-Cert", "URI=spiffe://shop.example/leaked")
        .body("ok")
}

/// The application of `order`: calls on under `/pay/`, tells strangers everything under `/user/egress`, and everybody
/// under `/user/trailers`.
/// The addresses: where its sidecar takes calls by Host, and those to `payment`.
fn calling_app() -> (Upstream, Arc<OnceLock<(SocketAddr, SocketAddr)>>) {
    let sidecar: Arc<OnceLock<(SocketAddr, SocketAddr)>> = Arc::default();
    let known = Arc::clone(&sidecar);
    let app = Upstream::answering(move |request| {
        let token = request.header("txn-token").unwrap_or_default();
        let (outbound, payment) = *known.get().expect("started");
        if let Some(rest) = request.target.strip_prefix("/pay/") {
            let call = Client::get(&format!("/user/{rest}")).header("Txn-Token", token);
            return Reply::new(call.send(payment).status);
        }
        if request.target.starts_with("/user/egress") {
            let call = Client::get(&request.target).host("foreign").header("Txn-Token", token);
            let call = call.header("X-Auth-User", "alice").header("Portcullis-Stamps", token);
            return Reply::new(call.send(outbound).status);
        }
        if request.target.starts_with("/user/trailers") {
            return leaky(200)
                .chunked(&[("Txn-Token", "eyJsZWFrIjoxfQ.e30.AAAA"), ("X-Auth-User", "leaked")]);
        }
        leaky(200)
    });
    (app, sidecar)
}

/// A sidecar. `mesh`: where its certificate comes from; `rules`: more of them.
fn sidecar(name: &str, app: SocketAddr, mesh: &str, rules: &str) -> String {
    let peers = "[spiffe://shop.example/edge, spiffe://shop.example/edge-two, spiffe://shop.example/svc/*]";
    format!(
        "version: 1
workload: {{ service: {name}, app: \"{app}\" }}
workers: 2
admin: {{ bind: \"127.0.0.1:0\" }} #admin
drain: {{ delay: 0s, timeout: 2s }}
mesh: {{ trust_domain: shop.example, {mesh} }}
inbound: {{ bind: \"127.0.0.1:0\" }}
authorize:
  - {{ id: open, from: {peers}, to: {{ paths: [/open/**] }} }}
  - {{ id: user, from: {peers}, to: {{ paths: [/user/**, /pay/**, /legacy/**] }}, user: required }}
{rules}"
    )
}

fn order_yaml(sidecar: &str, payment: SocketAddr, foreign: SocketAddr) -> String {
    format!(
        "{sidecar}outbound: {{ bind: \"127.0.0.1:0\" }}
services:
  payment: {{ mesh: {PAYMENT}, endpoints: [\"{payment}\"], local: \"127.0.0.1:0\" }}
  foreign: {{ endpoints: [\"{foreign}\"] }}
"
    )
}

fn edge_yaml(mesh: &str, people: &People, (order, legacy): (SocketAddr, SocketAddr)) -> String {
    let (cert, client_ca) = (people.server.yaml(), people.file.display());
    let mut yaml = format!(
        "version: 1
workers: 2
admin: {{ bind: \"127.0.0.1:0\" }}
drain: {{ delay: 0s, timeout: 2s }}
listeners: [{{ bind: \"127.0.0.1:0\", tls: {{ certificates: [{cert}], client_ca: \"{client_ca}\" }} }}]
mesh: {{ trust_domain: shop.example, {mesh} }}
auth: {{ people: {{ certificate: {{ subjects: [\"CN=alice\", \"CN=bob\"], roles: [buyer], scopes: [\"orders:write\"] }} }} }}
services:
  order: {{ mesh: {ORDER}, endpoints: [\"{order}\"] }}
  legacy: {{ mesh: {LEGACY}, endpoints: [\"{legacy}\"] }}
routes:
"
    );
    for (path, auth, to) in [
        ("user", "people", "order"),
        ("pay", "people", "order"),
        ("open", "public", "order"),
        ("legacy", "people", "legacy"),
    ] {
        let _ = writeln!(yaml, "  - {{ name: {path}, match: \"* /{path}/**\", auth: {auth}, to: {to} }}");
    }
    yaml
}

/// Joins as `name`; the files as `mesh:` names them. The folder is called like the member.
fn svid(ca: &Ca, server: &CaServer, name: &str) -> String {
    let out = ca.path(&name.replace('/', "-"));
    let token = ca.token(name, server);
    ca.run(&["bootstrap", &token, "--out", &out.display().to_string()]).ok();
    let out = out.display();
    format!(
        "svid: {{ cert: \"{out}/svid.pem\", key: \"file:{out}/svid.key\", bundle: \"{out}/bundle.pem\" }}"
    )
}

/// A file with a token for `svc/order`.
fn token(ca: &Ca, server: &CaServer) -> String {
    let file = ca.path("order-token");
    std::fs::write(&file, ca.token("svc/order", server)).expect("written");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, private).expect("permissions");
    file.display().to_string()
}

/// People with certificates, and the certificate of the edge towards them.
pub(super) struct People {
    issuer: CertifiedIssuer<'static, KeyPair>,
    authority: Authority,
    server: portcullis_tests::Identity,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl People {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "people");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a root");
        let file = folder.path().join("people.pem");
        std::fs::write(&file, issuer.pem()).expect("written");
        let authority = Authority::new();
        let server = authority.issue(&[HOST]);
        Self { issuer, authority, server, file, _folder: folder }
    }

    /// The TLS of `person`.
    pub(super) fn tls(&self, person: Option<&str>, http: Http) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let ca = std::fs::read(self.authority.ca()).expect("a root");
        roots.add(rustls::pki_types::pem::PemObject::from_pem_slice(&ca).expect("PEM")).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("versions").with_root_certificates(roots);
        let config = match person {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let (cert, key) = self.certificate(name);
                builder.with_client_auth_cert(vec![cert], key).expect("a pair")
            }
        };
        offering(config, http)
    }

    fn certificate(
        &self,
        name: &str,
    ) -> (rustls::pki_types::CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.issuer).expect("a certificate");
        (leaf.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }
}

/// An application that answers with what WSGI makes of the header fields.
struct Wsgi {
    child: Child,
    address: SocketAddr,
}

const APPLICATION: &str = "
import json
from wsgiref.simple_server import make_server, WSGIRequestHandler
class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass
def app(environ, start):
    body = json.dumps({k: v for k, v in environ.items() if k.startswith(('HTTP_X', 'HTTP_TXN', 'HTTP_PORT'))}).encode()
    start('200 OK', [('Content-Type', 'application/json'), ('Content-Length', str(len(body)))])
    return [body]
server = make_server('127.0.0.1', 0, app, handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
";

impl Wsgi {
    fn start() -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", APPLICATION]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a port");
        let address = SocketAddr::from(([127, 0, 0, 1], line.trim().parse().expect("a port")));
        Self { child, address }
    }
}

impl Drop for Wsgi {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The folder a member of the world has joined with.
pub(super) fn folder(ca: &Ca, name: &str) -> PathBuf {
    ca.path(&name.replace('/', "-"))
}

/// Makes new certificate and key in `folder`.
pub(super) fn rekey(ca: &Ca, folder: &Path) {
    ca.run(&["rekey", "--out", &folder.display().to_string()]).ok();
}

/// Waits until a process has taken over its new certificate.
pub(super) fn wait_renewed(process: &Edge, before: usize) {
    wait::eventually("a new certificate to be taken over", || {
        let renewed = process.messages().iter().filter(|line| line.contains("identity_renewed")).count();
        (renewed > before).then_some(())
    });
}
