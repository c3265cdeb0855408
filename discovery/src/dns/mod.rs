//! Names: DNS as a source of endpoints.
//!
//! ```text
//! ask (hickory) --replies--> answer, service (pure) --seen--> schedule (pure) --observation, wait--> look
//! ```
//!
//! Decides nothing itself: it waits, asks, and logs what of an answer was not taken. It must not know what becomes
//! of an observation.
//!
//! We keep no cache: an answer is asked for again when its shortest time to live is over. Names are absolute; no
//! search list is walked. Names of the hosts file are taken from there first. That file and the name servers of the
//! machine are read once, at the start.

mod ask;
mod answer;
mod service;
mod local;
mod schedule;

use super::{Observation, Source};
use answer::{Remarks, Seen};
use ask::Asker;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::ProtoError;
use hickory_resolver::proto::rr::Name;
use schedule::Schedule;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// What is asked, whom, and how often.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is asked.
    pub question: Question,
    /// Who is asked; nobody = the name servers of this machine (`/etc/resolv.conf`).
    pub servers: Vec<SocketAddr>,
    /// The shortest and the longest time an answer is believed, whatever its time to live.
    pub ttl: (Duration, Duration),
    /// Whether addresses of this machine and of its link may be answers.
    pub allow_local: bool,
    /// How long a name server may take for one attempt.
    pub timeout: Duration,
    /// How often a question is asked before the look has failed, at least once.
    pub attempts: usize,
}

impl Settings {
    /// What is usual for `question`.
    pub const fn new(question: Question) -> Self {
        Self {
            question,
            servers: Vec::new(),
            ttl: (Duration::from_secs(1), Duration::from_secs(60)),
            allow_local: false,
            timeout: Duration::from_secs(2),
            attempts: 2,
        }
    }
}

/// What a name is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The addresses of a host (A and AAAA), all at this port.
    Host(Arc<str>, u16),
    /// The targets of a service (SRV, RFC 2782): `_http._tcp.order.internal`.
    Service(Arc<str>),
}

/// Why a name cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// It is no name.
    #[error("{name:?} is no name")]
    Name {
        /// What was given.
        name: Arc<str>,
        /// What is wrong with it.
        #[source]
        source: ProtoError,
    },
    /// It is empty, or the root.
    #[error("a name must not be empty")]
    NoName,
    /// It is an address, of which no name server knows anything.
    #[error("{0} is an address, not a name")]
    Address(IpAddr),
    /// Zero, or a shortest time that is the longer one.
    #[error("answers cannot be believed for {0:?} to {1:?}")]
    Ttl(Duration, Duration),
    /// Zero.
    #[error("there must be time for an answer: {attempts} attempts of {timeout:?}")]
    Patience {
        /// For one attempt.
        timeout: Duration,
        /// How many there are.
        attempts: usize,
    },
    /// The name servers of this machine are not known.
    #[error("cannot tell the name servers of this machine")]
    Machine(#[source] NetError),
}

/// The endpoints behind a name.
#[derive(Debug)]
pub struct Dns {
    name: Name,
    settings: Settings,
    /// Made by the first look that can: a machine that has just started may not know its name servers yet.
    asker: Option<Asker>,
    schedule: Schedule,
    /// When the next look is due. Gone once somebody has begun to wait for it: whoever stops waiting wants to look.
    due: Option<Pin<Box<Sleep>>>,
    /// What was last said not to be taken.
    remarks: Remarks,
}

impl Dns {
    /// A source that has not looked yet.
    ///
    /// # Errors
    /// When the settings make no sense.
    pub fn new(settings: Settings) -> Result<Self, DnsError> {
        let (shortest, longest) = settings.ttl;
        if shortest.is_zero() || shortest > longest {
            return Err(DnsError::Ttl(shortest, longest));
        }
        if settings.timeout.is_zero() || settings.attempts == 0 {
            return Err(DnsError::Patience { timeout: settings.timeout, attempts: settings.attempts });
        }
        let name = absolute(settings.question.name())?;
        Ok(Self {
            name,
            settings,
            asker: None,
            schedule: Schedule::new(&(shortest..=longest)),
            due: None,
            remarks: Remarks::default(),
        })
    }

    async fn ask(&mut self) -> (Seen, Remarks) {
        let asker = match self.asker.take().map_or_else(|| Asker::new(&self.settings), Ok) {
            Ok(asker) => self.asker.insert(asker),
            Err(error) => {
                let why = std::error::Error::source(&error).map(|why| format!(": {why}"));
                return (Seen::Failed(format!("{error}{}", why.unwrap_or_default())), Remarks::default());
            }
        };
        let allow_local = self.settings.allow_local;
        match self.settings.question {
            Question::Host(_, port) => {
                let reply = asker.host(&self.name).await;
                answer::host(&service::plain(&self.name), port, reply, allow_local)
            }
            Question::Service(_) => asker.service(&self.name, allow_local).await,
        }
    }

    /// Says what was not taken, unless that was said last.
    fn warn(&mut self, remarks: Remarks) {
        if remarks == Remarks::default() || remarks == self.remarks {
            return;
        }
        let name = self.name();
        if !remarks.local.is_empty() {
            let dropped = remarks.local.join(", ");
            tracing::warn!(
                name,
                dropped,
                help = "resolve: { allow: [local] }",
                "an answer has local addresses, which are not allowed"
            );
        }
        if remarks.endpoints > 0 || remarks.targets > 0 {
            let Remarks { endpoints, targets, .. } = remarks;
            tracing::warn!(name, endpoints, targets, "an answer is too long, so much of it is left out");
        }
        self.remarks = remarks;
    }
}

impl Source for Dns {
    fn name(&self) -> String {
        match &self.settings.question {
            Question::Host(name, port) => format!("dns {}:{port}", name.trim_end_matches('.')),
            Question::Service(name) => format!("dns {}", name.trim_end_matches('.')),
        }
    }

    async fn look(&mut self) -> Observation {
        if let Some(due) = self.due.take() {
            due.await;
        }
        let (seen, remarks) = self.ask().await;
        self.warn(remarks);
        let (observation, wait) = self.schedule.after(seen, fastrand::f64());
        self.due = Some(Box::pin(sleep(wait)));
        observation
    }
}

impl Question {
    const fn name(&self) -> &Arc<str> {
        match self {
            Self::Host(name, _) | Self::Service(name) => name,
        }
    }
}

/// `name`, to which no search list applies, with or without a dot at its end.
fn absolute(name: &Arc<str>) -> Result<Name, DnsError> {
    if let Ok(address) = name.trim_matches(['[', ']']).parse() {
        return Err(DnsError::Address(address));
    }
    let wrong = |source| DnsError::Name { name: Arc::clone(name), source };
    let mut parsed = Name::from_str(name).map_err(wrong)?;
    if parsed.iter().next().is_none() {
        return Err(DnsError::NoName);
    }
    parsed.set_fqdn(true);
    Ok(parsed)
}

#[cfg(test)]
mod tests;
