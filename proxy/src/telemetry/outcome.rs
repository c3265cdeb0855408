//! How an exchange ended: who ended it, at which stage, why.
//!
//! Every request ends in exactly one [`Outcome`]; its words stand unchanged in the access log, in metric labels
//! and in `Proxy-Status`. Pure values: nothing here knows of HTTP messages or clocks.

/// Who ended the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// The client: it left, or what it sent was refused for being unsound.
    Downstream,
    /// We did, by rule.
    Proxy,
    /// The upstream: it answered, failed or fell silent.
    Upstream,
}

impl EndedBy {
    /// The word used everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Downstream => "downstream",
            Self::Proxy => "proxy",
            Self::Upstream => "upstream",
        }
    }
}

/// Where in the life of a request it ended; in the order a request meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Framing checks in front of the HTTP parser.
    Gate,
    /// Head checks, ids, addresses.
    Exchange,
    /// Whether the process can carry more.
    Overload,
    /// The canonical path.
    Path,
    /// Route match.
    Route,
    /// Whether the route takes the address.
    Address,
    /// Who it is.
    Authn,
    /// Who may.
    Authz,
    /// How often.
    Limit,
    /// Request body limits and pace.
    Body,
    /// Whether the service has room.
    Bulkhead,
    /// Whether the service is left in peace.
    Breaker,
    /// Choosing an endpoint.
    Balance,
    /// Connecting to it.
    Connect,
    /// Sending the request and waiting for the head of the answer.
    Send,
    /// The head or body of the answer.
    Response,
    /// Everything went through.
    Done,
}

impl Stage {
    /// The word used everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Exchange => "exchange",
            Self::Overload => "overload",
            Self::Path => "path",
            Self::Route => "route",
            Self::Address => "address",
            Self::Authn => "authn",
            Self::Authz => "authz",
            Self::Limit => "limit",
            Self::Body => "body",
            Self::Bulkhead => "bulkhead",
            Self::Breaker => "breaker",
            Self::Balance => "balance",
            Self::Connect => "connect",
            Self::Send => "send",
            Self::Response => "response",
            Self::Done => "done",
        }
    }
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// Who ended it.
    pub ended_by: EndedBy,
    /// Where.
    pub stage: Stage,
    /// Why, in one snake_case word of a closed list; empty when nothing went wrong.
    pub reason: &'static str,
}

impl Outcome {
    /// The upstream answered and the answer was delivered whole.
    pub const ANSWERED: Self = Self { ended_by: EndedBy::Upstream, stage: Stage::Done, reason: "" };
    /// We answered by rule without a fault, a redirect for example.
    pub const LOCAL: Self = Self { ended_by: EndedBy::Proxy, stage: Stage::Done, reason: "" };
    /// The client left before the answer was delivered whole.
    pub const CLIENT_GONE: Self =
        Self { ended_by: EndedBy::Downstream, stage: Stage::Response, reason: "client_gone" };

    /// Whether this counts as an error (`error.type` in logs and metrics).
    pub const fn is_error(&self) -> bool {
        !self.reason.is_empty()
    }
}
