//! `cors:`: which pages in browsers may read answers.

use http::{HeaderName, Method};
use std::time::Duration;

/// What pages of other origins may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Whose pages.
    pub origins: Origins,
    /// With which methods, besides GET, HEAD and POST; empty = those of the route.
    pub methods: Vec<Method>,
    /// With which request headers, besides the harmless ones.
    pub headers: Vec<HeaderName>,
    /// Which response headers they may read, besides the harmless ones.
    pub expose: Vec<HeaderName>,
    /// Whether they may send cookies and the like.
    pub credentials: bool,
    /// How long a browser may remember the answer to a preflight. Default 10 min.
    pub max_age: Duration,
}

/// Whose pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Everybody's; never together with credentials.
    Any,
    /// These; at least one.
    These(Vec<OriginPattern>),
}

/// An origin as browsers write it: lower case, without a default port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPattern {
    /// `https://shop.example`.
    Exact(Box<str>),
    /// `https://*.shop.example`: one label more, of the same scheme and port.
    OneLabel {
        /// `https://`
        scheme: Box<str>,
        /// `.shop.example`, with the port if there is one.
        rest: Box<str>,
    },
}
