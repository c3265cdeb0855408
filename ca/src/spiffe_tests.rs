//! What is a SPIFFE ID and what is not, by table and by property.

use super::{SpiffeId, SpiffeIdError as Error, TrustDomain};
use proptest::prelude::*;

#[test]
fn an_id_is_taken_apart_into_trust_domain_and_path() {
    let text = "spiffe://shop.example/svc/Order_v2.1-a";

    let id: SpiffeId = text.parse().unwrap();

    assert_eq!(id.trust_domain().as_str(), "shop.example");
    assert_eq!(id.path(), "/svc/Order_v2.1-a");
    assert_eq!(id.as_str(), text);
    assert_eq!(id.to_string(), text);
}

#[test]
fn an_id_without_a_path_names_the_trust_domain() {
    let id: SpiffeId = "spiffe://shop_1.example".parse().unwrap();

    assert_eq!(id.trust_domain(), &"shop_1.example".parse().unwrap());
    assert_eq!(id.path(), "");
}

#[test]
fn names_that_look_odd_but_are_allowed_are_taken() {
    for text in ["spiffe://10.0.0.1/a", "spiffe://-._/a", "spiffe://a/...", "spiffe://a/.b", "spiffe://a/0"] {
        assert_eq!(text.parse::<SpiffeId>().map(|id| id.to_string()), Ok(text.to_owned()));
    }
}

#[test]
fn every_malformed_id_is_refused_for_its_own_reason() {
    let table = [
        ("", Error::Scheme),
        ("shop.example/a", Error::Scheme),
        ("SPIFFE://shop.example/a", Error::Scheme),
        ("https://shop.example/a", Error::Scheme),
        ("spiffe:/shop.example/a", Error::Scheme),
        (" spiffe://shop.example/a", Error::Scheme),
        ("spiffe://", Error::NoTrustDomain),
        ("spiffe:///a", Error::NoTrustDomain),
        ("spiffe://Shop.example/a", Error::TrustDomainCharacter('S')),
        ("spiffe://shop.example:443/a", Error::TrustDomainCharacter(':')),
        ("spiffe://me@shop.example/a", Error::TrustDomainCharacter('@')),
        ("spiffe://[::1]/a", Error::TrustDomainCharacter('[')),
        ("spiffe://shop%2eexample/a", Error::TrustDomainCharacter('%')),
        ("spiffe://shöp.example/a", Error::TrustDomainCharacter('ö')),
        ("spiffe://shop.example?a", Error::TrustDomainCharacter('?')),
        ("spiffe://shop.example#a", Error::TrustDomainCharacter('#')),
        ("spiffe://shop.example\0/a", Error::TrustDomainCharacter('\0')),
        ("spiffe://shop.example/", Error::EmptySegment),
        ("spiffe://shop.example//a", Error::EmptySegment),
        ("spiffe://shop.example/a/", Error::EmptySegment),
        ("spiffe://shop.example/a//b", Error::EmptySegment),
        ("spiffe://shop.example/.", Error::DotSegment),
        ("spiffe://shop.example/a/../b", Error::DotSegment),
        ("spiffe://shop.example/a%2fb", Error::PathCharacter('%')),
        ("spiffe://shop.example/a?b", Error::PathCharacter('?')),
        ("spiffe://shop.example/a#b", Error::PathCharacter('#')),
        ("spiffe://shop.example/a b", Error::PathCharacter(' ')),
        ("spiffe://shop.example/a\\b", Error::PathCharacter('\\')),
        ("spiffe://shop.example/ä", Error::PathCharacter('ä')),
        ("spiffe://shop.example/a\n", Error::PathCharacter('\n')),
    ];

    for (text, why) in table {
        assert_eq!(text.parse::<SpiffeId>(), Err(why), "{text:?}");
    }
}

#[test]
fn lengths_are_checked_at_their_very_limits() {
    let domain = |length| "d".repeat(length).parse::<TrustDomain>();
    let id = |length: usize| format!("spiffe://d/{}", "p".repeat(length - 11)).parse::<SpiffeId>();

    assert!(domain(255).is_ok());
    assert_eq!(domain(256), Err(Error::TrustDomainTooLong));
    assert_eq!(id(2048).map(|id| id.as_str().len()), Ok(2048));
    assert_eq!(id(2049), Err(Error::TooLong));
}

#[test]
fn a_path_put_together_by_us_is_held_to_the_same_rules() {
    let domain: TrustDomain = "shop.example".parse().unwrap();

    assert_eq!(SpiffeId::new(domain.clone(), "/edge"), "spiffe://shop.example/edge".parse());
    assert_eq!(SpiffeId::new(domain.clone(), "edge"), Err(Error::EmptySegment));
    assert_eq!(SpiffeId::new(domain.clone(), "/../edge"), Err(Error::DotSegment));
    assert_eq!(SpiffeId::new(domain, &format!("/{}", "p".repeat(2048))), Err(Error::TooLong));
}

#[test]
fn an_id_in_json_is_held_to_the_same_rules() {
    let id: SpiffeId = "spiffe://shop.example/svc/order".parse().unwrap();

    let json = serde_json::to_string(&id).unwrap();

    assert_eq!(json, r#""spiffe://shop.example/svc/order""#);
    assert_eq!(serde_json::from_str::<SpiffeId>(&json).unwrap(), id);
    for wrong in [r#""spiffe://shop.example/svc/\u0000""#, r#""spiffe://Shop.example/a""#, "{}", "null"] {
        assert!(serde_json::from_str::<SpiffeId>(wrong).is_err(), "{wrong}");
    }
    for wrong in [r#""spiffe://shop.example""#, r#""shop.example:443""#, r#""""#] {
        assert!(serde_json::from_str::<TrustDomain>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn no_byte_outside_the_alphabets_is_taken_anywhere() {
    let (domain, path) = ("shop.example", "/svc/order");
    for character in
        (0..=0x7f_u8).map(char::from).chain(['\u{80}', 'ö', 'ſ', '\u{212a}', '\u{ff0f}', '\u{202e}', '😀'])
    {
        let in_path = character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
        let in_domain = in_path && !character.is_ascii_uppercase();
        for place in 0..=domain.len() {
            let text = format!("{}{character}{}", &domain[..place], &domain[place..]);
            assert_eq!(text.parse::<TrustDomain>().is_ok(), in_domain, "{text:?}");
            // A slash ends the trust domain; one at its start or its end leaves something empty behind.
            let slash = character == '/' && (1..domain.len()).contains(&place);
            let id = format!("spiffe://{text}{path}").parse::<SpiffeId>();
            assert_eq!(id.is_ok(), in_domain || slash, "{text:?}");
        }
        for place in 1..=path.len() {
            let text = format!("spiffe://{domain}{}{character}{}", &path[..place], &path[place..]);
            let slash = character == '/' && (2..path.len()).contains(&place) && !(4..=5).contains(&place);
            assert_eq!(text.parse::<SpiffeId>().is_ok(), in_path || slash, "{text:?}");
        }
    }
}

#[test]
fn the_longest_trust_domain_leaves_room_for_a_path_up_to_the_limit() {
    let domain = "d".repeat(255);
    let id = |length: usize| format!("spiffe://{domain}/{}", "p".repeat(length - 265)).parse::<SpiffeId>();

    assert_eq!(id(2048).map(|id| id.path().len()), Ok(2048 - 264));
    assert_eq!(id(2049), Err(Error::TooLong));
}

fn segment() -> impl Strategy<Value = String> {
    "[A-Za-z0-9._-]{1,21}".prop_filter("a dot segment", |segment| !matches!(segment.as_str(), "." | ".."))
}

proptest! {
    #[test]
    fn a_sound_id_survives_the_round_trip(
        domain in "[a-z0-9._-]{1,255}",
        segments in prop::collection::vec(segment(), 0..8),
    ) {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        let text = format!("spiffe://{domain}{path}");

        let id: SpiffeId = text.parse().unwrap();

        prop_assert_eq!(id.trust_domain().as_str(), &domain);
        prop_assert_eq!(id.path(), &path);
        prop_assert_eq!(id.to_string(), text);
        prop_assert_eq!(SpiffeId::new(domain.parse().unwrap(), &path), Ok(id));
    }

    #[test]
    fn a_sound_id_with_one_unsound_character_is_refused(
        (domain, segments) in ("[a-z0-9._-]{1,40}", prop::collection::vec(segment(), 1..5)),
        place in any::<prop::sample::Index>(),
        character in any::<char>().prop_filter("sound", |c| {
            !matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '-' | '_' | '/')
        }),
    ) {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        let mut text = format!("spiffe://{domain}{path}");
        text.insert(place.index(text.len() + 1), character);

        prop_assert!(text.parse::<SpiffeId>().is_err(), "{:?}", text);
    }

    #[test]
    fn a_sound_id_with_a_bad_segment_anywhere_is_refused(
        mut segments in prop::collection::vec(segment(), 0..5),
        place in any::<prop::sample::Index>(),
        bad in prop::sample::select(vec!["", ".", ".."]),
    ) {
        segments.insert(place.index(segments.len() + 1), bad.to_owned());
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();

        prop_assert!(format!("spiffe://shop.example{path}").parse::<SpiffeId>().is_err(), "{:?}", path);
    }

    /// Whatever is accepted needs no interpretation: no byte of it means anything to a URL parser or a file system.
    #[test]
    fn what_is_accepted_has_one_spelling(text in "(spiffe://)?[a-zA-Z0-9._/%:@?#é -]{0,40}") {
        if let Ok(id) = text.parse::<SpiffeId>() {
            prop_assert_eq!(id.as_str(), &text);
            let mut parts = text.strip_prefix("spiffe://").unwrap().split('/');
            let domain = parts.next().unwrap();
            prop_assert_eq!(domain, &domain.to_ascii_lowercase());
            prop_assert!(parts.all(|part| !matches!(part, "" | "." | "..")));
            prop_assert!(!text.contains(['%', '@', '?', '#', ' ', 'é']));
        }
    }

    #[test]
    fn any_text_at_all_is_answered_without_a_panic(text in any::<String>(), tail in any::<String>()) {
        let _ = text.parse::<TrustDomain>();
        let _ = format!("spiffe://{text}/{tail}").parse::<SpiffeId>();
    }
}
