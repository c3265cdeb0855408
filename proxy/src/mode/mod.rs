//! The modes: one page each, the assembly of a process, nothing else.
//!
//! [`edge`] and [`sidecar`] are the modes, [`assembly`] what both are made of. The rest is the sidecar's: whether it is
//! ready ([`readiness`], [`board`]), its application ([`child`], [`launch`], [`probe`], [`pulse`]), how it ends
//! ([`farewell`], [`departure`]).

pub mod ask;
pub mod assembly;
pub mod board;
pub mod child;
pub mod departure;
pub mod ended;
pub mod edge;
pub mod farewell;
pub mod launch;
pub mod probe;
pub mod pulse;
pub mod readiness;
pub mod sidecar;
