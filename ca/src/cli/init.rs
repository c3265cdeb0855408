//! `portcullis ca init`: makes an authority, and says what to do with it.

use super::context::Context;
use super::error::CliError;
use super::words::{self, facts, quote};
use crate::authority::{Authority, Init, Summary};
use crate::spiffe::TrustDomain;
use crate::time::Timestamp;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// Where clients reach an authority nobody gave an address.
const URL: &str = "https://127.0.0.1:8443";

/// Arguments of `ca init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca init shop.example
  portcullis ca init shop.example --url https://ca.shop.example:8443 --dir /var/lib/portcullis-ca \\
    --password-file /etc/portcullis/ca.password

The trust domain is the first part of every name, spiffe://shop.example/svc/order, and never
changes. It need not be a host name. Nothing is changed when the folder holds an authority
already.")]
pub(super) struct InitArgs {
    /// The trust domain: whose services these are, as in shop.example.
    #[arg(value_name = "TRUST_DOMAIN")]
    trust_domain: TrustDomain,
    /// Where workloads reach the authority; it goes into join tokens. May be given several times.
    #[arg(long, value_name = "URL", default_value = URL, value_parser = words::url)]
    url: Vec<String>,
    /// How long a certificate lives when nobody asks for something else: 1m to 72h.
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = words::span)]
    ttl: Duration,
    /// How long the root lives: 90d to 7300d.
    #[arg(long, value_name = "SPAN", default_value = "1825d", value_parser = words::span)]
    root_life: Duration,
}

pub(super) fn run(args: &InitArgs, context: &Context) -> Result<ExitCode, CliError> {
    let password = context.password()?;
    let encrypted = password.is_some();
    let init = Init {
        trust_domain: args.trust_domain.clone(),
        urls: args.url.clone(),
        ttl_default: args.ttl,
        root_life: args.root_life,
        password,
        now: context.now(),
    };
    let summary = Authority::init(&context.dir, &init)?;
    let next = next(&args.url, context);
    let value = json!({
        "trust_domain": args.trust_domain,
        "dir": context.dir,
        "root": summary.root,
        "root_fingerprint": summary.fingerprint,
        "root_expires": summary.root_expires,
        "root_key": summary.root_key,
        "intermediate": summary.intermediate,
        "intermediate_expires": summary.intermediate_expires,
        "urls": args.url,
        "keys_encrypted": encrypted,
        "next": next,
    });
    context.output.result(&value, || text(args, &summary, (encrypted, init.now), context) + &steps(&next));
    Ok(ExitCode::SUCCESS)
}

fn text(
    args: &InitArgs,
    summary: &Summary,
    (encrypted, now): (bool, Timestamp),
    context: &Context,
) -> String {
    let made = facts(&[
        ("  root", format!("{}, good until {}", summary.root, words::moment(summary.root_expires, now))),
        ("  SHA-256", summary.fingerprint.to_string()),
        (
            "  intermediate",
            format!(
                "{}, good until {}",
                summary.intermediate,
                words::moment(summary.intermediate_expires, now)
            ),
        ),
        ("  address", args.url.join(", ")),
        ("  root's key", quote(&summary.root_key)),
    ]);
    let keys = if encrypted {
        "Keys are encrypted. Keep the password apart from the backups: without it they are worth nothing."
    } else {
        "Keys are not encrypted (no --password-file): who can read the folder is the authority."
    };
    format!(
        "made the authority of {} in {}\n{made}\n\
         The root's key only signs intermediates and revocation lists: it may be moved to a safe place.\n\
         While it is here, the server replaces the intermediate by itself.\n{keys}\n",
        args.trust_domain,
        quote(&context.dir),
    )
}

/// The next three commands, as they are to be typed.
fn next(urls: &[String], context: &Context) -> [String; 3] {
    let url = urls.first().map_or(URL, String::as_str);
    let serve = match bind(url) {
        Some(bind) => context.command_with_keys(&format!("serve --bind {bind}")),
        None => context.command_with_keys("serve"),
    };
    [
        serve,
        context.command("entry create svc/order --token"),
        "portcullis ca bootstrap TOKEN --out order".to_owned(),
    ]
}

fn steps([serve, entry, bootstrap]: &[String; 3]) -> String {
    format!(
        "\nNext:\n  {serve}\n      answers workloads, as long as it runs\n  {entry}\n      registers a workload and \
         prints its join token\n  {bootstrap}\n      on the machine of the workload: gets its certificate with that \
         token\n"
    )
}

/// What the server must listen on for this address; `None`: what it listens on anyway.
fn bind(url: &str) -> Option<String> {
    if url == URL {
        return None;
    }
    let place = url.strip_prefix("https://").unwrap_or(url);
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (place, "443"),
    };
    let host = match host {
        "127.0.0.1" | "localhost" => "127.0.0.1",
        "[::1]" => "[::1]",
        other if other.starts_with('[') => "[::]",
        _ => "0.0.0.0",
    };
    Some(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_told_to_listen_where_the_address_leads() {
        assert_eq!(bind(URL), None);
        assert_eq!(bind("https://ca.shop.example:9443").as_deref(), Some("0.0.0.0:9443"));
        assert_eq!(bind("https://ca.shop.example").as_deref(), Some("0.0.0.0:443"));
        assert_eq!(bind("https://localhost:1").as_deref(), Some("127.0.0.1:1"));
        assert_eq!(bind("https://[::1]").as_deref(), Some("[::1]:443"));
        assert_eq!(bind("https://[2001:db8::1]:1").as_deref(), Some("[::]:1"));
    }
}
