//! Who may come in at the edge, and how often: asked in this order, without waiting where that is possible.
//!
//! ```text
//! flood limits -> who it is -> what the route allows -> limits and quotas
//!     429            401, 503          403                 429, 503
//! ```
//!
//! | waits for | because | bounded by |
//! |--|--|--|
//! | the keys of an issuer | a token names a key that is not there | `timeout` of the issuer, once a request |
//! | an issuer | only it can judge the token | `timeout` of the issuer |
//! | the store of counts | a limit is exact, or its lease is used up | `timeout` of the store |
//! | its turn | a limit has a queue | `wait` of the queue |
//!
//! What waits does so in a future of its own, so that requests that do not wait stay small. Must not know: what is sent.

use super::Pipeline;
use super::arrive::Arrived;
use super::evidence::Evidence;
use super::exchange::Exchange;
use super::permit::permit;
use super::reject::Rejection;
use crate::admission::authenticate::authenticator::{Question, Shown, Stop, Told};
use crate::admission::limit::key::Facts;
use crate::admission::limit::limiter::{Asked, Refused, Waiting};
use crate::config::limit::Limit;
use crate::config::listener::Role;
use crate::config::route::Route;
use http::HeaderMap;
use portcullis_ca::spiffe::SpiffeId;
use std::rc::Rc;

/// What becomes of a request at the entrance.
pub(super) enum Entry {
    /// It may come in.
    In,
    /// Something has to be waited for first.
    Waits(Wait),
}

/// What is waited for.
pub(super) enum Wait {
    /// An issuer.
    Question(Question),
    /// Limits.
    Limits(Box<Waiting>),
}

impl Pipeline {
    /// Asks everything in turn, as far as that goes without waiting.
    pub(super) fn enter_at_once(
        &self,
        exchange: &mut Exchange,
        arrived: &Arrived,
        headers: &HeaderMap,
    ) -> Result<Entry, Rejection> {
        // Must run before anything that costs: it is what keeps floods from costing.
        self.ask_limits(exchange, arrived, headers, Limit::is_flood).map(drop)?;
        if let Some(question) = self.know(exchange, arrived, headers, &Told::default())? {
            return Ok(Entry::Waits(Wait::Question(question)));
        }
        self.permit_and_count(exchange, arrived, headers)
    }

    /// The rest, with whatever has to be waited for.
    pub(super) async fn enter_slowly(
        &self,
        exchange: &mut Exchange,
        arrived: &Arrived,
        headers: &HeaderMap,
        wait: Wait,
    ) -> Result<(), Rejection> {
        let limits = match wait {
            Wait::Limits(limits) => limits,
            Wait::Question(mut question) => {
                let mut told = Told::default();
                let authenticator = Rc::clone(&exchange.snapshot.authenticator);
                loop {
                    authenticator.ask(&question, &shown(exchange, headers), &mut told).await;
                    match self.know(exchange, arrived, headers, &told)? {
                        // Each kind of question is asked once, so this ends.
                        Some(next) => question = next,
                        None => break,
                    }
                }
                match self.permit_and_count(exchange, arrived, headers)? {
                    Entry::In => return Ok(()),
                    Entry::Waits(Wait::Limits(limits)) => limits,
                    Entry::Waits(Wait::Question(_)) => return Err(Rejection::Internal),
                }
            }
        };
        limits.wait(&mut exchange.counts).await.map_err(refused)
    }

    /// Who it is; whom to ask when that is not known yet.
    fn know(
        &self,
        exchange: &mut Exchange,
        arrived: &Arrived,
        headers: &HeaderMap,
        told: &Told,
    ) -> Result<Option<Question>, Rejection> {
        let snapshot = Rc::clone(&exchange.snapshot);
        let Some(route) = snapshot.route(arrived.route).filter(|route| !route.auth.providers.is_empty())
        else {
            return Ok(None);
        };
        let wall = self.recorder.timestamp(exchange.started);
        let judged = snapshot.authenticator.authenticate(&route.auth, &shown(exchange, headers), told, wall);
        let (known, metrics) = (&mut exchange.known, &self.recorder.metrics);
        match judged {
            Ok(caller) => {
                metrics.authenticated(if caller.is_some() { "known" } else { "nobody" }, "");
                known.caller = caller;
                Ok(None)
            }
            Err(Stop::Asks(question)) => Ok(Some(question)),
            Err(Stop::Refused(word)) => {
                metrics.authenticated("refused", word);
                known.disbelieved = Some(word);
                Err(Rejection::BadCredentials)
            }
            Err(Stop::Unavailable(word)) => {
                metrics.authenticated("unavailable", word);
                known.disbelieved = Some(word);
                Err(Rejection::IssuerUnavailable)
            }
        }
    }

    fn permit_and_count(
        &self,
        exchange: &mut Exchange,
        arrived: &Arrived,
        headers: &HeaderMap,
    ) -> Result<Entry, Rejection> {
        if exchange.connection.role == Role::Edge {
            permit(&exchange.snapshot.config, &exchange.known, arrived, headers)?;
        }
        // Must run after: who is refused anyway spends nothing.
        let waiting = self.ask_limits(exchange, arrived, headers, |limit| !limit.is_flood())?;
        Ok(waiting.map_or(Entry::In, |waiting| Entry::Waits(Wait::Limits(waiting))))
    }

    fn ask_limits(
        &self,
        exchange: &mut Exchange,
        arrived: &Arrived,
        headers: &HeaderMap,
        which: impl Fn(&Limit) -> bool,
    ) -> Result<Option<Box<Waiting>>, Rejection> {
        let snapshot = Rc::clone(&exchange.snapshot);
        let Some(route) = snapshot.route(arrived.route).filter(|route| !route.limits.is_empty()) else {
            return Ok(None);
        };
        let mut counts = std::mem::take(&mut exchange.counts);
        let asked = snapshot.limiter.ask(&route.limits, which, &facts(exchange, route, headers), &mut counts);
        exchange.counts = counts;
        match asked {
            Asked::Admitted => Ok(None),
            Asked::Refused => Err(Rejection::TooMany),
            Asked::Waits(waiting) => Ok(Some(waiting)),
        }
    }
}

fn refused(refused: Refused) -> Rejection {
    match refused {
        Refused::Spent => Rejection::TooMany,
        Refused::Unavailable => Rejection::StoreUnavailable,
    }
}

fn shown<'a>(exchange: &'a Exchange, headers: &'a HeaderMap) -> Shown<'a> {
    let certificate = exchange.connection.certificate(exchange.wall());
    Shown { headers, certificate: certificate.and_then(|certificate| certificate.common_name.as_deref()) }
}

/// What limits may count by.
fn facts<'a>(exchange: &'a Exchange, route: &'a Route, headers: &'a HeaderMap) -> Facts<'a> {
    let caller = exchange.known.caller.as_deref();
    let introduced = exchange.evidence.as_ref().map(Evidence::principal);
    let user = caller.map(|caller| &caller.principal).or(introduced);
    Facts {
        ip: exchange.known.client.ip(),
        user: user.map(|principal| &*principal.user),
        peer: exchange.connection.peer_id().map(SpiffeId::as_str),
        api_key: caller.and_then(|caller| caller.api_key.as_deref()),
        tier: caller.and_then(|caller| caller.tier.as_deref()),
        route: &route.name,
        headers,
    }
}
