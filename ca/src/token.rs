//! The text of a join token: all a workload needs to get its first certificate, in one word.
//!
//! Decides how it is written: `pct1.` and the base64url (RFC 4648, section 5, no padding) of a JSON object with the
//! addresses of the authority, its trust domain, the SHA-256 of its roots and a secret. The roots make the first
//! contact safe: the workload shows the secret only to who proves to stand under one of them. Pure: it must not know
//! entries, certificates or the store, and the secret comes in.

use crate::names::Fingerprint;
use crate::spiffe::TrustDomain;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use zeroize::{Zeroize, Zeroizing};

const PREFIX: &str = "pct1.";
const MAX_TEXT: usize = 4096;
/// The longest address.
const MAX_URL: usize = 512;
const SECRET: usize = 32;

/// A join token with its secret. `Debug` leaves the secret out, and there is no `Display`: who wants the text to give
/// it to somebody says [`reveal`](Self::reveal).
#[derive(Clone)]
pub struct JoinToken {
    /// Where the authority is: `https://ca.shop.example:8443`. Empty when the workload is told otherwise.
    pub urls: Vec<String>,
    /// Whose authority it is.
    pub trust_domain: TrustDomain,
    /// The SHA-256 of its roots' certificates: who joins believes one of these.
    pub roots: Vec<Fingerprint>,
    secret: Zeroizing<[u8; SECRET]>,
}

/// The JSON inside. One spelling: no other fields.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    u: Vec<String>,
    t: TrustDomain,
    r: Vec<Fingerprint>,
    s: String,
}

impl Drop for Content {
    fn drop(&mut self) {
        self.s.zeroize();
    }
}

impl JoinToken {
    /// A token with 256 random bits as its secret.
    pub fn new(
        urls: Vec<String>,
        trust_domain: TrustDomain,
        roots: Vec<Fingerprint>,
        secret: [u8; SECRET],
    ) -> Self {
        Self { urls, trust_domain, roots, secret: Zeroizing::new(secret) }
    }

    /// The SHA-256 of the secret: what the authority keeps of it.
    pub fn hash(&self) -> Fingerprint {
        Fingerprint::of(self.secret.as_slice())
    }

    /// The text, with the secret in it. It reads back when it holds at least one root, sound addresses
    /// (see [`sound_url`]) and no more than 4 KiB.
    pub fn reveal(&self) -> String {
        let content = Content {
            u: self.urls.clone(),
            t: self.trust_domain.clone(),
            r: self.roots.clone(),
            s: URL_SAFE_NO_PAD.encode(self.secret.as_slice()),
        };
        // Lists and texts always have a JSON form.
        let json = Zeroizing::new(serde_json::to_vec(&content).unwrap_or_default());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json.as_slice()))
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;

    /// Reads the text; white space around it is ignored, since it is often read from a file.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(TokenError::TooLong);
        }
        let encoded = text.strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        let json = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenError::Damaged)?);
        // What serde says could quote the secret.
        let content: Content = serde_json::from_slice(&json).map_err(|_| TokenError::Damaged)?;
        let secret = secret(&content.s).ok_or(TokenError::Damaged)?;
        if content.r.is_empty() {
            return Err(TokenError::NoRoot);
        }
        if !content.u.iter().all(|url| sound_url(url)) {
            return Err(TokenError::Url);
        }
        let (urls, roots) = (content.u.clone(), content.r.clone());
        Ok(Self { urls, roots, trust_domain: content.t.clone(), secret })
    }
}

/// The SHA-256 of the secret in `text`, which is a whole token or its secret alone; `None`: it is neither.
pub fn hash_of(text: &str) -> Option<Fingerprint> {
    match text.parse::<JoinToken>() {
        Ok(token) => Some(token.hash()),
        Err(TokenError::Prefix) => secret(text.trim()).map(|secret| Fingerprint::of(secret.as_slice())),
        Err(_) => None,
    }
}

/// Whether an address can stand in a token: `https://`, a host, perhaps a port, perhaps a slash at the end, nothing
/// else, at most 512 bytes.
pub fn sound_url(url: &str) -> bool {
    let sound =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    let place = url.strip_prefix("https://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    url.len() <= MAX_URL && place.is_some_and(|place| !place.is_empty() && place.bytes().all(sound))
}

fn secret(text: &str) -> Option<Zeroizing<[u8; SECRET]>> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("JoinToken")
            .field("urls", &self.urls)
            .field("trust_domain", &self.trust_domain)
            .field("roots", &self.roots)
            .finish_non_exhaustive()
    }
}

/// Why a text is not a join token. Never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It starts otherwise.
    #[error("a join token starts with {PREFIX}: make one with `portcullis ca token create`")]
    Prefix,
    /// More than 4 KiB.
    #[error("this is too long for a join token: at most {MAX_TEXT} bytes")]
    TooLong,
    /// Not base64url, not JSON, or a field is missing, malformed or too many.
    #[error("the join token is damaged or cut off: copy it again, whole")]
    Damaged,
    /// No root.
    #[error("the join token names no root, so nobody could be believed: make a new one")]
    NoRoot,
    /// An address that is none.
    #[error(
        "the join token holds an address that is not https://host:port: make a new one with the right --url"
    )]
    Url,
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
