//! The gate: stands in front of the HTTP/1 parser and lets only well-formed framing through.
//!
//! It decides where each message ends and whether that is beyond doubt. It must not know sockets, time,
//! routes or policy, and it never keeps or changes a byte: the shell around it owns the buffer, asks
//! [`RequestGate::inspect`] how much of it is sound and passes on that much. The parser behind (hyper) takes
//! bare LF, Content-Length beside Transfer-Encoding, missing Host and more; here all of that is refused, so
//! both agree on where a message ends, or the message never arrives.
//!
//! | state     | passes                       | leaves when                                                     |
//! |-----------|------------------------------|-----------------------------------------------------------------|
//! | Head      | nothing until it is complete | the empty line came (Body, or the next Head), a fault (Refused) |
//! | Body      | all sound bytes at once      | its end came (next Head), a fault (Refused)                     |
//! | Undecided | nothing (requests only)      | the shell says whether the upgrade took place (Tunnel or Head)  |
//! | Tunnel    | everything                   | never                                                           |
//! | Refused   | nothing                      | never                                                           |
//!
//! Answers of upstreams have one more state, Idle: no request is outstanding and every byte is a fault.
//!
//! What the shell may not forget: hyper's own limits must be at least [`Limits`] (its buffer larger than
//! `head_bytes`, its header count not below `headers`), and a refused request is replaced by
//! [`RequestGate::marker`], so that the refusal is answered in its turn on a pipelined connection.

mod body;
mod chunked;
mod fault;
mod head;
mod host;
pub mod http2;
mod octets;
mod request;
mod request_line;
mod response;
mod step;

#[cfg(test)]
mod property_tests;

pub use fault::Fault;
pub use request::{MARKER_GET, MARKER_HEAD, RequestGate, RequestRules};
pub use response::ResponseGate;

/// What the gate says about the bytes it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No fault so far.
    Pass {
        /// How many leading bytes may be passed on now. Show the others again, with what follows them.
        sound: usize,
    },
    /// A fault. The gate is finished and refuses all that follows.
    Refuse {
        /// How many leading bytes are still in order and may be passed on. They never hold the head of the
        /// refused message.
        sound: usize,
        /// The reason.
        fault: Fault,
        /// Whether the head of the refused message was passed on by an earlier call. Then no answer can be
        /// put in its place, and the body must end with an error.
        in_body: bool,
    },
}

/// What the end of the byte stream means for the message under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The stream ended between messages, or ended a body that lasts until the end.
    Clean,
    /// The upstream left without a byte of the answer it owes. The request may be safe to send again.
    Unanswered,
    /// A message was cut off.
    Truncated,
}

/// How large the parts of a message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head with its request or status line and its empty line.
    pub head_bytes: usize,
    /// Bytes of a request target.
    pub target_bytes: usize,
    /// Fields of a head, and of a trailer section. hyper takes 100.
    pub headers: usize,
    /// Bytes of a field name.
    pub name_bytes: usize,
    /// Bytes of all chunk extensions of a message, with their `;`. hyper fails at 16 KiB.
    pub chunk_extension_bytes: usize,
    /// Bytes of a trailer section with its empty line. hyper fails at 16 KiB.
    pub trailer_bytes: usize,
}

impl Limits {
    /// The limits for answers of upstreams: those of requests, with a head of 64 KiB.
    pub fn of_responses() -> Self {
        Self { head_bytes: 64 * 1024, ..Self::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            target_bytes: 8 * 1024,
            headers: 100,
            name_bytes: 256,
            // One byte below where hyper fails, so that the gate always speaks first.
            chunk_extension_bytes: 16 * 1024 - 1,
            trailer_bytes: 16 * 1024 - 1,
        }
    }
}
