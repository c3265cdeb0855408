//! `overload:` of both kinds of file, and `min_rate` of bodies.

use super::*;
use crate::config::effective::to_yaml;
use crate::config::overload::{Memory, Overload};

#[track_caller]
fn overload(text: &str) -> Overload {
    load(text).unwrap_or_else(|problems| panic!("{problems}\n{text}")).config.overload
}

#[test]
fn by_default_memory_is_watched_and_requests_are_not_counted() {
    let wanted = Overload {
        concurrent: None,
        memory: Some(Memory { limit: None, leave_at: 92, refuse_at: 95 }),
        shed_when_behind: false,
    };

    assert_eq!(overload(HEAD), wanted);
    assert_eq!(overload(&format!("{HEAD}overload: {{}}\n")), wanted);
    assert_eq!(overload(&format!("{HEAD}overload: {{ memory: {{ limit: auto }} }}\n")), wanted);
}

#[test]
fn bounds_are_read_and_printed() {
    let cases = [
        (
            "{ concurrent: 10000, memory: none }",
            Overload { concurrent: Some(10_000), memory: None, ..Overload::default() },
        ),
        (
            "{ concurrent: none, memory: { limit: 512MiB, leave_at: 80%, refuse_at: 100% } }",
            Overload {
                concurrent: None,
                memory: Some(Memory { limit: Some(512 << 20), leave_at: 80, refuse_at: 100 }),
                shed_when_behind: false,
            },
        ),
    ];

    for (section, wanted) in cases {
        let text = format!("{HEAD}overload: {section}\n");
        let printed = to_yaml(&load(&text).unwrap().config);

        assert_eq!(overload(&text), wanted, "{section}");
        assert_eq!(overload(&printed), wanted, "{printed}");
    }
}

#[test]
fn a_sidecar_has_it_too() {
    let (loaded, _) = load_among_files(&sidecar(&["overload: { concurrent: 7 }"]));

    assert_eq!(loaded.unwrap().config.overload.concurrent, Some(7));
}

#[test]
fn counts_sizes_and_parts_say_what_they_take() {
    expect(
        &format!(
            "{HEAD}overload: {{ concurrent: 0, memory: {{ limit: 1MiB, leave_at: 92, refuse_at: 101% }} }}\n"
        ),
        &[
            "3:25 [0] bad-value: `0` is not a number of requests | write a whole number from 1 to 4294967295, or `none`",
            "3:45 [1MiB] bad-value: `1MiB` is less than the process itself needs | at least 16MiB",
            "3:61 [92] bad-unit: `92` has no unit | write a whole number from `1%` to `100%`",
            "3:76 [101%] bad-unit: `101%` is too large | write a whole number from `1%` to `100%`",
        ],
    );
    expect(
        &format!(
            "{HEAD}overload: {{ concurrent: many, memory: {{ limit: none, leave_at: 0%, refuse_at: 95.5% }} }}\n"
        ),
        &[
            "3:25 [many] bad-value: `many` is not a number of requests | write a whole number from 1 to 4294967295, or `none`",
            "3:48 [none] bad-value: this limit cannot be switched off | write a size or `auto`; `memory: none` switches the watch off",
            "3:64 [0%] bad-value: something is always used | write from `1%` to `100%`, or `memory: none`",
            "3:79 [95.5%] bad-unit: `95.5%` is not a whole number with a unit | write a whole number from `1%` to `100%`",
        ],
    );
    expect(
        &format!("{HEAD}overload: {{ memory: {{ limit: 512 }} }}\n"),
        &[
            "3:30 [512] bad-unit: `512` has no unit | units of size are B, KiB, MiB and GiB, as in `64KiB`, `10MiB`, or `auto`",
        ],
    );
    expect(
        &format!("{HEAD}overload: {{ memory: auto, requests: 5 }}\n"),
        &[
            "3:21 [auto] bad-value: `memory` cannot be `auto` | it can be `none`, or keys in braces, as in `{ key: value }`",
            "3:27 [requests] unknown-key: unknown key `requests` in `overload:` | keys here are: concurrent, memory, shed_when_behind",
        ],
    );
}

#[test]
fn clients_are_asked_to_leave_before_they_are_refused() {
    expect(
        &format!("{HEAD}overload: {{ memory: {{ leave_at: 96% }} }}\n"),
        &[
            "3:33 [96%] conflict: clients would be refused (at 95%) before they are asked to leave (at 96%) | `leave_at` cannot be above `refuse_at`",
        ],
    );
    expect(
        &format!("{HEAD}overload: {{ memory: {{ refuse_at: 90% }} }}\n"),
        &[
            "3:34 [90%] conflict: clients would be refused (at 90%) before they are asked to leave (at 92%) | `leave_at` cannot be above `refuse_at`",
        ],
    );
    let both_at_once = overload(&format!("{HEAD}overload: {{ memory: {{ leave_at: 95% }} }}\n"));
    assert_eq!(both_at_once.memory.map(|memory| memory.leave_at), Some(95));
}

#[test]
fn the_pace_of_a_body_is_read_and_printed() {
    let text = format!(
        "{SERVED}routes:\n  - {{ name: r, match: POST /r, auth: public, to: a, body: {{ max: 5GiB, min_rate: 10KiB/s }} }}\n  - {{ name: s, match: POST /s, auth: public, to: a }}\n"
    );
    let rates = |text: &str| -> Vec<_> {
        load(text).unwrap().config.routes.iter().map(|route| (route.max_body, route.min_rate)).collect()
    };

    let wanted = [(Some(5 << 30), Some(10 << 10)), (Some(10 << 20), None)];
    assert_eq!(rates(&text), wanted);
    let printed = to_yaml(&load(&text).unwrap().config);
    assert_eq!(rates(&printed), wanted, "{printed}");
}

#[test]
fn the_pace_of_peers_is_read_and_printed() {
    let text = sidecar(&["inbound: { bind: 0.0.0.0:15108, body: { min_rate: 240B/s } }"]);

    let (loaded, _) = load_among_files(&text);

    let config = loaded.unwrap().config;
    assert_eq!(config.routes[0].min_rate, Some(240));
    assert!(to_yaml(&config).contains("min_rate: \"240B/s\""), "{}", to_yaml(&config));
}

#[test]
fn a_pace_is_a_size_per_second() {
    let cases = [
        ("10KiB", "bad-unit: `10KiB` is not a size per second | write it as `10KiB/s`"),
        ("10KiB/min", "bad-unit: `10KiB/min` is not a size per second | write it as `10KiB/s`"),
        ("10/s", "bad-unit: `10` has no unit | write it as `10KiB/s`"),
        ("10KB/s", "bad-unit: `KB` is not a unit | write it as `10KiB/s`"),
        ("none", "bad-unit: `none` is not a size per second | write it as `10KiB/s`"),
        (
            "0B/s",
            "bad-value: this rate must be more than 0 | remove the key: then only a body that stands still is refused",
        ),
    ];

    for (text, problem) in cases {
        expect_route(
            &format!("name: r, match: POST /, auth: public, to: a, body: {{ min_rate: {text} }}"),
            &[&format!("4:75 [{text}] {problem}")],
        );
    }
}
