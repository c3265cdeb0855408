//! `portcullis ca revoke`: the deny-list. Rules are shown as they are typed, so that each can be lifted again.

use super::context::{self, Context};
use super::error::CliError;
use super::output::table;
use super::words::{Moment, count, harmless, short};
use crate::authority::{Authority, AuthorityError, Revoke, Revoked};
use crate::deny::Denial;
use crate::names::{InstanceId, Serial};
use crate::policy::BACKDATE;
use crate::store::Denied;
use crate::time::Timestamp;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Arguments of `ca revoke`.
#[derive(Debug, Args)]
#[command(
    group(clap::ArgGroup::new("what").required(true).args(["serial", "instance", "id", "list"])),
    after_help = "\
Examples:
  portcullis ca revoke --id svc/order --before now --reason 'key in a log'   # then a new token
  portcullis ca revoke --serial 5fd4…                                        # one certificate
  portcullis ca revoke --instance 886faeca69415871                           # all that it holds
  portcullis ca revoke --id svc/order                                        # and nothing new
  portcullis ca revoke --list
  portcullis ca revoke --lift --id svc/order                                 # take it off again

Members that watch the authority know within a second and end live connections. Others go on
believing the certificate until it expires, unless they read `portcullis ca crl`."
)]
pub(super) struct RevokeArgs {
    /// One certificate, by its serial number (32 hex digits; colons do no harm).
    #[arg(long, value_name = "SERIAL")]
    serial: Option<Serial>,
    /// Every certificate of one instance, as `bundle status` lists it; it cannot renew any more.
    #[arg(long, value_name = "INSTANCE", conflicts_with = "lift")]
    instance: Option<InstanceId>,
    /// Every certificate of this ID; nothing more is issued to it.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Only what the ID was given up to this moment (`now`, or 2026-11-22T18:00:00Z); new ones are good.
    #[arg(long, value_name = "TIME", requires = "id")]
    before: Option<Moment>,
    /// Why; it goes into the list and the audit.
    #[arg(long, value_name = "TEXT", default_value = "unspecified")]
    reason: String,
    /// Also a serial number that the ledger does not know: after a restore.
    #[arg(long, requires = "serial")]
    unknown: bool,
    /// Take the rule off the deny-list.
    #[arg(long, conflicts_with_all = ["list", "unknown", "reason"])]
    lift: bool,
    /// Show the deny-list.
    #[arg(long)]
    list: bool,
}

pub(super) fn run(args: &RevokeArgs, context: &Context) -> Result<ExitCode, CliError> {
    let authority = context.open_without_keys()?;
    match what(args, &authority, context.now())? {
        None => list(&authority, context)?,
        Some(what) if args.lift => lift(&what, &authority, context)?,
        Some(what) => revoke(&what, args, &authority, context)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What is meant; `None`: the list.
fn what(args: &RevokeArgs, authority: &Authority, now: Timestamp) -> Result<Option<Revoke>, CliError> {
    if let Some(serial) = args.serial {
        return Ok(Some(Revoke::Serial { serial, unknown: args.unknown }));
    }
    if let Some(instance) = &args.instance {
        return Ok(Some(Revoke::Instance(instance.clone())));
    }
    let Some(id) = &args.id else { return Ok(None) };
    let id = context::id_at(id, authority)?;
    Ok(Some(match args.before {
        None => Revoke::Id(id),
        Some(moment) => Revoke::IssuedBefore { id, moment: moment.resolve(now) },
    }))
}

fn revoke(
    what: &Revoke,
    args: &RevokeArgs,
    authority: &Authority,
    context: &Context,
) -> Result<(), CliError> {
    let revoked = authority.revoke(what, &args.reason, context.now())?;
    context.changed(authority);
    let sequence = authority.settings()?.sequence;
    let Revoked { rules, certificates, left } = &revoked;
    let value = json!({
        "rules": rules, "reason": args.reason, "certificates": certificates, "left": left, "sequence": sequence
    });
    context.output.result(&value, || {
        let live = count(certificates.len(), "unexpired certificate");
        let what = match what {
            Revoke::Instance(instance) => format!("instance {instance}"),
            _ => rules.iter().map(subject).collect(),
        };
        format!("revoked {what}: {live} denied from sequence {sequence} on\n")
    });
    for hint in rules.iter().flat_map(|rule| hints(rule, certificates.len(), context)) {
        context.output.hint(&hint);
    }
    if let Some(serial) = left.first() {
        context.output.hint(&format!(
            "who holds another certificate of the same instance goes on, as {serial}: if a key was stolen, revoke them \
             all with `{}`",
            context.command("revoke --instance INSTANCE")
        ));
    }
    context.output.hint(&format!("who has heard of it: `{}`", context.command("bundle status")));
    Ok(())
}

/// What to type next.
fn hints(rule: &Denial, hit: usize, context: &Context) -> Vec<String> {
    let mut hints = Vec::new();
    if hit == 0 {
        hints.push(format!(
            "no unexpired certificate of the ledger is meant: `{}` shows those there are",
            context.command("list")
        ));
    }
    match rule {
        Denial::Serial(_) => {}
        Denial::Id(id) => hints.push(format!("nothing more is issued to {id} until the rule is lifted")),
        Denial::Before { id, .. } => hints.push(format!(
            "what runs as {id} cannot renew any more; for what is to go on: `{}`",
            context.command(&format!("token create {}", short(id)))
        )),
    }
    hints.push(format!("undo: `{}`", context.command(&format!("revoke --lift {}", flags(rule)))));
    hints
}

fn lift(what: &Revoke, authority: &Authority, context: &Context) -> Result<(), CliError> {
    let rule = match what {
        // clap keeps it from here.
        Revoke::Instance(_) => return Err(AuthorityError::NotDenied.into()),
        Revoke::Serial { serial, .. } => Denial::Serial(*serial),
        Revoke::Id(id) => Denial::Id(id.clone()),
        Revoke::IssuedBefore { id, moment } => {
            Denial::Before { id: id.clone(), not_before: moment.before(BACKDATE) }
        }
    };
    authority.lift(&rule, context.now())?;
    context.changed(authority);
    let sequence = authority.settings()?.sequence;
    context.output.result(&json!({ "lifted": rule, "sequence": sequence }), || {
        format!(
            "lifted the revocation of {}: it is believed again from sequence {sequence} on\n",
            subject(&rule)
        )
    });
    Ok(())
}

fn list(authority: &Authority, context: &Context) -> Result<(), CliError> {
    let denied = authority.denials()?;
    context.output.result(&denied, || rules(&denied));
    context.output.hint(&if denied.is_empty() {
        "nothing is revoked".to_owned()
    } else {
        format!("take one off: `{}` with its rule", context.command("revoke --lift"))
    });
    Ok(())
}

fn rules(denied: &[Denied]) -> String {
    let row = |denied: &Denied| {
        let until = denied.until.map_or_else(|| "lifted".to_owned(), |until| until.to_string());
        [flags(&denied.rule), denied.at.to_string(), until, harmless(&denied.reason)]
    };
    let rows: Vec<_> = denied.iter().map(row).collect();
    table(["RULE", "SINCE", "UNTIL", "REASON"], &rows)
}

/// A rule as it is typed.
fn flags(rule: &Denial) -> String {
    match rule {
        Denial::Serial(serial) => format!("--serial {serial}"),
        Denial::Id(id) => format!("--id {}", short(id)),
        // First seconds of certificates lie that long before the moment they were issued.
        Denial::Before { id, not_before } => {
            format!("--id {} --before {}", short(id), not_before.after(BACKDATE))
        }
    }
}

fn subject(rule: &Denial) -> String {
    match rule {
        Denial::Serial(serial) => format!("certificate {serial}"),
        Denial::Id(id) => id.to_string(),
        Denial::Before { id, not_before } => {
            format!("what {id} was given up to {}", not_before.after(BACKDATE))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_shown_as_it_is_typed() {
        // given
        let moment = Timestamp(1_790_000_000);
        let id: crate::spiffe::SpiffeId = "spiffe://shop.example/svc/order".parse().unwrap();
        let rule = |rule| Denied { rule, reason: "lost".into(), at: moment, until: None };

        // when
        let text = rules(&[
            rule(Denial::Id(id.clone())),
            rule(Denial::Before { id, not_before: moment.before(BACKDATE) }),
            rule(Denial::Serial(Serial::from_random([0x41; 16]))),
        ]);

        // then
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert!(lines[0].starts_with("--id svc/order  "), "{text}");
        assert!(lines[1].starts_with("--id svc/order --before 2026-09-21T14:13:20Z  "), "{text}");
        assert!(lines[2].starts_with("--serial 41414141414141414141414141414141 "), "{text}");
    }
}
