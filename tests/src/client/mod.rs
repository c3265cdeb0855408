//! Clients: one that behaves, and others that do not have to.

mod frames;
mod h2;
mod hpack;
mod proxy_header;
mod raw;
mod request;
mod tls;

pub use frames::{Ended, Frame, Frames, flag, kind};
pub use h2::{H2, H2Response};
pub use proxy_header::ProxyHeader;
pub use raw::Raw;
pub use request::Client;
pub use tls::TlsClient;
