//! A key file with an entry more, or one less; as text, so that comments, order and layout stay what they were.
//!
//! Decides where lines are put in and taken out. Where an entry begins is what the reader says; where it ends is told
//! from indentation. That is a guess about YAML, so the outcome is read again, and counts only when it holds exactly
//! the intended keys; otherwise the file is left to people. Pure: text to text.

use super::secret::Digest;
use super::{Key, KeyFileError};
use crate::config::key_file::{self, Placed};

/// An entry to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the key is called.
    pub id: String,
    /// SHA-256 of its secret.
    pub digest: Digest,
    /// The user its holder is.
    pub owner: String,
    /// Chooses among the rates of a limit.
    pub tier: Option<String>,
    /// Roles of that user.
    pub roles: Vec<String>,
    /// Scopes of that user.
    pub scopes: Vec<String>,
    /// When it was made: `YYYY-MM-DD`.
    pub created: String,
    /// When it ends: `YYYY-MM-DD`, the end of that day, or RFC 3339.
    pub expires: Option<String>,
}

/// Why a key file is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It is no sound key file as it is.
    #[error("it is no sound key file, so it is not changed")]
    Unsound(Vec<KeyFileError>),
    /// There is a key of this name.
    #[error("there is a key `{id}` already, at line {line}: choose another id, or revoke that key first")]
    Taken {
        /// The name.
        id: Box<str>,
        /// Where it stands.
        line: usize,
    },
    /// The secret is that of another key.
    #[error("this secret is that of the key `{id}` already, at line {line}: one secret is one key")]
    Known {
        /// Name of that key.
        id: Box<str>,
        /// Where it stands.
        line: usize,
    },
    /// There is no key of this name.
    #[error("there is no key `{id}`; {help}")]
    Unknown {
        /// The name.
        id: String,
        /// What may have been meant.
        help: String,
    },
    /// The outcome would not be a sound key file.
    #[error("with this entry it would be no sound key file")]
    Refused(Vec<KeyFileError>),
    /// The file is written in a way that this does not know how to change.
    #[error("its `keys:` is not a plain list, a `- ` in front of each key, so it cannot be edited safely")]
    ByHand,
}

impl Entry {
    /// The entry as it stands in a file, behind its dash.
    pub fn line(&self) -> String {
        let Self { id, digest, owner, .. } = self;
        let mut line =
            format!("{{ id: {}, sha256: {}, owner: {}", scalar(id), digest.to_hex(), scalar(owner));
        let mut add = |name: &str, value: &str| line.extend([", ", name, ": ", value]);
        if let Some(tier) = &self.tier {
            add("tier", &scalar(tier));
        }
        for (name, list) in [("roles", &self.roles), ("scopes", &self.scopes)] {
            let words: Vec<String> = list.iter().map(|word| scalar(word)).collect();
            if !words.is_empty() {
                add(name, &format!("[{}]", words.join(", ")));
            }
        }
        add("created", &self.created);
        if let Some(expires) = &self.expires {
            add("expires", &scalar(expires));
        }
        line + " }"
    }

    /// Whether this is what was read.
    fn is(&self, key: &Key) -> bool {
        let same = |list: &[Box<str>], own: &[String]| list.iter().map(|one| &**one).eq(own);
        let caller = &key.caller;
        *key.id == *self.id
            && key.digest == self.digest
            && *caller.principal.user == *self.owner
            && caller.tier.as_deref() == self.tier.as_deref()
            && same(&caller.principal.roles, &self.roles)
            && same(&caller.principal.scopes, &self.scopes)
            && key.created.as_deref() == Some(&*self.created)
            && key.expires.as_deref() == self.expires.as_deref()
    }
}

/// Plain where nobody could read it as something else, otherwise in quotes. Sound names hold neither quotes nor
/// backslashes; what is not sound does not survive being read again.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_date = key_file::end(text).is_some() && !text.contains(':');
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(inside)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_word || is_date { text.to_owned() } else { format!("\"{text}\"") }
}

/// The text of a key file with this entry at its end. An empty text becomes a key file.
///
/// # Errors
/// When the file or the entry does not allow it.
pub fn add(text: &str, entry: &Entry) -> Result<String, EditError> {
    let blank = text.strip_prefix('\u{feff}').unwrap_or(text).lines().all(|line| !is_content(line));
    let old = if blank { Vec::new() } else { key_file::read(text).map_err(EditError::Unsound)? };
    if let Some(Placed { key, line }) = old.iter().find(|placed| *placed.key.id == *entry.id) {
        return Err(EditError::Taken { id: key.id.clone(), line: *line });
    }
    if let Some(Placed { key, line }) = old.iter().find(|placed| placed.key.digest == entry.digest) {
        return Err(EditError::Known { id: key.id.clone(), line: *line });
    }
    let line = entry.line();
    // By itself, so that what is wrong with it is not taken for the fault of the file.
    let alone = format!("version: 1\nkeys:\n  - {line}\n");
    key_file::read(&alone).map_err(EditError::Refused)?;
    let new = if blank {
        ended(text) + &alone
    } else if old.is_empty() {
        begun(text, &line).ok_or(EditError::ByHand)?
    } else {
        longer(text, old.last(), &line).ok_or(EditError::ByHand)?
    };
    let read = match key_file::read(&new) {
        Ok(read) => read,
        Err(errors) if new.len() > key_file::MAX_FILE => return Err(EditError::Refused(errors)),
        Err(_) => return Err(EditError::ByHand),
    };
    match read.split_last() {
        Some((last, before)) if entry.is(&last.key) && same(before.iter(), old.iter()) => Ok(new),
        _ => Err(EditError::ByHand),
    }
}

/// The text of a key file without the lines of this key.
///
/// # Errors
/// When there is no such key, or the file does not allow it.
pub fn remove(text: &str, id: &str) -> Result<String, EditError> {
    let old = key_file::read(text).map_err(EditError::Unsound)?;
    let Some(gone) = old.iter().find(|placed| *placed.key.id == *id) else {
        return Err(EditError::Unknown { id: id.to_owned(), help: key_file::meant(id, &old) });
    };
    let new = shorter(text, gone.line, old.len() == 1).ok_or(EditError::ByHand)?;
    let read = key_file::read(&new).map_err(|_| EditError::ByHand)?;
    let kept = old.iter().filter(|placed| *placed.key.id != *id);
    if same(read.iter(), kept) { Ok(new) } else { Err(EditError::ByHand) }
}

fn same<'a>(one: impl Iterator<Item = &'a Placed>, other: impl Iterator<Item = &'a Placed>) -> bool {
    one.map(|placed| &placed.key).eq(other.map(|placed| &placed.key))
}

/// The lines of an entry: indexes of the first and of the last that is not blank or a comment.
struct Item {
    first: usize,
    last: usize,
    /// Spaces in front of the dash.
    indent: usize,
}

/// The entry whose content begins at a line, 1-based.
fn item(lines: &[&str], line: usize) -> Option<Item> {
    let start = line.checked_sub(1)?;
    let is_dash = |line: &str| line.trim_start_matches(' ').starts_with("- ");
    let first = if is_dash(lines.get(start)?) {
        start
    } else {
        // A dash that stands alone above.
        let above = lines.get(..start)?.iter().rposition(|line| is_content(line))?;
        (lines.get(above)?.split(" #").next()?.trim() == "-").then_some(above)?
    };
    let indent = spaces(lines.get(first)?);
    let mut last = first;
    for (at, line) in lines.iter().enumerate().skip(first + 1).filter(|(_, line)| is_content(line)) {
        if spaces(line) <= indent {
            break;
        }
        last = at;
    }
    Some(Item { first, last, indent })
}

/// The text with an entry behind the last one.
fn longer(text: &str, last: Option<&Placed>, entry: &str) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let item = item(&lines, last?.line)?;
    let (before, after) = lines.split_at_checked(item.last + 1)?;
    let end = newline(text);
    Some(ended(&before.concat()) + &" ".repeat(item.indent) + "- " + entry + end + &after.concat())
}

/// The text with an entry in place of `keys: []`.
fn begun(text: &str, entry: &str) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let empty = |line: &&str| line.starts_with("keys:") && line.contains("[]");
    let at = lines.iter().position(empty)?;
    let (before, line) = (lines.get(..at)?.concat(), lines.get(at)?);
    let after = lines.get(at + 1..)?.concat();
    let (_, comment) = line.split_once("[]")?;
    let end = newline(text);
    // A last line without an end has one from now on.
    let comment = comment.trim_end_matches(['\r', '\n']);
    Some(before + "keys:" + comment + end + "  - " + entry + end + &after)
}

/// The text without an entry; without the only one, the list is written as empty.
fn shorter(text: &str, line: usize, only: bool) -> Option<String> {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let item = item(&lines, line)?;
    let mut head = String::new();
    if only {
        let above = lines.get(..item.first)?.iter().rposition(|line| is_content(line))?;
        let rest = lines.get(above)?.strip_prefix("keys:")?;
        head = lines.get(..above)?.concat() + "keys: []" + rest;
        lines = lines.split_off(above + 1);
        let moved = |at: usize| at.checked_sub(above + 1);
        lines.drain(moved(item.first)?..=moved(item.last)?);
    } else {
        lines.drain(item.first..=item.last);
    }
    Some(head + &lines.concat())
}

/// Neither blank nor a comment.
fn is_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

fn spaces(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// How lines end in this file.
fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// With an end of line, unless there is none because there is nothing.
fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { text.to_owned() + newline(text) }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
