//! Who a client says it is, by any of the ways a route takes.
//!
//! Everything that is shown must hold: a bad token beside a good certificate is refused, and a bad token is never
//! taken for none. A bearer token belongs to one entry: of several, to the one whose issuer it names, else to the one
//! that asks its issuer.
//!
//! | shown | then |
//! |--|--|
//! | nothing | nobody; the route says whether nobody may come |
//! | a token seen before | the caller, from the cache |
//! | a token whose key is not known | a question: the issuer's keys are fetched, once |
//! | a token only its issuer can judge | a question to the issuer |
//! | anything that does not hold | refused |
//!
//! Must not know: what the caller may do.

use super::Caller;
use super::api_key;
use super::bearer::bearer;
use super::introspect::{self, Introspector};
use super::issuer::{KeyStore, Wanted};
use super::jwt::cache::{self, TokenCache};
use super::jwt::{self, KeySet};
use crate::clock;
use crate::config::Config;
use crate::config::auth::{CertificateRule, JwtRule, KeySource, Scheme};
use crate::config::route::Auth;
use http::HeaderMap;
use portcullis_ca::time::Timestamp;
use std::rc::Rc;
use std::sync::Arc;

/// What one worker needs to know callers, under one configuration.
#[derive(Debug)]
pub struct Authenticator {
    config: Arc<Config>,
    /// Beside each entry of `auth:`.
    sources: Vec<Source>,
    cache: TokenCache,
}

/// What an entry of `auth:` is judged with, besides the configuration.
#[derive(Debug, Clone)]
pub enum Source {
    /// Nothing.
    None,
    /// Keys that are fetched.
    Keys(Arc<KeyStore>),
    /// An issuer that is asked.
    Issuer(Rc<Introspector>),
}

/// What a client shows.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The headers of its request.
    pub headers: &'a HeaderMap,
    /// The common name of its certificate, which was verified.
    pub certificate: Option<&'a str>,
}

/// Why it is not known yet who it is.
#[derive(Debug)]
pub enum Stop {
    /// What was shown does not hold: a word for logs.
    Refused(&'static str),
    /// Nobody can tell now: a word for logs.
    Unavailable(&'static str),
    /// Somebody has to be asked first.
    Asks(Question),
}

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The issuer of this entry for its keys.
    Keys(usize),
    /// The issuer of this entry for its judgement.
    Token(usize),
}

/// What was asked already.
#[derive(Debug, Default)]
pub struct Told {
    keys: bool,
    token: Option<Result<Arc<Caller>, introspect::Asked>>,
}

impl Authenticator {
    /// `sources` stand beside the entries of `auth:`; `secret` hides tokens in the cache.
    pub fn new(config: Arc<Config>, sources: Vec<Source>, secret: &[u8; 32]) -> Self {
        Self { config, sources, cache: TokenCache::new(secret) }
    }

    /// Who it is; `None`: nobody in particular.
    pub fn authenticate(
        &self,
        auth: &Auth,
        shown: &Shown<'_>,
        told: &Told,
        wall: Timestamp,
    ) -> Result<Option<Arc<Caller>>, Stop> {
        let mut caller = None;
        if let Some(token) = self.token(auth, shown)? {
            caller = Some(self.bearer(auth, token, told, wall)?);
        }
        for provider in auth.providers.iter().filter_map(|index| self.config.auth.get(*index)) {
            let found = match &provider.scheme {
                Scheme::Certificate(rule) => of_certificate(rule, shown),
                Scheme::ApiKey(rule) => {
                    let refused = |refused: api_key::Refused| Stop::Refused(refused.word());
                    let key = api_key::shown(shown.headers, &rule.header).map_err(refused)?;
                    key.map(|key| rule.keys.find(key, wall)).transpose().map_err(refused)?
                }
                Scheme::Jwt(_) | Scheme::Introspect(_) => None,
            };
            caller = caller.or(found);
        }
        Ok(caller)
    }

    /// Asks, which waits.
    pub async fn ask(&self, question: &Question, shown: &Shown<'_>, told: &mut Told) {
        match question {
            Question::Keys(index) => {
                told.keys = true;
                if let Some(Source::Keys(store)) = self.sources.get(*index) {
                    store.refreshed().await;
                }
            }
            Question::Token(index) => {
                let Some(Source::Issuer(issuer)) = self.sources.get(*index) else { return };
                let Ok(Some(token)) = bearer(shown.headers) else { return };
                told.token = Some(issuer.ask(token, clock::now(), clock::wall_seconds()).await);
            }
        }
    }

    /// Forgets what has ended.
    pub fn purge(&self, wall: Timestamp) {
        self.cache.purge(wall, |provider| Some(self.generation(provider)));
    }

    /// The bearer token, where somebody reads it.
    fn token<'a>(&self, auth: &Auth, shown: &Shown<'a>) -> Result<Option<&'a str>, Stop> {
        let mut schemes =
            auth.providers.iter().filter_map(|index| Some(&self.config.auth.get(*index)?.scheme));
        if !schemes.any(Scheme::reads_bearer) {
            return Ok(None);
        }
        bearer(shown.headers).map_err(|fault| Stop::Refused(fault.word()))
    }

    fn bearer(&self, auth: &Auth, token: &str, told: &Told, wall: Timestamp) -> Result<Arc<Caller>, Stop> {
        let entries = || {
            auth.providers.iter().filter_map(|index| Some((*index, &self.config.auth.get(*index)?.scheme)))
        };
        let mut readers = entries().filter(|(_, scheme)| scheme.reads_bearer());
        let (first, several) = (readers.next(), readers.next().is_some());
        for (index, scheme) in entries() {
            if let Scheme::Jwt(_) = scheme
                && let Some(caller) = self.cache.get(seen(index, self.generation(index), token), wall)
            {
                return Ok(caller);
            }
        }
        let issuer = several.then(|| jwt::issuer_of(token)).flatten();
        let names =
            |scheme: &Scheme| matches!(scheme, Scheme::Jwt(rule) if issuer.as_deref() == Some(&*rule.issuer));
        let owner = if several {
            let asks = |scheme: &Scheme| matches!(scheme, Scheme::Introspect(_));
            entries().find(|(_, scheme)| names(scheme)).or_else(|| entries().find(|(_, scheme)| asks(scheme)))
        } else {
            first
        };
        match owner {
            Some((index, Scheme::Jwt(rule))) => self.jwt((index, rule), token, told, wall),
            Some((index, Scheme::Introspect(_))) => self.introspect(index, token, told),
            _ => Err(Stop::Refused("issuer")),
        }
    }

    fn jwt(
        &self,
        (index, rule): (usize, &JwtRule),
        token: &str,
        told: &Told,
        wall: Timestamp,
    ) -> Result<Arc<Caller>, Stop> {
        let Some((keys, generation)) = self.keys(index, rule) else {
            let asks = Stop::Asks(Question::Keys(index));
            if told.keys {
                // They did not come: fetched again as soon as they may be, and not when the next refresh is due.
                self.may_ask(index, 0);
            }
            return Err(if told.keys { Stop::Unavailable("no_keys") } else { asks });
        };
        match jwt::verify(rule, token, &keys, wall) {
            Ok(caller) => {
                let caller = Arc::new(caller);
                self.cache.put(seen(index, generation, token), Arc::clone(&caller), wall);
                Ok(caller)
            }
            Err(jwt::Refused::UnknownKey(_)) if !told.keys && self.may_ask(index, generation) => {
                Err(Stop::Asks(Question::Keys(index)))
            }
            Err(refused) => Err(Stop::Refused(refused.word())),
        }
    }

    fn introspect(&self, index: usize, token: &str, told: &Told) -> Result<Arc<Caller>, Stop> {
        let Some(Source::Issuer(issuer)) = self.sources.get(index) else {
            return Err(Stop::Unavailable("no_issuer"));
        };
        match &told.token {
            Some(Ok(caller)) => Ok(Arc::clone(caller)),
            Some(Err(introspect::Asked::Refused(refused))) => Err(Stop::Refused(refused.word())),
            Some(Err(introspect::Asked::Unavailable(why))) => Err(Stop::Unavailable(why.word())),
            None => match issuer.look(token, clock::now()) {
                Some(Ok(caller)) => Ok(caller),
                Some(Err(refused)) => Err(Stop::Refused(refused.word())),
                None => Err(Stop::Asks(Question::Token(index))),
            },
        }
    }

    /// The keys of an issuer, and which turn of them; `None`: there are none yet, or none that may be believed.
    fn keys(&self, index: usize, rule: &JwtRule) -> Option<(Arc<KeySet>, u64)> {
        match (&rule.keys, self.sources.get(index)) {
            (KeySource::File { keys, .. }, _) => Some((Arc::clone(keys), 0)),
            (KeySource::Url { .. }, Some(Source::Keys(store))) => {
                // In this order: a set that is newer than its number is only verified once more.
                let generation = store.generation();
                Some((store.current(clock::now())?, generation))
            }
            _ => None,
        }
    }

    /// Which keys a remembered token was verified with must be those that are believed now.
    fn generation(&self, index: usize) -> u64 {
        match self.sources.get(index) {
            Some(Source::Keys(store)) => store.generation(),
            _ => 0,
        }
    }

    /// Whether the issuer may be asked for its keys again.
    fn may_ask(&self, index: usize, generation: u64) -> bool {
        match self.sources.get(index) {
            Some(Source::Keys(store)) => store.want(generation, clock::now()) != Wanted::Refused,
            _ => false,
        }
    }
}

const fn seen(provider: usize, generation: u64, token: &str) -> cache::Shown<'_> {
    cache::Shown { provider, generation, token }
}

fn of_certificate(rule: &CertificateRule, shown: &Shown<'_>) -> Option<Arc<Caller>> {
    let principal = rule.principal(shown.certificate?)?;
    Some(Arc::new(Caller { principal, tier: None, claims: Vec::new(), api_key: None, expires: None }))
}
