//! The harness of the suites: given an [`Upstream`], given an [`Edge`], when a [`Client`] speaks, then look at all three.
//!
//! Real processes and real sockets on ports of the system's choice; nothing is retried and nothing sleeps: every wait is
//! for a condition and has an end ([`wait`]). A failing test prints the access log and the messages of its edge.
//!
//! | part         | what it is                                                                            |
//! |--------------|---------------------------------------------------------------------------------------|
//! | [`Upstream`] | a recorder: keeps raw bytes, reads requests strictly, answers well or badly           |
//! | [`Edge`]     | the real binary with a configuration of its own: log lines, metrics, memory, signals  |
//! | [`Client`]   | one request, written as it should be                                                  |
//! | [`Raw`]      | a connection to send anything on, byte for byte                                       |
//! | [`Frames`]   | HTTP/2 frames one by one, also wrong ones                                             |
//! | [`H2`]       | a sound HTTP/2 client                                                                 |
//! | [`Authority`]| certificates of any kind, also wrong ones                                             |
//! | [`Ca`]       | the real authority: its folder, its commands, its server                              |
//! | [`redis`]    | real Redis servers, sentinels, a cluster                                              |
//! | [`issuer`]   | an issuer of tokens, and tokens others make                                           |
//! | [`FaultProxy`] | spoils what passes between edge and upstream                                        |
//! | [`Backend`]  | a service in a process of its own, to be stopped and killed                           |
//! | [`NameServer`] | a real name server whose records change                                             |
//! | [`PythonServer`] | programs in Python: gRPC, WebSocket                                            |
//! | [`sidecar`]  | a whole mesh: authority, sidecars, edge, forgers                                       |
//! | [`Report`]   | collects what was wrong in the rows of a table, so that one run shows all of it       |

pub mod wait;
pub mod report;
pub mod message;
pub mod transport;
pub mod certs;
mod output;
pub mod ca;
pub mod mutual_tls;
pub mod upstream;
pub mod edge;
pub mod client;
pub mod fault;
pub mod backend;
pub mod names;
pub mod python;
pub mod redis;
pub mod issuer;
pub mod sidecar;

pub use backend::Backend;
pub use ca::{Ca, CaServer, Ran};
pub use certs::{Authority, Identity};
pub use client::{Client, Frames, H2, H2Response, ProxyHeader, Raw, TlsClient};
pub use edge::{Addressed, Config, Edge, Metrics};
pub use fault::{Fault, FaultProxy};
pub use message::{Headers, Request, Response};
pub use names::NameServer;
pub use python::PythonServer;
pub use report::Report;
pub use upstream::{BlackHole, H2Reply, Refused, Reply, Upstream, Wire};

/// The folder of the repository.
pub fn repository() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests crate stands inside the repository")
}

/// A field of an access log line by its dotted name, whether the line nests its objects or not; null when it is not there.
pub fn field<'a>(line: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let nested = || name.split('.').try_fold(line, |value, part| value.get(part));
    line.get(name).or_else(nested).unwrap_or(&serde_json::Value::Null)
}

/// The newest built `portcullis` (or another program of the workspace) beside the running test.
///
/// # Panics
/// When it has not been built.
pub fn program(name: &str) -> std::path::PathBuf {
    if let Some(folder) = std::env::var_os("PORTCULLIS_BIN_DIR") {
        return std::path::Path::new(&folder).join(name);
    }
    let test = std::env::current_exe().expect("a test knows its own file");
    let beside = test.parent().and_then(std::path::Path::parent).expect("target/PROFILE/deps").join(name);
    assert!(beside.exists(), "{} is missing; run: cargo build --bin {name}", beside.display());
    beside
}
