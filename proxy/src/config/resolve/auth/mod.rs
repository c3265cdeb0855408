//! `auth:`: ways for clients outside to say who they are, a file each; [`route`] has what routes make of them.

mod api_key;
mod certificate;
mod claims;
mod introspect;
mod jwt;
mod key_set;
mod remote;
mod route;

use crate::config::auth::{IntrospectRule, JwtRule, Provider, Scheme};
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::raw;
use crate::config::route::Route;
use crate::config::tree::{Span, Spanned, Text};
use std::sync::Arc;

pub(super) use route::of_route;

/// What a route says that everybody may use.
const PUBLIC: &str = "public";

/// The entries in the order of the file. Indexes hold only when nothing was wrong.
pub(super) fn providers(raw: &raw::File, routes: &[Route], context: &Context<'_>) -> Vec<Provider> {
    let mut providers: Vec<Provider> =
        entries(raw).iter().filter_map(|(name, entry)| provider(name, entry, context)).collect();
    route::check(raw, &providers, context);
    for route in routes {
        let asked = route.allow.as_ref().map(|allow| allow.claims()).unwrap_or_default();
        for index in &route.auth.providers {
            if let Some(provider) = providers.get_mut(*index) {
                keep(&asked, &mut provider.scheme);
            }
        }
    }
    providers
}

/// Makes tokens keep the claims that a rule asks about.
fn keep(asked: &[&str], scheme: &mut Scheme) {
    let (Scheme::Jwt(JwtRule { claims, .. }) | Scheme::Introspect(IntrospectRule { claims, .. })) = scheme
    else {
        return;
    };
    for name in asked {
        if !claims.iter().any(|claim| **claim == **name) {
            claims.push((*name).into());
        }
    }
}

fn entries(raw: &raw::File) -> &[(Text, Spanned<raw::Provider>)] {
    raw.auth.as_ref().map(|auth| auth.value.0.as_slice()).unwrap_or_default()
}

/// The names in `auth:` of a route.
fn named(route: &raw::Route) -> &[Text] {
    route.auth.as_ref().map(|auth| auth.value.all()).unwrap_or_default()
}

fn provider(name: &Text, raw: &Spanned<raw::Provider>, context: &Context<'_>) -> Option<Provider> {
    context.name(name, "an entry of `auth:`");
    if name.value == PUBLIC {
        let message = "`public` means everybody: no entry of `auth:` can be called so";
        context.error(Code::BadValue, name.span, message, "use another name");
    }
    let scheme = scheme(name, raw, context)?;
    Some(Provider { name: Arc::from(name.value.as_str()), scheme })
}

/// Exactly one of the four.
fn scheme(name: &Text, entry: &Spanned<raw::Provider>, context: &Context<'_>) -> Option<Scheme> {
    let raw = &entry.value;
    let written = [
        ("jwt", raw.jwt.as_ref().map(|one| one.span)),
        ("api_key", raw.api_key.as_ref().map(|one| one.span)),
        ("introspect", raw.introspect.as_ref().map(|one| one.span)),
        ("certificate", raw.certificate.as_ref().map(|one| one.span)),
    ];
    let written: Vec<(&str, Span)> =
        written.into_iter().filter_map(|(key, span)| Some((key, span?))).collect();
    let alone = one_scheme(name, entry.span, &written, context);
    let identity = raw.identity.as_ref();
    let map = claims::map(identity.map(|identity| &identity.value), context);
    if let (Some(identity), [(key @ ("certificate" | "api_key"), _)]) = (identity, written.as_slice()) {
        let message = format!("`identity` says what claims of tokens mean, but `{key}` has none");
        context.error(Code::Conflict, identity.span, message, "remove it");
    }
    // All are read, so that all that is wrong is said.
    let certificate =
        raw.certificate.as_ref().map(|raw| certificate::rule(raw, context).map(Scheme::Certificate));
    let api_key = raw.api_key.as_ref().map(|raw| api_key::rule(raw, context).map(Scheme::ApiKey));
    let jwt = raw.jwt.as_ref().map(|raw| jwt::rule(raw, map.clone(), context).map(Scheme::Jwt));
    let introspect =
        raw.introspect.as_ref().map(|raw| introspect::rule(raw, map, context).map(Scheme::Introspect));
    certificate.or(api_key).or(jwt).or(introspect)?.filter(|_| alone)
}

fn one_scheme(name: &Text, span: Span, written: &[(&str, Span)], context: &Context<'_>) -> bool {
    match written {
        [_] => true,
        [] => {
            let message = format!("entry `{}` of `auth:` does not say what a client shows", name.value);
            let help = "add one of `jwt:`, `api_key:`, `introspect:` and `certificate:`";
            context.error(Code::MissingKey, span, message, help);
            false
        }
        [(first, _), (second, span), ..] => {
            let message = format!("`{first}` and `{second}` cannot stand in one entry of `auth:`");
            let help = "make an entry of each; a route that takes both says `auth: [ONE, OTHER]`";
            context.error(Code::Conflict, *span, message, help);
            false
        }
    }
}

/// Whether some listener asks clients for certificates.
fn asks_for_certificates(file: &raw::File) -> bool {
    let listeners = file.listeners.iter().flat_map(|list| &list.value);
    listeners.filter_map(|one| one.value.tls.as_ref()).any(|tls| tls.value.client_ca.is_some())
}

/// Whether some route depends on a client certificate.
pub(super) fn is_used(file: &raw::File) -> bool {
    let by_certificate = |text: &Text| {
        entries(file)
            .iter()
            .any(|(name, entry)| name.value == text.value && entry.value.certificate.is_some())
    };
    file.routes().iter().flat_map(|route| named(&route.value)).any(by_certificate)
}

/// Warns about entries no route names.
pub(super) fn unused(file: &raw::File, context: &Context<'_>) {
    for (name, _) in entries(file) {
        let mut named = file.routes().iter().flat_map(|route| named(&route.value));
        if !named.any(|text| text.value == name.value) {
            let message = format!("no route uses entry `{}` of `auth:`", name.value);
            let help = format!("remove it, or write `auth: {}` in a route", name.value);
            context.warn(Code::Suspicious, name.span, message, help);
        }
    }
}
