//! `tests:`: requests and what should become of them.

use super::{headers, names, route};
use crate::admission::authenticate::Caller;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::findings::choose;
use crate::config::leaf::{HeaderText, Named};
use crate::config::raw;
use crate::config::tree::{Spanned, Text};
use crate::config::{ConfigTest, Expectation, Route};
use crate::identity::principal::Principal;
use crate::telemetry::outcome::Stage;
use http::Method;
use portcullis_ca::spiffe::SpiffeId;

/// The tests in the order of the file; those that cannot be read are left out. `made` are the routes of the
/// configuration: those of a sidecar stand in no file.
pub(super) fn tests(raw: &raw::File, made: &[Route], context: &Context<'_>) -> Vec<ConfigTest> {
    let written = raw.routes().iter().filter_map(|one| Some(one.value.name.as_ref()?.value.as_str()));
    let routes: Vec<&str> =
        if raw.is_sidecar() { made.iter().map(|one| &*one.name).collect() } else { written.collect() };
    raw.tests.iter().filter_map(|one| test(one, raw, &routes, context)).collect()
}

fn test(
    raw: &Spanned<raw::Test>,
    file: &raw::File,
    routes: &[&str],
    context: &Context<'_>,
) -> Option<ConfigTest> {
    let span = raw.span;
    let raw = &raw.value;
    let of = raw.name.as_ref().map_or_else(|| "a test".to_owned(), |name| format!("test `{}`", name.value));
    let name = context.required(raw.name.as_ref(), "name", &of, span);
    let send = context.required(raw.send.as_ref(), "send", &of, span).and_then(|text| send(text, context));
    let expect = context.required(raw.expect.as_ref(), "expect", &of, span);
    let expect = expect.map(|expect| expectation(expect, routes, context));
    let headers = pairs(&raw.headers, context);
    let from = raw.from.as_ref().map(|text| from(text, file, context));
    let caller = raw.r#as.as_ref().map(|user| caller(user, context));
    let (method, target) = send?;
    Some(ConfigTest {
        name: name?.value.clone(),
        method,
        target,
        host: raw.host.as_ref().map(|host| host.value.clone()),
        headers,
        from: match from {
            Some(from) => Some(from?),
            None => None,
        },
        caller: match caller {
            Some(caller) => Some(caller?),
            None => None,
        },
        expect: expect?,
        line: span.line as usize,
    })
}

/// The peer that sends it. An edge is not called by peers.
fn from(text: &Text, file: &raw::File, context: &Context<'_>) -> Option<SpiffeId> {
    if !file.is_sidecar() {
        let message = "`from` belongs to a sidecar: an edge is called by clients outside";
        context.error(Code::Conflict, text.span, message, "remove it");
    }
    names::spiffe_id(text, context)
}

fn caller(raw: &Spanned<raw::As>, context: &Context<'_>) -> Option<Caller> {
    let roles = names::words(&raw.value.roles, "role", context);
    let scopes = names::words(&raw.value.scopes, "scope", context);
    let user = context.required(raw.value.user.as_ref(), "user", "`as:`", raw.span)?;
    let tier = raw.value.tier.as_ref().map(|tier| tier.value.as_str().into());
    let claims = raw.value.claims.0.iter();
    let claims = claims.map(|(name, value)| (name.value.as_str().into(), value.0.value.as_str().into()));
    let principal = Principal { user: user.value.as_str().into(), roles, scopes };
    names::word(user, "user", context).then(|| Caller {
        principal,
        tier,
        claims: claims.collect(),
        ..Caller::default()
    })
}

/// `METHOD /target`.
fn send(text: &Text, context: &Context<'_>) -> Option<(Method, String)> {
    let value = text.value.trim();
    let parts: Vec<&str> = value.split_whitespace().collect();
    let [name, target] = parts.as_slice() else {
        let message = format!("`{value}` is not a request");
        context.error(
            Code::BadValue,
            text.span,
            message,
            "write a method and a target, as in `POST /orders?dry=1`",
        );
        return None;
    };
    if !target.starts_with('/') {
        let message = format!("`{target}` is not a target: it starts with `/`");
        context.error(Code::BadValue, text.span, message, "the host stands under `host:`");
        return None;
    }
    Some((route::method(name, text, context)?, (*target).to_owned()))
}

fn expectation(raw: &Spanned<raw::Expect>, routes: &[&str], context: &Context<'_>) -> Expectation {
    let span = raw.span;
    let raw = &raw.value;
    if let Some(status) = raw.status.as_ref().filter(|status| !(100..=599).contains(&status.value)) {
        let message = format!("{} is not a status", status.value);
        context.error(
            Code::BadValue,
            status.span,
            message,
            "from 100 to 599; 200 stands for \"would be forwarded\"",
        );
    }
    if let Some(stage) = &raw.stage {
        known(stage, &STAGES.map(Stage::word), "stage", context);
    }
    if let Some(route) = &raw.route {
        known(route, routes, "route", context);
    }
    if let Some(service) = &raw.service {
        let _ = context.service(service);
    }
    let text = |field: &Option<Text>| field.as_ref().map(|text| text.value.clone());
    let absent = raw.upstream_headers.absent.iter().filter(|name| headers::name(name, context).is_some());
    let expect = Expectation {
        status: raw.status.as_ref().map(|status| status.value),
        stage: text(&raw.stage),
        route: text(&raw.route),
        service: text(&raw.service),
        upstream_path: text(&raw.path),
        absent: absent.map(|name| name.value.clone()).collect(),
        present: pairs(&raw.upstream_headers.present, context),
    };
    if expect == Expectation::default() {
        let help = "say at least one of: status, stage, route, service, path, upstream_headers";
        context.error(Code::MissingKey, span, "this test demands nothing", help);
    }
    expect
}

/// Every stage a request can end in.
const STAGES: [Stage; 15] = [
    Stage::Gate,
    Stage::Exchange,
    Stage::Overload,
    Stage::Path,
    Stage::Route,
    Stage::Address,
    Stage::Authn,
    Stage::Authz,
    Stage::Limit,
    Stage::Body,
    Stage::Balance,
    Stage::Connect,
    Stage::Send,
    Stage::Response,
    Stage::Done,
];

fn known(word: &Text, names: &[&str], what: &str, context: &Context<'_>) {
    if !names.contains(&word.value.as_str()) {
        let message = format!("there is no {what} `{}`", word.value);
        context.error(
            Code::UnknownName,
            word.span,
            message,
            choose(&word.value, names.iter().copied(), &format!("{what}s")),
        );
    }
}

fn pairs(raw: &Named<HeaderText>, context: &Context<'_>) -> Vec<(String, String)> {
    let named = raw.0.iter().filter(|(name, _)| headers::name(name, context).is_some());
    named.map(|(name, value)| (name.value.clone(), value.0.value.clone())).collect()
}
