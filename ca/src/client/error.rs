//! What goes wrong between a workload and its authority, in words that say what to do next.
//!
//! Decides too who may try again: at once ([`ClientError::transient`]), after a while
//! ([`ClientError::retry_after`]), or only with a new join token ([`ClientError::needs_token`]).

use super::state::StateError;
use crate::certificate::SvidError;
use crate::key::KeyError;
use crate::spiffe::{SpiffeId, SpiffeIdError};
use crate::time::Timestamp;
use crate::trust::TrustError;
use crate::verify::VerifyError;
use std::fmt;
use std::io;
use std::time::Duration;
use tonic::Code;

/// Why a workload has not got what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// An address that is none.
    #[error("{0:?} is no address of an authority: write it as https://ca.example:8443")]
    Url(String),
    /// No address at all.
    #[error("no address of an authority is known: join again with a new token")]
    NoUrl,
    /// Nobody answers there.
    #[error(
        "cannot reach the authority at {url} ({source}): does `portcullis ca serve` run there, is the way open?"
    )]
    Unreachable {
        /// Where.
        url: String,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke while we waited for the answer.
    #[error("no answer came from the authority at {url} ({source}): ask again, nothing is lost")]
    Lost {
        /// Where.
        url: String,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody else answers there. It was sent neither token nor request.
    #[error(
        "{url} is not {contact}: {why}. Nothing was sent to it. Look at the address, and who answers there"
    )]
    NotTheCa {
        /// Where.
        url: String,
        /// Whom we looked for.
        contact: Contact,
        /// How we know.
        why: Distrust,
    },
    /// The certificate of the authority is not good now, by our clock.
    #[error(
        "the certificate of {url} is not good now: {why}. Nothing was sent; compare the clocks of both machines first"
    )]
    Clock {
        /// Where.
        url: String,
        /// Its dates, and what our clock says.
        why: VerifyError,
    },
    /// The clocks differ by more than 2 minutes.
    #[error(
        "the clocks differ: it is {ours} on this machine and {theirs} at the authority. Set the wrong one; ask again then"
    )]
    ClockSkew {
        /// What our clock says.
        ours: Timestamp,
        /// What the authority's says.
        theirs: Timestamp,
    },
    /// The authority does not take the certificate we hold.
    #[error("the authority at {url} does not accept our certificate ({alert}): join again with a new token")]
    NotAccepted {
        /// Where.
        url: String,
        /// The alert it sent (RFC 8446, section 6.2).
        alert: String,
    },
    /// The join token is not good, or not any more.
    #[error(
        "the authority refuses the join token ({message}): make a new one with `portcullis ca token create`"
    )]
    TokenInvalid {
        /// What it said.
        message: String,
    },
    /// The authority says no.
    #[error("the authority refuses ({code:?}): {message}")]
    Refused {
        /// The gRPC status.
        code: Code,
        /// What it said.
        message: String,
        /// How long it asked to wait.
        pushback: Option<Duration>,
    },
    /// The authority's answer is not what was asked for.
    #[error("the answer of the authority cannot be used: {0}")]
    Answer(#[from] AnswerFault),
    /// The certificate we hold has expired: there is nothing to show to the authority.
    #[error("the certificate of {id} expired at {not_after}: join again with a new token")]
    Expired {
        /// Whose.
        id: SpiffeId,
        /// When.
        not_after: Timestamp,
    },
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// A private key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl ClientError {
    /// How long the authority asked to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { pushback, .. } => *pushback,
            _ => None,
        }
    }

    /// Whether another server of the authority, or this one a moment later, may give another answer.
    pub fn transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } => true,
            Self::Refused { code, .. } => !definite(*code),
            _ => false,
        }
    }

    /// Whether trying again is of no use before the operator gives a new join token.
    pub fn needs_token(&self) -> bool {
        match self {
            Self::NotAccepted { .. } | Self::TokenInvalid { .. } | Self::Expired { .. } | Self::NoUrl => true,
            Self::Refused { code, .. } => definite(*code),
            _ => false,
        }
    }

    /// Whether another server of the same authority should be asked.
    pub(super) fn ask_elsewhere(&self) -> bool {
        self.transient() || matches!(self, Self::NotTheCa { .. } | Self::Clock { .. } | Self::Url(_))
    }

    /// Of several servers' errors the one that tells most: a server that does not answer tells least.
    pub(super) fn more_telling(self, before: Option<Self>) -> Self {
        match before {
            Some(before) if matches!(self, Self::Unreachable { .. }) => before,
            Some(before) if !before.transient() && self.transient() => before,
            _ => self,
        }
    }
}

/// Whether the authority decided, and would decide the same again.
fn definite(code: Code) -> bool {
    matches!(
        code,
        Code::Unauthenticated
            | Code::PermissionDenied
            | Code::InvalidArgument
            | Code::NotFound
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
    )
}

/// Whom we looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// The authority that made the join token.
    First,
    /// The authority we have a certificate of.
    Later,
}

impl fmt::Display for Contact {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::First => "the authority the join token was made by",
            Self::Later => "the authority of this workload",
        })
    }
}

/// How we know that somebody is not the authority.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Distrust {
    /// Its certificate is not believed.
    #[error(transparent)]
    Chain(#[from] VerifyError),
    /// Its certificate is good, for somebody else.
    #[error("it has the certificate of {found}, not of {expected}")]
    Identity {
        /// Whose certificate it has.
        found: SpiffeId,
        /// The authority.
        expected: SpiffeId,
    },
    /// The authority of this trust domain can have no name.
    #[error("the authority has no name in this trust domain: {0}")]
    NoName(#[from] SpiffeIdError),
}

/// What is wrong with an answer of the authority.
#[derive(Debug, thiserror::Error)]
pub enum AnswerFault {
    /// There is no certificate in it.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// There is no trust in it.
    #[error("it does not say whom to believe")]
    NoTrust,
    /// The certificate is for another key.
    #[error("the certificate is for another key")]
    OtherKey,
    /// The certificate is for another workload.
    #[error("the certificate is for {0}")]
    OtherId(SpiffeId),
    /// The name of the instance is malformed.
    #[error("the name of the instance is malformed")]
    Instance,
    /// The certificate is not one of a workload.
    #[error(transparent)]
    Svid(#[from] SvidError),
    /// The trust is malformed, or of another trust domain.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The certificate is not good under the bundle that came with it.
    #[error("the certificate is not good under the bundle that came with it ({0})")]
    Chain(#[from] VerifyError),
}
