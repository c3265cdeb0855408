//! `portcullis keys list`: a table of keys, never with their digests.

use super::args::ListArgs;
use super::{Ended, print, write};
use crate::admission::authenticate::api_key::{Key, KeyFile};
use portcullis_ca::time::Timestamp;
use std::process::ExitCode;

/// Headings, as wide as the table is.
const HEAD: [&str; 6] = ["ID", "OWNER", "TIER", "CREATED", "EXPIRES", "STATE"];

/// Prints the keys of a file.
pub(super) fn list(args: &ListArgs, now: Timestamp) -> Result<ExitCode, Ended> {
    let keys = KeyFile::parse(&write::text(&args.file)?)
        .map_err(|errors| Ended::Unsound(args.file.clone(), errors))?;
    print(&if args.json { json(&keys, now) } else { table(&keys, now) });
    Ok(ExitCode::SUCCESS)
}

fn state(key: &Key, now: Timestamp) -> &'static str {
    if key.is_expired(now) { "expired" } else { "active" }
}

/// As text, in columns.
pub(super) fn table(keys: &KeyFile, now: Timestamp) -> String {
    let row = |key: &'_ Key| {
        let caller = &key.caller;
        let or_none = |text: Option<&str>| text.unwrap_or("-").to_owned();
        [
            key.id.to_string(),
            caller.principal.user.to_string(),
            or_none(caller.tier.as_deref()),
            or_none(key.created.as_deref()),
            or_none(key.expires.as_deref()),
            state(key, now).to_owned(),
        ]
    };
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(keys.keys().iter().map(row));
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let line = |row: &[String; HEAD.len()]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// As a JSON array.
pub(super) fn json(keys: &KeyFile, now: Timestamp) -> String {
    let one = |key: &Key| {
        let caller = &key.caller;
        serde_json::json!({
            "id": key.id, "owner": caller.principal.user, "tier": caller.tier,
            "roles": caller.principal.roles, "scopes": caller.principal.scopes,
            "created": key.created, "expires": key.expires, "state": state(key, now),
        })
    };
    format!("{}\n", keys.keys().iter().map(one).collect::<serde_json::Value>())
}
