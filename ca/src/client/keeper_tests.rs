//! The lane that keeps the certificate good, step by step, against a real server. No time passes in these tests: what
//! is due is due from the start.

use super::super::testing::{Ca, DUE, EXPIRED, Server, USUAL, give_token, local, options, stored};
use super::*;
use crate::deny::Denial;
use std::fs;
use std::sync::Arc;
use tonic::{Code, Status};

fn published(agent: &Agent) -> Arc<Identity> {
    agent.current().unwrap()
}

#[test]
fn a_certificate_that_is_due_again_at_once_is_not_renewed_without_end() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let server = Server::start(&Arc::new(Ca::new())).await;
        stored(temporary.path(), &server.ca.identity(&server.urls(), DUE));
        server.script().life = DUE;
        let agent = Agent::new(options(temporary.path())).unwrap();
        let mut keeper = Keeper::new(&agent);

        let rests = [keeper.step().await, keeper.step().await];

        assert_eq!(rests, [Duration::ZERO, Duration::from_secs(30)]);
        assert_eq!(server.script().keys.len(), 1);
    });
}

#[test]
fn a_failed_renewal_leaves_the_old_certificate_in_use_and_waits() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let server = Server::start(&Arc::new(Ca::new())).await;
        let old = server.ca.identity(&server.urls(), DUE);
        stored(temporary.path(), &old);
        let mut status = Status::new(Code::ResourceExhausted, "busy");
        status.metadata_mut().insert("grpc-retry-pushback-ms", "20000".parse().unwrap());
        server.script().refuse = Some(status);
        let agent = Agent::new(options(temporary.path())).unwrap();
        let mut keeper = Keeper::new(&agent);

        keeper.step().await;
        let asked = server.script().keys.len();
        let rest = keeper.step().await;

        assert!((Duration::from_secs(15)..=Duration::from_secs(20)).contains(&rest), "{rest:?}");
        assert_eq!(server.script().keys.len(), asked);
        assert_eq!(published(&agent).svid, old.svid);
    });
}

#[test]
fn a_new_token_heals_an_expired_workload_without_a_restart() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let server = Server::start(&Arc::new(Ca::new())).await;
        let old = server.ca.identity(&server.urls(), EXPIRED);
        stored(temporary.path(), &old);
        let agent = Agent::new(options(temporary.path())).unwrap();
        let mut keeper = Keeper::new(&agent);

        // Without a token there is nothing to do but to look for one, soon.
        assert_eq!(keeper.step().await, Duration::from_secs(1));
        assert_eq!(server.script().requests, 0);

        // One that is refused is not tried again.
        give_token(temporary.path(), &server);
        server.script().refuse = Some(Status::new(Code::Unauthenticated, "not valid"));
        assert_eq!(keeper.step().await, Duration::from_secs(1));
        assert_eq!(keeper.step().await, Duration::from_secs(1));
        assert_eq!(server.script().requests, 1);

        // A new one is.
        give_token(temporary.path(), &server);
        server.script().refuse = None;
        assert_eq!(keeper.step().await, Duration::ZERO);
        assert_ne!(published(&agent).svid, old.svid);
        assert_eq!(keeper.step().await, Duration::from_secs(30));
        assert_eq!(server.script().requests, 2);
    });
}

#[test]
fn an_authority_that_is_away_does_not_cost_the_token() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let server = Server::start(&Arc::new(Ca::new())).await;
        give_token(temporary.path(), &server);
        server.script().lose = 2;
        let agent = Agent::new(options(temporary.path())).unwrap();
        let mut keeper = Keeper::new(&agent);

        assert_eq!(keeper.step().await, Duration::from_secs(1));
        assert!(agent.current().is_none());
        while agent.current().is_none() {
            let rest = keeper.step().await;
            tokio::time::sleep(rest.min(Duration::from_millis(20))).await;
        }

        let key = published(&agent).key.fingerprint();
        assert_eq!(server.script().keys, [key; 3]);
    });
}

#[test]
fn a_refused_renewal_is_healed_by_a_new_token_before_it_expires() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let server = Server::start(&Arc::new(Ca::new())).await;
        let old = server.ca.identity(&server.urls(), DUE);
        stored(temporary.path(), &old);
        server.script().refuse = Some(Status::new(Code::PermissionDenied, "revoked"));
        let agent = Agent::new(options(temporary.path())).unwrap();
        let mut keeper = Keeper::new(&agent);
        keeper.step().await;
        assert_eq!(published(&agent).svid, old.svid);

        server.script().refuse = None;
        give_token(temporary.path(), &server);
        let rest = keeper.step().await;

        assert_eq!(rest, Duration::ZERO);
        assert_ne!(published(&agent).svid, old.svid);
        assert_eq!(server.script().keys.len(), 2);
    });
}

#[test]
fn who_is_on_the_deny_list_is_healed_by_a_new_token_at_once() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let server = Server::start(&Arc::new(Ca::new())).await;
        let mut old = server.ca.identity(&server.urls(), USUAL);
        old.trust.denied = vec![Denial::Serial(old.svid.serial)];
        stored(temporary.path(), &old);
        let agent = Agent::new(options(temporary.path())).unwrap();
        let mut keeper = Keeper::new(&agent);
        assert_eq!(keeper.step().await, Duration::from_secs(1));

        give_token(temporary.path(), &server);

        assert_eq!(keeper.step().await, Duration::ZERO);
        assert_ne!(published(&agent).svid, old.svid);
        assert_eq!(keeper.step().await, Duration::from_secs(30));
    });
}

#[test]
fn what_is_no_token_is_said_once_and_does_no_harm() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        fs::write(temporary.path().join("token"), "pct1.nonsense").unwrap();
        let agent = Agent::new(options(temporary.path())).unwrap();
        let mut keeper = Keeper::new(&agent);

        assert_eq!(keeper.step().await, Duration::from_secs(1));
        assert!(keeper.new_token().is_none());
        assert!(agent.current().is_none());
    });
}

#[test]
fn a_state_that_cannot_be_read_is_replaced_by_a_join() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let server = Server::start(&Arc::new(Ca::new())).await;
        stored(temporary.path(), &server.ca.identity(&server.urls(), USUAL));
        fs::write(temporary.path().join("svid/state.json"), "{").unwrap();
        give_token(temporary.path(), &server);
        let agent = Agent::new(options(temporary.path())).unwrap();

        assert_eq!(Keeper::new(&agent).step().await, Duration::ZERO);

        assert!(agent.current().is_some());
        assert!(agent.dir.load().unwrap().is_some());
    });
}

#[test]
fn a_certificate_another_process_stored_is_taken_over() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let ca = Ca::new();
        let urls = ["https://127.0.0.1:1".to_owned()];
        stored(temporary.path(), &ca.identity(&urls, USUAL));
        let agent = Agent::new(options(temporary.path())).unwrap();
        let mut keeper = Keeper::new(&agent);
        let rekeyed = ca.identity(&urls, USUAL);
        stored(temporary.path(), &rekeyed);

        keeper.step().await;

        assert_eq!(published(&agent).svid, rekeyed.svid);
    });
}
