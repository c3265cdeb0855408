//! `jwt:`: tokens of one issuer.

use super::{key_set, remote};
use crate::config::auth::{ClaimMap, JwtRule, KeySource};
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::findings::choose;
use crate::config::raw;
use crate::config::tree::{Span, Spanned, Text};
use jsonwebtoken::Algorithm;
use std::time::Duration;

/// How far a clock may be off unless the file says otherwise.
const LEEWAY: Duration = Duration::from_secs(30);
/// The most it may say.
const MOST_LEEWAY: Duration = Duration::from_secs(5 * 60);
/// How old keys may get unless the file says otherwise.
const REFRESH: Duration = Duration::from_secs(10 * 60);
/// How long they are used without a good fetch unless the file says otherwise.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// What is taken unless the file says otherwise.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];
/// Everything that can be taken: the issuer alone has what signs.
const ASYMMETRIC: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// The rule; `None` when it cannot be read. The claims that rules of routes ask about are added later.
pub(super) fn rule(raw: &Spanned<raw::Jwt>, identity: ClaimMap, context: &Context<'_>) -> Option<JwtRule> {
    let span = raw.span;
    let raw = &raw.value;
    let issuer = context
        .required(raw.issuer.as_ref(), "issuer", "`jwt:`", span)
        .and_then(|text| issuer(text, context));
    let audiences = audiences(raw, span, context);
    let keys =
        context.required(raw.jwks.as_ref(), "jwks", "`jwt:`", span).and_then(|text| keys(text, raw, context));
    let algorithms = match &raw.algorithms {
        Some(list) => algorithms(list, context),
        None => Some(ALGORITHMS.into()),
    };
    let leeway = context.time_or_zero(raw.leeway.as_ref(), LEEWAY);
    if let Some(text) = raw.leeway.as_ref().filter(|_| leeway > MOST_LEEWAY) {
        let message = "a clock may be off by 5 minutes at most: for so long a token is taken after its end";
        context.error(Code::BadValue, text.0.span, message, "set the clocks instead; 30s is the default");
    }
    let (issuer, audiences, algorithms, keys) = (issuer?, audiences?, algorithms?, keys?);
    Some(JwtRule { issuer, audiences, algorithms, keys, leeway, identity, claims: Vec::new() })
}

fn issuer(text: &Text, context: &Context<'_>) -> Option<Box<str>> {
    let good = !text.value.is_empty() && text.value.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if !good {
        let message = "this is not the name of an issuer";
        context.error(Code::BadValue, text.span, message, "write what its tokens say in `iss`");
    }
    good.then(|| text.value.as_str().into())
}

fn audiences(raw: &raw::Jwt, span: Span, context: &Context<'_>) -> Option<Vec<Box<str>>> {
    const HELP: &str =
        "write what tokens made for this gateway say in `aud`: one made for another service must not do here";
    let Some(names) = &raw.audience else {
        context.error(Code::MissingKey, span, "`jwt:` needs `audience`", HELP);
        return None;
    };
    let mut audiences: Vec<Box<str>> = Vec::new();
    for text in names.value.all() {
        if text.value.is_empty() || text.value.chars().any(char::is_control) {
            context.error(Code::BadValue, text.span, "this is no audience", HELP);
        } else if audiences.iter().any(|other| **other == *text.value) {
            twice(text, context);
        } else {
            audiences.push(text.value.as_str().into());
        }
    }
    if names.value.all().is_empty() {
        context.error(Code::BadValue, names.span, "no audience is named here", HELP);
    }
    Some(audiences).filter(|audiences| !audiences.is_empty())
}

fn algorithms(list: &Spanned<Vec<Text>>, context: &Context<'_>) -> Option<Vec<Algorithm>> {
    if list.value.is_empty() {
        context.error(
            Code::BadValue,
            list.span,
            "no algorithm is named here, so no token is taken",
            "write `[RS256, ES256]`",
        );
    }
    let mut algorithms = Vec::with_capacity(list.value.len());
    for text in &list.value {
        match algorithm(text, context) {
            Some(algorithm) if algorithms.contains(&algorithm) => twice(text, context),
            found => algorithms.extend(found),
        }
    }
    Some(algorithms).filter(|algorithms| !algorithms.is_empty())
}

fn algorithm(text: &Text, context: &Context<'_>) -> Option<Algorithm> {
    let value = text.value.as_str();
    let fail = |code, message: String, help: String| {
        context.error(code, text.span, message, help);
        None
    };
    let take = "write `RS256`, `ES256` or another asymmetric one";
    if value.eq_ignore_ascii_case("none") {
        let message = "`none` is no algorithm: anybody could make tokens";
        return fail(Code::Insecure, message.to_owned(), take.to_owned());
    }
    if ["HS256", "HS384", "HS512"].contains(&value.to_ascii_uppercase().as_str()) {
        let message =
            format!("`{value}` works with a shared secret, which would let the gateway make tokens");
        return fail(Code::Insecure, message, take.to_owned());
    }
    match value.parse() {
        Ok(algorithm) if ASYMMETRIC.contains(&value) => Some(algorithm),
        _ => fail(
            Code::BadValue,
            format!("`{value}` is not an algorithm of tokens that is known here"),
            choose(value, ASYMMETRIC, "it can be"),
        ),
    }
}

fn twice(text: &Text, context: &Context<'_>) {
    let message = format!("`{}` is listed twice", text.value);
    context.warn(Code::Suspicious, text.span, message, "remove one of them");
}

fn keys(text: &Text, raw: &raw::Jwt, context: &Context<'_>) -> Option<KeySource> {
    if let Some(path) = text.value.strip_prefix("file:") {
        without_url(raw, context);
        return key_set::file(path, text, context);
    }
    if !text.value.contains("://") && context.exists(&text.value) {
        let message = format!("`{}` is not a URL", text.value);
        context.error(Code::BadValue, text.span, message, format!("write `file:{}`", text.value));
        return None;
    }
    let remote = remote::remote(text, raw.ca.as_ref(), raw.timeout.as_ref(), context);
    let refresh = context.time(raw.refresh.as_ref(), REFRESH);
    let stale = context.time(raw.stale.as_ref(), STALE);
    if let Some(text) = raw.stale.as_ref().or(raw.refresh.as_ref()).filter(|_| stale < refresh) {
        let message = "`stale` is shorter than `refresh`: keys would be gone before they are fetched again";
        context.error(Code::BadValue, text.0.span, message, "make `stale` several times `refresh`");
    }
    Some(KeySource::Url { remote: remote?, refresh, stale })
}

/// Keys of a file are not fetched.
fn without_url(raw: &raw::Jwt, context: &Context<'_>) {
    let times = [("refresh", &raw.refresh), ("stale", &raw.stale), ("timeout", &raw.timeout)];
    let times = times.into_iter().filter_map(|(key, time)| Some((key, time.as_ref()?.0.span)));
    let ca = raw.ca.as_ref().map(|path| ("ca", path.span));
    for (key, span) in times.chain(ca) {
        let message = format!("`{key}` has no use with keys of a file, which is read again when it changes");
        context.error(Code::Conflict, span, message, "remove it, or give `jwks` a URL");
    }
}
