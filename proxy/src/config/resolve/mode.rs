//! Which sections belong to an edge and which to a sidecar, and what to use instead.

use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::raw;
use crate::config::tree::Span;

/// Reports the sections of the other kind of file.
pub(super) fn check(raw: &raw::File, context: &Context<'_>) {
    if raw.is_sidecar() { sidecar(raw, context) } else { edge(raw, context) }
}

fn sidecar(raw: &raw::File, context: &Context<'_>) {
    let sections: [(&str, Option<Span>, &str); 5] = [
        (
            "listeners",
            raw.listeners.as_ref().map(|at| at.span),
            "use `inbound:` for peers and `outbound:` for the application",
        ),
        (
            "trust",
            raw.trust.as_ref().map(|at| at.span),
            "remove it: peers prove who they are, nobody's word about addresses counts",
        ),
        (
            "auth",
            raw.auth.as_ref().map(|at| at.span),
            "users come with their passport; say under `authorize:` where there must be one",
        ),
        (
            "defaults",
            raw.defaults.as_ref().map(|at| at.span),
            "remove it: a sidecar has no routes; see `inbound:` and `services:`",
        ),
        (
            "routes",
            raw.routes.as_ref().map(|at| at.span),
            "use `authorize:` for who may call, and `services:` with `hosts:` for what the application calls",
        ),
    ];
    for (name, span, help) in sections {
        if let Some(span) = span {
            let message = format!("`{name}:` does not belong in the file of a sidecar");
            context.error(Code::Conflict, span, message, help);
        }
    }
}

fn edge(raw: &raw::File, context: &Context<'_>) {
    let sections: [(&str, Option<Span>, &str); 4] = [
        ("inbound", raw.inbound.as_ref().map(|at| at.span), "use `listeners:`, or add `workload:`"),
        ("outbound", raw.outbound.as_ref().map(|at| at.span), "remove it, or add `workload:`"),
        ("ready", raw.ready.as_ref().map(|at| at.span), "use `admin:`, or add `workload:`"),
        (
            "authorize",
            raw.authorize.as_ref().map(|at| at.span),
            "say `auth:` in each route, or add `workload:`",
        ),
    ];
    for (name, span, help) in sections {
        if let Some(span) = span {
            let message = format!("`{name}:` belongs to a sidecar");
            context.error(Code::Conflict, span, message, help);
        }
    }
}
