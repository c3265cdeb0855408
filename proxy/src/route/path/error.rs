//! What can be wrong with a path pattern or a rewrite. Each says what to write instead.

use super::regex::RegexFault;
use std::sync::Arc;
use thiserror::Error;

/// Why a path pattern cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Neither `/…` nor `~…`.
    #[error("a path begins with `/`, or with `~` for a regex")]
    NotAbsolute,
    /// `//`.
    #[error("a path has no empty segment (`//`): such requests are refused, so this would never match")]
    EmptySegment,
    /// `.` or `..`, also beside `;` or `%2F`.
    #[error("a path has no `.` or `..` segment: requests are compared after these are resolved")]
    DotSegment,
    /// A character that requests must encode.
    #[error("`{found}` cannot stand in a path as it is: write {write}")]
    Character {
        /// The character.
        found: char,
        /// Its escape.
        write: String,
    },
    /// A `%` without two hexadecimal digits.
    #[error("`%` is followed by two hexadecimal digits; the sign itself is written `%25`")]
    BadEscape,
    /// An escape in a form requests never have.
    #[error("`{found}` never matches, because requests are compared in canonical form: write `{write}`")]
    Spelling {
        /// As written.
        found: String,
        /// The canonical form.
        write: String,
    },
    /// An escape that is refused in every request.
    #[error("`{0}` never matches: requests that hold it are refused")]
    RefusedEscape(String),
    /// `**` in the middle.
    #[error("`**` may only stand at the end of a path, as in `/a/**`")]
    RestNotLast,
    /// `/{x}/**`.
    #[error("`**` cannot follow `{{name}}` or `*`: write a regex, as in `~/users/[^/]+(/.*)?`")]
    RestAfterParam,
    /// `a*b`.
    #[error("`*` stands for a whole segment: for a part of one write a regex, as in `~/img/[^/]+\\.png`")]
    PartialStar,
    /// `a{x}`.
    #[error("`{{name}}` stands for a whole segment: for a part of one write a regex")]
    PartialParam,
    /// A bad name.
    #[error("`{{{0}}}` is not a name: letters, digits and `_`, not beginning with a digit")]
    ParamName(Arc<str>),
    /// The same name twice.
    #[error("`{{{0}}}` stands there twice: give each segment its own name")]
    DuplicateParam(Arc<str>),
    /// Too deep.
    #[error("a path with parameters or `**` has at most {} segments", super::MAX_SEGMENTS)]
    TooManySegments,
    /// A regex that cannot be used.
    #[error(transparent)]
    Regex(#[from] RegexFault),
}

/// Why a rewrite cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// Not `/…`.
    #[error("the path to send begins with `/`")]
    NotAbsolute,
    /// `{x}` that the pattern does not have.
    #[error("`{{{name}}}` is not in the path of `match:`, {}", list(.known))]
    UnknownParam {
        /// As written.
        name: Arc<str>,
        /// What the pattern has.
        known: Vec<Arc<str>>,
    },
    /// `**` where the pattern has none.
    #[error("`**` here is what `**` in `match:` stood for, but that path does not end with `/**`")]
    RestWithoutPrefix,
    /// `*`.
    #[error("`*` has no name: write `{{name}}` in `match:` and here")]
    Star,
    /// `{` without `}`, or the other way round.
    #[error("a `{{` and its `}}` belong together: `{{name}}`")]
    Braces,
    /// Wrong text.
    #[error(transparent)]
    Text(#[from] PatternError),
}

fn list(names: &[Arc<str>]) -> String {
    if names.is_empty() {
        return "which has no parameters".to_owned();
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{{{name}}}`")).collect();
    format!("which has {}", names.join(", "))
}
