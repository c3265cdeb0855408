//! An edge that is a member of the mesh and introduces users: those whose certificates it verified.

use super::{Mesh, People, Svid};
use crate::{Authority, CaServer, Client, Config, Edge, Response};
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::sync::Arc;

/// A running edge. `/users/**` and `/shop/**` ask for a certificate of a person, `/open/**` for nothing; all three go to
/// `order`. `/legacy/**` goes to a plain service that is told about users in headers.
pub struct EdgeInMesh {
    edge: Edge,
    people: People,
    /// Keeps the files of the listener's own certificate.
    _site: Authority,
}

impl std::ops::Deref for EdgeInMesh {
    type Target = Edge;

    fn deref(&self) -> &Edge {
        &self.edge
    }
}

impl EdgeInMesh {
    /// Starts one as `svid`, in front of the member `order` at this address.
    pub fn start(svid: &Svid, order: SocketAddr) -> Self {
        Self::start_with(svid, order, "")
    }

    /// The same with more services (lines of YAML, indented by two).
    pub fn start_with(svid: &Svid, order: SocketAddr, services: &str) -> Self {
        let (cert, key, bundle) = (svid.cert(), svid.key_file(), svid.bundle());
        let source = format!(
            "svid: {{ cert: \"{}\", key: \"file:{}\", bundle: \"{}\" }}",
            cert.display(),
            key.display(),
            bundle.display()
        );
        Self::with_source(&source, order, services)
    }

    /// One that joins at `server`.
    pub fn joining(mesh: &Mesh, server: &CaServer, order: SocketAddr) -> Self {
        let (token, state) = (mesh.token_file("edge", server), mesh.fresh_path("state-edge"));
        let source =
            format!("ca: {{ join_token: \"file:{}\" }}\n  state: \"{}\"", token.display(), state.display());
        Self::with_source(&source, order, "")
    }

    fn with_source(source: &str, order: SocketAddr, services: &str) -> Self {
        let (people, site) = (People::new(), Authority::new());
        let shown = site.issue(&["a", "shop.example"]).yaml();
        let clients = people.ca().display().to_string();
        let legacy = if services.contains("legacy:") {
            "  - { name: legacy, match: \"* /legacy/**\", auth: device, to: legacy }\n"
        } else {
            ""
        };
        let yaml = format!(
            "version: 1
workers: 2
admin: {{ bind: \"127.0.0.1:0\" }}
drain: {{ delay: 0s, timeout: 5s }}
listeners:
  - {{ bind: \"127.0.0.1:0\" }}
  - {{ bind: \"127.0.0.1:0\", tls: {{ certificates: [{shown}], client_ca: \"{clients}\" }} }}
mesh:
  trust_domain: shop.example
  {source}
auth:
  device: {{ certificate: {{ subjects: [\"CN=alice\", \"CN=bob\", \"CN=*.devices.shop.example\"], roles: [buyer], scopes: [\"orders:write\"] }} }}
services:
  order: {{ mesh: spiffe://shop.example/svc/order, endpoints: [\"{order}\"] }}
{services}routes:
  - {{ name: users, match: \"* /users/**\", auth: device, to: order }}
  - {{ name: shop, match: \"* /shop/**\", auth: device, to: order }}
  - {{ name: open, match: \"* /open/**\", auth: public, to: order }}
{legacy}"
        );
        Self { edge: Edge::start(Config::raw(yaml)), people, _site: site }
    }

    /// The people it knows.
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Where people connect, over TLS.
    pub fn secure(&self) -> SocketAddr {
        self.edge.listener(1)
    }

    /// A client called `name`.
    pub fn person(&self, name: &str) -> Arc<ClientConfig> {
        self.people.client(name)
    }

    /// One request of somebody called `name`.
    pub fn send_as(&self, name: &str, request: &Client) -> Response {
        People::send(&self.person(name), self.secure(), request)
    }
}
