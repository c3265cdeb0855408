//! `portcullis ca list`: the ledger.

use super::context::{self, Context};
use super::error::CliError;
use super::output::table;
use super::words::{as_svid, count, from_now, short};
use crate::deny::DenyList;
use crate::store::{Filter, How, Issued};
use crate::time::Timestamp;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Arguments of `ca list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca list                                 # unexpired certificates, the newest first
  portcullis ca list --id svc/order --all
  portcullis ca list --json | jq -r '.[] | select(.revoked) | .serial'

The ledger remembers what has expired for 30 days.")]
pub(super) struct ListArgs {
    /// Only of this ID.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Expired ones too.
    #[arg(long)]
    all: bool,
    /// At most so many.
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<u64>,
}

/// A certificate as it is listed.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    issued: &'a Issued,
    revoked: bool,
}

pub(super) fn run(args: &ListArgs, context: &Context) -> Result<ExitCode, CliError> {
    let authority = context.open_without_keys()?;
    let now = context.now();
    let filter = Filter {
        id: args.id.as_deref().map(|id| context::id_at(id, &authority)).transpose()?,
        live_at: (!args.all).then_some(now),
        limit: args.limit,
        ..Filter::default()
    };
    let ledger = authority.ledger(&filter)?;
    let denied = DenyList::new(authority.trust()?.denied);
    let listed = ledger.iter().map(|issued| Listed { issued, revoked: denied.denies(&as_svid(issued)) });
    let listed: Vec<_> = listed.collect();
    context.output.result(&listed, || {
        let rows: Vec<_> = listed.iter().map(|one| row(one, now)).collect();
        table(["SERIAL", "ID", "INSTANCE", "HOW", "UNDER", "EXPIRES", "STATE"], &rows)
    });
    let kind = if args.all { "certificate" } else { "unexpired certificate" };
    context.output.hint(&count(listed.len(), kind));
    Ok(ExitCode::SUCCESS)
}

fn row(listed: &Listed<'_>, now: Timestamp) -> [String; 7] {
    let issued = listed.issued;
    let state = match (issued.not_after < now, listed.revoked) {
        (_, true) => "revoked",
        (true, false) => "expired",
        (false, false) => "good",
    };
    [
        issued.serial.to_string(),
        short(&issued.id),
        issued.instance.to_string(),
        how(issued.how).to_owned(),
        format!("{}/{}", issued.root, issued.issuer),
        from_now(issued.not_after, now),
        state.to_owned(),
    ]
}

fn how(how: How) -> &'static str {
    match how {
        How::Bootstrap => "bootstrap",
        How::Renew => "renew",
        How::Issue => "issue",
        How::Sign => "sign",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{AuthorityId, Fingerprint, InstanceId, Serial};

    #[test]
    fn a_certificate_is_good_expired_or_revoked() {
        // given
        let now = Timestamp(1_790_000_000);
        let issued = |not_after| Issued {
            serial: Serial::from_random([1; 16]),
            id: "spiffe://shop.example/svc/order".parse().unwrap(),
            instance: InstanceId::from_random([1; 8]),
            how: How::Renew,
            key: Fingerprint::of(b""),
            issuer: AuthorityId::intermediate(2),
            root: AuthorityId::root(1),
            not_before: Timestamp(0),
            not_after: Timestamp(not_after),
            at: Timestamp(0),
            der: Vec::new(),
        };
        let (live, over) = (issued(now.0 + 90), issued(now.0 - 90));

        // when
        let state = |issued, revoked| row(&Listed { issued, revoked }, now);

        // then
        assert_eq!(state(&live, false)[4..], ["root-1/intermediate-2", "in 1 m 30 s", "good"]);
        assert_eq!(state(&over, false)[5..], ["1 m 30 s ago", "expired"]);
        assert_eq!(state(&live, true)[6], "revoked");
    }
}
