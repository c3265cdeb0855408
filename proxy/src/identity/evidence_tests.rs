//! The attacks on evidence that need no socket, each a row: what is changed, and why there is no user then.

use super::*;
use crate::identity::passport::{LIFE, SKEW, TXN_TOKEN};
use crate::identity::support::{
    Evidence, PASSPORT, STAMP, World, alice, claims, hash, header, jws, nobody, only_the_edge, patched,
};
use crate::mesh::Own;
use crate::mesh::support::{Ca, EDGE, ORDER, PAYMENT, period};
use portcullis_ca::certificate;
use portcullis_ca::deny::Denial;
use portcullis_ca::names::Serial;
use proptest::prelude::*;
use serde_json::{Value, json};

const OTHER: &str = "spiffe://shop.example/svc/other";

fn refused(world: &World, evidence: &Evidence) -> Option<Rejected> {
    world.at_order(evidence).err()
}

/// Alice's evidence as order hands it to payment.
fn two_hops(world: &World) -> Evidence {
    world.evidence(&json!({})).handed(&world.order, PAYMENT)
}

fn at_payment(world: &World, evidence: &Evidence) -> Result<Carried, Rejected> {
    world.judge(evidence, &world.order, &world.payment)
}

#[test]
fn a_user_the_edge_introduces_arrives_with_all_that_proves_it() {
    let world = World::new();
    let evidence = world.evidence(&json!({}));

    let carried = world.at_order(&evidence).unwrap();

    assert_eq!(carried.principal, alice());
    assert_eq!(carried.passport, evidence.passport);
    assert_eq!(carried.stamps.iter().map(|stamp| &**stamp).collect::<Vec<_>>(), evidence.stamps);
    assert_eq!(carried.signers.iter().map(|(leaf, _)| *leaf).collect::<Vec<_>>(), [world.edge.leaf]);
    assert_eq!(*carried.signers[0].1, world.edge.chain);
    assert_eq!((carried.expires.0, carried.asserter.as_str()), (world.now.0 + LIFE, EDGE));
}

#[test]
fn the_second_workload_sees_the_same_user_and_everybody_who_signed() {
    let world = World::new();

    let carried = at_payment(&world, &two_hops(&world)).unwrap();

    assert_eq!((carried.principal, carried.stamps.len()), (alice(), 2));
    let mut signers: Vec<_> = carried.signers.iter().map(|(leaf, _)| *leaf).collect();
    signers.sort();
    let mut expected = vec![world.edge.leaf, world.order.leaf];
    expected.sort();
    assert_eq!(signers, expected);
}

#[test]
fn eight_hands_are_followed_and_nine_are_not() {
    let world = World::new();
    let through = |hands: usize| {
        // Back and forth: a workload may be called again for what it has asked for.
        let mut evidence = world.evidence(&json!({}));
        let (mut by, mut to) = (&world.order, &world.payment);
        for _ in 1..hands {
            evidence = evidence.handed(by, to.svid.id.as_str());
            (by, to) = (to, by);
        }
        world.judge(&evidence, to, by).map(|carried| carried.stamps.len())
    };

    assert_eq!(through(8), Ok(8));
    assert_eq!(through(9), Err(Rejected::TooManyStamps));
}

/// Rows 6 and 7: a passport out of a log, or out of traffic that went by.
#[test]
fn a_passport_is_good_only_in_the_hands_it_was_given_to() {
    let world = World::new();
    let thief = world.ca.own(OTHER);
    let captured = world.evidence(&json!({}));
    let bare = Evidence { stamps: Vec::new(), ..captured.clone() };
    let stamped_by_thief = captured.clone().handed(&thief, ORDER);
    let stamped_anew = bare.clone().handed(&thief, ORDER);
    let as_the_holder = captured.clone().handed_with(&thief, PAYMENT, &json!({ "iss": ORDER }));

    let by_thief = |evidence: &Evidence, to| world.judge(evidence, &thief, to).err();
    assert_eq!(by_thief(&captured, &world.order), Some(Rejected::WrongHands));
    assert_eq!(by_thief(&captured, &world.payment), Some(Rejected::WrongAudience));
    assert_eq!(by_thief(&bare, &world.order), Some(Rejected::NoStamps));
    assert_eq!(by_thief(&stamped_by_thief, &world.order), Some(Rejected::BrokenChain));
    assert_eq!(by_thief(&stamped_anew, &world.order), Some(Rejected::BrokenChain));
    assert_eq!(by_thief(&as_the_holder, &world.payment), Some(Rejected::WrongHands));
    // Handed to order, brought to payment by order without its own stamp.
    assert_eq!(world.judge(&captured, &world.order, &world.payment).err(), Some(Rejected::WrongAudience));
}

/// Row 7: the thief has even the certificates of those who signed, which are no secret.
#[test]
fn certificates_that_come_along_make_nobody_the_peer() {
    let world = World::new();
    let thief = world.ca.own(OTHER);
    let mut evidence = world.evidence(&json!({})).handed_with(&thief, PAYMENT, &json!({ "iss": ORDER }));
    evidence.chains = vec![world.edge.chain.clone(), world.order.chain.clone()];
    let forged = header(&world.order, STAMP).to_string();
    let said = json!({
        "iss": ORDER, "aud": PAYMENT, "prev": hash(&evidence.stamps[0]),
        "iat": world.now.0, "exp": world.now.0 + 60,
    });
    evidence.stamps[1] = jws(&thief, &forged, &said.to_string());

    assert_eq!(world.judge(&evidence, &thief, &world.payment).err(), Some(Rejected::WrongHands));
    // Not even over the connection of order itself: the signature is not its own.
    assert_eq!(at_payment(&world, &evidence).err(), Some(Rejected::Signature));
}

/// Row 9.
#[test]
fn a_token_of_another_kind_is_no_passport() {
    let world = World::new();
    let claims = claims(&world.edge, world.now).to_string();
    let odd = [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "typ": "JWT" }),
        json!({ "typ": STAMP }),
        json!({ "jwk": {} }),
        json!({ "jku": "https://evil.example" }),
        json!({ "kid": "1" }),
        json!({ "crit": ["exp"] }),
    ];
    for patch in odd {
        let header = patched(header(&world.edge, PASSPORT), &patch).to_string();
        let passport = jws(&world.edge, &header, &claims);
        let evidence = Evidence::of(passport, &world.edge, world.now).handed(&world.edge, ORDER);

        assert_eq!(refused(&world, &evidence), Some(Rejected::Malformed), "{patch}");
    }
}

#[test]
fn a_stamp_is_no_passport_and_a_passport_no_stamp() {
    let world = World::new();
    let good = world.evidence(&json!({}));
    let stamp = Evidence::of(good.stamps[0].clone(), &world.edge, world.now).handed(&world.edge, ORDER);
    let passport = Evidence { stamps: vec![good.passport.clone()], ..good };

    assert_eq!(refused(&world, &stamp), Some(Rejected::Malformed));
    assert_eq!(refused(&world, &passport), Some(Rejected::Malformed));
}

/// Row 10.
#[test]
fn only_who_may_introduces_users_and_only_in_its_own_name() {
    let world = World::new();
    let order = Evidence::by(&world.order, world.now, &json!({})).handed(&world.order, PAYMENT);
    let as_the_edge = json!({ "iss": EDGE, "req_wl": EDGE });
    let borrowed = Evidence::by(&world.order, world.now, &as_the_edge);
    let borrowed = borrowed.handed_with(&world.order, PAYMENT, &json!({ "iss": EDGE }));
    let stamped = Evidence::by(&world.order, world.now, &as_the_edge).handed(&world.edge, ORDER);
    let rows = [
        (at_payment(&world, &order).err(), Rejected::NotAsserter),
        (at_payment(&world, &borrowed).err(), Rejected::WrongHands),
        (refused(&world, &stamped), Rejected::UntrustedSigner),
        (refused(&world, &world.evidence(&json!({ "iss": ORDER }))), Rejected::BrokenChain),
        (refused(&world, &world.evidence(&json!({ "req_wl": ORDER }))), Rejected::NotAsserter),
        (refused(&world, &world.evidence(&json!({ "iss": "https://idp.example" }))), Rejected::BrokenChain),
    ];
    for (row, (got, expected)) in rows.into_iter().enumerate() {
        assert_eq!(got, Some(expected), "row {row}");
    }
}

#[test]
fn the_right_to_introduce_users_is_asked_for_each_time() {
    let world = World::new();
    let evidence = world.evidence(&json!({}));
    let hands = Hands { asserts: &nobody, ..world.hands(&world.edge, &world.order) };

    let judged = verify(&evidence.presented(&world.edge).unwrap(), &hands, world.now);

    assert_eq!(judged.err(), Some(Rejected::NotAsserter));
}

/// Row 11.
#[test]
fn a_passport_is_for_our_trust_domain() {
    let world = World::new();
    for aud in
        [json!("other.example"), json!(ORDER), json!(""), json!("SHOP.example"), json!(["shop.example"])]
    {
        let got = refused(&world, &world.evidence(&json!({ "aud": aud })));

        let expected = if aud.is_string() { Rejected::WrongAudience } else { Rejected::Malformed };
        assert_eq!(got, Some(expected), "{aud}");
    }
}

/// Row 11.
#[test]
fn times_hold_within_five_seconds_and_a_life_within_a_minute() {
    let world = World::new();
    let at = |iat: i64, exp: i64| {
        let (iat, exp) = (world.now.0.saturating_add(iat), world.now.0.saturating_add(exp));
        let evidence = Evidence::by(&world.edge, world.now, &json!({ "iat": iat, "exp": exp }));
        refused(&world, &evidence.stamped_at(iat, exp).handed(&world.edge, ORDER))
    };
    let rows = [
        ((0, LIFE), None),
        ((0, 1), None),
        ((0, LIFE + 1), Some(Rejected::TooLong)),
        ((0, 0), Some(Rejected::TooLong)),
        ((1, 0), Some(Rejected::TooLong)),
        ((i64::MIN, i64::MAX), Some(Rejected::TooLong)),
        ((SKEW, LIFE), None),
        ((SKEW + 1, LIFE), Some(Rejected::NotYet)),
        ((i64::MAX - 60, i64::MAX), Some(Rejected::TooLong)),
        ((-LIFE, 0), None),
        ((-SKEW - 1, -SKEW), None),
        ((-SKEW - 2, -SKEW - 1), Some(Rejected::Expired)),
        ((i64::MIN, i64::MIN), Some(Rejected::TooLong)),
    ];
    for (times, expected) in rows {
        assert_eq!(at(times.0, times.1), expected, "{times:?}");
    }
}

#[test]
fn a_stamp_keeps_to_the_same_times_and_does_not_outlive_its_passport() {
    let world = World::new();
    let now = world.now.0;
    let rows = [
        (json!({ "exp": now + 61, "iat": now + 1 }), Rejected::TooLong),
        (json!({ "iat": now - 1 }), Rejected::TooLong),
        (json!({ "iat": now + 6 }), Rejected::NotYet),
        (json!({ "iat": now - 30, "exp": now - 6 }), Rejected::Expired),
        (json!({ "exp": null }), Rejected::Malformed),
        (json!({ "exp": 1.5 }), Rejected::Malformed),
    ];
    for (patch, expected) in rows {
        let evidence =
            Evidence::by(&world.edge, world.now, &json!({})).handed_with(&world.edge, ORDER, &patch);

        assert_eq!(refused(&world, &evidence), Some(expected), "{patch}");
    }
}

#[test]
fn stamps_that_are_moved_missing_or_another_ones_are_a_broken_chain() {
    let world = World::new();
    let bob = world.evidence(&json!({ "sub": "bob" })).handed(&world.order, PAYMENT);
    let back = two_hops(&world).handed(&world.payment, ORDER).handed(&world.order, PAYMENT);
    let with = |stamps: &[&String]| {
        let stamps = stamps.iter().map(|stamp| (*stamp).clone()).collect();
        at_payment(&world, &Evidence { stamps, ..back.clone() }).err()
    };
    let [a, b, c, d] = std::array::from_fn(|index| &back.stamps[index]);

    assert_eq!(with(&[a, b, c, d]), None);
    let rows: [&[&String]; 9] = [
        &[b],
        &[a, a, b],
        &[a, b, b],
        &[b, b],
        &[a, d],
        &[c, b, a, d],
        &[a, c, b, d],
        &[&bob.stamps[0], b],
        &[&bob.stamps[0], &bob.stamps[1]],
    ];
    for (row, stamps) in rows.into_iter().enumerate() {
        assert_eq!(with(stamps), Some(Rejected::BrokenChain), "row {row}");
    }
    assert_eq!(with(&[b, a]), Some(Rejected::WrongAudience));
    assert_eq!(with(&[a]), Some(Rejected::WrongAudience));
    assert_eq!(with(&[a, b, c]), Some(Rejected::WrongAudience));
}

#[test]
fn a_stamp_says_exactly_what_it_must() {
    let world = World::new();
    let hash_of_other = hash("something else");
    let rows = [
        (json!({ "aud": PAYMENT }), Rejected::WrongAudience),
        (json!({ "aud": "shop.example" }), Rejected::WrongAudience),
        (json!({ "aud": [ORDER] }), Rejected::Malformed),
        (json!({ "aud": null }), Rejected::Malformed),
        (json!({ "iss": OTHER }), Rejected::WrongHands),
        (json!({ "prev": hash_of_other }), Rejected::BrokenChain),
        (json!({ "prev": "" }), Rejected::BrokenChain),
        (json!({ "prev": null }), Rejected::Malformed),
        (json!({ "sub": "admin" }), Rejected::Malformed),
        (json!({ "iat": null }), Rejected::Malformed),
    ];
    for (patch, expected) in rows {
        let evidence =
            Evidence::by(&world.edge, world.now, &json!({})).handed_with(&world.edge, ORDER, &patch);

        assert_eq!(refused(&world, &evidence), Some(expected), "{patch}");
    }
}

#[test]
fn a_passport_says_exactly_what_it_must() {
    let world = World::new();
    let mut rows = vec![
        json!({ "admin": true }),
        json!({ "jti": "1" }),
        json!({ "rctx": { "ip": "10.0.0.1" } }),
        json!({ "rctx": [] }),
        json!({ "txn": "" }),
        json!({ "txn": "0AF7651916CD43DD8448EB211C80319C" }),
        json!({ "txn": "0af7651916cd43dd8448eb211c80319" }),
        json!({ "roles": "buyer" }),
        json!({ "roles": [1] }),
        json!({ "roles": [""] }),
        json!({ "roles": ["a b"] }),
        json!({ "roles": vec!["r"; 65] }),
        json!({ "scope": "a  b" }),
        json!({ "scope": " a" }),
        json!({ "scope": ["a"] }),
        json!({ "scope": vec!["s"; 65].join(" ") }),
        json!({ "iat": world.now.0.to_string() }),
    ];
    let users = ["", "a b", "a,b", "a\"b", "a\\b", "a\r\nX-Admin: 1", "a\u{0}", "älice", "a\u{7f}"];
    rows.extend(users.map(|user| json!({ "sub": user })));
    rows.push(json!({ "sub": "x".repeat(257) }));
    rows.extend(
        ["iss", "aud", "sub", "scope", "roles", "txn", "iat", "exp", "req_wl"]
            .map(|name| json!({ name: null })),
    );
    for patch in rows {
        let got = refused(&world, &world.evidence(&patch));

        assert_eq!(got, Some(Rejected::Malformed), "{patch}");
    }
    for patch in [json!({ "rctx": null }), json!({ "scope": "" }), json!({ "roles": [] })] {
        assert_eq!(refused(&world, &world.evidence(&patch)), None, "{patch}");
    }
}

/// Row 13.
#[test]
fn there_is_one_field_of_each_name_and_all_are_taken_off() {
    let world = World::new();
    let good = two_hops(&world);
    for name in [TXN_TOKEN, STAMPS, CHAINS] {
        let mut headers = good.fields(&world.order);
        let again = headers[&name].clone();
        headers.append(name.clone(), again);

        assert_eq!(Presented::take(&mut headers).err(), Some(Rejected::Duplicate), "{name}");
        assert!(headers.is_empty(), "{name}");
    }
    let mut headers = good.fields(&world.order);
    assert!(Presented::take(&mut headers).unwrap().is_some());
    assert!(headers.is_empty());
}

#[test]
fn without_a_passport_there_is_no_evidence_and_nothing_is_left() {
    let world = World::new();
    let mut headers = two_hops(&world).fields(&world.order);
    headers.remove(TXN_TOKEN);

    assert!(Presented::take(&mut headers).unwrap().is_none());
    assert!(headers.is_empty());
}

/// Row 13: joined by somebody on the way.
#[test]
fn two_passports_in_one_field_are_none() {
    let world = World::new();
    let good = world.evidence(&json!({}));
    for joint in [", ", ",", " "] {
        let passport = [good.passport.as_str(), good.passport.as_str()].join(joint);
        let evidence = Evidence { passport, ..good.clone() };

        assert_eq!(refused(&world, &evidence), Some(Rejected::Malformed));
    }
}

/// Row 27.
#[test]
fn fields_have_a_size_and_hold_ascii() {
    let world = World::new();
    let good = two_hops(&world);
    for (name, longest) in [(TXN_TOKEN, 4 << 10), (STAMPS, 8 << 10), (CHAINS, 32 << 10)] {
        let with = |value: Vec<u8>| {
            let mut headers = good.fields(&world.order);
            headers.insert(name.clone(), HeaderValue::try_from(value).unwrap());
            Presented::take(&mut headers).map(|presented| presented.expect("a passport"))
        };
        let judged = |value| {
            let presented = with(value)?;
            verify(&presented, &world.hands(&world.order, &world.payment), world.now).map(drop)
        };

        assert!(with(vec![b'a'; longest]).is_ok(), "{name}");
        assert_eq!(with(vec![b'a'; longest + 1]).err(), Some(Rejected::TooLarge), "{name}");
        assert_eq!(judged(vec![0xe9; 40]), Err(Rejected::Malformed), "{name}");
        assert_eq!(judged(Vec::new()), Err(Rejected::Malformed), "{name}");
    }
}

/// Row 31: evidence signed before the edge renewed its certificate, brought over a connection of the new one.
#[test]
fn a_renewed_certificate_does_not_undo_what_the_old_one_signed() {
    let world = World::new();
    let renewed = world.ca.own(EDGE);
    let both = Evidence::by(&world.edge, world.now, &json!({})).handed(&renewed, ORDER);
    let all_old = world.evidence(&json!({}));
    let bare = Evidence { chains: Vec::new(), ..both.clone() };

    assert_eq!(world.judge(&both, &renewed, &world.order).unwrap().signers.len(), 2);
    assert_eq!(world.judge(&all_old, &renewed, &world.order).unwrap().signers.len(), 1);
    assert_eq!(world.judge(&bare, &renewed, &world.order).err(), Some(Rejected::UntrustedSigner));
}

#[test]
fn a_certificate_nobody_names_is_refused_before_it_is_looked_at() {
    let world = World::new();
    let mut evidence = two_hops(&world);
    evidence.chains.push(world.payment.chain.clone());

    assert_eq!(at_payment(&world, &evidence).err(), Some(Rejected::Malformed));
}

fn signer_after(spoil: impl FnOnce(&Ca) -> Own) -> Option<Rejected> {
    let world = World::new();
    let edge = spoil(&world.ca);
    let evidence = Evidence::by(&edge, world.now, &json!({})).handed(&edge, ORDER);
    at_payment(&world, &evidence.handed(&world.order, PAYMENT)).err()
}

#[test]
fn a_signer_whose_certificate_does_not_hold_is_not_believed() {
    let expired = signer_after(|ca| ca.spoiled(EDGE, |params| period(params, -600, -1)));
    let future = signer_after(|ca| ca.spoiled(EDGE, |params| period(params, 60, 600)));
    let foreign = signer_after(|_| Ca::new().own(EDGE));
    let server = signer_after(|ca| {
        ca.spoiled(EDGE, |params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        })
    });

    assert_eq!(signer_after(|ca| ca.own(EDGE)), None);
    for (what, got) in [("expired", expired), ("future", future), ("foreign", foreign), ("server", server)] {
        assert_eq!(got, Some(Rejected::UntrustedSigner), "{what}");
    }
}

#[test]
fn a_signer_who_is_denied_by_now_is_not_believed() {
    let mut world = World::new();
    let evidence = two_hops(&world);
    let edge = world.edge.svid.clone();
    let intermediate = certificate::read(world.ca.intermediate()).unwrap().serial;
    let denials = [
        Denial::Serial(edge.serial),
        Denial::Id(edge.id.clone()),
        Denial::Before { id: edge.id, not_before: edge.not_before },
        Denial::Serial(Serial::from_bytes(&intermediate).unwrap()),
    ];
    for denial in denials {
        world.trust = world.ca.believed(vec![denial.clone()]);

        assert_eq!(at_payment(&world, &evidence).err(), Some(Rejected::UntrustedSigner), "{denial:?}");
    }
    world.trust = world.ca.believed(vec![Denial::Id(PAYMENT.parse().unwrap())]);
    assert!(at_payment(&world, &evidence).is_ok());
}

#[test]
fn a_chain_is_whole_and_short() {
    let world = World::new();
    let with = |chain: Vec<Vec<u8>>| {
        let evidence = Evidence { chains: vec![chain], ..two_hops(&world) };
        at_payment(&world, &evidence).err()
    };
    let [leaf, intermediate] = [&world.edge.chain[0], &world.edge.chain[1]].map(Clone::clone);

    assert_eq!(with(vec![leaf.clone(), intermediate.clone()]), None);
    assert_eq!(with(vec![leaf.clone(), intermediate.clone(), world.ca.root().to_vec()]), None);
    assert_eq!(with(vec![leaf.clone()]), Some(Rejected::UntrustedSigner));
    assert_eq!(with(vec![intermediate.clone(), leaf.clone()]), Some(Rejected::Malformed));
    assert_eq!(with(vec![leaf, vec![0x30]]), Some(Rejected::UntrustedSigner));
    assert_eq!(with(vec![intermediate; 5]), Some(Rejected::TooLarge));
}

#[test]
fn more_chains_than_there_can_be_signers_are_too_many() {
    let world = World::new();
    let evidence = two_hops(&world);
    let mut headers = evidence.fields(&world.order);
    let chain = headers[CHAINS].to_str().unwrap().to_owned();
    for (times, expected) in [(9, None), (10, Some(Rejected::TooLarge))] {
        let value = HeaderValue::try_from(vec![chain.as_str(); times].join(", ")).unwrap();
        headers.insert(CHAINS, value);
        let presented = Presented::take(&mut headers.clone()).unwrap().unwrap();

        let judged = verify(&presented, &world.hands(&world.order, &world.payment), world.now);

        assert_eq!(judged.err(), expected, "{times}");
    }
}

#[test]
fn a_verdict_holds_no_longer_than_the_certificates_that_came_along() {
    let mut world = World::new();
    let long = at_payment(&world, &two_hops(&world)).unwrap();
    world.edge = world.ca.spoiled(EDGE, |params| period(params, -60, 20));
    let short = at_payment(&world, &two_hops(&world)).unwrap();

    assert_eq!(long.until.0, world.now.0 + LIFE + SKEW);
    assert_eq!(short.until, world.edge.svid.not_after);
    assert_eq!(short.expires.0, world.now.0 + LIFE);
}

#[test]
fn every_reason_has_its_word() {
    use Rejected::*;
    let all = [
        Duplicate,
        TooLarge,
        Malformed,
        NoStamps,
        TooManyStamps,
        WrongAudience,
        WrongHands,
        BrokenChain,
        NotAsserter,
        TooLong,
        NotYet,
        Expired,
        UntrustedSigner,
        Signature,
        NotInFlight,
    ];
    let words: std::collections::HashSet<_> = all.iter().map(|one| one.word()).collect();

    assert_eq!(words.len(), all.len());
    assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
}

/// Evidence of two hops, one byte of one field changed.
fn altered(world: &World, field: usize, place: &proptest::sample::Index, byte: u8) -> Option<Presented> {
    let mut headers = two_hops(world).fields(&world.order);
    let name = [TXN_TOKEN, STAMPS, CHAINS][field].clone();
    let mut value = headers[&name].as_bytes().to_vec();
    let place = place.index(value.len());
    if value[place] == byte {
        return None;
    }
    value[place] = byte;
    headers.insert(name, HeaderValue::try_from(value).unwrap());
    Some(Presented::take(&mut headers).unwrap().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn evidence_changed_in_one_place_proves_nobody(
        field in 0usize..3,
        place in any::<proptest::sample::Index>(),
        byte in 0x20u8..0x7f,
    ) {
        let world = World::new();
        let Some(presented) = altered(&world, field, &place, byte) else { return Ok(()) };
        let hands = Hands { asserts: &only_the_edge, ..world.hands(&world.order, &world.payment) };

        let judged = verify(&presented, &hands, world.now);

        prop_assert!(judged.is_err(), "{:?}", judged);
    }

    #[test]
    fn no_claims_break_the_reader(name in "[a-z_]{1,8}", value in "[ -~]{0,40}", number in any::<i64>()) {
        let world = World::new();
        let known = ["iss", "aud", "sub", "scope", "roles", "txn", "iat", "exp", "req_wl", "rctx"];
        let patch: Value = known.iter().map(|known| ((*known).to_owned(), json!(number))).collect();
        let odd = [json!({ &name: &value }), json!({ &name: number }), patch];

        for patch in odd {
            let judged = world.at_order(&world.evidence(&patch));
            // A scope of another name, say, proves another scope, but never more than was signed.
            prop_assert!(judged.is_err() || known.contains(&name.as_str()), "{}", patch);
        }
    }
}
