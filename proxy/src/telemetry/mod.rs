//! What is said about every exchange once its answer's body has ended: one [`record::Record`], written to the
//! access log and counted in the metrics.
//!
//! ```text
//! exchange ends -> Outcome -> Record -> metrics::WorkerMetrics::exchange   counters of this worker, read at scrape
//!                                    -> access_log::WorkerLog::write       buffer of this worker -> writer thread
//! ```
//!
//! Neither allocates, locks or makes a system call per exchange. Nothing here decides anything about traffic.

pub mod outcome;
pub mod record;
pub mod names;
pub mod metrics;
pub mod access_log;
