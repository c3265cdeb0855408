//! What a key file may say, every error with its place, and who is found.

use super::super::secret::Secret;
use super::*;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_798_761_600); // 2027-01-01T00:00:00Z

fn secret(number: u8) -> Secret {
    Secret::from_random([number; 32])
}

fn hex(number: u8) -> String {
    secret(number).digest().to_hex()
}

/// A file with these entries from line 3 on; `#1` stands for the digest of secret 1.
fn file(entries: &[&str]) -> String {
    let mut text = "version: 1\nkeys:\n".to_owned();
    for entry in entries {
        text.push_str(&format!("  - {entry}\n"));
    }
    (1..9).fold(text, |text, number| text.replace(&format!("#{number}"), &hex(number)))
}

fn said(text: &str) -> Vec<String> {
    let errors = KeyFile::parse(text).err().unwrap_or_default();
    errors.iter().map(|error| format!("{}:{} {}", error.line, error.column, error.message)).collect()
}

#[test]
fn a_key_says_everything_about_its_owner() {
    let text = file(&["{ id: acme-2026, sha256: #1, owner: acme, tier: premium, roles: [partner], \
                       scopes: [\"orders:read\"], created: 2026-11-23, expires: 2027-01-01 }"]);
    let keys = KeyFile::parse(&text).unwrap();

    let caller = keys.find(secret(1).as_str(), NOW).unwrap();

    assert_eq!(&*caller.principal.user, "acme");
    assert_eq!(caller.principal.roles, ["partner"].map(Box::<str>::from));
    assert_eq!(caller.principal.scopes, ["orders:read"].map(Box::<str>::from));
    assert_eq!(caller.tier.as_deref(), Some("premium"));
    assert_eq!(caller.api_key.as_deref(), Some("acme-2026"));
    assert_eq!(caller.expires, Some(Timestamp(NOW.0 + 86_400)));
    assert!(caller.claims.is_empty());
}

#[test]
fn among_many_keys_each_secret_finds_its_own() {
    let entries: Vec<String> = (1..9).map(|n| format!("{{ id: k{n}, sha256: #{n}, owner: o{n} }}")).collect();
    let keys = KeyFile::parse(&file(&entries.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();

    for n in 1..9 {
        let caller = keys.find(secret(n).as_str(), NOW).unwrap();

        assert_eq!(caller.api_key.as_deref(), Some(&*format!("k{n}")));
    }
}

#[test]
fn a_secret_that_no_key_has_is_unknown_and_one_that_is_none_malformed() {
    let keys = KeyFile::parse(&file(&["{ id: a, sha256: #1, owner: o }"])).unwrap();
    let good = secret(1);
    let (cut, mistyped) = (&good.as_str()[..52], good.as_str().replace("AQEB", "AQEC"));

    let word = |shown: &str| keys.find(shown, NOW).map_err(Refused::word).err();

    assert_eq!(word(good.as_str()), None);
    assert_eq!(word(secret(2).as_str()), Some("unknown"));
    assert_eq!(word("a-secret-of-somebody-else"), Some("unknown"));
    assert_eq!(word(cut), Some("malformed"));
    assert_eq!(word(&mistyped), Some("malformed"));
    assert_eq!(word(""), Some("malformed"));
}

#[test]
fn a_secret_made_elsewhere_is_found_by_its_digest() {
    let shown = "made-by-another-system!";
    let digest = Digest::of(shown).to_hex();
    let keys = KeyFile::parse(&file(&[&format!("{{ id: a, sha256: {digest}, owner: o }}")])).unwrap();

    assert_eq!(keys.find(shown, NOW).unwrap().api_key.as_deref(), Some("a"));
}

#[test]
fn a_date_is_good_until_the_end_of_its_day_and_a_moment_until_that_moment() {
    let text = file(&[
        "{ id: day, sha256: #1, owner: o, expires: 2027-01-01 }",
        "{ id: moment, sha256: #2, owner: o, expires: \"2027-01-01T13:00:00+01:00\" }",
    ]);
    let keys = KeyFile::parse(&text).unwrap();

    let good = |number, after: i64| keys.find(secret(number).as_str(), Timestamp(NOW.0 + after)).map(drop);

    assert_eq!([good(1, 86_399), good(1, 86_400)], [Ok(()), Err(Refused::Expired)]);
    assert_eq!([good(2, 43_199), good(2, 43_200)], [Ok(()), Err(Refused::Expired)]);
}

#[test]
fn block_style_quotes_and_a_byte_order_mark_are_read_alike() {
    let block = format!(
        "\u{feff}# partners\nkeys:\n- id: 'a'\n  sha256: \"{}\"\n  owner: o\n  scopes:\n    - s\nversion: 1\n",
        hex(1)
    );

    let keys = KeyFile::parse(&block).unwrap();

    assert_eq!(keys, KeyFile::parse(&file(&["{ id: a, sha256: #1, owner: o, scopes: [s] }"])).unwrap());
}

#[test]
fn the_tiers_are_told_once_each() {
    let text = file(&[
        "{ id: a, sha256: #1, owner: o, tier: premium }",
        "{ id: b, sha256: #2, owner: o, tier: free }",
        "{ id: c, sha256: #3, owner: o, tier: premium }",
        "{ id: d, sha256: #4, owner: o }",
    ]);

    let keys = KeyFile::parse(&text).unwrap();

    assert_eq!(keys.tiers().collect::<Vec<_>>(), ["free", "premium"]);
}

#[test]
fn every_error_of_an_entry_is_told_with_its_place() {
    const NAME: &str = "cannot be the name of";
    let table: [(&str, &[&str]); 14] = [
        ("{ sha256: #1, owner: o }", &["3:5 a key needs `id`"]),
        ("{ id: a, owner: o }", &["3:5 a key needs `sha256`"]),
        ("{ id: a, sha256: #1 }", &["3:5 a key needs `owner`"]),
        ("{ id: \"a b\", sha256: #1, owner: o }", &[&format!("3:11 `a b` {NAME} a key")]),
        (
            "{ id: a, sha256: ABC, owner: o }",
            &["3:22 this is no digest: 64 lower-case hex digits, the SHA-256 of the secret"],
        ),
        (
            "{ id: a, sha256: pck_x, owner: o }",
            &["3:22 A SECRET STANDS HERE: only SHA-256 digests belong into a key file"],
        ),
        ("{ id: a, owner: \"a,b\", sha256: #1 }", &["3:21 `a,b` cannot be an owner"]),
        ("{ id: a, owner: o, sha256: #1, roles: [r, \"b c\"] }", &["3:109 `b c` cannot be a role"]),
        ("{ id: a, owner: o, scopes: [\"'\"], sha256: #1 }", &["3:33 `'` cannot be a scope"]),
        ("{ id: a, owner: o, tier: a/b, sha256: #1 }", &[&format!("3:30 `a/b` {NAME} a tier")]),
        ("{ id: a, owner: o, expires: 2027-13-01, sha256: #1 }", &["3:33 `2027-13-01` is not a date"]),
        ("{ id: a, owner: o, created: today, sha256: #1 }", &["3:33 `today` is not a date"]),
        (
            "{ id: a, owner: o, sha526: #1 }",
            &["3:5 a key needs `sha256`", "3:24 unknown key `sha526` in a key"],
        ),
        ("{ id: a, owner: o, roles: r, sha256: #1 }", &["3:31 `roles` must be a list, not a single value"]),
    ];
    for (entry, errors) in table {
        assert_eq!(said(&file(&[entry])), errors, "{entry}");
    }
}

#[test]
fn every_error_of_the_file_is_told_with_its_place() {
    let table: [(&str, &[&str]); 8] = [
        ("", &["0:0 the file is empty"]),
        ("# nothing\n", &["0:0 the file is empty"]),
        ("keys: []\n", &["1:1 the file does not say its version"]),
        ("version: 2\nkeys: []\n", &["1:10 version 2 is not known to this portcullis"]),
        ("version: 1\n", &["1:1 the file has no `keys`"]),
        ("version: 1\nkeys: []\nkesy: []\n", &["3:1 unknown key `kesy` in a key file"]),
        ("[a]\n", &["1:1 this must be a map, not a list"]),
        ("version: 1\nkeys: [}\n", &["2:7 this is not YAML"]),
    ];
    for (text, errors) in table {
        let said = said(text);
        assert!(
            errors.iter().all(|error| said.iter().any(|said| said.starts_with(error))),
            "{text}: {said:?}"
        );
    }
}

#[test]
fn ids_and_digests_are_there_once_and_the_error_says_where_the_first_is() {
    let text = file(&["{ id: a, sha256: #1, owner: o }", "{ id: a, sha256: #1, owner: p }"]);

    let errors = KeyFile::parse(&text).unwrap_err();

    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "4:11: the id `a` is taken (it stands at line 3; each key has its own)",
            "4:22: this digest is there already (it stands at line 3; one secret is one key; make another one with \
             `portcullis keys create`)",
        ]
    );
}

#[test]
fn an_unknown_key_comes_with_what_was_probably_meant() {
    let errors = KeyFile::parse(&file(&["{ id: a, sha256: #1, owner: o, teir: x }"])).unwrap_err();

    assert_eq!(errors[0].help.as_deref(), Some("did you mean `tier`?"));
}

#[test]
fn a_secret_is_found_wherever_it_stands_and_never_repeated() {
    let secret = secret(1);
    let shown = secret.as_str();
    for text in [
        file(&[&format!("{{ id: a, sha256: {shown}, owner: o }}")]),
        file(&[&format!("{{ id: a, sha256: #2, owner: o }} # {shown}")]),
        file(&[&format!("{{ id: a, sha256: #2, owner: {shown} }}")]),
        file(&[&format!("{{ id: a, sha256: #2, owner: o, {shown}: x }}")]),
        file(&[&format!("{{ id: a, sha256: #2, owner: o, roles: {shown} }}")]),
        file(&[&format!("{{ id: a, sha256: #2, owner: o, tier: \"{} \" }}", shown.replace('p', "\\x70"))]),
    ] {
        let errors = KeyFile::parse(&text).unwrap_err();

        assert!(errors.iter().any(|error| error.line == 3 && error.message.contains("A SECRET STANDS HERE")));
        assert!(!format!("{errors:?}").contains(&shown[4..20]), "{errors:?}");
    }
}

#[test]
fn debugging_shows_no_digest() {
    let keys = KeyFile::parse(&file(&["{ id: a, sha256: #1, owner: o }"])).unwrap();

    let text = format!("{keys:?} {:?}", keys.keys());

    assert!(!text.contains(&hex(1)[..8]), "{text}");
    assert!(text.contains("keys: 1") && text.contains("\"a\""), "{text}");
}

#[test]
fn size_number_of_keys_and_number_of_errors_are_bounded() {
    let large = format!("# {}\n", "x".repeat(4 << 20));
    let many = format!("version: 1\nkeys: [{}]\n", "{},".repeat(100_001));
    let wrong = format!("version: 1\nkeys: [{}]\n", "{},".repeat(1_000));

    assert_eq!(said(&large), ["0:0 the file is larger than 4 MiB"]);
    assert_eq!(said(&many), ["2:7 there are more than 100000 keys"]);
    assert_eq!(said(&wrong).len(), 100);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*", words in proptest::collection::vec(
        "(version: 1|keys:|\n| |  - |- |\\{|\\}|\\[|\\]|, |id: |sha256: |owner: |expires: |#|'|\"|pck_|é|[a-z0-9]{1,70})", 0..40,
    )) {
        let woven = words.concat();
        for text in [&text, &woven, &format!("version: 1\nkeys:\n  - {woven}")] {
            let _ = KeyFile::parse(text);
            let _ = KeyFile::default().find(text, NOW);
        }
    }
}
