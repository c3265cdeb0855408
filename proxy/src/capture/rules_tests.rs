//! The order of the rules, their labels, and names.

use super::*;

/// A plan with everything in it.
pub(crate) fn full() -> Plan {
    Plan {
        name: Name::new("order").unwrap(),
        outbound: 15101,
        inbound: Some(Incoming { app: 8080, port: 15108 }),
        exempt: Exempt { mark: MARK, uid: Some(977) },
        skip_ports: vec![22],
        skip_networks: vec!["10.9.1.2/16".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
    }
}

/// A plan with nothing in it but what must be.
pub(crate) fn least() -> Plan {
    Plan {
        name: Name::new("order").unwrap(),
        outbound: 15101,
        inbound: None,
        exempt: Exempt::default(),
        skip_ports: Vec::new(),
        skip_networks: Vec::new(),
    }
}

#[test]
fn what_passes_comes_before_what_is_redirected_and_our_mark_before_all() {
    let rules = rules(&full(), None);

    let tests: Vec<_> = rules.iter().map(|rule| rule.when).collect();
    let network = |text: &str| Test::Network(text.parse().unwrap());
    assert_eq!(
        tests,
        [
            Test::Mark(MARK),
            Test::User(977),
            Test::Loopback,
            Test::Port(22),
            network("127.0.0.0/8"),
            network("::1/128"),
            network("10.9.0.0/16"),
            network("2001:db8::/32"),
            Test::Any,
            Test::Loopback,
            Test::Port(8080),
        ]
    );
    let redirected: Vec<_> =
        rules.iter().filter(|rule| rule.then != Action::Pass).map(|rule| rule.then).collect();
    assert_eq!(redirected, [Action::Redirect(15101), Action::Redirect(15108)]);
}

#[test]
fn without_a_user_nobody_is_exempt_by_being_somebody() {
    let rules = rules(&least(), None);

    assert!(!rules.iter().any(|rule| matches!(rule.when, Test::User(_))));
    assert!(rules.iter().all(|rule| rule.direction == Direction::Out));
}

#[test]
fn a_family_gets_its_own_networks_and_counts_its_own_rules() {
    let (v4, v6) = (rules(&full(), Some(Family::V4)), rules(&full(), Some(Family::V6)));

    let networks = |rules: &[Rule]| -> Vec<String> {
        let network =
            |rule: &Rule| if let Test::Network(of) = rule.when { Some(of.to_string()) } else { None };
        rules.iter().filter_map(network).collect()
    };
    assert_eq!(networks(&v4), ["127.0.0.0/8", "10.9.0.0/16"]);
    assert_eq!(networks(&v6), ["::1/128", "2001:db8::/32"]);
    assert!(v4.last().unwrap().label.starts_with("portcullis:order:in:9/9:"));
}

#[test]
fn the_fingerprint_changes_with_every_part_of_the_plan_but_the_name() {
    let changes: [fn(&mut Plan); 6] = [
        |plan| plan.outbound = 1,
        |plan| plan.inbound = None,
        |plan| plan.exempt.mark = 1,
        |plan| plan.exempt.uid = None,
        |plan| plan.skip_ports.clear(),
        |plan| plan.skip_networks.clear(),
    ];

    for (index, change) in changes.into_iter().enumerate() {
        let mut plan = full();
        change(&mut plan);

        assert_ne!(plan.fingerprint(), full().fingerprint(), "change {index}");
    }
    let renamed = Plan { name: Name::new("other").unwrap(), ..full() };
    assert_eq!(renamed.fingerprint(), full().fingerprint());
}

#[test]
fn a_name_is_nothing_that_means_something_to_a_tool() {
    for wrong in ["", "-x", ".x", "a b", "a;b", "a\nflush ruleset", "a{", "a\"", "ä", "a:b", &"a".repeat(64)]
    {
        assert!(Name::new(wrong).is_err(), "{wrong:?}");
    }
    for right in ["a", "order", "A-1_b.c", "9", &"a".repeat(63)] {
        assert_eq!(Name::new(right).unwrap().as_str(), right);
    }
}

#[test]
fn every_service_has_a_name() {
    for (service, name) in [("order", "order"), ("order/v2", "order_v2"), ("a b\n}", "a_b__")] {
        assert_eq!(Name::of_service(service).as_str(), name);
    }
    for service in ["", "-", "ä", "; flush ruleset"] {
        let name = Name::of_service(service);

        assert!(name.as_str().starts_with('s') && Name::new(name.as_str()).is_ok(), "{service:?}: {name}");
    }
    assert_eq!(Name::of_service(&"a".repeat(200)).as_str().len(), 63);
}
