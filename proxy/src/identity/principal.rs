//! Who a request is made for. Pure.

/// Longest name of a user, role or scope, in bytes.
const LONGEST: usize = 256;
/// Most roles, and most scopes.
const MOST: usize = 64;

/// A user, as introduced by somebody who may.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Principal {
    /// Its name: 1 … 256 visible ASCII characters without space, comma, quotes and backslash.
    pub user: Box<str>,
    /// Its roles; the same characters; at most 64.
    pub roles: Vec<Box<str>>,
    /// Its scopes; the same characters; at most 64.
    pub scopes: Vec<Box<str>>,
}

impl Principal {
    /// Whether every name is one that fits a header without being taken for several, or for something else.
    pub fn is_sound(&self) -> bool {
        let lists = [&self.roles, &self.scopes];
        is_name(&self.user)
            && lists.iter().all(|list| list.len() <= MOST && list.iter().all(|name| is_name(name)))
    }
}

fn is_name(name: &str) -> bool {
    let visible = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"' | b'\'' | b'\\');
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(visible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_be_taken_for_several_or_break_a_header_is_not_sound() {
        let named = |user: &str| Principal { user: user.into(), roles: vec![], scopes: vec![] }.is_sound();

        assert!(["alice", "a", "alice@shop.example", "auth0|17", "urn:x:1"].into_iter().all(named));
        let long = "x".repeat(257);
        assert!(
            !["", "a b", "a,b", "a\"", "a'", "a\\", "a\r\nX: 1", "ä", "a\0", &long].into_iter().any(named)
        );
    }

    #[test]
    fn lists_are_bounded_and_hold_names_only() {
        let with = |roles: Vec<Box<str>>, scopes: Vec<Box<str>>| {
            Principal { user: "u".into(), roles, scopes }.is_sound()
        };

        assert!(with(vec!["r".into(); 64], vec!["s:x".into()]));
        assert!(!with(vec!["r".into(); 65], vec![]));
        assert!(!with(vec![], vec!["a b".into()]));
    }
}
