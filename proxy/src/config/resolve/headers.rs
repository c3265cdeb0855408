//! `headers:` of routes and defaults: which edits are allowed, and how a route's own win over the defaults.

use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::raw;
use crate::config::route::{HeaderEdits, HeaderRules};
use crate::config::tree::Text;
use crate::identity::headers::is_protected;
use http::{HeaderName, HeaderValue};

/// Names that say where a message ends, whom it is for or how long a connection lives: an edit of one of
/// these would let two parties disagree about that (RFC 9110 §7.6.1, RFC 9112 §6).
const FRAMING: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Edits in both directions, before the defaults are folded in.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    request: HeaderEdits,
    response: HeaderEdits,
}

/// Reads both directions.
pub(super) fn rules(raw: &raw::Headers, context: &Context<'_>) -> Rules {
    Rules { request: edits(&raw.request, true, context), response: edits(&raw.response, false, context) }
}

impl Rules {
    /// These edits, and of the defaults whatever does not touch a header that these touch.
    pub(super) fn over(self, defaults: &Self) -> Self {
        Self {
            request: over(self.request, &defaults.request),
            response: over(self.response, &defaults.response),
        }
    }

    /// What the route gets.
    pub(super) fn into_meaning(self) -> HeaderRules {
        HeaderRules { request: self.request, response: self.response }
    }
}

fn over(own: HeaderEdits, defaults: &HeaderEdits) -> HeaderEdits {
    let touched =
        |name: &HeaderName| own.remove.contains(name) || own.set.iter().any(|(other, _)| other == name);
    let mut set: Vec<_> = defaults.set.iter().filter(|(name, _)| !touched(name)).cloned().collect();
    let mut remove: Vec<_> = defaults.remove.iter().filter(|name| !touched(name)).cloned().collect();
    set.extend(own.set);
    remove.extend(own.remove);
    HeaderEdits { set, remove }
}

fn edits(raw: &raw::Edits, request: bool, context: &Context<'_>) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    for (text, value) in &raw.set.0 {
        let header = editable(text, true, context);
        let value = self::value(&value.0, context);
        if let Some(header) =
            header.filter(|header| once(text, edits.set.iter().any(|(name, _)| name == header), context))
            && let Some(value) = value
        {
            edits.set.push((header, value));
        }
    }
    for text in &raw.remove {
        // What a service says about itself may be taken out of its answer, whatever it is called.
        let Some(header) = editable(text, request, context) else { continue };
        if once(text, edits.remove.contains(&header), context) {
            edits.remove.push(header);
        }
    }
    edits
}

fn once(text: &Text, there: bool, context: &Context<'_>) -> bool {
    if there {
        let message = format!("header `{}` stands here twice (case makes no difference)", text.value);
        context.error(Code::DuplicateName, text.span, message, "remove one of them");
    }
    !there
}

/// Whether a name says where a message ends or how a connection lives.
pub(super) fn is_framing(header: &HeaderName) -> bool {
    FRAMING.contains(&header.as_str())
}

/// A header that an edit may name.
fn editable(text: &Text, guard_protected: bool, context: &Context<'_>) -> Option<HeaderName> {
    let header = name(text, context)?;
    let framing = is_framing(&header);
    if framing || (guard_protected && is_protected(header.as_str())) {
        let message = format!("`{}` is protected: only portcullis itself sets or removes it", text.value);
        let help = if framing {
            "remove this line; framing and routing of messages are not editable"
        } else {
            "remove this line, or use a header of another name"
        };
        context.error(Code::ProtectedHeader, text.span, message, help);
        return None;
    }
    Some(header)
}

/// A header name.
pub(super) fn name(text: &Text, context: &Context<'_>) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(text.value.as_bytes()).ok();
    if name.is_none() {
        let message = format!("`{}` is not the name of a header", text.value);
        context.error(
            Code::BadValue,
            text.span,
            message,
            "use letters, digits and `-`, as in `X-Caller-Service`",
        );
    }
    name
}

fn value(text: &Text, context: &Context<'_>) -> Option<HeaderValue> {
    let value = HeaderValue::from_str(&text.value).ok();
    if value.is_none() {
        let message = "this is not the value of a header";
        context.error(Code::BadValue, text.span, message, "use one line of visible ASCII");
    }
    value
}
