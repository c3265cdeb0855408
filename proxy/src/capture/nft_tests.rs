//! The text for nft, whole.

use super::super::rules::{full, least};
use super::*;

#[test]
fn the_table_is_replaced_in_one_transaction() {
    let text = replace(&least());

    let mark = least().fingerprint();
    assert_eq!(
        text,
        format!(
            "\
add table inet portcullis_order
delete table inet portcullis_order
table inet portcullis_order {{
	chain outbound {{
		type nat hook output priority -105; policy accept;
		meta mark 0x0000706f return comment \"portcullis:order:out:1/5:{mark:08x}\"
		oif \"lo\" return comment \"portcullis:order:out:2/5:{mark:08x}\"
		ip daddr 127.0.0.0/8 return comment \"portcullis:order:out:3/5:{mark:08x}\"
		ip6 daddr ::1/128 return comment \"portcullis:order:out:4/5:{mark:08x}\"
		meta l4proto tcp redirect to :15101 comment \"portcullis:order:out:5/5:{mark:08x}\"
	}}
}}
"
        )
    );
}

#[test]
fn everything_a_plan_can_hold_has_its_words() {
    let text = replace(&full());

    for part in [
        "meta skuid 977 return",
        "tcp dport 22 return",
        "ip daddr 10.9.0.0/16 return",
        "ip6 daddr 2001:db8::/32 return",
        "type nat hook prerouting priority -105; policy accept;",
        "iif \"lo\" return",
        "tcp dport 8080 redirect to :15108",
    ] {
        assert!(text.contains(&format!("\t\t{part}")), "{part:?} is not in\n{text}");
    }
}

#[test]
fn removing_names_our_table_and_nothing_else() {
    let text = remove(&Name::new("order").unwrap());

    assert_eq!(text, "add table inet portcullis_order\ndelete table inet portcullis_order\n");
}

#[test]
fn only_tables_of_our_naming_are_ours() {
    assert_eq!(owner("portcullis_order"), Some("order"));
    for other in ["filter", "portcullis", "portcullis_", "my_portcullis_order", "portcullis_-x"] {
        assert_eq!(owner(other), None, "{other}");
    }
}
