//! A real Envoy with a certificate of the authority, on either side of a sidecar.
//!
//! ```text
//!   curl ──> Envoy ──mTLS, HTTP/2──> sidecar of order ──> an application that records
//!   application of order ──> its sidecar ──mTLS, HTTP/2──> Envoy, who says whom it saw
//! ```

use super::world::HOST;
use crate::authority::envoy::{Envoy, HTTP, ROUTER, free_ports, said, socket, tls};
use portcullis_tests::{Ca, Client, Config, Edge, Upstream};
use std::net::SocketAddr;
use std::path::Path;

const ORDER: &str = "spiffe://shop.example/svc/order";
const ENVOY: &str = "spiffe://shop.example/svc/envoy";
const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// A sidecar with the certificate in `own`; `/allowed/**` is for Envoy, `/others/**` for somebody else, the rest for nobody.
pub(super) fn sidecar(own: &Path, app: SocketAddr, services: &str) -> Edge {
    let own = own.display();
    Edge::start(Config::sidecar(format!(
        "version: 1
workload: {{ service: order, app: \"{app}\" }}
workers: 1
admin: {{ bind: \"127.0.0.1:0\" }}
drain: {{ delay: 0s, timeout: 2s }}
mesh: {{ trust_domain: shop.example, svid: {{ cert: \"{own}/svid.pem\", key: \"file:{own}/svid.key\", bundle: \"{own}/bundle.pem\" }} }}
inbound: {{ bind: \"127.0.0.1:0\" }}
authorize:
  - {{ id: envoy, from: [{ENVOY}], to: {{ paths: [/allowed/**] }} }}
  - {{ id: others, from: [spiffe://shop.example/svc/other], to: {{ paths: [/others/**] }} }}
{services}"
    )))
}

/// A service that is `id` at `address`.
pub(super) fn service(name: &str, id: &str, address: SocketAddr) -> String {
    format!("  {name}: {{ mesh: \"{id}\", endpoints: [\"{address}\"], local: \"127.0.0.1:0\" }}\n")
}

/// Envoy, plain in front, calls the sidecar with HTTP/2 over mutual TLS: as it is meant, and as somebody else.
fn client(own: &Path, front: u16, sidecar: SocketAddr) -> String {
    let cluster = |name: &str, peer: &str| {
        format!(
            "  - {{ name: {name}, connect_timeout: 5s, typed_extension_protocol_options: {{ \
             envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {{ \"@type\": {TYPES}.upstreams.http.v3.HttpProtocolOptions, \
             explicit_http_config: {{ http2_protocol_options: {{}} }} }} }}, load_assignment: {{ cluster_name: {name}, endpoints: [{{ \
             lb_endpoints: [{{ endpoint: {{ address: {} }} }}] }}] }}, transport_socket: {{ name: tls, typed_config: {{ \"@type\": \
             {TYPES}.transport_sockets.tls.v3.UpstreamTlsContext, {} }} }} }}\n",
            socket(sidecar.port()),
            tls(own, peer)
        )
    };
    let clusters = cluster("order", ORDER) + &cluster("wrong", "spiffe://shop.example/svc/bank");
    format!(
        "static_resources:\n  listeners:\n  - {{ address: {}, filter_chains: [{{ filters: [{{ name: http, typed_config: {{ \"@type\": \
         {HTTP}, stat_prefix: x, {ROUTER}, route_config: {{ virtual_hosts: [{{ name: all, domains: [\"*\"], routes: [ \
         {{ match: {{ prefix: /wrong }}, route: {{ cluster: wrong }} }}, {{ match: {{ prefix: / }}, route: {{ cluster: order }} }}] \
         }}] }} }} }}] }}] }}\n  clusters:\n{clusters}",
        socket(front)
    )
}

/// Envoy answers whoever shows the certificate of order, and says whom and what it saw.
fn server(own: &Path, port: u16) -> String {
    let tls = tls(own, ORDER).replacen(
        "common_tls_context: {",
        "common_tls_context: { alpn_protocols: [h2, http/1.1],",
        1,
    );
    format!(
        "static_resources:\n  listeners:\n  - {{ address: {}, filter_chains: [{{ transport_socket: {{ name: tls, typed_config: {{ \
         \"@type\": {TYPES}.transport_sockets.tls.v3.DownstreamTlsContext, require_client_certificate: true, {tls} }} }}, filters: \
         [{{ name: http, typed_config: {{ \"@type\": {HTTP}, stat_prefix: x, {ROUTER}, route_config: {{ virtual_hosts: [{{ name: \
         all, domains: [\"*\"], routes: [{{ match: {{ prefix: / }}, direct_response: {{ status: 200 }}, response_headers_to_add: [ \
         {{ header: {{ key: x-peer, value: \"%DOWNSTREAM_PEER_URI_SAN%\" }} }}, {{ header: {{ key: x-protocol, value: \
         \"%PROTOCOL%\" }} }}] }}] }}] }} }} }}] }}] }}\n",
        socket(port)
    )
}

#[test]
fn envoy_as_a_client_is_let_in_by_a_rule_for_its_identity_and_refused_without_one() {
    let ca = Ca::new();
    let (order, own) = (ca.issue("svc/order", &[]), ca.issue("svc/envoy", &[]));
    let app = Upstream::echo();
    let sidecar = sidecar(&order, app.address(), "");
    let [front, _] = free_ports();
    let _envoy = Envoy::start(&ca, &client(&own, front, sidecar.address()), &[front]);
    let get = |path: &str| Client::get(path).host(HOST).send(SocketAddr::from(([127, 0, 0, 1], front)));

    let allowed = get("/allowed/x");
    let others = get("/others/x");
    let nobodys = get("/x");
    let wrong = get("/wrong/x");

    assert_eq!(allowed.status, 200, "{allowed:?}\n{}\n{:?}", said(&ca), sidecar.messages());
    let requests = app.requests();
    assert_eq!(requests.len(), 1, "nothing that was refused arrived: {requests:?}");
    let told = requests[0].header("x-forwarded-client-cert").unwrap_or_default().to_owned();
    assert!(told.contains(ENVOY), "the application is told who asked: {told}");
    for refused in [others, nobodys] {
        assert_eq!((refused.status, refused.code().as_str()), (403, "NOT_AUTHORIZED"), "{refused:?}");
    }
    assert_eq!(wrong.status, 503, "Envoy believes the sidecar to be order alone: {wrong:?}");
}

#[test]
fn envoy_as_a_server_is_reached_as_who_it_is_and_not_as_another() {
    let ca = Ca::new();
    let (order, own) = (ca.issue("svc/order", &[]), ca.issue("svc/envoy", &[]));
    let [back, _] = free_ports();
    let _envoy = Envoy::start(&ca, &server(&own, back), &[back]);
    let address = SocketAddr::from(([127, 0, 0, 1], back));
    let services =
        service("meant", ENVOY, address) + &service("other", "spiffe://shop.example/svc/bank", address);
    let app = Upstream::echo();
    let sidecar = sidecar(&order, app.address(), &format!("services:\n{services}"));

    let meant = Client::get("/x").host("meant").send(sidecar.listener(1));
    let other = Client::get("/x").host("other").send(sidecar.listener(2));

    assert_eq!(meant.status, 200, "{meant:?}\n{}\n{:?}", said(&ca), sidecar.messages());
    assert_eq!(meant.header("x-peer"), Some(ORDER), "{meant:?}");
    assert_eq!(meant.header("x-protocol"), Some("HTTP/2"), "{meant:?}");
    assert!([502, 503].contains(&other.status), "somebody else is not who was meant: {other:?}");
    assert_eq!(other.header("x-peer"), None, "it was not even asked");
}
