//! The certificate authority of portcullis: who a workload is, and the certificates that say so.
//!
//! # Life of a certificate
//!
//! 1. The operator registers an [`entry`](entry::Entry): a SPIFFE ID and what it may have; and makes a
//!    [`token`](token::JoinToken) for it, good once and for ten minutes.
//! 2. The workload ([`client`]) makes a key, connects to the authority's [`server`], checks that its root is the one the token
//!    names, and sends the token with a request for a certificate ([`csr`]).
//! 3. [`policy`] decides what the entry may have, [`issuer`] signs it, the [`store`] keeps the ledger, the [`audit`] says
//!    who did what. All of it happens in one transaction of the [`authority`].
//! 4. Between half and two thirds of its life the workload renews it, with a new key, over mutual TLS.
//! 5. Meanwhile it watches the [`trust`]: the roots to believe ([`bundle`]), and the [`deny`]-list. What it has stored it
//!    acknowledges, and a [`rotation`] of the root waits for every live workload's acknowledgement.
//! 6. Others verify its certificate by [`verify`]: chain, trust domain, exactly one SPIFFE ID, deny-list.
//!
//! It must not know the proxy: no listener, no route, no request. The proxy uses this crate, never the other way.

pub mod audit;
pub mod authority;
pub mod bundle;
pub mod certificate;
pub mod cli;
pub mod client;
pub mod clock;
pub mod csr;
pub mod deny;
pub mod entry;
mod files;
pub mod intermediate;
pub mod issuer;
pub mod key;
pub mod names;
pub mod policy;
pub mod profile;
pub mod rotation;
pub mod server;
pub mod spiffe;
pub mod store;
pub mod time;
mod tls;
pub mod token;
pub mod trust;
pub mod verify;

pub use spiffe::{SpiffeId, SpiffeIdError, TrustDomain};

#[cfg(test)]
mod openssl;

/// The messages of `proto/ca.proto`, generated.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes,
    clippy::too_many_lines,
    reason = "generated; the .proto file says what they mean"
)]
pub mod proto {
    tonic::include_proto!("portcullis.ca.v1");
}
