//! Identity: which headers nobody outside may set, and who a request is made for.

pub mod headers;
pub mod principal;
