//! portcullis: one binary, the gateway for clients outside (edge) and the sidecar beside each service.
//!
//! # Life of a request
//!
//! The modules stand in the order a request meets them. Users switch stages on, they never reorder them.
//!
//! | # | stage | module | refuses with |
//! |--|--|--|--|
//! | 1 | accept: connection caps, PROXY protocol | [`listener`] | close |
//! | 2 | TLS: SNI, ALPN, client certificate; which HTTP | [`tls`], [`listener`] | alert, close |
//! | 3 | gate: strict framing before the parser sees a byte | [`listener::gate`] | 400 and its kin, close |
//! | 4 | exchange: request id, trace, client address | [`pipeline`] | 421, 508 |
//! | 5 | evidence of a user taken off and verified; protected headers deleted; canonical path | [`identity`], [`admission::path`] | 400 |
//! | 6 | route match | [`route`] | 404, 405 |
//! | 6a | who it is (edge), who may (sidecar) | [`pipeline`], [`admission::authorize`] | 401, 403 |
//! | 7 | body limit | [`pipeline`], [`upstream::body`] | 413 |
//! | 8 | rewrite, header edits | [`transform`] | – |
//! | 9 | endpoint, connection, send | [`balance`], [`upstream`] | 502, 503, 504 |
//! | 10 | the answer: cleaned, streamed | [`pipeline::body`] | – |
//! | 11 | outcome when the body has ended: log line, metrics | [`telemetry`] | – |
//!
//! # Threads
//!
//! N workers ([`worker`]), each with a runtime, listeners, pools, timers and counters of its own; one control
//! thread ([`control`]) for start, reload, signals and [`admin`]; one thread that writes the access log.
//!
//! # Words
//!
//! listener, downstream, upstream, route, service, endpoint, exchange, attempt, deadline, drain, snapshot,
//! outcome: one word per thing, the same in code, configuration, metrics and documents.

pub mod cli;
pub mod config;
pub mod mode;
pub mod control;
pub mod deployment;
pub mod worker;
pub mod listener;
pub mod tls;
pub mod pipeline;
pub mod admission;
pub mod route;
pub mod identity;
pub mod mesh;
pub mod transform;
pub mod resilience;
pub mod balance;
pub mod upstream;
pub mod selftest;
pub mod telemetry;
pub mod admin;
pub mod capture;
pub mod clock;
pub mod sweep;
pub mod drain;
pub mod runtime;
pub mod handover;
