//! The three calls of `proto/ca.proto`.
//!
//! Decides what a call needs, and turns its messages into what the authority is asked. Limits were looked at before
//! ([`super::connection`]), save of bootstraps, which depend on the token. Who calls is in the request's extensions: [`Origin`].

use super::admission::{Admission, spread};
use super::core::{Answer, Core};
use super::limit::{Bucket, Rate};
use super::places::Places;
use super::stream::Watching;
use super::view::{Peer, Trusted};
use super::{Stopping, status};
use crate::audit::Caller;
use crate::authority::{Granted, RefusalKind};
use crate::clock;
use crate::proto::certificate_authority_server::{CertificateAuthority, CertificateAuthorityServer};
use crate::proto::{self, Acknowledgement, BootstrapRequest, Issued, RenewRequest};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use zeroize::Zeroizing;

/// No message is longer: a request for a certificate has at most 16 KiB, a token 4 KiB.
pub(super) const LONGEST: usize = 64 * 1024;

/// When a place may be free again: about the time in which a connection that is gone is noticed.
const PLACE_WAIT: Duration = Duration::from_secs(10);

/// Who calls.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// From where.
    pub(super) address: SocketAddr,
    /// By its certificate, if it showed one.
    pub(super) peer: Option<Arc<Peer>>,
}

/// What answers the calls.
pub(super) struct Service {
    pub(super) core: Arc<Core>,
    pub(super) admission: Arc<Admission>,
    pub(super) trusted: Trusted,
    pub(super) streams: Places,
    pub(super) stopping: Stopping,
    /// When the log last had a line of trouble.
    pub(super) said: Mutex<Bucket>,
}

impl Service {
    /// The service hyper can call.
    pub(super) fn server(self) -> CertificateAuthorityServer<Self> {
        CertificateAuthorityServer::new(self).max_decoding_message_size(LONGEST)
    }

    /// The peer, still believed at this moment.
    fn member(&self, origin: &Origin) -> Result<Arc<Peer>, Status> {
        let peer = origin.peer.as_ref().ok_or_else(status::no_certificate)?;
        let out = self.trusted.borrow().is_out(&peer.svid, clock::wall());
        if out { Err(status::not_believed_any_more()) } else { Ok(Arc::clone(peer)) }
    }

    fn issued(&self, answer: Answer) -> Result<Response<Issued>, Status> {
        match answer {
            Ok(Ok(granted)) => Ok(Response::new(in_wire(granted))),
            Ok(Err(refusal)) => {
                if refusal.kind() == RefusalKind::Unavailable {
                    self.say(&refusal);
                }
                Err(status::of_refusal(&refusal))
            }
            Err(stuck) => {
                self.say(&stuck);
                Err(status::unavailable())
            }
        }
    }

    /// At most a line a second.
    fn say(&self, trouble: &dyn std::error::Error) {
        let rate = Rate::new(Duration::from_secs(1), 1);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.take(&rate, clock::monotonic()).is_ok() {
            tracing::error!(event = "request_failed", "{trouble}");
        }
    }
}

#[tonic::async_trait]
impl CertificateAuthority for Service {
    type WatchBundleStream = ReceiverStream<Result<proto::Trust, Status>>;

    async fn bootstrap(&self, request: Request<BootstrapRequest>) -> Result<Response<Issued>, Status> {
        let origin = origin(&request)?;
        let mut request = request.into_inner();
        let token = Zeroizing::new(std::mem::take(&mut request.token));
        let fresh = self.core.is_fresh(&token).await.map_err(|stuck| {
            self.say(&stuck);
            status::unavailable()
        })?;
        self.admission
            .bootstrap(fresh, clock::monotonic())
            .map_err(|wait| status::over_limit(spread(wait)))?;
        let answer = self.core.bootstrap(token, request, origin.caller()).await;
        self.issued(answer)
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<Issued>, Status> {
        let origin = origin(&request)?;
        let peer = self.member(&origin)?;
        let answer = self.core.renew(request.into_inner(), peer, origin.caller()).await;
        self.issued(answer)
    }

    async fn watch_bundle(
        &self,
        request: Request<Streaming<Acknowledgement>>,
    ) -> Result<Response<Self::WatchBundleStream>, Status> {
        let peer = self.member(&origin(&request)?)?;
        let place = self.streams.take(&peer.holder).ok_or_else(|| status::over_limit(PLACE_WAIT))?;
        let (out, stream) = mpsc::channel(1);
        let watching = Watching {
            core: Arc::clone(&self.core),
            peer,
            trusted: self.trusted.clone(),
            stopping: self.stopping.clone(),
            _place: place,
        };
        tokio::task::spawn_local(watching.run(request.into_inner(), out));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

impl Origin {
    /// As the log names it.
    pub(super) fn name(&self) -> &str {
        self.peer.as_ref().map_or("a stranger", |peer| peer.svid.id.as_str())
    }

    /// As the audit names it.
    fn caller(&self) -> Caller {
        let peer = self.peer.as_ref().map(|peer| peer.svid.id.clone());
        Caller { address: Some(self.address), peer, uid: None }
    }
}

fn origin<T>(request: &Request<T>) -> Result<Origin, Status> {
    // Put there by the connection; without it nobody is let in.
    request.extensions().get::<Origin>().cloned().ok_or_else(status::no_certificate)
}

fn in_wire(granted: Granted) -> Issued {
    Issued {
        chain: granted.chain,
        renew_after: granted.renew_after.0,
        trust: Some(granted.trust.to_wire(wall_millis())),
        instance: granted.instance.to_string(),
    }
}

/// The clock as the protocol has it.
pub(super) fn wall_millis() -> i64 {
    i64::try_from(clock::wall_millis()).unwrap_or(i64::MAX)
}
