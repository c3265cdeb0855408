//! What somebody types next when a workload has not got what it asked for. Pure.

use crate::cli::words::{self, quote};
use crate::client::ClientError;
use crate::spiffe::SpiffeId;
use crate::time::{Timestamp, human};
use crate::verify::VerifyError;
use std::error::Error;
use std::fmt;
use std::path::Path;
use tonic::Code;

/// An error with what to do now, where its own words do not say it.
#[derive(Debug)]
pub(in crate::cli) struct Advised {
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
}

/// Whose folder it is about.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Place<'a> {
    /// The folder.
    pub(in crate::cli) dir: &'a Path,
    /// Who the workload is, as far as it is known.
    pub(in crate::cli) id: Option<&'a SpiffeId>,
    /// By the clock of this machine.
    pub(in crate::cli) now: Timestamp,
}

impl Advised {
    pub(in crate::cli) fn new(error: impl Into<Box<dyn Error + Send + Sync>>, hint: Option<String>) -> Self {
        Self { error: error.into(), hint }
    }

    /// An error on the way to the authority.
    pub(in crate::cli) fn of(error: ClientError, place: &Place<'_>) -> Self {
        let hint = advice(&error, place);
        Self::new(error, hint)
    }
}

impl fmt::Display for Advised {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(out, "{}\nhint: {hint}", self.error),
            None => self.error.fmt(out),
        }
    }
}

impl Error for Advised {}

impl Place<'_> {
    /// A command for this folder, as it is to be typed.
    pub(in crate::cli) fn command(&self, verb: &str) -> String {
        format!("portcullis ca {verb} --out {}", quote(self.dir))
    }

    /// The same from any folder.
    pub(in crate::cli) fn absolute(&self, verb: &str) -> String {
        let dir = std::path::absolute(self.dir);
        format!("portcullis ca {verb} --out {}", quote(dir.as_deref().unwrap_or(self.dir)))
    }

    /// How a new join token is got and used.
    pub(in crate::cli) fn join(&self) -> String {
        let entry = self.id.map_or_else(|| "ENTRY".to_owned(), words::short);
        format!(
            "on the authority's machine `portcullis ca token create {entry}`, then here `{} -` and paste the token",
            self.command("bootstrap")
        )
    }
}

/// What to do about an error; `None`: its words say it.
pub(in crate::cli) fn advice(error: &ClientError, place: &Place<'_>) -> Option<String> {
    const CLOCK: &str =
        "compare `date -u` on both machines; `timedatectl set-ntp true` lets the network set a clock";
    Some(match error {
        ClientError::Unreachable { url, .. } => {
            format!("`curl -vk {url}` shows how far one gets; on the authority's machine `portcullis ca check --server`")
        }
        ClientError::Lost { .. } => "run the same command again".to_owned(),
        ClientError::NotTheCa { .. } => {
            "on the authority's machine `portcullis ca root show` prints its address and the fingerprint of its root"
                .to_owned()
        }
        ClientError::Clock { why: VerifyError::Expired { not_after, .. }, .. } => format!(
            "it ended {} ago by the clock here: {CLOCK}; if both are right, the authority needs a restart",
            human(place.now.since(*not_after))
        ),
        ClientError::Clock { .. } | ClientError::ClockSkew { .. } => {
            format!("{CLOCK}. Then run the same command again, with the same token if there was one")
        }
        ClientError::TokenInvalid { .. } => {
            format!("a token is good once and for a short time; {}", place.join())
        }
        ClientError::Expired { not_after, .. } => format!(
            "that was {} ago by the clock of this machine, {}; if the clock is right: {}",
            human(place.now.since(*not_after)),
            place.now,
            place.join()
        ),
        ClientError::NotAccepted { alert, .. } if alert.contains("Revoked") => format!(
            "it was revoked: `portcullis ca revoke --list` on the authority's machine says why. For a new start {}",
            place.join()
        ),
        ClientError::NotAccepted { .. } => format!("first `date -u`: is the clock right? Then {}", place.join()),
        ClientError::NoUrl => "make the token with --url https://HOST:8443".to_owned(),
        ClientError::Refused { pushback: Some(wait), .. } => {
            format!("the authority is busy: ask again in {}", human((*wait).max(std::time::Duration::from_secs(1))))
        }
        ClientError::Refused { code: Code::Unauthenticated | Code::NotFound, .. } => {
            format!("`portcullis ca audit tail` on the authority's machine says why; for a new start {}", place.join())
        }
        ClientError::Refused { .. } | ClientError::Answer(_) => {
            "`portcullis ca audit tail` on the authority's machine says more".to_owned()
        }
        ClientError::State(_) | ClientError::Key(_) | ClientError::Tls(_) | ClientError::Url(_) => return None,
    })
}
