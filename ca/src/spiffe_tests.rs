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

proptest! {
    #[test]
    fn a_sound_id_survives_the_round_trip(
        domain in "[a-z0-9._-]{1,255}",
        segments in prop::collection::vec("[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}", 0..8),
    ) {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();

        let id = SpiffeId::new(domain.parse().unwrap(), &path).unwrap();
        let again: SpiffeId = id.as_str().parse().unwrap();

        prop_assert_eq!(again.trust_domain().as_str(), &domain);
        prop_assert_eq!(again.path(), &path);
        prop_assert_eq!(again, id);
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
