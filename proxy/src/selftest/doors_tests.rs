//! What a configuration says about its doors.

use super::super::support::config;
use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn an_admin_listener_is_a_socket_or_on_loopback_or_has_a_token() {
    assert!(matches!(admin(&config("")), Verdict::NotApplicable(_)));
    assert!(matches!(admin(&config("admin: { bind: 127.0.0.1:9901 }\n")), Verdict::Ok(_)));
    assert!(matches!(admin(&config("admin: { bind: \"unix:/run/p.sock\" }\n")), Verdict::Ok(_)));
    let mut open = config("admin: { bind: 127.0.0.1:9901 }\n");
    open.admin.as_mut().unwrap().bind = AdminBind::Tcp(address("0.0.0.0:9901"));
    assert!(matches!(admin(&open), Verdict::Failed(_)));
    open.admin.as_mut().unwrap().token = Some("secret".into());
    assert!(matches!(admin(&open), Verdict::Ok(_)));
}

#[test]
fn ports_for_the_applications_calls_are_on_loopback() {
    assert!(matches!(local(&config("")), Verdict::NotApplicable(_)));
    let mut config = config("outbound: { bind: 127.0.0.1:15101 }\n");
    assert_eq!(local(&config), Verdict::Ok("127.0.0.1:15101".into()));
    for listener in &mut config.listeners {
        listener.bind.set_ip("0.0.0.0".parse().unwrap());
    }
    assert!(matches!(local(&config), Verdict::Failed(_)));
}

#[test]
fn the_inbound_port_is_no_way_past_the_sidecar() {
    let (config, target) = (config(""), address("127.0.0.1:15108"));

    assert!(is_ours(&config, target, address("192.0.2.7:15108")));
    assert!(!is_ours(&config, target, address("192.0.2.7:8080")));
}

#[test]
fn only_ports_on_loopback_are_expected_to_be_closed_elsewhere() {
    let config = config("admin: { bind: 127.0.0.1:9901 }\noutbound: { bind: 127.0.0.1:15101 }\n");

    assert_eq!(own_ports(&config).collect::<Vec<_>>(), [9901, 15101]);
}
