//! The chain of the audit file: what a line looks like, and how the file goes on.
//!
//! A line is one JSON object: `{"n":7,"prev":"<SHA-256 of line 6, hex>", …the event…}`. The hash is of the line's bytes
//! without the newline; the first line has 64 zeros. The store remembers the number and hash of the last line
//! ([`AuditHead`]), so that cutting lines off the end is found too.
//!
//! Pure: it must not know files or a clock.

use super::Event;
use crate::names::Fingerprint;
use crate::store::AuditHead;
use serde::Deserialize;

/// A line, and its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number.
    pub number: u64,
    /// What it says is the hash of the line before.
    pub prev: Fingerprint,
    /// All of it, without the newline.
    pub text: String,
}

#[derive(Deserialize)]
struct Place {
    n: u64,
    prev: Fingerprint,
}

impl Line {
    /// Reads a line; `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        // Serde would take an array for a struct.
        let place: Place = serde_json::from_str(text).ok().filter(|_| text.starts_with('{'))?;
        Some(Self { number: place.n, prev: place.prev, text: text.to_owned() })
    }

    /// The event in it; `None` when a newer portcullis wrote one this one does not know.
    pub fn event(&self) -> Option<Event> {
        serde_json::from_str(&self.text).ok()
    }
}

/// What the first line has for the hash of the line before.
pub fn beginning() -> AuditHead {
    let zeros = "0".repeat(64).parse().unwrap_or_else(|_| Fingerprint::of(&[]));
    AuditHead { number: 0, hash: zeros }
}

/// The hash of a line, given without its newline.
pub fn hash(line: &str) -> Fingerprint {
    Fingerprint::of(line.as_bytes())
}

/// The line `number` with `event`, a JSON object, after the line with the hash `prev`; without newline.
pub fn append(number: u64, prev: &Fingerprint, event: &str) -> String {
    let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(event).is_ok();
    let fields = event.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    match fields.map(str::trim).filter(|_| is_object && !event.contains('\n')) {
        Some("") => format!(r#"{{"n":{number},"prev":"{prev}"}}"#),
        Some(fields) => format!(r#"{{"n":{number},"prev":"{prev}",{fields}}}"#),
        // A record of the store that is damaged is kept as it is, rather than lost.
        None => format!(r#"{{"n":{number},"prev":"{prev}","damaged":{}}}"#, serde_json::Value::from(event)),
    }
}

/// How the file goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// Lines with their newlines; empty when all events are in the file already.
    pub text: String,
    /// The last line after it.
    pub head: AuditHead,
}

/// Continues the file with the `pending` events of the store.
///
/// `end` are the lines of the file after `head`, the last the store knows of. They are there when a crash came between
/// the writing of the file and the forgetting of the events: what is there already is not written again. If they are
/// anything else, `foreign` gives the event that says how many.
pub fn go_on(
    head: Option<AuditHead>,
    end: &[Line],
    pending: &[(u64, String)],
    foreign: impl FnOnce(u64) -> String,
) -> Addition {
    let written = already_written(end, pending);
    let strange = end.len() - written;
    let mut head = match end.last() {
        Some(line) => AuditHead { number: line.number, hash: hash(&line.text) },
        // The store's word, not the file's: if the end of the file was changed or cut off, the chain must not hide it.
        None => head.unwrap_or_else(beginning),
    };
    let mut text = String::new();
    if strange > 0 {
        let count = u64::try_from(strange).unwrap_or(u64::MAX);
        push(&mut text, &mut head, (0, &foreign(count)));
    }
    for (number, event) in pending.iter().skip(written) {
        push(&mut text, &mut head, (*number, event));
    }
    Addition { text, head }
}

/// How many of the first events are the last lines of the file.
fn already_written(end: &[Line], pending: &[(u64, String)]) -> usize {
    let is_written =
        |(line, (_, event)): (&Line, &(u64, String))| line.text == append(line.number, &line.prev, event);
    let most = end.len().min(pending.len());
    let found = (0..=most).rev().find(|count| {
        let last = end.iter().skip(end.len() - count);
        last.zip(pending).all(is_written)
    });
    found.unwrap_or(0)
}

/// Numbers of lines are those of the store's events, unless lines the store does not know stand before them.
fn push(text: &mut String, head: &mut AuditHead, (number, event): (u64, &str)) {
    let number = number.max(head.number.saturating_add(1));
    let line = append(number, &head.hash, event);
    *head = AuditHead { number, hash: hash(&line) };
    text.push_str(&line);
    text.push('\n');
}
