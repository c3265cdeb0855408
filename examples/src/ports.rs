//! Who listens where. Every address has a pleasant port, which stands in the configurations of the folder `shop`, and
//! the port of this run, which is written in its place.

use crate::options::Options;
use anyhow::{Context as _, anyhow};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::TcpListener;

/// The edge, for anybody.
pub const EDGE: u16 = 8080;
/// The edge, for people who show a certificate.
pub const PEOPLE: u16 = 8443;
/// The admin listener of the edge.
pub const ADMIN: u16 = 9901;
/// The issuer of tokens. It stands outside: no sidecar, no member of the mesh.
pub const ISSUER: u16 = AUTHORITY + 5;
/// The certificate authority; what stands behind the edge counts from here.
pub const AUTHORITY: u16 = 8100;

/// One of the services.
pub struct Member {
    /// Its name, also in its SPIFFE ID.
    pub name: &'static str,
    /// Its place behind the edge.
    pub number: u16,
    /// Configuration of its sidecar, with the pleasant ports.
    pub config: &'static str,
    /// Whether it calls others.
    pub calls: bool,
}

/// All services, in the order of their start.
pub const MEMBERS: [Member; 4] = [
    Member { name: "catalog", number: 1, config: include_str!("../shop/sidecars/catalog.yaml"), calls: true },
    Member { name: "orders", number: 2, config: include_str!("../shop/sidecars/orders.yaml"), calls: true },
    Member { name: "users", number: 3, config: include_str!("../shop/sidecars/users.yaml"), calls: false },
    Member {
        name: "payment",
        number: 4,
        config: include_str!("../shop/sidecars/payment.yaml"),
        calls: false,
    },
];

impl Member {
    /// Pleasant port of the application itself.
    pub const fn app(&self) -> u16 {
        AUTHORITY + self.number
    }

    /// Pleasant port of its sidecar for members of the mesh.
    pub const fn mesh(&self) -> u16 {
        AUTHORITY + 10 + self.number
    }

    /// Pleasant port of its sidecar for its own calls.
    pub const fn outbound(&self) -> u16 {
        AUTHORITY + 20 + self.number
    }

    /// Pleasant port that says whether its sidecar is ready.
    pub const fn ready(&self) -> u16 {
        AUTHORITY + 30 + self.number
    }

    /// Pleasant port of the admin listener of its sidecar.
    pub const fn admin(&self) -> u16 {
        AUTHORITY + 40 + self.number
    }

    /// All of them.
    fn all(&self) -> impl Iterator<Item = u16> {
        let outbound = self.calls.then_some(self.outbound());
        [self.app(), self.mesh(), self.ready(), self.admin()].into_iter().chain(outbound)
    }
}

/// The port of this run for each pleasant one.
pub struct Ports(BTreeMap<u16, u16>);

impl Ports {
    /// Holds all ports for a moment to know that they are free and differ.
    pub fn choose(options: &Options) -> anyhow::Result<Self> {
        let mut hold = Hold::default();
        hold.one("the edge", EDGE, options.edge_port, "--edge-port")?;
        hold.one("people at the edge", PEOPLE, options.tls_port, "--tls-port")?;
        hold.one("the admin page", ADMIN, options.admin_port, "--admin-port")?;
        let moved = |pleasant: u16| match options.port_base {
            0 => Ok(0),
            base => base.checked_add(pleasant - AUTHORITY).context("--port-base is too high"),
        };
        hold.one("the authority", AUTHORITY, moved(AUTHORITY)?, "--port-base")?;
        hold.one("the issuer", ISSUER, moved(ISSUER)?, "--port-base")?;
        for member in &MEMBERS {
            for pleasant in member.all() {
                hold.one(member.name, pleasant, moved(pleasant)?, "--port-base")?;
            }
        }
        Ok(Self(hold.chosen))
    }

    /// The port of this run.
    pub fn of(&self, pleasant: u16) -> u16 {
        self.0.get(&pleasant).copied().unwrap_or(pleasant)
    }

    /// `config` with the pleasant ports replaced by these.
    pub fn written_into(&self, config: &str) -> String {
        const ADDRESS: &str = "127.0.0.1:";
        let mut parts = config.split(ADDRESS);
        let mut written = parts.next().unwrap_or_default().to_owned();
        // One pass: replacing one port after the other could replace what was just written.
        for part in parts {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let (port, rest) = part.split_at(digits);
            let own = port.parse().map_or_else(|_| port.to_owned(), |port| self.of(port).to_string());
            written.extend([ADDRESS, &own, rest]);
        }
        written
    }
}

/// Ports that are held, so that no two are the same.
#[derive(Default)]
struct Hold {
    chosen: BTreeMap<u16, u16>,
    held: Vec<TcpListener>,
}

impl Hold {
    fn one(&mut self, who: &str, pleasant: u16, port: u16, option: &str) -> anyhow::Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|fault| match fault.kind() {
            ErrorKind::AddrInUse => {
                anyhow!("port {port} for {who} is taken; choose another with {option} N ({option} 0: any free one)")
            }
            _ => anyhow::Error::new(fault).context(format!("cannot use port {port} for {who}")),
        })?;
        self.chosen.insert(pleasant, listener.local_addr()?.port());
        self.held.push(listener);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::EDGE_CONFIG;

    #[test]
    fn every_port_of_the_configuration_is_replaced_once() {
        let ports =
            Ports(BTreeMap::from([(8080, 8101), (9901, 8102), (8101, 8080), (8102, 9901), (8103, 7)]));
        let config =
            "a 127.0.0.1:8080, b 127.0.0.1:9901\n[127.0.0.1:8101] 127.0.0.1:8102 127.0.0.1:8103 127.0.0.1:x";

        let written = ports.written_into(config);

        assert_eq!(
            written,
            "a 127.0.0.1:8101, b 127.0.0.1:8102\n[127.0.0.1:8080] 127.0.0.1:9901 127.0.0.1:7 127.0.0.1:x"
        );
    }

    #[test]
    fn the_configurations_name_every_pleasant_port_and_no_other() {
        let mut named = std::collections::BTreeSet::new();
        let configs = MEMBERS.iter().map(|member| member.config).chain([EDGE_CONFIG]);
        for part in configs.flat_map(|config| config.split("127.0.0.1:").skip(1)) {
            named.extend(part.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<u16>());
        }

        let known =
            MEMBERS.iter().flat_map(Member::all).chain([EDGE, PEOPLE, ADMIN, AUTHORITY, ISSUER]).collect();

        assert_eq!(named, known);
    }

    #[test]
    fn a_taken_port_is_reported_with_the_option_that_helps() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let edge_port = taken.local_addr().unwrap().port();

        let chosen =
            Ports::choose(&Options { check: false, edge_port, tls_port: 0, admin_port: 0, port_base: 0 });

        let message = chosen.err().unwrap().to_string();
        assert!(message.contains("--edge-port") && message.contains(&edge_port.to_string()), "{message}");
    }
}
