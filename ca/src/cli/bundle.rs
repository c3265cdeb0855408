//! `portcullis ca bundle`: the roots to believe, and who has them.

use super::context::Context;
use super::error::CliError;
use super::output::table;
use super::sign::write_or_print;
use super::words::{self, count, facts, short};
use crate::authority::Authority;
use crate::certificate;
use crate::names::{Fingerprint, InstanceId};
use crate::store::Instance;
use crate::time::Timestamp;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ca bundle …`.
#[derive(Debug, Subcommand)]
pub(super) enum BundleCommand {
    /// Show the roots that are believed, and what goes with them.
    #[command(after_help = "\
Example:
  portcullis ca bundle show")]
    Show,
    /// Write the roots for those who do not speak to the authority.
    Export(ExportArgs),
    /// List the instances that run, what they have acknowledged, and when they expire.
    Status(StatusArgs),
    /// Say for an instance that it has the bundle of now, when it cannot say so itself.
    Acknowledge(AcknowledgeArgs),
}

/// Arguments of `ca bundle export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca bundle export > roots.pem
  portcullis ca bundle export --format jwks --out bundle.json
  openssl verify -CAfile roots.pem -untrusted svid.pem svid.pem")]
pub(super) struct ExportArgs {
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Pem)]
    format: Format,
    /// Where it goes, in place of what is there. Default: standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How a bundle is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Certificates in PEM, for openssl and most servers.
    Pem,
    /// A SPIFFE bundle: a JSON Web Key Set with its sequence.
    Jwks,
}

/// Arguments of `ca bundle status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca bundle status
  portcullis ca bundle status --behind      # only who has not acknowledged the newest sequence")]
pub(super) struct StatusArgs {
    /// Only those who have not acknowledged the newest sequence.
    #[arg(long)]
    behind: bool,
}

/// Arguments of `ca bundle acknowledge`.
#[derive(Debug, Args)]
#[command(after_help = "\
First bring it the bundle: `portcullis ca bundle export` says its sequence. This only says that it
has it, and a rotation of the root relies on that. The audit says who said so.

Example:
  portcullis ca bundle acknowledge 1f2e3d4c5b6a7988 --sequence 7")]
pub(super) struct AcknowledgeArgs {
    /// Which, as `bundle status` lists it.
    #[arg(value_name = "INSTANCE")]
    instance: InstanceId,
    /// The sequence of the bundle it was brought, as `bundle export` said it.
    #[arg(long, value_name = "N")]
    sequence: u64,
}

pub(super) fn run(command: &BundleCommand, context: &Context) -> Result<ExitCode, CliError> {
    let authority = context.open_without_keys()?;
    match command {
        BundleCommand::Show => show(&authority, context)?,
        BundleCommand::Export(args) => export(args, &authority, context)?,
        BundleCommand::Status(args) => status(args, &authority, context)?,
        BundleCommand::Acknowledge(args) => acknowledge(args, &authority, context)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(authority: &Authority, context: &Context) -> Result<(), CliError> {
    let now = context.now();
    let trust = authority.trust()?;
    let roots = trust.bundle.roots.iter().map(|der| certificate::read(der));
    let roots = roots.collect::<Result<Vec<_>, _>>()?;
    let value = json!({
        "trust_domain": trust.bundle.trust_domain,
        "sequence": trust.bundle.sequence,
        "roots": roots.iter().map(|root| json!({
            "subject": root.subject,
            "fingerprint": root.fingerprint,
            "expires": root.not_after,
        })).collect::<Vec<_>>(),
        "denied": trust.denied,
        "asserters": trust.asserters,
    });
    context.output.result(&value, || {
        let rows: Vec<_> = roots
            .iter()
            .map(|root| {
                [root.fingerprint.to_string(), words::moment(root.not_after, now), root.subject.clone()]
            })
            .collect();
        let asserters: Vec<_> = trust.asserters.iter().map(short).collect();
        let head = facts(&[
            ("trust domain", trust.bundle.trust_domain.to_string()),
            ("sequence", trust.bundle.sequence.to_string()),
            ("deny-list", count(trust.denied.len(), "rule")),
            (
                "may introduce users",
                if asserters.is_empty() { "nobody".into() } else { asserters.join(", ") },
            ),
        ]);
        format!("{head}\n{}", table(["ROOT (SHA-256)", "EXPIRES", "SUBJECT"], &rows))
    });
    Ok(())
}

fn export(args: &ExportArgs, authority: &Authority, context: &Context) -> Result<(), CliError> {
    let bundle = authority.trust()?.bundle;
    let text = match args.format {
        Format::Pem => bundle.to_pem(),
        Format::Jwks => bundle.to_jwks(),
    };
    write_or_print(args.out.as_deref(), &text, (true, context))?;
    let roots: Vec<_> = bundle.roots.iter().map(|root| Fingerprint::of(root).to_string()).collect();
    context.output.hint(&format!("sequence {}, SHA-256 {}", bundle.sequence, roots.join(" and ")));
    Ok(())
}

fn status(args: &StatusArgs, authority: &Authority, context: &Context) -> Result<(), CliError> {
    let now = context.now();
    let sequence = authority.settings()?.sequence;
    let all = authority.live_instances(now)?;
    let is_behind = |instance: &&Instance| instance.acknowledged < sequence;
    let behind = all.iter().filter(is_behind).count();
    let shown: Vec<_> = all.iter().filter(|instance| !args.behind || is_behind(instance)).collect();
    let value = json!({ "sequence": sequence, "live": all.len(), "behind": behind, "instances": shown });
    context.output.result(&value, || {
        let rows: Vec<_> = shown.iter().map(|instance| row(instance, sequence, now)).collect();
        table(["ID", "INSTANCE", "ACKNOWLEDGED", "EXPIRES", "SEEN"], &rows)
    });
    context
        .output
        .hint(&format!("{}, {behind} behind sequence {sequence}", count(all.len(), "live instance")));
    Ok(())
}

fn row(instance: &Instance, sequence: u64, now: Timestamp) -> [String; 5] {
    let acknowledged = match instance.acknowledged {
        0 => "never".to_owned(),
        said if said < sequence => format!("{said} (behind)"),
        said => said.to_string(),
    };
    [
        short(&instance.id),
        instance.instance.to_string(),
        acknowledged,
        words::moment(instance.not_after, now),
        words::from_now(instance.seen, now),
    ]
}

fn acknowledge(args: &AcknowledgeArgs, authority: &Authority, context: &Context) -> Result<(), CliError> {
    let sequence = args.sequence;
    authority.acknowledge_by_hand(&args.instance, sequence, context.now())?;
    context.changed(authority);
    context.output.result(&json!({ "instance": args.instance, "acknowledged": sequence }), || {
        format!("instance {} has acknowledged sequence {sequence}, by your word\n", args.instance)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Serial;

    #[test]
    fn who_is_behind_is_marked() {
        // given
        let now = Timestamp(1_790_000_000);
        let instance = |acknowledged| Instance {
            instance: InstanceId::from_random([1; 8]),
            id: "spiffe://shop.example/svc/order".parse().unwrap(),
            acknowledged,
            seen: Timestamp(now.0 - 60),
            serial: Serial::from_random([1; 16]),
            not_after: Timestamp(now.0 + 28_680),
            shown: false,
        };

        // when
        let [never, behind, level] = [0, 6, 7].map(|said| row(&instance(said), 7, now));

        // then
        assert_eq!(never[2], "never");
        assert_eq!(behind[2], "6 (behind)");
        assert_eq!(
            level,
            ["svc/order", "0101010101010101", "7", "2026-09-21T22:11:20Z (in 7 h 58 m)", "1 m ago"]
        );
    }
}
