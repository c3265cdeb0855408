//! The flags of `sidecar capture`, and the plans they make.

use super::*;
use crate::capture::{MARK, Name};
use crate::config::listener::Role;
use crate::config::service::Protocol;
use crate::config::sidecar::Workload;
use crate::config::{Config, Listener, Sidecar};
use clap::Parser;
use std::path::Path;

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: CaptureCommand,
}

fn parsed(words: &[&str]) -> Result<CaptureCommand, clap::Error> {
    Line::try_parse_from(std::iter::once(&"capture").chain(words)).map(|line| line.command)
}

fn plan(words: &[&str]) -> Result<Option<Plan>, Ended> {
    let CaptureCommand::Print(args) = parsed(&[&["print"], words].concat()).unwrap() else {
        panic!("{words:?}")
    };
    args.plan()
}

#[test]
fn flags_alone_make_a_plan_with_the_mark_of_the_sidecar() {
    let plan = plan(&["--outbound", "15101"]).unwrap().unwrap();

    assert_eq!((plan.name.as_str(), plan.outbound, plan.inbound), ("sidecar", 15101, None));
    assert_eq!((plan.exempt.mark, plan.exempt.uid), (MARK, None));
}

#[test]
fn every_flag_arrives_in_the_plan() {
    let words = "--outbound 1 --inbound 8080:15108 --name order --uid root --mark 7 --skip-port 22 --skip-port 25 \
                 --skip-network 10.0.0.0/8 --skip-network 2001:db8::1";

    let plan = plan(&words.split_whitespace().collect::<Vec<_>>()).unwrap().unwrap();

    assert_eq!(plan.inbound, Some(Incoming { app: 8080, port: 15108 }));
    assert_eq!((plan.name.as_str(), plan.exempt.mark, plan.exempt.uid), ("order", 7, Some(0)));
    assert_eq!(plan.skip_ports, [22, 25]);
    let networks: Vec<_> = plan.skip_networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "2001:db8::1/128"]);
}

#[test]
fn values_that_mean_nothing_are_refused() {
    for words in [
        "--outbound 0",
        "--outbound 65536",
        "--inbound 8080",
        "--inbound 0:1",
        "--inbound 80:80",
        "--name a;flush",
        "--name",
        "--uid nobody-of-this-name",
        "--mark 0",
        "--mark 0xg",
        "--skip-port 0",
        "--skip-network 10.0.0.0/33",
        "--inbound 1:2 --outbound-only",
        "--with ebtables",
    ] {
        let line: Vec<_> = ["print"].into_iter().chain(words.split_whitespace()).collect();

        assert_eq!(parsed(&line).unwrap_err().exit_code(), 2, "{words}");
    }
}

#[test]
fn without_a_port_or_a_name_nothing_is_done() {
    let line = parsed(&["on", "--with", "nft"]).unwrap();
    let other = parsed(&["off"]).unwrap();

    // The environment may name a configuration; then there is more to say, and the test has nothing to.
    if std::env::var_os("PORTCULLIS_CONFIG").is_none() {
        assert_eq!(run(&CaptureArgs { command: line }), ExitCode::from(2));
        assert_eq!(run(&CaptureArgs { command: other }), ExitCode::from(2));
    }
}

#[test]
fn the_configuration_of_an_edge_is_no_ground_for_a_capture() {
    let text = "version: 1\nlisteners: [{ bind: \"127.0.0.1:0\" }]\nservices: { a: { endpoints: [\"127.0.0.1:9\"] } }\n\
                routes: [{ name: a, match: \"GET /\", auth: public, to: a }]\n";
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), text).unwrap();

    let refused = plan(&["--config", &file.path().display().to_string()]).unwrap_err();

    assert!(refused.to_string().contains("no `workload:`"), "{refused}");
}

#[test]
fn a_sidecars_file_says_the_name_and_the_ports() {
    let config = sidecar("0.0.0.0:15108", "127.0.0.1:15101", Role::Captured);

    let plan = plan::of_config(Path::new("s.yaml"), &config, None).unwrap();

    assert_eq!(plan.name, Name::new("order").unwrap());
    assert_eq!((plan.outbound, plan.inbound), (15101, Some(Incoming { app: 8080, port: 15108 })));
}

#[test]
fn an_inbound_listener_on_loopback_takes_nothing_from_outside() {
    let config = sidecar("127.0.0.1:15108", "[::1]:15101", Role::Captured);

    let plan = plan::of_config(Path::new("s.yaml"), &config, Some(7)).unwrap();

    assert_eq!((plan.outbound, plan.inbound), (7, None));
}

#[test]
fn a_file_that_captures_nothing_or_where_the_kernel_does_not_reach_is_refused_with_what_to_write() {
    let explicit = sidecar("0.0.0.0:15108", "127.0.0.1:15101", Role::Outbound);
    let elsewhere = sidecar("0.0.0.0:15108", "127.0.0.2:15101", Role::Captured);

    let refused = |config| plan::of_config(Path::new("s.yaml"), config, None).unwrap_err().to_string();

    assert!(refused(&explicit).contains("capture: redirect"));
    assert!(refused(&elsewhere).contains("127.0.0.2:15101"));
}

#[test]
fn the_report_says_what_was_tried_what_not_and_where_nobody_listens() {
    let plan = plan(&["--outbound", "15101"]).unwrap().unwrap();
    let report = Report {
        proved: vec!["192.0.2.1".parse().unwrap()],
        untested: vec![("2001:db8::1".parse().unwrap(), "there is no route to it")],
        nobody: vec!["[::1]:15101".parse().unwrap()],
    };

    let text = told(&plan, &report);

    assert!(
        text.contains("tried: a connection to 192.0.2.1 arrives at port 15101; with the mark 0x706f"),
        "{text}"
    );
    assert!(text.contains("not tried: 2001:db8::1: there is no route"), "{text}");
    assert!(text.contains("nobody listens on [::1]:15101"), "{text}");
}

/// A configuration with an inbound and an outbound listener.
fn sidecar(inbound: &str, outbound: &str, role: Role) -> Config {
    let text = "version: 1\nlisteners: [{ bind: \"127.0.0.1:0\" }]\nservices: { a: { endpoints: [\"127.0.0.1:9\"] } }\n\
                routes: [{ name: a, match: \"GET /\", auth: public, to: a }]\n";
    let mut config = config::parse(text, Path::new("s.yaml")).unwrap().config;
    let listener = config.listeners.pop().unwrap();
    let workload = Workload {
        service: "order".into(),
        app: "127.0.0.1:8080".parse().unwrap(),
        protocol: Protocol::H1,
        health: None,
    };
    config.sidecar = Some(Sidecar { workload, ready: None });
    let bound = |bind: &str, role| Listener { bind: bind.parse().unwrap(), role, ..listener.clone() };
    config.listeners = vec![bound(inbound, Role::Inbound { permissive: false }), bound(outbound, role)];
    config
}
