//! A stamp: into whose hands a passport was given, by whom. Pure.

use super::evidence::Rejected;
use super::jws::{self, Jws, SignError};
use crate::mesh::Own;
use portcullis_ca::spiffe::SpiffeId;
use serde::{Deserialize, Serialize};

/// Its type.
pub(super) const TYPE: &str = "portcullis-stamp+jwt";
/// Most stamps on a passport.
pub(super) const MOST: usize = 8;

/// What it says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    /// Who gives.
    pub(super) iss: String,
    /// Who is given.
    pub(super) aud: String,
    /// SHA-256 of the stamp before; of the passport for the first.
    pub(super) prev: String,
    pub(super) iat: i64,
    pub(super) exp: i64,
}

/// Makes one. `prev`: the stamp before, or the passport.
pub(super) fn make(
    own: &Own,
    to: &SpiffeId,
    prev: &str,
    (iat, exp): (i64, i64),
) -> Result<String, SignError> {
    let claims =
        Claims { iss: own.svid.id.to_string(), aud: to.to_string(), prev: jws::digest(prev), iat, exp };
    jws::sign(TYPE, &own.leaf, &claims, &own.key)
}

impl Claims {
    /// Reads them.
    pub(super) fn read(stamp: &Jws<'_>) -> Result<Self, Rejected> {
        stamp.claims()
    }
}
