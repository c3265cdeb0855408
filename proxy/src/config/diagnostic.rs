//! What users see when something is wrong: a place, a sentence, the line itself and what to do.
//!
//! Decides how problems look, on a terminal and as JSON. It must not know what is being checked.

use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

use super::findings::Finding;
use super::tree::Span;

/// One problem with its place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether it keeps the configuration from loading.
    pub severity: Severity,
    /// Stable word for the kind of problem.
    pub code: Code,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// The file.
    pub file: PathBuf,
    /// Line, 1-based; 0 = the file as a whole.
    pub line: usize,
    /// Column in characters, 1-based; 0 = the file as a whole.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub len: usize,
    /// The line, as it stands in the file.
    pub snippet: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration is not loaded.
    Error,
    /// It is loaded, but is probably not what was meant.
    Warning,
}

/// Kinds of problems; the words are stable and may be matched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Not YAML.
    Syntax,
    /// Too large, too deep, too many aliases.
    TooLarge,
    /// The same key twice in one map.
    DuplicateKey,
    /// No such key.
    UnknownKey,
    /// Designed, but not built into this version.
    NotSupported,
    /// A list where one value belongs, and the like.
    WrongType,
    /// A key that must be there is not.
    MissingKey,
    /// A value that cannot be read or is out of range.
    BadValue,
    /// A time or size without unit, or with one we do not know.
    BadUnit,
    /// No service, route … of this name.
    UnknownName,
    /// Two things share a name or an address.
    DuplicateName,
    /// Two keys that exclude each other.
    Conflict,
    /// A file that is missing, not readable or not what it should be.
    BadFile,
    /// A header that only portcullis itself may set.
    ProtectedHeader,
    /// Two routes that take the same requests with the same right.
    AmbiguousRoute,
    /// Something that would be dangerous.
    Insecure,
    /// Warning: a private key that others may read.
    KeyPermissions,
    /// Warning: a route no request can reach.
    ShadowedRoute,
    /// Warning: a service no route goes to.
    UnusedService,
    /// Warning: plain HTTP to a public address.
    PlaintextUpstream,
    /// Warning: plain HTTP offered to everybody.
    PlaintextListener,
    /// Warning: nothing is routed.
    NoRoutes,
    /// Warning: no rule lets anybody call the workload.
    NobodyAllowed,
    /// Warning: probably a slip of the pen.
    Suspicious,
}

/// All problems of a configuration that does not load; at least one of them is an error.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", render(.0))]
pub struct Problems(pub Vec<Diagnostic>);

/// All of them as text, with a count at the end.
pub fn render(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&diagnostic.to_string());
        out.push('\n');
    }
    let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
    out.push_str(&summary(errors, diagnostics.len() - errors));
    out
}

/// All of them as a JSON array.
pub fn to_json(diagnostics: &[Diagnostic]) -> serde_json::Value {
    serde_json::to_value(diagnostics).unwrap_or_default()
}

/// `2 errors, 1 warning`.
fn summary(errors: usize, warnings: usize) -> String {
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, warnings) => plural(warnings, "warning"),
        (errors, 0) => plural(errors, "error"),
        (errors, warnings) => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
    }
}

impl Diagnostic {
    /// Puts a finding into its file, of which all lines are given; what is hidden is shown in none of them.
    pub(super) fn new(finding: Finding, file: &Path, lines: &[&str], hidden: &[Span]) -> Self {
        let line = finding.span.line as usize;
        let column = finding.span.column as usize;
        let len = (finding.span.len as usize).max(1);
        let text = line.checked_sub(1).and_then(|index| lines.get(index)).copied().unwrap_or_default();
        let covers = |span: &Span, at: usize| {
            let first = (span.column as usize).saturating_sub(1);
            span.line == finding.span.line && (first..first + span.len as usize).contains(&at)
        };
        let shown = |(at, c)| if hidden.iter().any(|span| covers(span, at)) { '*' } else { c };
        let snippet = text.chars().enumerate().map(shown).collect();
        let Finding { severity, code, message, help, .. } = finding;
        Self { severity, code, message, file: file.to_path_buf(), line, column, len, snippet, help }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}[{}]: {}", self.severity, self.code, self.message)?;
        let gutter = self.line.to_string().len();
        if self.line == 0 {
            writeln!(f, "{:gutter$}--> {}", "", self.file.display())?;
        } else {
            writeln!(f, "{:gutter$}--> {}:{}:{}", "", self.file.display(), self.line, self.column)?;
            let (text, indent, len) = self.crop();
            writeln!(f, "{:gutter$} |", "")?;
            writeln!(f, "{} | {text}", self.line)?;
            writeln!(f, "{:gutter$} | {:indent$}{}", "", "", "^".repeat(len))?;
        }
        if let Some(help) = &self.help {
            writeln!(f, "{:gutter$} = help: {help}", "")?;
        }
        Ok(())
    }
}

impl Diagnostic {
    /// The line made fit for a terminal: what to print, where the mark begins, how long it is.
    fn crop(&self) -> (String, usize, usize) {
        /// Widest line that is printed whole.
        const WIDTH: usize = 100;
        /// What is kept in front of the mark when a line is cut.
        const BEFORE: usize = 40;
        // A tab or a control character would move the mark or the cursor.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let at = self.column.saturating_sub(1);
        let total = self.snippet.chars().count();
        let from = if total <= WIDTH { 0 } else { at.saturating_sub(BEFORE) };
        let shown: String = self.snippet.chars().skip(from).take(WIDTH).map(plain).collect();
        let before = if from > 0 { "…" } else { "" };
        let after = if total > from + WIDTH { "…" } else { "" };
        let indent = at - from.min(at) + before.chars().count();
        let room = shown.chars().count().saturating_sub(at - from.min(at)).max(1);
        (format!("{before}{shown}{after}"), indent, self.len.clamp(1, room))
    }
}
