//! `workload:`, `inbound:`, `outbound:`, `ready:`: what makes a process a sidecar.

use super::service::Protocol;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What stands beside one service.
#[derive(Debug, Clone)]
pub struct Sidecar {
    /// The service.
    pub workload: Workload,
    /// Where readiness is told (`/ready`, `/live`), plain, without secrets. Default: nowhere.
    pub ready: Option<SocketAddr>,
}

impl Sidecar {
    /// What only a restart can change.
    pub fn fixed(&self) -> (&Workload, Option<SocketAddr>) {
        (&self.workload, self.ready)
    }
}

/// The service beside us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// What it is called; what rules call it.
    pub service: Arc<str>,
    /// Where it listens: loopback.
    pub app: SocketAddr,
    /// What is spoken to it; `Tcp` takes tunnels only.
    pub protocol: Protocol,
    /// A path that answers 2xx when the application is ready. `None`: it is when it takes connections.
    pub health: Option<Health>,
}

/// How the application's health is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Path to ask for; `None`: a connection is enough.
    pub path: Option<Arc<str>>,
    /// Between two questions. Default 1 s.
    pub interval: Duration,
    /// How long an answer may take. Default 1 s.
    pub timeout: Duration,
}
