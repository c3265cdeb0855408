//! A configuration made ready to run: routes compiled, certificates read, caps counted on.
//!
//! Made off the request path, and whole or not at all: whatever can fail fails here, before any worker hears of
//! it. Shared by all workers, immutable.

use crate::admission::authenticate::issuer::KeyStore;
use crate::admission::authorize::Policy;
use crate::config::auth::{KeySource, Provider, Scheme};
use crate::config::{Config, Listener};
use crate::listener::caps::Limits;
use crate::route::{BuildError, RouteTables};
use crate::tls::client::ClientTls;
use crate::tls::pem::TlsError;
use crate::tls::server::ServerTls;
use portcullis_discovery::Feed;
use std::net::SocketAddr;
use std::sync::Arc;

/// A configuration made ready to run.
#[derive(Debug)]
pub struct Deployment {
    /// The meaning of the file.
    pub config: Arc<Config>,
    /// Its routes.
    pub tables: Arc<RouteTables>,
    /// Who may call the workload.
    pub policy: Arc<Policy>,
    /// Its listeners, in the order of the file.
    pub listeners: Vec<ListenerPlan>,
    /// Where the endpoints of its services come from, in the order of the file.
    pub feeds: Vec<Feed>,
    /// TLS towards its services, in the order of the file.
    pub client_tls: Vec<Option<ClientTls>>,
    /// Keys of issuers that are fetched, beside the entries of `auth:`.
    pub issuers: Vec<Option<Arc<KeyStore>>>,
}

/// A listener made ready to run.
#[derive(Debug)]
pub struct ListenerPlan {
    /// What it is known by across reloads.
    pub key: ListenerKey,
    /// Its section of the file.
    pub listener: Listener,
    /// Its certificates.
    pub tls: Option<ServerTls>,
    /// Its caps and counts.
    pub limits: Limits,
}

/// What a listener is known by across reloads: its address as written, and its turn among equals (port 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenerKey(SocketAddr, usize);

/// Why a configuration cannot run here.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// A certificate, key or bundle.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Routes that cannot be told apart, or that do not compile.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Routes(Vec<BuildError>),
}

impl Deployment {
    /// Reads and compiles everything; counts of listeners in `before` go on.
    pub fn new(config: Config, feeds: Vec<Feed>, before: Option<&Self>) -> Result<Self, DeployError> {
        let tables = RouteTables::build(&config.routes).map_err(DeployError::Routes)?;
        let mut listeners: Vec<ListenerPlan> = Vec::with_capacity(config.listeners.len());
        for listener in &config.listeners {
            let turn = listeners.iter().filter(|plan| plan.listener.bind == listener.bind).count();
            let key = ListenerKey(listener.bind, turn);
            let known = before.and_then(|before| before.listeners.iter().find(|plan| plan.key == key));
            let limits =
                known.map_or_else(|| Limits::new(listener.caps), |plan| plan.limits.renewed(listener.caps));
            listeners.push(ListenerPlan {
                key,
                tls: ServerTls::load(listener, known.and_then(|plan| plan.tls.as_ref()))?,
                listener: listener.clone(),
                limits,
            });
        }
        let client_tls = config
            .services
            .iter()
            .map(|service| service.tls.as_ref().map(|tls| ClientTls::load(tls, service.protocol)).transpose())
            .collect::<Result<_, _>>()?;
        let policy = Arc::new(Policy::build(&config.authorize));
        let issuers = issuers(&config, before);
        Ok(Self {
            config: Arc::new(config),
            tables: Arc::new(tables),
            policy,
            listeners,
            feeds,
            client_tls,
            issuers,
        })
    }
}

/// Keys that were fetched stay, as long as they are fetched from the same place.
fn issuers(config: &Config, before: Option<&Deployment>) -> Vec<Option<Arc<KeyStore>>> {
    let source = |provider: &Provider| match &provider.scheme {
        Scheme::Jwt(rule) => Some(rule.keys.clone()),
        _ => None,
    };
    let known = |keys: &KeySource| {
        let before = before?;
        let mut pairs = before.config.auth.iter().zip(&before.issuers);
        pairs.find(|(provider, _)| source(provider).as_ref() == Some(keys))?.1.clone()
    };
    let store = |provider: &Provider| {
        let keys = source(provider)?;
        known(&keys).or_else(|| fetched(&keys))
    };
    config.auth.iter().map(store).collect()
}

fn fetched(keys: &KeySource) -> Option<Arc<KeyStore>> {
    let KeySource::Url { remote, refresh, stale } = keys else { return None };
    Some(Arc::new(KeyStore::new(remote.clone(), *refresh, *stale)))
}
