//! Files that nobody else may read or change.
