//! The mesh under attack: real processes, real TLS, every row of the list of attacks on who somebody is.
//!
//! ```text
//!   alice, bob ──TLS──> edge ──mTLS──> order ──loopback──> an application that records, and calls on
//!                        │                └──mTLS──> payment ──loopback──> an application that records
//!                        └──mTLS──> legacy ──loopback──> an application behind WSGI
//!   a member with any certificate, an outsider with any ──mTLS──> any of them
//! ```
//!
//! | file | what is in it |
//! |--|--|
//! | `attacks` | the table, and what concerns evidence of users |
//! | `tls` | the table about TLS: openssl, and hellos made by hand |
//! | `envoy` | a real Envoy on either side of a sidecar |
//! | `wire` | what concerns connections, framing and processes |
//! | `world` | the processes |
//! | `member` | TLS with any certificate, also such as no authority gives |
//! | `forge` | passports and stamps, signed by code of our own |
//! | `identity` | the good path: who every application on the way works for |
//! | `property` | for any headers: what the application sees is what was proved |
//! | `policy` | rules: the sidecar, `explain` and `test` say the same |
//! | `revocation`, `rotation` | what happens to connections when certificates end |
//!
//! From `identity` on, the processes are those of `portcullis_tests::sidecar`.

mod attacks;
mod envoy;
mod forge;
mod identity;
mod member;
mod policy;
mod property;
mod revocation;
mod rotation;
mod tls;
mod tunnels;
mod wire;
mod world;
