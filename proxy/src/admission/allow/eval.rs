//! What a part of a rule comes to: true, false, or unknown. Pure, and without allocation but for escaped parameters.
//!
//! Must not know how a rule is written or explained.

use super::Asked;
use super::tree::{Comparison, Tree, Value};
use std::borrow::Cow;

/// Kleene's logic; `None` = unknown.
pub(super) fn answer(tree: &Tree, asked: &Asked<'_>) -> Option<bool> {
    match tree {
        Tree::Or(parts) => decided_by(true, parts, asked),
        Tree::And(parts) => decided_by(false, parts, asked),
        Tree::Not(part) => answer(part, asked).map(|answer| !answer),
        Tree::Authenticated => asked.caller.map(|_| true),
        Tree::Role(role) => asked.caller.map(|caller| caller.principal.roles.contains(role)),
        Tree::Scope(scope) => asked.caller.map(|caller| caller.principal.scopes.contains(scope)),
        Tree::Compare(comparison) => compare(comparison, asked),
    }
}

/// `decisive` if any part is, the opposite if all parts are that.
fn decided_by(decisive: bool, parts: &[Tree], asked: &Asked<'_>) -> Option<bool> {
    let mut known = true;
    for part in parts {
        match answer(part, asked) {
            Some(answer) if answer == decisive => return Some(decisive),
            Some(_) => {}
            None => known = false,
        }
    }
    known.then_some(!decisive)
}

fn compare(comparison: &Comparison, asked: &Asked<'_>) -> Option<bool> {
    let mut known = true;
    let same = any(&comparison.left, asked, &mut |left| {
        any(&comparison.right, asked, &mut |right| left == right).unwrap_or_else(|| {
            known = false;
            false
        })
    })?;
    known.then_some(same == comparison.equal)
}

/// Whether any of its values fits; `None` = it has none.
pub(super) fn any(value: &Value, asked: &Asked<'_>, fits: &mut dyn FnMut(&[u8]) -> bool) -> Option<bool> {
    match value {
        Value::Text(text) => Some(fits(text.as_bytes())),
        Value::User => asked.caller.map(|caller| fits(caller.principal.user.as_bytes())),
        Value::Tier => asked.caller?.tier.as_ref().map(|tier| fits(tier.as_bytes())),
        Value::Claim(name) => {
            let claims = &asked.caller?.claims;
            let mut values =
                claims.iter().filter(|(other, _)| other == name).map(|(_, value)| value).peekable();
            values.peek()?;
            Some(values.any(|value| fits(value.as_bytes())))
        }
        Value::Param(name) => {
            let raw = (asked.param)(name)?;
            decoded(raw.as_bytes()).map(|value| fits(&value))
        }
        Value::Header(name) => {
            let mut values = asked.headers.get_all(name).iter();
            let value = values.next()?;
            if values.next().is_some() { None } else { Some(fits(value.as_bytes())) }
        }
    }
}

/// A segment of a path without its escapes (RFC 3986 §2.1); `None` = a `%` without two digits.
fn decoded(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !raw.contains(&b'%') {
        return Some(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    loop {
        rest = match rest {
            [] => return Some(Cow::Owned(bytes)),
            [b'%', high, low, left @ ..] => {
                bytes.push((digit(*high)? << 4) | digit(*low)?);
                left
            }
            [b'%', ..] => return None,
            [byte, left @ ..] => {
                bytes.push(*byte);
                left
            }
        };
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
