//! Connections of the attacker: bytes in, what comes back out. Bounded in time, size and number.
//!
//! Must not know: what an answer is worth, which attack it belongs to.

use super::subject::Subject;
use super::verdict::{End, Met, Reply};
use crate::clock;
use crate::runtime::LocalExecutor;
use crate::tls::knock::{self, Knock, KnockFault, Knocked, Knocker};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longest time for one attempt.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest time for a connection that nobody may take.
const DIAL: Duration = Duration::from_millis(500);
/// Bytes of an answer that are read.
const LONGEST: usize = 64 << 10;

/// Tries things at one sidecar until a moment, not after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prober<'a> {
    pub(super) subject: &'a Subject,
    pub(super) until: Instant,
}

impl Prober<'_> {
    /// How long one attempt may take now.
    pub(super) fn patience(&self) -> Duration {
        PATIENCE.min(self.until.saturating_duration_since(clock::now()))
    }

    /// Runs one attempt in its time.
    async fn within(&self, attempt: impl Future<Output = Reply>) -> Reply {
        let late = || Reply::ended(End::Broken("no answer in time".to_owned()));
        let patience = self.patience();
        // Room for what is inside to end by itself, with what it has read; none when all time is over.
        let room = if patience.is_zero() { patience } else { patience + DIAL };
        timeout(room, attempt).await.unwrap_or_else(|_late| late())
    }

    /// As a member: our certificate and its key.
    pub(super) fn member(&self) -> Knock<'_> {
        let own = &self.subject.own;
        Knock { shown: Some((&own.chain, &own.key)), ..Knock::default() }
    }

    /// Bytes in plain, to `address`.
    pub(super) async fn plain(&self, address: SocketAddr, bytes: &[u8]) -> Reply {
        self.within(async {
            match TcpStream::connect(address).await {
                Ok(mut stream) => self.talk(&mut stream, bytes).await,
                Err(error) => broken(&error),
            }
        })
        .await
    }

    /// HTTP/1 bytes inside TLS, as `knock` says.
    pub(super) async fn tls(&self, knock: Knock<'_>, bytes: &[u8]) -> Reply {
        self.within(async {
            match self.open(&self.knocker(knock)).await {
                Ok(mut stream) => self.talk(&mut stream, bytes).await,
                Err(reply) => reply,
            }
        })
        .await
    }

    /// One HTTP/2 exchange inside TLS, as `knock` says.
    pub(super) async fn h2(&self, knock: Knock<'_>, request: Request<Empty<Bytes>>) -> Reply {
        self.within(async {
            match self.open(&self.knocker(Knock { h2: true, ..knock })).await {
                Ok(stream) => Box::pin(exchange(stream, request)).await,
                Err(reply) => reply,
            }
        })
        .await
    }

    /// Twice the same member: the tickets of the first time, and whether the second handshake resumed.
    pub(super) async fn twice(&self, bytes: &[u8]) -> Result<(u32, bool), Reply> {
        let knocker = self.knocker(self.member());
        let mut first = self.in_time(self.open(&knocker)).await?;
        // Tickets come with or before the answer.
        let _answer = self.within(self.talk(&mut first, bytes)).await;
        let (tickets, _) = knock::resumption(&first);
        let second = self.in_time(self.open(&knocker)).await?;
        Ok((tickets, knock::resumption(&second).1))
    }

    async fn in_time<T>(&self, attempt: impl Future<Output = Result<T, Reply>>) -> Result<T, Reply> {
        let late = Reply::ended(End::Broken("no answer in time".to_owned()));
        timeout(self.patience(), attempt).await.unwrap_or(Err(late))
    }

    /// Whether somebody takes a connection at each of these addresses; all are tried at once.
    pub(super) async fn dial(&self, addresses: Vec<SocketAddr>) -> Vec<(String, Met)> {
        let patience = DIAL.min(self.patience());
        let mut tries = JoinSet::new();
        for address in addresses {
            tries.spawn_local(async move { (address.to_string(), dial(address, patience).await) });
        }
        let mut met = tries.join_all().await;
        met.sort_by(|(one, _), (other, _)| one.cmp(other));
        met
    }

    fn knocker(&self, knock: Knock<'_>) -> Result<Knocker, Reply> {
        let Subject { own, trust, .. } = self.subject;
        Knocker::new(&own.svid.id, trust.clone(), knock)
            .map_err(|error| Reply::ended(End::Broken(error.to_string())))
    }

    async fn open(&self, knocker: &Result<Knocker, Reply>) -> Result<Knocked, Reply> {
        let knocker = knocker.as_ref().map_err(Reply::clone)?;
        let target = self.subject.target;
        let stream = TcpStream::connect(target).await.map_err(|error| broken(&error))?;
        Box::pin(knocker.knock(target.ip(), stream)).await.map_err(|fault| match fault {
            KnockFault::Refused(alert) => Reply::ended(End::Alert(alert)),
            KnockFault::Io(error) if is_over(&error) => Reply::ended(End::Closed),
            other => Reply::ended(End::Broken(other.to_string())),
        })
    }

    /// Sends everything and reads until the other side ends it, or the time is up.
    async fn talk(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) -> Reply {
        let mut read = Vec::new();
        let talking = async {
            // Who is refused while still talking finds out when reading.
            let _sent = async { stream.write_all(bytes).await.and(stream.flush().await) }.await;
            loop {
                match stream.read_buf(&mut read).await {
                    Ok(0) => return End::Closed,
                    Ok(_) if read.len() > LONGEST => return End::Broken("the answer is too long".to_owned()),
                    Ok(_) => {}
                    Err(error) => return ending(&error),
                }
            }
        };
        let end = timeout(self.patience(), talking).await.unwrap_or(End::Open);
        Reply::read(read, end)
    }
}

async fn dial(address: SocketAddr, patience: Duration) -> Met {
    match timeout(patience, TcpStream::connect(address)).await {
        Ok(Ok(_taken)) => Met::Somebody,
        Ok(Err(error)) if is_nobody(&error) => Met::Nobody,
        Ok(Err(error)) => Met::Unknown(error.to_string()),
        Err(_late) if patience < DIAL => Met::Unknown("no time is left".to_owned()),
        // Packets get lost on the way there: nobody else gets through either.
        Err(_late) => Met::Nobody,
    }
}

async fn exchange(stream: Knocked, request: Request<Empty<Bytes>>) -> Reply {
    let (mut sender, connection) = match http2::handshake(LocalExecutor, TokioIo::new(stream)).await {
        Ok(made) => made,
        Err(error) => return Reply::ended(why(&error)),
    };
    let mut driver = JoinSet::new();
    driver.spawn_local(async { drop(connection.await) });
    match sender.send_request(request).await {
        Ok(answer) => {
            let status = Some(answer.status().as_u16());
            let mut bytes = format!("{:?}", answer.headers()).into_bytes();
            if let Ok(body) = Limited::new(answer.into_body(), LONGEST).collect().await {
                bytes.extend_from_slice(&body.to_bytes());
            }
            Reply { status, bytes, end: End::Answered }
        }
        Err(error) => Reply::ended(why(&error)),
    }
}

/// How an HTTP/2 exchange without an answer ended.
fn why(error: &hyper::Error) -> End {
    use std::error::Error as _;
    let inner = error.source();
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<io::Error>()) {
        return ending(error);
    }
    match inner.map(ToString::to_string) {
        // The other side reset this exchange, or said goodbye; what we refuse ourselves is "sent" or "user error".
        Some(text) if text.contains("received") => End::Answered,
        None if error.is_closed() || error.is_canceled() => End::Closed,
        Some(text) => End::Broken(text),
        None => End::Broken(error.to_string()),
    }
}

fn ending(error: &io::Error) -> End {
    match knock::alert(error) {
        Some(alert) => End::Alert(alert),
        None if is_over(error) => End::Closed,
        None => End::Broken(error.to_string()),
    }
}

fn is_over(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable | TimedOut)
}

fn broken(error: &io::Error) -> Reply {
    Reply::ended(End::Broken(format!("no connection: {error}")))
}
