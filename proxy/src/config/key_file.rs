//! A file of API keys, as users write it: no part of the configuration, but read by its reader.
//!
//! Decides which entries it has, what may stand in them, and says everything that is wrong with its place. What it says
//! never repeats a secret or a digest. It must not know where the file lies, nor how keys are looked up. Pure.

use super::diagnostic::Code;
use super::findings::{Finding, Findings, choose};
use super::tree::{Span, Spanned, Text, Value};
use super::{read, units, yaml};
use crate::admission::authenticate::Caller;
use crate::admission::authenticate::api_key::secret::{self, Digest};
use crate::admission::authenticate::api_key::{Key, KeyFileError};
use crate::identity::principal::Principal;
use portcullis_ca::time::Timestamp;
use serde::Deserialize;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

/// Largest key file.
pub(crate) const MAX_FILE: usize = 4 << 20;
/// Most keys in one.
const MOST_KEYS: usize = 100_000;
/// Most errors that are told.
const MOST_ERRORS: usize = 100;
/// What to write for a moment.
const MOMENT_HELP: &str = "write a date as `2027-01-01`, or a moment as `2027-01-01T12:00:00Z`";

/// The file. No `Debug`: it holds what may be secrets.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ApiKeyFile {
    version: Option<Spanned<u64>>,
    keys: Option<Spanned<Vec<Spanned<ApiKeyEntry>>>>,
}

/// An entry of it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ApiKeyEntry {
    id: Option<Text>,
    sha256: Option<Text>,
    owner: Option<Text>,
    tier: Option<Text>,
    roles: Vec<Text>,
    scopes: Vec<Text>,
    created: Option<Text>,
    expires: Option<Text>,
}

/// A key and the line its entry begins at, 1-based; of an entry in block style the line of its first key.
pub(crate) struct Placed {
    pub(crate) key: Key,
    pub(crate) line: usize,
}

/// Reads a key file.
pub(crate) fn read(text: &str) -> Result<Vec<Placed>, Vec<KeyFileError>> {
    let findings = Findings::default();
    let keys = if text.len() > MAX_FILE {
        let help = "split it: several entries of `auth:` can have a file each";
        error(&findings, Code::TooLarge, Span::default(), "the file is larger than 4 MiB", help);
        Vec::new()
    } else {
        find_secrets(text, &findings);
        entries(text.strip_prefix('\u{feff}').unwrap_or(text), &findings)
    };
    let errors = told(findings);
    if errors.is_empty() { Ok(keys) } else { Err(errors) }
}

/// Whether this can be the name of a key or tier, which become labels: 1 … 64 of `A-Z a-z 0-9 - _ .`
pub(crate) fn is_name(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(inside)
}

/// The first moment after `YYYY-MM-DD`, UTC, or the moment that is written as RFC 3339 has it.
pub(crate) fn end(text: &str) -> Option<Timestamp> {
    let date = units::date(text).ok().and_then(|midnight| i64::try_from(midnight + 86_400).ok());
    date.map(Timestamp).or_else(|| text.parse().ok())
}

/// What to write instead of the id of a key that is not there.
pub(crate) fn meant(id: &str, keys: &[Placed]) -> String {
    choose(id, keys.iter().map(|placed| &*placed.key.id), "keys in it")
}

fn error(findings: &Findings, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
    findings.add(Finding::error(code, span, message).help(help));
}

/// Wherever they stand, in comments too: who reads the file has them.
fn find_secrets(text: &str, findings: &Findings) {
    for (number, line) in (1..).zip(text.lines()) {
        if let Some((at, len)) = secret::within(line) {
            let column = line.get(..at).map_or(0, |before| before.chars().count()) + 1;
            let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
            findings.add(leaked(Span { line: number, column: narrow(column), len: narrow(len) }));
        }
    }
}

fn leaked(span: Span) -> Finding {
    let help = "whoever could read this file has it: revoke that key, make another one with `portcullis keys create`, \
                and take the secret out";
    Finding::error(Code::Insecure, span, "A SECRET STANDS HERE: only SHA-256 digests belong into a key file")
        .help(help)
}

fn entries(text: &str, findings: &Findings) -> Vec<Placed> {
    let Some(root) = yaml::parse(text, findings) else { return Vec::new() };
    if let Value::Null = root.value {
        error(findings, Code::Syntax, Span::default(), "the file is empty", "begin with `version: 1`");
        return Vec::new();
    }
    let raw: ApiKeyFile = read::read(&root, findings);
    let top = Span { line: root.span.line.max(1), column: root.span.column.max(1), len: root.span.len };
    match &raw.version {
        None => {
            error(findings, Code::MissingKey, top, "the file does not say its version", "add `version: 1`");
        }
        Some(version) if version.value != 1 => {
            let message = format!("version {} is not known to this portcullis", version.value);
            error(findings, Code::BadValue, version.span, message, "write `version: 1`");
        }
        Some(_) => {}
    }
    let Some(list) = raw.keys else {
        let help = "add `keys:`; when there are none, `keys: []`";
        error(findings, Code::MissingKey, top, "the file has no `keys`", help);
        return Vec::new();
    };
    if list.value.len() > MOST_KEYS {
        let message = format!("there are more than {MOST_KEYS} keys");
        error(findings, Code::TooLarge, list.span, message, "split the file");
        return Vec::new();
    }
    keys(&list.value, findings)
}

fn keys(list: &[Spanned<ApiKeyEntry>], findings: &Findings) -> Vec<Placed> {
    let mut ids = HashMap::with_capacity(list.len());
    let mut digests = HashMap::with_capacity(list.len());
    let mut keys = Vec::with_capacity(list.len());
    for entry in list {
        let raw = &entry.value;
        let id =
            required(raw.id.as_ref(), "id", entry.span, findings).filter(|id| name(id, "a key", findings));
        let digest = required(raw.sha256.as_ref(), "sha256", entry.span, findings)
            .and_then(|text| Some((text.span, digest(text, findings)?)));
        if let Some(id) = id {
            let message = format!("the id `{}` is taken", id.value);
            once(&mut ids, id.value.as_str(), id.span, (&message, "each key has its own"), findings);
        }
        if let Some((span, digest)) = digest {
            let help = "one secret is one key; make another one with `portcullis keys create`";
            once(&mut digests, digest, span, ("this digest is there already", help), findings);
        }
        let caller = caller(entry, findings);
        let created = moment(raw.created.as_ref(), findings).map(|(written, _)| written);
        let (expires, end) = moment(raw.expires.as_ref(), findings).unzip();
        if let (Some(id), Some((_, digest)), Some(caller)) = (id, digest, caller) {
            let id: Box<str> = id.value.as_str().into();
            let caller = Arc::new(Caller { api_key: Some(id.clone()), expires: end, ..caller });
            let key = Key { id, digest, created, expires, caller };
            keys.push(Placed { key, line: entry.span.line as usize });
        }
    }
    keys
}

fn required<'t>(field: Option<&'t Text>, key: &str, entry: Span, findings: &Findings) -> Option<&'t Text> {
    if field.is_none() {
        error(findings, Code::MissingKey, entry, format!("a key needs `{key}`"), format!("add `{key}:`"));
    }
    field
}

/// Says where something stood first that may stand once; `words` are message and help.
fn once<K: Hash + Eq>(
    seen: &mut HashMap<K, u32>,
    what: K,
    span: Span,
    words: (&str, &str),
    findings: &Findings,
) {
    match seen.entry(what) {
        Entry::Vacant(place) => {
            place.insert(span.line);
        }
        Entry::Occupied(first) => {
            let help = format!("it stands at line {}; {}", first.get(), words.1);
            error(findings, Code::DuplicateName, span, words.0, help);
        }
    }
}

fn name(text: &Text, of: &str, findings: &Findings) -> bool {
    let sound = is_name(&text.value);
    if !sound {
        let message = format!("`{}` cannot be the name of {of}", text.value);
        error(findings, Code::BadValue, text.span, message, "use 1 to 64 of A-Z, a-z, 0-9, `-`, `_` and `.`");
    }
    sound
}

/// What stands there is not repeated: it may be the secret itself.
fn digest(text: &Text, findings: &Findings) -> Option<Digest> {
    let digest = Digest::from_hex(&text.value);
    if digest.is_none() && text.value.starts_with(secret::PREFIX) {
        findings.add(leaked(text.span));
    } else if digest.is_none() {
        let help =
            "write what `printf %s SECRET | sha256sum` says; `portcullis keys create` does it by itself";
        let message = "this is no digest: 64 lower-case hex digits, the SHA-256 of the secret";
        error(findings, Code::BadValue, text.span, message, help);
    }
    digest
}

/// Whom its holder is taken for.
fn caller(entry: &Spanned<ApiKeyEntry>, findings: &Findings) -> Option<Caller> {
    let raw = &entry.value;
    let owner = required(raw.owner.as_ref(), "owner", entry.span, findings)?;
    let tier = raw.tier.as_ref().filter(|tier| name(tier, "a tier", findings));
    let words = |list: &[Text]| list.iter().map(|text| text.value.as_str().into()).collect();
    let principal =
        Principal { user: owner.value.as_str().into(), roles: words(&raw.roles), scopes: words(&raw.scopes) };
    if !principal.is_sound() {
        unsound(owner, raw, findings);
    }
    let tier = tier.map(|tier| tier.value.as_str().into());
    Some(Caller { principal, tier, claims: Vec::new(), api_key: None, expires: None })
}

/// Says which of the names is not sound, or that there are too many.
fn unsound(owner: &Text, raw: &ApiKeyEntry, findings: &Findings) {
    let sound = |text: &Text| {
        Principal { user: text.value.as_str().into(), roles: Vec::new(), scopes: Vec::new() }.is_sound()
    };
    let of = |what: &'static str, list: &'_ [Text]| {
        for text in list.iter().filter(|text| !sound(text)) {
            let message = format!("`{}` cannot be {what}", text.value);
            let help = "use 1 to 256 visible ASCII characters without space, comma, quotes and backslash";
            error(findings, Code::BadValue, text.span, message, help);
        }
        if let Some(text) = list.get(64) {
            let message = format!("a key has {} of {what}; at most 64 are told to services", list.len());
            error(findings, Code::BadValue, text.span, message, "take some away");
        }
    };
    of("an owner", std::slice::from_ref(owner));
    of("a role", &raw.roles);
    of("a scope", &raw.scopes);
}

/// A moment as it is written, and the first at which it is over.
fn moment(text: Option<&Text>, findings: &Findings) -> Option<(Box<str>, Timestamp)> {
    let text = text?;
    let end = end(&text.value);
    if end.is_none() {
        let message = format!("`{}` is not a date", text.value);
        error(findings, Code::BadValue, text.span, message, MOMENT_HELP);
    }
    Some((text.value.as_str().into(), end?))
}

/// The errors without what must not be repeated. A secret may have got into a message: as an unknown key, as a name.
fn told(findings: Findings) -> Vec<KeyFileError> {
    let repeats = |text: &str| secret::within(text).is_some();
    let mut all = findings.sorted();
    for finding in &mut all {
        if repeats(&finding.message) || finding.help.as_deref().is_some_and(repeats) {
            *finding = leaked(finding.span);
        }
    }
    let mut line = 0;
    all.retain(|finding| {
        let again = finding.code == Code::Insecure
            && std::mem::replace(&mut line, finding.span.line) == finding.span.line;
        !again
    });
    let error = |finding: Finding| KeyFileError {
        line: finding.span.line as usize,
        column: finding.span.column as usize,
        message: finding.message,
        help: finding.help,
    };
    all.into_iter().take(MOST_ERRORS).map(error).collect()
}
