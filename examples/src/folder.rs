//! The temporary folder of a run: configurations, certificates, logs, for its owner only.
//!
//! | what | is |
//! |--|--|
//! | `portcullis.yaml`, `sidecars/` | configurations, laid out as in the folder `shop` |
//! | `ca/` | the certificate authority |
//! | `tokens/` | join tokens, each good once |
//! | `state/` | the identities of the members |
//! | `people/` | certificates of people, the edge's own for them, and the API key of the partner |
//! | `logs/` | what each process says |

use crate::process::Logs;
use anyhow::{Context as _, bail};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The folder.
pub struct Folder(PathBuf);

impl Folder {
    /// A new one with everything in its place.
    pub fn create() -> anyhow::Result<Self> {
        for number in 0..100_u32 {
            let path = std::env::temp_dir().join(format!("shop-{}-{number}", std::process::id()));
            // Fails on anything that is already there, so nobody can have prepared it for us.
            match private(&path) {
                Err(fault) if fault.kind() == ErrorKind::AlreadyExists => {}
                made => {
                    made.with_context(|| format!("cannot make {}", path.display()))?;
                    return Self(path).furnished();
                }
            }
        }
        bail!("no free name for a folder in {}", std::env::temp_dir().display())
    }

    fn furnished(self) -> anyhow::Result<Self> {
        for inner in ["sidecars", "tokens", "state", "people", "logs"] {
            private(&self.path(inner))?;
        }
        Ok(self)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Something in it.
    pub fn path(&self, inner: &str) -> PathBuf {
        self.0.join(inner)
    }

    /// The same as text.
    pub fn text(&self, inner: &str) -> String {
        self.path(inner).display().to_string()
    }

    /// Writes a file that only its owner reads.
    pub fn write(&self, inner: &str, content: &str) -> anyhow::Result<()> {
        write_private(&self.path(inner), content)
    }

    /// Where a process writes: requests apart from the rest.
    pub fn logs(&self, name: &str) -> Logs {
        let log = |kind: &str| self.0.join(format!("logs/{name}.{kind}"));
        Logs { stdout: log("access.log"), stderr: log("log") }
    }

    /// Removes it with all that is in it.
    pub fn remove(&self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(&self.0).with_context(|| format!("cannot remove {}", self.0.display()))
    }
}

/// Makes a folder for its owner only; an error when something is there.
fn private(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Writes a file that only its owner reads.
pub fn write_private(path: &Path, content: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(content.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
