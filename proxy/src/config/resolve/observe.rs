//! `observe:`.

use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::findings::choose;
use crate::config::observe::{AccessLog, B3, LogSink, Observe};
use crate::config::raw;
use crate::config::tree::{Spanned, Text};

/// Logs, metrics, trace propagation.
pub(super) fn observe(raw: &raw::Observe, context: &Context<'_>) -> Observe {
    let metrics = raw.metrics.as_ref().and_then(|metrics| {
        let bind = context.required(metrics.value.bind.as_ref(), "bind", "`metrics:`", metrics.span)?;
        context.address(bind)
    });
    Observe { access_log: access_log(&raw.access_log, context), metrics, b3: b3(&raw.traces, context) }
}

fn access_log(raw: &raw::AccessLog, context: &Context<'_>) -> Option<AccessLog> {
    let redact_query = raw.redact.iter().filter_map(|text| parameter(text, context)).collect();
    let to = match &raw.to {
        None => LogSink::Stdout,
        Some(text) => sink(text, context)?,
    };
    Some(AccessLog { to, redact_query })
}

/// `None` for `off`, and for what cannot be read.
fn sink(text: &Text, context: &Context<'_>) -> Option<LogSink> {
    match text.value.as_str() {
        "stdout" => Some(LogSink::Stdout),
        "stderr" => Some(LogSink::Stderr),
        "off" => None,
        other => match other.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Some(LogSink::File(context.path(path))),
            _ => {
                let message = format!("the access log cannot go to `{other}`");
                let help = if other.contains('/') {
                    format!("write `file:{other}`")
                } else {
                    choose(other, ["stdout", "stderr", "off", "file:PATH"], "it can go to")
                };
                context.error(Code::BadValue, text.span, message, help);
                None
            }
        },
    }
}

/// The parameter of `query.NAME`.
fn parameter(text: &Text, context: &Context<'_>) -> Option<String> {
    match text.value.strip_prefix("query.") {
        Some(name) if !name.is_empty() => Some(name.to_owned()),
        _ => {
            let message = format!("`{}` cannot be redacted", text.value);
            let help =
                format!("write `query.{}` for a query parameter; headers are never logged", text.value);
            context.error(Code::BadValue, text.span, message, help);
            None
        }
    }
}

fn b3(raw: &raw::Traces, context: &Context<'_>) -> B3 {
    let Some(list) = &raw.propagation else { return B3::Off };
    let has = |wanted| list.value.iter().find(|one: &&Spanned<_>| one.value == wanted);
    if has(raw::Propagation::W3c).is_none() {
        context.error(Code::BadValue, list.span, "`w3c` cannot be left out", "write `[w3c]` or `[w3c, b3]`");
    }
    match (has(raw::Propagation::B3), has(raw::Propagation::B3multi)) {
        (Some(_), Some(multi)) => {
            context.error(
                Code::Conflict,
                multi.span,
                "`b3` and `b3multi` exclude each other",
                "remove one of them",
            );
            B3::Multi
        }
        (Some(_), None) => B3::Single,
        (None, Some(_)) => B3::Multi,
        (None, None) => B3::Off,
    }
}
