//! Reading the kernel's table of sockets; trying rules where there are none.

use super::super::rules::least;
use super::*;

const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:3AFD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:3AFD 0500000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 00000000000000000000000001000000:3AFD 00000000000000000000000001000000:C351 06 00000000:00000000 03:00 0
   3: garbage
";

#[test]
fn the_far_end_of_a_connection_is_found_on_its_port() {
    assert!(stands_in(TABLE, 15101, 50000) && stands_in(TABLE, 15101, 50001));
    for (local, remote) in [(15101, 50002), (15102, 50000), (50000, 15101)] {
        assert!(!stands_in(TABLE, local, remote), "{local} {remote}");
    }
    assert!(!stands_in("", 15101, 50000) && !stands_in("a b\n: :\n", 0, 0));
}

#[test]
fn an_own_connection_over_loopback_arrived_and_one_to_elsewhere_did_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();

    let socket = connect(address, None, PATIENCE).unwrap().unwrap();

    assert!(arrived(&socket, address.port()).unwrap());
    assert!(!arrived(&socket, address.port() ^ 1).unwrap());
}

#[test]
fn what_is_skipped_is_not_tried_and_trying_nothing_proves_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let plan = Plan { outbound: free, skip_networks: vec!["192.0.2.0/24".parse().unwrap()], ..least() };

    let refused = check(&plan, &TARGETS[..1]).unwrap_err();

    assert!(matches!(&refused, CheckError::Nothing(why) if why.contains("skipped")), "{refused}");
    assert!(refused.to_string().contains("--probe"));
}

#[test]
fn where_the_user_is_exempt_nothing_can_be_proved_and_that_is_said() {
    let mut plan =
        Plan { outbound: TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(), ..least() };
    plan.exempt.uid = Some(rustix::process::geteuid().as_raw());

    let report = check(&plan, &TARGETS[..1]).unwrap();

    assert_eq!(report.untested, [(TARGETS[0], EXEMPT)]);
    assert_eq!(report.nobody.len(), 1);
}

#[test]
fn a_port_that_somebody_listens_on_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();

    let held = listen(taken.local_addr().unwrap()).unwrap();

    assert!(matches!(held, Held::Taken));
}
