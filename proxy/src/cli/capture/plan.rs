//! From the flags and a configuration to what is to be captured.

use super::Ended;
use super::args::PlanArgs;
use crate::capture::{Exempt, Incoming, MARK, Name, Plan};
use crate::config::listener::Role;
use crate::config::{self, Config};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

impl PlanArgs {
    /// The plan: what the configuration says, and the flags over it; `None` when nothing says the port.
    pub(super) fn plan(&self) -> Result<Option<Plan>, Ended> {
        let mut plan = match (&self.config, self.outbound) {
            (Some(file), outbound) => of_config(file, &config::load(file)?.config, outbound)?,
            (None, Some(outbound)) => bare(Name::of_service("sidecar"), outbound),
            (None, None) => return Ok(None),
        };
        plan.name = self.name.clone().unwrap_or(plan.name);
        plan.inbound = self.inbound.or(plan.inbound).filter(|_| !self.outbound_only);
        plan.exempt = Exempt { mark: self.mark, uid: self.uid };
        plan.skip_ports.clone_from(&self.skip_port);
        plan.skip_networks.clone_from(&self.skip_network);
        Ok(Some(plan))
    }
}

fn bare(name: Name, outbound: u16) -> Plan {
    let exempt = Exempt { mark: MARK, uid: None };
    Plan { name, outbound, inbound: None, exempt, skip_ports: Vec::new(), skip_networks: Vec::new() }
}

/// What the capture of a sidecar is called: its service.
pub(super) fn name_of(file: &Path, config: &Config) -> Result<Name, Ended> {
    let sidecar = config.sidecar.as_ref().ok_or_else(|| Ended::NoSidecar(file.to_owned()))?;
    Ok(Name::of_service(&sidecar.workload.service))
}

pub(super) fn of_config(file: &Path, config: &Config, outbound: Option<u16>) -> Result<Plan, Ended> {
    let name = name_of(file, config)?;
    let outbound = match outbound {
        Some(port) => port,
        None => captured(config, file)?,
    };
    Ok(Plan { inbound: incoming(config), ..bare(name, outbound) })
}

/// The port of the listener for captured connections.
fn captured(config: &Config, file: &Path) -> Result<u16, Ended> {
    let bind = bound(config, |role| role == Role::Captured);
    let bind = bind.ok_or_else(|| Ended::NoCapture(file.to_owned()))?;
    if is_reached(bind.ip()) { Ok(bind.port()) } else { Err(Ended::NotLoopback(bind)) }
}

/// Incoming connections for the application's own port would get past the rules of the mesh. The kernel hands them to
/// the address they came in on, so a listener on loopback would not have them.
fn incoming(config: &Config) -> Option<Incoming> {
    let bind = bound(config, |role| matches!(role, Role::Inbound { .. }))?;
    let app = config.sidecar.as_ref()?.workload.app.port();
    let port = bind.port();
    (!bind.ip().is_loopback() && app != port).then_some(Incoming { app, port })
}

fn bound(config: &Config, wanted: impl Fn(Role) -> bool) -> Option<SocketAddr> {
    config.listeners.iter().find(|listener| wanted(listener.role)).map(|listener| listener.bind)
}

/// Whether a listener on `bind` gets what the kernel hands to loopback.
fn is_reached(bind: IpAddr) -> bool {
    bind.is_unspecified() || ["127.0.0.1", "::1"].iter().any(|end| end.parse() == Ok(bind))
}
