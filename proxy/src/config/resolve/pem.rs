//! Whether a file looks like the PEM it should be.
//!
//! Only the labels are looked at, so that a swapped or truncated file is said with its place; what the
//! certificate says is checked by `tls`, which alone knows the TLS library.

use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::tree::Text;
use std::path::PathBuf;

/// Labels of the private keys we take: PKCS#8, PKCS#1, SEC1 (RFC 7468 §10, RFC 5915).
const KEYS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];

/// A file with at least one certificate.
pub(super) fn certificates(path: &Text, context: &Context<'_>) -> Option<PathBuf> {
    if let Some(plain) = path.value.strip_prefix("file:") {
        let message = "this is a path, not a secret: it has no `file:`";
        context.error(Code::BadValue, path.span, message, format!("write `{plain}`"));
        return None;
    }
    let content = context.read(&path.value, path.span)?;
    let found = labels(&content);
    if found.iter().any(|label| label == "CERTIFICATE") {
        return Some(context.path(&path.value));
    }
    let help = if found.iter().any(|label| KEYS.contains(&label.as_str())) {
        "it holds a private key: are `cert` and `key` swapped?"
    } else {
        "a PEM file has a line `-----BEGIN CERTIFICATE-----`"
    };
    let message = format!("`{}` holds no certificate", path.value);
    context.error(Code::BadFile, path.span, message, help);
    None
}

/// A file with a private key, written as `file:PATH`.
pub(super) fn key(text: &Text, context: &Context<'_>) -> Option<PathBuf> {
    let Some(path) = text.value.strip_prefix("file:") else {
        let message = "a private key is named as `file:PATH`";
        context.error(Code::BadValue, text.span, message, format!("write `file:{}`", text.value));
        return None;
    };
    let content = context.read(path, text.span)?;
    let found = labels(&content);
    if found.iter().any(|label| KEYS.contains(&label.as_str())) {
        context.check_private(path, text.span);
        return Some(context.path(path));
    }
    let help = if found.iter().any(|label| label == "ENCRYPTED PRIVATE KEY") {
        "the key is encrypted: decrypt it with `openssl pkcs8 -in KEY -out PLAIN`"
    } else if found.iter().any(|label| label == "CERTIFICATE") {
        "it holds a certificate: are `cert` and `key` swapped?"
    } else {
        "a PEM file has a line `-----BEGIN PRIVATE KEY-----`"
    };
    context.error(Code::BadFile, text.span, format!("`{path}` holds no private key"), help);
    None
}

/// Labels of all sections that are begun and ended.
fn labels(content: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(content);
    let begun =
        text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
    begun.filter(|label| text.contains(&format!("-----END {label}-----"))).map(str::to_owned).collect()
}
