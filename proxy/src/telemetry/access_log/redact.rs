//! Which parts of a query are written to the log. Pure.
//!
//! Names are compared the way servers read them: percent-decoded, without regard to case. A parameter ends at `&`;
//! some servers also take `;` for the start of a parameter, so a name after `;` counts too, and then everything up
//! to the next `&` is hidden: rather too much than a secret.

use super::escape::escape;

/// Names of parameters whose values must not be written.
#[derive(Debug, Clone, Default)]
pub(super) struct Redaction {
    names: Vec<String>,
}

impl Redaction {
    pub(super) fn new(names: &[String]) -> Self {
        Self { names: names.to_vec() }
    }

    /// Appends `query` as the inside of a JSON string, secret values as `REDACTED`.
    pub(super) fn write(&self, out: &mut Vec<u8>, query: &str) {
        if self.names.is_empty() {
            return escape(out, query.as_bytes());
        }
        for (n, parameter) in query.split('&').enumerate() {
            if n > 0 {
                out.push(b'&');
            }
            match self.secret_from(parameter) {
                Some((shown, _secret)) => {
                    escape(out, shown.as_bytes());
                    out.extend_from_slice(b"REDACTED");
                }
                None => escape(out, parameter.as_bytes()),
            }
        }
    }

    /// Where in `parameter` a secret begins: what may be shown, up to and with the `=`, and the rest.
    fn secret_from<'a>(&self, parameter: &'a str) -> Option<(&'a str, &'a str)> {
        let mut start = 0;
        for piece in parameter.split(';') {
            if let Some((name, _)) = piece.split_once('=')
                && self.names.iter().any(|secret| same_name(secret, name))
            {
                return parameter.split_at_checked(start + name.len() + 1);
            }
            start += piece.len() + 1;
        }
        None
    }
}

/// Whether `written`, percent-decoded, is `name`.
fn same_name(name: &str, written: &str) -> bool {
    let mut written = written.bytes();
    let mut decoded = std::iter::from_fn(|| {
        let byte = written.next()?;
        if byte != b'%' {
            return Some(byte);
        }
        let mut ahead = written.clone();
        match (ahead.next().and_then(hex), ahead.next().and_then(hex)) {
            (Some(high), Some(low)) => {
                written = ahead;
                Some(high << 4 | low)
            }
            _ => Some(byte),
        }
    });
    name.bytes().all(|byte| decoded.next().is_some_and(|other| other.eq_ignore_ascii_case(&byte)))
        && decoded.next().is_none()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(query: &str) -> String {
        let mut out = Vec::new();
        Redaction::new(&["token".to_owned(), "api_key".to_owned()]).write(&mut out, query);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn secret_values_are_hidden_and_others_are_not() {
        assert_eq!(written("a=1&token=abc&b=2&api_key="), "a=1&token=REDACTED&b=2&api_key=REDACTED");
        assert_eq!(written("tokens=1&my_token=2&token"), "tokens=1&my_token=2&token");
    }

    #[test]
    fn a_name_cannot_hide_behind_its_spelling() {
        assert_eq!(written("TOKEN=abc"), "TOKEN=REDACTED");
        assert_eq!(written("%74oken=abc&tok%65N=abc"), "%74oken=REDACTED&tok%65N=REDACTED");
        assert_eq!(written("%zztoken=1&token%=1"), "%zztoken=1&token%=1");
    }

    #[test]
    fn values_with_separators_in_them_are_hidden_whole() {
        assert_eq!(written("token=abc=def;ghi&b=2"), "token=REDACTED&b=2");
        assert_eq!(written("a=1;token=abc;b=2&c=3"), "a=1;token=REDACTED&c=3");
    }

    #[test]
    fn what_is_shown_is_escaped() {
        assert_eq!(written("a=\"\n&to\u{202e}ken=1"), "a=\\\"\\n&to\\u202eken=1");
    }

    #[test]
    fn without_names_the_query_stays_as_it_is() {
        let mut out = Vec::new();

        Redaction::default().write(&mut out, "token=abc");

        assert_eq!(out, b"token=abc");
    }
}
