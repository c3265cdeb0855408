//! The gate for answers from upstreams.
//!
//! Decides by the same framing rules as for requests. Must not know what the request was, beyond whether it
//! was a HEAD and whether it asked to switch protocols. Any fault means: 502 towards the client if nothing
//! was passed on, and the connection is dropped. Sources: RFC 9112 §4 and §6.3, RFC 9110 §15.
//!
//! | state   | meaning                                | leaves when                                             |
//! |---------|----------------------------------------|---------------------------------------------------------|
//! | Idle    | nothing is owed, every byte is a fault | a request was sent (Head)                               |
//! | Head    | an answer is owed                      | a final head (Body or Idle), 101 if asked for (Tunnel)  |
//! | Body    | the rest of an answer                  | its end came (Idle)                                     |
//! | Tunnel  | everything passes                      | never                                                   |
//! | Refused | nothing passes                         | never                                                   |

use super::body::{Body, Progress};
use super::head::{Coding, Fields, Lines};
use super::step::{After, Step, walk};
use super::{Ending, Fault, Limits, Verdict, octets};

/// An upstream that sends more interim answers than this is broken.
const MAX_INTERIMS: u8 = 8;

/// What kind of request an answer is owed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// HEAD: the answer has no body, whatever its fields say.
    Head,
    /// A request that asks to switch protocols: 101 is a proper answer.
    Upgrade,
    /// Any other.
    Other,
}

/// One per upstream HTTP/1 connection.
#[derive(Debug, Clone)]
pub struct ResponseGate {
    limits: Limits,
    state: State,
    asked: Asked,
    /// Interim answers to the request under way.
    interims: u8,
}

#[derive(Debug, Clone)]
enum State {
    Idle,
    Head(Head),
    Body(Body),
    Tunnel,
    Refused(Fault),
}

/// What a complete head is followed by.
#[derive(Debug, Clone, Copy)]
enum Next {
    Interim,
    Nothing,
    Body(Body),
    Tunnel,
}

impl ResponseGate {
    /// A gate in front of a connection on which nothing was asked yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: State::Idle, asked: Asked::Other, interims: 0 }
    }

    /// A request is about to be sent, so an answer may come. One at a time: while an answer is owed, asking
    /// again finishes the gate.
    pub fn expect(&mut self, method_is_head: bool) {
        self.ask(if method_is_head { Asked::Head } else { Asked::Other });
    }

    /// Whether HTTP has ended with a 101.
    pub const fn is_tunnel(&self) -> bool {
        matches!(self.state, State::Tunnel)
    }

    /// The same for a request that asks to switch protocols. After a 101 everything passes.
    pub fn expect_upgrade(&mut self) {
        self.ask(Asked::Upgrade);
    }

    /// Says how much of `input` may be passed on. `input` is what the last call left, then what arrived
    /// since.
    ///
    /// Bytes after the end of an answer condemn that answer, too, if they come in the same input as its head.
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

    /// Whether nothing is owed: the connection may be used again.
    pub fn at_boundary(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether an answer is owed whose final head is not complete.
    pub fn in_head(&self) -> bool {
        matches!(self.state, State::Head(_))
    }

    /// Whether a body is under way.
    pub fn in_body(&self) -> bool {
        matches!(self.state, State::Body(_))
    }

    /// What it means that the upstream sends no more.
    pub fn finish(&self) -> Ending {
        match &self.state {
            State::Idle | State::Tunnel | State::Body(Body::UntilEnd) => Ending::Clean,
            State::Head(head) if self.interims == 0 && !head.begun() => Ending::Unanswered,
            State::Head(_) | State::Body(_) | State::Refused(_) => Ending::Truncated,
        }
    }

    fn ask(&mut self, asked: Asked) {
        self.state = match self.state {
            State::Idle => State::Head(Head::default()),
            State::Refused(fault) => State::Refused(fault),
            // Two answers in flight cannot be told apart here, and guessing is how responses get swapped.
            State::Head(_) | State::Body(_) | State::Tunnel => State::Refused(Fault::Unsolicited),
        };
        self.asked = asked;
        self.interims = 0;
    }

    fn step(&mut self, rest: &[u8]) -> Step {
        match &mut self.state {
            State::Idle => Step::Fault { len: 0, fault: Fault::Unsolicited },
            State::Head(head) => match head.scan(rest, &self.limits) {
                Ok(None) => Step::Wait,
                Ok(Some(len)) => {
                    let next = head.next(self.asked);
                    self.begin(next, len)
                }
                Err(fault) => Step::Fault { len: 0, fault },
            },
            State::Body(body) => match body.follow(rest, &self.limits) {
                Progress::More => Step::Pass { len: rest.len(), head: false, after: After::Open },
                Progress::Done(len) => {
                    self.state = State::Idle;
                    Step::Pass { len, head: false, after: After::Held }
                }
                Progress::Fault(len, fault) => Step::Fault { len, fault },
            },
            State::Tunnel => Step::Pass { len: rest.len(), head: false, after: After::Closed },
            State::Refused(fault) => Step::Fault { len: 0, fault: *fault },
        }
    }

    fn begin(&mut self, next: Result<Next, Fault>, len: usize) -> Step {
        let (state, after) = match next {
            Ok(Next::Interim) if self.interims < MAX_INTERIMS => {
                self.interims += 1;
                (State::Head(Head::default()), After::Closed)
            }
            Ok(Next::Interim) => return Step::Fault { len: 0, fault: Fault::InterimFlood },
            Ok(Next::Nothing) => (State::Idle, After::Held),
            Ok(Next::Body(body)) => (State::Body(body), After::Open),
            Ok(Next::Tunnel) => (State::Tunnel, After::Closed),
            Err(fault) => return Step::Fault { len: 0, fault },
        };
        self.state = state;
        Step::Pass { len, head: true, after }
    }
}

/// A head that is held back until it is complete.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    lines: Lines,
    /// The status, once its line is there.
    status: Option<u16>,
    http10: bool,
    fields: Fields,
}

impl Head {
    /// Reads on in `held`, all that arrived of this head. The length of the head, once it is complete.
    fn scan(&mut self, held: &[u8], limits: &Limits) -> Result<Option<usize>, Fault> {
        // Not HTTP at all: do not wait for a line end that may never come.
        if held.first() != Some(&b'H') {
            return Err(Fault::StatusLine);
        }
        while let Some(line) = self.lines.take(held, limits.head_bytes)? {
            if self.status.is_none() {
                self.status_line(line)?;
            } else if line.is_empty() {
                self.fields.agree(self.http10)?;
                return Ok(Some(self.lines.next));
            } else {
                self.fields.read(line, limits)?;
            }
        }
        Ok(None)
    }

    fn begun(&self) -> bool {
        self.lines.searched > 0
    }

    /// `HTTP/1.x SP 3DIGIT [ SP reason ]`. The space in front of an empty reason is left out by many.
    fn status_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        let (version, rest) = line.split_at_checked(9).ok_or(Fault::StatusLine)?;
        self.http10 = match version {
            b"HTTP/1.1 " => false,
            b"HTTP/1.0 " => true,
            _ => return Err(Fault::StatusLine),
        };
        let [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', reason @ ..] = rest else {
            return Err(Fault::StatusLine);
        };
        if !matches!(reason, [] | [b' ', ..]) || !octets::is_value(reason) {
            return Err(Fault::StatusLine);
        }
        let digit = |byte: &u8| u16::from(byte - b'0');
        self.status = Some(digit(a) * 100 + digit(b) * 10 + digit(c));
        Ok(())
    }

    /// What follows a complete head (RFC 9112 §6.3), in the same order as hyper's client decides it.
    fn next(&self, asked: Asked) -> Result<Next, Fault> {
        let status = self.status.unwrap_or_default();
        if self.fields.coding == Some(Coding::Unknown) {
            return Err(Fault::CodingUnknown);
        }
        let bodiless = matches!(status, 100..=199 | 204);
        if bodiless && (self.fields.coding.is_some() || self.fields.length.is_some_and(|length| length > 0)) {
            return Err(Fault::BodyForbidden);
        }
        match (status, self.fields.coding, self.fields.length) {
            (101, ..) if asked == Asked::Upgrade && !self.http10 => Ok(Next::Tunnel),
            (101, ..) => Err(Fault::UnaskedUpgrade),
            (100..=199, ..) => Ok(Next::Interim),
            (204 | 304, ..) => Ok(Next::Nothing),
            _ if asked == Asked::Head => Ok(Next::Nothing),
            (_, Some(_), _) => Ok(Next::Body(Body::Chunked(Default::default()))),
            (_, None, Some(0)) => Ok(Next::Nothing),
            (_, None, Some(length)) => Ok(Next::Body(Body::Length(length))),
            (_, None, None) => Ok(Next::Body(Body::UntilEnd)),
        }
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
