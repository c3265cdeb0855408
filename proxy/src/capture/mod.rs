//! Transparent capture: the kernel hands the workload's TCP connections to the sidecar, the application knows nothing.
//!
//! The rules are a network namespace's: everything in it is captured but what carries our mark ([`MARK`]), so that the
//! sidecar's own connections get out. A mark is a thing of one socket; a user id would be shared by accident.
//!
//! | file | what it does | |
//! |--|--|--|
//! | [`rules`] | which rules a plan needs, in which order; how each is labelled | pure |
//! | [`nft`], [`iptables`] | the same rules in the words of either tool | pure |
//! | [`found`] | what a listing of rules says about us: complete, partly there, of another plan | pure |
//! | [`apply`] | finds the tools and runs them | shell |
//! | [`check`] | connects, to see whether the rules do what they say | shell |
//! | [`original`] | where a captured connection was going; the mark | sockets |
//!
//! What this does not do: UDP is never captured (DNS, QUIC), nor are connections that were open before. And it is no
//! wall: a process with `CAP_NET_RAW` or `CAP_NET_ADMIN` can set the mark too. Whom the application may reach at all is
//! for the network's own policy to say.

pub mod rules;
pub mod nft;
pub mod iptables;
pub mod found;
pub mod apply;
pub mod check;
pub mod original;

pub use original::{capturing, exempt, mark, may_mark, original_destination};
pub use rules::{Exempt, Incoming, MARK, Name, Plan};
