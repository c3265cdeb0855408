//! Transparent capture, in network namespaces of its own, with the real kernel: what arrives where, and what stays
//! as it was. Needs root or user namespaces, nft, iptables and ip; without them it says so, and fails in CI.

mod world;

use portcullis::capture::MARK;
use std::net::{IpAddr, Ipv4Addr};
use world::{
    APP, FAR, FAR_ENDS, FAR_TOO, GREETING, INBOUND, OUTBOUND, Said, World, apart, read_at, read_marked,
};
use world::{shell, sidecar};

/// A table of somebody else, with address translation of its own.
const FOREIGN: &str = "nft 'table inet others { chain out { type nat hook output priority -100; policy accept; \
                       tcp dport 9999 redirect to :9998; }; }; table ip nat { chain DOCKER { }; }'";

fn far_ends() -> [IpAddr; 2] {
    FAR_ENDS.map(|address| address.parse().expect("an address"))
}

fn captured(address: IpAddr, port: u16) -> String {
    format!("captured on its way to Some({})", std::net::SocketAddr::new(address, port))
}

/// All rules of this namespace, of each tool, without counters and comments.
fn all_rules() -> String {
    shell(
        "nft list ruleset
         for one in iptables-legacy-save ip6tables-legacy-save; do $one -t nat | grep -v '^[#:]'; done",
    )
}

fn others_rules() -> String {
    shell("nft list table inet others; nft list chain ip nat DOCKER")
}

fn good(said: &Said) {
    assert_eq!(said.code, Some(0), "{}", said.text);
}

/// What must hold with either tool.
fn everything_is_captured_and_given_back(world: &World, with: &str) {
    let flags = format!("--outbound {OUTBOUND} --name order --skip-port {FAR_TOO} --with {with}");
    sidecar();
    for far in far_ends() {
        assert_eq!(read_at(far, FAR), GREETING, "before");
    }

    let on = world.capture(&format!("on {flags}"));
    let once = all_rules();
    let again = world.capture(&format!("on {flags}"));

    good(&on);
    good(&again);
    assert_eq!(all_rules(), once, "on twice is on");
    assert!(on.text.contains("192.0.2.1 arrives") && on.text.contains("2001:db8::1 arrives"), "{}", on.text);
    good(&world.capture(&format!("status {flags}")));
    for far in far_ends() {
        assert_eq!(read_at(far, FAR), captured(far, FAR), "no mark");
        assert_eq!(read_marked(far, FAR, MARK), GREETING, "our mark");
        assert_eq!(read_marked(far, FAR, MARK + 1), captured(far, FAR), "somebody else's mark");
        assert_eq!(read_at(far, FAR_TOO), GREETING, "a skipped port");
    }
    assert_eq!(read_at(Ipv4Addr::LOCALHOST, OUTBOUND), "captured on its way to None", "explicit");
    assert_eq!(read_at(Ipv4Addr::LOCALHOST, APP), "the application", "loopback");

    let off = world.capture(&format!("off --name order --with {with}"));

    good(&off);
    for far in far_ends() {
        assert_eq!(read_at(far, FAR), GREETING, "after");
    }
    assert!(!all_rules().to_lowercase().contains("portcullis"), "{}", all_rules());
    assert_eq!(world.capture("status").code, Some(1));
    good(&world.capture("off --name order"));
}

#[test]
fn nft_captures_what_has_no_mark_and_gives_it_back() {
    apart("nft_captures_what_has_no_mark_and_gives_it_back", |world| {
        everything_is_captured_and_given_back(world, "nft");
    });
}

#[test]
fn iptables_does_the_same() {
    apart("iptables_does_the_same", |world| everything_is_captured_and_given_back(world, "iptables"));
}

#[test]
fn so_does_iptables_as_it_used_to_be() {
    apart("so_does_iptables_as_it_used_to_be", |world| {
        // In a mount namespace of its own: the newer make is not there, and the lock of the older may be taken.
        shell("mount -t tmpfs none /run");
        shell("for one in iptables ip6tables; do mount --bind /dev/null /usr/sbin/$one-nft-restore; done");

        everything_is_captured_and_given_back(world, "iptables");
    });
}

#[test]
fn rules_of_others_stay_as_they_are() {
    apart("rules_of_others_stay_as_they_are", |world| {
        shell(FOREIGN);
        let before = others_rules();

        for with in ["nft", "iptables"] {
            let on = world.capture(&format!("on --untested --outbound {OUTBOUND} --with {with}"));
            let during = others_rules();
            let off = world.capture(&format!("off --name sidecar --with {with}"));

            good(&on);
            good(&off);
            assert_eq!(
                (during.as_str(), others_rules().as_str()),
                (before.as_str(), before.as_str()),
                "{with}"
            );
        }
    });
}

#[test]
fn incoming_connections_for_the_application_are_captured_too_but_not_those_over_loopback() {
    apart("incoming_connections_for_the_application_are_captured_too_but_not_those_over_loopback", |world| {
        sidecar();
        let app = format!("10.77.0.1:{APP}");
        assert_eq!(world.read_from_far(&app), "the application", "before");
        for with in ["nft", "iptables"] {
            let flags = format!("--outbound {OUTBOUND} --inbound {APP}:{INBOUND} --with {with}");

            good(&world.capture(&format!("on {flags}")));

            assert_eq!(world.read_from_far(&app), format!("captured on its way to Some({app})"), "{with}");
            assert_eq!(world.read_from_far(&format!("10.77.0.1:{INBOUND}")), "captured on its way to None");
            assert_eq!(read_at(Ipv4Addr::LOCALHOST, APP), "the application");
            good(&world.capture("off --name sidecar"));
            assert_eq!(world.read_from_far(&app), "the application", "after {with}");
        }
    });
}

#[test]
fn rules_that_do_not_work_are_taken_back_and_it_says_what_was_seen() {
    apart("rules_that_do_not_work_are_taken_back_and_it_says_what_was_seen", |world| {
        // Somebody who comes first and sends everything to a port of his.
        shell(
            "nft 'table inet first { chain out { type nat hook output priority -150; meta l4proto tcp redirect to :7; }; }'",
        );

        let on = world.capture(&format!("on --outbound {OUTBOUND}"));

        assert_eq!(on.code, Some(1), "{}", on.text);
        for part in ["192.0.2.1:20001 should have arrived at our port 15101", "refused", "taken back"] {
            assert!(on.text.contains(part), "{part:?} is not in\n{}", on.text);
        }
        assert!(!all_rules().contains("portcullis") && all_rules().contains("table inet first"));
    });
}

#[test]
fn without_a_sidecar_the_rules_are_tried_all_the_same_and_connections_fail_closed() {
    apart("without_a_sidecar_the_rules_are_tried_all_the_same_and_connections_fail_closed", |world| {
        let on = world.capture(&format!("on --outbound {OUTBOUND}"));

        good(&on);
        for end in ["127.0.0.1:15101", "[::1]:15101"] {
            assert!(on.text.contains(&format!("nobody listens on {end} yet")), "{}", on.text);
        }
        for far in far_ends() {
            assert_eq!(read_at(far, FAR), "ConnectionRefused");
        }
    });
}

#[test]
fn where_no_address_can_be_tried_nothing_is_left_in_force() {
    apart("where_no_address_can_be_tried_nothing_is_left_in_force", |world| {
        shell("ip route del default && ip -6 route del default");

        let on = world.capture(&format!("on --outbound {OUTBOUND}"));
        let near = world.capture(&format!("on --outbound {OUTBOUND} --probe 10.77.0.9"));

        assert_eq!(on.code, Some(1), "{}", on.text);
        assert!(on.text.contains("no route") && on.text.contains("--probe"), "{}", on.text);
        good(&near);
    });
}

#[test]
fn an_exempt_user_is_left_alone() {
    apart("an_exempt_user_is_left_alone", |world| {
        sidecar();

        let on = world.capture(&format!("on --outbound {OUTBOUND} --uid root"));

        good(&on);
        assert!(on.text.contains("exempt"), "{}", on.text);
        for far in far_ends() {
            assert_eq!(read_at(far, FAR), GREETING);
        }
    });
}

#[test]
fn a_capture_that_somebody_broke_is_seen_and_goes_and_can_be_made_again() {
    apart("a_capture_that_somebody_broke_is_seen_and_goes_and_can_be_made_again", |world| {
        let breaks = [
            ("nft", "nft flush chain inet portcullis_order outbound"),
            ("nft", "nft flush table inet portcullis_order"),
            ("nft", "nft delete chain inet portcullis_order inbound"),
            ("iptables", "iptables -t nat -F PORTCULLIS_OUT_order"),
            ("iptables", "ip6tables -t nat -D PORTCULLIS_OUT_order 2"),
            ("iptables", "iptables -t nat -F OUTPUT"),
            ("iptables", "iptables -t nat -A OUTPUT -j PORTCULLIS_OUT_order"),
        ];
        for (with, line) in breaks {
            let flags = format!("--outbound {OUTBOUND} --inbound {APP}:{INBOUND} --name order --with {with}");
            good(&world.capture(&format!("on --untested {flags}")));
            shell(line);

            let broken = world.capture("status --name order");
            let again = world.capture(&format!("on --untested {flags}"));
            let whole = world.capture(&format!("status {flags}"));
            shell(line);
            let off = world.capture("off --name order");

            assert!(
                broken.code == Some(1) && broken.text.contains("not complete"),
                "{line}: {}",
                broken.text
            );
            good(&again);
            good(&whole);
            good(&off);
            assert!(!all_rules().to_lowercase().contains("portcullis"), "{line}: {}", all_rules());
        }
    });
}

#[test]
fn status_says_whose_the_rules_are_and_whether_they_are_what_is_wanted() {
    apart("status_says_whose_the_rules_are_and_whether_they_are_what_is_wanted", |world| {
        good(&world.capture(&format!("on --outbound {OUTBOUND} --name order")));

        let all = world.capture("status");
        let same = world.capture(&format!("status --outbound {OUTBOUND} --name order"));
        let other = world.capture("status --outbound 15102 --name order");
        let nobodys = world.capture("status --name payment");

        assert_eq!(all.text, "order: nft table inet portcullis_order: complete (5 rules)\n");
        assert_eq!((all.code, same.code, other.code, nobodys.code), (Some(0), Some(0), Some(1), Some(1)));
        assert!(other.text.contains("not as the configuration or the flags want it"), "{}", other.text);
    });
}

#[test]
fn a_change_of_the_tool_leaves_nothing_of_the_other_behind() {
    apart("a_change_of_the_tool_leaves_nothing_of_the_other_behind", |world| {
        good(&world.capture(&format!("on --untested --outbound {OUTBOUND} --with iptables")));

        let on = world.capture(&format!("on --outbound {OUTBOUND}"));

        good(&on);
        assert_eq!(
            world.capture("status").text,
            "sidecar: nft table inet portcullis_sidecar: complete (5 rules)\n"
        );
    });
}
