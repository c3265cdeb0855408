//! Literal text of patterns: whether a segment is in the canonical form requests are compared in.

use super::PatternError;

/// Checks one segment.
pub(super) fn check(segment: &str) -> Result<(), PatternError> {
    let mut rest = segment;
    while let Some(letter) = rest.chars().next() {
        rest = match letter {
            '%' => check_escape(rest)?,
            _ if stands_for_itself(letter) => rest.get(1..).unwrap_or_default(),
            _ => return Err(PatternError::Character { found: letter, write: advice(letter) }),
        };
    }
    let mut names = segment.split("%2F").map(|name| name.split(';').next().unwrap_or_default());
    if names.any(|name| matches!(name.split("%3B").next(), Some("." | ".."))) {
        return Err(PatternError::DotSegment);
    }
    Ok(())
}

/// Checks the escape at the beginning of `text` and gives what follows it.
fn check_escape(text: &str) -> Result<&str, PatternError> {
    let (escape, after) = text.split_at_checked(3).ok_or(PatternError::BadEscape)?;
    let digits = escape.get(1..).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let byte =
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(PatternError::BadEscape)?;
    if byte < 0x20 || matches!(byte, 0x7f | b'\\' | b'#') {
        return Err(PatternError::RefusedEscape(escape.to_owned()));
    }
    let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let canonical = if unreserved { char::from(byte).to_string() } else { escape.to_ascii_uppercase() };
    if canonical != escape {
        return Err(PatternError::Spelling { found: escape.to_owned(), write: canonical });
    }
    Ok(after)
}

/// RFC 3986 §3.3, and `[` `]`, which many clients send unescaped.
fn stands_for_itself(letter: char) -> bool {
    letter.is_ascii_graphic() && !"\"#%/<>?\\^`{|}".contains(letter)
}

/// What to write for a character that cannot stand in a path.
fn advice(letter: char) -> String {
    match letter {
        '?' => "conditions on the query under `when:`".to_owned(),
        '\\' | '#' => "another path: requests that hold it are refused".to_owned(),
        _ => {
            let mut bytes = [0; 4];
            let escapes = letter.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}"));
            format!("`{}`", escapes.collect::<String>())
        }
    }
}
