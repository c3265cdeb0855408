//! Collects what is wrong, so that one run reports everything.
//!
//! A [`Finding`] is a diagnostic that does not know its file yet; [`Findings`] hands them out in the order of
//! the file, each once.

use super::diagnostic::{Code, Severity};
use super::tree::Span;
use std::cell::RefCell;
use std::collections::HashSet;

/// One problem and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) code: Code,
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// What is marked must not be shown: it may be a secret.
    pub(super) hidden: bool,
}

impl Finding {
    /// Something that keeps the configuration from loading.
    pub(super) fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, span, message: message.into(), help: None, hidden: false }
    }

    /// Something that loads, but is probably not what was meant.
    pub(super) fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// What to do about it.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Keeps what is marked out of the picture of the line: logs of failed starts are read by many.
    pub(super) fn hidden(self) -> Self {
        Self { hidden: true, ..self }
    }

    /// [`Self::help`], when there is any.
    pub(super) fn maybe_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }
}

/// Everything found so far. Shared by reference while a file is read.
#[derive(Debug, Default)]
pub(super) struct Findings(RefCell<Vec<Finding>>);

impl Findings {
    /// Adds one.
    pub(super) fn add(&self, finding: Finding) {
        self.0.borrow_mut().push(finding);
    }

    /// Whether anything stands in the way of loading.
    pub(super) fn has_errors(&self) -> bool {
        self.0.borrow().iter().any(|finding| finding.severity == Severity::Error)
    }

    /// As [`Self::sorted`], without warnings.
    pub(super) fn errors(self) -> Vec<Finding> {
        let mut all = self.sorted();
        all.retain(|finding| finding.severity == Severity::Error);
        all
    }

    /// All of them in the order of the file, each once, without what only follows from another: a value that
    /// could not be read is not also out of range, and what stands in its place has no place to point at.
    pub(super) fn sorted(self) -> Vec<Finding> {
        let mut all = self.0.into_inner();
        let unreadable: HashSet<Span> = all
            .iter()
            .filter(|finding| finding.code == Code::WrongType)
            .map(|finding| finding.span)
            .collect();
        let placed = all.iter().any(|finding| finding.span.line > 0);
        all.retain(|finding| finding.span.line > 0 || !placed);
        all.retain(|finding| finding.code == Code::WrongType || !unreadable.contains(&finding.span));
        all.sort_by_key(|finding| (finding.span.line, finding.span.column));
        all.dedup();
        all
    }
}

/// The known word nearest to `word`, if it is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = 1 + word.chars().count() / 4;
    let lower = word.to_lowercase();
    // `circuit_breaker` means `breaker`.
    let is_part = |candidate: &str| lower.split(['_', '-']).any(|part| part == candidate && part.len() > 4);
    let distance = |candidate: &str| {
        if is_part(candidate) { 0 } else { strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()) }
    };
    known
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …` when one is near, otherwise the list of what there is.
pub(super) fn choose<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone, what: &str) -> String {
    /// More names than this are not listed: nobody reads them.
    const LISTED: usize = 24;
    if let Some(near) = nearest(word, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let names: Vec<&str> = known.into_iter().take(LISTED + 1).collect();
    match names.split_at_checked(LISTED) {
        Some((listed, [_, ..])) => format!("{what}: {}, …", listed.join(", ")),
        _ if names.is_empty() => format!("there are no {what}"),
        _ => format!("{what}: {}", names.join(", ")),
    }
}
