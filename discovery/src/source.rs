//! What knows where a service is.

use super::Endpoints;
use std::future::Future;

/// Something that knows where a service is.
pub trait Source {
    /// How people call it: `dns order.internal:8002`, `file endpoints.yaml`.
    fn name(&self) -> String;

    /// Waits until it is worth looking (the first time: at once), looks, and says what it saw. Whoever calls may drop
    /// the future in order to look earlier, and then calls again: that look waits for nothing. A look must end, also
    /// when nobody answers.
    fn look(&mut self) -> impl Future<Output = Observation>;
}

/// What a source saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// These, and no others.
    Found(Endpoints),
    /// It says with authority that there are none (NXDOMAIN, an empty list).
    Nothing,
    /// It could not look.
    Failed(SourceError),
}

/// Why a source could not look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);
