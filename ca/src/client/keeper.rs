//! The lane of the agent that keeps the certificate good.
//!
//! | state | what it does |
//! |--|--|
//! | no identity | joins, as soon as there is a join token it has not tried |
//! | good | waits; renews when it is due; tries again when that failed, with the old certificate in use |
//! | refused, or on the deny-list | the same, and joins when there is a new join token |
//! | expired | joins when there is a new join token; goes on as before when only the clock was wrong |
//!
//! When to do what decides [`super::schedule`]. A join token counts as tried when the authority has refused it or has
//! given a certificate for it; when nobody could be asked, it is tried again.

use super::agent::{Agent, left};
use super::connect::random;
use super::error::ClientError;
use super::exchange::{bootstrap, renew};
use super::identity::Identity;
use super::schedule::{Backoff, Clocks, Next, Schedule};
use crate::deny::DenyList;
use crate::names::{Fingerprint, Serial};
use crate::token::JoinToken;
use std::convert::Infallible;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// How often somebody in need looks at the file with the join token.
const LOOK: Duration = Duration::from_secs(1);
/// Nobody sleeps longer, so that a clock that jumped is seen.
const NAP: Duration = Duration::from_secs(30);
/// A file with a join token is not longer, white space included.
const LARGEST_TOKEN: u64 = 8192;

pub(super) struct Keeper<'a> {
    agent: &'a Agent,
    /// Of the published identity.
    schedule: Option<(Serial, Schedule)>,
    /// Whether the last renewal was refused for good, or the next one will be.
    refused: bool,
    /// The certificate and the sequence that were looked up in the deny-list.
    looked_up: Option<(Serial, u64)>,
    /// Whether it was said that the certificate has expired.
    expired: bool,
    joining: Joining,
    /// What the directory held when it was last looked at.
    version: Option<PathBuf>,
    last: Clocks,
}

/// What is known of join tokens.
#[derive(Debug, Default)]
struct Joining {
    /// The content of the file that was tried.
    tried: Option<Fingerprint>,
    failures: Backoff,
    /// Not before, by the monotonic clock.
    retry: Duration,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(agent: &'a Agent) -> Self {
        let at = agent.clocks();
        let schedule =
            agent.current().map(|identity| (identity.svid.serial, Schedule::new(identity.term(), at, false)));
        let version = agent.dir.version();
        let joining = Joining::default();
        Self { agent, schedule, refused: false, looked_up: None, expired: false, joining, version, last: at }
    }

    pub(super) async fn run(&mut self) -> Infallible {
        let mut changes = self.agent.identity();
        loop {
            let rest = self.step().await;
            tokio::select! {
                () = tokio::time::sleep(rest.min(NAP)) => {}
                // The deny-list may have us on it.
                _changed = changes.changed() => {}
            }
        }
    }

    /// Does what is due. Returns how long nothing will be.
    pub(super) async fn step(&mut self) -> Duration {
        let at = self.agent.clocks();
        if let Some(seconds) = at.jumped_since(self.last) {
            tracing::warn!(event = "clock_jumped", seconds, "the clock was set, or this machine slept");
        }
        self.last = at;
        self.take_over(at);
        self.look_up();
        match self.schedule.as_ref().map_or(Next::Expired, |(_, schedule)| schedule.next(at)) {
            Next::Renew => self.renew(at).await,
            Next::Wait(rest) if self.refused => self.join(at).await.min(rest),
            Next::Wait(rest) => rest,
            Next::Expired => {
                self.say_expired(at);
                self.join(at).await
            }
        }
    }

    /// Another process (`portcullis ca rekey`) may have stored a certificate: it is used from now on.
    fn take_over(&mut self, at: Clocks) {
        let version = self.agent.dir.version();
        if version == self.version {
            return;
        }
        self.version = version;
        if let Ok(Some(identity)) = self.agent.dir.load()
            && self.schedule.as_ref().is_none_or(|(serial, _)| *serial != identity.svid.serial)
        {
            tracing::info!(
                event = "identity_changed", serial = %identity.svid.serial, "another process stored a certificate",
            );
            self.adopt(self.agent.options.placed(identity), at, false);
        }
    }

    /// Who is on the deny-list will be refused: a new join token helps before that.
    fn look_up(&mut self) {
        let Some(identity) = self.agent.current() else { return };
        let now = Some((identity.svid.serial, identity.trust.bundle.sequence));
        if std::mem::replace(&mut self.looked_up, now) == now {
            return;
        }
        if DenyList::new(identity.trust.denied.clone()).denies(&identity.svid) {
            self.refused = true;
            tracing::error!(
                event = "revoked", id = %identity.svid.id, serial = %identity.svid.serial,
                "the certificate is on the deny-list: a new join token is needed",
            );
        }
    }

    async fn renew(&mut self, at: Clocks) -> Duration {
        let Some(identity) = self.agent.current() else { return Duration::ZERO };
        match renew(&self.agent.dir, &identity, self.agent.options.keep_key).await {
            Ok(renewed) => {
                self.adopted("renewed", &renewed);
                self.adopt(renewed, self.agent.clocks(), true);
                Duration::ZERO
            }
            Err(error) => {
                self.refused |= error.needs_token();
                self.renewal_failed(&identity, &error);
                // A new join token may be there already.
                if self.refused { self.join(at).await } else { Duration::ZERO }
            }
        }
    }

    fn renewal_failed(&mut self, identity: &Identity, error: &ClientError) {
        let at = self.agent.clocks();
        let Some((_, schedule)) = &mut self.schedule else { return };
        let wait = schedule.failed(at, random(), error.retry_after()).as_millis();
        let left_text = left(identity, at);
        let term = identity.term();
        // In the last quarter somebody should look.
        if schedule.left(at) < term.not_after.since(term.not_before) / 4 {
            tracing::error!(
                event = "renewal_failed", %error, left = left_text, again_in_ms = wait,
                "the certificate is not renewed and expires soon",
            );
        } else {
            tracing::warn!(
                event = "renewal_failed", %error, left = left_text, again_in_ms = wait,
                "the certificate is not renewed yet",
            );
        }
    }

    /// Joins, if there is a join token that has not been tried.
    async fn join(&mut self, at: Clocks) -> Duration {
        let wait = self.joining.retry.saturating_sub(at.up);
        if !wait.is_zero() {
            return wait.min(LOOK);
        }
        let Some((content, token)) = self.new_token() else { return LOOK };
        match bootstrap(&self.agent.dir, &token, self.agent.options.ttl).await {
            Ok(identity) => {
                self.joining = Joining { tried: Some(content), ..Joining::default() };
                self.adopted("joined", &identity);
                self.adopt(identity, self.agent.clocks(), true);
                Duration::ZERO
            }
            Err(error) => {
                if error.needs_token() {
                    self.joining = Joining { tried: Some(content), ..Joining::default() };
                } else {
                    let wait = self.joining.failures.delay(random(), error.retry_after());
                    self.joining.retry = self.agent.clocks().up.saturating_add(wait);
                }
                tracing::error!(event = "join_failed", %error, "the workload could not join");
                LOOK
            }
        }
    }

    /// The join token in the file, if it is another one than the one that was tried.
    fn new_token(&mut self) -> Option<(Fingerprint, JoinToken)> {
        let path = self.agent.options.token_file.as_ref()?;
        let mut text = Zeroizing::new(String::new());
        // There may be none yet.
        File::open(path).ok()?.take(LARGEST_TOKEN).read_to_string(&mut text).ok()?;
        let content = Fingerprint::of(text.as_bytes());
        if self.joining.tried == Some(content) {
            return None;
        }
        match text.trim().parse::<JoinToken>() {
            Ok(mut token) => {
                token.urls = self.agent.options.urls(token.urls);
                Some((content, token))
            }
            Err(error) => {
                self.joining.tried = Some(content);
                tracing::error!(
                    event = "join_token_malformed", path = %path.display(), %error, "the file holds no join token",
                );
                None
            }
        }
    }

    fn adopt(&mut self, identity: Identity, at: Clocks, fresh: bool) {
        self.schedule = Some((identity.svid.serial, Schedule::new(identity.term(), at, fresh)));
        self.refused = false;
        self.expired = false;
        if fresh {
            self.version = self.agent.dir.version();
        }
        self.agent.publish(identity);
    }

    fn adopted(&self, event: &'static str, identity: &Identity) {
        tracing::info!(
            event, id = %identity.svid.id, serial = %identity.svid.serial, instance = %identity.instance,
            not_after = %identity.svid.not_after, "the workload has a new certificate",
        );
    }

    fn say_expired(&mut self, at: Clocks) {
        if std::mem::replace(&mut self.expired, true) {
            return;
        }
        match self.agent.current() {
            Some(identity) => tracing::error!(
                event = "expired", id = %identity.svid.id, not_after = %identity.svid.not_after, now = %at.wall,
                "the certificate has expired: if the clock is right, a new join token is needed",
            ),
            None => tracing::info!(event = "not_joined", "there is no identity yet: a join token is needed"),
        }
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
