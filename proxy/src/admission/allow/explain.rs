//! Why a rule holds or does not, part by part, in words. Pure.
//!
//! For `explain` on the command line. It repeats what the request says, shortened and made fit for a terminal; so it is
//! no answer for clients and no line of a log. Must not decide: every answer is [`eval`]'s.

use super::eval;
use super::tree::{Tree, Value};
use super::{Asked, Caller};
use std::fmt;

/// Most values of one attribute that are shown.
const MOST: usize = 8;
/// Most characters of one value.
const WIDEST: usize = 64;

/// A part of a rule and what it comes to. Shown as an indented tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The part as written, or the word that joins the parts below.
    pub part: String,
    /// What it comes to; `None` = unknown, which does not let anybody in.
    pub answer: Option<bool>,
    /// What was looked at, as in `roles: reader`; empty when nothing was.
    pub seen: Vec<String>,
    /// What it is made of.
    pub parts: Vec<Self>,
}

/// Explains a part.
pub(super) fn explain(tree: &Tree, asked: &Asked<'_>) -> Explanation {
    let each = |parts: &[Tree]| parts.iter().map(|part| explain(part, asked)).collect();
    let (part, seen, parts) = match tree {
        Tree::Or(parts) => ("or".to_owned(), Vec::new(), each(parts)),
        Tree::And(parts) => ("and".to_owned(), Vec::new(), each(parts)),
        Tree::Not(part) => ("not".to_owned(), Vec::new(), vec![explain(part, asked)]),
        Tree::Authenticated => {
            let user = asked.caller.map(|caller| format!("user: {}", show(caller.principal.user.as_bytes())));
            (tree.to_string(), vec![user.unwrap_or_else(nobody)], Vec::new())
        }
        Tree::Role(_) => (
            tree.to_string(),
            vec![names("roles", asked.caller, |caller| &caller.principal.roles)],
            Vec::new(),
        ),
        Tree::Scope(_) => (
            tree.to_string(),
            vec![names("scopes", asked.caller, |caller| &caller.principal.scopes)],
            Vec::new(),
        ),
        Tree::Compare(comparison) => {
            let sides = [&comparison.left, &comparison.right];
            (tree.to_string(), sides.into_iter().filter_map(|side| seen(side, asked)).collect(), Vec::new())
        }
    };
    Explanation { part, answer: eval::answer(tree, asked), seen, parts }
}

fn nobody() -> String {
    "nobody is authenticated".to_owned()
}

fn names(what: &str, caller: Option<&Caller>, list: impl Fn(&Caller) -> &Vec<Box<str>>) -> String {
    let Some(caller) = caller else { return nobody() };
    let names: Vec<String> = list(caller).iter().map(|name| show(name.as_bytes())).collect();
    format!("{what}: {}", joined(&names))
}

/// What an attribute is in this request; `None` for a text, which stands in the rule.
fn seen(value: &Value, asked: &Asked<'_>) -> Option<String> {
    let of_caller = match value {
        Value::Text(_) => return None,
        Value::User | Value::Tier | Value::Claim(_) => true,
        Value::Param(_) | Value::Header(_) => false,
    };
    let mut values = Vec::new();
    let known = eval::any(value, asked, &mut |bytes| {
        values.push(show(bytes));
        false
    });
    Some(match value {
        _ if of_caller && asked.caller.is_none() => format!("{value}: {}", nobody()),
        Value::Header(name) if known.is_none() && asked.headers.contains_key(name) => {
            format!("{value}: comes more than once")
        }
        _ => format!("{value}: {}", joined(&values)),
    })
}

fn joined(values: &[String]) -> String {
    let more = if values.len() > MOST { ", …" } else { "" };
    let shown: Vec<&str> = values.iter().take(MOST).map(String::as_str).collect();
    if shown.is_empty() { "none".to_owned() } else { format!("{}{more}", shown.join(", ")) }
}

/// A value on one line, of bounded length.
fn show(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let shown: String = text.chars().take(WIDEST).map(plain).collect();
    if text.chars().nth(WIDEST).is_some() { format!("{shown}…") } else { shown }
}

impl Explanation {
    fn lines(&self, indent: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = match self.answer {
            Some(true) => "true",
            Some(false) => "false",
            None => "unknown",
        };
        write!(f, "{:indent$}{}  {answer}", "", self.part)?;
        if !self.seen.is_empty() {
            write!(f, " ({})", self.seen.join("; "))?;
        }
        self.parts.iter().try_for_each(|part| {
            f.write_str("\n")?;
            part.lines(indent + 2, f)
        })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines(0, f)
    }
}
