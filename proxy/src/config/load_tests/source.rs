//! Where services are: `endpoints:`, `dns:`, `srv:` and `file:`, and how names are asked for.

use super::*;
use crate::config::service::{Dns, DnsName, Source};
use std::time::Duration;

/// The source of service `a` with these fields, among the files of [`load_among_files`].
#[track_caller]
fn source(fields: &str) -> Source {
    let text = format!(
        "{HEAD}services: {{ a: {{ {fields} }} }}\nroutes: [{{ name: r, match: GET /, auth: public, to: a }}]\n"
    );
    let loaded = load_among_files(&text).0.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    loaded.config.services[0].source.clone()
}

#[test]
fn a_name_is_asked_for_as_the_documents_say_unless_the_file_says_otherwise() {
    let plain = Dns {
        name: DnsName::Host("order.internal".into(), 8002),
        servers: vec![],
        ttl: (Duration::from_secs(1), Duration::from_secs(60)),
        stale: Duration::from_secs(600),
        allow_local: false,
    };

    assert_eq!(source("dns: Order.internal:8002"), Source::Dns(plain.clone()));
    let name = DnsName::Service("_http._tcp.order.internal.".into());
    assert_eq!(source("srv: _http._tcp.order.internal."), Source::Dns(Dns { name, ..plain.clone() }));
    let resolve = "{ servers: [\"127.0.0.1:5353\"], min_ttl: 100ms, max_ttl: 2s, stale: 0s, allow: [local] }";
    let told = Dns {
        servers: vec!["127.0.0.1:5353".parse().unwrap()],
        ttl: (Duration::from_millis(100), Duration::from_secs(2)),
        stale: Duration::ZERO,
        allow_local: true,
        ..plain
    };
    assert_eq!(source(&format!("dns: order.internal:8002, resolve: {resolve}")), Source::Dns(told));
}

#[test]
fn a_service_is_in_one_place() {
    expect_of_service(
        "dns: «order:80», endpoints: [\"127.0.0.1:1\"], srv: «_http._tcp.order»",
        &[
            "conflict: service `a` has both `endpoints` and `dns` | keep one of `endpoints`, `dns`, `srv` and `file`",
            "conflict: service `a` has both `endpoints` and `srv` | keep one of `endpoints`, `dns`, `srv` and `file`",
        ],
    );
    expect_of_service(
        "endpoints: [\"127.0.0.1:1\"], resolve: «{» stale: 1s }",
        &[
            "conflict: `resolve` says how a name is asked for, but there is none | remove it, or use `dns:` or `srv:`",
        ],
    );
}

#[test]
fn a_name_is_a_name_and_a_host_has_a_port() {
    let cases = [
        ("dns: «order»", "`order` does not say which port | write it too, as in `order:8080`"),
        (
            "dns: «\"10.0.0.7:80\"»",
            "`10.0.0.7:80` is an address: there is nothing to ask for | write `endpoints: [\"10.0.0.7:80\"]`",
        ),
        (
            "dns: «http://order/x»",
            "`http://order/x` is a URL, `dns` is a host name and a port | write `order:80`",
        ),
        (
            "dns: «\"or der:80\"»",
            "`or der:80` is not a host name with a port | write it as `order.internal:8080`",
        ),
        (
            "dns: «\"order:0\"»",
            "`order:0` is not a host name with a port | write it as `order.internal:8080`",
        ),
        (
            "srv: «\"order.internal:80\"»",
            "`order.internal:80` has a port: SRV records say it themselves | write `order.internal`",
        ),
        (
            "srv: «\"*.internal\"»",
            "`*.internal` is not a name with SRV records | write it as `_http._tcp.order.internal`",
        ),
    ];

    for (fields, problem) in cases {
        expect_of_service(fields, &[&format!("bad-value: {problem}")]);
    }
    let said = said(&format!("{HEAD}services: {{ a: {{ dns: \"root:hunter2@order:80\" }} }}\n"));
    assert!(said.len() == 1 && !said[0].contains("hunter2"), "{said:?}");
}

#[test]
fn a_name_for_this_machine_needs_leave() {
    expect_of_service(
        "dns: «Localhost:80»",
        &[
            "suspicious: answers that point at this machine are left out: there will be no endpoint | use `endpoints:`, or add `resolve: { allow: [local] }`",
        ],
    );
    expect_of_service("dns: localhost:80, resolve: { allow: [local] }", &[]);
}

#[test]
fn how_a_name_is_asked_for_is_checked() {
    let cases = [
        (
            "servers: «[»]",
            "bad-value: no name server is named here | name one, as in `10.0.0.2:53`; remove `servers` to ask those of the machine",
        ),
        (
            "servers: [«10.0.0.2»]",
            "bad-value: `10.0.0.2` is not the address of a name server | add the port, as in `10.0.0.2:53`",
        ),
        (
            "servers: [«dns.internal:53»]",
            "bad-value: `dns.internal:53` is not the address of a name server | write an IP address and a port, as in `10.0.0.2:53`",
        ),
        (
            "servers: [\"10.0.0.2:53\", «\"10.0.0.2:53\"»]",
            "suspicious: `10.0.0.2:53` is listed twice | remove one of them",
        ),
        ("min_ttl: «0s»", "bad-value: this time must be more than 0 | remove the key to get the default"),
        (
            "min_ttl: «2m»",
            "conflict: `min_ttl` (2m) is above `max_ttl` (1m) | an answer counts for `min_ttl` to `max_ttl`",
        ),
        (
            "max_ttl: «500ms»",
            "conflict: `min_ttl` (1s) is above `max_ttl` (500ms) | an answer counts for `min_ttl` to `max_ttl`",
        ),
        ("max_ttl: «25h»", "bad-value: `25h` is too long to believe an answer | at most 24h"),
        (
            "stale: «10»",
            "bad-unit: `10` has no unit | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`",
        ),
        ("allow: [«public»]", "bad-value: `allow` cannot be `public` | it can be: local"),
        ("«server»: x", "unknown-key: unknown key `server` in `resolve:` | did you mean `servers`?"),
    ];

    for (fields, problem) in cases {
        expect_of_service(&format!("dns: order:80, resolve: {{ {fields} }}"), &[problem]);
    }
}

#[test]
fn an_endpoint_stands_in_a_zone_and_once_in_the_list() {
    expect_of_service(
        "endpoints: [{ address: \"127.0.0.1:1\", zone: «\"eu 1\"» }]",
        &[
            "bad-value: `eu 1` cannot be a zone | use 1 to 256 visible ASCII characters without space, comma and quotes",
        ],
    );
    expect_of_service(
        "endpoints: [\"127.0.0.1:1\", «\"127.0.0.1:1\"»]",
        &["suspicious: `127.0.0.1:1` is listed twice | it counts once; give it a `weight` to send it more"],
    );
    expect_of_service(
        "endpoints: [\"127.0.0.1:1\", { address: «\"127.0.0.1:1\"», weight: 2 }]",
        &["duplicate-name: `127.0.0.1:1` is listed twice | its weights or zones differ: keep one of them"],
    );
    let text = format!("zone: eu-1a\n{HEAD}");
    assert_eq!(load(&text).unwrap().config.zone.as_deref(), Some("eu-1a"));
}

#[test]
fn a_file_of_endpoints_is_watched_by_others_and_missed_at_once() {
    let text = |file: &str| {
        format!(
            "{HEAD}services: {{ a: {{ file: {file} }} }}\nroutes: [{{ name: r, match: GET /, auth: public, to: a }}]\n"
        )
    };

    let (loaded, dir) = load_among_files(&text("token"));
    let loaded = loaded.unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.config.services[0].source, Source::File(Path::new(&dir).join("token")));
    assert_eq!(loaded.config.files, [Path::new(&dir).join("file.yaml")]);
    expect_marked(
        &text("«/»"),
        &["bad-file: `/` is a directory | name the file in it that lists the endpoints"],
    );
    expect_marked(
        &text("«gone.yaml»"),
        &[
            "bad-file: there is no file `gone.yaml`: until there is, this service has no endpoint | looked at /etc/portcullis/gone.yaml",
        ],
    );
}

#[test]
fn what_is_wrong_in_a_file_of_endpoints_is_said_when_it_is_checked() {
    let dir = tempfile::TempDir::new().unwrap();
    let list = dir.path().join("list.yaml");
    std::fs::write(&list, "- 127.0.0.1:1\n- order:80\n- 127.0.0.1:1\n").unwrap();
    let text = format!(
        "{HEAD}services: {{ a: {{ file: list.yaml }}, b: {{ file: ./list.yaml }}, c: {{ file: gone }} }}\n"
    );
    let config = parse_in(&text, &dir.path().join("edge.yaml"), &AROUND).unwrap().config;

    let checked = crate::config::check_endpoint_files(&config);

    let said: Vec<String> = checked.iter().map(say).collect();
    assert_eq!(
        said,
        [
            "2:3 [order:80] bad-value: `order:80` is a host name, an endpoint is an IP address and a port | write `dns: order:80` instead of `endpoints:`",
            "3:3 [127.0.0.1:1] suspicious: `127.0.0.1:1` is listed twice | it counts once; give it a `weight` to send it more",
        ]
    );
    assert_eq!(checked[0].file, list);
}

#[test]
fn captured_connections_find_only_addresses_of_the_file() {
    let outbound = "outbound: { bind: 127.0.0.1:15101, capture: redirect }";

    expect_sidecar(
        &[outbound, "services: { a: { dns: \"a:80\" }, b: { dns: \"b:80\", local: 127.0.0.1:9101 } }"],
        &[
            "7:13 [a] unused-service: captured connections do not find service `a` | they are known by the addresses of `endpoints:`; use those, or add `local: 127.0.0.1:PORT`",
        ],
    );
}
