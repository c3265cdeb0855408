//! `limits:`: what each means, and what is said about each.

use super::*;
use crate::config::effective::{text_of_rate, to_redacted_json, to_yaml};
use crate::config::limit::{Algorithm, KeyPart, Limit, Queue, Rate, Rates, Scope, Sharing, Spend, Window};
use proptest::prelude::*;
use std::time::Duration;

/// `limits:` of the documents.
const LIMITS: &str = r#"limits:
  flood:   { key: ip, rate: 200/s, burst: 400, scope: instance }
  by-tier: { key: user, algorithm: sliding-window, tiers: { free: 100/min, premium: 1000/min }, default: 100/min, scope: global }
  writes:  { key: [user, route], algorithm: token-bucket, rate: 30/min, burst: 5, scope: global }
  month:   { key: api_key, quota: 100000/month, timezone: UTC, scope: global }
  smooth:  { key: user, rate: 10/s, queue: { length: 20, wait: 500ms }, scope: instance }   # throttle: wait, do not refuse
"#;

/// A store, as the documents write it.
const STORES: &str = "stores: { redis: { url: env:REDIS_URL, timeout: 20ms, on_failure: divide } }\n";

fn every(amount: u32, seconds: u64, burst: u32) -> Rate {
    Rate { amount, window: Window::Every(Duration::from_secs(seconds)), burst }
}

fn one(default: Rate) -> Rates {
    Rates { default, tiers: Vec::new() }
}

/// The limits of a file, which is sound but for what nobody asks.
fn limits(section: &str) -> Vec<Limit> {
    let text = format!("{HEAD}{STORES}{section}");
    load(&text).unwrap_or_else(|problems| panic!("{problems}")).config.limits
}

/// One limit.
fn limit(fields: &str) -> Limit {
    limits(&format!("limits: {{ x: {{ {fields} }} }}\n")).remove(0)
}

#[test]
fn the_limits_of_the_documents_mean_what_they_say() {
    let limits = limits(LIMITS);

    let limit = |name: &str, key: &[KeyPart], algorithm, rates, scope| Limit {
        name: name.into(),
        key: key.to_vec(),
        algorithm,
        rates,
        scope,
        queue: None,
    };
    let month = Rate { amount: 100_000, window: Window::Month("UTC".into()), burst: 100_000 };
    let tiers = vec![("free".into(), every(100, 60, 100)), ("premium".into(), every(1_000, 60, 1_000))];
    let queue = Some(Queue { length: 20, wait: Duration::from_millis(500) });
    let (bucket, leased) = (Algorithm::TokenBucket, Scope::Global(Sharing::Leased));
    let wanted = [
        limit("flood", &[KeyPart::Ip], bucket, one(every(200, 1, 400)), Scope::Instance),
        limit(
            "by-tier",
            &[KeyPart::User],
            Algorithm::SlidingWindow,
            Rates { default: every(100, 60, 100), tiers },
            leased,
        ),
        limit("writes", &[KeyPart::User, KeyPart::Route], bucket, one(every(30, 60, 5)), leased),
        limit("month", &[KeyPart::ApiKey], Algorithm::FixedWindow, one(month), Scope::Global(Sharing::Exact)),
        Limit { queue, ..limit("smooth", &[KeyPart::User], bucket, one(every(10, 1, 10)), Scope::Instance) },
    ];
    assert_eq!(limits, wanted);
}

#[test]
fn what_is_not_said_is_filled_in() {
    let plain = limit("key: { header: X-Tenant }, rate: 30/min, scope: instance");

    assert_eq!(plain.key, [KeyPart::Header(http::HeaderName::from_static("x-tenant"))]);
    assert_eq!(plain.algorithm, Algorithm::TokenBucket);
    assert_eq!(plain.rates.default.burst, 30);
    let day = limit("key: ip, quota: 5/day, scope: instance");
    assert_eq!(day.algorithm, Algorithm::FixedWindow);
    assert_eq!(day.rates.default.window, Window::Day("UTC".into()));
    let same = limit("key: ip, tiers: { a: 5/s, b: 9/s }, default: 1/s, burst: 3, scope: instance");
    let bursts: Vec<u32> = same.rates.tiers.iter().map(|(_, rate)| rate.burst).collect();
    assert_eq!((same.rates.default.burst, bursts), (3, vec![3, 3]));
}

#[test]
fn few_and_calendars_are_shared_exactly() {
    let sharing = |fields: &str| match limit(&format!("key: ip, scope: global, {fields}")).scope {
        Scope::Global(sharing) => sharing,
        Scope::Instance => panic!("not shared: {fields}"),
    };

    assert_eq!(sharing("rate: 19/s"), Sharing::Exact);
    assert_eq!(sharing("rate: 20/s"), Sharing::Leased);
    assert_eq!(sharing("tiers: { a: 19/s }, default: 100/s"), Sharing::Exact);
    assert_eq!(sharing("quota: 100000/day"), Sharing::Exact);
    assert_eq!(sharing("quota: 100000/day, sharing: leased"), Sharing::Leased);
    assert_eq!(sharing("rate: 1000/s, sharing: exact"), Sharing::Exact);
}

#[test]
fn a_time_zone_is_known_by_its_own_name() {
    let zone = |name: &str| {
        limit(&format!("key: ip, quota: 5/month, timezone: {name}, scope: instance")).rates.default.window
    };

    assert_eq!(zone("Europe/Berlin"), Window::Month("Europe/Berlin".into()));
    assert_eq!(zone("europe/berlin"), Window::Month("Europe/Berlin".into()));
    assert_eq!(zone("utc"), Window::Month("UTC".into()));
}

/// Routes of an edge with limits `a`, `b` and `c`, and what they ask: names and costs.
fn asked(defaults: &str, route: &str) -> Vec<(usize, u32)> {
    let limits = "limits: { a: { key: ip, rate: 50/s, scope: instance }, b: { key: [ip, route], rate: 50/s, scope: instance }, c: { key: route, rate: 50/s, scope: instance } }\n";
    let text = format!(
        "{SERVED}{limits}{defaults}\nroutes: [{{ name: r, match: GET /, auth: public, to: a{route} }}]\n"
    );
    let config = load(&text).unwrap_or_else(|problems| panic!("{problems}")).config;
    config.routes[0].limits.iter().map(|spend| (spend.limit, spend.cost)).collect()
}

#[test]
fn a_plus_adds_to_the_defaults_and_a_name_alone_replaces_them() {
    let defaults = "defaults: { limits: [a, { limit: b, cost: 2 }] }";

    assert_eq!(asked("", ""), []);
    assert_eq!(asked("", ", limits: [+b, +a]"), [(1, 1), (0, 1)]);
    assert_eq!(asked(defaults, ""), [(0, 1), (1, 2)]);
    assert_eq!(asked(defaults, ", limits: [+c]"), [(0, 1), (1, 2), (2, 1)]);
    assert_eq!(asked(defaults, ", limits: [{ limit: +a, cost: 7 }, +c]"), [(0, 7), (1, 2), (2, 1)]);
    assert_eq!(asked(defaults, ", limits: [c]"), [(2, 1)]);
    assert_eq!(asked(defaults, ", limits: []"), []);
}

#[test]
fn what_comes_in_to_a_sidecar_asks_its_limits() {
    let text = sidecar(&[
        "inbound: { bind: 0.0.0.0:15108, limits: [y, { limit: x, cost: 2 }] }",
        "limits: { x: { key: peer, rate: 5/s, scope: instance }, y: { key: user, rate: 5/s, scope: instance } }",
    ]);

    let config = load_among_files(&text).0.unwrap_or_else(|problems| panic!("{problems}")).config;

    assert_eq!(config.routes[0].limits, [Spend { limit: 1, cost: 1 }, Spend { limit: 0, cost: 2 }]);
    let printed = to_redacted_json(&config);
    assert_eq!(printed["inbound"]["limits"], serde_json::json!(["y", { "limit": "x", "cost": 2 }]));
}

#[test]
fn the_effective_limits_mean_the_same_and_show_the_numbers_that_count() {
    let more = "  tenant: { key: [{ header: X-Tenant }, ip], rate: 5/10s, algorithm: fixed-window, scope: global, sharing: leased }\n  day: { key: ip, tiers: { a: 5/day, b: 6/month }, default: 7/day, timezone: Asia/Tokyo, scope: instance }\n  alike: { key: ip, tiers: { a: 5/s, b: 500/100ms }, default: 7/min, burst: 4, scope: instance }\n";
    let rest = "defaults: { limits: [flood] }\nservices: { a: { endpoints: [\"127.0.0.1:1\"] } }\nroutes:\n  - { name: r, match: GET /, auth: public, to: a, limits: [{ limit: +tenant, cost: 2 }] }\n  - { name: s, match: GET /s, auth: public, to: a, limits: [] }\n";
    let first = load(&format!("{HEAD}{STORES}{LIMITS}{more}{rest}")).unwrap().config;

    let printed = to_yaml(&first);
    let second = load(&printed).unwrap_or_else(|problems| panic!("{problems}\n{printed}")).config;

    assert_eq!((&first.limits, &first.redis), (&second.limits, &second.redis), "{printed}");
    let spends = |config: &Config| config.routes.iter().map(|one| one.limits.clone()).collect::<Vec<_>>();
    assert_eq!(spends(&first), spends(&second), "{printed}");
    let json = to_redacted_json(&first);
    assert_eq!(
        json["limits"]["writes"],
        serde_json::json!({
            "key": ["user", "route"], "algorithm": "token-bucket", "rate": "30/min", "burst": 5, "scope": "global", "sharing": "leased",
        })
    );
    assert_eq!(
        json["limits"]["day"],
        serde_json::json!({
            "key": "ip", "algorithm": "fixed-window", "tiers": { "a": "5/day", "b": "6/month" }, "default": "7/day",
            "timezone": "Asia/Tokyo", "scope": "instance",
        })
    );
    assert_eq!(json["limits"]["smooth"]["burst"], 10);
    assert_eq!(json["limits"]["alike"]["burst"], 4);
    assert_eq!(json["limits"]["by-tier"].get("burst"), None);
    assert_eq!(json["routes"][0]["limits"], serde_json::json!(["flood", { "limit": "tenant", "cost": 2 }]));
    assert_eq!(text_of_rate(&every(5, 10, 5)), "5/10s");
}

/// [`LIMITS`] and [`STORES`] with something replaced.
fn mangled() -> impl Strategy<Value = String> {
    let whole = format!("{HEAD}{STORES}{LIMITS}");
    let piece = prop_oneof![
        "[\\[\\]{}:,+/\\- \\n]{1,3}",
        "[a-z0-9/.]{0,8}",
        "\\PC{0,4}",
        "null|0/s|1/month|5|5s|\\[\\]|\\{\\}|ip|tiers|default|burst: 1"
    ];
    (0..whole.len(), 0..40usize, piece).prop_map(move |(from, len, piece)| {
        let to = (from + len).min(whole.len());
        format!("{}{piece}{}", &whole[..from], &whole[to..])
    })
}

proptest! {
    #[test]
    fn no_mangled_limit_panics_and_what_loads_is_printed_and_loads_again(text in mangled()) {
        if let Ok(loaded) = load(&text) {
            let again = load(&to_yaml(&loaded.config)).map(|again| again.config);

            prop_assert_eq!(again.map(|again| (again.limits, again.redis)).ok(), Some((loaded.config.limits, loaded.config.redis)));
        }
    }
}

#[test]
fn a_limit_says_what_how_often_and_who_counts_together() {
    expect_limit(
        "",
        &[
            "5:14 [{] missing-key: limit `x` needs `key` | add `key:`",
            "5:14 [{] missing-key: limit `x` does not say how often | add `rate: 100/min`, `quota: 100000/month`, or `tiers:` with `default:`",
            "5:14 [{] missing-key: limit `x` needs `scope`: who counts together | add `scope: instance` (each process for itself: three processes let three times as much through) or `scope: global` (all processes together, in `stores.redis`)",
        ],
    );
    expect_limit(
        "key: ip, rate: 5/s",
        &[
            "5:14 [{] missing-key: limit `x` needs `scope`: who counts together | add `scope: instance` (each process for itself: three processes let three times as much through) or `scope: global` (all processes together, in `stores.redis`)",
        ],
    );
    expect_limit("rate: 5/s, scope: instance", &["5:14 [{] missing-key: limit `x` needs `key` | add `key:`"]);
    expect_limit(
        "key: ip, scope: instance",
        &[
            "5:14 [{] missing-key: limit `x` does not say how often | add `rate: 100/min`, `quota: 100000/month`, or `tiers:` with `default:`",
        ],
    );
    expect_limit(
        "key: ip, rate: 5/s, rat: 1, scope: everywhere",
        &[
            "5:36 [rat] unknown-key: unknown key `rat` in a limit | did you mean `rate`?",
            "5:51 [everywhere] bad-value: `scope` cannot be `everywhere` | it can be: instance, global",
        ],
    );
    expect_known(
        &[
            "limits: { X: { key: ip, rate: 5/s, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: d, to: a, limits: [X] }",
        ],
        &[
            "5:11 [X] bad-value: `X` cannot be the name of a limit | use 1 to 64 of a-z, 0-9, `-`, `_` and `.`",
        ],
    );
}

#[test]
fn a_key_is_one_or_several_things_requests_have_in_common() {
    expect_limit(
        "key: ipp, rate: 5/s, scope: instance",
        &["5:21 [ipp] bad-value: `key` cannot be `ipp` | did you mean `ip`?"],
    );
    expect_limit(
        "key: [], rate: 5/s, scope: instance",
        &[
            "5:21 [[] bad-value: nothing is named here that requests have in common | name at least one of: ip, user, api_key, route, { header: X-Name }",
        ],
    );
    expect_limit(
        "key: [user, ip, user], rate: 5/s, scope: instance",
        &["5:32 [user] duplicate-name: `user` stands in this key twice | remove one of them"],
    );
    expect_limit(
        "key: [{ header: X-Tenant }, { header: x-tenant }], rate: 5/s, scope: instance",
        &["5:44 [{] duplicate-name: header `x-tenant` stands in this key twice | remove one of them"],
    );
    expect_limit(
        "key: { header: a b }, rate: 5/s, scope: instance",
        &[
            "5:31 [a b] bad-value: `a b` is not the name of a header | use letters, digits and `-`, as in `X-Caller-Service`",
        ],
    );
    expect_limit(
        "key: [{ header: X-Real-IP }, { header: X_Auth_User }, { header: Host }], rate: 5/s, scope: instance",
        &[
            "5:32 [X-Real-IP] protected-header: `X-Real-IP` is not looked at as a client sends it | all would share one count; use `ip` or `user`, or a header of another name",
            "5:55 [X_Auth_User] protected-header: `X_Auth_User` is not looked at as a client sends it | all would share one count; use `ip` or `user`, or a header of another name",
            "5:80 [Host] protected-header: `Host` is not looked at as a client sends it | all would share one count; use `ip` or `user`, or a header of another name",
        ],
    );
    expect_limit(
        "key: header, rate: 5/s, scope: instance",
        &["5:21 [header] bad-value: `header` needs a value | write `{ header: … }`"],
    );
    expect_limit(
        "key: { user: x }, rate: 5/s, scope: instance",
        &["5:29 [x] bad-value: `user` takes no value | write `user` alone"],
    );
    expect_limit(
        "key: peer, rate: 5/s, scope: instance",
        &[
            "5:21 [peer] conflict: clients of an edge are no members of the mesh | use `ip`, `user` or `api_key`",
        ],
    );
}

#[test]
fn a_rate_is_so_many_in_so_much_time() {
    expect_limit(
        "key: ip, scope: instance, rate: 200",
        &[
            "5:48 [200] bad-unit: `200` is not so many in so much time | units are ms, s, min and h, as in `200/s`, `30/min`, `10/h`, `5/10s` or `100/500ms`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, rate: -1/s",
        &[
            "5:48 [-1/s] bad-unit: `-1/s` is not so many in so much time | units are ms, s, min and h, as in `200/s`, `30/min`, `10/h`, `5/10s` or `100/500ms`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, rate: 5/m",
        &[
            "5:48 [5/m] bad-unit: `m` is not a unit | units are ms, s, min and h, as in `200/s`, `30/min`, `10/h`, `5/10s` or `100/500ms`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, rate: 5/10",
        &[
            "5:48 [5/10] bad-unit: `10` has no unit | units are ms, s, min and h, as in `200/s`, `30/min`, `10/h`, `5/10s` or `100/500ms`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, rate: 5000000000/s",
        &[
            "5:48 [5000000000/s] bad-unit: `5000000000/s` is too large | units are ms, s, min and h, as in `200/s`, `30/min`, `10/h`, `5/10s` or `100/500ms`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, rate: 100/day",
        &[
            "5:48 [100/day] bad-unit: `100/day`: a day or month of the calendar is no rate | write `quota: 100/day`, or a length, as in `rate: 100/24h`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, rate: 5/2day",
        &[
            "5:48 [5/2day] bad-unit: `day` is not a unit | units are ms, s, min and h, as in `200/s`, `30/min`, `10/h`, `5/10s` or `100/500ms`",
        ],
    );
}

#[test]
fn a_rate_has_bounds() {
    expect_limit(
        "key: ip, scope: instance, rate: 0/s",
        &["5:48 [0/s] bad-value: `0/s` lets nobody in | at least 1"],
    );
    expect_limit(
        "key: ip, scope: instance, rate: 5/0s",
        &[
            "5:48 [5/0s] bad-value: `5/0s`: this time is out of range | from 1ms to 744h; for more, `quota:` counts in months",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, rate: 5/745h",
        &[
            "5:48 [5/745h] bad-value: `5/745h`: this time is out of range | from 1ms to 744h; for more, `quota:` counts in months",
        ],
    );
    expect_limit("key: ip, scope: instance, rate: 5/744h", &[]);
    expect_limit(
        "key: ip, scope: instance, rate: 2000000/1ms",
        &["5:48 [2000000/1ms] bad-value: `2000000/1ms` is more than one in a nanosecond | write less"],
    );
    expect_limit("key: ip, scope: instance, rate: 1000000/1ms", &[]);
}

#[test]
fn a_quota_is_of_the_calendar() {
    expect_limit(
        "key: ip, scope: instance, quota: 100/min",
        &[
            "5:49 [100/min] bad-unit: `100/min` is no quota: it does not end with a day or month of the calendar | write `quota: 100/day`, or `rate: 100/min`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, quota: 100/week",
        &[
            "5:49 [100/week] bad-unit: `week` is not a unit | write so many in a `day` or `month`, as in `100000/month`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, quota: 0/day",
        &["5:49 [0/day] bad-value: `0/day` lets nobody in | at least 1"],
    );
    expect_limit(
        "key: ip, scope: instance, quota: 100/day, algorithm: sliding-window",
        &[
            "5:69 [sliding-window] conflict: a day or month of the calendar is a fixed window | remove `algorithm`, or write a length, as in `rate: 1000/24h`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, quota: 100/day, algorithm: token-bucket, burst: 5",
        &[
            "5:69 [token-bucket] conflict: a day or month of the calendar is a fixed window | remove `algorithm`, or write a length, as in `rate: 1000/24h`",
            "5:90 [5] conflict: `burst` is of a token bucket: in a window everything may come at once | remove it, or write `algorithm: token-bucket`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, quota: 100/day, timezone: Europe/Berlim",
        &[
            "5:68 [Europe/Berlim] unknown-name: there is no time zone `Europe/Berlim` | did you mean `Europe/Berlin`?",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, quota: 100/day, timezone: berlin",
        &["5:68 [berlin] unknown-name: there is no time zone `berlin` | did you mean `Europe/Berlin`?"],
    );
    expect_limit(
        "key: ip, scope: instance, quota: 100/day, timezone: Middle-earth/Bree-Hill",
        &[
            "5:68 [Middle-earth/Bree-Hill] unknown-name: there is no time zone `Middle-earth/Bree-Hill` | write a name of the IANA database, as in `Europe/Berlin`, or `UTC`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, quota: 100/day, timezone: Etc/Unknown",
        &[
            "5:68 [Etc/Unknown] unknown-name: there is no time zone `Etc/Unknown` | write a name of the IANA database, as in `Europe/Berlin`, or `UTC`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, rate: 100/24h, timezone: UTC",
        &[
            "5:67 [UTC] conflict: `timezone` says where days and months begin, but none are counted here | remove it, or write `quota: 100000/month`",
        ],
    );
}

#[test]
fn there_is_one_way_to_say_how_often() {
    expect_limit(
        "key: ip, scope: instance, rate: 5/s, quota: 100/day",
        &["5:60 [100/day] conflict: limit `x` has both `rate` and `quota` | keep one of them"],
    );
    expect_limit(
        "key: ip, scope: instance, quota: 100/day, tiers: { free: 1/s }, default: 1/s",
        &["5:65 [{] conflict: limit `x` has both `quota` and `tiers` | keep one of them"],
    );
    expect_limit(
        "key: ip, scope: instance, default: 5/s",
        &[
            "5:51 [5/s] conflict: `default` is for callers of no tier, but there are no `tiers` | write `rate:` instead",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, rate: 5/s, default: 5/s",
        &[
            "5:62 [5/s] conflict: `default` is for callers of no tier, but there are no `tiers` | write `rate:` instead",
        ],
    );
}

#[test]
fn tiers_are_named_once_and_have_a_default() {
    expect_limit(
        "key: user, scope: instance, tiers: { free: 1/s }",
        &[
            "5:51 [{] missing-key: limit `x` needs `default`: what callers of no tier get | add `default: 100/min`",
        ],
    );
    expect_limit(
        "key: user, scope: instance, tiers: {}, default: 1/s",
        &[
            "5:51 [{] bad-value: no tier is named here | write `rate:` for everybody, or name tiers, as in `{ free: 100/min, premium: 1000/min }`",
        ],
    );
    expect_limit(
        "key: user, scope: instance, tiers: { free: 1/s, free: 2/s }, default: 1/s",
        &[
            "5:64 [free] duplicate-key: `free` is written twice | it stands at line 5 already; keep one of them",
            "5:51 [{] suspicious: nobody who is counted by limit `x` has a tier: all get its default | say which claim it is with `identity: { tier: … }` of an entry of `auth:`, or write `rate:`",
        ],
    );
    expect_limit(
        "key: user, scope: instance, tiers: { \"a b\": 1/s, ok: 0/s }, default: 1/s",
        &[
            "5:53 [\"a b\"] bad-value: `a b` cannot be a tier | use 1 to 256 visible ASCII characters without space, comma and quotes",
            "5:69 [0/s] bad-value: `0/s` lets nobody in | at least 1",
        ],
    );
    expect_limit(
        "key: user, scope: instance, tiers: { free: 100/day, premium: 5/s }, default: 100/day",
        &[
            "5:77 [5/s] conflict: tiers of one limit count all in the calendar, or none of them | write so many in a `day` or `month`, as in `100000/month`",
        ],
    );
    expect_limit(
        "key: user, scope: instance, tiers: { free: 5/s, premium: 100/day }, default: 5/s",
        &[
            "5:73 [100/day] conflict: tiers of one limit count all in the calendar, or none of them | units are ms, s, min and h, as in `200/s`, `30/min`, `10/h`, `5/10s` or `100/500ms`",
        ],
    );
    expect_limit(
        "key: user, scope: instance, tiers: { free: 5/s }, default: 5/s",
        &[
            "5:51 [{] suspicious: nobody who is counted by limit `x` has a tier: all get its default | say which claim it is with `identity: { tier: … }` of an entry of `auth:`, or write `rate:`",
        ],
    );
}

#[test]
fn a_burst_is_of_a_token_bucket() {
    expect_limit(
        "key: ip, scope: instance, rate: 5/s, burst: 0",
        &["5:60 [0] bad-value: 0 is out of range | at least 1"],
    );
    expect_limit(
        "key: ip, scope: instance, rate: 5/s, burst: 5, algorithm: fixed-window",
        &[
            "5:60 [5] conflict: `burst` is of a token bucket: in a window everything may come at once | remove it, or write `algorithm: token-bucket`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, rate: 5/s, burst: 5, algorithm: sliding-window",
        &[
            "5:60 [5] conflict: `burst` is of a token bucket: in a window everything may come at once | remove it, or write `algorithm: token-bucket`",
        ],
    );
    expect_limit(
        "key: ip, scope: instance, rate: 1/24h, burst: 367",
        &[
            "5:62 [367] bad-value: a bucket of 367 takes more than a year to fill at `1/24h` | write a smaller burst",
        ],
    );
    expect_limit("key: ip, scope: instance, rate: 1/24h, burst: 366", &[]);
    expect_limit(
        "key: ip, scope: instance, rate: 5/s, burst: -1",
        &["5:60 [-1] wrong-type: `burst` must be a whole number, not `-1` | write digits only"],
    );
}

#[test]
fn a_count_of_all_processes_needs_a_store() {
    expect_limit(
        "key: ip, rate: 5/s, scope: global",
        &[
            "5:43 [global] conflict: limit `x` counts in all processes together, but there is no store to count in | add `stores: { redis: { url: env:REDIS_URL, on_failure: divide } }`, or write `scope: instance`: each process for itself",
        ],
    );
    expect_known(
        &[
            "limits: { x: { key: ip, rate: 5/s, scope: global } }",
            "routes: [{ name: r, match: GET /, auth: d, to: a, limits: [x] }]",
            "stores: {}",
        ],
        &[
            "5:43 [global] conflict: limit `x` counts in all processes together, but there is no store to count in | add `stores: { redis: { url: env:REDIS_URL, on_failure: divide } }`, or write `scope: instance`: each process for itself",
        ],
    );
    expect_limit(
        "key: ip, rate: 5/s, scope: instance, sharing: exact",
        &[
            "5:62 [exact] conflict: with `scope: instance` no two processes share a count | remove `sharing`, or write `scope: global`",
        ],
    );
    expect_known(
        &[
            "limits: { x: { key: ip, rate: 5/s, scope: global, sharing: some } }",
            "routes: [{ name: r, match: GET /, auth: d, to: a, limits: [x] }]",
            "stores: { redis: { url: \"redis://127.0.0.1\", on_failure: divide } }",
        ],
        &["5:60 [some] bad-value: `sharing` cannot be `some` | it can be: exact, leased"],
    );
    expect_known(
        &[
            "limits: { x: { key: ip, rate: 5/s, scope: global } }",
            "routes: [{ name: r, match: GET /, auth: d, to: a, limits: [x] }]",
            "stores: { redis: { url: \"redis://127.0.0.1\", on_failure: divide } }",
        ],
        &[],
    );
}

#[test]
fn a_queue_is_of_a_token_bucket_of_one_process() {
    expect_limit(
        "key: ip, rate: 5/s, scope: instance, queue: {}",
        &[
            "5:60 [{] missing-key: `queue:` needs `length` | add `length:`",
            "5:60 [{] missing-key: `queue:` needs `wait` | add `wait:`",
        ],
    );
    expect_limit(
        "key: ip, rate: 5/s, scope: instance, queue: { length: 0, wait: 0s }",
        &[
            "5:70 [0] bad-value: 0 is out of range | from 1 to 100000",
            "5:79 [0s] bad-value: this time must be more than 0 | remove the key to get the default",
        ],
    );
    expect_limit(
        "key: ip, rate: 5/s, scope: instance, queue: { length: 100001, wait: 61s }",
        &[
            "5:70 [100001] bad-value: 100001 is out of range | from 1 to 100000",
            "5:84 [61s] bad-value: `61s` is too long to wait | at most 60s",
        ],
    );
    expect_limit(
        "key: ip, rate: 5/s, scope: instance, queue: { length: 1, wait: none }",
        &[
            "5:79 [none] bad-value: this time cannot be switched off | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`",
        ],
    );
    expect_limit(
        "key: ip, rate: 5/s, scope: instance, algorithm: fixed-window, queue: { length: 1, wait: 1s }",
        &["5:85 [{] conflict: only a token bucket has a turn to wait for | write `algorithm: token-bucket`"],
    );
    expect_known(
        &[
            "limits: { x: { key: ip, rate: 5/s, scope: global, queue: { length: 1, wait: 1s } } }",
            "routes: [{ name: r, match: GET /, auth: d, to: a, limits: [x] }]",
            "stores: { redis: { url: \"redis://127.0.0.1\", on_failure: divide } }",
        ],
        &[
            "5:58 [{] conflict: processes do not know each other's turn | write `scope: instance`, or remove `queue`",
        ],
    );
}
