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
//! | `wire` | what concerns connections, framing and processes |
//! | `world` | the processes |
//! | `member` | TLS with any certificate, also such as no authority gives |
//! | `forge` | passports and stamps, signed by code of our own |

mod attacks;
mod forge;
mod member;
mod wire;
mod world;
