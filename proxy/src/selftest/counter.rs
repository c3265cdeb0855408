//! The sidecar's own count of evidence it refused: the only sign outside of whether it believed a passport.
//!
//! Read from `observe: metrics`, else from the admin listener.

use super::subject::{Subject, reachable};
use super::verdict::Refused;
use crate::config::{AdminBind, Config};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

const NAME: &str = "portcullis_identity_rejected_total";
/// Bytes of metrics that are read.
const LONGEST: u64 = 32 << 20;

/// Where metrics are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counter {
    at: At,
    token: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Why the count is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum CounterError {
    #[error("the metrics cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("the metrics do not come in time")]
    Late,
    #[error("where metrics should be, {0:?} is answered")]
    Answer(String),
}

impl Counter {
    /// By the configuration; `None`: it has no place for metrics, or the system chooses its port.
    pub(super) fn of(config: &Config) -> Option<Self> {
        if let Some(address) = config.observe.metrics.filter(|address| address.port() != 0) {
            return Some(Self { at: At::Tcp(reachable(address)), token: None });
        }
        let admin = config.admin.as_ref()?;
        let at = match &admin.bind {
            AdminBind::Tcp(address) if address.port() == 0 => return None,
            AdminBind::Tcp(address) => At::Tcp(reachable(*address)),
            AdminBind::Unix(path) => At::Unix(path.clone()),
        };
        Some(Self { at, token: admin.token.clone() })
    }

    /// What was refused so far of `peer`, the application when it is empty, by reason.
    pub(super) async fn read(&self, peer: &str, patience: Duration) -> Result<Refused, CounterError> {
        let asking = async {
            match &self.at {
                At::Tcp(address) => self.ask(TcpStream::connect(address).await?).await,
                At::Unix(path) => self.ask(UnixStream::connect(path).await?).await,
            }
        };
        let page = timeout(patience, asking).await.map_err(|_late| CounterError::Late)??;
        Ok(of_page(&page, peer))
    }

    async fn ask(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<String, CounterError> {
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n"));
        let token = token.unwrap_or_default();
        let request = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut page = Vec::new();
        stream.take(LONGEST).read_to_end(&mut page).await?;
        let page = String::from_utf8_lossy(&page).into_owned();
        if page.starts_with("HTTP/1.1 200 ") {
            return Ok(page);
        }
        let line: String = page.lines().next().unwrap_or_default().chars().take(60).collect();
        Err(CounterError::Answer(line))
    }
}

/// Where to look for the count, in words, when it is nowhere.
pub(super) fn nowhere(subject: &Subject) -> String {
    let has_admin = subject.config.admin.is_some() || subject.config.observe.metrics.is_some();
    let why = if has_admin { "the system chooses the port of the metrics" } else { "add `observe: metrics`" };
    format!("not to be seen without the sidecar's counter: {why}")
}

/// The series of `peer` in the text format of metrics.
fn of_page(page: &str, peer: &str) -> Refused {
    let read = |line: &str| {
        let (labels, value) = line.strip_prefix(NAME)?.strip_prefix('{')?.rsplit_once("} ")?;
        if label(labels, "peer") != peer {
            return None;
        }
        let value: f64 = value.split(' ').next()?.parse().ok()?;
        // Counts are whole and far below 2^53.
        Some((label(labels, "reason").to_owned(), value as u64))
    };
    page.lines().filter_map(read).collect()
}

/// The value of a label; one that is empty is not written. SPIFFE IDs and reasons hold nothing that would be escaped.
fn label<'a>(labels: &'a str, name: &str) -> &'a str {
    let named = |pair: &'a str| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value);
    labels.split(',').find_map(named).unwrap_or_default().trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
HTTP/1.1 200 OK\r
\r
# TYPE portcullis_identity_rejected_total counter
portcullis_identity_rejected_total{reason=\"no_stamps\",peer=\"spiffe://a/order\"} 3
portcullis_identity_rejected_total{reason=\"signature\",peer=\"spiffe://a/order\"} 1
portcullis_identity_rejected_total{reason=\"no_stamps\",peer=\"spiffe://a/other\"} 9
portcullis_identity_rejected_total{reason=\"not_in_flight\"} 4
portcullis_other_total{reason=\"x\",peer=\"spiffe://a/order\"} 7
portcullis_identity_rejected_total nonsense
";

    #[test]
    fn only_what_one_peer_brought_is_counted() {
        let found = of_page(PAGE, "spiffe://a/order");

        assert_eq!(found, Refused::from([("no_stamps".to_owned(), 3), ("signature".to_owned(), 1)]));
        assert_eq!(of_page(PAGE, ""), Refused::from([("not_in_flight".to_owned(), 4)]));
        assert!(of_page("", "spiffe://a/order").is_empty());
    }
}
