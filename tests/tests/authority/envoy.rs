//! A real Envoy does mutual TLS with certificates of the authority, and matches the SPIFFE ID.

use portcullis_tests::{Ca, Ran, wait};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running Envoy. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Envoy(Child);

impl Envoy {
    /// Starts one with this configuration, and waits until it listens on all of `ports`.
    ///
    /// # Panics
    /// With what it said, when it ends before.
    pub(crate) fn start(ca: &Ca, config: &str, ports: &[u16]) -> Self {
        let file = ca.path("envoy.yaml");
        std::fs::write(&file, config).expect("written");
        let log = std::fs::File::create(ca.path("envoy.log")).expect("a file");
        let mut command = Command::new(envoy());
        command.args(["--concurrency", "1", "--disable-hot-restart", "-l", "warn", "-c"]).arg(&file);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let mut envoy = Self(command.spawn().expect("envoy"));
        wait::eventually("envoy to listen", || {
            let ended = envoy.0.try_wait().expect("a child");
            assert!(ended.is_none(), "{}", said(ca));
            let listens = |port: &u16| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok();
            ports.iter().all(listens).then_some(())
        });
        envoy
    }
}

/// What Envoy wrote.
pub(crate) fn said(ca: &Ca) -> String {
    std::fs::read_to_string(ca.path("envoy.log")).unwrap_or_default()
}

/// Ports nobody listens on.
pub(crate) fn free_ports() -> [u16; 2] {
    let sockets = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
    sockets.map(|socket| socket.local_addr().expect("an address").port())
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where `tests/run` put it.
fn envoy() -> PathBuf {
    let path =
        std::env::var_os("PORTCULLIS_ENVOY").expect("PORTCULLIS_ENVOY is not set; tests/run brings Envoy");
    PathBuf::from(path)
}

/// `address` in Envoy's words.
pub(crate) fn socket(port: u16) -> String {
    format!("{{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}")
}

/// The certificate of one side, and whom it takes for the other.
pub(crate) fn tls(own: &Path, peer: &str) -> String {
    let own = own.display();
    format!(
        "common_tls_context: {{ tls_params: {{ tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 }}, tls_certificates: [{{ \
         certificate_chain: {{ filename: {own}/svid.pem }}, private_key: {{ filename: {own}/svid.key }} }}], \
         validation_context: {{ trusted_ca: {{ filename: {own}/bundle.pem }}, match_typed_subject_alt_names: \
         [{{ san_type: URI, matcher: {{ exact: \"{peer}\" }} }}] }} }}"
    )
}

/// The filter that speaks HTTP.
pub(crate) const HTTP: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
/// What sends requests on.
pub(crate) const ROUTER: &str = "http_filters: [{ name: router, typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]";

/// Order (plain in front) calls payment (TLS, answers with the URI of who called).
fn config(order: &Path, payment: &Path, ports: [u16; 2]) -> String {
    let [front, back] = ports.map(socket);
    let id = |name: &str| format!("spiffe://shop.example/svc/{name}");
    let cluster = |name: &str, peer: &str| {
        format!(
            "  - {{ name: {name}, connect_timeout: 5s, load_assignment: {{ cluster_name: {name}, endpoints: [{{ lb_endpoints: \
             [{{ endpoint: {{ address: {back} }} }}] }}] }}, transport_socket: {{ name: tls, typed_config: {{ \"@type\": \
             type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, {} }} }} }}\n",
            tls(order, peer)
        )
    };
    let listener = |address: &str, tls: &str, routes: &str| {
        format!(
            "  - {{ address: {address}, filter_chains: [{{ {tls} filters: [{{ name: http, typed_config: {{ \"@type\": {HTTP}, \
             stat_prefix: x, {ROUTER}, route_config: {{ virtual_hosts: [{{ name: all, domains: [\"*\"], routes: [{routes}] }}] }} }} }}] }}] }}\n"
        )
    };
    let server = format!(
        "transport_socket: {{ name: tls, typed_config: {{ \"@type\": \
         type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, require_client_certificate: true, {} }} }},",
        tls(payment, &id("order"))
    );
    let front = listener(
        &front,
        "",
        "{ match: { prefix: /wrong }, route: { cluster: wrong } }, { match: { prefix: / }, route: { cluster: payment } }",
    );
    let back = listener(
        &back,
        &server,
        "{ match: { prefix: / }, direct_response: { status: 200 }, response_headers_to_add: [{ header: { key: x-peer, value: \"%DOWNSTREAM_PEER_URI_SAN%\" } }] }",
    );
    let clusters = cluster("payment", &id("payment")) + &cluster("wrong", &id("bank"));
    format!("static_resources:\n  listeners:\n{front}{back}  clusters:\n{clusters}")
}

#[test]
fn envoy_speaks_mutual_tls_with_issued_certificates_and_matches_the_uri() {
    let ca = Ca::new();
    let (order, payment) = (ca.issue("svc/order", &[]), ca.issue("svc/payment", &[]));
    let ports = free_ports();
    let _envoy = Envoy::start(&ca, &config(&order, &payment, ports), &ports);
    let get = |path: &str| {
        let url = format!("http://127.0.0.1:{}{path}", ports[0]);
        Ran::of(Command::new("curl").args(["-sS", "-i", "--max-time", "10", "--noproxy", "*", &url]))
    };

    let meant = get("/");
    let other = get("/wrong");

    let meant = meant.ok();
    assert!(meant.starts_with("HTTP/1.1 200"), "{meant}\n{}", said(&ca));
    assert!(meant.contains("x-peer: spiffe://shop.example/svc/order"), "{meant}");
    assert!(
        other.ok().starts_with("HTTP/1.1 503"),
        "a certificate of somebody else is not the one that was meant"
    );
}
