//! YAML text to a [`Node`] tree. The only file that knows the YAML crate.
//!
//! Decides what YAML we take: one document, text keys, no key twice, bounded size, depth and aliases.
//! It must not know what any key means.

use super::diagnostic::Code;
use super::findings::{Finding, Findings};
use super::tree::{Node, Span, Text, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Location, Options, Spanned as Placed};
use std::fmt;

/// Deepest nesting of lists and maps.
const MAX_DEPTH: usize = 32;
/// Most scalars, lists and maps, aliases expanded.
const MAX_NODES: usize = 1_000_000;
/// Most values that aliases may repeat.
const MAX_ALIAS_EVENTS: usize = 100_000;

/// Reads one document. `None` when the text is not YAML we take; the findings then say why.
pub(super) fn parse(text: &str, findings: &Findings) -> Option<Node> {
    match serde_saphyr::from_str_with_options::<Placed<Raw>>(text, options()) {
        Ok(root) => Some(node(root, text, findings)),
        Err(error) => {
            findings.add(explain(&error));
            None
        }
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_recorded_anchor_events: MAX_ALIAS_EVENTS,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_ALIAS_EVENTS },
        // All of them are handed on, so that all of them can be reported.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        ignore_binary_tag_for_string: true,
        strict_booleans: true,
        with_snippet: false,
    }
}

/// What the YAML crate hands over, before texts are taken from the source.
enum Raw {
    Null,
    /// A text whose quotes and escapes are resolved.
    Text(String),
    /// A number or boolean: what was written stands in the source.
    Plain,
    List(Vec<Placed<Self>>),
    Map(Vec<(Placed<String>, Placed<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

/// Recursion is bounded by [`MAX_DEPTH`].
fn node(raw: Placed<Raw>, source: &str, findings: &Findings) -> Node {
    let mut span = span(&raw.defined);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Text(text) => Value::Scalar(text),
        Raw::Plain => Value::Scalar(written(&raw.defined, source)),
        Raw::List(items) => Value::List(items.into_iter().map(|item| node(item, source, findings)).collect()),
        Raw::Map(entries) => Value::Map(map(entries, source, findings)),
    };
    // A map in block style has no mark of its own: its first key stands for it.
    if let (Value::Map(entries), 0) = (&value, span.len)
        && let Some((key, _)) = entries.first()
    {
        span.len = key.span.len;
    }
    Node { value, span }
}

fn map(entries: Vec<(Placed<String>, Placed<Raw>)>, source: &str, findings: &Findings) -> Vec<(Text, Node)> {
    let mut seen = std::collections::HashMap::new();
    let mut kept = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let key = Text { span: span(&key.defined), value: key.value };
        match seen.get(&key.value) {
            None => {
                seen.insert(key.value.clone(), key.span);
                kept.push((key, node(value, source, findings)));
            }
            Some(first) => findings.add(
                Finding::error(Code::DuplicateKey, key.span, format!("`{}` is written twice", key.value))
                    .help(format!("it stands at line {} already; keep one of them", first.line)),
            ),
        }
    }
    kept
}

/// The source text of a plain scalar.
fn written(location: &Location, source: &str) -> String {
    let span = location.span();
    let range = span.byte_offset().zip(span.byte_len());
    let text = range.and_then(|(from, len)| source.get(from as usize..(from as usize) + (len as usize)));
    text.unwrap_or_default().trim().to_owned()
}

fn span(location: &Location) -> Span {
    let len = u32::try_from(location.span().len()).unwrap_or(1);
    Span { line: clamp(location.line()), column: clamp(location.column()), len }
}

fn clamp(value: impl TryInto<u32>) -> u32 {
    value.try_into().unwrap_or(u32::MAX)
}

/// A message of ours for what the YAML crate found.
fn explain(error: &Error) -> Finding {
    let place = error.location().map(|location| span(&location)).unwrap_or_default();
    let text = error.without_snippet().to_string();
    // The crate writes the place behind its message; the diagnostic has it already.
    let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
    match error.without_snippet() {
        Error::MultipleDocuments { .. } => {
            Finding::error(Code::Syntax, place, "a second document begins here")
                .help("one file, one document: remove the `---`")
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => too_big(place),
        Error::AliasError { error, .. } if matches!(**error, Error::Budget { .. }) => too_big(place),
        Error::UnknownAnchor { .. } => Finding::error(Code::Syntax, place, "this alias has no anchor")
            .help("define it earlier with `&name`, or quote the value if it is meant to start with `*`"),
        _ if reason.contains("recursion limit") => too_big(place),
        _ if reason.contains("string scalar") => {
            Finding::error(Code::Syntax, place, "a key must be a plain text")
        }
        _ => {
            let help = hint(&reason);
            let finding = Finding::error(Code::Syntax, place, format!("this is not YAML: {reason}"));
            match help {
                Some(help) => finding.help(help),
                None => finding,
            }
        }
    }
}

fn too_big(place: Span) -> Finding {
    Finding::error(
        Code::TooLarge,
        place,
        "the file nests too deeply, repeats aliases too often or holds too many values",
    )
    .help(format!(
        "at most {MAX_DEPTH} levels, {MAX_NODES} values and {MAX_ALIAS_EVENTS} values repeated by aliases"
    ))
}

/// What to do about the mistakes people make most.
fn hint(reason: &str) -> Option<&'static str> {
    let hints = [
        (
            "anchor or alias",
            "a value that starts with `*` or `&` needs quotes, as in `match: \"* /admin/**\"`",
        ),
        ("unexpected character", "a value that starts with this character needs quotes"),
        (
            "flow mapping",
            "inside `{ … }` a value with `{`, `}`, `[`, `]` or `,` needs quotes, as in `match: \"GET /users/{id}\"`",
        ),
        ("flow sequence", "inside `[ … ]` a value with `{`, `}`, `[`, `]` or `,` needs quotes"),
        (
            "mapping values are not allowed",
            "check the indentation of this line; a value that contains `: ` needs quotes",
        ),
        ("illegal placement of ':'", "is a bracket, brace or quote of an earlier line left open?"),
        ("unclosed quote", "close the quote on the same line"),
        ("unclosed bracket", "close this bracket"),
        ("tab", "indent with spaces"),
    ];
    hints.iter().find(|(part, _)| reason.contains(part)).map(|(_, help)| *help)
}
