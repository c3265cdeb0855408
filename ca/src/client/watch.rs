//! The stream of trusts: roots, deny-list, asserters, each with a sequence to acknowledge.
//!
//! | state | |
//! |--|--|
//! | open | our stored sequence is acknowledged |
//! | a trust came | it is the caller's to store; nothing is acknowledged |
//! | stored | it is acknowledged |
//! | closed | what was acknowledged is out |
//!
//! It must not store anything: whoever acknowledges has stored.

use super::connect::{Connection, anywhere};
use super::error::{AnswerFault, ClientError, Contact};
use super::exchange::judge;
use super::identity::Identity;
use super::tls;
use crate::clock;
use crate::proto::{self, Acknowledgement};
use crate::spiffe::TrustDomain;
use crate::trust::Trust;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// How long the authority may take to end a stream we ended.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// An open stream.
pub(super) struct Watch {
    connection: Connection,
    acknowledgements: mpsc::Sender<Acknowledgement>,
    trusts: Streaming<proto::Trust>,
    trust_domain: TrustDomain,
}

impl Watch {
    /// Opens the stream as `identity`, whose trust is stored.
    pub(super) async fn open(identity: &Identity) -> Result<Self, ClientError> {
        let config = tls::member(identity)?;
        let sequence = identity.trust.bundle.sequence;
        anywhere(&identity.urls, async |url| {
            let mut connection = Connection::open(url, &config, Contact::Later).await?;
            let (acknowledgements, receiver) = mpsc::channel(1);
            // The channel is new: there is room for one.
            let _sent = acknowledgements.try_send(Acknowledgement { sequence });
            let opened = connection.client.watch_bundle(ReceiverStream::new(receiver));
            let trusts = connection.line.answer(opened).await?.into_inner();
            let trust_domain = identity.trust.bundle.trust_domain.clone();
            Ok(Self { connection, acknowledgements, trusts, trust_domain })
        })
        .await
    }

    /// Waits for the next trust.
    pub(super) async fn next(&mut self) -> Result<Trust, ClientError> {
        let message = self.trusts.message().await.map_err(|status| self.connection.line.refused(status))?;
        let message = message.ok_or_else(|| self.connection.line.ended())?;
        judge(clock::wall_millis(), Some(&message));
        Ok(Trust::from_wire(message, Some(&self.trust_domain)).map_err(AnswerFault::from)?)
    }

    /// Says that the trust with `sequence` is stored.
    pub(super) async fn acknowledge(&mut self, sequence: u64) -> Result<(), ClientError> {
        let sent = self.acknowledgements.send(Acknowledgement { sequence }).await;
        sent.map_err(|_closed| self.connection.line.ended())
    }

    /// Ends the stream once the acknowledgements are out.
    pub(super) async fn close(self) {
        let Self { connection, acknowledgements, mut trusts, .. } = self;
        // Ends our side; the authority ends its own when it has heard all. What it still sends is of no interest.
        drop(acknowledgements);
        let ended = async { while let Ok(Some(_trust)) = trusts.message().await {} };
        let _in_time = timeout(CLOSE_LIMIT, ended).await;
        drop(trusts);
        connection.close().await;
    }
}
