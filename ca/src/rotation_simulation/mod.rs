//! A small world around the rotation: members join, renew, sleep, lose answers, acknowledge late, expire and are
//! revoked, while an operator tries steps at random and now and then puts back a backup. After each event everybody
//! must be able to verify everybody ([`World::check_invariants`]).
//!
//! Seeded and bounded: a violation names its seed. The last tests take one gate away each and see the world break,
//! so that the simulation is known to be able to.

use super::*;

mod actors;
mod world;

use world::{Seen, Violation, World};

const SEEDS: u64 = 2_500;
const EVENTS: usize = 600;

/// The rules of a world; the tests that must fail change one.
#[derive(Clone, Copy)]
struct Rules {
    step: fn(&Phase, &Step, &Evidence<'_>) -> Result<Moved, Refused>,
    /// Whether an instance counts as live only by its newest certificate.
    newest_only: bool,
    /// Whether members keep a trust when one with a lower sequence comes late.
    keep_newer: bool,
}

fn real() -> Rules {
    Rules {
        step: |phase, taken, evidence| step(phase, taken, evidence, false),
        newest_only: false,
        keep_newer: true,
    }
}

/// The first seed of `seeds` in which somebody meets a chain he cannot verify.
fn first_violation(seeds: u64, rules: Rules) -> Option<(u64, Violation)> {
    (0..seeds).find_map(|seed| World::new(seed, rules).run(EVENTS).err().map(|violation| (seed, violation)))
}

#[test]
fn nobody_ever_meets_a_chain_that_cannot_be_verified() {
    let mut sum = Seen::default();
    for seed in 0..SEEDS {
        let mut world = World::new(seed, real());

        let outcome = world.run(EVENTS);

        assert!(outcome.is_ok(), "seed {seed}: {outcome:?}");
        sum.add(&world.seen);
    }
    // Then everything the gates are for did happen, often.
    assert!(sum.steps.iter().all(|count| *count > SEEDS / 4), "{sum:?}");
    let refused = [sum.behind, sum.certificates, sum.tokens, sum.unlisted];
    let others = [sum.activated_rolled_back, sum.expired, sum.restored];
    assert!(refused.iter().chain(&others).all(|count| *count > SEEDS / 10), "{sum:?}");
    assert!(sum.checked > SEEDS * 50, "{sum:?}");
}

#[test]
fn nor_when_an_instance_counts_as_live_only_by_its_newest_certificate() {
    let violation = first_violation(SEEDS / 2, Rules { newest_only: true, ..real() });

    assert!(violation.is_none(), "{violation:?}");
}

#[test]
fn a_rotation_always_completes_when_everybody_is_awake() {
    for seed in 0..SEEDS / 5 {
        let mut world = World::new(seed, real());
        let events = world.random.usize(..EVENTS);
        world.run(events).unwrap();

        let rotated = world.rotates(300).unwrap();

        assert!(rotated, "seed {seed}: {:?}", world.ca.phase);
    }
}

/// Takes one gate away and sees the world break.
fn breaks(what: &str, rules: Rules) {
    assert!(
        first_violation(SEEDS, rules).is_some(),
        "without {what} nothing breaks: the simulation is blind to it"
    );
}

#[test]
fn force_breaks_the_invariant() {
    breaks("gates", Rules { step: |phase, taken, evidence| step(phase, taken, evidence, true), ..real() });
}

#[test]
fn without_the_wait_for_acknowledgements_the_invariant_breaks() {
    let ungated = |phase: &Phase, taken: &Step, evidence: &Evidence<'_>| {
        let mut live = evidence.live.to_vec();
        live.iter_mut().for_each(|instance| instance.acknowledged = u64::MAX);
        step(phase, taken, &Evidence { live: &live, ..*evidence }, false)
    };
    breaks("acknowledgements", Rules { step: ungated, ..real() });
}

#[test]
fn with_acknowledgements_of_an_earlier_bundle_the_invariant_breaks() {
    let ungated = |phase: &Phase, taken: &Step, evidence: &Evidence<'_>| {
        let mut earlier = phase.clone();
        if let Phase::Prepared { since, .. } | Phase::Activated { since, .. } = &mut earlier {
            *since = 2;
        }
        step(&earlier, taken, evidence, false)
    };
    breaks("the first sequence that counts", Rules { step: ungated, ..real() });
}

#[test]
fn without_regard_to_older_certificates_of_an_instance_the_invariant_breaks() {
    let ungated = |phase: &Phase, taken: &Step, evidence: &Evidence<'_>| {
        let mut certificates = evidence.certificates.to_vec();
        let is_live = |issued: &Issued| evidence.live.iter().any(|live| live.instance == issued.instance);
        certificates.retain(|issued| *taken != Step::Activate || is_live(issued));
        step(phase, taken, &Evidence { certificates: &certificates, ..*evidence }, false)
    };
    breaks("older certificates", Rules { step: ungated, newest_only: true, ..real() });
}

#[test]
fn without_the_wait_for_tokens_the_invariant_breaks() {
    let ungated = |phase: &Phase, taken: &Step, evidence: &Evidence<'_>| {
        step(phase, taken, &Evidence { tokens: &[], ..*evidence }, false)
    };
    breaks("tokens", Rules { step: ungated, ..real() });
}

#[test]
fn without_the_wait_for_certificates_retire_breaks_the_invariant() {
    let ungated = |phase: &Phase, taken: &Step, evidence: &Evidence<'_>| {
        step(phase, taken, evidence, *taken == Step::Retire)
    };
    breaks("certificates at retire", Rules { step: ungated, ..real() });
}

#[test]
fn without_the_wait_for_certificates_rollback_breaks_the_invariant() {
    let ungated = |phase: &Phase, taken: &Step, evidence: &Evidence<'_>| {
        step(phase, taken, evidence, *taken == Step::Rollback)
    };
    breaks("certificates at rollback", Rules { step: ungated, ..real() });
}

#[test]
fn a_member_that_goes_back_to_an_older_trust_breaks_the_invariant() {
    breaks("the order of sequences", Rules { keep_newer: false, ..real() });
}

#[test]
fn without_the_wait_for_what_a_restored_ledger_does_not_know_the_invariant_breaks() {
    let ungated = |phase: &Phase, taken: &Step, evidence: &Evidence<'_>| {
        step(phase, taken, &Evidence { unlisted_until: None, ..*evidence }, false)
    };
    breaks("unlisted certificates", Rules { step: ungated, ..real() });
}
