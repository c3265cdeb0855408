//! What a command prints: tables and lines for people, JSON for scripts.
//!
//! Results go to standard output, everything else (progress, warnings, errors) to standard error, so that
//! `portcullis ca … > file` holds nothing but the result.

use serde::Serialize;
use std::io::Write;

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Output {
    /// JSON instead of text.
    pub(in crate::cli) json: bool,
}

impl Output {
    /// A result: `value` as JSON, or `text`, which ends each of its lines itself.
    pub(in crate::cli) fn result<T: Serialize + ?Sized>(self, value: &T, text: impl FnOnce() -> String) {
        if self.json {
            // Serializing our own records does not fail: they have no maps with odd keys.
            let json = serde_json::to_string_pretty(value).unwrap_or_default();
            print(&(json + "\n"));
        } else {
            print(&text());
        }
    }

    /// A hint for people; nothing when the output is JSON.
    pub(in crate::cli) fn hint(self, text: &str) {
        if !self.json {
            complain(text);
        }
    }
}

/// Columns as wide as their widest cell, two spaces between; the last column is not padded.
pub(in crate::cli) fn table<const N: usize>(headers: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headers.map(|header| header.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: String =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
        padded.trim_end().to_owned() + "\n"
    };
    let mut text = line(headers.to_vec());
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

/// Writes to standard output. A reader that went away early (`| head`) is no reason to fail or to panic.
pub(in crate::cli) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            // What was asked for is lost to who asked: whatever was done, this must not look like success.
            complain(&format!("error: the result could not be written: {error}"));
            std::process::exit(1);
        }
        _ => {}
    }
}

/// Writes a line to standard error; see [`print()`].
pub(in crate::cli) fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["svc/a".to_owned(), "1".to_owned()], ["b".to_owned(), "22".to_owned()]];

        let text = table(["ID", "N"], &rows);

        assert_eq!(text, "ID     N\nsvc/a  1\nb      22\n");
    }
}
