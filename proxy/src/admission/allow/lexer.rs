//! The text of a rule cut into words, quoted texts and signs. Pure.
//!
//! Says what to write instead of signs of other languages. Must not know which words mean something.

use super::AllowError;
use std::ops::Range;

/// A piece of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Bytes of the text.
    pub(super) at: Range<usize>,
}

/// What a piece is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Word(String),
    /// Without its quotes and escapes.
    Quoted(String),
    Equal,
    Unequal,
    Open,
    Close,
}

/// Signs that other languages use, what to say about them and what to write instead; longest first.
const FOREIGN: [(&str, &str, &str); 15] = [
    ("&&", "`&&` is no word of a rule", "write `and`"),
    ("||", "`||` is no word of a rule", "write `or`"),
    ("=~", "patterns cannot be compared with", "write `==` and the whole value"),
    ("<=", "there is no order to compare by", "only `==` and `!=` compare"),
    (">=", "there is no order to compare by", "only `==` and `!=` compare"),
    ("<>", "`<>` is no word of a rule", "write `!=`"),
    ("&", "`&` is no word of a rule", "write `and`"),
    ("|", "`|` is no word of a rule", "write `or`"),
    ("!", "`!` is no word of a rule", "write `not`"),
    ("=", "one `=` compares nothing", "write `==`"),
    ("<", "there is no order to compare by", "only `==` and `!=` compare"),
    (">", "there is no order to compare by", "only `==` and `!=` compare"),
    (",", "a comma joins nothing", "write `and` or `or`"),
    ("'", "texts stand in double quotes", "write `\"…\"`"),
    (
        "*",
        "a `*` stands for nothing: whole values are compared",
        "name every value, or quote a text that holds `*`",
    ),
];

/// Cuts the text.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, AllowError> {
    let mut tokens = Vec::new();
    let mut from = 0;
    while let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
        let blank = rest.len() - rest.trim_start().len();
        if blank > 0 {
            from += blank;
            continue;
        }
        let (kind, len) = token(rest, from)?;
        tokens.push(Token { kind, at: from..from + len });
        from += len;
    }
    Ok(tokens)
}

/// Whether a text can stand without quotes where a name is expected.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(in_word)
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@' | '+' | '%' | '~' | '#' | '$')
}

/// The piece that `rest`, which is not empty and begins at `from`, begins with, and its length in bytes.
fn token(rest: &str, from: usize) -> Result<(Kind, usize), AllowError> {
    let word = rest.len() - rest.trim_start_matches(in_word).len();
    match rest.get(..word) {
        Some(word) if !word.is_empty() => return Ok((Kind::Word(word.to_owned()), word.len())),
        _ => {}
    }
    let signs = [("==", Kind::Equal), ("!=", Kind::Unequal), ("(", Kind::Open), (")", Kind::Close)];
    if let Some((sign, kind)) = signs.into_iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Ok((kind, sign.len()));
    }
    match rest.strip_prefix('"') {
        Some(inside) => quoted(inside, from),
        None => Err(foreign(rest, from)),
    }
}

/// A text up to its closing quote; `inside` begins behind the opening one, which stands at `from`.
fn quoted(inside: &str, from: usize) -> Result<(Kind, usize), AllowError> {
    let mut value = String::new();
    let mut chars = inside.char_indices();
    while let Some((index, c)) = chars.next() {
        let at = from + 1 + index;
        match c {
            '"' => return Ok((Kind::Quoted(value), index + 2)),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                other => {
                    let len = other.map_or(0, |(_, c)| c.len_utf8());
                    let message = "a `\\` in quotes stands before `\"` or another `\\` only";
                    return Err(error(at..at + 1 + len, message, "write `\\\\` for a backslash"));
                }
            },
            c if c.is_control() => {
                let message = "a text in quotes holds a line break or another control character";
                return Err(error(at..at + c.len_utf8(), message, "write it on one line"));
            }
            c => value.push(c),
        }
    }
    Err(error(from..from + 1, "this quote is not closed", "add a `\"`"))
}

fn foreign(rest: &str, from: usize) -> AllowError {
    if let Some((sign, message, help)) = FOREIGN.into_iter().find(|(sign, ..)| rest.starts_with(sign)) {
        return error(from..from + sign.len(), message, help);
    }
    let c = rest.chars().next().unwrap_or_default();
    let message = format!("`{}` has no place in a rule", c.escape_debug());
    error(from..from + c.len_utf8(), message, "put a text that holds it in double quotes")
}

fn error(at: Range<usize>, message: impl Into<String>, help: &str) -> AllowError {
    AllowError { at, message: message.into(), help: help.to_owned() }
}
