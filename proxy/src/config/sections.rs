//! What each section is called in messages, and which of its keys are designed but not built yet.
//!
//! A key that is planned gets an answer of its own: "unknown key" would send people looking for a typo.

/// A section of the file.
pub(super) struct Section {
    /// What to call it: `a route`.
    pub(super) noun: &'static str,
    /// Keys of later versions.
    pub(super) planned: &'static [&'static str],
}

/// The section that a raw struct of this name mirrors.
pub(super) fn section(name: &str) -> Section {
    let (noun, planned): (_, &[_]) = match name {
        "File" => ("the file", &[]),
        "Listener" => ("a listener", &[]),
        "Tls" => ("`tls:` of a listener", &[]),
        "Certificate" => ("a certificate", &[]),
        "RedirectPort" => ("`redirect:`", &[]),
        "Caps" => ("`caps:`", &[]),
        "Timeouts" => ("`timeouts:` of a listener", &[]),
        "Trust" => ("`trust:`", &[]),
        "Strict" => ("`strict:`", &[]),
        "Admin" => ("`admin:`", &[]),
        "Drain" => ("`drain:`", &[]),
        "Mesh" => ("`mesh:`", &[]),
        "Authority" => ("`ca:`", &[]),
        "Svid" => ("`svid:`", &[]),
        "Identity" => ("`identity:` of the mesh", &[]),
        "Workload" => ("`workload:`", &[]),
        "Health" => ("`health:`", &[]),
        "Inbound" => ("`inbound:`", &[]),
        "Outbound" => ("`outbound:`", &[]),
        "Ready" => ("`ready:`", &[]),
        "Rule" => ("a rule", &[]),
        "To" => ("`to:` of a rule", &[]),
        "Provider" => ("an entry of `auth:`", &[]),
        "ClientCertificate" => ("`certificate:`", &[]),
        "ApiKeyFile" => ("a key file", &[]),
        "ApiKeyEntry" => ("a key", &[]),
        "Limit" => ("a limit", &[]),
        "Queue" => ("`queue:`", &[]),
        "FullSpend" => ("an entry of `limits:`", &[]),
        "Stores" => ("`stores:`", &[]),
        "Redis" => ("`redis:`", &[]),
        "Sentinel" => ("`sentinel:`", &[]),
        "StoreTls" => ("`tls:` of a store", &[]),
        "Jwt" => ("`jwt:`", &[]),
        "ApiKey" => ("`api_key:`", &[]),
        "Introspect" => ("`introspect:`", &[]),
        "UserClaims" => ("`identity:` of an entry of `auth:`", &[]),
        "Service" => (
            "a service",
            &["dns", "srv", "file", "health", "retry", "bulkhead", "breaker", "outlier", "slow_start"],
        ),
        "FullEndpoint" => ("an endpoint", &[]),
        "UpstreamTls" => ("`tls:` of a service", &[]),
        "ServiceTimeout" => ("`timeout:` of a service", &[]),
        "Pool" => ("`pool:`", &[]),
        "Headers" => ("`headers:`", &[]),
        "Edits" => ("header edits", &["add"]),
        "Defaults" => ("`defaults:`", &["auth", "timeout", "retry"]),
        "Route" => ("a route", &["upgrade", "on_open", "retry", "breaker", "mirror", "cache"]),
        "When" => ("`when:`", &[]),
        "Share" => ("an entry of `split:`", &[]),
        "RouteTimeout" => ("`timeout:` of a route", &[]),
        "Deprecated" => ("`deprecated:`", &[]),
        "Body" => ("`body:`", &[]),
        "Cors" => ("`cors:`", &[]),
        "Overload" => ("`overload:`", &[]),
        "Memory" => ("`memory:`", &[]),
        "AddressRules" => ("`ip:`", &[]),
        "Paths" => ("`paths:`", &[]),
        "Observe" => ("`observe:`", &[]),
        "AccessLog" => ("`access_log:`", &["format", "profile"]),
        "Metrics" => ("`metrics:`", &[]),
        "Traces" => ("`traces:`", &["otlp", "sample"]),
        "Test" => ("a test", &["token"]),
        "As" => ("`as:`", &[]),
        "Expect" => ("`expect:`", &[]),
        "UpstreamHeaders" => ("`upstream_headers:`", &[]),
        _ => ("this section", &[]),
    };
    Section { noun, planned }
}
