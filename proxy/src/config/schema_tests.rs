//! The schema says the same as the reader: no planned key, no null, and everything required is demanded.

use super::super::diagnostic::Code;
use super::super::load::parse;
use super::*;
use std::path::Path;

/// The definition of a section.
fn section(name: &str) -> Value {
    schema()["$defs"][name].clone()
}

#[test]
fn planned_keys_are_not_in_the_schema() {
    let schema = schema();

    assert!(schema["properties"].get("cors").is_none());
    for key in ["mirror", "cache", "breaker"] {
        assert!(section("Route")["properties"].get(key).is_none(), "{key}");
    }
}

#[test]
fn null_is_nowhere_and_unknown_keys_are_refused() {
    let text = schema().to_string();

    assert!(!text.contains("\"null\""), "{text}");
    assert_eq!(schema()["additionalProperties"], false);
    assert_eq!(section("Route")["additionalProperties"], false);
}

#[test]
fn required_keys_are_those_the_reader_demands() {
    let cases = [
        (schema(), "{}"),
        (schema()["oneOf"][0].clone(), "{}"),
        (schema()["oneOf"][1].clone(), "ready: { bind: 127.0.0.1:1 }"),
        (section("Mesh"), "mesh: {}"),
        (section("Svid"), "mesh: { svid: {} }"),
        (section("Workload"), "workload: {}"),
        (section("Inbound"), "inbound: {}"),
        (section("Outbound"), "outbound: {}"),
        (section("Ready"), "ready: {}"),
        (section("Rule"), "authorize: [{}]"),
        (section("Jwt"), "auth: { a: { jwt: {} } }"),
        (section("ApiKey"), "auth: { a: { api_key: {} } }"),
        (section("Introspect"), "auth: { a: { introspect: {} } }"),
        (section("ClientCertificate"), "auth: { a: { certificate: {} } }"),
        (section("As"), "tests: [{ as: {} }]"),
        (section("Listener"), "listeners: [{}]"),
        (section("Tls"), "listeners: [{ tls: {} }]"),
        (section("Certificate"), "listeners: [{ tls: { certificates: [{}] } }]"),
        (section("RedirectPort"), "listeners: [{ redirect: {} }]"),
        (section("Admin"), "admin: {}"),
        (section("Breaker"), "services: { a: { breaker: {} } }"),
        (section("FullEndpoint"), "services: { a: { endpoints: [{}] } }"),
        (section("UpstreamTls"), "services: { a: { tls: {} } }"),
        (section("Route"), "routes: [{}]"),
        (section("Share"), "routes: [{ split: [{}] }]"),
        (section("Deprecated"), "routes: [{ deprecated: {} }]"),
        (section("Metrics"), "observe: { metrics: {} }"),
        (section("Test"), "tests: [{}]"),
        (section("Limit"), "limits: { a: {} }"),
        (section("Queue"), "limits: { a: { queue: {} } }"),
        (section("FullSpend"), "routes: [{ limits: [{}] }]"),
        (section("Redis"), "stores: { redis: {} }"),
        (section("Sentinel"), "stores: { redis: { sentinel: {} } }"),
    ];

    for (section, text) in cases {
        let problems = parse(text, Path::new("t.yaml")).unwrap_err();

        let required = section["required"].as_array().unwrap_or_else(|| panic!("{text}: {section:#}"));
        for key in required {
            let key = key.as_str().unwrap();
            let demanded = |message: &str| {
                message.contains(&format!("`{key}`")) || (key == "auth" && message.contains("who may use it"))
            };
            let mut missing = problems.0.iter().filter(|one| one.code == Code::MissingKey);
            assert!(missing.any(|one| demanded(&one.message)), "{key} in {text}\n{problems}");
        }
    }
}

#[test]
fn a_time_has_a_pattern_and_a_word_its_choices() {
    let pattern = section("Timeouts")["properties"]["idle"]["pattern"].clone();

    assert_eq!(pattern, "^[0-9]+ ?(ms|s|m|h)$");
    assert_eq!(section("Strictness")["oneOf"][0]["const"], "refuse");
}

#[test]
fn a_limit_says_its_rate_in_one_of_three_ways() {
    let limit = section("Limit");

    let ways: Vec<Value> =
        limit["oneOf"].as_array().unwrap().iter().map(|one| one["required"].clone()).collect();
    assert_eq!(Value::from(ways), serde_json::json!([["rate"], ["quota"], ["tiers", "default"]]));
    assert_eq!(limit["properties"]["rate"]["pattern"], "^[0-9]+/[0-9]*(ms|s|min|h)$");
    let tier = "^[0-9]+/([0-9]*(ms|s|min|h)|day|month)$";
    assert_eq!(limit["properties"]["tiers"]["additionalProperties"]["pattern"], tier);
    assert_eq!(section("Key")["anyOf"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_service_says_in_one_of_four_ways_where_it_is_and_a_check_in_one_of_three_what_is_asked() {
    let ways = |name: &str| -> Vec<String> {
        let one = |one: &Value| one["required"][0].as_str().unwrap().to_owned();
        section(name)["oneOf"].as_array().unwrap().iter().map(one).collect()
    };

    assert_eq!(ways("Service"), ["endpoints", "dns", "srv", "file"]);
    assert_eq!(ways("Probe"), ["path", "grpc", "tcp"]);
    assert_eq!(section("RetryOrNone")["anyOf"].as_array().map(Vec::len), Some(2));
    assert_eq!(section("Breaker")["properties"]["failures"]["anyOf"][0]["type"], "integer");
}
