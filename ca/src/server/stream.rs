//! One member that watches the trust.
//!
//! | what happens | what follows |
//! |--|--|
//! | the stream opens, or the trust changes | the newest trust is owed |
//! | the member has room | what is owed is sent; trusts in between are never sent |
//! | it acknowledges a sequence | the authority keeps it, if it is higher than the one before |
//! | it ends its side | what it said is kept, then the stream ends |
//! | it is denied, or the server goes down | the stream ends with a status that says so |
//!
//! A member that reads slowly costs two trusts, however many change meanwhile. One that acknowledges without end is
//! heard twice a second. It must not know the store.

use super::core::{Core, CoreError};
use super::limit::{Bucket, Rate};
use super::places::Place;
use super::service::wall_millis;
use super::view::{Peer, Trusted};
use super::{Stopping, status};
use crate::authority::AuthorityError;
use crate::clock;
use crate::proto::{self, Acknowledgement};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tonic::{Status, Streaming};

/// How long the last word may take.
const LAST_WORD: Duration = Duration::from_secs(1);

type Out = mpsc::Sender<Result<proto::Trust, Status>>;

/// A stream.
pub(super) struct Watching {
    pub(super) core: Arc<Core>,
    pub(super) peer: Arc<Peer>,
    pub(super) trusted: Trusted,
    pub(super) stopping: Stopping,
    pub(super) _place: Place,
}

impl Watching {
    /// Runs until one of the two sides ends it.
    pub(super) async fn run(mut self, heard: Streaming<Acknowledgement>, out: Out) {
        if let Err(status) = self.watch(heard, &out).await {
            // Who does not even read this learns it from the end of the connection.
            let _said = timeout(LAST_WORD, out.send(Err(status))).await;
        }
    }

    async fn watch(&mut self, mut heard: Streaming<Acknowledgement>, out: &Out) -> Result<(), Status> {
        let mut owed = true;
        let mut pace = Pace::default();
        loop {
            tokio::select! {
                // What is owed goes before what was heard: who says one thing and ends its side gets an answer.
                biased;
                () = self.stopping.reached() => return Err(status::going_down()),
                changed = self.trusted.changed() => {
                    changed.map_err(|_gone| status::going_down())?;
                    let out = self.trusted.borrow_and_update().is_out(&self.peer.svid, clock::wall());
                    if out {
                        return Err(status::not_believed_any_more());
                    }
                    owed = true;
                }
                room = out.reserve(), if owed => {
                    let Ok(room) = room else { return Ok(()) };
                    room.send(Ok(self.newest()));
                    owed = false;
                }
                () = out.closed() => return Ok(()),
                message = heard.message() => match message {
                    Ok(Some(message)) => self.acknowledge(message.sequence, &mut pace).await?,
                    Ok(None) | Err(_) => return Ok(()),
                },
            }
        }
    }

    fn newest(&mut self) -> proto::Trust {
        self.trusted.borrow_and_update().trust.to_wire(wall_millis())
    }

    /// Keeps an acknowledgement, if it says something new.
    async fn acknowledge(&self, sequence: u64, pace: &mut Pace) -> Result<(), Status> {
        if sequence <= pace.acknowledged {
            return Ok(());
        }
        // Nobody can have stored what was never sent.
        let newest = self.trusted.borrow().trust.bundle.sequence;
        if sequence > newest {
            tracing::warn!(event = "acknowledgement_refused", peer = %self.peer.svid.id, sequence, newest);
            return Ok(());
        }
        while let Err(wait) = pace.bucket.take(&Rate::new(Duration::from_millis(500), 10), clock::monotonic())
        {
            sleep(wait).await;
        }
        match self.core.acknowledge(Arc::clone(&self.peer), sequence).await {
            Ok(()) => pace.acknowledged = sequence,
            // Said again it would be as wrong: a member that believes more than there is, or that we do not know.
            Err(CoreError::Authority(
                error @ (AuthorityError::UnknownSequence { .. }
                | AuthorityError::NoCertificate(_)
                | AuthorityError::NoInstance(_)),
            )) => tracing::warn!(event = "acknowledgement_refused", peer = %self.peer.svid.id, "{error}"),
            // The member would never say it again on this stream: it must open another one.
            Err(error) => {
                tracing::error!(event = "acknowledgement_failed", peer = %self.peer.svid.id, "{error}");
                return Err(status::unavailable());
            }
        }
        Ok(())
    }
}

/// What one stream has said, and how often.
#[derive(Debug, Default)]
struct Pace {
    acknowledged: u64,
    bucket: Bucket,
}
