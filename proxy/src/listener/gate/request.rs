//! The gate for requests from downstream.
//!
//! Decides message by message; see [`super`] for the states. Must not know who the client is or which hosts
//! exist.

use super::body::{Body, Progress};
use super::head::{self, Coding, Field, Fields, Lines, Name};
use super::request_line::{self, MAX_METHOD, RequestLine};
use super::step::{After, Step, walk};
use super::{Ending, Fault, Limits, Verdict, host, octets};
use crate::config::trust::{Strict, Strictness};

/// What the shell delivers in place of a refused request. The gate refuses every HTTP/1.1 request without
/// Host, so one that reaches the pipeline can only be this one.
pub const MARKER_GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
/// The same for a refused HEAD, whose answer has no body.
pub const MARKER_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\n\r\n";

/// What a request gate takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestRules {
    /// Names with `_`. Those that fold to a framing name are refused under every rule; taking the others out
    /// is not done here.
    pub underscores: Strictness,
    /// HTTP/1.0. Only [`Strictness::Keep`] lets it pass.
    pub http10: Strictness,
    /// Whether requests may switch protocols. If so, bytes after a request with Upgrade wait for
    /// [`RequestGate::settle_upgrade`]; if not, Upgrade is a field like any other and a later stage takes it
    /// out.
    pub upgrades: bool,
    /// Sizes.
    pub limits: Limits,
}

impl From<Strict> for RequestRules {
    fn from(strict: Strict) -> Self {
        Self { underscores: strict.underscores, http10: strict.http10, ..Self::default() }
    }
}

/// One per downstream HTTP/1 connection.
#[derive(Debug, Clone)]
pub struct RequestGate {
    rules: RequestRules,
    state: State,
    /// The message under way is a HEAD.
    is_head: bool,
    /// The message under way asked to switch protocols.
    upgrade: bool,
}

#[derive(Debug, Clone)]
enum State {
    Head(Head),
    Body(Body),
    Undecided,
    Tunnel,
    Refused(Fault),
}

impl RequestGate {
    /// A gate in front of the first request of a connection.
    pub fn new(rules: RequestRules) -> Self {
        Self { rules, state: State::Head(Head::default()), is_head: false, upgrade: false }
    }

    /// Says how much of `input` may be passed on. `input` is what the last call left, then what arrived
    /// since.
    pub fn inspect(&mut self, input: &[u8]) -> Verdict {
        if let State::Refused(fault) = self.state {
            return Verdict::Refuse { sound: 0, fault, in_body: false };
        }
        let verdict = walk(input, self.in_body(), |rest| self.step(rest));
        if let Verdict::Refuse { fault, .. } = verdict {
            self.state = State::Refused(fault);
        }
        verdict
    }

    /// Refuses the message under way for a reason found outside, such as [`Fault::HeaderTimeout`].
    pub fn refuse(&mut self, fault: Fault) -> Verdict {
        let in_body = self.in_body();
        self.state = State::Refused(fault);
        Verdict::Refuse { sound: 0, fault, in_body }
    }

    /// What to deliver in place of the refused message, when its head was not passed on.
    pub fn marker(&self) -> &'static [u8] {
        if self.is_head { MARKER_HEAD } else { MARKER_GET }
    }

    /// Whether nothing of a message has arrived since the last one ended. An empty line does not count.
    pub fn at_boundary(&self) -> bool {
        matches!(&self.state, State::Head(head) if !head.begun())
    }

    /// Whether a head has begun and is not complete.
    pub fn in_head(&self) -> bool {
        matches!(&self.state, State::Head(head) if head.begun())
    }

    /// Whether a body is under way.
    pub fn in_body(&self) -> bool {
        matches!(self.state, State::Body(_))
    }

    /// Whether all input waits for [`Self::settle_upgrade`].
    pub fn awaits_upgrade(&self) -> bool {
        matches!(self.state, State::Undecided)
    }

    /// Ends the wait after a request with Upgrade. `switched`: 101 was answered, so all that follows is no
    /// longer HTTP.
    pub fn settle_upgrade(&mut self, switched: bool) {
        if self.awaits_upgrade() {
            self.state = if switched { State::Tunnel } else { State::Head(Head::default()) };
        }
    }

    /// What it means that the client sends no more.
    pub fn finish(&self) -> Ending {
        match &self.state {
            State::Head(head) if head.begun() => Ending::Truncated,
            State::Head(_) | State::Undecided | State::Tunnel => Ending::Clean,
            State::Body(_) | State::Refused(_) => Ending::Truncated,
        }
    }

    fn step(&mut self, rest: &[u8]) -> Step {
        match &mut self.state {
            State::Head(head) => match head.scan(rest, &self.rules, &mut self.is_head) {
                Ok(None) => Step::Wait,
                Ok(Some(len)) => {
                    self.upgrade = self.rules.upgrades && head.upgrade;
                    let body = head.body();
                    self.begin(body, len)
                }
                Err(fault) => Step::Fault { len: 0, fault },
            },
            State::Body(body) => match body.follow(rest, &self.rules.limits) {
                Progress::More => Step::Pass { len: rest.len(), head: false, after: After::Open },
                Progress::Done(len) => {
                    self.end();
                    Step::Pass { len, head: false, after: After::Closed }
                }
                Progress::Fault(len, fault) => Step::Fault { len, fault },
            },
            State::Undecided => Step::Wait,
            State::Tunnel => Step::Pass { len: rest.len(), head: false, after: After::Closed },
            State::Refused(fault) => Step::Fault { len: 0, fault: *fault },
        }
    }

    fn begin(&mut self, body: Option<Body>, len: usize) -> Step {
        let Some(body) = body else {
            self.end();
            return Step::Pass { len, head: true, after: After::Closed };
        };
        self.state = State::Body(body);
        Step::Pass { len, head: true, after: After::Open }
    }

    fn end(&mut self) {
        self.is_head = false;
        self.state = if self.upgrade { State::Undecided } else { State::Head(Head::default()) };
    }
}

/// A head that is held back until it is complete.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    lines: Lines,
    /// The request line, once it is there.
    line: Option<RequestLine>,
    fields: Fields,
    /// The authority of an absolute target: its offset in the head and its length.
    authority: Option<(usize, usize)>,
    has_host: bool,
    upgrade: bool,
    /// A fault that any other of the same head outranks: the head is well-formed, but we do not do what it
    /// asks.
    mild: Option<Fault>,
}

impl Head {
    /// Reads on in `held`, all that arrived of this head. The length of the head, once it is complete.
    fn scan(
        &mut self,
        held: &[u8],
        rules: &RequestRules,
        is_head: &mut bool,
    ) -> Result<Option<usize>, Fault> {
        if self.line.is_none() && !self.request_line(held, rules, is_head)? {
            return Ok(None);
        }
        while let Some(line) = self.lines.take(held, rules.limits.head_bytes)? {
            if line.is_empty() {
                self.complete(rules)?;
                return Ok(Some(self.lines.next));
            }
            let field = self.fields.read(line, &rules.limits)?;
            self.field(&field, held, rules.underscores)?;
        }
        Ok(None)
    }

    fn begun(&self) -> bool {
        self.line.is_some() || self.lines.mid_line()
    }

    /// Reads the request line and at most one empty line in front of it. False: more must arrive first.
    fn request_line(&mut self, held: &[u8], rules: &RequestRules, is_head: &mut bool) -> Result<bool, Fault> {
        if !self.empty_line(held)? {
            return Ok(false);
        }
        let start = self.lines.next;
        let raw = held.get(start..).unwrap_or_default();
        *is_head = raw.starts_with(b"HEAD ");
        // Garbage without spaces and line ends need not trickle in up to the limit.
        if raw.get(..=MAX_METHOD).is_some_and(|front| memchr::memchr2(b' ', b'\n', front).is_none()) {
            return Err(Fault::Method);
        }
        let max = start + request_line::max_line(&rules.limits);
        let Some(line) = self.lines.take(held, max).map_err(too_long)? else { return Ok(false) };
        let line = request_line::parse(line, &rules.limits)?;
        self.authority = line.authority.map(|(at, len)| (start + at, len));
        if line.not_allowed {
            self.mild = Some(Fault::MethodNotAllowed);
        } else if line.http10 && rules.http10 != Strictness::Keep {
            self.mild = Some(Fault::Http10);
        }
        self.line = Some(line);
        Ok(true)
    }

    /// Steps over one empty line (RFC 9112 §2.2) and looks whether what follows can begin a method. False:
    /// nothing has come.
    ///
    /// The empty line is held back and passed on with the head, because on its own the parser would take it
    /// for half a request.
    fn empty_line(&mut self, held: &[u8]) -> Result<bool, Fault> {
        match held.get(self.lines.next..).unwrap_or_default() {
            [] | [b'\r'] if self.lines.next == 0 => Ok(false),
            [] => Ok(false),
            [b'\r', ..] if self.lines.next > 0 => Err(Fault::EmptyLines),
            [b'\r', b'\n', ..] => {
                self.lines = Lines { next: 2, searched: 2 };
                self.empty_line(held)
            }
            [b'\r', ..] => Err(Fault::BareCr),
            [b'\n', ..] => Err(Fault::BareLf),
            [b'A'..=b'Z', ..] => Ok(true),
            [byte, ..] if octets::class(*byte) & octets::TOKEN != 0 => Err(Fault::Method),
            _ => Err(Fault::NotHttp),
        }
    }

    fn field(&mut self, field: &Field<'_>, held: &[u8], underscores: Strictness) -> Result<(), Fault> {
        if field.underscore && (underscores == Strictness::Refuse || head::folds_to_framing(field.name)) {
            return Err(Fault::Underscore);
        }
        match field.known {
            Name::Host if self.has_host => return Err(Fault::HostRepeated),
            Name::Host if !host::is_host(field.value) => return Err(Fault::HostInvalid),
            Name::Host => {
                self.has_host = true;
                let authority = self.authority.and_then(|(at, len)| held.get(at..at + len));
                if authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(field.value)) {
                    return Err(Fault::AuthorityMismatch);
                }
            }
            Name::Expect if !field.value.eq_ignore_ascii_case(b"100-continue") => {
                self.mild = self.mild.or(Some(Fault::Expectation));
            }
            Name::TransferEncoding if self.fields.coding == Some(Coding::Unknown) => {
                self.mild = self.mild.or(Some(Fault::CodingUnknown));
            }
            Name::Upgrade => self.upgrade = true,
            _ => {}
        }
        Ok(())
    }

    /// The faults that only the whole head shows.
    fn complete(&mut self, rules: &RequestRules) -> Result<(), Fault> {
        let line = self.line.unwrap_or_default();
        self.fields.agree(line.http10)?;
        if !self.has_host && !line.http10 {
            return Err(Fault::HostMissing);
        }
        if !self.has_host && self.authority.is_some() {
            return Err(Fault::AuthorityMismatch);
        }
        if line.http10 && line.sends && self.fields.length.is_none() {
            return Err(Fault::LengthMissing);
        }
        // Upgrades belong to HTTP/1.1 (RFC 9110 §7.8).
        self.upgrade &= rules.upgrades && !line.http10;
        self.mild.map_or(Ok(()), Err)
    }

    /// What follows the head. A request without either field has no body (RFC 9112 §6.3).
    fn body(&self) -> Option<Body> {
        match (self.fields.coding, self.fields.length) {
            (Some(_), _) => Some(Body::Chunked(Default::default())),
            (None, None | Some(0)) => None,
            (None, Some(length)) => Some(Body::Length(length)),
        }
    }
}

/// A request line that outgrows its limit has too long a target; its method has been seen to be short.
fn too_long(fault: Fault) -> Fault {
    if fault == Fault::HeadTooLarge { Fault::TargetTooLong } else { fault }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
