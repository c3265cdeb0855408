//! The certificate authority, in the order of a certificate's life: issued, used by others, renewed, revoked, rotated,
//! and what happens to all of it when something breaks.

mod transcript;
mod commands;
mod tokens;
mod openssl;
pub(crate) mod envoy;
mod renewal;
mod revocation;
mod root_rotation;
mod crashes;
mod clocks;
mod audit;
