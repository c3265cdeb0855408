//! Walks a gate over one input: adds up what is sound, and takes a message back when it turns out bad before
//! it was passed on.
//!
//! Knows nothing of HTTP beyond "messages have a head".

use super::{Fault, Verdict};

/// What a gate did with the front of what is left.
pub(super) enum Step {
    /// Nothing can pass before more arrives.
    Wait,
    /// `len` bytes are sound.
    Pass {
        /// Never 0.
        len: usize,
        /// Whether they are a whole head, the first bytes of their message.
        head: bool,
        /// What follows them.
        after: After,
    },
    /// The byte after `len` sound ones is wrong.
    Fault {
        /// May be 0.
        len: usize,
        /// The reason.
        fault: Fault,
    },
}

/// What follows bytes that passed.
pub(super) enum After {
    /// More of the same message.
    Open,
    /// Another message, and this one is beyond doubt.
    Closed,
    /// Nothing. A byte that follows all the same throws doubt on this message, too.
    Held,
}

/// Applies `step` until `input` is used up, waits or fails. `in_body`: the body of a message is under way
/// already.
#[inline]
pub(super) fn walk(input: &[u8], mut in_body: bool, mut step: impl FnMut(&[u8]) -> Step) -> Verdict {
    let mut sound = 0;
    // Where the message under way begins, if it does so in this input: then none of it has been passed on
    // yet.
    let mut start = None;
    loop {
        let rest = input.get(sound..).unwrap_or_default();
        if rest.is_empty() {
            return Verdict::Pass { sound };
        }
        match step(rest) {
            Step::Wait => return Verdict::Pass { sound },
            Step::Pass { len, head, after } => {
                if head {
                    start = Some(sound);
                }
                sound += len;
                in_body = matches!(after, After::Open);
                if let After::Closed = after {
                    start = None;
                }
            }
            Step::Fault { len, fault } => {
                return match start {
                    Some(start) => Verdict::Refuse { sound: start, fault, in_body: false },
                    None => Verdict::Refuse { sound: sound + len, fault, in_body },
                };
            }
        }
    }
}
