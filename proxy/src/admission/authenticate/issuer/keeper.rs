//! The task that fetches the keys of one issuer, for as long as somebody holds their store.
//!
//! Decides nothing: [`super::schedule`] says when. It writes one line when fetching begins to fail, one when it works
//! again, and for each new set one per key that cannot be used; never a key.

use super::KeyStore;
use crate::admission::authenticate::jwt::keys::{Ignored, KeySet, KeysError};
use crate::clock;
use crate::config::auth::Remote;
use crate::upstream::fetch::{FetchError, Fetcher, shown};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::timeout;

/// Largest set, bytes.
const LARGEST: usize = 256 * 1024;
/// What is asked for (RFC 7517 §8.5). What the answer says it is does not matter: it must be JSON.
const ACCEPT: &str = "application/jwk-set+json, application/json";

/// Why there is no new set.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl Trouble {
    fn word(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.word(),
            Self::Keys(error) => error.word(),
        }
    }
}

/// A good answer.
struct Good {
    keys: KeySet,
    ignored: Vec<Ignored>,
    max_age: Option<Duration>,
}

/// Keeps `store` fresh until nobody holds it. One per store; needs a local runtime.
pub async fn keep(store: Weak<KeyStore>) {
    let Some(wake) = store.upgrade().map(|store| Arc::clone(&store.wake)) else { return };
    let mut keeper = Keeper::default();
    while let Some(held) = store.upgrade() {
        let wait = held.wait(clock::now());
        if wait.is_zero() {
            keeper.fetch(&held).await;
        } else {
            // Only those who use the keys keep the store alive.
            drop(held);
            let _woken = timeout(wait, wake.notified()).await.is_ok();
        }
    }
}

#[derive(Default)]
struct Keeper {
    fetcher: Option<Fetcher>,
    failing: bool,
}

impl Keeper {
    async fn fetch(&mut self, store: &KeyStore) {
        store.begin();
        let asked = self.ask(&store.remote).await;
        let (now, share) = (clock::now(), fastrand::f64());
        let url = shown(&store.remote.url);
        match asked {
            Ok(good) => {
                if store.succeeded(good.keys, now, good.max_age, share) {
                    warn_of(&good.ignored, &url);
                }
                if std::mem::take(&mut self.failing) {
                    tracing::info!(
                        event = "issuer_keys_back",
                        url,
                        "the keys of the issuer can be fetched again"
                    );
                }
            }
            Err(error) => {
                store.failed(now, share);
                // Authorities that have changed meanwhile are read again.
                if matches!(error, Trouble::Fetch(FetchError::Tls(_))) {
                    self.fetcher = None;
                }
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(
                        event = "issuer_keys_unavailable",
                        url,
                        reason = error.word(),
                        %error,
                        "the keys of the issuer cannot be fetched; those there are serve for now"
                    );
                }
            }
        }
    }

    async fn ask(&mut self, remote: &Remote) -> Result<Good, Trouble> {
        let fetcher = match self.fetcher.take() {
            Some(fetcher) => fetcher,
            None => Fetcher::new(remote)?,
        };
        let answer = self.fetcher.insert(fetcher).get(ACCEPT, LARGEST).await?;
        let (keys, ignored) = KeySet::parse(&answer.body)?;
        Ok(Good { keys, ignored, max_age: answer.max_age })
    }
}

/// One line per key that cannot be used: which of the document, and why.
fn warn_of(ignored: &[Ignored], url: &str) {
    for key in ignored {
        let (index, reason) = (key.index, key.reason.word());
        tracing::warn!(
            event = "issuer_key_ignored",
            url,
            index,
            reason,
            "a key of the issuer cannot be used"
        );
    }
}
