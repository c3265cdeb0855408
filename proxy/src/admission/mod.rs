//! What may come in: decisions about a request before anything is sent for it.
//!
//! A file per question. Each takes what it needs as plain values and answers with a value or a refusal; none
//! knows a socket, the routes of the file, or another stage.

pub mod authorize;
pub mod path;
