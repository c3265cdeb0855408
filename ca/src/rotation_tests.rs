//! Each gate by itself, and the words of a refusal. What the gates are for together shows the simulation.

use super::*;
use crate::names::Fingerprint;
use crate::store::How;

fn root(number: u64) -> AuthorityId {
    AuthorityId::root(number)
}

fn stable() -> Phase {
    Phase::Stable { active: root(1) }
}

fn prepared() -> Phase {
    Phase::Prepared { active: root(1), next: root(2), since: 7 }
}

fn activated() -> Phase {
    Phase::Activated { active: root(2), previous: root(1), since: 7 }
}

fn prepare() -> Step {
    Step::Prepare { next: root(2), sequence: 7 }
}

fn id() -> SpiffeId {
    "spiffe://shop.example/svc/order".parse().unwrap()
}

fn instance(acknowledged: u64) -> Instance {
    Instance {
        instance: InstanceId::from_random([1; 8]),
        id: id(),
        acknowledged,
        seen: Timestamp(0),
        serial: Serial::from_random([1; 16]),
        not_after: Timestamp(100),
        shown: false,
    }
}

fn certificate(under: u64) -> Issued {
    Issued {
        serial: Serial::from_random([1; 16]),
        id: id(),
        instance: InstanceId::from_random([1; 8]),
        how: How::Sign,
        key: Fingerprint::of(b"key"),
        issuer: AuthorityId::intermediate(under),
        root: root(under),
        not_before: Timestamp(0),
        not_after: Timestamp(100),
        at: Timestamp(0),
        der: Vec::new(),
    }
}

fn token(names: bool) -> (Token, bool) {
    let hash = Fingerprint::of(b"secret");
    let (created, expires) = (Timestamp(0), Timestamp(100));
    (Token { hash, entry: id(), roots: Vec::new(), created, expires, spent: None }, names)
}

fn refused(phase: &Phase, taken: &Step, evidence: &Evidence<'_>) -> Vec<Laggard> {
    match step(phase, taken, evidence, false) {
        Err(Refused::Laggards(laggards)) => laggards,
        other => panic!("{other:?}"),
    }
}

#[test]
fn with_nobody_in_the_way_a_rotation_goes_through_its_phases_and_back() {
    let taken = |phase: Phase, next: Step| step(&phase, &next, &Evidence::nothing(), false).unwrap().phase;

    assert_eq!(taken(stable(), prepare()), prepared());
    assert_eq!(taken(prepared(), Step::Activate), activated());
    assert_eq!(taken(activated(), Step::Retire), Phase::Stable { active: root(2) });
    assert_eq!(taken(activated(), Step::Rollback), prepared());
    assert_eq!(taken(prepared(), Step::Rollback), stable());
}

#[test]
fn a_step_out_of_order_is_refused_even_by_force_and_says_which_command_fits() {
    let wrong = [
        (stable(), Step::Activate, "root prepare`"),
        (stable(), Step::Retire, "root prepare`"),
        (stable(), Step::Rollback, "root prepare`"),
        (prepared(), prepare(), "root activate`"),
        (prepared(), Step::Retire, "root activate`"),
        (activated(), prepare(), "root retire`"),
        (activated(), Step::Activate, "root retire`"),
    ];
    for (phase, taken, fits) in wrong {
        let refused = step(&phase, &taken, &Evidence::nothing(), true).unwrap_err();

        assert_eq!(refused, Refused::WrongPhase { phase, step: taken });
        let words = refused.to_string();
        assert!(words.contains(fits), "{words}");
    }
}

#[test]
fn activate_waits_for_the_acknowledgement_of_the_bundle_that_holds_the_next_root() {
    let certificates = [certificate(1)];
    for (acknowledged, behind) in [(0, true), (6, true), (7, false), (9, false)] {
        let live = [instance(acknowledged)];
        let evidence = Evidence { live: &live, certificates: &certificates, ..Evidence::nothing() };

        let answer = step(&prepared(), &Step::Activate, &evidence, false);

        let laggard = Laggard::behind(&live[0], 7);
        assert_eq!(answer.err(), behind.then(|| Refused::Laggards(vec![laggard])), "{acknowledged}");
    }
}

#[test]
fn activate_waits_for_a_certificate_whose_instance_nobody_vouches_for() {
    let certificates = [certificate(1)];
    let evidence = Evidence { certificates: &certificates, ..Evidence::nothing() };

    let laggards = refused(&prepared(), &Step::Activate, &evidence);

    assert_eq!(laggards, [Laggard::holds(&certificates[0])]);
}

#[test]
fn activate_waits_for_tokens_that_do_not_name_the_next_root_and_nothing_else_does() {
    let tokens = [token(true), token(false)];
    let evidence = Evidence { tokens: &tokens, ..Evidence::nothing() };

    let laggards = refused(&prepared(), &Step::Activate, &evidence);

    assert_eq!(laggards, [Laggard::Token { entry: id(), expires: Timestamp(100) }]);
    for (phase, free) in
        [(prepared(), Step::Rollback), (activated(), Step::Retire), (activated(), Step::Rollback)]
    {
        assert!(step(&phase, &free, &evidence, false).is_ok(), "{free:?}");
    }
}

#[test]
fn a_root_goes_only_when_no_certificate_is_under_it() {
    for (phase, taken, under) in [(activated(), Step::Retire, 1), (prepared(), Step::Rollback, 2)] {
        let (in_the_way, harmless) = ([certificate(under)], [certificate(3 - under)]);

        let laggards =
            refused(&phase, &taken, &Evidence { certificates: &in_the_way, ..Evidence::nothing() });
        let free = step(&phase, &taken, &Evidence { certificates: &harmless, ..Evidence::nothing() }, false);

        assert_eq!(laggards, [Laggard::holds(&in_the_way[0])]);
        assert!(free.is_ok(), "{taken:?}");
    }
}

#[test]
fn after_a_restore_each_step_that_can_cut_off_waits_for_what_the_ledger_does_not_know() {
    let evidence = Evidence { unlisted_until: Some(Timestamp(100)), ..Evidence::nothing() };
    let waiting = [
        (prepared(), Step::Activate),
        (prepared(), Step::Rollback),
        (activated(), Step::Retire),
        (activated(), Step::Rollback),
    ];

    for (phase, taken) in waiting {
        assert_eq!(refused(&phase, &taken, &evidence), [Laggard::Unlisted { until: Timestamp(100) }]);
    }
    assert!(step(&stable(), &prepare(), &evidence, false).is_ok());
}

#[test]
fn force_takes_the_step_and_tells_over_whom() {
    let live = [instance(0)];
    let tokens = [token(false)];
    let evidence = Evidence { live: &live, tokens: &tokens, ..Evidence::nothing() };

    let moved = step(&prepared(), &Step::Activate, &evidence, true).unwrap();

    assert_eq!(moved.phase, activated());
    assert_eq!(
        moved.forced_over,
        [Laggard::behind(&live[0], 7), Laggard::Token { entry: id(), expires: Timestamp(100) }]
    );
}

#[test]
fn each_laggard_has_one_line_that_names_it_and_the_way_out() {
    let laggards = [
        (Laggard::behind(&instance(3), 7), "bundle acknowledge 0101010101010101 --sequence 7`"),
        (Laggard::holds(&certificate(1)), "revoke --serial 41010101010101010101010101010101`"),
        (Laggard::Token { entry: id(), expires: Timestamp(100) }, "spiffe://shop.example/svc/order"),
        (Laggard::Unlisted { until: Timestamp(100) }, "restored"),
    ];
    for (laggard, names) in laggards {
        let line = laggard.to_string();

        assert!(line.contains(names), "{line}");
        assert!(line.contains("1970-01-01T00:01:40Z"), "{line}");
        assert!(!line.contains('\n') && !line.contains("  "), "{line}");
    }
}

#[test]
fn a_refusal_counts_the_laggards_and_names_the_first() {
    let one = Refused::Laggards(vec![Laggard::Unlisted { until: Timestamp(100) }]).to_string();
    let two = Refused::Laggards(vec![Laggard::behind(&instance(3), 7); 2]).to_string();

    assert!(one.starts_with("1 is in the way: certificates issued after"), "{one}");
    assert!(two.starts_with("2 are in the way, the first: spiffe://shop.example/svc/order"), "{two}");
}
