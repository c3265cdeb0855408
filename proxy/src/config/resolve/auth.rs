//! `auth:`: ways for clients outside to say who they are, and `auth:` of a route, which names one of them.

use super::names;
use crate::config::auth::{CertificateRule, Provider};
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::findings::choose;
use crate::config::raw;
use crate::config::route::Auth;
use crate::config::tree::{Span, Spanned, Text};
use std::sync::Arc;

/// What a route says that everybody may use.
pub(super) const PUBLIC: &str = "public";

/// The entries in the order of the file. Indexes hold only when nothing was wrong.
pub(super) fn providers(raw: &raw::File, context: &Context<'_>) -> Vec<Provider> {
    entries(raw).iter().filter_map(|(name, provider)| self::provider(name, provider, context)).collect()
}

fn entries(raw: &raw::File) -> &[(Text, Spanned<raw::Provider>)] {
    raw.auth.as_ref().map(|auth| auth.value.0.as_slice()).unwrap_or_default()
}

fn provider(name: &Text, raw: &Spanned<raw::Provider>, context: &Context<'_>) -> Option<Provider> {
    context.name(name, "an entry of `auth:`");
    if name.value == PUBLIC {
        let message = "`public` means everybody: no entry of `auth:` can be called so";
        context.error(Code::BadValue, name.span, message, "use another name");
    }
    let of = format!("entry `{}` of `auth:`", name.value);
    let certificate = context.required(raw.value.certificate.as_ref(), "certificate", &of, raw.span)?;
    Some(Provider {
        name: Arc::from(name.value.as_str()),
        certificate: self::certificate(certificate, context)?,
    })
}

fn certificate(raw: &Spanned<raw::ClientCertificate>, context: &Context<'_>) -> Option<CertificateRule> {
    let roles = names::words(&raw.value.roles, "role", context);
    let scopes = names::words(&raw.value.scopes, "scope", context);
    let list = context.required(raw.value.subjects.as_ref(), "subjects", "`certificate:`", raw.span)?;
    if list.value.is_empty() {
        let help = "name at least one, as in `\"CN=alice\"` or `\"CN=*.devices.shop.example\"`";
        context.error(Code::BadValue, list.span, "no subject is named here, so nobody is taken", help);
    }
    let mut subjects: Vec<Box<str>> = Vec::with_capacity(list.value.len());
    for text in list.value.iter().filter(|text| subject(text, context)) {
        if subjects.iter().any(|other| **other == *text.value) {
            let message = format!("`{}` is listed twice", text.value);
            context.warn(Code::Suspicious, text.span, message, "remove one of them");
            continue;
        }
        subjects.push(text.value.as_str().into());
    }
    Some(CertificateRule { subjects, roles, scopes })
}

/// `CN=name` or `CN=*.name`. The name becomes the user, so it must be able to.
fn subject(text: &Text, context: &Context<'_>) -> bool {
    let value = &text.value;
    let fail = |message: String, help: &str| {
        context.error(Code::BadValue, text.span, message, help);
        false
    };
    let Some(name) = value.strip_prefix("CN=") else {
        let help = "write the common name, as in `\"CN=alice\"`; other parts of a subject are not looked at";
        return fail(format!("`{value}` does not begin with `CN=`"), help);
    };
    let fixed = name.strip_prefix("*.").unwrap_or(name);
    if fixed.contains('*') {
        let message = format!("`{value}`: `*` may only stand for the whole first label");
        return fail(message, "write `\"CN=*.devices.shop.example\"`, or names in full");
    }
    if !names::is_word(fixed) {
        let help = "a user has 1 to 256 visible ASCII characters without space, comma and quotes";
        return fail(format!("`{value}` names nobody who could be a user"), help);
    }
    true
}

/// `auth:` is demanded of every route, so that nothing is public by accident.
pub(super) fn of_route(
    route: &raw::Route,
    file: &raw::File,
    (of, span): (&str, Span),
    context: &Context<'_>,
) -> Option<Auth> {
    let Some(auth) = &route.auth else {
        let message = format!("{of} does not say who may use it");
        context.error(Code::MissingKey, span, message, "add `auth: public` if everybody may");
        return None;
    };
    if auth.value == PUBLIC {
        return Some(Auth::Public);
    }
    let Some(index) = entries(file).iter().position(|(name, _)| name.value == auth.value) else {
        let known: Vec<&str> = std::iter::once(PUBLIC)
            .chain(entries(file).iter().map(|(name, _)| name.value.as_str()))
            .collect();
        let message = format!("there is no entry `{}` under `auth:`", auth.value);
        context.error(Code::UnknownName, auth.span, message, choose(&auth.value, known, "it can be"));
        return None;
    };
    if !asks_for_certificates(file) {
        let message = format!("{of} wants a client certificate, but no listener asks for one");
        let help = "add `client_ca: FILE` to the `tls:` of a listener";
        context.error(Code::Conflict, auth.span, message, help);
    }
    Some(Auth::Provider(index))
}

fn asks_for_certificates(file: &raw::File) -> bool {
    let listeners = file.listeners.iter().flat_map(|list| &list.value);
    listeners.filter_map(|one| one.value.tls.as_ref()).any(|tls| tls.value.client_ca.is_some())
}

/// Whether some route depends on a client certificate.
pub(super) fn is_used(file: &raw::File) -> bool {
    file.routes().iter().filter_map(|route| route.value.auth.as_ref()).any(|auth| auth.value != PUBLIC)
}

/// Warns about entries no route names.
pub(super) fn unused(file: &raw::File, context: &Context<'_>) {
    for (name, _) in entries(file) {
        let mut named = file.routes().iter().filter_map(|route| route.value.auth.as_ref());
        if !named.any(|auth| auth.value == name.value) {
            let message = format!("no route uses entry `{}` of `auth:`", name.value);
            let help = format!("remove it, or write `auth: {}` in a route", name.value);
            context.warn(Code::Suspicious, name.span, message, help);
        }
    }
}
