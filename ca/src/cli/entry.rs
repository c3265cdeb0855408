//! `portcullis ca entry`: registers workloads.

use super::context::{self, Context};
use super::error::CliError;
use super::output::table;
use super::token;
use super::words::{self, count, facts, short};
use crate::authority::{NewEntry, NewToken};
use crate::entry::{Entry, Grants};
use crate::store::{Filter, Instance};
use crate::time::{Timestamp, human};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// `ca entry …`.
#[derive(Debug, Subcommand)]
pub(super) enum EntryCommand {
    /// Register a workload, or change what is registered.
    Create(CreateArgs),
    /// List the entries.
    #[command(after_help = "\
Examples:
  portcullis ca entry list
  portcullis ca entry list --json | jq -r '.[].id'")]
    List,
    /// Show an entry and the instances that run with it.
    #[command(after_help = "\
Example:
  portcullis ca entry show svc/order")]
    Show(OneArgs),
    /// Delete an entry with its unused join tokens; its certificates are not renewed any more.
    #[command(after_help = "\
Certificates that were given out stay good until they expire. To end them at once:
  portcullis ca revoke --id svc/order

Example:
  portcullis ca entry delete svc/order")]
    Delete(OneArgs),
}

/// Arguments of `ca entry create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca entry create svc/order
  portcullis ca entry create svc/order --dns order.shop.example --ttl-max 1h
  portcullis ca entry create edge --grant assert                 # may introduce users
  token=$(portcullis ca entry create svc/order --token)          # and a join token for it

With --replace the entry becomes what is written: what is left out goes back to its default.")]
pub(super) struct CreateArgs {
    /// Who: svc/order is spiffe://<trust domain>/svc/order.
    #[arg(value_name = "ID")]
    id: String,
    /// A DNS name its certificates carry besides. May be given several times.
    #[arg(long, value_name = "NAME")]
    dns: Vec<String>,
    /// The longest life of its certificates: 1m to 72h.
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = words::span)]
    ttl_max: Duration,
    /// What it may do beyond being itself. May be given several times.
    #[arg(long, value_enum, value_name = "GRANT")]
    grant: Vec<Grant>,
    /// Change the entry that is there.
    #[arg(long)]
    replace: bool,
    /// Make a join token for it too, and print nothing else.
    #[arg(long)]
    token: bool,
}

/// Which entry.
#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// Who: svc/order is spiffe://<trust domain>/svc/order.
    #[arg(value_name = "ID")]
    id: String,
}

/// What a workload may do beyond being itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Grant {
    /// Introduce users to others: for gateways.
    Assert,
    /// Ask the authority's administrative questions.
    Admin,
}

pub(super) fn run(command: &EntryCommand, context: &Context) -> Result<ExitCode, CliError> {
    match command {
        EntryCommand::Create(args) => create(args, context)?,
        EntryCommand::List => list(context)?,
        EntryCommand::Show(args) => show(args, context)?,
        EntryCommand::Delete(args) => delete(args, context)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(args: &CreateArgs, context: &Context) -> Result<(), CliError> {
    let authority = context.open_without_keys()?;
    let now = context.now();
    let new = NewEntry {
        id: context::id_at(&args.id, &authority)?,
        dns: args.dns.clone(),
        ttl_max: args.ttl_max,
        grants: Grants {
            assert: args.grant.contains(&Grant::Assert),
            admin: args.grant.contains(&Grant::Admin),
        },
        replace: args.replace,
    };
    let created = authority.create_entry(new, now);
    let entry = created.inspect(|_| context.changed(&authority))?;
    if args.token {
        let new = NewToken { entry: entry.id.clone(), ttl: token::TTL, urls: Vec::new() };
        return token::make(&authority, &new, context, Some(&entry));
    }
    context.output.result(&entry, || facts(&describe(&entry)));
    let name = short(&entry.id);
    if authority.denials()?.iter().any(|denied| denied.rule == crate::deny::Denial::Id(entry.id.clone())) {
        context.output.hint(&format!(
            "warning: this ID is revoked, so nothing is issued to it; `{}` allows it again",
            context.command(&format!("revoke --lift --id {name}"))
        ));
    }
    let next = context.command(&format!("token create {name}"));
    context.output.hint(&format!("next: `{next}` prints the join token it gets its first certificate with"));
    Ok(())
}

fn list(context: &Context) -> Result<(), CliError> {
    let entries = context.open_without_keys()?.entries()?;
    let row = |entry: &Entry| {
        let ttl = human(Duration::from_secs(entry.ttl_max));
        [short(&entry.id), ttl, grants(entry), entry.dns.join(","), entry.created.to_string()]
    };
    context.output.result(&entries, || {
        let rows: Vec<_> = entries.iter().map(row).collect();
        table(["ID", "LONGEST LIFE", "GRANTS", "DNS", "CREATED"], &rows)
    });
    if entries.is_empty() {
        context.output.hint(&format!(
            "nobody is registered yet: `{}`",
            context.command("entry create svc/order --token")
        ));
    }
    Ok(())
}

fn show(args: &OneArgs, context: &Context) -> Result<(), CliError> {
    let authority = context.open_without_keys()?;
    let now = context.now();
    let entry = authority.entry(&context::id_at(&args.id, &authority)?)?;
    let mut instances = authority.live_instances(now)?;
    instances.retain(|instance| instance.id == entry.id);
    let mut denied = authority.denials()?;
    denied.retain(|denied| words::concerns(&denied.rule, &entry.id));
    let sequence = authority.settings()?.sequence;
    let value = json!({ "entry": entry, "instances": instances, "denied": denied });
    context.output.result(&value, || {
        let mut rows = describe(&entry);
        rows.push(("running", count(instances.len(), "instance")));
        if !denied.is_empty() {
            rows.push(("revoked", context.command("revoke --list")));
        }
        facts(&rows) + &running(&instances, sequence, now)
    });
    Ok(())
}

/// The instances below the facts of an entry; nothing when there is none.
fn running(instances: &[Instance], sequence: u64, now: Timestamp) -> String {
    if instances.is_empty() {
        return String::new();
    }
    let row = |instance: &Instance| {
        let behind = if instance.acknowledged < sequence { " (behind)" } else { "" };
        [
            instance.instance.to_string(),
            words::moment(instance.not_after, now),
            format!("{}{behind}", instance.acknowledged),
            words::moment(instance.seen, now),
        ]
    };
    let rows: Vec<_> = instances.iter().map(row).collect();
    format!("\n{}", table(["INSTANCE", "EXPIRES", "ACKNOWLEDGED", "SEEN"], &rows))
}

fn delete(args: &OneArgs, context: &Context) -> Result<(), CliError> {
    let authority = context.open_without_keys()?;
    let now = context.now();
    let id = context::id_at(&args.id, &authority)?;
    let entry = authority.delete_entry(&id, now)?;
    context.changed(&authority);
    let filter = Filter { id: Some(id), live_at: Some(now), ..Filter::default() };
    let live = authority.ledger(&filter)?;
    let last = live.iter().map(|issued| issued.not_after).max();
    let value = json!({ "deleted": entry, "live_certificates": live.len(), "last_expires": last });
    let name = short(&entry.id);
    context.output.result(&value, || format!("deleted {}\n", entry.id));
    if let Some(last) = last {
        context.output.hint(&format!(
            "{} of it stay good, the last until {}; `{}` ends them now",
            count(live.len(), "certificate"),
            words::moment(last, now),
            context.command(&format!("revoke --id {name}")),
        ));
    }
    Ok(())
}

fn describe(entry: &Entry) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("id", entry.id.to_string()),
        ("longest life", human(Duration::from_secs(entry.ttl_max))),
        ("grants", grants(entry)),
        ("created", entry.created.to_string()),
    ];
    if !entry.dns.is_empty() {
        rows.insert(1, ("dns", entry.dns.join(", ")));
    }
    rows
}

fn grants(entry: &Entry) -> String {
    let all = [(entry.grants.assert, "assert"), (entry.grants.admin, "admin")];
    let granted: Vec<_> = all.into_iter().filter(|(has, _)| *has).map(|(_, word)| word).collect();
    if granted.is_empty() { "-".to_owned() } else { granted.join(",") }
}
