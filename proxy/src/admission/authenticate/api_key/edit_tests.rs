//! A file with an entry more or less: what changes, what stays, and when it is left alone.

use super::super::KeyFile;
use super::super::secret::Secret;
use super::*;
use portcullis_ca::time::Timestamp;
use proptest::prelude::*;

fn secret(number: u8) -> Secret {
    Secret::from_random([number; 32])
}

fn entry(id: &str, number: u8) -> Entry {
    Entry {
        id: id.to_owned(),
        digest: secret(number).digest(),
        owner: "acme".to_owned(),
        tier: None,
        roles: vec![],
        scopes: vec![],
        created: "2026-11-23".to_owned(),
        expires: None,
    }
}

/// `#1` stands for the digest of secret 1.
fn filled(text: &str) -> String {
    (1..9).fold(text.to_owned(), |text, n| text.replace(&format!("#{n}"), &secret(n).digest().to_hex()))
}

/// Comments everywhere, both styles, keys in an order of their own.
const MIXED: &str = "\
# Who may call us.
version: 1 # of the format

keys: # newest last
  # acme, see ticket 17
  - { id: a, sha256: #1, owner: acme } # until spring

  -   id: b
      # the old one
      sha256: #2
      owner: bits
      scopes:
        - orders:read

  # many lines
  - { id: c,
      sha256: #3,
      owner: cats }
  # end of list
# end of file
";

#[test]
fn an_empty_text_becomes_a_key_file() {
    let text = add("", &entry("a", 1)).unwrap();

    assert_eq!(
        text,
        filled("version: 1\nkeys:\n  - { id: a, sha256: #1, owner: acme, created: 2026-11-23 }\n")
    );
}

#[test]
fn comments_before_the_first_key_stay() {
    let text = add("# ours", &entry("a", 1)).unwrap();

    assert!(text.starts_with("# ours\nversion: 1\nkeys:\n  - { id: a,"), "{text}");
}

#[test]
fn every_field_survives_and_what_yaml_could_mistake_is_quoted() {
    let full = Entry {
        id: "2026".to_owned(),
        owner: "auth0|17:x#y".to_owned(),
        tier: Some("on".to_owned()),
        roles: vec!["true".to_owned(), "*".to_owned()],
        scopes: vec!["orders:read".to_owned(), "[x]".to_owned()],
        expires: Some("2027-01-01T12:00:00Z".to_owned()),
        ..entry("", 1)
    };

    let text = add("", &full).unwrap();

    let keys = KeyFile::parse(&text).unwrap();
    let caller = keys.find(secret(1).as_str(), Timestamp(0)).unwrap();
    assert_eq!((&*caller.principal.user, caller.tier.as_deref()), ("auth0|17:x#y", Some("on")));
    assert_eq!(caller.principal.roles, ["true", "*"].map(Box::<str>::from));
    assert_eq!(caller.principal.scopes, ["orders:read", "[x]"].map(Box::<str>::from));
    assert_eq!(caller.api_key.as_deref(), Some("2026"));
    assert!(
        text.contains("owner: \"auth0|17:x#y\"") && text.contains("expires: \"2027-01-01T12:00:00Z\""),
        "{text}"
    );
}

#[test]
fn a_new_entry_is_put_behind_the_last_and_nothing_else_changes() {
    let old = filled(MIXED);

    let new = add(&old, &entry("d", 4)).unwrap();

    let line = format!("  - {}\n", entry("d", 4).line());
    let at = new.find(&line).unwrap();
    assert!(new[..at].ends_with("owner: cats }\n"), "{new}");
    assert_eq!(new.replacen(&line, "", 1), old);
}

#[test]
fn a_list_that_is_written_as_empty_gets_its_first_entry() {
    for (old, head) in [
        ("version: 1\nkeys: []\n# end\n", "version: 1\nkeys:\n  - { id: a,"),
        ("version: 1\nkeys: []", "version: 1\nkeys:\n  - { id: a,"),
        ("keys: [] # none\nversion: 1\n", "keys: # none\n  - { id: a,"),
    ] {
        let new = add(old, &entry("a", 1)).unwrap();

        assert!(new.starts_with(head), "{new}");
        assert_eq!(remove(&new, "a").unwrap().replace(" # none", ""), ended(old).replace(" # none", ""));
    }
}

#[test]
fn each_entry_can_be_taken_out_without_touching_the_rest() {
    let old = filled(MIXED);
    let gone = [
        ("a", filled("  - { id: a, sha256: #1, owner: acme } # until spring\n")),
        (
            "b",
            filled(
                "  -   id: b\n      # the old one\n      sha256: #2\n      owner: bits\n      scopes:\n        - orders:read\n",
            ),
        ),
        ("c", filled("  - { id: c,\n      sha256: #3,\n      owner: cats }\n")),
    ];
    for (id, lines) in gone {
        let new = remove(&old, id).unwrap();

        assert_eq!(new, old.replacen(&lines, "", 1), "{id}");
        assert_eq!(new.len(), old.len() - lines.len(), "{id}");
    }
}

#[test]
fn without_the_last_key_the_list_is_empty_and_can_be_filled_again() {
    let old = filled("version: 1\nkeys: # ours\n- id: a\n  sha256: #1\n  owner: o\n# end\n");

    let new = remove(&old, "a").unwrap();

    assert_eq!(new, "version: 1\nkeys: [] # ours\n# end\n");
    assert!(add(&new, &entry("b", 2)).is_ok());
}

#[test]
fn lines_that_end_as_on_windows_go_on_to() {
    let old = filled("version: 1\r\nkeys:\r\n- { id: a, sha256: #1, owner: o }");

    let new = add(&old, &entry("b", 2)).unwrap();

    assert_eq!(new, format!("{old}\r\n- {}\r\n", entry("b", 2).line()));
}

#[test]
fn a_file_in_brackets_is_left_to_people() {
    for old in [
        "version: 1\nkeys: [{ id: a, sha256: #1, owner: o }]\n",
        "version: 1\nkeys: [\n  { id: a, sha256: #1, owner: o },\n  { id: c, sha256: #3, owner: o },\n]\n",
        "{ \"version\": 1, \"keys\": [{ \"id\": \"a\", \"sha256\": \"#1\", \"owner\": \"o\" }] }\n",
    ] {
        let old = filled(old);

        assert_eq!(add(&old, &entry("b", 2)), Err(EditError::ByHand), "{old}");
        assert_eq!(remove(&old, "a"), Err(EditError::ByHand), "{old}");
    }
}

#[test]
fn an_entry_that_others_refer_to_is_not_taken_out() {
    let old = filled(
        "version: 1\nkeys:\n- { id: a, sha256: #1, owner: o, roles: &r [x] }\n- { id: b, sha256: #2, owner: o, roles: *r }\n",
    );

    assert!(KeyFile::parse(&old).is_ok());
    assert_eq!(remove(&old, "a"), Err(EditError::ByHand));
    assert!(remove(&old, "b").is_ok());
}

#[test]
fn an_id_or_a_secret_that_is_there_is_refused_with_its_line() {
    let old = filled(MIXED);

    assert_eq!(add(&old, &entry("b", 4)), Err(EditError::Taken { id: "b".into(), line: 8 }));
    assert_eq!(add(&old, &entry("d", 1)), Err(EditError::Known { id: "a".into(), line: 6 }));
}

#[test]
fn an_unknown_id_comes_with_what_was_probably_meant() {
    let old = filled("version: 1\nkeys:\n- { id: acme-2026, sha256: #1, owner: o }\n");

    let error = remove(&old, "acme-2025").unwrap_err();

    assert_eq!(error.to_string(), "there is no key `acme-2025`; did you mean `acme-2026`?");
}

#[test]
fn a_file_that_is_not_sound_or_would_not_be_is_not_changed() {
    let unsound = "version: 2\nkeys: []\n";
    let bad = Entry { owner: "a\" }".to_owned(), ..entry("a", 1) };
    let full = format!("version: 1\nkeys: []\n# {}", "x".repeat((4 << 20) - 30));

    assert!(matches!(add(unsound, &entry("a", 1)), Err(EditError::Unsound(_))));
    assert!(matches!(remove(unsound, "a"), Err(EditError::Unsound(_))));
    assert!(matches!(add("", &bad), Err(EditError::Refused(_))));
    assert!(matches!(add(&full, &entry("a", 1)), Err(EditError::Refused(_))));
}

proptest! {
    #[test]
    fn what_is_added_and_taken_out_again_leaves_the_file_as_it_was(
        lines in proptest::collection::vec("( {0,4}#[ a-z]{0,9}|)\n", 0..4),
        indent in 0usize..4,
        count in 1u8..6,
    ) {
        let mut old = "version: 1\nkeys:\n".to_owned();
        for number in 1..=count {
            old += &lines.concat();
            old += &format!("{}- {}\n", " ".repeat(indent), entry(&format!("k{number}"), number).line());
        }
        old += &lines.concat();

        let new = add(&old, &entry("new", 7)).unwrap();

        prop_assert_eq!(KeyFile::parse(&new).unwrap().keys().len(), usize::from(count) + 1);
        prop_assert_eq!(remove(&new, "new").unwrap(), old);
    }

    #[test]
    fn no_text_makes_it_panic_or_loses_a_key(words in proptest::collection::vec(
        "(version: 1\n|keys:|keys: \\[\\]|\n| |  - |- |\\{ id: a, sha256: 00, owner: o \\}|#|'|\"|\\||é|\r\n)", 0..30,
    )) {
        let text = words.concat();

        if let Ok(new) = add(&text, &entry("new", 7)) {
            prop_assert!(KeyFile::parse(&new).unwrap().keys().len() == 1);
        }
        let _ = remove(&text, "a");
    }
}
