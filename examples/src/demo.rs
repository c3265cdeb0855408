//! The demo: three services and the edge as processes, ready one after the other, stopped together.

use crate::client;
use crate::options::Options;
use crate::process::{Logs, Process, Processes};
use crate::tour;
use anyhow::{Context as _, anyhow, bail};
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// The configuration of the edge, as it stands in the folder `shop` with the pleasant ports.
const CONFIG: &str = include_str!("../shop/portcullis.yaml");
const TICK: Duration = Duration::from_millis(50);
/// How often [`TICK`] passes before we stop waiting for a process: 30 s.
const TICKS_TO_READY: usize = 600;

/// Runs until Ctrl-C or SIGTERM, or to the end of the check; everything is stopped when this returns.
pub async fn run(options: Options) -> anyhow::Result<()> {
    // First of all, so that no signal finds us with processes and no handler.
    let stop = stop_signal()?;
    let ports = Ports::choose(&options)?;
    let folder = Folder::create()?;
    let mut processes = Processes::default();
    let ended = tokio::select! {
        ended = serve(&options, &ports, &folder, &mut processes) => ended,
        () = stop => if options.check { Err(anyhow!("stopped before the end of the check")) } else { Ok(()) },
    };
    if ended.is_ok() && !options.check {
        println!("\nstopping");
    }
    drop(processes);
    match ended {
        Ok(()) => folder.remove(),
        Err(fault) => Err(fault.context(format!("logs stay in {}", folder.0.display()))),
    }
}

async fn serve(options: &Options, ports: &Ports, folder: &Folder, all: &mut Processes) -> anyhow::Result<()> {
    start(ports, folder, all).await?;
    if options.check {
        return tour::check(ports).await;
    }
    tour::print(ports, &folder.config(), &folder.0);
    loop {
        tokio::time::sleep(TICK).await;
        all.all_run()?;
    }
}

async fn start(ports: &Ports, folder: &Folder, all: &mut Processes) -> anyhow::Result<()> {
    for (name, port) in [("catalog", ports.catalog), ("orders", ports.orders), ("users", ports.users)] {
        let words = ["service", name, "--port", &port.to_string()];
        let process = all.add(Process::start(name, &words, folder.logs(name, name))?);
        ready(process, port, "/healthz").await?;
        println!("  {name:<8} ready at 127.0.0.1:{port}");
    }
    std::fs::write(folder.config(), ports.written_into(CONFIG))?;
    let config = folder.config().display().to_string();
    let words = ["portcullis", "edge", "--config", &config];
    let process = all.add(Process::start("edge", &words, folder.logs("access", "edge"))?);
    ready(process, ports.admin, "/ready").await?;
    println!("  {:<8} ready at 127.0.0.1:{}, admin at 127.0.0.1:{}", "edge", ports.edge, ports.admin);
    Ok(())
}

async fn ready(process: &mut Process, port: u16, path: &str) -> anyhow::Result<()> {
    for _ in 0..TICKS_TO_READY {
        if client::get(port, path).await.is_ok_and(|reply| reply.status.is_success()) {
            return Ok(());
        }
        process.still_runs()?;
        tokio::time::sleep(TICK).await;
    }
    bail!("{} does not get ready at port {port}; its last lines:{}", process.name, process.last_lines())
}

/// Resolves at the first SIGINT or SIGTERM after this call.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Where everybody listens.
pub struct Ports {
    pub edge: u16,
    pub admin: u16,
    pub catalog: u16,
    pub orders: u16,
    pub users: u16,
}

impl Ports {
    /// Holds all ports for a moment to know that they are free and differ.
    fn choose(options: &Options) -> anyhow::Result<Self> {
        let mut held = Vec::new();
        let mut hold = |who: &str, port: u16, option: &str| {
            let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|fault| match fault.kind() {
                ErrorKind::AddrInUse => anyhow!(
                    "port {port} for {who} is taken; choose another with {option} N ({option} 0: any free one)"
                ),
                _ => anyhow::Error::new(fault).context(format!("cannot use port {port} for {who}")),
            })?;
            let port = listener.local_addr()?.port();
            held.push(listener);
            anyhow::Ok(port)
        };
        let service = |number: u16| match options.port_base {
            0 => Ok(0),
            base => base.checked_add(number).context("--port-base is too high"),
        };
        Ok(Self {
            edge: hold("the edge", options.edge_port, "--edge-port")?,
            admin: hold("the admin page", options.admin_port, "--admin-port")?,
            catalog: hold("catalog", service(1)?, "--port-base")?,
            orders: hold("orders", service(2)?, "--port-base")?,
            users: hold("users", service(3)?, "--port-base")?,
        })
    }

    /// `config` with the pleasant ports replaced by these.
    fn written_into(&self, config: &str) -> String {
        const ADDRESS: &str = "127.0.0.1:";
        let mut parts = config.split(ADDRESS);
        let mut written = parts.next().unwrap_or_default().to_owned();
        // One pass: replacing one port after the other could replace what was just written.
        for part in parts {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let (port, rest) = part.split_at(digits);
            let own = match port {
                "8080" => self.edge.to_string(),
                "9901" => self.admin.to_string(),
                "8101" => self.catalog.to_string(),
                "8102" => self.orders.to_string(),
                "8103" => self.users.to_string(),
                other => other.to_owned(),
            };
            written.extend([ADDRESS, &own, rest]);
        }
        written
    }
}

/// The temporary folder of this run: configuration and logs, for its owner only.
struct Folder(PathBuf);

impl Folder {
    fn create() -> anyhow::Result<Self> {
        for number in 0..100_u32 {
            let path = std::env::temp_dir().join(format!("shop-{}-{number}", std::process::id()));
            // Fails on anything that is already there, so nobody can have prepared it for us.
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(fault) if fault.kind() == ErrorKind::AlreadyExists => {}
                made => {
                    return made
                        .map(|()| Self(path.clone()))
                        .with_context(|| format!("cannot make {}", path.display()));
                }
            }
        }
        bail!("no free name for a folder in {}", std::env::temp_dir().display())
    }

    fn config(&self) -> PathBuf {
        self.0.join("portcullis.yaml")
    }

    fn logs(&self, stdout: &str, stderr: &str) -> Logs {
        let log = |name: &str| self.0.join(format!("{name}.log"));
        Logs { stdout: log(stdout), stderr: log(stderr) }
    }

    fn remove(&self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(&self.0).with_context(|| format!("cannot remove {}", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_of_the_configuration_is_replaced_once() {
        let ports = Ports { edge: 8101, admin: 8102, catalog: 8080, orders: 9901, users: 7 };
        let config = "a 127.0.0.1:8080, b 127.0.0.1:9901\n[127.0.0.1:8101] 127.0.0.1:8102 127.0.0.1:8103";

        let written = ports.written_into(config);

        assert_eq!(
            written,
            "a 127.0.0.1:8101, b 127.0.0.1:8102\n[127.0.0.1:8080] 127.0.0.1:9901 127.0.0.1:7"
        );
    }

    #[test]
    fn the_configuration_names_every_pleasant_port() {
        for port in ["8080", "9901", "8101", "8102", "8103"] {
            assert!(CONFIG.contains(&format!("127.0.0.1:{port}")), "{port}");
        }
    }

    #[test]
    fn a_taken_port_is_reported_with_the_option_that_helps() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let edge_port = taken.local_addr().unwrap().port();

        let chosen = Ports::choose(&Options { check: false, edge_port, admin_port: 0, port_base: 0 });

        let message = chosen.err().unwrap().to_string();
        assert!(message.contains("--edge-port") && message.contains(&edge_port.to_string()), "{message}");
    }
}
