//! What is wrong with the chain of an audit file.
//!
//! | fault | seen by |
//! |--|--|
//! | garbage | no JSON object with `n` and `prev` |
//! | changed | the hash in the line after, or in the head the store remembers, is of something else |
//! | missing | numbers leap |
//! | out of order | a number comes late or twice |
//! | cut off | the file ends before the head |
//!
//! Who can write both the file and the store can write a whole new chain; against him helps a copy of the head
//! (`last` of the report) kept elsewhere.
//!
//! Pure: it must not know files or a clock.

use super::chain::{Line, beginning, hash};
use crate::store::AuditHead;
use serde::Serialize;
use std::fmt;

/// More findings are only counted.
const MOST_FINDINGS: usize = 100;

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// It is no line of an audit file.
    Garbage,
    /// It is not what was written.
    Changed,
    /// Lines are missing before it.
    Missing {
        /// The first and the last number that is missing.
        first: u64,
        /// See `first`.
        last: u64,
    },
    /// It stands at the wrong place.
    OutOfOrder {
        /// Its number.
        number: u64,
        /// The greatest number before it.
        after: u64,
    },
    /// Lines are missing after it.
    CutOff {
        /// The first and the last number that is missing.
        first: u64,
        /// See `first`.
        last: u64,
    },
}

/// A fault and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The line of the file; the first is 1. 0: the file has none.
    pub line: u64,
    /// What is wrong with it.
    #[serde(flatten)]
    pub fault: Fault,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: ", self.line)?;
        match self.fault {
            Fault::Garbage => out.write_str("not a line of an audit file"),
            Fault::Changed => {
                out.write_str("changed after it was written, or the hash in the line after it was")
            }
            Fault::Missing { first, last } if first == last => {
                write!(out, "number {first} is missing before it")
            }
            Fault::Missing { first, last } => write!(out, "numbers {first} to {last} are missing before it"),
            Fault::OutOfOrder { number, after } => {
                write!(out, "number {number} stands after number {after}: lines were moved or repeated")
            }
            Fault::CutOff { first, last } if first == last => {
                write!(out, "the file ends here, but number {first} was written after it")
            }
            Fault::CutOff { first, last } => {
                write!(out, "the file ends here, but numbers {first} to {last} were written after it")
            }
        }
    }
}

/// What a verifier found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many lines there are.
    pub lines: u64,
    /// The last line that is one.
    pub last: Option<AuditHead>,
    /// How many of the lines the store does not know of yet: a few after a crash, else somebody put them there.
    pub ahead: u64,
    /// Whether a line without its end follows, which a crash left. The next flush writes it anew.
    pub unfinished: bool,
    /// The first faults.
    pub findings: Vec<Finding>,
    /// How many faults there are besides.
    pub more: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Eats the lines of a file, the first one first.
#[derive(Debug)]
pub struct Verifier {
    /// What the store remembers.
    head: Option<AuditHead>,
    /// The line with the greatest number so far.
    last: AuditHead,
    /// How many lines of garbage came after it.
    garbage: u64,
    report: Report,
}

impl Verifier {
    /// `head`: what the store remembers as the end of the file, read before the file; `None`: nothing.
    pub fn new(head: Option<AuditHead>) -> Self {
        let report =
            Report { lines: 0, last: None, ahead: 0, unfinished: false, findings: Vec::new(), more: 0 };
        Self { head, last: beginning(), garbage: 0, report }
    }

    /// The next line, without its newline.
    pub fn eat(&mut self, line: &[u8]) {
        self.report.lines += 1;
        match std::str::from_utf8(line).ok().and_then(Line::parse) {
            Some(line) => self.place(&line),
            None => {
                self.garbage += 1;
                self.found(self.report.lines, Fault::Garbage);
            }
        }
    }

    fn place(&mut self, line: &Line) {
        let (here, number) = (self.report.lines, line.number);
        let next = self.last.number.saturating_add(1);
        // A line of garbage may have been put in, or stand where a line stood.
        let latest = next.saturating_add(self.garbage);
        if number < next {
            // The chain goes on behind it, from the line before.
            return self.found(here, Fault::OutOfOrder { number, after: self.last.number });
        }
        if number > latest {
            self.found(here, Fault::Missing { first: latest, last: number.saturating_sub(1) });
        } else if self.garbage == 0 && line.prev != self.last.hash {
            self.changed(here.saturating_sub(1).max(1));
        }
        self.garbage = 0;
        self.last = AuditHead { number, hash: hash(&line.text) };
        if self.head.as_ref().is_some_and(|head| head.number == number && *head != self.last) {
            self.changed(here);
        }
    }

    /// The line after and the head may both tell.
    fn changed(&mut self, line: u64) {
        let finding = Finding { line, fault: Fault::Changed };
        if self.report.findings.last() != Some(&finding) {
            self.found(line, Fault::Changed);
        }
    }

    fn found(&mut self, line: u64, fault: Fault) {
        if self.report.findings.len() < MOST_FINDINGS {
            self.report.findings.push(Finding { line, fault });
        } else {
            self.report.more += 1;
        }
    }

    /// The end of the file; `unfinished`: something without a newline follows.
    pub fn finish(mut self, unfinished: bool) -> Report {
        let known = self.head.as_ref().map_or(0, |head| head.number);
        let end = self.last.number.saturating_add(self.garbage);
        if end < known {
            self.found(self.report.lines, Fault::CutOff { first: end.saturating_add(1), last: known });
        }
        self.report.ahead = self.last.number.saturating_sub(known);
        self.report.last = Some(self.last).filter(|last| last.number > 0);
        self.report.unfinished = unfinished;
        self.report
    }
}
