//! What every command is run with: the folder, the password, how results are printed.
//!
//! Decides how commands open the authority and how they end when they changed something, and writes the commands of
//! hints so that they can be typed as they stand, `--dir` included.

use super::CaArgs;
use super::error::CliError;
use super::output::{Output, complain};
use super::words::quote;
use crate::authority::{Authority, AuthorityError};
use crate::clock;
use crate::key::{Key, KeyError, KeyFault, Password};
use crate::spiffe::{SpiffeId, TrustDomain};
use crate::time::Timestamp;
use std::path::PathBuf;

/// The folder when nobody says otherwise.
pub(super) const DIR: &str = "portcullis-ca";

/// What every command is run with.
#[derive(Debug)]
pub(super) struct Context {
    /// The folder of the authority.
    pub(super) dir: PathBuf,
    /// How results are printed.
    pub(super) output: Output,
    /// Starts the process's own log: for commands that run for long.
    pub(super) start_log: fn(),
    password_file: Option<PathBuf>,
}

impl Context {
    pub(super) fn new(args: &CaArgs, start_log: fn()) -> Self {
        Self {
            dir: args.dir.clone(),
            output: Output { json: args.json },
            start_log,
            password_file: args.password_file.clone(),
        }
    }

    /// The password of the keys, when its file is named.
    pub(super) fn password(&self) -> Result<Option<Password>, KeyError> {
        self.password_file.as_deref().map(Password::read).transpose()
    }

    /// The authority, for what needs a signature: its key is read.
    pub(super) fn open(&self) -> Result<Authority, CliError> {
        Ok(Authority::open(&self.dir, self.password()?)?)
    }

    /// The authority, for what needs no key. A password that is named is kept for those that are read after all.
    pub(super) fn open_without_keys(&self) -> Result<Authority, CliError> {
        Ok(Authority::open_without_keys(&self.dir, self.password()?)?)
    }

    /// The authority, for what makes keys. They are protected as the password says, and the server must be able to read
    /// them: so the password is tried on the key that signs. Where that is lost, new keys are the remedy.
    pub(super) fn open_for_new_keys(&self) -> Result<Authority, CliError> {
        let authority = match self.open() {
            Err(CliError::Authority(AuthorityError::Key(error))) if !is_about_password(&error) => {
                return self.open_without_keys();
            }
            opened => opened?,
        };
        let signing = authority.dir().key(&authority.settings()?.signing);
        if self.password_file.is_some() && Key::read(&signing, None).is_ok() {
            complain(&format!(
                "warning: the keys that are there are not encrypted, the new ones are: from now on `{}`",
                self.command_with_keys("serve")
            ));
        }
        Ok(authority)
    }

    /// The moment of the command.
    pub(super) fn now(&self) -> Timestamp {
        clock::wall()
    }

    /// Called after a change: brings it to the audit file. When that fails the change stands, and the event stays in
    /// the store until the next command or the server writes it.
    pub(super) fn changed(&self, authority: &Authority) {
        if let Err(error) = authority.flush_audit() {
            complain(&format!(
                "warning: done, but the audit file could not be written: {error}; the event is kept and written \
                 with the next command"
            ));
        }
    }

    /// A command as it is to be typed: `rest` after `portcullis ca`.
    pub(super) fn command(&self, rest: &str) -> String {
        let mut line = format!("portcullis ca {rest}");
        if self.dir.as_os_str() != DIR {
            line = format!("{line} --dir {}", quote(&self.dir));
        }
        line
    }

    /// The same for a command that reads keys.
    pub(super) fn command_with_keys(&self, rest: &str) -> String {
        let line = self.command(rest);
        match &self.password_file {
            Some(file) => format!("{line} --password-file {}", quote(file)),
            None => line,
        }
    }
}

fn is_about_password(error: &KeyError) -> bool {
    matches!(error, KeyError::File { fault: KeyFault::Encrypted | KeyFault::WrongPassword, .. })
}

/// Reads a SPIFFE ID of the authority's trust domain: whole, or its path alone (`svc/order`, `/svc/order`).
pub(super) fn id(text: &str, trust_domain: &TrustDomain) -> Result<SpiffeId, CliError> {
    let read = if text.contains("://") {
        text.parse()
    } else {
        SpiffeId::new(trust_domain.clone(), &format!("/{}", text.strip_prefix('/').unwrap_or(text)))
    };
    read.map_err(|source| CliError::Id { text: text.to_owned(), trust_domain: trust_domain.clone(), source })
}

/// [`id()`] for an authority that is open.
pub(super) fn id_at(text: &str, authority: &Authority) -> Result<SpiffeId, CliError> {
    id(text, &authority.settings()?.trust_domain)
}
