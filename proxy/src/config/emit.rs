//! A JSON value as YAML in block style. Only what [`super::effective`] needs; no YAML crate is involved.

use serde_json::Value;

/// YAML text, ending with a newline.
pub(super) fn yaml(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (at, (key, value)) in map.iter().enumerate() {
                // The first key of a list entry stands behind its dash.
                if at > 0 || !out.ends_with("- ") {
                    pad(indent, out);
                }
                out.push_str(&scalar(key));
                out.push(':');
                nested(value, indent + 2, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                pad(indent, out);
                out.push_str("- ");
                match item {
                    Value::Object(map) if !map.is_empty() => block(item, indent + 2, out),
                    other => line(other, out),
                }
            }
        }
        other => line(other, out),
    }
}

fn nested(value: &Value, indent: usize, out: &mut String) {
    let is_block = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if is_block {
        out.push('\n');
        block(value, indent, out);
    } else {
        out.push(' ');
        line(value, out);
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn line(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => out.push_str(&scalar(text)),
        // Empty lists and maps, numbers and booleans are written alike in both.
        other => out.push_str(&other.to_string()),
    }
    out.push('\n');
}

/// Plain when no YAML reader could mistake it, otherwise as a JSON string, which YAML reads alike.
fn scalar(text: &str) -> String {
    if is_plain_word(text) || is_quantity(text) {
        return text.to_owned();
    }
    // JSON leaves some control characters as they are that YAML does not take.
    let escaped = |c: char| match c {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
            format!("\\u{:04x}", u32::from(c))
        }
        other => other.to_string(),
    };
    Value::String(text.to_owned()).to_string().chars().map(escaped).collect()
}

/// `GET /orders/**`: nothing in it means anything to YAML.
fn is_plain_word(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let inside = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '|' | '*' | '{' | '}' | ' ')
    };
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    first
        && text.chars().all(inside)
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// `5s`, `10MiB`: a number with one of our units.
fn is_quantity(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    unit.len() < text.len() && matches!(unit, "ms" | "s" | "m" | "h" | "B" | "KiB" | "MiB" | "GiB")
}
