//! What every section needs to get its meaning: the findings, the folder of the file, and small readers of
//! values that say what is wrong.
//!
//! Files and the environment are touched here and nowhere else in this folder, so that every file the
//! configuration depends on is known to the reload.

use super::diagnostic::Code;
use super::findings::{Finding, Findings};
use super::leaf::{SizeOrNone, Time, TimeOrNone};
use super::tree::{Span, Spanned, Text};
use super::units::{self, SIZE_HELP, TIME_HELP, UnitError};
use portcullis_ca::spiffe::TrustDomain;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest certificate, key or token file.
const MAX_FILE: u64 = 4 << 20;

/// What the configuration takes from the machine it is read on.
pub(super) struct Surroundings<'a> {
    /// Processor cores we may use.
    pub(super) cores: usize,
    /// Soft limit of open files.
    pub(super) open_files: u64,
    /// Environment variables.
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
}

/// Passed to every section.
pub(super) struct Context<'a> {
    pub(super) findings: &'a Findings,
    pub(super) around: &'a Surroundings<'a>,
    /// Text of the configuration file.
    source: &'a str,
    /// Folder of the configuration file, absolute: relative paths start here.
    dir: PathBuf,
    /// Files read so far.
    files: RefCell<Vec<PathBuf>>,
    /// Names of the services and their place in the list.
    services: HashMap<String, usize>,
    /// Our trust domain; `None` when the file names none.
    trust_domain: Option<TrustDomain>,
}

impl<'a> Context<'a> {
    /// `file` is the configuration file itself, `source` what stands in it.
    pub(super) fn new(
        findings: &'a Findings,
        around: &'a Surroundings<'a>,
        (file, source): (&Path, &'a str),
    ) -> Self {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
        let dir = file.parent().unwrap_or(Path::new("/")).to_path_buf();
        let files = RefCell::new(vec![file]);
        Self { findings, around, source, dir, files, services: HashMap::new(), trust_domain: None }
    }

    /// Makes the services known to whoever refers to them.
    pub(super) fn name_services<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        self.services = names.enumerate().map(|(index, name)| (name.to_owned(), index)).collect();
    }

    /// Makes our trust domain known to whoever names members of it.
    pub(super) fn name_trust_domain(&mut self, domain: Option<TrustDomain>) {
        self.trust_domain = domain;
    }

    /// Our trust domain; `None` when the file names none, or one that cannot be read.
    pub(super) fn trust_domain(&self) -> Option<&TrustDomain> {
        self.trust_domain.as_ref()
    }

    /// Index of a service; a finding when there is none of this name.
    pub(super) fn service(&self, name: &Text) -> Option<usize> {
        let found = self.services.get(&name.value).copied();
        if found.is_none() {
            let mut known: Vec<&str> = self.services.keys().map(String::as_str).collect();
            known.sort_unstable();
            let message = format!("there is no service `{}`", name.value);
            self.error(
                Code::UnknownName,
                name.span,
                message,
                super::findings::choose(&name.value, known, "services"),
            );
        }
        found
    }

    /// Every file that was read, the configuration itself first, each once.
    pub(super) fn into_files(self) -> Vec<PathBuf> {
        let mut seen = std::collections::HashSet::new();
        let mut files = self.files.into_inner();
        files.retain(|file| seen.insert(file.clone()));
        files
    }

    /// Reports an error with what to do about it.
    pub(super) fn error(&self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.findings.add(Finding::error(code, span, message).help(help));
    }

    /// Reports a warning with what to do about it.
    pub(super) fn warn(&self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.findings.add(Finding::warning(code, span, message).help(help));
    }

    /// As [`Self::error`]; what is marked is not shown.
    pub(super) fn hidden_error(
        &self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.findings.add(Finding::error(code, span, message).help(help).hidden());
    }

    /// The place of some bytes of a text; of the whole text when it is not written in one piece on one line.
    pub(super) fn within(&self, text: &Text, bytes: &Range<usize>) -> Span {
        let line = text.span.line.checked_sub(1).and_then(|line| self.source.lines().nth(line as usize));
        let from = text.span.column.saturating_sub(1) as usize;
        line.and_then(|line| inside(line.chars().skip(from), &text.value, bytes))
            .map_or(text.span, |(skip, len)| Span { column: text.span.column + skip, len, ..text.span })
    }

    /// A key that must be there; `of` and `span` are the section it belongs to.
    pub(super) fn required<'t, T>(
        &self,
        field: Option<&'t T>,
        key: &str,
        of: &str,
        span: Span,
    ) -> Option<&'t T> {
        if field.is_none() {
            self.error(Code::MissingKey, span, format!("{of} needs `{key}`"), format!("add `{key}:`"));
        }
        field
    }

    /// A time above zero; the default when it is absent.
    pub(super) fn time(&self, field: Option<&Time>, default: Duration) -> Duration {
        let Some(time) = field else { return default };
        let length = self.time_or_zero(Some(time), default);
        // What cannot be read at all has been complained about.
        if matches!(units::time(&time.0.value), Ok(Some(Duration::ZERO))) {
            self.error(
                Code::BadValue,
                time.0.span,
                "this time must be more than 0",
                "remove the key to get the default",
            );
        }
        length
    }

    /// A time that may be zero; the default when it is absent.
    pub(super) fn time_or_zero(&self, field: Option<&Time>, default: Duration) -> Duration {
        let Some(Time(text)) = field else { return default };
        match units::time(&text.value) {
            Ok(Some(length)) => length,
            Ok(None) => {
                self.error(Code::BadValue, text.span, "this time cannot be switched off", TIME_HELP);
                default
            }
            Err(error) => {
                self.bad_unit(text.span, &error, TIME_HELP);
                default
            }
        }
    }

    /// A time that may be `none`; `None` when it is absent.
    pub(super) fn time_or_none(&self, field: Option<&TimeOrNone>) -> Option<Option<Duration>> {
        let TimeOrNone(text) = field?;
        match units::time(&text.value) {
            Ok(Some(length)) if length.is_zero() => {
                self.error(
                    Code::BadValue,
                    text.span,
                    "this time must be more than 0",
                    "write `none` for no limit",
                );
                None
            }
            Ok(length) => Some(length),
            Err(error) => {
                self.bad_unit(text.span, &error, &format!("{TIME_HELP}, or `none`"));
                None
            }
        }
    }

    /// A size that may be `none`; the default when it is absent.
    pub(super) fn size_or_none(&self, field: Option<&SizeOrNone>, default: u64) -> Option<u64> {
        let Some(SizeOrNone(text)) = field else { return Some(default) };
        units::size(&text.value).unwrap_or_else(|error| {
            self.bad_unit(text.span, &error, &format!("{SIZE_HELP}, or `none`"));
            Some(default)
        })
    }

    /// Reports a time, size or date that cannot be read.
    pub(super) fn bad_unit(&self, span: Span, error: &UnitError, help: &str) {
        self.error(Code::BadUnit, span, error.to_string(), help);
    }

    /// A number from `min` to `max`; the default when it is absent.
    pub(super) fn number(&self, field: Option<&Spanned<u32>>, (min, max): (u32, u32), default: u32) -> u32 {
        let Some(number) = field else { return default };
        if !(min..=max).contains(&number.value) {
            let help =
                if max == u32::MAX { format!("at least {min}") } else { format!("from {min} to {max}") };
            self.error(Code::BadValue, number.span, format!("{} is out of range", number.value), help);
        }
        number.value
    }

    /// A name that becomes a label: `[a-z0-9-_.]`, at most 64.
    pub(super) fn name(&self, name: &Text, what: &str) {
        /// Longest name: labels and log fields carry it with every request.
        const LONGEST: usize = 64;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        if name.value.is_empty() || name.value.len() > LONGEST || !name.value.chars().all(allowed) {
            let message = format!("`{}` cannot be the name of {what}", name.value);
            let help = format!("use 1 to {LONGEST} of a-z, 0-9, `-`, `_` and `.`");
            self.error(Code::BadValue, name.span, message, help);
        }
    }

    /// `IP:port`.
    pub(super) fn address(&self, text: &Text) -> Option<SocketAddr> {
        match text.value.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                let message = format!("`{}` is not an address with a port", text.value);
                self.error(Code::BadValue, text.span, message, address_help(&text.value));
                None
            }
        }
    }

    /// An absolute path; relative ones start at the folder of the configuration.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    /// Reads a file the configuration depends on; a finding and `None` when that does not work.
    pub(super) fn read(&self, path: &str, span: Span) -> Option<Vec<u8>> {
        let full = self.path(path);
        let content = read_bounded(&full);
        self.files.borrow_mut().push(full.clone());
        match content {
            Ok(content) => Some(content),
            Err(error) => {
                let message = format!("cannot read `{path}`: {}", reason(&error));
                self.error(Code::BadFile, span, message, format!("looked at {}", full.display()));
                None
            }
        }
    }

    /// Whether there is something at a path.
    pub(super) fn exists(&self, path: impl AsRef<Path>) -> bool {
        std::fs::metadata(self.dir.join(path)).is_ok()
    }

    /// Makes a reload watch a file that is not read here.
    pub(super) fn watch(&self, path: &str) {
        self.files.borrow_mut().push(self.path(path));
    }

    /// A secret, as `file:PATH` or `env:NAME`.
    pub(super) fn secret(&self, text: &Text) -> Option<String> {
        let value = if let Some(path) = text.value.strip_prefix("file:") {
            self.check_private(path, text.span);
            String::from_utf8(self.read(path, text.span)?).unwrap_or_default()
        } else if let Some(name) = text.value.strip_prefix("env:") {
            let Some(value) = (self.around.env)(name) else {
                let message = format!("the environment variable `{name}` is not set");
                self.error(Code::UnknownName, text.span, message, "set it, or use `file:PATH`");
                return None;
            };
            value
        } else {
            let message = "a secret must come from a file or the environment";
            let help = "write `file:PATH` or `env:NAME`; a secret never stands in the configuration itself";
            self.hidden_error(Code::Insecure, text.span, message, help);
            return None;
        };
        let value = value.trim();
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            let help = "it must be one line of visible ASCII without spaces";
            self.error(Code::BadValue, text.span, "this secret is empty or not plain text", help);
            return None;
        }
        Some(value.to_owned())
    }

    /// Warns when others may read a file that holds a secret.
    pub(super) fn check_private(&self, path: &str, span: Span) {
        use std::os::unix::fs::PermissionsExt;
        let Ok(metadata) = std::fs::metadata(self.path(path)) else { return };
        if metadata.permissions().mode() & 0o004 != 0 {
            let message = format!("every user of this machine may read `{path}`");
            self.warn(Code::KeyPermissions, span, message, format!("chmod 600 {path}"));
        }
    }
}

/// How many characters of `written` stand in front of some bytes of the value it is, and how many those take; `written`
/// goes on behind the value. `None`: this is not how the value is written.
fn inside(written: impl Iterator<Item = char>, value: &str, bytes: &Range<usize>) -> Option<(u32, u32)> {
    let mut written = written.peekable();
    let quote = written.next_if(|c| matches!(c, '"' | '\''));
    let mut at = u32::from(quote.is_some());
    let (mut start, mut end) = (at, at);
    for (index, c) in value.char_indices() {
        let escape = match quote {
            Some('"') => written.next_if_eq(&'\\'),
            Some(quote) if c == quote => written.next_if_eq(&quote),
            _ => None,
        };
        at += u32::from(escape.is_some());
        written.next_if_eq(&c)?;
        at += 1;
        start = if index < bytes.start { at } else { start };
        end = if index < bytes.end { at } else { end };
    }
    match quote {
        Some(quote) if written.next() != Some(quote) => None,
        _ => Some((start, end.saturating_sub(start))),
    }
}

/// A regular file, up to [`MAX_FILE`]. A pipe or device could block or never end.
pub(super) fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::{Error, ErrorKind};
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a file"));
    }
    if metadata.len() > MAX_FILE {
        return Err(Error::new(ErrorKind::FileTooLarge, "it is larger than 4 MiB"));
    }
    std::fs::read(path)
}

/// The reason without the number of the operating system.
pub(super) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

/// What to write instead of something that is not `IP:port`.
pub(super) fn address_help(text: &str) -> String {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return format!("add the port, as in `{}`", SocketAddr::new(address, 8080));
    }
    match host {
        "" if is_port(port) => format!(
            "say which address: `0.0.0.0:{port}` is every IPv4 address, `[::]:{port}` every address, `127.0.0.1:{port}` this machine only"
        ),
        _ if is_port(text) => format!("write the address too, as in `0.0.0.0:{text}` or `127.0.0.1:{text}`"),
        "*" if is_port(port) => format!("write `0.0.0.0:{port}` or `[::]:{port}`"),
        "localhost" => format!("write `127.0.0.1:{port}`"),
        _ if is_port(port) && host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) => {
            format!("write `[{host}]:{port}`")
        }
        _ => "write an IP address and a port, as in `127.0.0.1:8080` or `[::1]:8080`".to_owned(),
    }
}
