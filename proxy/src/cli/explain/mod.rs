//! `portcullis explain`: what would become of a request, stage by stage, without sending it.

mod callers;
mod services;

use crate::admission::authorize;
use crate::admission::path::CanonicalPath;
use crate::cli::decide::{Asked, Deciding, Decision};
use crate::cli::{ExplainArgs, REFUSED, complain, print, unsound, warn};
use crate::config::{self, Config, Route};
use crate::pipeline::admit::Admitted;
use crate::pipeline::reject::Rejection;
use crate::route::{Head, RouteTable};
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

/// Explains one request.
pub fn run(args: ExplainArgs) -> ExitCode {
    let loaded = match config::load(&args.config) {
        Ok(loaded) => loaded,
        Err(problems) => return unsound(&problems),
    };
    warn(&loaded.warnings);
    let Some(deciding) = Deciding::new(loaded.config) else { return ExitCode::FAILURE };
    let asked = Asked::parse(&args.request, args.host.as_deref(), &deciding.config);
    let decided = asked.and_then(|mut asked| {
        asked.headers = args.headers;
        asked.from = args.from;
        asked.caller = args.caller.map(Arc::new);
        let decision = asked.decide(&deciding)?;
        Ok((asked, decision))
    });
    match decided {
        Ok((asked, decision)) => {
            print(&tell(&deciding, &asked, &decision));
            if decision.result.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) }
        }
        Err(error) => {
            complain(&format!("error: {error}\n"));
            ExitCode::from(2)
        }
    }
}

fn tell(deciding: &Deciding, asked: &Asked, decision: &Decision) -> String {
    let config = &deciding.config;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "request    {} {} (host {})", asked.method, asked.target, asked.host);
    let known = &decision.known;
    let came = known.target.as_ref().and_then(|target| CanonicalPath::parse(target.path()).ok());
    if let Some(path) = &came {
        let _ = writeln!(text, "path       {}", path.as_str());
    }
    tell_candidates(config, deciding.tables.of(asked.role(config)), (asked, decision), &mut text);
    tell_rules(deciding, asked, decision, &mut text);
    callers::tell(config, asked, decision, &mut text);
    match &decision.result {
        Ok(admitted) => tell_forwarding(config, decision, admitted, &mut text),
        Err(rejection) => tell_refusal(rejection, &mut text),
    }
    text
}

fn tell_candidates(
    config: &Config,
    table: &RouteTable,
    (asked, decision): (&Asked, &Decision),
    text: &mut String,
) {
    let (path, query) = asked.target.split_once('?').map_or((&*asked.target, None), |(p, q)| (p, Some(q)));
    let Ok(canonical) = CanonicalPath::parse(path) else { return };
    let head = Head {
        method: &asked.method,
        host: &decision.known.host,
        path: canonical.as_str(),
        query,
        headers: &decision.head.headers,
    };
    let _ = text.write_str("routes\n");
    for candidate in table.explain(&head) {
        let _ = writeln!(
            text,
            "           {}",
            [named(config, candidate.index), candidate.sentence(&config.routes)].join(": ")
        );
    }
}

/// Which rule decides, or what is missing to the nearest one.
fn tell_rules(deciding: &Deciding, asked: &Asked, decision: &Decision, text: &mut String) {
    let Some(_) = decision.known.decision else { return };
    let came = decision.known.target.as_ref().and_then(|target| CanonicalPath::parse(target.path()).ok());
    let question = authorize::Asked {
        peer: asked.from.as_ref(),
        method: &asked.method,
        path: came.as_ref().map(CanonicalPath::as_str),
        principal: asked.caller.as_ref().map(|caller| &caller.principal),
    };
    let _ = text.write_str("rules\n");
    for line in authorize::explain(&deciding.policy, &question).to_string().lines() {
        let _ = writeln!(text, "           {line}");
    }
}

/// How the route wants to know who asks.
fn auth(config: &Config, route: &Route) -> String {
    if config.sidecar.is_some() {
        return "by the rules".to_owned();
    }
    let named = |index: &usize| config.auth.get(*index).map(|provider| &*provider.name);
    let mut names: Vec<&str> = route.auth.providers.iter().filter_map(named).collect();
    names.extend(route.auth.anonymous.then_some("public"));
    names.join(" or ")
}

fn named(config: &Config, index: usize) -> String {
    config.routes.get(index).map_or_else(String::new, |route| route.name.to_string())
}

fn tell_forwarding(config: &Config, decision: &Decision, admitted: &Admitted, text: &mut String) {
    let Some(route) = config.routes.get(admitted.way.route) else { return };
    let _ = writeln!(text, "route      {} (line {}), auth: {}", route.name, route.line, auth(config, route));
    if let Some(service) = config.services.get(admitted.way.service.0) {
        services::tell(config, route, service, text);
    }
    if route.target.split.len() > 1 {
        let _ = text.write_str("split      this is one side; `sticky:` and chance decide for each caller\n");
    }
    let most = route.max_body.map_or_else(|| "unlimited".to_owned(), |bytes| format!("{bytes} bytes"));
    let _ = writeln!(text, "body       {most}");
    let host = String::from_utf8_lossy(admitted.host.as_bytes());
    let _ = writeln!(text, "upstream   {} {} (host {host})", decision.known.method, admitted.way.target);
    for (name, value) in &decision.head.headers {
        let _ = writeln!(text, "           {name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    let _ = text.write_str("verdict    forwarded\n");
}

fn tell_refusal(rejection: &Rejection, text: &mut String) {
    let row = rejection.row();
    let _ = writeln!(text, "verdict    {} at stage {}: {}", row.status.as_u16(), row.stage.word(), row.title);
    let why = [row.reason, rejection.detail()].join(": ");
    let _ = writeln!(text, "           {}", why.trim());
}
