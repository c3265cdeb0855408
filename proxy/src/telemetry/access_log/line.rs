//! One line of the access log: the profile `otel`, JSON with the attribute names of OpenTelemetry. Pure.
//!
//! Keys keep their order; what is not known is absent rather than empty. Durations are milliseconds with three
//! decimals, sizes bytes, the timestamp is when the request's head had arrived.

use super::super::metrics::AttemptEnd;
use super::super::record::Record;
use super::escape::escape;
use super::redact::Redaction;
use super::timestamp::Timestamps;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Writes lines.
#[derive(Debug)]
pub(super) struct Lines {
    timestamps: Timestamps,
    redaction: Redaction,
}

impl Lines {
    pub(super) fn new(redaction: Redaction) -> Self {
        Self { timestamps: Timestamps::new(), redaction }
    }

    /// Appends one line with its line feed.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        out.extend_from_slice(b"{\"timestamp\":\"");
        self.timestamps.write(out, record.started);
        out.push(b'"');
        self.write_request(out, record);
        write_peers(out, record);
        write_ids(out, record);
        write_own(out, record);
        out.extend_from_slice(b"}\n");
    }

    fn write_request(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        text(out, b",\"http.request.method\":\"", record.method.as_bytes());
        word(out, b",\"url.scheme\":\"", record.scheme);
        text(out, b",\"url.path\":\"", record.path.as_bytes());
        if !record.query.is_empty() {
            out.extend_from_slice(b",\"url.query\":\"");
            self.redaction.write(out, record.query);
            out.push(b'"');
        }
        text(out, b",\"http.route\":\"", record.route.unwrap_or_default().as_bytes());
        number(out, b",\"http.response.status_code\":", record.status.into());
        word(out, b",\"error.type\":\"", record.outcome.reason);
        word(out, b",\"network.protocol.version\":\"", record.protocol);
    }
}

fn write_peers(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(b",\"client.address\":\"");
    address(out, record.client.ip());
    out.extend_from_slice(b"\",\"network.peer.address\":\"");
    address(out, record.peer.ip());
    out.push(b'"');
    text(out, b",\"server.address\":\"", record.host.as_bytes());
    if let Some(agent) = record.user_agent {
        text(out, b",\"user_agent.original\":\"", agent);
    }
    number(out, b",\"http.request.body.size\":", record.bytes_in);
    number(out, b",\"http.response.body.size\":", record.bytes_out);
}

fn write_ids(out: &mut Vec<u8>, record: &Record<'_>) {
    text(out, b",\"trace_id\":\"", record.trace_id.as_bytes());
    text(out, b",\"span_id\":\"", record.span_id.as_bytes());
}

fn write_own(out: &mut Vec<u8>, record: &Record<'_>) {
    text(out, b",\"portcullis.service\":\"", record.service.unwrap_or_default().as_bytes());
    if let Some(endpoint) = record.endpoint {
        out.extend_from_slice(b",\"portcullis.endpoint\":\"");
        socket(out, endpoint);
        out.push(b'"');
    }
    number(out, b",\"portcullis.attempts\":", record.attempts.into());
    if let Some((endpoint, end)) = record.failed {
        out.extend_from_slice(b",\"portcullis.failed\":\"");
        socket(out, endpoint);
        match end {
            AttemptEnd::Answered(status) => number(out, b" ", status.into()),
            AttemptEnd::Failed(reason) => {
                out.push(b' ');
                out.extend_from_slice(reason.as_bytes());
            }
            AttemptEnd::Other => {}
        }
        out.push(b'"');
    }
    text(out, b",\"portcullis.degraded\":\"", record.degraded.unwrap_or_default());
    if let Some(status) = record.grpc_status {
        number(out, b",\"rpc.grpc.status_code\":", status.into());
    }
    millis(out, b",\"portcullis.duration_ms\":", record.duration);
    if let Some(upstream) = record.upstream_time {
        millis(out, b",\"portcullis.upstream_ms\":", upstream);
    }
    word(out, b",\"portcullis.ended_by\":\"", record.outcome.ended_by.word());
    word(out, b",\"portcullis.stage\":\"", record.outcome.stage.word());
    text(out, b",\"portcullis.request_id\":\"", record.request_id.as_bytes());
    word(out, b",\"portcullis.tls_version\":\"", record.tls_version.unwrap_or_default());
    text(out, b",\"portcullis.peer\":\"", record.mesh_peer.unwrap_or_default().as_bytes());
    text(out, b",\"portcullis.rule\":\"", record.rule.unwrap_or_default().as_bytes());
    text(out, b",\"user.id\":\"", record.user.unwrap_or_default().as_bytes());
    word(out, b",\"portcullis.disbelieved\":\"", record.disbelieved.unwrap_or_default());
}

/// A text from outside; nothing when it is empty.
fn text(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    if !value.is_empty() {
        out.extend_from_slice(key);
        escape(out, value);
        out.push(b'"');
    }
}

/// A word of ours, which needs no escaping; nothing when it is empty.
fn word(out: &mut Vec<u8>, key: &[u8], value: &'static str) {
    if !value.is_empty() {
        out.extend_from_slice(key);
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }
}

fn number(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    integer(out, value);
}

fn integer(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Milliseconds with three decimals.
fn millis(out: &mut Vec<u8>, key: &[u8], duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    number(out, key, micros / 1000);
    // Four digits, of which the first is always 1, keep the zeros.
    let decimals = 1000 + micros % 1000;
    out.push(b'.');
    out.extend_from_slice(itoa::Buffer::new().format(decimals).as_bytes().get(1..).unwrap_or_default());
}

/// An address; IPv4 that came in as IPv6 is written as IPv4.
fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            for (n, octet) in four.octets().into_iter().enumerate() {
                if n > 0 {
                    out.push(b'.');
                }
                integer(out, octet.into());
            }
        }
        // Writing into a Vec cannot fail.
        IpAddr::V6(six) => _ = write!(out, "{six}"),
    }
}

fn socket(out: &mut Vec<u8>, socket: SocketAddr) {
    let ip = socket.ip().to_canonical();
    if ip.is_ipv6() {
        out.push(b'[');
    }
    address(out, ip);
    out.extend_from_slice(if ip.is_ipv6() { b"]:" } else { b":" });
    integer(out, socket.port().into());
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
