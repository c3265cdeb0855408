//! What is sent to ask about a token: a form, and who asks. Pure.
//!
//! Source: RFC 7662 §2.1, RFC 6749 §2.3.1 and appendix B.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The form that asks about `token`.
pub fn question(token: &str) -> String {
    let mut form = String::from("token=");
    encode(token, &mut form);
    form.push_str("&token_type_hint=access_token");
    form
}

/// `Authorization` of a client with a secret: both are form-encoded before they are joined, so that a colon in the name
/// is none that parts them.
pub fn authorization(client: &str, secret: &str) -> String {
    let mut pair = String::new();
    encode(client, &mut pair);
    pair.push(':');
    encode(secret, &mut pair);
    format!("Basic {}", STANDARD.encode(pair))
}

/// As forms have it: letters, digits and `*-._` stay, a space becomes `+`, every other byte `%XX`.
fn encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().map_or('0', char::from);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.extend(['%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_cannot_add_a_field() {
        assert_eq!(question("a&b=c d+/é"), "token=a%26b%3Dc+d%2B%2F%C3%A9&token_type_hint=access_token");
    }

    #[test]
    fn a_colon_in_a_name_does_not_end_it() {
        let shown = authorization("shop:edge", "s3cret %");

        let pair = STANDARD.decode(shown.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(pair, b"shop%3Aedge:s3cret+%25");
    }
}
