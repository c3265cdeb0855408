//! `trust:` and `strict:`: whom we believe, and what we refuse although others let it pass.

use ipnet::IpNet;
use std::net::IpAddr;

/// Whom we believe about the client's address.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Networks whose X-Forwarded-For and PROXY header count. Empty: nobody.
    pub proxies: Vec<IpNet>,
    /// How many trusted proxies stand in front, counted from the right of X-Forwarded-For. Default 1.
    pub hops: usize,
}

impl Trust {
    /// Whether `peer` may speak about other addresses.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.proxies.iter().any(|net| net.contains(&peer))
    }
}

/// What to do with something legal but dangerous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// Answer 400 (505 for HTTP/1.0).
    #[default]
    Refuse,
    /// Take it out and go on (meaningless for HTTP/1.0, refused at load).
    Drop,
    /// Let it pass. Framing names are refused and identity names deleted all the same.
    Keep,
}

/// The `strict:` block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strict {
    /// Header names with `_`: applications fold them to `-`, so `X_Auth_User` would forge `X-Auth-User`.
    pub underscores: Strictness,
    /// HTTP/1.0 requests.
    pub http10: Strictness,
}
