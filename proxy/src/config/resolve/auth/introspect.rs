//! `introspect:`: tokens that only their issuer can judge.

use super::remote;
use crate::config::auth::{ClaimMap, IntrospectRule};
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::raw;
use crate::config::tree::{Spanned, Text};
use std::time::Duration;

/// How long an answer holds unless the file says otherwise.
const CACHE: Duration = Duration::from_secs(30);

/// The rule; `None` when it cannot be read. The members that rules of routes ask about are added later.
pub(super) fn rule(
    raw: &Spanned<raw::Introspect>,
    identity: ClaimMap,
    context: &Context<'_>,
) -> Option<IntrospectRule> {
    let span = raw.span;
    let raw = &raw.value;
    let url = context.required(raw.url.as_ref(), "url", "`introspect:`", span);
    let client = context.required(raw.client.as_ref(), "client", "`introspect:`", span);
    let secret = context.required(raw.secret.as_ref(), "secret", "`introspect:`", span);
    let remote = url.and_then(|url| remote::remote(url, raw.ca.as_ref(), raw.timeout.as_ref(), context));
    let client = client.and_then(|client| self::client(client, context));
    let secret = secret.and_then(|text| Some((context.secret(text)?, text.value.as_str())));
    let cache = context.time_or_zero(raw.cache.as_ref(), CACHE);
    let (secret, secret_from) = secret?;
    Some(IntrospectRule {
        remote: remote?,
        client: client?,
        secret: secret.into(),
        secret_from: secret_from.into(),
        cache,
        identity,
        claims: Vec::new(),
    })
}

/// Our name: no secret, so it may stand in the file.
fn client(text: &Text, context: &Context<'_>) -> Option<Box<str>> {
    if text.value.starts_with("file:") || text.value.starts_with("env:") {
        return context.secret(text).map(Into::into);
    }
    if text.value.is_empty() || !text.value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        let message = "this is not the name of a client";
        context.error(
            Code::BadValue,
            text.span,
            message,
            "write it in visible ASCII, or as `file:PATH` or `env:NAME`",
        );
        return None;
    }
    Some(text.value.as_str().into())
}
