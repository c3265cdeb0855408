//! Pieces of text to a tree, by the grammar of the module above. Pure.
//!
//! Decides what a word means and says what was probably meant by one that means nothing. Reports the first mistake.

use super::lexer::{self, Kind, Token};
use super::tree::{Comparison, Tree, Value};
use super::{AllowError, Mention, Mentioned};
use crate::identity::headers::is_protected;
use http::HeaderName;
use std::ops::Range;

/// Deepest nesting of parentheses and `not`.
const DEEPEST: usize = 32;
/// Words that join parts.
const JOINING: [&str; 3] = ["and", "or", "not"];
/// What a part can begin with.
const BEGINNINGS: [&str; 8] =
    ["authenticated", "user", "tier", "role:", "scope:", "claim.", "path.", "header."];
/// Headers a rule may not ask about besides the protected ones, and what to write instead.
const REFUSED: [(&str, &str); 4] = [
    ("authorization", "what it proves is asked for with `user`, `role:`, `scope:` and `claim.`"),
    ("proxy-authorization", "it is meant for a proxy, and proves nothing here"),
    ("cookie", "a session is what its service knows about; use a claim"),
    ("host", "use `hosts:` of the route"),
];

type Out<T> = Result<T, AllowError>;

/// Reads a whole rule, and what it names.
pub(super) fn parse(text: &str) -> Out<(Tree, Vec<Mention>)> {
    let tokens = lexer::tokens(text)?;
    if tokens.is_empty() {
        let help = "write a rule, as in `role:buyer`, or remove the key";
        return Err(error(0..text.len(), "this rule says nothing", help));
    }
    let mut parser = Parser { tokens: &tokens, next: 0, end: text.len(), depth: 0, mentions: Vec::new() };
    let tree = parser.or()?;
    match parser.take() {
        None => Ok((tree, parser.mentions)),
        Some(Token { kind: Kind::Close, at }) => {
            Err(error(at.clone(), "nothing is open that this `)` could close", "remove it"))
        }
        Some(token) => Err(left_over(token)),
    }
}

/// Whether a text means itself when it stands without quotes.
pub(super) fn is_bare_text(text: &str) -> bool {
    lexer::is_word(text)
        && !JOINING.contains(&text)
        && text != "authenticated"
        && matches!(meaning(text), Ok(Meaning::Value(Value::Text(_))))
        && slip(text).is_none()
}

/// What a word means.
enum Meaning {
    Role(Box<str>),
    Scope(Box<str>),
    Value(Value),
    /// It ends where a name must follow.
    Unnamed,
    /// It names a header that a rule may not ask about: what to say and what to do.
    Refused(String, &'static str),
}

/// What a word means by itself; a mistake is what it says about the name of a header.
fn meaning(word: &str) -> Result<Meaning, String> {
    named(word).unwrap_or_else(|| {
        Ok(Meaning::Value(match word {
            "user" => Value::User,
            "tier" => Value::Tier,
            text => Value::Text(text.into()),
        }))
    })
}

/// What a word with one of our beginnings means.
fn named(word: &str) -> Option<Result<Meaning, String>> {
    let at = word.find([':', '.'])?;
    let (beginning, name) = word.split_at_checked(at + 1)?;
    with_name(beginning, name)
}

/// `None`: the beginning is none of ours.
fn with_name(beginning: &str, name: &str) -> Option<Result<Meaning, String>> {
    let make: fn(Box<str>) -> Meaning = match beginning {
        "role:" => Meaning::Role,
        "scope:" => Meaning::Scope,
        "claim." => |name| Meaning::Value(Value::Claim(name)),
        "path." => |name| Meaning::Value(Value::Param(name)),
        "header." if !name.is_empty() => return Some(header(name)),
        "header." => |_| Meaning::Unnamed,
        _ => return None,
    };
    Some(Ok(if name.is_empty() { Meaning::Unnamed } else { make(name.into()) }))
}

fn header(name: &str) -> Result<Meaning, String> {
    let header = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("`{name}` is not the name of a header"))?;
    if let Some((_, help)) = REFUSED.iter().find(|(refused, _)| *refused == header.as_str()) {
        return Ok(Meaning::Refused(format!("a rule cannot ask about the header `{name}`"), help));
    }
    if is_protected(header.as_str()) {
        let message = format!("`{name}` is protected: it never comes from outside");
        return Ok(Meaning::Refused(message, "ask for `user`, `role:`, `scope:` or `claim.`"));
    }
    Ok(Meaning::Value(Value::Header(header)))
}

/// The beginning that was probably meant by a word that has none of ours, as in `claims.x` and `roles:x`.
fn slip(word: &str) -> Option<String> {
    let at = word.find([':', '.'])?;
    let (beginning, name) = word.split_at_checked(at + 1)?;
    let bare = |text: &str| text.trim_end_matches([':', '.']).to_lowercase();
    let near = |meant: &&&str| {
        meant.ends_with([':', '.']) && strsim::damerau_levenshtein(&bare(meant), &bare(beginning)) <= 1
    };
    let meant = BEGINNINGS.iter().find(near)?;
    (!name.is_empty()).then(|| format!("{meant}{name}"))
}

struct Parser<'a> {
    tokens: &'a [Token],
    next: usize,
    /// Length of the text.
    end: usize,
    depth: usize,
    mentions: Vec<Mention>,
}

/// One side of a comparison, or a part that needs none.
enum Operand {
    Part(Tree),
    Value(Value),
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<&'a Token> {
        let token = self.peek();
        self.next += 1;
        token
    }

    /// Takes a word if it comes next.
    fn takes(&mut self, word: &str) -> bool {
        let comes = matches!(self.peek(), Some(Token { kind: Kind::Word(next), .. }) if next == word);
        self.next += usize::from(comes);
        comes
    }

    fn or(&mut self) -> Out<Tree> {
        self.chain("or", Self::and, Tree::Or)
    }

    fn and(&mut self) -> Out<Tree> {
        self.chain("and", Self::not, Tree::And)
    }

    fn chain(
        &mut self,
        word: &str,
        part: impl Fn(&mut Self) -> Out<Tree>,
        join: fn(Vec<Tree>) -> Tree,
    ) -> Out<Tree> {
        let first = part(self)?;
        if !self.takes(word) {
            return Ok(first);
        }
        let mut parts = vec![first, part(self)?];
        while self.takes(word) {
            parts.push(part(self)?);
        }
        Ok(join(parts))
    }

    fn not(&mut self) -> Out<Tree> {
        let at = self.peek().map_or(self.end..self.end, |token| token.at.clone());
        if self.takes("not") {
            let part = self.deeper(at, Self::not)?;
            return Ok(Tree::Not(Box::new(part)));
        }
        self.part()
    }

    /// Reads something one step further in; `at` is what leads there.
    fn deeper(&mut self, at: Range<usize>, read: impl Fn(&mut Self) -> Out<Tree>) -> Out<Tree> {
        if self.depth == DEEPEST {
            let message = format!("this nests deeper than {DEEPEST} parentheses and `not`s");
            return Err(error(
                at,
                message,
                "take parentheses away: `not` binds before `and`, `and` before `or`",
            ));
        }
        self.depth += 1;
        let tree = read(self)?;
        self.depth -= 1;
        Ok(tree)
    }

    fn part(&mut self) -> Out<Tree> {
        let Some(token) = self.take() else { return Err(self.ended()) };
        if token.kind == Kind::Open {
            let tree = self.deeper(token.at.clone(), Self::or)?;
            return match self.take() {
                Some(Token { kind: Kind::Close, .. }) => Ok(tree),
                Some(other) => Err(left_over(other)),
                None => Err(error(token.at.clone(), "this `(` is not closed", "add a `)`")),
            };
        }
        let (left, at) = self.operand(token)?;
        match left {
            Operand::Part(tree) => {
                self.not_compared(&tree)?;
                Ok(tree)
            }
            Operand::Value(left) => self.comparison(left, at),
        }
    }

    fn comparison(&mut self, left: Value, at: Range<usize>) -> Out<Tree> {
        let equal = match self.peek().map(|token| &token.kind) {
            Some(Kind::Equal) => true,
            Some(Kind::Unequal) => false,
            _ => return Err(alone(&left, at)),
        };
        self.next += 1;
        let Some(token) = self.take() else { return Err(self.ended()) };
        let (right, right_at) = match self.operand(token)? {
            (Operand::Value(value), at) => (value, at),
            (Operand::Part(tree), at) => {
                return Err(error(at, format!("`{tree}` is no value"), "it stands alone, without `==`"));
            }
        };
        let whole = at.start..right_at.end;
        match (&left, &right) {
            (Value::Text(text), Value::Text(value)) => return Err(fixed(text, value, at)),
            _ if left == right => {
                return Err(error(whole, "both sides are the same", "compare two different values"));
            }
            (Value::Tier, Value::Text(text)) => self.mention(right_at, Mentioned::Tier(text.clone())),
            (Value::Text(text), Value::Tier) => self.mention(at, Mentioned::Tier(text.clone())),
            _ => {}
        }
        Ok(Tree::Compare(Comparison { left, equal, right }))
    }

    /// Reads what begins with `token`, which was taken already.
    fn operand(&mut self, token: &Token) -> Out<(Operand, Range<usize>)> {
        let at = token.at.clone();
        let word = match &token.kind {
            Kind::Word(word) => word,
            Kind::Quoted(text) => return Ok((Operand::Value(Value::Text(text.as_str().into())), at)),
            Kind::Close => {
                return Err(error(
                    at,
                    "a part of the rule is missing before this `)`",
                    "complete it, or remove the parentheses",
                ));
            }
            Kind::Open => {
                return Err(error(
                    at,
                    "a value is expected here, not `(`",
                    "parentheses stand around whole parts",
                ));
            }
            Kind::Equal | Kind::Unequal => {
                return Err(error(
                    at,
                    "nothing stands before this to be compared",
                    "write a value on both sides",
                ));
            }
        };
        if JOINING.contains(&word.as_str()) {
            let message = format!("a part of the rule is missing before `{word}`");
            return Err(error(at, message, "complete it, or put the word in double quotes if it is a value"));
        }
        if word == "authenticated" {
            return Ok((Operand::Part(Tree::Authenticated), at));
        }
        self.word(word, at)
    }

    fn word(&mut self, word: &str, mut at: Range<usize>) -> Out<(Operand, Range<usize>)> {
        let mut meaning = meaning(word);
        if let (Ok(Meaning::Unnamed), Some(next)) = (&meaning, self.peek())
            && let Kind::Quoted(name) = &next.kind
            && next.at.start == at.end
        {
            at.end = next.at.end;
            self.next += 1;
            meaning = with_name(word, name).unwrap_or(Ok(Meaning::Unnamed));
        }
        match meaning {
            Ok(Meaning::Role(name)) => Ok((Operand::Part(Tree::Role(name)), at)),
            Ok(Meaning::Scope(name)) => Ok((Operand::Part(Tree::Scope(name)), at)),
            Ok(Meaning::Unnamed) => {
                let message = format!("`{word}` needs a name");
                Err(error(at, message, &format!("write it without a space, as in `{word}{}`", example(word))))
            }
            Ok(Meaning::Refused(message, help)) => Err(error(at, message, help)),
            Err(message) => Err(error(at, message, "use letters, digits and `-`, as in `header.x-region`")),
            Ok(Meaning::Value(value)) => {
                self.remember(&value, &at);
                match (&value, slip(word)) {
                    (Value::Text(_), Some(meant)) => {
                        let message = format!("`{word}` is not known to a rule");
                        let help = format!("did you mean `{meant}`? Put it in double quotes if it is a text");
                        Err(error(at, message, &help))
                    }
                    _ => Ok((Operand::Value(value), at)),
                }
            }
        }
    }

    fn remember(&mut self, value: &Value, at: &Range<usize>) {
        let what = match value {
            Value::Claim(name) => Mentioned::Claim(name.clone()),
            Value::Param(name) => Mentioned::Param(name.clone()),
            Value::Header(name) => Mentioned::Header(name.as_str().into()),
            Value::User | Value::Tier | Value::Text(_) => return,
        };
        self.mention(at.clone(), what);
    }

    fn mention(&mut self, at: Range<usize>, what: Mentioned) {
        self.mentions.push(Mention { at, what });
    }

    /// `role:x == y`
    fn not_compared(&self, tree: &Tree) -> Out<()> {
        match self.peek() {
            Some(Token { kind: Kind::Equal | Kind::Unequal, at }) => {
                let message = format!("`{tree}` is no value to be compared");
                Err(error(
                    at.clone(),
                    message,
                    "it stands alone; write `not` in front of it for the opposite",
                ))
            }
            _ => Ok(()),
        }
    }

    fn ended(&self) -> AllowError {
        let message = "the rule ends where another part should follow";
        error(self.end..self.end, message, "complete it, or remove the last word")
    }
}

/// A value that is not compared with anything.
fn alone(value: &Value, at: Range<usize>) -> AllowError {
    match value {
        Value::Text(text) => unknown(text, at),
        Value::User => error(
            at,
            "`user` alone asks nothing",
            "write `authenticated`, or compare it, as in `user == alice`",
        ),
        other => {
            let message = format!("`{other}` alone asks nothing");
            error(at, message, &format!("compare it, as in `{other} == {}`", example(&other.to_string())))
        }
    }
}

/// A word that is not known where a part begins.
fn unknown(word: &str, at: Range<usize>) -> AllowError {
    let message = format!("`{word}` is not known to a rule");
    let lower = word.to_lowercase();
    let known = JOINING.iter().chain(&BEGINNINGS).filter(|known| !known.ends_with([':', '.']));
    let near = known
        .map(|known| (strsim::damerau_levenshtein(known, &lower), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 6)
        .min_by_key(|(distance, _)| *distance);
    let help = match near {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => format!(
            "a part is `role:NAME`, `scope:NAME`, `authenticated`, or compares, as in `claim.NAME == {}`",
            if lexer::is_word(word) { word } else { "TEXT" }
        ),
    };
    error(at, message, &help)
}

/// Two texts compared: one of them was meant to be something else.
fn fixed(left: &str, right: &str, at: Range<usize>) -> AllowError {
    let name = if lexer::is_word(right) { right } else { "NAME" };
    match left {
        "role" | "roles" => {
            error(at, format!("`{left}` cannot be compared"), &format!("write `role:{name}`"))
        }
        "scope" | "scopes" => {
            error(at, format!("`{left}` cannot be compared"), &format!("write `scope:{name}`"))
        }
        _ => AllowError {
            message: format!("`{left}` is a text, and so is what it is compared with"),
            ..unknown(left, at)
        },
    }
}

/// A piece where a part has ended.
fn left_over(token: &Token) -> AllowError {
    let at = token.at.clone();
    match &token.kind {
        Kind::Word(word) if ["AND", "OR", "And", "Or", "XOR", "xor"].contains(&word.as_str()) => {
            let lower = if word.eq_ignore_ascii_case("and") { "and" } else { "or" };
            error(at, format!("`{word}` joins nothing"), &format!("write `{lower}`"))
        }
        Kind::Word(word) if word == "not" => {
            error(at, "`not` stands before a whole part", "write `not x == y`, or `x != y`")
        }
        Kind::Equal | Kind::Unequal => {
            error(at, "a comparison is compared again", "join comparisons with `and` or `or`")
        }
        _ => error(at, "two parts stand side by side", "write `and` or `or` between them"),
    }
}

/// A name that could stand behind a beginning.
fn example(beginning: &str) -> &'static str {
    match beginning {
        "role:" => "buyer",
        "scope:" => "orders:write",
        "claim." => "department",
        "path." => "userId",
        "header." => "x-region",
        "tier" => "premium",
        path if path.starts_with("path.") => "user",
        _ => "sales",
    }
}

fn error(at: Range<usize>, message: impl Into<String>, help: &str) -> AllowError {
    AllowError { at, message: message.into(), help: help.to_owned() }
}
