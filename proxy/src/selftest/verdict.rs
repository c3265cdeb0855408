//! What came back, and what it is worth. Pure.
//!
//! A row fails unless something shows that the attack did not work: silence, time that ran out and a connection that
//! could not be made are failures too. What cannot be seen from outside is said to be so, never taken for good.

use std::collections::BTreeMap;

/// What became of one attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It did not work; how one can tell.
    Ok(String),
    /// It worked, or nothing shows that it did not.
    Failed(String),
    /// It cannot be judged here; why.
    NotApplicable(String),
}

impl Verdict {
    /// What happened, or why nothing could be judged.
    pub fn happened(&self) -> &str {
        match self {
            Self::Ok(text) | Self::Failed(text) | Self::NotApplicable(text) => text,
        }
    }

    /// Of several attempts at the same: the first that failed, else the last.
    pub(super) fn worst(all: impl IntoIterator<Item = Self>) -> Self {
        let mut last = None;
        for verdict in all {
            if matches!(verdict, Self::Failed(_)) {
                return verdict;
            }
            last = Some(verdict);
        }
        last.unwrap_or_else(|| Self::Failed("nothing was tried".to_owned()))
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The other side closed it, or reset it.
    Closed,
    /// The other side ended it with a TLS alert.
    Alert(String),
    /// One exchange was answered or reset; the connection may go on (HTTP/2).
    Answered,
    /// The other side had not ended it when the time was up.
    Open,
    /// There was none, or it broke on our side.
    Broken(String),
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// The status of the first answer.
    pub(super) status: Option<u16>,
    /// All bytes, of HTTP/2 the headers and the body of the answer.
    pub(super) bytes: Vec<u8>,
    /// How it ended.
    pub(super) end: End,
}

impl Reply {
    /// Nothing but an end.
    pub(super) fn ended(end: End) -> Self {
        Self { status: None, bytes: Vec::new(), end }
    }

    /// What was read of HTTP/1 until the end.
    pub(super) fn read(bytes: Vec<u8>, end: End) -> Self {
        Self { status: status(&bytes), bytes, end }
    }

    /// Whether the other side has ended the connection.
    fn is_over(&self) -> bool {
        matches!(self.end, End::Closed | End::Alert(_))
    }

    /// In a few words.
    pub(super) fn text(&self) -> String {
        let answer = match self.status {
            Some(status) => status.to_string(),
            None if self.bytes.is_empty() => "no answer".to_owned(),
            None => format!("{} bytes that are no HTTP", self.bytes.len()),
        };
        match &self.end {
            End::Closed => format!("{answer}, closed"),
            End::Alert(alert) => format!("{answer}, alert {alert}"),
            End::Answered => answer,
            End::Open => format!("{answer}, still open"),
            End::Broken(why) => format!("{answer}: {why}"),
        }
    }
}

/// The status of an HTTP/1 answer.
fn status(bytes: &[u8]) -> Option<u16> {
    let rest = bytes.strip_prefix(b"HTTP/1.")?;
    std::str::from_utf8(rest.get(2..5)?).ok()?.parse().ok()
}

/// Nobody is let in: no byte of an answer, and the connection was ended.
pub(super) fn kept_out(reply: &Reply) -> Verdict {
    match &reply.end {
        End::Closed if is_tls_alert(&reply.bytes) => Verdict::Ok("closed, with a TLS alert".to_owned()),
        _ if !reply.bytes.is_empty() || reply.status.is_some() => {
            Verdict::Failed(format!("let in: {}", reply.text()))
        }
        End::Alert(alert) => Verdict::Ok(format!("alert {alert}")),
        End::Closed => Verdict::Ok("closed without an answer".to_owned()),
        End::Answered | End::Open | End::Broken(_) => Verdict::Failed(reply.text()),
    }
}

/// Whether it is one TLS record with an alert and nothing else (RFC 8446 §5.1): what who speaks no TLS is told.
fn is_tls_alert(bytes: &[u8]) -> bool {
    matches!(bytes, [21, 3, _, 0, 2, _, _])
}

/// A member is let in; whatever the rules say then.
pub(super) fn let_in(reply: &Reply) -> Verdict {
    match reply.status {
        Some(_) => Verdict::Ok(reply.text()),
        None => Verdict::Failed(reply.text()),
    }
}

/// Answered with one of these.
pub(super) fn is_answered(reply: &Reply, wanted: &[u16]) -> Verdict {
    match reply.status {
        Some(status) if wanted.contains(&status) => Verdict::Ok(reply.text()),
        _ => Verdict::Failed(reply.text()),
    }
}

/// Answered with 400, and then the connection was ended: what follows on it may be part of the attack.
pub(super) fn is_thrown_out(reply: &Reply) -> Verdict {
    let answers = memchr::memmem::find_iter(&reply.bytes, b"HTTP/1.1 ").count();
    match reply.status {
        Some(400) if reply.is_over() && answers == 1 => Verdict::Ok(reply.text()),
        _ if answers > 1 => Verdict::Failed(format!("{answers} answers to one request, {}", reply.text())),
        _ => Verdict::Failed(reply.text()),
    }
}

/// Not carried out: an error, or the end of the connection.
pub(super) fn is_refused(reply: &Reply) -> Verdict {
    match (reply.status, &reply.end) {
        (Some(400..=599), _) => Verdict::Ok(reply.text()),
        (None, End::Closed | End::Alert(_)) if reply.bytes.is_empty() => Verdict::Ok(reply.text()),
        // HTTP/2: this exchange alone was reset.
        (None, End::Answered) => Verdict::Ok("the exchange was reset".to_owned()),
        _ => Verdict::Failed(reply.text()),
    }
}

/// Answered with 431, or not at all: a rule that says no does not show that the fields were counted.
pub(super) fn is_too_large(reply: &Reply) -> Verdict {
    match reply.status {
        Some(431) | None => is_refused(reply),
        Some(_) => Verdict::Failed(reply.text()),
    }
}

/// Whatever the answer is, the protocol was not switched.
pub(super) fn is_not_switched(reply: &Reply) -> Verdict {
    match (reply.status, &reply.end) {
        (Some(101), _) => Verdict::Failed(reply.text()),
        (Some(_), _) | (None, End::Closed) => Verdict::Ok(reply.text()),
        _ => Verdict::Failed(reply.text()),
    }
}

/// What a connection to a port met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Met {
    /// Somebody takes it.
    Somebody,
    /// It was refused, or no packet came back.
    Nobody,
    /// It cannot be said: an error on our side.
    Unknown(String),
}

/// Nobody may be met at any of these addresses.
pub(super) fn nobody_is_met(met: &[(String, Met)]) -> Verdict {
    let named = |wanted: fn(&Met) -> bool| -> Vec<&str> {
        met.iter().filter(|(_, met)| wanted(met)).map(|(address, _)| address.as_str()).collect()
    };
    let found = named(|met| *met == Met::Somebody);
    if !found.is_empty() {
        return Verdict::Failed(format!("somebody listens at {}", found.join(", ")));
    }
    if let Some((address, Met::Unknown(why))) = met.iter().find(|(_, met)| matches!(met, Met::Unknown(_))) {
        return Verdict::Failed(format!("{address}: {why}"));
    }
    Verdict::Ok(format!("nobody listens at {}", named(|_| true).join(", ")))
}

/// Evidence that was refused so far, by reason.
pub(super) type Refused = BTreeMap<String, u64>;

/// The evidence was refused: so many requests, so many more on the counter; or the request itself was malformed.
pub(super) fn is_without_user(before: &Refused, after: &Refused, replies: &[Reply]) -> Verdict {
    let more: BTreeMap<&str, u64> = after
        .iter()
        .map(|(reason, count)| {
            (reason.as_str(), count.saturating_sub(before.get(reason).copied().unwrap_or(0)))
        })
        .filter(|(_, more)| *more > 0)
        .collect();
    let counted: u64 = more.values().sum();
    let malformed = replies.iter().filter(|reply| reply.status == Some(400)).count() as u64;
    let answers: Vec<String> = replies.iter().map(Reply::text).collect();
    let reasons: Vec<&str> = more.keys().copied().collect();
    if counted + malformed >= replies.len() as u64 && !replies.is_empty() {
        let reasons = if reasons.is_empty() { "refused whole".to_owned() } else { reasons.join(", ") };
        return Verdict::Ok(format!("no user: {reasons} ({})", answers.join("; ")));
    }
    Verdict::Failed(format!(
        "{counted} of {} were counted as refused: it may have been believed ({})",
        replies.len(),
        answers.join("; ")
    ))
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
