//! What can be shown about the configuration as a whole: ambiguous routes, routes no request can reach,
//! services nobody uses.
//!
//! Reachability is shown by asking the route table itself: sample requests are made from a route's own
//! pattern, with segments no other route names; when every one of them goes elsewhere, no request gets here
//! but by accident. It must not know how the table decides.

use super::Config;
use super::context::Context;
use super::diagnostic::Code;
use super::raw;
use super::route::{Fallback, HostPattern, Methods, PathPattern, Predicate, Route, Segment, ValueMatch};
use super::tree::Span;
use crate::route::{BuildError, Found, Head, RouteTable};
use http::{HeaderMap, HeaderValue, Method};

/// Reports ambiguities, and, of a configuration without errors, what is of no use.
pub(super) fn check(raw: &raw::File, config: &Config, context: &Context<'_>) {
    // The routes of a sidecar are made, not written: their hosts were compared when they were.
    if raw.is_sidecar() {
        return unreached(raw, context);
    }
    let table = match RouteTable::build(&config.routes) {
        Ok(table) => table,
        Err(errors) => return errors.iter().for_each(|error| unbuildable(error, raw, context)),
    };
    if context.findings.has_errors() {
        return;
    }
    if config.routes.is_empty() {
        let message = "there are no routes: every request is answered 404";
        let help = "add `routes:`, as in `- { name: all, match: \"* /**\", auth: public, to: SERVICE }`";
        let top = Span { line: 1, column: 1, len: 1 };
        context.warn(Code::NoRoutes, top, message, help);
    }
    shadowed(raw, config, &table, context);
    unused(raw, config, context);
}

fn unbuildable(error: &BuildError, raw: &raw::File, context: &Context<'_>) {
    let (code, at, help) = match error {
        BuildError::Ambiguous(pair) => {
            (Code::AmbiguousRoute, &pair.second, format!("the other route is at line {}", pair.first.line))
        }
        BuildError::Regex { route, .. } => (Code::BadValue, route, "simplify the pattern".to_owned()),
    };
    context.error(code, match_of(raw, at.line), error.to_string(), help);
}

/// The `match:` of the route at a line.
fn match_of(raw: &raw::File, line: usize) -> Span {
    let route = raw.routes().iter().find(|route| route.span.line as usize == line);
    let matched = route.and_then(|route| route.value.r#match.as_ref());
    matched.map(|text| text.span).unwrap_or(Span {
        line: u32::try_from(line).unwrap_or(0),
        column: 1,
        len: 1,
    })
}

fn shadowed(raw: &raw::File, config: &Config, table: &RouteTable, context: &Context<'_>) {
    let depth = config.routes.iter().map(|route| segments(&route.path)).max().unwrap_or_default();
    for ((index, route), written) in config.routes.iter().enumerate().zip(raw.routes()) {
        let Some(winner) =
            taken_by_others(index, route, depth, table).and_then(|winner| config.routes.get(winner))
        else {
            continue;
        };
        let message =
            format!("no request reaches route `{}`: route `{}` takes them first", route.name, winner.name);
        let help = format!(
            "route `{}` is at line {}; remove this one, or make its `match`, `hosts` or `when` more specific",
            winner.name, winner.line
        );
        let span = written.value.r#match.as_ref().map_or(written.span, |text| text.span);
        context.warn(Code::ShadowedRoute, span, message, help);
    }
}

/// Who takes the requests of a route, when it gets none of them itself.
fn taken_by_others(index: usize, route: &Route, depth: usize, table: &RouteTable) -> Option<usize> {
    let (headers, query) = conditions(&route.when);
    let mut winner = None;
    let (methods, hosts) = (methods(&route.methods), hosts(&route.hosts));
    for path in paths(&route.path, depth) {
        for method in &methods {
            for host in &hosts {
                let head = Head { method, host, path: &path, query: query.as_deref(), headers: &headers };
                match table.find(&head) {
                    Found::Match { index: found, .. } if found != index => winner = Some(found),
                    // Its own, or a sample that is not in canonical form: nothing is shown.
                    _ => return None,
                }
            }
        }
    }
    winner
}

/// Segments no sensible file names, of different kinds so that a regex of one kind does not take all.
const SEGMENTS: [&str; 3] = ["zz-no-such-segment", "0000", "%C3%9C_.~"];

fn paths(pattern: &PathPattern, depth: usize) -> Vec<String> {
    match pattern {
        PathPattern::Exact(path) => vec![path.to_string()],
        PathPattern::Template(template) => SEGMENTS.iter().map(|fill| filled(template, fill)).collect(),
        PathPattern::Prefix(prefix) => {
            let own = if prefix.is_empty() { "/".to_owned() } else { prefix.to_string() };
            let below =
                SEGMENTS.iter().flat_map(|fill| [1, depth + 1].map(|count| deeper(prefix, fill, count)));
            std::iter::once(own).chain(below).collect()
        }
        // No sample can be made from a regex.
        PathPattern::Regex(_) => Vec::new(),
    }
}

fn filled(template: &[Segment], fill: &str) -> String {
    let texts = template.iter().map(|segment| match segment {
        Segment::Literal(text) => text,
        Segment::Param(_) => fill,
    });
    texts.fold(String::new(), |path, text| path + "/" + text)
}

fn deeper(prefix: &str, fill: &str, count: usize) -> String {
    (0..count).fold(prefix.to_owned(), |path, _| path + "/" + fill)
}

fn segments(pattern: &PathPattern) -> usize {
    match pattern {
        PathPattern::Exact(path) | PathPattern::Prefix(path) => path.matches('/').count(),
        PathPattern::Template(template) => template.len(),
        PathPattern::Regex(_) => 0,
    }
}

fn methods(methods: &Methods) -> Vec<Method> {
    match methods {
        Methods::These(list) => list.clone(),
        Methods::Any => {
            let mut all = vec![
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
                Method::OPTIONS,
            ];
            all.extend(Method::from_bytes(b"ZZ-NO-SUCH-METHOD"));
            all
        }
    }
}

fn hosts(hosts: &[HostPattern]) -> Vec<String> {
    if hosts.is_empty() {
        return vec!["zz-no-such-host.invalid".to_owned()];
    }
    let host = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(host) => host.to_string(),
        HostPattern::Wildcard(parent) => format!("zz-no-such-label.{parent}"),
    };
    hosts.iter().map(host).collect()
}

/// Headers and a query that fulfil all conditions of a route.
fn conditions(when: &[Predicate]) -> (HeaderMap, Option<String>) {
    let text = |value: &ValueMatch| match value {
        ValueMatch::Present => "zz-no-such-value".to_owned(),
        ValueMatch::Exact(value) => value.to_string(),
    };
    let mut headers = HeaderMap::new();
    let mut query = Vec::new();
    for condition in when {
        match condition {
            Predicate::Header(name, value) => {
                if let Ok(value) = HeaderValue::from_str(&text(value)) {
                    headers.append(name.clone(), value);
                }
            }
            Predicate::Query(name, value) => {
                query.push(format!("{}={}", escaped(name), escaped(&text(value))))
            }
        }
    }
    (headers, (!query.is_empty()).then(|| query.join("&")))
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Services of a sidecar the application has no way to call.
fn unreached(raw: &raw::File, context: &Context<'_>) {
    if raw.outbound.is_some() || context.findings.has_errors() {
        return;
    }
    for (name, _) in raw.services.0.iter().filter(|(_, service)| service.local.is_none()) {
        let message = format!("the application has no way to call service `{}`", name.value);
        let help = "add `outbound:`, or `local: 127.0.0.1:PORT` to the service";
        context.warn(Code::UnusedService, name.span, message, help);
    }
}

fn unused(raw: &raw::File, config: &Config, context: &Context<'_>) {
    let mut used = vec![false; config.services.len()];
    let targets = config.routes.iter().flat_map(|route| route.target.split.iter().map(|(id, _)| id));
    let instead = config.routes.iter().filter_map(|route| match &route.on_open {
        Some(Fallback::Service(id)) => Some(id),
        _ => None,
    });
    for service in targets.chain(instead) {
        if let Some(used) = used.get_mut(service.0) {
            *used = true;
        }
    }
    for ((name, _), _) in raw.services.0.iter().zip(used).filter(|(_, used)| !used) {
        let message = format!("no route goes to service `{}`", name.value);
        context.warn(Code::UnusedService, name.span, message, "remove it, or add a route with this `to:`");
    }
}
