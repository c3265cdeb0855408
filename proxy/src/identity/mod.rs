//! Identity headers: which names nobody outside may set.

pub mod headers;
