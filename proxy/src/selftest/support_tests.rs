//! A sidecar to be tried, made up.

use super::Subject;
use crate::config::{self, Config};
use crate::mesh::support::{Ca, ORDER};
use std::path::Path;
use std::sync::Arc;

const BASE: &str = "\
version: 1
workload: { service: order, app: 127.0.0.1:8080 }
mesh: { trust_domain: shop.example, ca: { address: \"127.0.0.1:8600\" }, state: /nowhere/state }
inbound: { bind: 0.0.0.0:15108 }
";

/// The configuration of a sidecar with more sections.
pub(super) fn config(more: &str) -> Config {
    match config::parse(&format!("{BASE}{more}"), Path::new("order.yaml")) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems}"),
    }
}

/// A sidecar that nobody runs.
pub(super) fn subject(more: &str) -> Subject {
    let config = config(more);
    let ca = Ca::new();
    Subject {
        target: "127.0.0.1:15108".parse().unwrap(),
        addresses: Vec::new(),
        sidecar: config.sidecar.clone().unwrap(),
        config,
        own: Arc::new(ca.own(ORDER)),
        trust: ca.believed(Vec::new()),
        is_asserter: false,
        asserter: None,
    }
}
