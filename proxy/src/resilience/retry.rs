//! Whether an attempt is worth another one. Pure.
//!
//! Twice is safe in two cases: nobody has seen the request, or doing it twice does what doing it once does. Never after
//! the first byte of an answer that the client is to have: a status of the rule is an answer it is not to have.
//!
//! | how it ended | tried again | at most | pause | costs |
//! |--|--|--|--|--|
//! | not connected | whatever the method, also without a rule | 3, or what the rule says if that is more | none | budget, if there is a rule |
//! | unsent, not processed | the same | the same | none | nothing |
//! | answered with a status of the rule | if idempotent | the rule | jitter, or `Retry-After` if that is longer | budget |
//! | … that asks for more than a second | no: the client may wait, we do not | | | |
//! | … and a hop behind us has tried again | no: tries would multiply | | | |
//! | any other answer | no | | | |
//! | reset, timed out, unsound | if idempotent | the rule | jitter | budget |
//!
//! Nothing is tried again that is not all there any more. A request that is itself another try of the hop before us is
//! only tried again where nobody has seen it.
//!
//! Must not know: endpoints (whether another try would go elsewhere), the deadline (whether the pause fits into it).

use super::backoff;
use crate::config::service::Retry;
use http::Method;
use std::fmt;
use std::time::Duration;

/// Attempts at what nobody has seen, if no rule allows more.
const UNSEEN: u32 = 3;
/// Longest `Retry-After` that is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is known of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Doing it twice does what doing it once does: by its method ([`is_idempotent`]), or by its key.
    pub idempotent: bool,
    /// Head and body are all still there: kept, or never sent.
    pub replayable: bool,
    /// How many attempts were made, this one included.
    pub attempts: u32,
    /// Some hop before us has tried again already, and this is that try.
    pub is_retry: bool,
    /// How much time is left, if that is known: what would begin later is not tried.
    pub left: Option<Duration>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The head of an answer came.
    Answered {
        /// Its status (of gRPC in trailers form: 503 for UNAVAILABLE).
        status: u16,
        /// When the service wants to be asked again.
        retry_after: Option<Duration>,
        /// A hop behind us has tried again already.
        tried_behind: bool,
    },
    /// No connection: nobody has seen the request.
    NotConnected,
    /// The kept connection was gone before a byte was written: nobody has seen the request.
    Unsent,
    /// The peer says that it has not looked at it (REFUSED_STREAM, GOAWAY below the stream; RFC 9113 §8.7).
    NotProcessed,
    /// The connection broke before the answer began.
    Reset,
    /// The answer did not begin in the time of one try.
    TimedOut,
    /// The answer is not framed soundly.
    Unsound,
}

impl End {
    /// Whether the service is to blame.
    pub const fn is_failure(&self) -> bool {
        match self {
            Self::Answered { status, .. } => *status >= 500,
            Self::NotConnected | Self::Reset | Self::TimedOut | Self::Unsound => true,
            Self::Unsent | Self::NotProcessed => false,
        }
    }
}

/// For messages.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { status, .. } => write!(f, "status {status}"),
            Self::NotConnected => f.write_str("no connection"),
            Self::Unsent | Self::NotProcessed => f.write_str("not looked at"),
            Self::Reset => f.write_str("broken off"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Unsound => f.write_str("an unsound answer"),
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The attempt stands, whatever it brought.
    Stop,
    /// Another attempt, after this pause.
    Again(Duration),
}

/// Decides; `budget` is asked last, and only when all else speaks for another try. `random` out of all 64-bit numbers
/// alike.
pub fn decide(
    rule: Option<&Retry>,
    request: &Request,
    end: &End,
    random: u64,
    budget: impl FnOnce() -> bool,
) -> Verdict {
    let pause = match end {
        _ if !request.replayable => None,
        End::NotConnected | End::Unsent | End::NotProcessed => pause_unseen(rule, request),
        _ => rule.and_then(|rule| pause_seen(rule, request, end, random)),
    };
    let is_free = match end {
        End::Unsent | End::NotProcessed => true,
        End::NotConnected => rule.is_none(),
        _ => false,
    };
    match pause.filter(|pause| request.left.is_none_or(|left| *pause < left)) {
        Some(pause) if is_free || budget() => Verdict::Again(pause),
        _ => Verdict::Stop,
    }
}

/// Whether doing it twice does what doing it once does (RFC 9110 §9.2.2).
pub fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::TRACE].contains(method)
}

/// The pause before another try of what nobody has seen; `None` = no other try.
fn pause_unseen(rule: Option<&Retry>, request: &Request) -> Option<Duration> {
    let most = rule.map_or(UNSEEN, |rule| rule.attempts.max(UNSEEN));
    (request.attempts < most).then_some(Duration::ZERO)
}

/// The pause before another try of what somebody may have acted on; `None` = no other try.
fn pause_seen(rule: &Retry, request: &Request, end: &End, random: u64) -> Option<Duration> {
    if !request.idempotent || request.is_retry || request.attempts >= rule.attempts {
        return None;
    }
    let asked = match *end {
        End::Answered { tried_behind: true, .. } => return None,
        End::Answered { status, .. } if !rule.statuses.contains(&status) => return None,
        End::Answered { retry_after, .. } => retry_after.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    let own = backoff::pause(rule.backoff, request.attempts.saturating_add(1), random);
    (asked <= PATIENCE).then(|| own.max(asked))
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
