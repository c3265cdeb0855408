//! `stores:`: where state is kept that processes share.

use std::path::PathBuf;
use std::time::Duration;

/// A Redis, or something that speaks its protocol.
#[derive(Clone, PartialEq, Eq)]
pub struct Redis {
    /// Where it is.
    pub servers: Servers,
    /// The user to authenticate as; `None` = the default one.
    pub user: Option<Box<str>>,
    /// The password; `None` = none.
    pub password: Option<Box<str>>,
    /// The database, 0 … 15; always 0 of a cluster.
    pub database: u8,
    /// Speak TLS.
    pub tls: Option<StoreTls>,
    /// In front of every key. Default `portcullis:`.
    pub prefix: Box<str>,
    /// How long a decision may take. Default 20 ms.
    pub timeout: Duration,
    /// What happens when it does not answer in time.
    pub on_failure: OnFailure,
    /// How many processes share it; `None` = as many as have said so there of late.
    pub instances: Option<u32>,
    /// Where that came from which does not stand in the file; only to print it again.
    pub sources: Sources,
}

/// `env:NAME` or `file:PATH`, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    /// The whole URL, with the user and the password unless these have their own.
    pub url: Option<Box<str>>,
    /// The password.
    pub password: Option<Box<str>>,
}

/// Where a Redis is; `host:port` each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Servers {
    /// One server.
    Single(Box<str>),
    /// Sentinels that know the primary of this name.
    Sentinel {
        /// The sentinels; at least one.
        sentinels: Vec<Box<str>>,
        /// The name.
        primary: Box<str>,
    },
    /// Some nodes of a cluster; at least one.
    Cluster(Vec<Box<str>>),
}

/// TLS towards a store: name and authority of its certificate are always checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreTls {
    /// PEM bundle of the authorities believed; `None` = those of the machine.
    pub ca: Option<PathBuf>,
}

/// What happens to a request when the store does not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// Each process counts by itself, up to its share of the limit.
    Divide,
    /// It is let in.
    Allow,
    /// It is refused with 503.
    Deny,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis")
            .field("servers", &self.servers)
            .field("on_failure", &self.on_failure)
            .finish_non_exhaustive()
    }
}
