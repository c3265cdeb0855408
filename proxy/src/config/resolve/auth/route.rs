//! `auth:`, `allow:` and `authorization:` of a route: who may use it.

use super::{PUBLIC, asks_for_certificates, entries, named};
use crate::admission::allow::{Allow, Mention, Mentioned};
use crate::config::auth::{Provider, Scheme};
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::findings::choose;
use crate::config::raw;
use crate::config::route::{Auth, PathPattern, Segment};
use crate::config::tree::{Span, Text};
use std::sync::Arc;

/// Who may use a route.
pub(in crate::config::resolve) struct Admitted {
    pub(in crate::config::resolve) auth: Auth,
    pub(in crate::config::resolve) allow: Option<Arc<Allow>>,
    pub(in crate::config::resolve) passes_authorization: bool,
}

/// `auth:` is demanded of every route, so that nothing is public by accident. `pattern`: its path, when that can be read.
pub(in crate::config::resolve) fn of_route(
    route: &raw::Route,
    file: &raw::File,
    (of, span): (&str, Span),
    pattern: Option<&PathPattern>,
    context: &Context<'_>,
) -> Option<Admitted> {
    let allow = route.allow.as_ref().map(|text| allow(text, pattern, context));
    let Some(written) = &route.auth else {
        let message = format!("{of} does not say who may use it");
        context.error(Code::MissingKey, span, message, "add `auth: public` if everybody may");
        return None;
    };
    if named(route).is_empty() {
        let message = format!("{of} names nobody who may use it");
        context.error(
            Code::BadValue,
            written.span,
            message,
            "name an entry of `auth:`, or `public` if everybody may",
        );
        return None;
    }
    let auth = auth(named(route), file, of, context)?;
    if let (Some(text), true) = (&route.allow, auth.providers.is_empty()) {
        let message = "`allow:` asks who a caller is, but nobody says so here: the route is public";
        let help = "name an entry of `auth:`; beside `public` if nobody in particular may come too";
        context.error(Code::Conflict, text.span, message, help);
    }
    let passes_authorization = match &route.authorization {
        Some(word) => word.value == raw::Authorization::Pass,
        None => !auth.providers.iter().any(|index| reads_authorization(file, *index)),
    };
    let allow = match allow {
        Some(allow) => Some(Arc::new(allow?)),
        None => None,
    };
    Some(Admitted { auth, allow, passes_authorization })
}

/// Whether clients show an entry of the file what they have in `Authorization`.
fn reads_authorization(file: &raw::File, index: usize) -> bool {
    let entry = entries(file).get(index);
    entry.is_some_and(|(_, entry)| entry.value.jwt.is_some() || entry.value.introspect.is_some())
}

/// The names, each of an entry or `public`.
fn auth(names: &[Text], file: &raw::File, of: &str, context: &Context<'_>) -> Option<Auth> {
    let mut auth = Auth { providers: Vec::new(), anonymous: false };
    let mut good = true;
    for (at, text) in names.iter().enumerate() {
        let mut before = names.iter().take(at);
        if before.any(|other| other.value == text.value) {
            let message = format!("`{}` is listed twice", text.value);
            context.warn(Code::Suspicious, text.span, message, "remove one of them");
        } else if text.value == PUBLIC {
            auth.anonymous = true;
        } else if let Some(index) = entry(text, file, of, context) {
            auth.providers.push(index);
        } else {
            good = false;
        }
    }
    good.then_some(auth)
}

/// The index of an entry.
fn entry(text: &Text, file: &raw::File, of: &str, context: &Context<'_>) -> Option<usize> {
    let entries = entries(file);
    let Some(index) = entries.iter().position(|(name, _)| name.value == text.value) else {
        let known: Vec<&str> =
            std::iter::once(PUBLIC).chain(entries.iter().map(|(name, _)| name.value.as_str())).collect();
        let message = format!("there is no entry `{}` under `auth:`", text.value);
        context.error(Code::UnknownName, text.span, message, choose(&text.value, known, "it can be"));
        return None;
    };
    let by_certificate = entries.get(index).is_some_and(|(_, entry)| entry.value.certificate.is_some());
    if by_certificate && !asks_for_certificates(file) {
        let message = format!("{of} wants a client certificate, but no listener asks for one");
        let help = "add `client_ca: FILE` to the `tls:` of a listener";
        context.error(Code::Conflict, text.span, message, help);
    }
    Some(index)
}

/// The rule, and whether the path has what it asks about.
fn allow(text: &Text, pattern: Option<&PathPattern>, context: &Context<'_>) -> Option<Allow> {
    let (allow, mentions) = match Allow::parse_with_mentions(&text.value) {
        Ok(read) => read,
        Err(error) => {
            context.error(Code::BadValue, context.within(text, &error.at), error.message, error.help);
            return None;
        }
    };
    let Some(pattern) = pattern else { return Some(allow) };
    let params = params(pattern);
    for Mention { at, what } in &mentions {
        if let Mentioned::Param(name) = what
            && !params.contains(&&**name)
        {
            let message = format!("the path of this route has no `{{{name}}}`");
            let help = match params.as_slice() {
                [] => format!("put it into `match`, as in `GET /users/{{{name}}}`"),
                known => choose(name, known.iter().copied(), "it has"),
            };
            context.error(Code::UnknownName, context.within(text, at), message, help);
        }
    }
    Some(allow)
}

/// The names of the parameters of a path.
fn params(pattern: &PathPattern) -> Vec<&str> {
    let PathPattern::Template(segments) = pattern else { return Vec::new() };
    let name = |segment| if let &Segment::Param(Some(ref name)) = segment { Some(&**name) } else { None };
    segments.iter().filter_map(name).collect()
}

/// What can be told only once the entries of `auth:` are known.
pub(super) fn check(file: &raw::File, providers: &[Provider], context: &Context<'_>) {
    for route in file.routes() {
        let known = |text: &Text| providers.iter().find(|provider| *provider.name == *text.value);
        let used: Vec<(&Text, &Provider)> =
            named(&route.value).iter().filter_map(|text| Some((text, known(text)?))).collect();
        one_entry_an_issuer(&used, context);
        // When one of them could not be read, nothing is known about what callers can have.
        let entries = named(&route.value).iter().filter(|text| text.value != PUBLIC).count();
        if let Some(text) = route.value.allow.as_ref().filter(|_| entries == used.len()) {
            can_be_had(text, &used, context);
        }
    }
}

/// A token goes to the entry of its issuer: there must not be two.
fn one_entry_an_issuer(used: &[(&Text, &Provider)], context: &Context<'_>) {
    let issuers = used.iter().filter_map(|(text, provider)| match &provider.scheme {
        Scheme::Jwt(rule) => Some((*text, &rule.issuer)),
        _ => None,
    });
    let issuers: Vec<(&Text, &Box<str>)> = issuers.collect();
    for (at, (text, issuer)) in issuers.iter().enumerate() {
        let twin = issuers.iter().take(at).find(|(other, same)| same == issuer && other.value != text.value);
        if let Some((other, _)) = twin {
            let message = format!("`{}` and `{}` take tokens of the same issuer", other.value, text.value);
            let help = "name one of them here: a token goes to the entry of its issuer, and that must be one";
            context.error(Code::Conflict, text.span, message, help);
        }
    }
}

/// Points out what a rule asks about that no caller of the route can have.
fn can_be_had(text: &Text, used: &[(&Text, &Provider)], context: &Context<'_>) {
    let Ok((_, mentions)) = Allow::parse_with_mentions(&text.value) else { return };
    let schemes = || used.iter().map(|(_, provider)| &provider.scheme);
    for Mention { at, what } in &mentions {
        let (message, help) = match what {
            Mentioned::Tier(tier) if !schemes().any(|scheme| can_have_tier(scheme, tier)) => (
                format!("no caller of this route can be of tier `{tier}`"),
                "tiers come from keys of `api_key:` that have one, and from tokens where `identity:` has `tier: CLAIM`",
            ),
            Mentioned::Claim(name) if !schemes().any(has_claims) => (
                format!("no caller of this route can have the claim `{name}`"),
                "claims come with tokens: from entries of `auth:` with `jwt:` or `introspect:`",
            ),
            _ => continue,
        };
        context.warn(Code::Suspicious, context.within(text, at), message, help);
    }
}

fn can_have_tier(scheme: &Scheme, tier: &str) -> bool {
    match scheme {
        Scheme::Certificate(_) => false,
        Scheme::Jwt(rule) => rule.identity.tier.is_some(),
        Scheme::Introspect(rule) => rule.identity.tier.is_some(),
        Scheme::ApiKey(rule) => rule.keys.tiers().any(|one| one == tier),
    }
}

fn has_claims(scheme: &Scheme) -> bool {
    matches!(scheme, Scheme::Jwt(_) | Scheme::Introspect(_))
}
