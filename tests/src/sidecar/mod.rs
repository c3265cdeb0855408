//! A mesh on this machine: its authority, sidecars beside applications, an edge, and everybody who should be kept out.
//!
//! | part           | what it is                                                                          |
//! |----------------|-------------------------------------------------------------------------------------|
//! | [`Mesh`]       | the authority of `shop.example` with its members                                    |
//! | [`Svid`]       | a certificate of a member, as files and as a TLS client                             |
//! | [`Beside`]     | the configuration of a sidecar in the making                                        |
//! | [`Sidecar`]    | the real process with it                                                            |
//! | [`EdgeInMesh`] | an edge that introduces users; [`People`] gives them their certificates             |
//! | [`Relay`]      | an application that answers by calling on through its sidecar                       |
//! | [`Evidence`]   | passport, stamps and chains, also forged ones: signed by our own code, not by theirs|
//! | [`Rogue`]      | certificates no authority should give, signed with the stolen key of ours           |

mod app;
mod beside;
mod edge;
mod forge;
mod mesh;
mod people;
mod process;
mod rogue;
mod svid;

pub use app::{Relay, Wsgi, protected, seen};
pub use beside::{Beside, NotReady, Sidecar};
pub use edge::EdgeInMesh;
pub use forge::{Evidence, Forged, digest, now};
pub use mesh::{Mesh, id};
pub use people::People;
pub use process::Process;
pub use rogue::Rogue;
pub use svid::{MeshClient, Outcome, Svid};
