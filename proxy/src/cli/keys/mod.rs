//! `portcullis keys`: makes, lists and revokes API keys, in the file that a gateway reads.
//!
//! A secret is shown once, on standard output, and stands nowhere else: not in the file, the arguments, or a log.
//! Standard output has the answer alone; what people should know goes to standard error.
//!
//! | exit code | meaning |
//! |--|--|
//! | 0 | done |
//! | 1 | it failed, and the file is what it was |
//! | 2 | the command line is wrong |

mod args;
mod list;
mod write;

pub(super) use args::KeysArgs;

use super::{complain, print};
use crate::admission::authenticate::api_key::edit::{self, EditError, Entry};
use crate::admission::authenticate::api_key::secret::Secret;
use crate::admission::authenticate::api_key::{KeyFileError, Refused};
use args::{CreateArgs, KeysCommand, RevokeArgs, day};
use portcullis_ca::time::Timestamp;
use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is said after a change.
const TAKEN: &str = "A running gateway that watches this file takes the change by itself.";

/// Why a command ends early.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("--expires lies in the past: such a key would never be good")]
    Past,
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    #[error("{}: another `portcullis keys` is changing it and does not come to an end", .0.display())]
    Held(PathBuf),
    #[error("{}: it is no sound key file{}", .0.display(), places(.0, .1))]
    Unsound(PathBuf, Vec<KeyFileError>),
    #[error("{}: {error}{}", .file.display(), more(.file, .error))]
    Edit { file: PathBuf, error: EditError },
    #[error("standard input: {0}")]
    Stdin(io::Error),
    #[error("standard input: {0}")]
    BadSecret(Refused),
    #[error("the system gives no random numbers: {0}")]
    Random(io::Error),
    #[error("the key `{id}` is in {}, but its secret could not be shown ({source}): revoke it and make another one", .file.display())]
    NotShown { id: String, file: PathBuf, source: io::Error },
}

fn places(file: &Path, errors: &[KeyFileError]) -> String {
    errors.iter().map(|error| format!("\n  {}:{error}", file.display())).collect()
}

fn more(file: &Path, error: &EditError) -> String {
    match error {
        EditError::Unsound(errors) => places(file, errors),
        // Their places are in a file that is not there.
        EditError::Refused(errors) => errors.iter().map(|error| format!("\n  {}", error.message)).collect(),
        _ => String::new(),
    }
}

/// Does what was asked.
pub(super) fn run(args: &KeysArgs) -> ExitCode {
    let now = portcullis_ca::clock::wall();
    let done = match &args.command {
        KeysCommand::Create(args) => create(args, now, &mut io::stdin().lock()),
        KeysCommand::List(args) => list::list(args, now),
        KeysCommand::Revoke(args) => revoke(args),
    };
    match done {
        Ok(code) => code,
        Err(ended) => {
            complain(&format!("error: {ended}\n"));
            if matches!(ended, Ended::Past) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn create(args: &CreateArgs, now: Timestamp, stdin: &mut dyn BufRead) -> Result<ExitCode, Ended> {
    let made = make(args, now, stdin)?;
    let answer = made.answer(args);
    let shown = io::stdout().lock().write_all(answer.as_bytes()).and_then(|()| io::stdout().lock().flush());
    if let Err(source) = shown
        && made.added
    {
        return Err(Ended::NotShown { id: args.id.clone(), file: args.file.clone(), source });
    }
    complain(&made.notes(args));
    Ok(if made.added { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A new key.
struct Made {
    entry: Entry,
    /// `None` when it was made elsewhere: whoever did knows it.
    secret: Option<Secret>,
    /// Whether it is in the file; otherwise people have to put it there.
    added: bool,
}

fn make(args: &CreateArgs, now: Timestamp, stdin: &mut dyn BufRead) -> Result<Made, Ended> {
    let expires = args.expires.as_ref().map(|until| until.written(now).ok_or(Ended::Past)).transpose()?;
    let (secret, ours) = if args.secret_from_stdin {
        (given(stdin)?, false)
    } else {
        (Secret::from_random(random().map_err(Ended::Random)?), true)
    };
    let entry = Entry {
        id: args.id.clone(),
        digest: secret.digest(),
        owner: args.owner.clone(),
        tier: args.tier.clone(),
        roles: args.roles.clone(),
        scopes: args.scopes.clone(),
        created: day(now),
        expires,
    };
    let add =
        |text: &str| edit::add(text, &entry).map_err(|error| Ended::Edit { file: args.file.clone(), error });
    let added = match write::change_or_make(&args.file, &add) {
        Ok(()) => true,
        Err(Ended::Edit { error: EditError::ByHand, .. }) => false,
        Err(ended) => return Err(ended),
    };
    Ok(Made { entry, secret: ours.then_some(secret), added })
}

impl Made {
    /// For standard output: the secret alone on its line.
    fn answer(&self, args: &CreateArgs) -> String {
        let secret = self.secret.as_ref().map(Secret::as_str);
        if !args.json {
            return secret.map_or_else(String::new, |secret| format!("{secret}\n"));
        }
        let Entry { id, owner, tier, roles, scopes, created, expires, .. } = &self.entry;
        let by_hand = (!self.added).then(|| self.entry.line());
        let value = serde_json::json!({
            "id": id, "owner": owner, "tier": tier, "roles": roles, "scopes": scopes,
            "created": created, "expires": expires, "secret": secret, "entry": by_hand,
        });
        format!("{value}\n")
    }

    /// For standard error.
    fn notes(&self, args: &CreateArgs) -> String {
        let (file, Entry { id, owner, .. }) = (args.file.display(), &self.entry);
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = if self.added {
            writeln!(text, "The key `{id}` of {owner} is in {file}. {TAKEN}")
        } else {
            writeln!(
                text,
                "error: {file}: {}. It is what it was. Add this to its `keys:` by hand:\n{}",
                EditError::ByHand,
                self.entry.line()
            )
        };
        text.push_str(match &self.secret {
            Some(_) => "Its secret is shown this once: only a digest is kept, from which nobody can get it back.\n",
            None => "Only a digest of the secret is kept. That is safe as long as it is random: nobody must be able to guess it.\n",
        });
        text
    }
}

fn revoke(args: &RevokeArgs) -> Result<ExitCode, Ended> {
    let remove = |text: &str| {
        edit::remove(text, &args.id).map_err(|error| Ended::Edit { file: args.file.clone(), error })
    };
    match write::change(&args.file, &remove) {
        Ok(()) => {}
        Err(Ended::Edit { file, error: EditError::ByHand }) => {
            let why = EditError::ByHand;
            complain(&format!(
                "error: {}: {why}. Take the entry `{}` out by hand\n",
                file.display(),
                args.id
            ));
            return Ok(ExitCode::FAILURE);
        }
        Err(ended) => return Err(ended),
    }
    print(&format!("revoked: {}\n", args.id));
    complain(&format!("The key is out of {}. {TAKEN}\n", args.file.display()));
    Ok(ExitCode::SUCCESS)
}

/// The secret on the first line.
fn given(stdin: &mut dyn BufRead) -> Result<Secret, Ended> {
    /// Longer than any secret, so that one that is too long is not cut into a good one.
    const LONGEST: u64 = 4096;
    if io::stdin().is_terminal() {
        complain("paste the secret and press Enter:\n");
    }
    let mut line = String::new();
    stdin.take(LONGEST).read_line(&mut line).map_err(Ended::Stdin)?;
    Secret::from_elsewhere(line.trim_end_matches(['\r', '\n'])).map_err(Ended::BadSecret)
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(io::Error::other("the system gives no random numbers")),
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
