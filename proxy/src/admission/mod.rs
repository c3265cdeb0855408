//! What may come in: decisions about a request before anything is sent for it, in the order it meets them.
//!
//! A file or folder per question. Each takes what it needs as plain values and answers with a value or a refusal; none
//! knows the routes of the file, or another stage. Only what asks somebody outside (keys of an issuer, tokens,
//! shared counts) waits; everything else is pure.
//!
//! | question | folder | answer when it is no |
//! |--|--|--|
//! | has the path one safe form | [`path`] | 400 |
//! | may this address come | [`address`] | 403 |
//! | may this page read the answer | [`cors`] | no CORS headers |
//! | is the process able to carry it | [`overload`] | 503 |
//! | who is it | [`authenticate`] | 401 |
//! | may they: in the mesh | [`authorize`] | 403 |
//! | may they: at the edge | [`allow`] | 403 |
//! | how often | [`limit`] | 429 |

pub mod address;
pub mod allow;
pub mod authenticate;
pub mod authorize;
pub mod cors;
pub mod limit;
pub mod overload;
pub mod path;
