//! The partner of the demo: an API key, made with the command anybody would type, `portcullis keys create`.

use crate::folder::write_private;
use crate::process;
use anyhow::{Context as _, ensure};
use std::io::ErrorKind;
use std::path::Path;

/// The file with the secret.
pub const SECRET: &str = "partner.key";
/// The file the edge reads: digests alone.
const KEYS: &str = "partners.yaml";

/// Writes both, in the place of older ones.
pub async fn write(folder: &Path) -> anyhow::Result<()> {
    let keys = folder.join(KEYS);
    if let Err(fault) = std::fs::remove_file(&keys)
        && fault.kind() != ErrorKind::NotFound
    {
        return Err(fault).with_context(|| format!("cannot replace {}", keys.display()));
    }
    let file = keys.display().to_string();
    let acme = ["--id", "acme-2026", "--owner", "acme", "--role", "partner", "--tier", "premium"];
    let words = [&["portcullis", "keys", "create", "--file", &file], acme.as_slice()].concat();
    let ended = process::run(&words).await?;
    ensure!(ended.code == Some(0), "`{}` failed:\n{}", words.join(" "), ended.err);
    write_private(&folder.join(SECRET), &ended.out)
}
