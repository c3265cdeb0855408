//! Who a request is made for.

/// A user, as introduced by somebody who may.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// Its name: 1 … 256 visible ASCII characters without space, comma and quotes.
    pub user: Box<str>,
    /// Its roles; the same characters.
    pub roles: Vec<Box<str>>,
    /// Its scopes; the same characters.
    pub scopes: Vec<Box<str>>,
}
