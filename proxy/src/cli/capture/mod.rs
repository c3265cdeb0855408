//! `portcullis sidecar capture`: the kernel's rules that hand connections to the sidecar: on, off, status, print.
//!
//! | exit code | meaning |
//! |--|--|
//! | 0 | done; `status`: there is a capture, and it is complete |
//! | 1 | it failed, and rules that were put there are gone again; `status`: there is none, or it is not complete |
//! | 2 | the command line is wrong |

mod args;
mod plan;

pub use args::{CaptureArgs, CaptureCommand, OffArgs, OnArgs, PlanArgs, Tool};

use super::{complain, print};
use crate::capture::apply::{ApplyError, Kind, Tools};
use crate::capture::check::{self, Report};
use crate::capture::found::{Seen, State};
use crate::capture::rules::Family;
use crate::capture::{Incoming, Plan, iptables, nft};
use crate::config::{self, Problems};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why a command ends early.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("say --config FILE or --outbound PORT")]
    NoPlan,
    #[error("say --config FILE or --name NAME")]
    NoName,
    #[error("{0}")]
    Unsound(Problems),
    #[error("{}: not the configuration of a sidecar: it has no `workload:`", .0.display())]
    NoSidecar(PathBuf),
    #[error("{}: nothing is to be captured. Write `outbound: {{ bind: 127.0.0.1:15101, capture: redirect }}`", .0.display())]
    NoCapture(PathBuf),
    #[error("outbound.bind is {0}, but the kernel hands connections to 127.0.0.1 and [::1]")]
    NotLoopback(SocketAddr),
    #[error("{0}")]
    Tool(#[from] ApplyError),
    #[error("{0}\nThe rules are taken back.{1}")]
    Useless(check::CheckError, String),
}

impl From<Problems> for Ended {
    fn from(problems: Problems) -> Self {
        Self::Unsound(problems)
    }
}

/// Does what was asked.
pub fn run(args: &CaptureArgs) -> ExitCode {
    let done = match &args.command {
        CaptureCommand::On(args) => on(args),
        CaptureCommand::Off(args) => off(args),
        CaptureCommand::Status(args) => status(args),
        CaptureCommand::Print(args) => written(args),
    };
    match done {
        Ok(code) => code,
        Err(ended) => {
            complain(&format!("error: {ended}\n"));
            if matches!(ended, Ended::NoPlan | Ended::NoName) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn on(args: &OnArgs) -> Result<ExitCode, Ended> {
    let plan = args.plan.plan()?.ok_or(Ended::NoPlan)?;
    let tools = Tools::find(args.plan.with.map(Kind::from))?;
    let seen = tools.on(&plan)?;
    let mut text = String::new();
    for one in &seen {
        // Writing to a String does not fail.
        let _ =
            writeln!(text, "on: {}: {}, {}: {}", plan.name, one.place, one.state(Some(&plan)), does(&plan));
    }
    if !args.untested {
        let probes = if args.probe.is_empty() { &check::TARGETS } else { args.probe.as_slice() };
        match check::check(&plan, probes) {
            Ok(report) => text.push_str(&told(&plan, &report)),
            Err(error) => return Err(take_back(&tools, &plan, error)),
        }
    }
    print(&text);
    Ok(ExitCode::SUCCESS)
}

fn take_back(tools: &Tools, plan: &Plan, error: check::CheckError) -> Ended {
    let mut more = String::new();
    if let Err(kept) = tools.off(&plan.name) {
        let _ = write!(more, " That failed, so see to it: {kept}");
    }
    let others = tools.seen().unwrap_or_default();
    for other in others.iter().filter(|seen| !seen.is_of(&plan.name)) {
        let _ = write!(
            more,
            "\nAnother capture is on here, and may come first: {} ({})",
            other.owner, other.place
        );
    }
    Ended::Useless(error, more)
}

fn does(plan: &Plan) -> String {
    let incoming = plan.inbound.map_or_else(String::new, |Incoming { app, port }| {
        format!("; incoming TCP for port {app} goes to port {port}")
    });
    format!("outgoing TCP goes to port {} on loopback{incoming}", plan.outbound)
}

fn told(plan: &Plan, report: &Report) -> String {
    let mut text = String::new();
    for target in &report.proved {
        let _ = writeln!(
            text,
            "tried: a connection to {target} arrives at port {}; with the mark {:#x} it does not",
            plan.outbound, plan.exempt.mark
        );
    }
    for (target, why) in &report.untested {
        let _ = writeln!(text, "not tried: {target}: {why}");
    }
    for end in &report.nobody {
        let _ =
            writeln!(text, "note: nobody listens on {end} yet; until then what is captured to it is refused");
    }
    text
}

fn off(args: &OffArgs) -> Result<ExitCode, Ended> {
    let name = match (&args.name, &args.config) {
        (Some(name), _) => name.clone(),
        (None, Some(file)) => plan::name_of(file, &config::load(file)?.config)?,
        (None, None) => return Err(Ended::NoName),
    };
    let gone = Tools::find(args.with.map(Kind::from))?.off(&name)?;
    let mut text = String::new();
    for one in &gone {
        let _ = writeln!(text, "off: {name}: removed {}", one.place);
    }
    print(if gone.is_empty() { "off: there was nothing to remove\n" } else { &text });
    Ok(ExitCode::SUCCESS)
}

fn status(args: &PlanArgs) -> Result<ExitCode, Ended> {
    let plan = args.plan()?;
    let name = args.name.as_ref().or_else(|| plan.as_ref().map(|plan| &plan.name));
    let mut seen = Tools::find(args.with.map(Kind::from))?.seen()?;
    seen.retain(|seen| name.is_none_or(|name| seen.is_of(name)));
    let line = |one: &Seen| format!("{}: {}: {}\n", one.owner, one.place, one.state(plan.as_ref()));
    let text: String = seen.iter().map(line).collect();
    print(if seen.is_empty() { "no capture in this network namespace\n" } else { &text });
    let whole = |one: &Seen| matches!(one.state(plan.as_ref()), State::Complete(_));
    let good = !seen.is_empty() && seen.iter().all(whole);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn written(args: &PlanArgs) -> Result<ExitCode, Ended> {
    let plan = args.plan()?.ok_or(Ended::NoPlan)?;
    let mut text = String::new();
    if args.with != Some(Tool::Iptables) {
        let _ = write!(text, "# nft -f -\n{}", nft::replace(&plan));
    }
    if args.with != Some(Tool::Nft) {
        for (tool, family) in [("iptables", Family::V4), ("ip6tables", Family::V6)] {
            let _ = write!(text, "# {tool}-restore --noflush\n{}", iptables::replace(&plan, family, ""));
        }
    }
    print(&text);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
#[path = "capture_tests.rs"]
mod tests;
