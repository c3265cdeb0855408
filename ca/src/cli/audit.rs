//! `portcullis ca audit`: reads the audit file, and checks its chain.

use super::context::Context;
use super::error::CliError;
use super::output::{complain, table};
use super::words::{harmless, quote, short};
use crate::audit::{self, Caller, Event, Line, Outcome, Report};
use crate::authority::Authority;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// `ca audit …`.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Show the last events: who did what, when, and what was refused.
    Tail(TailArgs),
    /// Check that no line of the audit file was changed, removed or moved.
    #[command(after_help = "\
Each line holds the hash of the one before, and the store knows the last. Who can write both can
forge both: copy the number and hash this prints to another machine now and then.

Example:
  portcullis ca audit verify

Exit codes: 0 when the chain holds, 1 when it does not.")]
    Verify,
}

/// Arguments of `ca audit tail`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca audit tail
  portcullis ca audit tail -n 1000 --json | jq 'select(.result == \"refused\")'

With --json each event is one line, as it stands in audit.jsonl.")]
pub(super) struct TailArgs {
    /// How many events.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    lines: usize,
}

pub(super) fn run(command: &AuditCommand, context: &Context) -> Result<ExitCode, CliError> {
    let authority = context.open_without_keys()?;
    // What is still in the store belongs to what is asked for.
    if let Err(error) = authority.flush_audit() {
        complain(&format!("warning: the newest events may be missing: {error}"));
    }
    match command {
        AuditCommand::Tail(args) => tail(args, &authority, context),
        AuditCommand::Verify => verify(&authority, context),
    }
}

fn tail(args: &TailArgs, authority: &Authority, context: &Context) -> Result<ExitCode, CliError> {
    let lines = audit::tail(&authority.dir().audit(), args.lines)?;
    if context.output.json {
        super::output::print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    } else {
        let rows: Vec<_> = lines.iter().map(|line| row(line)).collect();
        super::output::print(&table(["TIME", "EVENT", "BY", "ABOUT", "DETAILS"], &rows));
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(authority: &Authority, context: &Context) -> Result<ExitCode, CliError> {
    let path = authority.dir().audit();
    // Before the file, which may grow meanwhile.
    let head = authority.audit_head()?;
    let report = audit::verify(&path, head)?;
    let value = json!({ "sound": report.is_sound(), "report": report });
    context.output.result(&value, || verdict(&report, &quote(&path)));
    if report.is_sound() {
        return Ok(ExitCode::SUCCESS);
    }
    context.output.hint(
        "hint: compare with the audit.jsonl of a backup to see what was there; take it that whoever changed the file \
         could read the folder: keys without a password are theirs (`portcullis ca root prepare` … `retire`)",
    );
    Ok(ExitCode::FAILURE)
}

fn verdict(report: &Report, path: &str) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text += &format!("{path}: {finding}\n");
    }
    if report.more > 0 {
        text += &format!("and {} more\n", report.more);
    }
    if report.is_sound() {
        text += &format!("{path}: {} lines, the chain holds\n", report.lines);
    }
    if report.ahead > 0 {
        text += &format!(
            "{} of them the store does not know yet: after a crash the next command settles it, else somebody put \
             them there\n",
            report.ahead
        );
    }
    if report.unfinished {
        text += "half a line at the end, which a crash left; the next event takes it away\n";
    }
    if let Some(last) = &report.last {
        text += &format!("last: number {}, SHA-256 {}\n", last.number, last.hash);
    }
    text
}

fn row(line: &str) -> [String; 5] {
    match Line::parse(line).and_then(|line| line.event()) {
        Some(event) => {
            let refused = if event.result == Outcome::Refused { " (refused)" } else { "" };
            let about = event.spiffe_id.as_ref().map(short).unwrap_or_default();
            [event.ts.to_string(), word(&event.event) + refused, by(&event.caller), about, details(&event)]
        }
        // What it is says `audit verify`.
        None => ["?".to_owned(), "not understood".to_owned(), String::new(), String::new(), harmless(line)],
    }
}

/// Everything else an event says.
fn details(event: &Event) -> String {
    let mut words = Vec::new();
    let mut add =
        |name: &str, value: Option<String>| words.extend(value.map(|value| format!("{name} {value}")));
    add("serial", event.serial.map(|serial| serial.to_string()));
    add("instance", event.instance.as_ref().map(ToString::to_string));
    add("until", event.not_after.map(|moment| moment.to_string()));
    add("root", event.root.as_ref().map(ToString::to_string));
    add("sequence", event.sequence.map(|sequence| sequence.to_string()));
    add("count", event.count.map(|count| count.to_string()));
    words.extend((event.forced == Some(true)).then(|| "by force".to_owned()));
    words.extend(event.reason.clone());
    words.extend(event.details.clone());
    harmless(&words.join(", "))
}

fn by(caller: &Caller) -> String {
    let peer = caller.peer.as_ref().map(short);
    let uid = caller.uid.map(|uid| format!("uid {uid}"));
    let address = caller.address.map(|address| address.to_string());
    let words: Vec<_> = [peer, uid, address].into_iter().flatten().collect();
    words.join(" ")
}

/// A word as it stands in the file.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::What;
    use crate::time::Timestamp;

    #[test]
    fn an_event_is_told_in_one_row() {
        // given
        let caller = Caller { uid: Some(1000), ..Caller::default() };
        let mut event = Event::new(What::RequestRefused, Timestamp(1_790_000_000), caller);
        event.spiffe_id = Some("spiffe://shop.example/svc/order".parse().unwrap());
        event.refused("the join token is unknown".to_owned());
        let line = audit::chain::append(1, &audit::chain::beginning().hash, &event.to_json());

        // when
        let row = row(&line);

        // then
        assert_eq!(
            row,
            [
                "2026-09-21T14:13:20Z",
                "request_refused (refused)",
                "uid 1000",
                "svc/order",
                "the join token is unknown"
            ]
        );
    }

    #[test]
    fn a_line_that_is_none_is_shown_without_harm() {
        assert_eq!(row("rub\u{7}bish")[4], r"rub\u{7}bish");
    }

    #[test]
    fn a_broken_chain_is_told_line_by_line() {
        // given
        let first = audit::chain::append(1, &audit::chain::beginning().hash, "{}");
        let mut verifier = audit::Verifier::new(None);
        verifier.eat(first.as_bytes());
        verifier.eat(b"rubbish");

        // when
        let text = verdict(&verifier.finish(false), "audit.jsonl");

        // then
        assert!(text.starts_with("audit.jsonl: line 2: "), "{text}");
        assert!(!text.contains("the chain holds"), "{text}");
    }
}
