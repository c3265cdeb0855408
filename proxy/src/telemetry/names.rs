//! Every metric there is: name, type, unit, help. Nothing else may invent one.
//!
//! HTTP metrics follow the OpenTelemetry semantic conventions v1.44 as Prometheus writes them: base units in the
//! name, `_total` on counters. What the conventions do not know carries our own prefix. Label names stand here too.

/// What a family holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by upper bound, with a sum.
    Histogram,
}

/// One metric family.
#[derive(Debug)]
pub struct Family {
    /// Full name as it is exposed.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// Base unit, `seconds` or `bytes`; empty when a plain number.
    pub unit: &'static str,
    /// One sentence for people.
    pub help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, unit: "", help }
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, unit, help }
}

const fn histogram(name: &'static str, unit: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Histogram, unit, help }
}

/// Stands for what was not told apart: an unknown method, a series beyond the cap.
pub const OTHER: &str = "_OTHER";

// Exchanges with clients.

/// Seconds; by method, scheme, status, route, protocol, error.
pub const SERVER_DURATION: Family = histogram(
    "http_server_request_duration_seconds",
    "seconds",
    "From the head of a request to the end of the body of its answer.",
);
/// Bytes; by method, scheme, status, route.
pub const SERVER_REQUEST_BODY: Family =
    histogram("http_server_request_body_size_bytes", "bytes", "Bytes of request bodies read from clients.");
/// Bytes; by method, scheme, status, route.
pub const SERVER_RESPONSE_BODY: Family =
    histogram("http_server_response_body_size_bytes", "bytes", "Bytes of answer bodies sent to clients.");
/// Exchanges going on.
pub const SERVER_ACTIVE: Family =
    gauge("http_server_active_requests", "", "Requests whose answer has not ended yet.");
/// Exchanges; by who ended them, at which stage, why.
pub const EXCHANGES_ENDED: Family = counter(
    "portcullis_exchanges_ended_total",
    "Exchanges by outcome: who ended them, at which stage, why (absent when nothing went wrong).",
);
/// Exchanges; by route.
pub const DEPRECATED_USE: Family =
    counter("portcullis_deprecated_route_requests_total", "Requests that used a route marked as deprecated.");
/// Decisions of the workload's rules; by verdict and rule.
pub const AUTHORIZE: Family = counter(
    "portcullis_authorize_total",
    "What the rules of the workload said; would_allow and would_deny are rules on trial.",
);
/// Answers to the question who a client is; by verdict and reason.
pub const AUTHENTICATE: Family = counter(
    "portcullis_authenticate_total",
    "Clients that were known, nobody in particular, refused, or could not be judged, and why.",
);
/// Answers of limits; by verdict and limit.
pub const LIMIT: Family = counter(
    "portcullis_limit_total",
    "What limits said; fallback: the store of counts did not answer, and on_failure decided.",
);
/// Events of the store of counts; by event and reason.
pub const LIMIT_STORE: Family = counter(
    "portcullis_limit_store_total",
    "Events of the store of counts: errors by reason, and new states of the breaker around it.",
);
/// Evidence of users that did not hold; by reason and peer.
pub const IDENTITY_REJECTED: Family = counter(
    "portcullis_identity_rejected_total",
    "Requests whose evidence of a user did not hold; they went on without one.",
);
/// Events counted in an `_OTHER` series because the cap on series was reached.
pub const SERIES_OVERFLOW: Family = counter(
    "portcullis_metrics_series_overflow_total",
    "Events counted under _OTHER because a worker holds as many series as it may.",
);

// The mesh.

/// When our certificate of the mesh ends.
pub const MESH_NOT_AFTER: Family = gauge(
    "portcullis_mesh_certificate_not_after_timestamp_seconds",
    "seconds",
    "When the certificate this process shows in the mesh ends.",
);
/// Counts our certificates.
pub const MESH_GENERATION: Family =
    gauge("portcullis_mesh_certificate_generation", "", "Certificates of the mesh this process has had.");
/// The authority's number of the trust.
pub const MESH_TRUST_SEQUENCE: Family =
    gauge("portcullis_mesh_trust_sequence", "", "The authority's number of the trust in force; 0 of files.");
/// Rules of the deny-list.
pub const MESH_DENIED: Family = gauge("portcullis_mesh_denied", "", "Rules of the deny-list in force.");

// Connections of clients.

/// Connections.
pub const ACCEPTED: Family =
    counter("portcullis_connections_accepted_total", "Connections accepted from clients.");
/// Connections; by reason.
pub const REFUSED: Family = counter(
    "portcullis_connections_refused_total",
    "Connections closed before the first request, by the reason for it.",
);
/// Connections.
pub const OPEN: Family = gauge("portcullis_connections_open", "", "Connections of clients open now.");
/// Failed accept calls.
pub const ACCEPT_ERRORS: Family =
    counter("portcullis_accept_errors_total", "Accept calls that failed, for lack of file descriptors say.");

// Attempts and connections towards services.

/// Seconds; by service, status, error.
pub const CLIENT_DURATION: Family = histogram(
    "http_client_request_duration_seconds",
    "seconds",
    "From the start of an attempt to the head of its answer or its failure.",
);
/// Connections; by service and state (`active`, `idle`).
pub const CLIENT_OPEN: Family =
    gauge("http_client_open_connections", "", "Connections to services open now, by state.");
/// Connections; by service.
pub const CONNECTS: Family =
    counter("portcullis_upstream_connects_total", "Connections to services that were tried to be made.");
/// Failed connects; by service and reason.
pub const CONNECT_FAILURES: Family =
    counter("portcullis_upstream_connect_failures_total", "Connections to services that could not be made.");
/// Attempts; by service.
pub const REUSED: Family =
    counter("portcullis_upstream_reused_total", "Attempts sent on a connection that was there already.");
/// Attempts; by service.
pub const RESENDS: Family = counter(
    "portcullis_upstream_resends_total",
    "Requests sent again because a kept connection turned out to be closed before they were sent.",
);

/// Attempts; by service and result: `made`, or `refused` by the budget.
pub const RETRIES: Family = counter(
    "portcullis_upstream_retries_total",
    "Attempts made again because the one before failed or was slow (hedge), and those the budget did not allow.",
);
/// Requests; by service.
pub const OVERFLOWS: Family = counter(
    "portcullis_upstream_overflows_total",
    "Requests refused because the bulkhead of their service had no place for them.",
);
/// Ejections; by service.
pub const EJECTIONS: Family =
    counter("portcullis_upstream_ejections_total", "Endpoints left out for their failures.");
/// Answers; by route and reason.
pub const DEGRADED: Family = counter(
    "portcullis_degraded_total",
    "Answers given by somebody else than the service of the route, by route and reason.",
);
/// 0 closed, 1 half-open, 2 open; by service.
pub const BREAKER_STATE: Family = gauge(
    "portcullis_breaker_state",
    "",
    "What the breaker of a service does: 0 closed, 1 half-open, 2 open.",
);
/// Exchanges; by service and state (`inside`, `waiting`, `limit`).
pub const BULKHEAD: Family = gauge(
    "portcullis_bulkhead_exchanges",
    "",
    "Exchanges inside a service, waiting for it, and how many may be inside.",
);
/// Endpoints; by service and state (`well`, `unknown`, `ill`, `ejected`, `refusing`).
pub const ENDPOINTS: Family =
    gauge("portcullis_upstream_endpoints", "", "Endpoints of a service by how they stand.");
/// Seconds; by service and source.
pub const DISCOVERY_STALE: Family = gauge(
    "portcullis_discovery_stale_seconds",
    "seconds",
    "For how long the source of a service's endpoints has not answered; 0 = it does.",
);

// The process and its configuration.

/// Always 1; by version, rustc.
pub const BUILD_INFO: Family = gauge("portcullis_build_info", "", "Always 1; the labels say what runs.");
/// 1 or 0.
pub const RELOAD_SUCCESS: Family =
    gauge("portcullis_config_last_reload_success", "", "Whether the last configuration read was sound.");
/// Unix seconds.
pub const RELOAD_TIMESTAMP: Family = gauge(
    "portcullis_config_last_reload_success_timestamp_seconds",
    "seconds",
    "When a sound configuration was last taken over.",
);
/// Reloads; by result (`applied`, `refused`).
pub const RELOADS: Family =
    counter("portcullis_config_reloads_total", "Reloads of the configuration by their result.");
/// Lines.
pub const ACCESS_LOG_DROPPED: Family = counter(
    "portcullis_access_log_dropped_total",
    "Access log lines lost because the sink was too slow or could not be written.",
);
/// Unix seconds; by listener and certificate.
pub const CERTIFICATE_EXPIRY: Family = gauge(
    "portcullis_tls_certificate_expiry_timestamp_seconds",
    "seconds",
    "When the leaf certificate in use ends to be valid.",
);
/// Seconds.
pub const PROCESS_CPU: Family = Family {
    name: "process_cpu_seconds_total",
    kind: Kind::Counter,
    unit: "seconds",
    help: "User and system time spent.",
};
/// Unix seconds.
pub const PROCESS_START: Family =
    gauge("process_start_time_seconds", "seconds", "When the process was started.");
/// Bytes.
pub const PROCESS_RESIDENT: Family = gauge("process_resident_memory_bytes", "bytes", "Resident memory.");
/// Bytes.
pub const PROCESS_VIRTUAL: Family = gauge("process_virtual_memory_bytes", "bytes", "Virtual memory.");
/// File descriptors.
pub const PROCESS_FDS: Family = gauge("process_open_fds", "", "Open file descriptors.");
/// File descriptors.
pub const PROCESS_MAX_FDS: Family = gauge("process_max_fds", "", "File descriptors there may be.");

/// Label names.
pub mod label {
    /// Request method, one of the known ones or `_OTHER`.
    pub const METHOD: &str = "http_request_method";
    /// `http` or `https`.
    pub const SCHEME: &str = "url_scheme";
    /// Status code in decimal.
    pub const STATUS: &str = "http_response_status_code";
    /// Name of the route; absent when none was found.
    pub const ROUTE: &str = "http_route";
    /// `1.0`, `1.1`, `2`.
    pub const PROTOCOL: &str = "network_protocol_version";
    /// Reason of the outcome; absent without an error.
    pub const ERROR: &str = "error_type";
    /// `downstream`, `proxy`, `upstream`.
    pub const ENDED_BY: &str = "ended_by";
    /// Stage of the outcome.
    pub const STAGE: &str = "stage";
    /// What a rule says: `allowed`, `denied`, `would_allow`, `would_deny`.
    pub const VERDICT: &str = "verdict";
    /// Id of a rule; empty when none fits.
    pub const RULE: &str = "rule";
    /// Name of a limit.
    pub const LIMIT: &str = "limit";
    /// What happened.
    pub const EVENT: &str = "event";
    /// SPIFFE ID of a peer.
    pub const PEER: &str = "peer";
    /// Our SPIFFE ID.
    pub const ID: &str = "spiffe_id";
    /// Why.
    pub const REASON: &str = "reason";
    /// Name of the service.
    pub const SERVICE: &str = "upstream_cluster";
    /// State of a connection: `active`, `idle`.
    pub const STATE: &str = "state";
    /// Result of a reload: `applied`, `refused`.
    pub const RESULT: &str = "result";
    /// Address of a listener.
    pub const LISTENER: &str = "listener";
    /// File of a certificate.
    pub const CERTIFICATE: &str = "certificate";
    /// Our version.
    pub const VERSION: &str = "version";
    /// The compiler's version.
    pub const RUSTC: &str = "rustc";
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&Family; 43] = [
        &SERVER_DURATION,
        &SERVER_REQUEST_BODY,
        &SERVER_RESPONSE_BODY,
        &SERVER_ACTIVE,
        &EXCHANGES_ENDED,
        &DEPRECATED_USE,
        &MESH_NOT_AFTER,
        &MESH_GENERATION,
        &MESH_TRUST_SEQUENCE,
        &MESH_DENIED,
        &AUTHORIZE,
        &IDENTITY_REJECTED,
        &SERIES_OVERFLOW,
        &ACCEPTED,
        &REFUSED,
        &OPEN,
        &ACCEPT_ERRORS,
        &CLIENT_DURATION,
        &CLIENT_OPEN,
        &CONNECTS,
        &CONNECT_FAILURES,
        &REUSED,
        &RESENDS,
        &RETRIES,
        &OVERFLOWS,
        &EJECTIONS,
        &DEGRADED,
        &BREAKER_STATE,
        &BULKHEAD,
        &ENDPOINTS,
        &DISCOVERY_STALE,
        &BUILD_INFO,
        &RELOAD_SUCCESS,
        &RELOAD_TIMESTAMP,
        &RELOADS,
        &ACCESS_LOG_DROPPED,
        &CERTIFICATE_EXPIRY,
        &PROCESS_CPU,
        &PROCESS_START,
        &PROCESS_RESIDENT,
        &PROCESS_VIRTUAL,
        &PROCESS_FDS,
        &PROCESS_MAX_FDS,
    ];

    #[test]
    fn counters_end_in_total_and_nothing_else_does() {
        for family in ALL {
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
        }
    }

    #[test]
    fn a_unit_is_the_end_of_the_name() {
        for family in ALL {
            let base = family.name.strip_suffix("_total").unwrap_or(family.name);
            assert!(base.ends_with(family.unit), "{}", family.name);
        }
    }

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<_> = ALL.iter().map(|family| family.name).collect();
        names.sort_unstable();

        let before = names.len();
        names.dedup();

        assert_eq!(names.len(), before);
    }
}
