//! The three conversations with the authority: join, renew, and learn whom to believe.
//!
//! Decides in which order things are sent and kept, so that a crash or a lost answer at any moment costs nothing:
//!
//! | conversation | before asking | after the answer |
//! |--|--|--|
//! | join | the key is on the disk | the identity is checked, then on the disk, then the key's first place is cleared |
//! | renew | nothing: the certificate before is still good | the identity is checked, then on the disk |
//! | trust | | it is on the disk, then it is acknowledged |
//!
//! All need a `LocalSet` or a local runtime.

use super::connect::{Connection, anywhere};
use super::error::{ClientError, Contact};
use super::identity::{Identity, Order};
use super::schedule::{self, Skew};
use super::state::StateDir;
use super::tls;
use super::watch::Watch;
use crate::clock;
use crate::key::Key;
use crate::proto;
use crate::time::{Timestamp, human};
use crate::token::JoinToken;
use crate::trust::Trust;
use std::sync::Arc;
use std::time::Duration;

/// Joins: gets the first certificate for `token`, with a new key, and keeps both in `dir`.
///
/// Asking again with the same token, after an answer was lost or the process died, gets the same certificate.
///
/// # Errors
/// See [`ClientError`]; the identity that was in `dir` is still there then.
pub async fn bootstrap(
    dir: &StateDir,
    token: &JoinToken,
    ttl: Option<Duration>,
) -> Result<Identity, ClientError> {
    let key = Arc::new(dir.pending_key(&token.hash())?);
    let order = Order { key, trust_domain: &token.trust_domain, id: None, urls: &token.urls, ttl };
    let config = tls::first_contact(token)?;
    let csr = order.key.request()?;
    let answer = anywhere(&token.urls, async |url| {
        let mut connection = Connection::open(url, &config, Contact::First).await?;
        let asked = clock::wall_millis();
        let request = proto::BootstrapRequest { token: token.reveal(), csr: csr.clone(), ttl: seconds(ttl) };
        let issued = connection.line.answer(connection.client.bootstrap(request)).await?;
        Ok((issued.into_inner(), asked))
    });
    let (issued, asked) = answer.await?;
    // Before anybody relies on it: a wrong clock is told now, not when the first certificate seems to have expired.
    if let (Skew::Wrong(_), error) = judge(asked, issued.trust.as_ref()) {
        return Err(error);
    }
    let identity = Identity::take(issued, &order, clock::wall())?;
    dir.store(&identity)?;
    Ok(identity)
}

/// Gets the next certificate, with a new key unless `keep_key`, and keeps it in `dir`.
///
/// # Errors
/// See [`ClientError`]; `identity` is as good as before then.
pub async fn renew(dir: &StateDir, identity: &Identity, keep_key: bool) -> Result<Identity, ClientError> {
    let now = clock::wall();
    if now > identity.svid.not_after {
        return Err(ClientError::Expired {
            id: identity.svid.id.clone(),
            not_after: identity.svid.not_after,
        });
    }
    let key = if keep_key { Arc::clone(&identity.key) } else { Arc::new(Key::generate()?) };
    let order = Order {
        key,
        trust_domain: &identity.trust.bundle.trust_domain,
        id: Some(&identity.svid.id),
        urls: &identity.urls,
        ttl: identity.ttl,
    };
    let config = tls::member(identity)?;
    let csr = order.key.request()?;
    let answer = anywhere(&identity.urls, async |url| {
        let mut connection = Connection::open(url, &config, Contact::Later).await?;
        let asked = clock::wall_millis();
        let request = proto::RenewRequest { csr: csr.clone(), ttl: seconds(identity.ttl) };
        let issued = connection.line.answer(connection.client.renew(request)).await?;
        Ok((issued.into_inner(), asked))
    });
    let (issued, asked) = answer.await?;
    let (skew, error) = judge(asked, issued.trust.as_ref());
    // A certificate that is good by our clock is better than none, however wrong the clock is.
    let renewed = Identity::take(issued, &order, clock::wall())
        .map_err(|fault| if matches!(skew, Skew::Wrong(_)) { error } else { fault.into() })?;
    Ok(dir.store_renewed(renewed)?)
}

/// Learns whom to believe now, keeps it in `dir`, and says so to the authority.
///
/// # Errors
/// See [`ClientError`].
pub async fn sync(dir: &StateDir, identity: &Identity) -> Result<Trust, ClientError> {
    let mut watch = Watch::open(identity).await?;
    let trust = watch.next().await?;
    let stored = dir.store_trust(&trust)?;
    watch.acknowledge(stored.bundle.sequence).await?;
    watch.close().await;
    Ok(stored)
}

/// Compares the clocks, and says so when they differ. `asked`: our clock, in milliseconds, before the question. The
/// error is the one to end with if the skew is too large.
pub(super) fn judge(asked: u64, trust: Option<&proto::Trust>) -> (Skew, ClientError) {
    let heard = clock::wall_millis();
    let theirs = trust.map_or(0, |trust| trust.server_time_ms);
    // Who has no clock to show is not compared.
    let skew = if theirs == 0 { Skew::Fine } else { schedule::skew(asked, heard, theirs) };
    let error = ClientError::ClockSkew { ours: clock::wall(), theirs: Timestamp(theirs.div_euclid(1000)) };
    match skew {
        Skew::Fine => {}
        Skew::Warn(off) => tracing::warn!(event = "clock_skew", off_ms = off, by = %ahead(off), "{error}"),
        Skew::Wrong(off) => tracing::error!(event = "clock_skew", off_ms = off, by = %ahead(off), "{error}"),
    }
    (skew, error)
}

fn ahead(off: i64) -> String {
    let side = if off > 0 { "ahead" } else { "behind" };
    format!("{} {side}", human(Duration::from_millis(off.unsigned_abs())))
}

/// As the protocol has it: 0 is what the authority gives.
fn seconds(ttl: Option<Duration>) -> u32 {
    ttl.map_or(0, |ttl| u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX))
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
