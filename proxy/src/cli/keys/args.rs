//! The flags of `keys`: what they are called and what may stand behind them. None takes a secret: the arguments of a
//! process are there for everybody to read.

use crate::config::key_file;
use crate::identity::principal::Principal;
use clap::{Args, Subcommand};
use portcullis_ca::time::{self, Timestamp};
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `keys`.
#[derive(Debug, Args)]
pub(in crate::cli) struct KeysArgs {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: KeysCommand,
}

/// What can be done about API keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key. Its secret is shown once, on standard output, and is not kept anywhere.
    #[command(after_help = "\
The file is made when it is missing (mode 600). Comments and order stay; it is replaced as a whole, so a
gateway that watches it sees the old one or the new one, and takes the new one by itself.

Examples:
  portcullis keys create --file partners.yaml --id acme-2026 --owner acme
  portcullis keys create --file partners.yaml --id acme-2026 --owner acme --tier premium \\
    --role partner --scope orders:read --expires 90d
  pass show acme | portcullis keys create --file partners.yaml --id acme --owner acme --secret-from-stdin

Exit codes: 0 when the key is in the file, 1 when not, 2 on a wrong command line.")]
    Create(CreateArgs),
    /// Say which keys there are, whose, and until when.
    #[command(after_help = "\
Examples:
  portcullis keys list --file partners.yaml
  portcullis keys list --file partners.yaml --json

Exit codes: 0, 1 on an error, 2 on a wrong command line.")]
    List(ListArgs),
    /// Take a key out of the file.
    #[command(after_help = "\
Comments and all other keys stay what they are. Requests with the key are refused as soon as the gateway has
taken the new file, which it does by itself.

Example:
  portcullis keys revoke --file partners.yaml acme-2026

Exit codes: 0 when the key is out of the file, 1 when not, 2 on a wrong command line.")]
    Revoke(RevokeArgs),
}

/// Arguments of `keys create`.
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The key file, as `keys: file:…` of the configuration names it.
    #[arg(long, short, value_name = "FILE")]
    pub(super) file: PathBuf,
    /// What to call the key; logs and limits know it by that.
    #[arg(long, value_name = "ID", value_parser = name)]
    pub(super) id: String,
    /// The user its holder is taken for.
    #[arg(long, value_name = "OWNER", value_parser = sound)]
    pub(super) owner: String,
    /// The tier that chooses among the rates of a limit.
    #[arg(long, value_name = "TIER", value_parser = name)]
    pub(super) tier: Option<String>,
    /// A role of the user; may be given several times.
    #[arg(long = "role", value_name = "ROLE", value_parser = sound)]
    pub(super) roles: Vec<String>,
    /// A scope of the user; may be given several times.
    #[arg(long = "scope", value_name = "SCOPE", value_parser = sound)]
    pub(super) scopes: Vec<String>,
    /// When the key ends: after a while (90d, 12h), at the end of a day (2027-01-01, UTC) or at a moment
    /// (2027-01-01T12:00:00Z). Default: never.
    #[arg(long, value_name = "WHEN", value_parser = until)]
    pub(super) expires: Option<Until>,
    /// Take a secret that was made elsewhere: the first line of standard input, 16 to 256 visible ASCII characters. It
    /// must be random.
    #[arg(long)]
    pub(super) secret_from_stdin: bool,
    /// Answer with one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

/// Arguments of `keys list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The key file.
    #[arg(long, short, value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Answer with a JSON array.
    #[arg(long)]
    pub(super) json: bool,
}

/// Arguments of `keys revoke`.
#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The key file.
    #[arg(long, short, value_name = "FILE")]
    pub(super) file: PathBuf,
    /// What the key is called.
    #[arg(value_name = "ID")]
    pub(super) id: String,
}

/// When a key is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Until {
    /// So long after now.
    After(Duration),
    /// Then, as it is written into the file.
    At(String, Timestamp),
}

impl Until {
    /// As it is written into the file, for a key made `now`; `None` when that is over already.
    pub(super) fn written(&self, now: Timestamp) -> Option<String> {
        const DAY: u64 = 86_400;
        match self {
            Self::After(span) if span.as_secs().is_multiple_of(DAY) => Some(day(now.after(*span))),
            Self::After(span) => Some(now.after(*span).to_string()),
            Self::At(written, end) => (*end > now).then(|| written.clone()),
        }
    }
}

/// The day of a moment, UTC.
pub(super) fn day(moment: Timestamp) -> String {
    moment.to_string().split('T').next().unwrap_or_default().to_owned()
}

/// What is wrong with a value of a flag.
#[derive(Debug, thiserror::Error)]
enum BadValue {
    #[error("use 1 to 64 of A-Z, a-z, 0-9, `-`, `_` and `.`")]
    Name,
    #[error("use 1 to 256 visible ASCII characters without space, comma, quotes and backslash")]
    Sound,
    #[error("write how long, as in 90d or 12h, or until when, as in 2027-01-01 or 2027-01-01T12:00:00Z")]
    Until,
}

fn name(text: &str) -> Result<String, BadValue> {
    if key_file::is_name(text) { Ok(text.to_owned()) } else { Err(BadValue::Name) }
}

fn sound(text: &str) -> Result<String, BadValue> {
    let principal = Principal { user: text.into(), roles: Vec::new(), scopes: Vec::new() };
    if principal.is_sound() { Ok(text.to_owned()) } else { Err(BadValue::Sound) }
}

fn until(text: &str) -> Result<Until, BadValue> {
    let at = || key_file::end(text).map(|end| Until::At(text.to_owned(), end));
    time::span(text).ok().map(Until::After).or_else(at).ok_or(BadValue::Until)
}
