//! Tokens that only their issuer can judge: asking it, and remembering what it said (RFC 7662).
//!
//! | what | bound |
//! |--|--|
//! | answer | 64 KiB, within `Remote::timeout` |
//! | a good verdict holds | `cache`, at most until the token expires |
//! | a refusal holds | `cache`, at most 10 s |
//! | verdicts remembered | 4,096; by keyed hash, never the token |
//! | questions under way | 64 tokens, one question each; whoever shows the same token waits for the same answer |
//!
//! Whatever is not a sound answer is [`Asked::Unavailable`]: nobody is let in by it, nobody is told that their token is
//! bad. What an answer means is decided in [`answer`], what is sent in [`form`], what is kept in [`memory`]. Must not
//! know requests or routes.

pub mod answer;
pub mod form;
pub mod memory;

pub use answer::Refused;

use crate::admission::authenticate::Caller;
use crate::admission::authenticate::jwt::claims;
use crate::config::auth::{ClaimMap, IntrospectRule};
use crate::upstream::fetch::{FetchError, Fetcher, shown};
use answer::Active;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use memory::{Mark, Memory};
use portcullis_ca::time::Timestamp;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// Largest answer, bytes.
const LARGEST: usize = 64 * 1024;
/// Most verdicts remembered.
const REMEMBERED: usize = 4_096;
/// Most questions under way.
const MOST: usize = 64;
/// Longest time a refusal holds.
const REFUSAL: Duration = Duration::from_secs(10);

/// What is said about a token.
pub type Verdict = Result<Arc<Caller>, Refused>;

/// Why asking did not name a caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Asked {
    /// The token is bad.
    #[error("the token is refused: {0}")]
    Refused(Refused),
    /// Nobody knows.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Too many questions are under way.
    #[error("too many questions are under way")]
    Busy,
    /// The issuer says nothing that could be believed.
    #[error("the answer is not what RFC 7662 asks for")]
    Unsound,
    /// The issuer does not answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// The machine has no randomness, or the issuer cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// No randomness for the key of the hashes.
    #[error("this machine gives no random numbers")]
    Random,
    /// Its URL or the authorities to believe cannot be used.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl Asked {
    /// The word in logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.word(),
            Self::Unavailable(unavailable) => unavailable.word(),
        }
    }
}

impl Unavailable {
    /// The word in logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Unsound => "unsound",
            Self::Fetch(error) => error.word(),
        }
    }
}

type Answer = Result<Arc<Caller>, Asked>;
/// Questions under way, by the token they are about.
type Asking = RefCell<HashMap<Mark, Rc<OnceCell<Answer>>>>;

/// Asks one issuer. Belongs to one worker; needs a local runtime.
pub struct Introspector {
    fetcher: Fetcher,
    url: String,
    authorization: Box<str>,
    identity: ClaimMap,
    claims: Vec<Box<str>>,
    cache: Duration,
    key: hmac::Key,
    memory: RefCell<Memory>,
    asking: Asking,
    failing: Cell<bool>,
}

impl Introspector {
    /// Reads the authorities to believe; asks nobody yet.
    pub fn new(rule: &IntrospectRule) -> Result<Self, NewError> {
        let random = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Ok(Self {
            fetcher: Fetcher::new(&rule.remote)?,
            url: shown(&rule.remote.url),
            authorization: form::authorization(&rule.client, &rule.secret).into(),
            identity: rule.identity.clone(),
            claims: rule.claims.clone(),
            cache: rule.cache,
            key: random.map_err(|_unspecified| NewError::Random)?,
            memory: RefCell::new(Memory::new(REMEMBERED)),
            asking: RefCell::default(),
            failing: Cell::default(),
        })
    }

    /// What is remembered about `token`; `None` = the issuer must be asked.
    pub fn look(&self, token: &str, now: Instant) -> Option<Verdict> {
        self.memory.borrow().find(&self.mark(token), now)
    }

    /// Asks the issuer about `token`, or waits for the answer when somebody does already. `now` and `wall` are the
    /// same moment.
    pub async fn ask(&self, token: &str, now: Instant, wall: Timestamp) -> Answer {
        let mark = self.mark(token);
        let question = Question::join(&self.asking, mark).ok_or(Unavailable::Busy)?;
        // When whoever asks goes away, the next of those who wait asks.
        question.answer.get_or_init(|| Box::pin(self.put(token, mark, now, wall))).await.clone()
    }

    async fn put(&self, token: &str, mark: Mark, now: Instant, wall: Timestamp) -> Answer {
        let judged = self.question(token, wall).await;
        self.tell(judged.as_ref().err());
        let (verdict, held) = match judged? {
            Err(refused) => (Err(refused), self.cache.min(REFUSAL)),
            Ok(active) => {
                let left = active.expires.map(|expires| expires.since(wall));
                let caller = claims::caller(&self.identity, &self.claims, &active.members, active.expires);
                match caller {
                    Ok(caller) => {
                        (Ok(Arc::new(caller)), left.map_or(self.cache, |left| left.min(self.cache)))
                    }
                    Err(fault) => (Err(Refused::Claims(fault)), self.cache.min(REFUSAL)),
                }
            }
        };
        self.memory.borrow_mut().put(mark, verdict.clone(), now + held, now);
        verdict.map_err(Asked::Refused)
    }

    async fn question(&self, token: &str, wall: Timestamp) -> Result<Result<Active, Refused>, Unavailable> {
        let asked = self.fetcher.post_form(&self.authorization, form::question(token), LARGEST).await?;
        answer::judge(&asked.body, wall).map_err(|_unsound| Unavailable::Unsound)
    }

    /// One line when asking begins to fail, one when it works again.
    fn tell(&self, fault: Option<&Unavailable>) {
        let url = &self.url;
        match (fault, self.failing.replace(fault.is_some())) {
            (Some(error), false) => {
                tracing::warn!(
                    event = "introspection_unavailable",
                    url,
                    reason = error.word(),
                    %error,
                    "the issuer cannot say what its tokens are worth"
                );
            }
            (None, true) => tracing::info!(event = "introspection_back", url, "the issuer answers again"),
            _ => {}
        }
    }

    fn mark(&self, token: &str) -> Mark {
        let tag = hmac::sign(&self.key, token.as_bytes());
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A part in a question that is under way. The last who leaves takes it away.
struct Question<'a> {
    asking: &'a Asking,
    mark: Mark,
    answer: Rc<OnceCell<Answer>>,
}

impl<'a> Question<'a> {
    /// `None`: there are too many others.
    fn join(asking: &'a Asking, mark: Mark) -> Option<Self> {
        let mut open = asking.borrow_mut();
        let answer = match open.get(&mark) {
            Some(answer) => Rc::clone(answer),
            None if open.len() >= MOST => return None,
            None => Rc::clone(open.entry(mark).or_default()),
        };
        Some(Self { asking, mark, answer })
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        // Ours and the list's.
        if Rc::strong_count(&self.answer) <= 2 {
            self.asking.borrow_mut().remove(&self.mark);
        }
    }
}

#[cfg(test)]
#[path = "introspect_tests.rs"]
mod tests;
