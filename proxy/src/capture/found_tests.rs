//! What listings of either tool say about us.

use super::super::iptables;
use super::super::rules::{Family, full, least};
use super::*;

/// What nft lists after it was given our text.
fn listed(plan: &Plan) -> String {
    let text = nft::replace(plan);
    text.lines().skip(2).map(|line| format!("{line}\n")).collect()
}

fn saved(plan: &Plan) -> String {
    let text = iptables::replace(plan, Family::V4, "");
    text.replace("-I OUTPUT 1 ", "-A OUTPUT ").replace("-I PREROUTING 1 ", "-A PREROUTING ")
}

#[test]
fn what_was_written_is_found_complete_and_with_its_owner() {
    let nft = in_nft("portcullis_order", &listed(&full()));
    let iptables = in_iptables("iptables-nft", &saved(&full()));

    assert_eq!((nft.owner.as_str(), nft.state(Some(&full()))), ("order", State::Complete(11)));
    assert_eq!(nft.place, "nft table inet portcullis_order");
    let [iptables] = iptables.as_slice() else { panic!("{iptables:?}") };
    assert_eq!((iptables.owner.as_str(), iptables.state(Some(&full()))), ("order", State::Complete(9)));
    assert!(iptables.is_of(&full().name) && nft.is_of(&full().name));
}

#[test]
fn another_plan_is_told_from_this_one() {
    let seen = in_nft("portcullis_order", &listed(&full()));

    assert_eq!(seen.state(Some(&least())), State::OfAnotherPlan);
    assert_eq!(seen.state(None), State::Complete(11));
}

#[test]
fn a_rule_that_is_missing_doubled_or_moved_is_seen() {
    let lines: Vec<String> = listed(&full()).lines().map(|line| format!("{line}\n")).collect();
    for index in 3..=5 {
        let mut missing = lines.clone();
        missing.remove(index);
        let mut doubled = lines.clone();
        doubled.insert(index, lines[index].clone());
        let mut moved = lines.clone();
        moved.swap(index, index + 1);

        for changed in [missing, doubled, moved] {
            let seen = in_nft("portcullis_order", &changed.concat());

            assert!(matches!(seen.state(None), State::Partly { of: 11, .. }), "{changed:?}");
        }
    }
}

#[test]
fn the_order_in_which_chains_are_listed_means_nothing() {
    let text = saved(&full());
    let (incoming, others): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("-A PORTCULLIS_IN_"));

    let turned = [incoming, others].concat().join("\n");

    assert_eq!(in_iptables("iptables", &turned).remove(0).state(Some(&full())), State::Complete(9));
}

#[test]
fn rules_that_nothing_asks_are_no_capture() {
    let unhooked = listed(&least()).replace("type nat hook output", "# type nat hook output");
    let one = saved(&least());
    let jump = one.lines().find(|line| line.starts_with("-A OUTPUT")).unwrap().to_owned();
    let (none, twice) = (one.replace(&jump, ""), format!("{one}{jump}\n"));

    let seen = |text: &str| in_iptables("iptables", text).remove(0).state(None);

    assert_eq!(in_nft("portcullis_order", &unhooked).state(None), State::Hooked(Direction::Out, 0));
    assert_eq!(
        (seen(&none), seen(&twice)),
        (State::Hooked(Direction::Out, 0), State::Hooked(Direction::Out, 2))
    );
}

#[test]
fn an_empty_table_or_chain_of_ours_is_ours_and_not_complete() {
    let table = in_nft("portcullis_order", "table inet portcullis_order {\n}\n");
    let chain = in_iptables("iptables", ":PORTCULLIS_OUT_order - [0:0]\n").remove(0);

    for seen in [table, chain] {
        assert!(seen.is_of(&least().name));
        assert_eq!(seen.state(None), State::Partly { found: 0, of: 0 });
    }
}

#[test]
fn only_our_tables_are_listed() {
    let listing = "table ip nat\ntable inet portcullis_order\ntable ip portcullis_x\ntable inet filter\n\
                   table inet portcullis_a-b.c\ntable inet\n";

    assert_eq!(nft_tables(listing), ["portcullis_order", "portcullis_a-b.c"]);
}

#[test]
fn two_captures_of_one_namespace_are_kept_apart() {
    let long = Plan { name: Name::new("payments-of-the-shop").unwrap(), ..least() };

    let seen = in_iptables("iptables", &format!("{}{}", saved(&full()), saved(&long)));

    let mut owners: Vec<_> = seen.iter().map(|seen| seen.owner.as_str()).collect();
    owners.sort_unstable();
    assert_eq!(owners, ["order", "payments-of-the-shop"]);
    assert!(seen.iter().all(|seen| matches!(seen.state(None), State::Complete(_))), "{seen:?}");
}

#[test]
fn labels_that_are_nonsense_are_no_labels() {
    for line in [
        "portcullis:",
        "portcullis:order",
        "portcullis:order:out:1/2",
        "portcullis:order:up:1/2:0",
        "portcullis:order:out:x/2:0",
        "portcullis:order:out:1:0",
        "portcullis:order:out:1/2:zz",
        "portcullis:order:out:99999999999999999999999/2:0",
        "\"portcullis:order:out:jump\"",
    ] {
        assert_eq!(label(line), None, "{line}");
    }
    assert!(label("x comment \"portcullis:order:out:1/2:0a\" # handle 4").is_some());
}
