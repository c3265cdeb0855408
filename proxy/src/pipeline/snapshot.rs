//! One configuration as one worker uses it. Immutable: a reload makes a new one, exchanges keep theirs.

use super::admit::Rules;
use crate::admission::authenticate::authenticator::Authenticator;
use crate::admission::authorize::Policy;
use crate::admission::limit::limiter::Limiter;
use crate::config::listener::Role;
use crate::config::service::ServiceId;
use crate::config::{Config, Route};
use crate::route::RouteTables;
use crate::upstream::cluster::Cluster;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

/// One configuration as one worker uses it.
#[derive(Debug)]
pub struct Snapshot {
    /// The meaning of the file.
    pub config: Arc<Config>,
    /// Its routes, compiled.
    pub tables: Arc<RouteTables>,
    /// Who may call the workload.
    pub policy: Arc<Policy>,
    /// Who clients are.
    pub authenticator: Rc<Authenticator>,
    /// How often they may ask.
    pub limiter: Rc<Limiter>,
    /// Its services, in the order of the file.
    pub clusters: Vec<Rc<Cluster>>,
}

impl Snapshot {
    /// What decides about requests to listeners of a role.
    pub fn rules(&self, role: Role) -> Rules<'_> {
        Rules { config: &self.config, table: self.tables.of(role), policy: &self.policy }
    }

    /// The service that has an endpoint at this address, as far as we know by now.
    pub fn service_at(&self, address: SocketAddr) -> Option<ServiceId> {
        // A sidecar's first service is its own application, which nobody is sent back to.
        let others = self.clusters.iter().enumerate().skip(usize::from(self.config.sidecar.is_some()));
        others.into_iter().find(|(_, cluster)| cluster.has(address)).map(|(index, _)| ServiceId(index))
    }

    /// The route of an index the table gave out.
    pub fn route(&self, index: usize) -> Option<&Route> {
        self.config.routes.get(index)
    }

    /// Its name, for logs.
    pub fn route_name(&self, index: usize) -> &str {
        self.route(index).map_or("", |route| &route.name)
    }
}
