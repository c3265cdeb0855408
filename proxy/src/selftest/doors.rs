//! Ways past the sidecar: ports that others than it can reach.
//!
//! Some are tried, others are read off the configuration.

use super::probe::Prober;
use super::requests::get;
use super::verdict::{Verdict, kept_out, nobody_is_met};
use super::{Row, row};
use crate::config::Config;
use crate::config::listener::{AdminBind, Role};
use std::net::SocketAddr;

/// How HTTP/2 with prior knowledge begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// All of them.
pub(super) async fn run(prober: &Prober<'_>) -> Vec<Row> {
    let config = &prober.subject.config;
    let mut rows = vec![plaintext(prober).await];
    let app = prober.subject.sidecar.workload.app.port();
    rows.push(elsewhere(prober, "4b", "the application's port, from outside", &[app]).await);
    rows.push(row("29a", "the admin listener, from outside", "socket, loopback or token", admin(config)));
    rows.push(row(
        "29b",
        "ports for the application's calls, from outside",
        "bound to loopback",
        local(config),
    ));
    let ports: Vec<u16> = own_ports(config).filter(|port| *port != 0).collect();
    if !ports.is_empty() {
        rows.push(elsewhere(prober, "29c", "the same ports, tried", &ports).await);
    }
    rows
}

async fn plaintext(prober: &Prober<'_>) -> Row {
    const ATTACK: &str = "plaintext to the inbound port";
    if prober.subject.is_permissive() {
        let why = "NOT PROTECTED: `permissive: true` serves whoever connects, without a certificate";
        return row("4a", ATTACK, "closed without an answer", Verdict::NotApplicable(why.to_owned()));
    }
    let target = prober.subject.target;
    let first = kept_out(&prober.plain(target, &get("")).await);
    let second = kept_out(&prober.plain(target, PREFACE).await);
    row("4a", ATTACK, "closed without an answer", Verdict::worst([first, second]))
}

/// Ports only this host's processes may reach, tried at all its other addresses.
async fn elsewhere(prober: &Prober<'_>, number: &'static str, attack: &str, ports: &[u16]) -> Row {
    let subject = prober.subject;
    let mut doors = Vec::new();
    for mut address in subject.addresses.iter().copied() {
        for port in ports {
            address.set_port(*port);
            if !is_ours(&subject.config, subject.target, address) {
                doors.push(address);
            }
        }
    }
    let met = prober.dial(doors).await;
    let verdict = if met.is_empty() {
        Verdict::NotApplicable("no address but loopback is known of this host".to_owned())
    } else {
        nobody_is_met(&met)
    };
    row(number, attack, "nobody listens there", verdict)
}

/// Whether the sidecar itself is to be reached at `address`: its inbound port may have the number of another.
fn is_ours(config: &Config, target: SocketAddr, address: SocketAddr) -> bool {
    let inbound = config.listeners.iter().filter(|one| matches!(one.role, Role::Inbound { .. }));
    let mut binds = inbound.map(|one| one.bind).chain([target]);
    binds.any(|bind| {
        bind.port() == address.port() && (bind.ip() == address.ip() || bind.ip().is_unspecified())
    })
}

/// Ports of the sidecar that are bound to loopback.
fn own_ports(config: &Config) -> impl Iterator<Item = u16> {
    let admin = config.admin.iter().filter_map(|admin| match &admin.bind {
        AdminBind::Tcp(address) => Some(*address),
        AdminBind::Unix(_) => None,
    });
    let calls =
        config.listeners.iter().filter(|one| !matches!(one.role, Role::Inbound { .. })).map(|one| one.bind);
    admin
        .chain(calls)
        .filter(|address| address.ip().to_canonical().is_loopback())
        .map(|address| address.port())
}

fn admin(config: &Config) -> Verdict {
    let Some(admin) = &config.admin else { return Verdict::NotApplicable("there is no `admin:`".to_owned()) };
    match &admin.bind {
        AdminBind::Unix(path) => Verdict::Ok(format!("a unix socket, {}", path.display())),
        AdminBind::Tcp(address) if address.ip().to_canonical().is_loopback() => {
            Verdict::Ok(format!("loopback, {address}"))
        }
        AdminBind::Tcp(address) if admin.token.as_deref().is_some_and(|token| !token.is_empty()) => {
            Verdict::Ok(format!("{address}, with a token"))
        }
        AdminBind::Tcp(address) => Verdict::Failed(format!("bound to {address} without a token")),
    }
}

fn local(config: &Config) -> Verdict {
    let calls = config.listeners.iter().filter(|one| !matches!(one.role, Role::Inbound { .. }));
    let binds: Vec<SocketAddr> = calls.map(|one| one.bind).collect();
    let texts: Vec<String> = binds.iter().map(ToString::to_string).collect();
    if binds.is_empty() {
        return Verdict::NotApplicable("there is no `outbound:` and no `local:`".to_owned());
    }
    match binds.iter().find(|bind| !bind.ip().to_canonical().is_loopback()) {
        Some(open) => Verdict::Failed(format!("{open}: whoever reaches it calls as this workload")),
        None => Verdict::Ok(texts.join(", ")),
    }
}

#[cfg(test)]
#[path = "doors_tests.rs"]
mod tests;
