//! A sidecar: its configuration in the making, and the real process with it.

use super::process::Process;
use super::{Mesh, Svid};
use crate::message::Response;
use crate::{Addressed, CaServer, Client, Ran, Raw, program, wait};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// Where the certificate comes from.
#[derive(Debug, Clone)]
enum Source {
    Files { cert: PathBuf, key: PathBuf, bundle: PathBuf },
    Authority { token: PathBuf, state: PathBuf },
}

/// The configuration of a sidecar. Pieces are YAML in flow style, so that a test says what a user would write.
#[derive(Debug, Clone)]
pub struct Beside {
    service: String,
    app: SocketAddr,
    workload: String,
    source: Source,
    identity: String,
    inbound: String,
    outbound: Option<String>,
    rules: Vec<String>,
    services: Vec<String>,
    top: Vec<String>,
    drain: String,
}

impl Beside {
    /// Beside `app`, as `svid`, from its files. The word of `edge` about users counts. Nobody may call yet.
    pub fn of(svid: &Svid, app: &impl Addressed) -> Self {
        let source = Source::Files { cert: svid.cert(), key: svid.key_file(), bundle: svid.bundle() };
        let asserts = "identity: { assert: [spiffe://shop.example/edge] }";
        Self { identity: asserts.into(), ..Self::with(&svid.name(), app.address(), source) }
    }

    /// Beside `app`, as a member that joins as `name` (`svc/order`) at `server`. Who may introduce users says the
    /// authority.
    pub fn joining(mesh: &Mesh, server: &CaServer, name: &str, app: &impl Addressed) -> Self {
        let token = mesh.token_file(name, server);
        let state = mesh.fresh_path(&format!("state-{}", name.replace('/', "-")));
        Self::with(name, app.address(), Source::Authority { token, state })
    }

    fn with(name: &str, app: SocketAddr, source: Source) -> Self {
        Self {
            service: name.rsplit('/').next().unwrap_or(name).to_owned(),
            app,
            workload: String::new(),
            source,
            identity: String::new(),
            inbound: String::new(),
            outbound: None,
            rules: Vec::new(),
            services: Vec::new(),
            top: Vec::new(),
            drain: "delay: 0s, timeout: 5s".into(),
        }
    }

    /// More keys of `workload:`, as in `protocol: h2`.
    pub fn workload(self, keys: &str) -> Self {
        Self { workload: format!(", {keys}"), ..self }
    }

    /// All of `identity:` of `mesh:`, as in `identity: { level: none }`.
    pub fn identity(self, line: &str) -> Self {
        Self { identity: line.into(), ..self }
    }

    /// More keys of `inbound:`.
    pub fn inbound(self, keys: &str) -> Self {
        Self { inbound: format!(", {keys}"), ..self }
    }

    /// A rule, as in `id: edge, from: [spiffe://shop.example/edge]`.
    pub fn rule(mut self, keys: &str) -> Self {
        self.rules.push(format!("{{ {keys} }}"));
        self
    }

    /// Forgets the rules.
    pub fn without_rules(mut self) -> Self {
        self.rules.clear();
        self
    }

    /// An outbound listener.
    pub fn outbound(self) -> Self {
        Self { outbound: Some(String::new()), ..self }
    }

    /// A member it may call by this name, as this identity, at this address; and an outbound listener.
    pub fn calls(self, name: &str, identity: &str, at: SocketAddr) -> Self {
        self.service(
            name,
            &format!("mesh: {identity}, endpoints: [\"{at}\"], hosts: [{name}, {name}.shop.internal]"),
        )
    }

    /// A service, all keys given; and an outbound listener.
    pub fn service(mut self, name: &str, keys: &str) -> Self {
        self.services.push(format!("{name}: {{ {keys} }}"));
        self.outbound()
    }

    /// A line at the top level.
    pub fn top(mut self, line: &str) -> Self {
        self.top.push(line.into());
        self
    }

    /// Keys of `drain:`.
    pub fn drain(self, keys: &str) -> Self {
        Self { drain: keys.into(), ..self }
    }

    /// Another application.
    pub fn app(self, app: SocketAddr) -> Self {
        Self { app, ..self }
    }

    /// Where the join token is read from.
    ///
    /// # Panics
    /// When it does not join.
    pub fn token_file(&self) -> &Path {
        match &self.source {
            Source::Authority { token, .. } => token,
            Source::Files { .. } => panic!("it reads its certificate from files"),
        }
    }

    /// The file.
    pub fn yaml(&self) -> String {
        let mut out = String::from(
            "version: 1\nworkers: 2\nadmin: { bind: \"127.0.0.1:0\" }\nready: { bind: \"127.0.0.1:0\" }\n",
        );
        let _ = writeln!(
            out,
            "workload: {{ service: {}, app: \"{}\"{} }}",
            self.service, self.app, self.workload
        );
        let _ = writeln!(out, "mesh:\n  trust_domain: shop.example");
        let _ = match &self.source {
            Source::Files { cert, key, bundle } => writeln!(
                out,
                "  svid: {{ cert: \"{}\", key: \"file:{}\", bundle: \"{}\" }}",
                cert.display(),
                key.display(),
                bundle.display()
            ),
            Source::Authority { token, state } => writeln!(
                out,
                "  ca: {{ join_token: \"file:{}\" }}\n  state: \"{}\"",
                token.display(),
                state.display()
            ),
        };
        if !self.identity.is_empty() {
            let _ = writeln!(out, "  {}", self.identity);
        }
        let _ = writeln!(out, "inbound: {{ bind: \"127.0.0.1:0\"{} }}", self.inbound);
        if let Some(keys) = &self.outbound {
            let _ = writeln!(out, "outbound: {{ bind: \"127.0.0.1:0\"{keys} }}");
        }
        let _ = writeln!(out, "drain: {{ {} }}", self.drain);
        for line in &self.top {
            let _ = writeln!(out, "{line}");
        }
        let _ = writeln!(out, "authorize:{}", if self.rules.is_empty() { " []" } else { "" });
        for rule in &self.rules {
            let _ = writeln!(out, "  - {rule}");
        }
        if !self.services.is_empty() {
            let _ = writeln!(out, "services:");
        }
        for service in &self.services {
            let _ = writeln!(out, "  {service}");
        }
        out
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(self) -> Sidecar {
        let sidecar = self.launch();
        match sidecar.process.wait_ready(wait::PATIENCE) {
            Some(None) => sidecar,
            ended => panic!("the sidecar did not become ready ({ended:?})"),
        }
    }

    /// Starts it; an error when it ends, or says nothing of being ready within `patience`.
    pub fn try_start(self, patience: Duration) -> Result<Sidecar, NotReady> {
        let sidecar = self.launch();
        match sidecar.process.wait_ready(patience) {
            Some(None) => Ok(sidecar),
            ended => {
                let code = ended.flatten().and_then(|status| status.code());
                sidecar.process.kill();
                sidecar.process.wait_for_end();
                Err(NotReady { code, messages: sidecar.process.messages().join("\n") })
            }
        }
    }

    /// Starts it and waits for nothing.
    pub fn launch(self) -> Sidecar {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("sidecar.yaml");
        std::fs::write(&file, self.yaml()).expect("written");
        let process = run(&self.service, &file, folder.path());
        Sidecar { process, folder, config: Mutex::new(self) }
    }
}

fn run(name: &str, file: &Path, folder: &Path) -> Process {
    let mut command = Command::new(program("portcullis"));
    command.args(["sidecar", "--config"]).arg(file).current_dir(folder);
    Process::start(name, &mut command)
}

/// Why a sidecar did not become ready.
#[derive(Debug)]
pub struct NotReady {
    /// Exit code; `None`: it still ran.
    pub code: Option<i32>,
    /// What it wrote to stderr.
    pub messages: String,
}

/// A running `portcullis sidecar`.
#[derive(Debug)]
pub struct Sidecar {
    process: Process,
    folder: TempDir,
    config: Mutex<Beside>,
}

impl std::ops::Deref for Sidecar {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Sidecar {
    /// Where peers connect.
    pub fn inbound(&self) -> SocketAddr {
        self.address_of("listener=0 ")
    }

    /// Where the application connects to call others by name.
    pub fn outbound(&self) -> SocketAddr {
        self.address_of("listener=1 ")
    }

    /// The `index`th `local:` of the file, when there is an outbound listener.
    pub fn local(&self, index: usize) -> SocketAddr {
        self.address_of(&format!("listener={} ", index + 2))
    }

    /// Where readiness is told.
    pub fn ready(&self) -> SocketAddr {
        self.address_of("listening ready ")
    }

    /// Status of `/ready`.
    pub fn readiness(&self) -> u16 {
        Client::get("/ready").host("localhost").send(self.ready()).status
    }

    /// A call of the application, by name.
    pub fn call(&self, request: &Client) -> Response {
        request.send_on(&mut Raw::connect(self.outbound()))
    }

    /// The configuration file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("sidecar.yaml")
    }

    /// A folder for files of the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes another configuration into the file, in one step.
    pub fn rewrite(&self, describe: impl FnOnce(Beside) -> Beside) {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        *config = describe(config.clone());
        let beside = self.folder.path().join("sidecar.yaml.new");
        std::fs::write(&beside, config.yaml()).expect("written");
        std::fs::rename(&beside, self.file()).expect("renamed");
    }

    /// Writes another configuration and waits until it is in force.
    pub fn reload(&self, describe: impl FnOnce(Beside) -> Beside) {
        let before = self.metric("portcullis_config_reloads_total", &[("result", "applied")]);
        self.rewrite(describe);
        wait::eventually("the new configuration", || {
            let now = self.metric("portcullis_config_reloads_total", &[("result", "applied")]);
            (now > before).then_some(())
        });
    }

    /// Ends the process, and starts another one with the same file, without waiting for it.
    pub fn restart(self) -> Self {
        self.process.stop();
        let Self { process, folder, config } = self;
        let name = process.name().to_owned();
        drop(process);
        let process = run(&name, &folder.path().join("sidecar.yaml"), folder.path());
        Self { process, folder, config }
    }

    /// `portcullis explain --config FILE WORDS…`, to its end.
    pub fn explain(&self, words: &[&str]) -> Ran {
        let mut command = Command::new(program("portcullis"));
        command.arg("explain").arg("--config").arg(self.file()).args(words).env("NO_COLOR", "1");
        Ran::of(&mut command)
    }

    /// Number of the certificate in use.
    pub fn generation(&self) -> f64 {
        self.metric("portcullis_mesh_certificate_generation", &[])
    }
}
