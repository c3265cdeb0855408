//! `authorize:`: who may call the workload. No regex, no negation, no prefix of half a segment.

use super::{names, route};
use crate::config::authorize::{Effect, Peers, Rule, User};
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::mesh::{Level, Mesh, Source};
use crate::config::raw;
use crate::config::route::{Methods, PathPattern};
use crate::config::tree::{Span, Spanned, Text};
use crate::route::path;
use portcullis_ca::spiffe::{SpiffeId, TrustDomain};
use std::collections::HashMap;
use std::sync::Arc;

/// The rules in the order of the file; `tcp`: the workload takes bytes, so there is nothing but peers to decide on.
pub(super) fn rules(raw: &raw::File, tcp: bool, context: &Context<'_>) -> Vec<Rule> {
    let list = raw.authorize.as_ref().map(|list| list.value.as_slice()).unwrap_or_default();
    unique_ids(list, context);
    list.iter().filter_map(|one| rule(one, tcp, context)).collect()
}

fn unique_ids(rules: &[Spanned<raw::Rule>], context: &Context<'_>) {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    for id in rules.iter().filter_map(|rule| rule.value.id.as_ref()) {
        if let Some(line) = seen.insert(&id.value, id.span.line) {
            let message = format!("two rules are called `{}`", id.value);
            let help = format!("the other is at line {line}; rename one");
            context.error(Code::DuplicateName, id.span, message, help);
        }
    }
}

fn rule(raw: &Spanned<raw::Rule>, tcp: bool, context: &Context<'_>) -> Option<Rule> {
    let span = raw.span;
    let raw = &raw.value;
    let of = raw.id.as_ref().map_or_else(|| "a rule".to_owned(), |id| format!("rule `{}`", id.value));
    let id = context.required(raw.id.as_ref(), "id", &of, span);
    if let Some(id) = id {
        context.name(id, "a rule");
    }
    let from = context.required(raw.from.as_ref(), "from", &of, span);
    let from = from.map(|from| peers(from, context)).unwrap_or_default();
    if tcp {
        only_peers(raw, &of, context);
    }
    let scopes = raw.scopes.as_ref().map(|list| names::words(&list.value, "scope", context));
    let (methods, paths) = to(raw.to.as_ref(), context)?;
    Some(Rule {
        id: Arc::from(id?.value.as_str()),
        line: span.line as usize,
        effect: effect(raw),
        audit: is_audit(raw),
        from,
        methods,
        paths,
        user: user(raw, context),
        scopes: scopes.unwrap_or_default(),
    })
}

fn effect(raw: &raw::Rule) -> Effect {
    if raw.deny.as_ref().is_some_and(|deny| deny.value) { Effect::Deny } else { Effect::Allow }
}

fn is_audit(raw: &raw::Rule) -> bool {
    raw.mode.as_ref().is_some_and(|mode| mode.value == raw::Mode::Audit)
}

/// A stream of bytes has no method, path or user: a rule that wants one would never fit.
fn only_peers(raw: &raw::Rule, of: &str, context: &Context<'_>) {
    let to = raw.to.as_ref().map(|to| &to.value);
    let methods = to.and_then(|to| to.methods.as_ref()).map(|list| ("methods", list.span));
    let paths = to.and_then(|to| to.paths.as_ref()).map(|list| ("paths", list.span));
    let user = raw.user.as_ref().map(|user| ("user", user.span));
    let scopes = raw.scopes.as_ref().map(|list| ("scopes", list.span));
    for (key, span) in [methods, paths, user, scopes].into_iter().flatten() {
        let message = format!("{of} asks for `{key}`, but the workload speaks tcp, which has none");
        context.error(Code::Conflict, span, message, "remove it: for tcp, peers alone decide");
    }
}

fn peers(raw: &Spanned<Vec<Text>>, context: &Context<'_>) -> Vec<Peers> {
    if raw.value.is_empty() {
        let help = format!("name at least one peer, {}", names::example(context));
        context.error(Code::BadValue, raw.span, "nobody is named here, so the rule never fits", help);
    }
    let mut all: Vec<Peers> = Vec::with_capacity(raw.value.len());
    for text in &raw.value {
        let Some(peers) = peers_of(text, context) else { continue };
        if all.contains(&peers) {
            let message = format!("`{}` is listed twice", text.value);
            context.warn(Code::Suspicious, text.span, message, "remove one of them");
            continue;
        }
        all.push(peers);
    }
    all
}

/// An ID, or `spiffe://td/a/*` for those with one more segment.
fn peers_of(text: &Text, context: &Context<'_>) -> Option<Peers> {
    let Some(parent) = text.value.strip_suffix("/*").filter(|parent| !parent.contains('*')) else {
        if text.value.contains('*') {
            let domain = context.trust_domain().map_or("shop.example", TrustDomain::as_str);
            let message = format!("`{}`: `*` may only stand for the whole last segment", text.value);
            let help = format!("write whole identities, or `spiffe://{domain}/svc/*`");
            context.error(Code::BadValue, text.span, message, help);
            return None;
        }
        return names::spiffe_id(text, context).map(Peers::One);
    };
    match parent.parse::<SpiffeId>() {
        Ok(id) if names::in_domain(&id, text, context) => {
            Some(Peers::Below(id.trust_domain().clone(), format!("{}/", id.path()).into()))
        }
        Ok(_) => None,
        Err(error) => {
            let message = format!("`{}` is not a SPIFFE ID: {error}", text.value);
            let help = format!("write it in full, {}", names::example(context));
            context.error(Code::BadValue, text.span, message, help);
            None
        }
    }
}

fn to(raw: Option<&Spanned<raw::To>>, context: &Context<'_>) -> Option<(Methods, Vec<PathPattern>)> {
    let Some(to) = raw else { return Some((Methods::Any, Vec::new())) };
    if to.value.methods.is_none() && to.value.paths.is_none() {
        let message = "`to:` says neither methods nor paths";
        context.error(Code::MissingKey, to.span, message, "leave `to` out to mean every request");
    }
    let methods = to.value.methods.as_ref().map_or(Some(Methods::Any), |list| methods(list, context));
    let paths = to.value.paths.as_ref().map(|list| paths(list, context)).unwrap_or_default();
    Some((methods?, paths))
}

fn methods(raw: &Spanned<Vec<Text>>, context: &Context<'_>) -> Option<Methods> {
    if raw.value.is_empty() {
        none_named(raw.span, "method", "methods", context);
    }
    let mut methods = Vec::with_capacity(raw.value.len());
    for text in &raw.value {
        if text.value == "*" {
            let message = "`*` is not a method";
            context.error(Code::BadValue, text.span, message, "leave `methods` out to mean every method");
            return None;
        }
        let method = route::method(&text.value, text, context)?;
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    Some(Methods::These(methods))
}

fn paths(raw: &Spanned<Vec<Text>>, context: &Context<'_>) -> Vec<PathPattern> {
    if raw.value.is_empty() {
        none_named(raw.span, "path", "paths", context);
    }
    let mut paths: Vec<PathPattern> = Vec::with_capacity(raw.value.len());
    for text in &raw.value {
        let Some(pattern) = pattern(text, context) else { continue };
        if paths.contains(&pattern) {
            let message = format!("path `{}` is listed twice", text.value);
            context.warn(Code::Suspicious, text.span, message, "remove one of them");
            continue;
        }
        paths.push(pattern);
    }
    paths
}

fn none_named(span: Span, one: &str, key: &str, context: &Context<'_>) {
    let message = format!("no {one} is named here, so the rule never fits");
    context.error(Code::BadValue, span, message, format!("leave `{key}` out to mean every {one}"));
}

/// A pattern of routes, but no regex: what a rule guards must be plain to see.
fn pattern(text: &Text, context: &Context<'_>) -> Option<PathPattern> {
    let help = "patterns are `/a/b`, `/a/{name}/b`, `/a/*/b` and `/a/**`";
    if text.value.starts_with('~') {
        let message = format!("`{}` is a regex, which rules do not take", text.value);
        context.error(Code::BadValue, text.span, message, help);
        return None;
    }
    match path::parse_pattern(&text.value) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let message = format!("`{}` is not a path pattern: {error}", text.value);
            context.error(Code::BadValue, text.span, message, help);
            None
        }
    }
}

/// Scopes belong to a user: a rule with scopes wants one.
fn user(raw: &raw::Rule, context: &Context<'_>) -> User {
    let scoped = raw.scopes.as_ref().filter(|scopes| !scopes.value.is_empty());
    match (raw.user.as_ref().map(|user| (user.value, user.span)), scoped) {
        (Some((raw::UserRule::Forbidden, _)), Some(scopes)) => {
            let message = "scopes belong to a user, and this rule forbids one: it never fits";
            context.error(Code::Conflict, scopes.span, message, "remove `scopes`, or write `user: required`");
            User::Forbidden
        }
        (Some((raw::UserRule::Forbidden, _)), None) => User::Forbidden,
        (Some((raw::UserRule::Optional, span)), Some(_)) => {
            let message = "`scopes` demand a user, so there is nothing optional about it";
            context.warn(Code::Suspicious, span, message, "write `user: required`");
            User::Required
        }
        (Some((raw::UserRule::Required, _)), _) | (None, Some(_)) => User::Required,
        (Some((raw::UserRule::Optional, _)) | None, None) => User::Optional,
    }
}

/// Warns about rules that let nobody in, and about users nobody can introduce.
pub(super) fn of_any_use(raw: &raw::File, mesh: Option<&Mesh>, context: &Context<'_>) {
    let mut written = raw.authorize.iter().flat_map(|list| &list.value);
    if !written.any(|rule| effect(&rule.value) == Effect::Allow && !is_audit(&rule.value)) {
        let message = "no rule under `authorize:` allows anything: nobody may call the workload";
        let help = "add one, as in `- { id: edge, from: [spiffe://TRUST-DOMAIN/edge] }`";
        let top = Span { line: 1, column: 1, len: 1 };
        let span = raw.authorize.as_ref().map_or(top, |list| list.span);
        context.warn(Code::NobodyAllowed, span, message, help);
    }
    let Some(why) = mesh.and_then(no_users) else { return };
    let written = raw.authorize.iter().flat_map(|list| &list.value);
    for one in written.filter(|one| demands_user(&one.value)) {
        let span = one.value.user.as_ref().map_or(one.span, |user| user.span);
        let message = format!("this rule demands a user, and {why}: it never fits");
        context.warn(
            Code::Suspicious,
            span,
            message,
            "remove the demand, or change `identity:` under `mesh:`",
        );
    }
}

fn demands_user(rule: &raw::Rule) -> bool {
    let required = rule.user.as_ref().is_some_and(|user| user.value == raw::UserRule::Required);
    required || rule.scopes.as_ref().is_some_and(|scopes| !scopes.value.is_empty())
}

/// Why there can be no users at all.
fn no_users(mesh: &Mesh) -> Option<&'static str> {
    match (&mesh.source, mesh.level) {
        (_, Level::None) => Some("`level: none` knows none"),
        (Source::Files { .. }, _) if mesh.assert.is_empty() => {
            Some("with `svid` nobody may introduce one unless `assert` says so")
        }
        _ => None,
    }
}
