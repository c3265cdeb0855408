//! The suites: one test binary, a module each, in the order a request meets what they test.

mod hostile;
mod hostile_framing;
mod hostile_http2;
mod http2_floods;
mod hostile_path;
mod hostile_identity;
mod hostile_upstream;
mod slow_peers;
mod listeners;
mod routing;
mod upstreams;
mod resilience;
mod streams;
mod admission;
mod answers;
mod reload;
mod drain;
mod admin;
mod capture;
mod commands;
mod authority;
mod mesh;
mod architecture;
mod gate_against_hyper;
mod gates;
