//! The demo: an authority, an issuer of tokens, four services each beside its sidecar, and the edge, all as processes:
//! ready one after the other, stopped together.

use crate::folder::Folder;
use crate::options::Options;
use crate::ports::{ADMIN, AUTHORITY, EDGE, ISSUER, MEMBERS, Member, PEOPLE, Ports};
use crate::process::{Process, Processes};
use crate::{authority, client, people, tour};
use anyhow::anyhow;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};

/// The configuration of the edge, as it stands in the folder `shop` with the pleasant ports.
pub const EDGE_CONFIG: &str = include_str!("../shop/portcullis.yaml");
const TICK: Duration = Duration::from_millis(50);

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
        Err(fault) => Err(fault.context(format!("logs stay in {}", folder.text("logs")))),
    }
}

async fn serve(options: &Options, ports: &Ports, folder: &Folder, all: &mut Processes) -> anyhow::Result<()> {
    people::make(&folder.path("people")).await?;
    start_authority(ports, folder, all).await?;
    start_issuer(ports, folder, all).await?;
    start_services(ports, folder, all).await?;
    start_edge(ports, folder, all).await?;
    let tour = tour::Tour { ports, folder };
    if options.check {
        tour.check().await?;
        return all.all_run();
    }
    tour.print();
    loop {
        tokio::time::sleep(TICK).await;
        all.all_run()?;
    }
}

async fn start_authority(ports: &Ports, folder: &Folder, all: &mut Processes) -> anyhow::Result<()> {
    authority::init(ports, folder).await?;
    let port = ports.of(AUTHORITY);
    all.add(Process::start("ca", &authority::serve(ports, folder), folder.logs("ca"))?);
    all.until("ca", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await?;
    println!("  {:<8} ready at 127.0.0.1:{port}, certificates of the mesh live a minute", "ca");
    Ok(())
}

async fn start_issuer(ports: &Ports, folder: &Folder, all: &mut Processes) -> anyhow::Result<()> {
    let port = ports.of(ISSUER);
    all.add(Process::start("issuer", &service("issuer", port), folder.logs("issuer"))?);
    is_there(all, "issuer", port, "/healthz").await?;
    println!("  {:<8} ready at 127.0.0.1:{port}, tokens for whoever asks: for the demo only", "issuer");
    Ok(())
}

/// All at once: each waits for its certificate, then starts its application.
async fn start_services(ports: &Ports, folder: &Folder, all: &mut Processes) -> anyhow::Result<()> {
    for member in &MEMBERS {
        let config = format!("sidecars/{}.yaml", member.name);
        folder.write(&config, &ports.written_into(member.config))?;
        let mut words = vec!["portcullis".into(), "sidecar".into(), "--config".into(), folder.text(&config)];
        words.push("--".into());
        words.extend(application(member, ports)?);
        all.add(Process::start(member.name, &words, folder.logs(member.name))?);
    }
    for member in &MEMBERS {
        is_ready(all, member.name, ports.of(member.ready())).await?;
        let (app, mesh) = (ports.of(member.app()), ports.of(member.mesh()));
        println!("  {:<8} ready at 127.0.0.1:{app}, its sidecar at 127.0.0.1:{mesh}", member.name);
    }
    Ok(())
}

/// The words that start a service.
fn application(member: &Member, ports: &Ports) -> anyhow::Result<Vec<String>> {
    let mut words = vec![std::env::current_exe()?.display().to_string()];
    words.extend(service(member.name, ports.of(member.app())));
    if member.calls {
        words.extend(["--outbound".into(), ports.of(member.outbound()).to_string()]);
    }
    Ok(words)
}

/// The words that make this program a service.
fn service(name: &str, port: u16) -> [String; 4] {
    ["service", name, "--port", &port.to_string()].map(str::to_owned)
}

async fn start_edge(ports: &Ports, folder: &Folder, all: &mut Processes) -> anyhow::Result<()> {
    const CONFIG: &str = "portcullis.yaml";
    folder.write(CONFIG, &ports.written_into(EDGE_CONFIG))?;
    let words = ["portcullis", "edge", "--config", &folder.text(CONFIG)].map(str::to_owned);
    all.add(Process::start("edge", &words, folder.logs("edge"))?);
    is_ready(all, "edge", ports.of(ADMIN)).await?;
    let [plain, tls, admin] = [EDGE, PEOPLE, ADMIN].map(|pleasant| ports.of(pleasant));
    println!(
        "  {:<8} ready at 127.0.0.1:{plain}, for people at 127.0.0.1:{tls}, admin at 127.0.0.1:{admin}",
        "edge"
    );
    Ok(())
}

async fn is_ready(all: &mut Processes, name: &str, port: u16) -> anyhow::Result<()> {
    is_there(all, name, port, "/ready").await
}

async fn is_there(all: &mut Processes, name: &str, port: u16, page: &str) -> anyhow::Result<()> {
    all.until(name, async || client::get(port, page).await.is_ok_and(|reply| reply.status.is_success())).await
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
