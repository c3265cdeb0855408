//! JSON Web Tokens (RFC 7519) that an issuer outside signed: whether one holds, and whom it names. Pure.
//!
//! | step | file | what |
//! |--|--|--|
//! | 1 | [`token`] | three parts, one spelling, a header without surprises, an `alg` the rule names |
//! | 2 | [`keys`] | the one key of the issuer it can be checked with |
//! | 3 | [`verify`] | the signature, and only then what it says |
//! | 4 | [`claims`] | when, by whom, for whom, who |
//! | – | [`cache`] | the same token again within a minute |
//!
//! Must not know: where keys come from, which header carried the token, what a refusal looks like on the wire.

pub mod cache;
pub mod claims;
pub mod json;
pub mod keys;
mod refused;
mod small_order;
mod token;
mod verify;

pub use keys::KeySet;
pub use refused::Refused;
pub use token::{issuer_of, looks_like_jwt};
pub use verify::verify;

#[cfg(test)]
#[path = "support_tests.rs"]
mod support;
