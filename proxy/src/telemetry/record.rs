//! What is known about an exchange when it has ended: the one value access log and metrics are written from.

use super::metrics::AttemptEnd;
use super::outcome::Outcome;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// One finished exchange. Borrowed: writing it down must not allocate.
#[derive(Debug)]
pub struct Record<'a> {
    /// When the head of the request had arrived.
    pub started: SystemTime,
    /// From then to the end of the answer's body.
    pub duration: Duration,
    /// Request method; empty when the request was refused before it could be read.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host asked for, normalised; may be empty.
    pub host: &'a str,
    /// Path as it came, before any rewrite.
    pub path: &'a str,
    /// Query without `?`; empty when there is none.
    pub query: &'a str,
    /// Route name; `None` when none was found.
    pub route: Option<&'a str>,
    /// Service name; `None` when none was chosen.
    pub service: Option<&'a str>,
    /// Endpoint of the last attempt.
    pub endpoint: Option<SocketAddr>,
    /// Attempts made upstream.
    pub attempts: u32,
    /// The last of them that failed while there was another: where, and how.
    pub failed: Option<(SocketAddr, AttemptEnd)>,
    /// Who stands for whom and why, when another than the service has answered.
    pub degraded: Option<&'a [u8]>,
    /// What a gRPC service has said at the end.
    pub grpc_status: Option<u8>,
    /// From the first attempt to the head of the answer; `None` when there was no answer.
    pub upstream_time: Option<Duration>,
    /// Status sent to the client; 499 when the client left before a head was sent.
    pub status: u16,
    /// `1.0`, `1.1` or `2`.
    pub protocol: &'static str,
    /// The client's address as far as we believe it.
    pub client: SocketAddr,
    /// The address that connected to us.
    pub peer: SocketAddr,
    /// `User-Agent`, bytes as they came.
    pub user_agent: Option<&'a [u8]>,
    /// Request id.
    pub request_id: &'a str,
    /// Trace id, 32 hex digits.
    pub trace_id: &'a str,
    /// Our span id, 16 hex digits.
    pub span_id: &'a str,
    /// Request body bytes read.
    pub bytes_in: u64,
    /// Answer body bytes sent.
    pub bytes_out: u64,
    /// `TLSv1.2`, `TLSv1.3`; `None` on plain connections.
    pub tls_version: Option<&'static str>,
    /// SPIFFE ID of the member of the mesh that sent it.
    pub mesh_peer: Option<&'a str>,
    /// Id of the rule of the workload that decided; empty: none fits. `None`: no rules were asked.
    pub rule: Option<&'a str>,
    /// The user, authenticated at the edge.
    pub user: Option<&'a str>,
    /// Why what a client has shown was not believed.
    pub disbelieved: Option<&'static str>,
    /// How it ended.
    pub outcome: Outcome,
}
