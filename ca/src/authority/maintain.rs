//! What the server does once a minute: forget what is of no use, write the audit, replace the intermediate in time.

use super::{Authority, AuthorityError};
use crate::intermediate::{Due, intermediate_due};
use crate::names::AuthorityId;
use crate::time::Timestamp;
use std::time::Duration;

/// How long the ledger remembers what has expired.
const MEMORY: Duration = Duration::from_secs(30 * 86_400);

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Rows that were deleted.
    pub pruned: u64,
    /// The new intermediate, when one was due.
    pub rotated: Option<AuthorityId>,
    /// An intermediate is due and the root's key is not here: the operator must bring it.
    pub needs_root_key: bool,
}

impl Authority {
    /// Does it.
    ///
    /// # Errors
    /// When store, keys or audit file cannot be used; what was not done is done next time.
    pub fn maintain(&self, now: Timestamp) -> Result<Maintained, AuthorityError> {
        // First, so that no trouble below keeps events from the file.
        self.flush_audit()?;
        let mut done = Maintained { pruned: self.prune(now)?, ..Maintained::default() };
        let signing = super::find(&self.authorities()?, &self.settings()?.signing)?;
        let due = intermediate_due(signing.not_before, signing.not_after, self.longest_leaf(), now);
        if !matches!(due, Due::No { .. }) {
            match self.rotate_intermediate(None, None, now) {
                Ok(intermediate) => done.rotated = Some(intermediate.id),
                Err(AuthorityError::RootKeyAway { .. }) => done.needs_root_key = true,
                Err(error) => return Err(error),
            }
        }
        self.flush_audit()?;
        Ok(done)
    }

    fn prune(&self, now: Timestamp) -> Result<u64, AuthorityError> {
        let write = self.store.write()?;
        let pruned = write.prune(now, now.before(MEMORY))?;
        if pruned > 0 {
            write.commit()?;
        }
        Ok(pruned)
    }
}
