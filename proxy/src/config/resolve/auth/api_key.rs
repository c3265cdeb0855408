//! `api_key:`: secrets in a header, known by the digests of a file.

use crate::admission::authenticate::api_key::KeyFile;
use crate::config::auth::ApiKeyRule;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::findings::Finding;
use crate::config::raw;
use crate::config::resolve::headers;
use crate::config::tree::{Spanned, Text};
use crate::identity::headers::is_protected;
use http::HeaderName;
use std::sync::Arc;

/// The header unless the file says otherwise.
const HEADER: HeaderName = HeaderName::from_static("x-api-key");
/// Headers with a meaning of their own.
const TAKEN: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// The rule; `None` when it cannot be read.
pub(super) fn rule(raw: &Spanned<raw::ApiKey>, context: &Context<'_>) -> Option<ApiKeyRule> {
    let header = raw.value.header.as_ref().map_or(Some(HEADER), |text| header(text, context));
    let keys = context.required(raw.value.keys.as_ref(), "keys", "`api_key:`", raw.span)?;
    let Some(path) = keys.value.strip_prefix("file:") else {
        let message = "keys stand in a file of their own, named as `file:PATH`";
        context.hidden_error(
            Code::BadValue,
            keys.span,
            message,
            "write `file:PATH`; `portcullis keys` makes such files",
        );
        return None;
    };
    let file = file(path, keys, context);
    Some(ApiKeyRule { header: header?, path: context.path(path), keys: Arc::new(file?) })
}

fn header(text: &Text, context: &Context<'_>) -> Option<HeaderName> {
    let header = headers::name(text, context)?;
    let help = "use a header of its own, as in `X-Api-Key`";
    if is_protected(header.as_str()) {
        let message = format!("`{}` is protected: it never comes from outside", text.value);
        context.error(Code::ProtectedHeader, text.span, message, help);
        return None;
    }
    if TAKEN.contains(&header.as_str()) || headers::is_framing(&header) {
        let message = format!("`{}` has another meaning: an API key cannot come in it", text.value);
        context.error(Code::BadValue, text.span, message, help);
        return None;
    }
    Some(header)
}

/// Everything that is wrong in the file is said at once; its lines are never shown.
fn file(path: &str, text: &Text, context: &Context<'_>) -> Option<KeyFile> {
    let content = context.read(path, text.span)?;
    let Ok(content) = String::from_utf8(content) else {
        context.error(Code::BadFile, text.span, format!("`{path}` is not UTF-8"), "save it as UTF-8");
        return None;
    };
    match KeyFile::parse(&content) {
        Ok(file) => Some(file),
        Err(errors) => {
            for error in errors {
                let place = if error.line == 0 {
                    String::new()
                } else {
                    format!("{}:{}: ", error.line, error.column)
                };
                let message = format!("`{path}`: {place}{}", error.message);
                context
                    .findings
                    .add(Finding::error(Code::BadFile, text.span, message).maybe_help(error.help));
            }
            None
        }
    }
}
