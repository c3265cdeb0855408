//! `listeners:`, `trust:`, `strict:`, `admin:`, `drain:` and `observe:`.

use super::*;
use crate::config::{Admin, AdminBind};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// A listener with these fields, from column 14 of line 2.
#[track_caller]
fn expect_listener(fields: &str, problems: &[&str]) {
    expect(
        &format!("version: 1\nlisteners: [{{ {fields} }}]\ntrust: {{ proxies: [10.0.0.0/8] }}\n"),
        &with_no_routes(problems),
    );
}

/// A sound file without routes is warned about.
fn with_no_routes<'a>(problems: &[&'a str]) -> Vec<&'a str> {
    const NONE: &str = "1:1 [v] no-routes: there are no routes: every request is answered 404 | add `routes:`, as in `- { name: all, match: \"* /**\", auth: public, to: SERVICE }`";
    let sound =
        problems.iter().all(|one| one.contains("plaintext-listener") || one.contains("key-permissions"));
    sound.then_some(NONE).into_iter().chain(problems.iter().copied()).collect()
}

#[test]
fn an_address_says_what_it_lacks() {
    let cases = [
        (
            ":8080",
            "say which address: `0.0.0.0:8080` is every IPv4 address, `[::]:8080` every address, `127.0.0.1:8080` this machine only",
        ),
        ("8080", "write the address too, as in `0.0.0.0:8080` or `127.0.0.1:8080`"),
        ("localhost:8080", "write `127.0.0.1:8080`"),
        ("\"*:8080\"", "write `0.0.0.0:8080` or `[::]:8080`"),
        ("127.0.0.1", "add the port, as in `127.0.0.1:8080`"),
        ("\"::1\"", "add the port, as in `[::1]:8080`"),
        ("\"::1:x\"", "write an IP address and a port, as in `127.0.0.1:8080` or `[::1]:8080`"),
        ("shop.example:80", "write an IP address and a port, as in `127.0.0.1:8080` or `[::1]:8080`"),
    ];

    for (text, help) in cases {
        let plain = text.trim_matches('"');
        expect_listener(
            &format!("bind: {text}"),
            &[&format!("2:21 [{text}] bad-value: `{plain}` is not an address with a port | {help}")],
        );
    }
}

#[test]
fn listeners_are_demanded() {
    expect("version: 1\n", &["1:1 [version] missing-key: the file needs `listeners` | add `listeners:`"]);
    expect(
        "version: 1\nlisteners: []\n",
        &["2:12 [[] bad-value: there is no listener | add one, as in `- { bind: 127.0.0.1:8080 }`"],
    );
    expect("version: 1\nlisteners: [{}]\n", &["2:13 [{] missing-key: a listener needs `bind` | add `bind:`"]);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    expect_listener(
        "bind: 127.0.0.1:1, http: []",
        &["2:40 [[] bad-value: a listener must take some version of HTTP | write `[h1, h2]`"],
    );
    expect_listener(
        "bind: 127.0.0.1:1, redirect: http",
        &["2:44 [http] bad-value: `redirect` cannot be `http` | did you mean `https`?"],
    );
    expect_listener(
        "bind: 127.0.0.1:1, redirect: { https: 0 }",
        &["2:53 [0] bad-value: 0 is no port clients can go to | write the port clients see"],
    );
    expect_listener(
        "bind: 127.0.0.1:1, redirect: { https: 70000 }",
        &["2:53 [70000] wrong-type: `70000` is too large | at most 65535"],
    );
    expect(
        "version: 1\nlisteners: [{ bind: 127.0.0.1:1, proxy_protocol: true }]\n",
        &[
            "2:50 [true] conflict: `proxy_protocol` is on, but nobody may send it: every connection would be refused | list the load balancers under `trust: { proxies: [10.0.0.0/8] }`",
        ],
    );
}

#[test]
fn times_and_caps_are_checked() {
    expect_listener(
        "bind: 127.0.0.1:1, timeouts: { header: 5, body: 5sec, write: 1.5s, idle: none, handshake: 0s }",
        &[
            "2:54 [5] bad-unit: `5` has no unit | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`",
            "2:63 [5sec] bad-unit: `sec` is not a unit | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`",
            "2:76 [1.5s] bad-unit: `1.5s` is not a whole number with a unit | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`",
            "2:88 [none] bad-value: this time cannot be switched off | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`",
            "2:105 [0s] bad-value: this time must be more than 0 | remove the key to get the default",
        ],
    );
    expect_listener(
        "bind: 127.0.0.1:1, caps: { connections: 0 }",
        &["2:55 [0] bad-value: 0 is out of range | at least 1"],
    );
}

#[test]
fn an_address_is_bound_once() {
    expect(
        "version: 1\nlisteners:\n  - bind: 127.0.0.1:80\n  - bind: 127.0.0.1:80\n  - bind: 127.0.0.1:0\n  - bind: 127.0.0.1:0\nadmin: { bind: 127.0.0.1:9901 }\nobserve: { metrics: { bind: 127.0.0.1:9901 } }\n",
        &[
            "4:11 [127.0.0.1:80] duplicate-name: `127.0.0.1:80` is bound twice | line 3 binds it already; choose another port, or merge the two",
            "8:29 [127.0.0.1:9901] duplicate-name: `127.0.0.1:9901` is bound twice | line 7 binds it already; choose another port, or merge the two",
        ],
    );
}

#[test]
fn plain_http_for_everybody_is_pointed_out_and_a_redirect_is_not() {
    let message = "2:21 [0.0.0.0:80] plaintext-listener: this listener offers plain HTTP to every network this machine is in | add `tls:`, `redirect: https`, or bind to 127.0.0.1";

    expect_listener("bind: 0.0.0.0:80", &[message]);
    expect_listener("bind: \"[::]:80\"", &[&message.replace("0.0.0.0:80", "\"[::]:80\"")]);
    expect_listener("bind: 0.0.0.0:80, redirect: https", &[]);
}

const CERT: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";
const SEALED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";

/// A folder with certificates and keys; a TLS listener with this certificate entry in it.
fn tls_listener(entry: &str, key_mode: u32) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    for (name, content) in [
        ("c.pem", CERT),
        ("k.pem", KEY),
        ("sealed.pem", SEALED),
        ("empty.pem", ""),
        ("cut.pem", "-----BEGIN CERTIFICATE-----\nAA"),
    ] {
        fs::write(dir.path().join(name), content).unwrap();
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(key_mode)).unwrap();
    }
    let text = format!(
        "version: 1\nlisteners: [{{ bind: 127.0.0.1:1, tls: {{ {entry} }} }}]\n{}",
        "services: { a: { endpoints: [\"127.0.0.1:1\"] } }\nroutes: [{ name: a, match: \"* /**\", auth: public, to: a }]\n"
    );
    let all = match parse_in(&text, &dir.path().join("edge.yaml"), &AROUND) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems.0,
    };
    let root = dir.path().display().to_string();
    all.iter().map(|one| say(one).replace(&root, "DIR")).collect()
}

#[test]
fn a_client_ca_is_said_to_keep_nobody_out_yet() {
    let findings = tls_listener("certificates: [{ cert: c.pem, key: file:k.pem }], client_ca: c.pem", 0o600);

    assert!(matches!(&*findings, [one] if one.contains("nothing depends on it")), "{findings:?}");
}

#[test]
fn certificate_files_are_read_at_load() {
    let cases = [
        ("certificates: [{ cert: c.pem, key: file:k.pem }]", None),
        (
            "client_ca: c.pem",
            Some("2:39 [{] missing-key: `tls:` of a listener needs `certificates` | add `certificates:`"),
        ),
        (
            "certificates: []",
            Some(
                "2:55 [[] bad-value: there is no certificate | add one, as in `{ cert: certs/api.pem, key: file:certs/api.key }`",
            ),
        ),
        (
            "certificates: [{ cert: no.pem, key: file:k.pem }]",
            Some(
                "2:64 [no.pem] bad-file: cannot read `no.pem`: there is no such file | looked at DIR/no.pem",
            ),
        ),
        (
            "certificates: [{ cert: ., key: file:k.pem }]",
            Some("2:64 [.] bad-file: cannot read `.`: it is not a file | looked at DIR/."),
        ),
        (
            "certificates: [{ cert: empty.pem, key: file:k.pem }]",
            Some(
                "2:64 [empty.pem] bad-file: `empty.pem` holds no certificate | a PEM file has a line `-----BEGIN CERTIFICATE-----`",
            ),
        ),
        (
            "certificates: [{ cert: cut.pem, key: file:k.pem }]",
            Some(
                "2:64 [cut.pem] bad-file: `cut.pem` holds no certificate | a PEM file has a line `-----BEGIN CERTIFICATE-----`",
            ),
        ),
        (
            "certificates: [{ cert: k.pem, key: file:k.pem }]",
            Some(
                "2:64 [k.pem] bad-file: `k.pem` holds no certificate | it holds a private key: are `cert` and `key` swapped?",
            ),
        ),
        (
            "certificates: [{ cert: file:c.pem, key: file:k.pem }]",
            Some(
                "2:64 [file:c.pem] bad-value: this is a path, not a secret: it has no `file:` | write `c.pem`",
            ),
        ),
        (
            "certificates: [{ cert: c.pem, key: k.pem }]",
            Some("2:76 [k.pem] bad-value: a private key is named as `file:PATH` | write `file:k.pem`"),
        ),
        (
            "certificates: [{ cert: c.pem, key: file:c.pem }]",
            Some(
                "2:76 [file:c.pem] bad-file: `c.pem` holds no private key | it holds a certificate: are `cert` and `key` swapped?",
            ),
        ),
        (
            "certificates: [{ cert: c.pem, key: file:empty.pem }]",
            Some(
                "2:76 [file:empty.pem] bad-file: `empty.pem` holds no private key | a PEM file has a line `-----BEGIN PRIVATE KEY-----`",
            ),
        ),
        (
            "certificates: [{ cert: c.pem, key: file:sealed.pem }]",
            Some(
                "2:76 [file:sealed.pem] bad-file: `sealed.pem` holds no private key | the key is encrypted: decrypt it with `openssl pkcs8 -in KEY -out PLAIN`",
            ),
        ),
    ];

    for (entry, problem) in cases {
        assert_eq!(
            tls_listener(entry, 0o600),
            problem.map(str::to_owned).into_iter().collect::<Vec<_>>(),
            "{entry}"
        );
    }
}

#[test]
fn a_key_that_everybody_may_read_is_pointed_out() {
    let said = tls_listener("certificates: [{ cert: c.pem, key: file:k.pem }]", 0o644);

    assert_eq!(
        said,
        ["2:76 [file:k.pem] key-permissions: every user of this machine may read `k.pem` | chmod 600 k.pem"]
    );
}

#[test]
fn a_tls_listener_does_not_redirect() {
    let said =
        tls_listener("certificates: [{ cert: c.pem, key: file:k.pem }] }, redirect: { https: 1", 0o600);

    assert_eq!(
        said,
        [
            "2:103 [{] conflict: a listener with `tls` cannot redirect to https: it is https already | remove `tls` or `redirect`"
        ]
    );
}

#[test]
fn trust_names_networks() {
    expect(
        &format!("{HEAD}trust: {{ proxies: [10.0.0.0/8, 10.0.0.1/8, 0.0.0.0/0, lb, 192.0.2.7], hops: 0 }}\n"),
        &[
            "3:32 [10.0.0.1/8] bad-value: `10.0.0.1/8` has bits behind its prefix | write `10.0.0.0/8`",
            "3:44 [0.0.0.0/0] insecure: `0.0.0.0/0` trusts everybody: any client could then claim any address | name the networks of your own proxies",
            "3:55 [lb] bad-value: `lb` is not a network | write it as `10.0.0.0/8`, `2001:db8::/32` or `192.0.2.7`",
            "3:77 [0] bad-value: 0 is out of range | from 1 to 32",
        ],
    );
}

#[test]
fn strict_takes_three_words() {
    expect(
        &format!("{HEAD}strict: {{ underscores: refus, http10: drop }}\n"),
        &[
            "3:24 [refus] bad-value: `underscores` cannot be `refus` | did you mean `refuse`?",
            "3:39 [drop] bad-value: `http10` cannot be `drop`: there is nothing to take out | write `refuse` or `keep`",
        ],
    );
}

#[test]
fn the_admin_listener_is_local_or_has_a_token() {
    let admin = |text: &str| said(&format!("{HEAD}admin: {text}\n")).pop().unwrap();

    assert_eq!(
        admin("{ bind: 0.0.0.0:9901 }"),
        "3:16 [0.0.0.0:9901] insecure: anyone who reaches this address could administer the proxy | bind to 127.0.0.1 or unix:PATH, or add `token: file:PATH`"
    );
    assert_eq!(
        admin("{ bind: 127.0.0.1:1, token: s3cret }"),
        "3:36 [******] insecure: a secret must come from a file or the environment | write `file:PATH` or `env:NAME`; a secret never stands in the configuration itself"
    );
    assert_eq!(
        admin("{ bind: 127.0.0.1:1, token: env:NOPE }"),
        "3:36 [env:NOPE] unknown-name: the environment variable `NOPE` is not set | set it, or use `file:PATH`"
    );
    assert_eq!(
        admin("{ bind: 127.0.0.1:1, token: file:nope }"),
        "3:36 [file:nope] bad-file: cannot read `nope`: there is no such file | looked at /etc/portcullis/nope"
    );
    assert_eq!(
        admin("{ bind: \"unix:\" }"),
        "3:16 [\"unix:\"] bad-value: `unix:` needs a path | as in `unix:/run/portcullis/admin.sock`"
    );
    assert_eq!(admin("{}"), "3:8 [{] missing-key: `admin:` needs `bind` | add `bind:`");
}

#[test]
fn a_token_is_read_and_never_shown() {
    let loaded = load(&format!("{HEAD}admin: {{ bind: 0.0.0.0:9901, token: env:TOKEN }}\n")).unwrap();

    let admin = loaded.config.admin.clone().unwrap();
    assert_eq!(admin.token.as_deref(), Some("s3cret"));
    let shown = [
        format!("{:?}", loaded.config),
        crate::config::effective::to_yaml(&loaded.config),
        crate::config::effective::to_redacted_json(&loaded.config).to_string(),
    ];
    assert!(shown.iter().all(|text| !text.contains("s3cret")), "{shown:?}");
    assert!(shown[2].contains("\"token\":\"REDACTED\""), "{}", shown[2]);
}

#[test]
fn a_unix_socket_is_found_from_the_folder_of_the_file() {
    let loaded = load(&format!("{HEAD}admin: {{ bind: unix:admin.sock }}\n")).unwrap();

    let Admin { bind, token, .. } = loaded.config.admin.unwrap();
    assert_eq!((bind, token), (AdminBind::Unix("/etc/portcullis/admin.sock".into()), None));
}

#[test]
fn observe_says_what_it_takes() {
    expect(
        &format!(
            "{HEAD}observe: {{ access_log: {{ to: stdot, redact: [token] }}, metrics: {{}}, traces: {{ propagation: [b3, b3multi] }} }}\n"
        ),
        &[
            "3:30 [stdot] bad-value: the access log cannot go to `stdot` | did you mean `stdout`?",
            "3:46 [token] bad-value: `token` cannot be redacted | write `query.token` for a query parameter; headers are never logged",
            "3:65 [{] missing-key: `metrics:` needs `bind` | add `bind:`",
            "3:92 [[] bad-value: `w3c` cannot be left out | write `[w3c]` or `[w3c, b3]`",
            "3:97 [b3multi] conflict: `b3` and `b3multi` exclude each other | remove one of them",
        ],
    );
    expect(
        &format!("{HEAD}observe: {{ access_log: {{ to: /var/log/x }} }}\n"),
        &["3:30 [/var/log/x] bad-value: the access log cannot go to `/var/log/x` | write `file:/var/log/x`"],
    );
}
