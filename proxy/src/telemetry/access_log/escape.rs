//! JSON strings (RFC 8259 §7) that can do no harm where a log is read. Pure.
//!
//! Beside what JSON asks for, everything that could end a line, move a terminal's cursor or turn text around is
//! written as `\uXXXX`: control characters of ASCII and Latin-1, the line and paragraph separators and all
//! characters with the Unicode property Bidi_Control. Invalid UTF-8 becomes U+FFFD, one per bad sequence.

/// Appends `text` as the inside of a JSON string.
pub(super) fn escape(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    loop {
        // Nearly every text is plain all through.
        let plain = rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len());
        let Some((head, tail)) = rest.split_at_checked(plain) else { return };
        out.extend_from_slice(head);
        if tail.is_empty() {
            return;
        }
        let odd = tail.iter().position(|byte| is_plain(*byte)).unwrap_or(tail.len());
        let Some((odd, tail)) = tail.split_at_checked(odd) else { return };
        // A plain byte is ASCII, so the cut is never inside a character.
        escape_odd(out, odd);
        rest = tail;
    }
}

/// Printable ASCII that JSON takes as it is.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

#[cold]
fn escape_odd(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|character| push(out, character));
        if !chunk.invalid().is_empty() {
            push_hex(out, 0xfffd);
        }
    }
}

fn push(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        _ if is_harmful(character) => push_hex(out, u32::from(character)),
        _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

const fn is_harmful(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    )
}

/// Appends `\uXXXX`; all harmful characters fit in 16 bits.
fn push_hex(out: &mut Vec<u8>, code: u32) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(char::from_digit(code >> shift & 0xf, 16).map_or(b'0', |digit| digit as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &[u8]) -> String {
        let mut out = Vec::new();
        escape(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(escaped(b"curl/8.0 (x; y) ~"), "curl/8.0 (x; y) ~");
        assert_eq!(escaped("größe 日本 🦀".as_bytes()), "größe 日本 🦀");
    }

    #[test]
    fn what_could_end_a_line_or_a_string_is_escaped() {
        assert_eq!(escaped(b"a\"b\\c\nd\re\tf\0"), r#"a\"b\\c\nd\re\tf\u0000"#);
        assert_eq!(escaped("\u{85}\u{2028}\u{2029}".as_bytes()), r"\u0085\u2028\u2029");
    }

    #[test]
    fn terminals_and_readers_cannot_be_fooled() {
        assert_eq!(escaped(b"\x1b[31m\x7f"), r"\u001b[31m\u007f");
        assert_eq!(escaped("\u{9b}2J".as_bytes()), r"\u009b2J");
        assert_eq!(escaped("\u{202e}gpj\u{2066}\u{200f}\u{61c}".as_bytes()), r"\u202egpj\u2066\u200f\u061c");
    }

    #[test]
    fn invalid_utf8_becomes_the_replacement_character() {
        assert_eq!(escaped(b"a\xffb\xc3"), r"a\ufffdb\ufffd");
        assert_eq!(escaped(b"\xed\xa0\x80x"), r"\ufffd\ufffd\ufffdx");
    }

    #[test]
    fn any_bytes_give_a_json_string_on_one_line_that_reads_back() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let text = [b'a', first, second, b'z'];

                let line = escaped(&text);

                let back: String = serde_json::from_str(&format!("\"{line}\"")).unwrap();
                assert_eq!(back, String::from_utf8_lossy(&text));
                assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }
    }
}
