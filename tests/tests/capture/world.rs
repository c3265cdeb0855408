//! Two network namespaces of the test's own: the workload's and the far end's, with a cable between them.
//!
//! ```text
//!   the test ── runs itself again, apart ──> the workload 10.77.0.1 ── cable ── the far end 10.77.0.2
//!                                            fd77::1                            fd77::2
//!                                            (default route: the far end)       (greets on every port it has)
//! ```
//!
//! A network namespace is a process's, so each of the two is this very test in a process of its own, told by the
//! environment which of them it is. The namespaces end with their processes. The machine's own is never touched.

use portcullis::capture::original_destination;
use portcullis_tests::{program, wait};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

/// Says which of the two a process is, and the machine's own namespace, which must not be its own.
const ROLE: &str = "PORTCULLIS_TEST_NAMESPACE";
/// Where captured connections arrive.
pub(super) const OUTBOUND: u16 = 15101;
/// Where incoming ones do.
pub(super) const INBOUND: u16 = 15108;
/// Where the application listens.
pub(super) const APP: u16 = 8080;
/// The port the far end greets on; and another.
pub(super) const FAR: u16 = 80;
/// Another.
pub(super) const FAR_TOO: u16 = 81;
/// The far end.
pub(super) const FAR_ENDS: [&str; 2] = ["10.77.0.2", "fd77::2"];
/// What it says.
pub(super) const GREETING: &str = "the far end";

/// Runs a scenario of the test `name` in a world of its own.
///
/// # Panics
/// When the scenario fails; in CI also when this machine has no namespaces.
pub(super) fn apart(name: &str, scenario: fn(&mut World)) {
    match std::env::var(ROLE).ok().as_deref().and_then(|value| value.split_once(' ')) {
        None => run_apart(name, "workload"),
        Some((role, outside)) => {
            assert_ne!(namespace(), outside, "not in a namespace of its own");
            match role {
                "far" => far_end(),
                _ => scenario(&mut World::new(name)),
            }
        }
    }
}

fn namespace() -> String {
    std::fs::read_link("/proc/self/ns/net").expect("the namespace").display().to_string()
}

/// This test again, in namespaces of its own.
fn again(name: &str, role: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount"]).args(if is_root() { None } else { Some("--map-root-user") });
    command.arg("--").arg(std::env::current_exe().expect("a test knows its own file"));
    command.args(["--exact", &format!("capture::{name}"), "--nocapture", "--test-threads=1"]);
    let outside = std::env::var(ROLE).ok().and_then(|own| Some(own.split_once(' ')?.1.to_owned()));
    command.env(ROLE, format!("{role} {}", outside.unwrap_or_else(namespace)));
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").expect("this process").uid() == 0
}

fn run_apart(name: &str, role: &str) {
    if let Some(lacking) = lacking() {
        let text = format!("capture::{name} is NOT TESTED: {lacking}");
        assert!(std::env::var_os("CI").is_none(), "{text}");
        // To standard error itself: what a passing test says is not shown otherwise.
        let _best_effort = writeln!(std::io::stderr(), "\n*** {text} ***");
        return;
    }
    let Output { status, stdout, stderr } =
        again(name, role).stdin(Stdio::null()).output().expect("unshare runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && stdout.contains("1 passed"), "in its own namespace:\n{stdout}\n{stderr}");
}

/// What this machine lacks.
fn lacking() -> Option<String> {
    for (tool, package) in
        [("nft", "nftables"), ("iptables", "iptables"), ("ip", "iproute2"), ("unshare", "util-linux")]
    {
        if !tool_folders().split(':').any(|folder| std::path::Path::new(folder).join(tool).is_file()) {
            return Some(format!("no {tool}; apt-get install {package}"));
        }
    }
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--net", "--mount"])
        .args(if is_root() { None } else { Some("--map-root-user") })
        .arg("true");
    let made = unshare.output().expect("unshare runs");
    let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
    (!made.status.success())
        .then(|| format!("no network namespaces (it needs root, or user namespaces): {said}"))
}

/// `PATH`, and where tools for root are.
fn tool_folders() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// Runs a line of shell.
///
/// # Panics
/// When it fails.
pub(super) fn shell(line: &str) -> String {
    let mut command = Command::new("sh");
    let Output { status, stdout, stderr } =
        command.args(["-ec", line]).env("PATH", tool_folders()).output().expect("sh runs");
    assert!(status.success(), "{line}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

/// How `portcullis sidecar capture` ended, and all it said.
#[derive(Debug)]
pub(super) struct Said {
    /// Exit code.
    pub(super) code: Option<i32>,
    /// Both outputs.
    pub(super) text: String,
}

/// The view from the workload.
pub(super) struct World {
    far: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl World {
    fn new(name: &str) -> Self {
        let mut command = again(name, "far");
        let mut far = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare runs");
        let input = far.stdin.take().expect("a pipe");
        let output = BufReader::new(far.stdout.take().expect("a pipe"));
        let mut world = Self { far, input, output };
        world.told("ready");
        let pid = world.far.id();
        shell(&format!(
            "ip link set lo up
             ip link add cable type veth peer name cable netns {pid}
             ip addr add 10.77.0.1/24 dev cable && ip addr add fd77::1/64 dev cable nodad
             ip link set cable up
             far() {{ nsenter --net=/proc/{pid}/ns/net \"$@\"; }}
             far ip link set lo up
             far ip addr add 10.77.0.2/24 dev cable && far ip addr add fd77::2/64 dev cable nodad
             far ip link set cable up
             ip route add default via 10.77.0.2 && ip -6 route add default via fd77::2"
        ));
        world
    }

    /// The next line of the far end that begins so, without the beginning.
    fn told(&mut self, begin: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.output.read_line(&mut line).expect("the far end speaks") > 0, "the far end ended");
            // The test runner puts its own words before the first.
            if let Some((_, rest)) = line.split_once(begin) {
                return rest.trim().to_owned();
            }
        }
    }

    /// What the far end reads when it connects here.
    pub(super) fn read_from_far(&mut self, address: &str) -> String {
        writeln!(self.input, "{address}").expect("the far end listens");
        self.told("read: ")
    }

    /// Runs `portcullis sidecar capture` with these words.
    pub(super) fn capture(&self, words: &str) -> Said {
        let mut command = Command::new(program("portcullis"));
        command.args(["sidecar", "capture"]).args(words.split_whitespace()).env_remove("PORTCULLIS_CONFIG");
        let Output { status, stdout, stderr } = command.output().expect("the program runs");
        let text = [stdout, stderr].map(|bytes| String::from_utf8(bytes).expect("text")).concat();
        Said { code: status.code(), text }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _gone = self.far.kill();
        let _reaped = self.far.wait();
    }
}

/// Greets whoever connects, and connects where it is told to, until nobody tells it anything any more.
fn far_end() {
    for port in [FAR, FAR_TOO] {
        serve("[::]", port, |_| GREETING.to_owned());
    }
    println!("ready");
    for line in std::io::stdin().lines() {
        let address: SocketAddr = line.expect("text").parse().expect("an address");
        println!("read: {}", read(TcpStream::connect(address)));
    }
}

/// Answers every connection with one line.
fn serve(host: &str, port: u16, answer: fn(&TcpStream) -> String) {
    let listener = TcpListener::bind(format!("{host}:{port}")).expect("a free port");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let text = answer(&stream);
            // Whoever tries the rules does not stay to hear it.
            let _best_effort = stream.write_all(text.as_bytes());
        }
    });
}

/// In place of a sidecar: tells every connection where it was going. Lives as long as the process.
pub(super) fn sidecar() {
    let told = |stream: &TcpStream| format!("captured on its way to {:?}", original_destination(stream));
    for host in ["127.0.0.1", "[::1]"] {
        serve(host, OUTBOUND, told);
    }
    serve("0.0.0.0", INBOUND, told);
    serve("0.0.0.0", APP, |_| "the application".to_owned());
}

/// All that a connection says; or why there is none.
fn read(connected: std::io::Result<TcpStream>) -> String {
    let mut said = String::new();
    let heard = connected.and_then(|mut stream| {
        stream.set_read_timeout(Some(wait::PATIENCE))?;
        stream.read_to_string(&mut said)
    });
    match heard {
        Ok(_) => said,
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// What is read from an address.
pub(super) fn read_at(address: impl Into<IpAddr>, port: u16) -> String {
    let address = SocketAddr::new(address.into(), port);
    read(TcpStream::connect_timeout(&address, wait::PATIENCE))
}

/// The same, from a socket with a mark.
pub(super) fn read_marked(address: IpAddr, port: u16, mark: u32) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let connected = runtime.block_on(async {
        let socket = if address.is_ipv4() {
            tokio::net::TcpSocket::new_v4()
        } else {
            tokio::net::TcpSocket::new_v6()
        }?;
        portcullis::capture::mark(&socket, mark)?;
        let stream = socket.connect(SocketAddr::new(address, port)).await?.into_std()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    });
    read(connected)
}
