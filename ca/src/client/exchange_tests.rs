//! Joining, renewing and learning the trust, against a real server over TLS.

use super::super::error::{AnswerFault, Distrust};
use super::super::testing::{AUTHORITY, Ca, DOMAIN, Face, Life, ORDER, Server, USUAL, local};
use super::*;
use tonic::{Code, Status};

fn folder() -> (tempfile::TempDir, StateDir) {
    let temporary = tempfile::tempdir().unwrap();
    let dir = StateDir::open(temporary.path()).unwrap();
    (temporary, dir)
}

fn authority() -> Arc<Ca> {
    Arc::new(Ca::new())
}

/// A server of `ca` that shows a certificate with this name and life, made by another authority if there is one.
async fn showing(ca: &Arc<Ca>, id: &'static str, life: Life, shown_by: &Arc<Ca>) -> Server {
    Server::with_face(ca, &Face { id, life, shown_by: Arc::clone(shown_by) }).await
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("https://{}", listener.local_addr().unwrap())
}

#[test]
fn a_token_brings_a_certificate_that_is_stored() {
    local(async {
        let (_temporary, dir) = folder();
        let server = Server::start(&authority()).await;

        let identity = bootstrap(&dir, &server.token(), Some(Duration::from_secs(600))).await.unwrap();

        assert_eq!(identity.svid.id.as_str(), ORDER);
        assert_eq!(identity.trust.bundle.trust_domain.as_str(), DOMAIN);
        let stored = dir.load().unwrap().unwrap();
        assert_eq!((stored.svid, stored.ttl), (identity.svid, Some(Duration::from_secs(600))));
        assert_eq!(server.script().ttls, [600]);
    });
}

#[test]
fn nothing_is_sent_to_an_authority_the_token_does_not_name() {
    local(async {
        let (_temporary, dir) = folder();
        let server = Server::start(&authority()).await;
        let token = Ca::new().token(&server.urls());

        let error = bootstrap(&dir, &token, None).await.unwrap_err();

        assert!(matches!(error, ClientError::NotTheCa { contact: Contact::First, .. }), "{error}");
        assert!(error.to_string().contains("Nothing was sent"), "{error}");
        assert_eq!(server.script().requests, 0);
        assert!(dir.load().unwrap().is_none());
    });
}

#[test]
fn a_workload_of_the_mesh_is_not_the_authority() {
    local(async {
        let (_temporary, dir) = folder();
        let ca = authority();
        let server = showing(&ca, "spiffe://shop.example/svc/evil", USUAL, &ca).await;

        let joining = bootstrap(&dir, &server.token(), None).await.unwrap_err();
        let renewing = renew(&dir, &ca.identity(&server.urls(), USUAL), false).await.unwrap_err();

        for error in [joining, renewing] {
            assert!(matches!(error, ClientError::NotTheCa { why: Distrust::Identity { .. }, .. }), "{error}");
        }
        assert_eq!(server.script().requests, 0);
    });
}

#[test]
fn a_renewal_is_not_sent_to_another_authority_with_the_same_name() {
    local(async {
        let (_temporary, dir) = folder();
        let server = Server::start(&authority()).await;
        let identity = Ca::new().identity(&server.urls(), USUAL);

        let error = renew(&dir, &identity, false).await.unwrap_err();

        assert!(matches!(error, ClientError::NotTheCa { contact: Contact::Later, .. }), "{error}");
        assert_eq!(server.script().requests, 0);
    });
}

#[test]
fn a_clock_outside_of_the_authoritys_certificate_is_named_as_such() {
    local(async {
        let (_temporary, dir) = folder();
        let ca = authority();
        for life in [Life(3_600, 7_200, 0), Life(-7_200, -3_600, 0)] {
            let server = showing(&ca, AUTHORITY, life, &ca).await;

            let joining = bootstrap(&dir, &server.token(), None).await.unwrap_err();
            let renewing = renew(&dir, &ca.identity(&server.urls(), USUAL), false).await.unwrap_err();

            for error in [joining, renewing] {
                assert!(matches!(error, ClientError::Clock { .. }), "{error}");
                assert!(error.to_string().contains("compare the clocks"), "{error}");
            }
            assert_eq!(server.script().requests, 0);
        }
    });
}

#[test]
fn who_joins_with_a_wrong_clock_is_told_and_joins_when_it_is_right() {
    local(async {
        let (_temporary, dir) = folder();
        let server = Server::start(&authority()).await;
        let token = server.token();
        server.script().clock_off = 180_000;

        let error = bootstrap(&dir, &token, None).await.unwrap_err();

        let ClientError::ClockSkew { ours, theirs } = error else { panic!("{error}") };
        assert!((175..=185).contains(&(theirs.0 - ours.0)), "{ours} {theirs}");
        assert!(dir.load().unwrap().is_none());

        server.script().clock_off = 45_000;
        let identity = bootstrap(&dir, &token, None).await.unwrap();
        // The token is good once, so the key is the same.
        assert_eq!(server.script().keys, [identity.key.fingerprint(); 2]);
    });
}

#[test]
fn a_renewal_with_a_wrong_clock_is_taken_as_long_as_its_certificate_is_good_here() {
    local(async {
        let (_temporary, dir) = folder();
        let server = Server::start(&authority()).await;
        let identity = server.ca.identity(&server.urls(), USUAL);
        server.script().clock_off = -3_600_000;
        let good = renew(&dir, &identity, false).await;
        {
            let mut script = server.script();
            script.clock_off = 3_600_000;
            script.life = Life(3_540, 90_000, 45_000);
        }
        let bad = renew(&dir, &identity, false).await;

        assert!(good.is_ok());
        assert!(matches!(bad, Err(ClientError::ClockSkew { .. })));
    });
}

#[test]
fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    local(async {
        let (_temporary, dir) = folder();
        let server = Server::start(&authority()).await;
        let token = server.token();
        server.script().lose = 2;

        let lost = bootstrap(&dir, &token, None).await.unwrap_err();
        // As if the process had died meanwhile.
        let dir = StateDir::open(dir.path()).unwrap();
        let identity = bootstrap(&dir, &token, None).await.unwrap();

        assert!(matches!(lost, ClientError::Lost { .. }), "{lost}");
        assert!(lost.transient() && !lost.needs_token());
        assert_eq!(server.script().keys, [identity.key.fingerprint(); 3]);
    });
}

#[test]
fn another_server_is_asked_when_one_is_away_or_an_impostor() {
    local(async {
        let (_temporary, dir) = folder();
        let ca = authority();
        let server = Server::start(&ca).await;
        let impostor = Server::start(&authority()).await;
        let urls = [nobody().await, impostor.url.clone(), server.url.clone()];

        bootstrap(&dir, &ca.token(&urls), None).await.unwrap();

        assert_eq!((server.script().requests, impostor.script().requests), (1, 0));
    });
}

#[test]
fn an_impostor_is_named_before_a_server_that_is_away() {
    local(async {
        let (_temporary, dir) = folder();
        let impostor = Server::start(&authority()).await;
        let (away, urls) = (vec![nobody().await], [nobody().await, impostor.url.clone(), nobody().await]);

        let nobody = bootstrap(&dir, &Ca::new().token(&away), None).await.unwrap_err();
        let somebody = bootstrap(&dir, &Ca::new().token(&urls), None).await.unwrap_err();
        let nowhere = bootstrap(&dir, &Ca::new().token(&[]), None).await.unwrap_err();

        assert!(matches!(nobody, ClientError::Unreachable { .. }), "{nobody}");
        assert!(matches!(somebody, ClientError::NotTheCa { .. }), "{somebody}");
        assert!(matches!(nowhere, ClientError::NoUrl), "{nowhere}");
    });
}

#[test]
fn what_the_authority_refuses_is_refused_once_and_in_its_words() {
    local(async {
        let (_temporary, dir) = folder();
        let server = Server::start(&authority()).await;
        server.script().refuse = Some(Status::new(Code::Unauthenticated, "not valid"));

        let error = bootstrap(&dir, &server.token(), None).await.unwrap_err();

        assert!(matches!(&error, ClientError::TokenInvalid { message } if message == "not valid"), "{error}");
        assert!(error.needs_token());
        assert_eq!(server.script().requests, 1);
    });
}

#[test]
fn an_authority_that_is_busy_says_how_long_to_wait() {
    local(async {
        let (_temporary, dir) = folder();
        let server = Server::start(&authority()).await;
        let mut status = Status::new(Code::ResourceExhausted, "busy");
        status.metadata_mut().insert("grpc-retry-pushback-ms", "1500".parse().unwrap());
        server.script().refuse = Some(status);

        let error = bootstrap(&dir, &server.token(), None).await.unwrap_err();

        assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
        assert!(error.transient() && !error.needs_token());
    });
}

#[test]
fn a_renewal_has_a_new_key_unless_the_old_one_is_to_be_kept() {
    local(async {
        let (_temporary, dir) = folder();
        let server = Server::start(&authority()).await;
        let first =
            Identity { ttl: Some(Duration::from_secs(900)), ..server.ca.identity(&server.urls(), USUAL) };

        let second = renew(&dir, &first, false).await.unwrap();
        let third = renew(&dir, &second, true).await.unwrap();

        assert_ne!(second.key.fingerprint(), first.key.fingerprint());
        assert_eq!(third.key.fingerprint(), second.key.fingerprint());
        assert_eq!(dir.load().unwrap().unwrap().svid, third.svid);
        assert_eq!(server.script().ttls, [900, 900]);
    });
}

#[test]
fn an_answer_for_somebody_else_is_not_taken() {
    local(async {
        let (_temporary, dir) = folder();
        let server = Server::start(&authority()).await;
        let identity = server.ca.identity(&server.urls(), USUAL);
        dir.store(&identity).unwrap();
        server.script().id = "spiffe://shop.example/svc/other";

        let error = renew(&dir, &identity, false).await.unwrap_err();

        assert!(matches!(error, ClientError::Answer(AnswerFault::OtherId(_))), "{error}");
        assert_eq!(dir.load().unwrap().unwrap().svid, identity.svid);
    });
}

#[test]
fn an_expired_certificate_is_not_shown_to_anybody() {
    local(async {
        let (_temporary, dir) = folder();
        let server = Server::start(&authority()).await;
        let identity = server.ca.identity(&server.urls(), Life(-7_200, -1, -5_000));

        let error = renew(&dir, &identity, false).await.unwrap_err();

        assert!(matches!(error, ClientError::Expired { .. }), "{error}");
        assert!(error.needs_token());
        assert_eq!(server.script().requests, 0);
    });
}

#[test]
fn a_certificate_the_authority_does_not_accept_needs_a_new_token() {
    local(async {
        let (_temporary, dir) = folder();
        let (old, new) = (authority(), authority());
        // The authority has retired the root we stand under, and we still believe it.
        let server = showing(&new, AUTHORITY, USUAL, &old).await;

        let error = renew(&dir, &old.identity(&server.urls(), USUAL), false).await.unwrap_err();

        assert!(matches!(error, ClientError::NotAccepted { .. }), "{error}");
        assert!(error.needs_token());
        assert_eq!(server.script().requests, 0);
    });
}

#[test]
fn a_trust_is_stored_and_acknowledged() {
    local(async {
        let (_temporary, dir) = folder();
        let mut server = Server::start(&authority()).await;
        let identity = server.ca.identity(&server.urls(), USUAL);
        dir.store(&identity).unwrap();
        server.trust.send_replace(server.ca.trust(7));

        let trust = sync(&dir, &identity).await.unwrap();

        assert_eq!(trust.bundle.sequence, 7);
        assert_eq!(dir.load().unwrap().unwrap().trust.bundle.sequence, 7);
        assert_eq!([server.next_acknowledged().await, server.next_acknowledged().await], [1, 7]);
        assert_eq!(server.script().ended, 1, "all is out before the connection ends");
    });
}

#[test]
fn no_error_quotes_a_token_or_key() {
    local(async {
        let (_temporary, dir) = folder();
        let server = Server::start(&authority()).await;
        let token = server.token();
        server.script().refuse = Some(Status::new(Code::Unauthenticated, "not valid"));

        let error = bootstrap(&dir, &token, None).await.unwrap_err();
        let identity = server.ca.identity(&server.urls(), USUAL);

        let text = token.reveal();
        let secret = &text[text.len() - 40..];
        assert!(!format!("{error} {error:?} {token:?}").contains(secret));
        assert!(!format!("{identity:?}").contains("PRIVATE"));
    });
}
