//! Which pages there are and what they answer.

use super::bind::Reach;
use super::context::{AdminContext, ReloadRefused, Scrape, Site, State};
use super::door;
use super::redact::redact;
use super::reply::{Problem, Reply, json, reply, text};
use super::table::{Row, table};
use crate::resilience::breaker::Forced;
use crate::telemetry::metrics::Format;
use http::header::ACCEPT;
use http::request::Parts;
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

const READ: &str = "GET, HEAD";
const WRITE: &str = "POST";
const BOTH: &str = "GET, HEAD, POST";

/// A page: its path, what it answers, the methods it takes, and a sentence about it.
type Page = (&'static str, Endpoint, &'static str, &'static str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Help,
    Live,
    Ready,
    Metrics,
    ConfigDump,
    Routes,
    Clusters,
    Breakers,
    Listeners,
    ServerInfo,
    Logging,
    Reload,
    Drain,
}

const PAGES: [Page; 13] = [
    ("/", Endpoint::Help, READ, "This page."),
    ("/live", Endpoint::Live, READ, "200 as long as the process runs."),
    ("/ready", Endpoint::Ready, READ, "200 while traffic is welcome, 503 while starting or draining."),
    ("/metrics", Endpoint::Metrics, READ, "Metrics for Prometheus, OpenMetrics when asked for."),
    ("/config_dump", Endpoint::ConfigDump, READ, "The configuration in effect, secrets hidden."),
    ("/routes", Endpoint::Routes, READ, "Routes in the order they are matched (?format=text for a table)."),
    ("/clusters", Endpoint::Clusters, READ, "Services and their endpoints (?format=text for a table)."),
    (
        "/breakers",
        Endpoint::Breakers,
        BOTH,
        "Circuit breakers; POST ?service=NAME&set=open|closed|auto orders one.",
    ),
    ("/listeners", Endpoint::Listeners, READ, "Listeners and their real ports (?format=text for a table)."),
    ("/server_info", Endpoint::ServerInfo, READ, "Version and state of this process."),
    ("/logging", Endpoint::Logging, BOTH, "The level of the log; POST ?level=debug changes it."),
    (
        "/reload",
        Endpoint::Reload,
        WRITE,
        "Reads the configuration again; 422 and the reasons when it is refused.",
    ),
    ("/drain", Endpoint::Drain, WRITE, "Begins to shut down, as SIGTERM does."),
];

/// Answers one request; its body has been read away.
pub(super) async fn answer(site: &Site, reach: Reach, request: &Parts) -> Reply {
    let answered = match site {
        Site::Admin(context) => admin(context, reach, request).await,
        Site::Metrics(scrape) => metrics_only(scrape, reach, request),
        Site::Ready(site) => super::ready::answer(site, request),
    };
    answered.unwrap_or_else(Problem::reply)
}

async fn admin(context: &AdminContext, reach: Reach, request: &Parts) -> Result<Reply, Problem> {
    door::check_host(reach, &request.uri, &request.headers).map_err(Problem::Door)?;
    let page = PAGES.iter().find(|page| page.0 == request.uri.path());
    // Probes of an orchestrator have no token, and what they learn is no secret.
    let open = page.is_some_and(|page| matches!(page.1, Endpoint::Live | Endpoint::Ready));
    if !open {
        door::check_token(context.token.as_deref(), &request.headers).map_err(Problem::Door)?;
    }
    let Some((_, endpoint, allow, _)) = page else { return Err(Problem::NotFound) };
    if !takes(allow, &request.method) {
        return Err(Problem::Method(allow));
    }
    if request.method == Method::POST {
        door::check_origin(&request.headers).map_err(Problem::Door)?;
        return change(context, *endpoint, request).await;
    }
    show(context, *endpoint, request)
}

/// A listener for scrapers: the Host is checked only where a browser could be tricked into reaching it.
fn metrics_only(scrape: &Scrape, reach: Reach, request: &Parts) -> Result<Reply, Problem> {
    if !matches!(reach, Reach::Tcp(bound) if !bound.is_loopback()) {
        door::check_host(reach, &request.uri, &request.headers).map_err(Problem::Door)?;
    }
    if request.uri.path() != "/metrics" {
        return Err(Problem::NotFound);
    }
    if !takes(READ, &request.method) {
        return Err(Problem::Method(READ));
    }
    Ok(metrics(scrape, request))
}

fn takes(allow: &str, method: &Method) -> bool {
    allow.split(", ").any(|allowed| allowed == method.as_str())
}

fn show(context: &AdminContext, endpoint: Endpoint, request: &Parts) -> Result<Reply, Problem> {
    let ok = StatusCode::OK;
    Ok(match endpoint {
        Endpoint::Help => text(ok, &help()),
        Endpoint::Live => text(ok, "live"),
        Endpoint::Ready => ready(context.lifecycle.state()),
        Endpoint::Metrics => metrics(&context.metrics, request),
        Endpoint::ConfigDump => json(ok, &redacted((context.config_dump)())),
        Endpoint::Routes => rows("routes", &(context.routes)(), request)?,
        Endpoint::Clusters => rows("clusters", &(context.clusters)(), request)?,
        Endpoint::Breakers if parameter(request, "set").is_some() => return Err(Problem::Method(WRITE)),
        Endpoint::Breakers => rows("breakers", &(context.breakers)(), request)?,
        Endpoint::Listeners => rows("listeners", &(context.listeners)(), request)?,
        Endpoint::ServerInfo => json(ok, &server_info(context)),
        // Somebody means to change it with the wrong method: saying the old level would look like success.
        Endpoint::Logging if parameter(request, "level").is_some() => return Err(Problem::Method(WRITE)),
        Endpoint::Logging => level(context, None)?,
        Endpoint::Reload | Endpoint::Drain => return Err(Problem::Method(WRITE)),
    })
}

async fn change(context: &AdminContext, endpoint: Endpoint, request: &Parts) -> Result<Reply, Problem> {
    match endpoint {
        Endpoint::Logging => match parameter(request, "level") {
            Some(wanted) => level(context, Some(&wanted)),
            None => Err(Problem::Parameter("?level= is needed".to_owned())),
        },
        Endpoint::Breakers => set_breaker(context, request),
        Endpoint::Reload => reload(context).await,
        Endpoint::Drain => {
            tracing::info!("drain asked for by the admin listener");
            (context.drain)();
            Ok(json(StatusCode::ACCEPTED, &json!({ "result": "draining" })))
        }
        _ => Err(Problem::Method(READ)),
    }
}

/// Orders a breaker, or lets it decide again by itself.
fn set_breaker(context: &AdminContext, request: &Parts) -> Result<Reply, Problem> {
    let needed = || Problem::Parameter("?service=NAME&set=open, closed or auto is needed".to_owned());
    let service = parameter(request, "service").ok_or_else(needed)?;
    let wanted = parameter(request, "set").ok_or_else(needed)?;
    let forced = match wanted.as_str() {
        "open" => Some(Forced::Open),
        "closed" => Some(Forced::Closed),
        "auto" => None,
        _ => return Err(needed()),
    };
    if !(context.set_breaker)(&service, forced) {
        return Err(Problem::NoBreaker(service));
    }
    tracing::warn!(
        event = "breaker_ordered",
        service,
        set = wanted,
        "a breaker was ordered by the admin listener"
    );
    Ok(json(StatusCode::OK, &json!({ "service": service, "set": wanted })))
}

async fn reload(context: &AdminContext) -> Result<Reply, Problem> {
    // A task of its own: a client that hangs up must not leave a reload half done.
    match tokio::task::spawn_local((context.reload)()).await {
        Ok(Ok(())) => Ok(json(StatusCode::OK, &json!({ "result": "applied" }))),
        Ok(Err(ReloadRefused { diagnostics })) => Err(Problem::ReloadRefused(diagnostics)),
        Err(failed) => Err(Problem::ReloadRefused(vec![failed.to_string()])),
    }
}

fn help() -> String {
    let line = |page: &Page| format!("{:<13} {:<15} {}\n", page.0, page.2, page.3);
    format!("portcullis admin\n\n{}", PAGES.iter().map(line).collect::<String>())
}

fn ready(state: State) -> Reply {
    let status = if state == State::Ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(status, state.word())
}

fn metrics(scrape: &Scrape, request: &Parts) -> Reply {
    let format = Format::accepted(request.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    reply(StatusCode::OK, format.content_type(), scrape(format))
}

fn redacted(mut dump: Value) -> Value {
    redact(&mut dump);
    dump
}

fn server_info(context: &AdminContext) -> Value {
    let mut info = redacted((context.server_info)());
    if let Some(info) = info.as_object_mut() {
        info.insert("state".to_owned(), context.lifecycle.state().word().into());
    }
    info
}

fn level(context: &AdminContext, wanted: Option<&str>) -> Result<Reply, Problem> {
    let level = (context.log_level)(wanted).map_err(|bad| Problem::Parameter(bad.to_string()))?;
    if wanted.is_some() {
        tracing::info!(level, "log level changed by the admin listener");
    }
    Ok(json(StatusCode::OK, &json!({ "level": level })))
}

fn rows<R: Row + Serialize>(name: &str, rows: &[R], request: &Parts) -> Result<Reply, Problem> {
    match parameter(request, "format").as_deref() {
        None | Some("json") => Ok(json(StatusCode::OK, &json!({ name: rows }))),
        Some("text") => Ok(text(StatusCode::OK, &table(rows))),
        Some(_) => Err(Problem::Parameter("format is json or text".to_owned())),
    }
}

/// A parameter of the query, percent-decoded.
fn parameter(request: &Parts, name: &str) -> Option<String> {
    let query = request.uri.query()?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(decoded(value))
}

fn decoded(value: &str) -> String {
    let mut parts = value.split('%');
    let mut out: Vec<u8> = parts.next().unwrap_or_default().into();
    for part in parts {
        match part.split_at_checked(2).map(|(hex, rest)| (u8::from_str_radix(hex, 16), rest)) {
            Some((Ok(byte), rest)) => {
                out.push(byte);
                out.extend_from_slice(rest.as_bytes());
            }
            _ => {
                out.push(b'%');
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
