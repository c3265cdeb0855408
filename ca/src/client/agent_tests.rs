//! The whole agent against a real server: it joins, renews, and acknowledges what it has stored.

use super::super::testing::{Ca, DUE, Server, USUAL, give_token, local, options, stored};
use super::*;
use std::fs;

#[test]
fn who_has_a_token_joins_and_acknowledges_the_trust() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let mut server = Server::start(&Arc::new(Ca::new())).await;
        give_token(temporary.path(), &server);
        let agent = Agent::new(options(temporary.path())).unwrap();
        let mut identities = agent.identity();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::task::spawn_local(agent.run(async {
            let _ = stopped.await;
        }));

        let identity = identities.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        assert_eq!([server.next_acknowledged().await, server.next_acknowledged().await], [1, 1]);
        server.trust.send_replace(server.ca.trust(2));
        assert_eq!(server.next_acknowledged().await, 2);

        let now = identities.borrow().clone().unwrap();
        assert_eq!((now.trust.bundle.sequence, now.svid.serial), (2, identity.svid.serial));
        stop.send(()).unwrap();
        running.await.unwrap();
    });
}

#[test]
fn a_trust_that_cannot_be_stored_is_neither_in_force_nor_acknowledged() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let mut server = Server::start(&Arc::new(Ca::new())).await;
        stored(temporary.path(), &server.ca.identity(&server.urls(), USUAL));
        let agent = Agent::new(options(temporary.path())).unwrap();
        let identities = agent.identity();
        tokio::task::spawn_local(agent.run(std::future::pending()));
        assert_eq!([server.next_acknowledged().await, server.next_acknowledged().await], [1, 1]);
        let (link, aside) = (temporary.path().join("svid/svid.pem"), temporary.path().join("aside"));
        fs::rename(&link, &aside).unwrap();
        fs::write(&link, "in the way").unwrap();

        server.trust.send_replace(server.ca.trust(2));

        // It connects anew, and says again what it has.
        assert_eq!(server.next_acknowledged().await, 1);
        assert_eq!(identities.borrow().as_ref().unwrap().trust.bundle.sequence, 1);

        fs::rename(&aside, &link).unwrap();
        while server.next_acknowledged().await != 2 {}
        assert_eq!(identities.borrow().as_ref().unwrap().trust.bundle.sequence, 2);
        let dir = StateDir::open(&temporary.path().join("svid")).unwrap();
        assert_eq!(dir.load().unwrap().unwrap().trust.bundle.sequence, 2);
    });
}

#[test]
fn what_is_due_is_renewed_and_the_new_certificate_acknowledges() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let mut server = Server::start(&Arc::new(Ca::new())).await;
        let old = server.ca.identity(&server.urls(), DUE);
        stored(temporary.path(), &old);
        let agent = Agent::new(options(temporary.path())).unwrap();
        let mut identities = agent.identity();
        tokio::task::spawn_local(agent.run(std::future::pending()));

        let other =
            |now: &Option<Arc<Identity>>| now.as_ref().is_some_and(|now| now.svid.serial != old.svid.serial);
        let new = identities.wait_for(other).await.unwrap().clone().unwrap();

        assert_ne!(new.key.fingerprint(), old.key.fingerprint());
        assert_eq!(server.next_acknowledged().await, 1);
        assert_eq!(server.script().keys.len(), 1);
    });
}

#[test]
fn where_the_authority_is_may_be_said_in_place_of_the_token() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let mut server = Server::start(&Arc::new(Ca::new())).await;
        let elsewhere = ["https://127.0.0.1:1".to_owned()];
        fs::write(temporary.path().join("token"), server.ca.token(&elsewhere).reveal()).unwrap();
        let options = Options { url: Some(server.url.clone()), ..options(temporary.path()) };
        let agent = Agent::new(options).unwrap();
        let mut identities = agent.identity();
        tokio::task::spawn_local(agent.run(std::future::pending()));

        let identity = identities.wait_for(Option::is_some).await.unwrap().clone().unwrap();

        assert_eq!(identity.urls, server.urls());
        assert_eq!(server.next_acknowledged().await, 1);
    });
}

#[test]
fn where_the_authority_is_may_be_said_in_place_of_what_is_stored() {
    local(async {
        let temporary = tempfile::tempdir().unwrap();
        let mut server = Server::start(&Arc::new(Ca::new())).await;
        let elsewhere = ["https://127.0.0.1:1".to_owned()];
        stored(temporary.path(), &server.ca.identity(&elsewhere, USUAL));
        let options = Options { url: Some(server.url.clone()), ..options(temporary.path()) };
        let agent = Agent::new(options).unwrap();
        tokio::task::spawn_local(agent.run(std::future::pending()));

        let acknowledged = server.next_acknowledged().await;

        assert_eq!(acknowledged, 1);
    });
}
