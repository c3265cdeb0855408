//! The texts for iptables-restore, whole; what is there already; what belongs to others.

use super::super::rules::{full, least};
use super::*;

/// A listing of others' rules.
const FOREIGN: &str = "\
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -p tcp -j PORTCULLIS_OUT_order-payment
-A DOCKER -i lo -j RETURN
COMMIT
";

#[test]
fn a_chain_of_our_own_is_made_and_jumped_to_once() {
    let text = replace(&least(), Family::V4, FOREIGN);

    let mark = least().fingerprint();
    assert_eq!(
        text,
        format!(
            "\
*nat
:PORTCULLIS_OUT_order - [0:0]
-I OUTPUT 1 -p tcp -m comment --comment \"portcullis:order:out:jump\" -j PORTCULLIS_OUT_order
-A PORTCULLIS_OUT_order -m mark --mark 0x706f -m comment --comment \"portcullis:order:out:1/4:{mark:08x}\" -j RETURN
-A PORTCULLIS_OUT_order -o lo -m comment --comment \"portcullis:order:out:2/4:{mark:08x}\" -j RETURN
-A PORTCULLIS_OUT_order -d 127.0.0.0/8 -m comment --comment \"portcullis:order:out:3/4:{mark:08x}\" -j RETURN
-A PORTCULLIS_OUT_order -p tcp -m comment --comment \"portcullis:order:out:4/4:{mark:08x}\" -j REDIRECT --to-ports 15101
COMMIT
"
        )
    );
}

#[test]
fn everything_a_plan_can_hold_has_its_words() {
    let (v4, v6) = (replace(&full(), Family::V4, ""), replace(&full(), Family::V6, ""));

    for (text, part) in [
        (&v4, "-A PORTCULLIS_OUT_order -m owner --uid-owner 977 "),
        (&v4, "-A PORTCULLIS_OUT_order -p tcp -m tcp --dport 22 "),
        (&v4, "-A PORTCULLIS_OUT_order -d 10.9.0.0/16 "),
        (&v4, "-A PORTCULLIS_IN_order -i lo "),
        (&v4, "-A PORTCULLIS_IN_order -p tcp -m tcp --dport 8080 "),
        (&v6, "-A PORTCULLIS_OUT_order -d 2001:db8::/32 "),
        (&v6, "-I PREROUTING 1 -p tcp "),
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(!v4.contains("2001:db8") && !v6.contains("10.9."));
}

/// What a listing shows after `text` was put in force: its jump and its chain.
fn listed(text: &str) -> String {
    text.replace("-I OUTPUT 1 ", "-A OUTPUT ").replace("-I PREROUTING 1 ", "-A PREROUTING ")
}

#[test]
fn on_again_takes_the_old_jumps_away_before_it_makes_the_new_one() {
    let once = replace(&full(), Family::V4, "");
    let doubled = listed(&once).replace(
        "-A OUTPUT -p tcp",
        "-A OUTPUT -p tcp -m comment --comment \"by hand\" -j PORTCULLIS_OUT_order\n-A OUTPUT -p tcp",
    );

    let twice = replace(&full(), Family::V4, &doubled);

    let count = |part: &str| twice.lines().filter(|line| line.starts_with(part)).count();
    assert_eq!(
        (count("-D OUTPUT "), count("-I OUTPUT "), count(":PORTCULLIS_OUT_order ")),
        (2, 1, 1),
        "{twice}"
    );
    assert_eq!((count("-D PREROUTING "), count("-I PREROUTING ")), (1, 1), "{twice}");
}

#[test]
fn a_direction_that_is_not_wanted_any_more_goes() {
    let before = listed(&replace(&full(), Family::V4, ""));

    let text = replace(&Plan { inbound: None, ..full() }, Family::V4, &before);

    assert!(
        text.contains("-D PREROUTING ") && text.contains("-F PORTCULLIS_IN_order\n-X PORTCULLIS_IN_order\n")
    );
    assert!(!text.contains("-I PREROUTING ") && !text.contains(":PORTCULLIS_IN_order"));
}

#[test]
fn removing_takes_what_is_there_and_nothing_of_others() {
    let name = least().name;
    let whole = listed(&replace(&full(), Family::V4, FOREIGN)) + FOREIGN;
    let chain_alone = ":PORTCULLIS_OUT_order - [0:0]\n";

    let text = remove(&name, &whole).unwrap();

    assert!(text.contains("-X PORTCULLIS_OUT_order\n") && text.contains("-X PORTCULLIS_IN_order\n"));
    assert!(!text.contains("DOCKER") && !text.contains("order-payment"), "{text}");
    assert_eq!(remove(&name, FOREIGN), None);
    assert_eq!(
        remove(&name, chain_alone).unwrap(),
        "*nat\n-F PORTCULLIS_OUT_order\n-X PORTCULLIS_OUT_order\nCOMMIT\n"
    );
}

#[test]
fn a_chains_name_is_never_longer_than_the_kernel_takes() {
    let (one, other) = (Name::new("payments-eu-1").unwrap(), Name::new("payments-eu-west-2").unwrap());

    assert_eq!(chain(&one, Direction::Out), "PORTCULLIS_OUT_payments-eu-1");
    assert_eq!(chain(&other, Direction::Out).len(), 28);
    assert_eq!(owner(&chain(&other, Direction::In)), Some(suffix(&other).as_str()));
    assert_eq!(owner("DOCKER"), None);
}
