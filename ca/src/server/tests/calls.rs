//! What the calls answer: to whom they should, and to whom they should not.

use super::*;
use crate::authority::Revoke;
use crate::client::{self, StateDir};
use crate::trust::Trust;
use crate::verify::Side;
use http_body_util::BodyExt;
use tonic::Code;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

#[test]
fn a_token_brings_a_certificate_without_a_client_certificate() {
    local(async {
        let ground = Ground::new();
        let (token, key) = (ground.token(ORDER), Key::generate().unwrap());
        let server = ground.serve().await;

        let issued = server.client(None).await.bootstrap(&token, &key).await.unwrap();

        let trust = Trust::from_wire(issued.trust.unwrap(), None).unwrap();
        let chain: Vec<&[u8]> = issued.chain.iter().map(Vec::as_slice).collect();
        let now = clock::wall();
        let svid = verify::verify(&chain, &trust.bundle, &Default::default(), Side::Client, now).unwrap();
        assert_eq!(svid.id.as_str(), ORDER);
        assert_eq!(svid.key, key.fingerprint());
        assert!(issued.renew_after > now.0 && issued.renew_after < svid.not_after.0);
        assert!(!issued.instance.is_empty());
    });
}

#[test]
fn bad_tokens_are_all_answered_alike_and_the_audit_has_the_truth() {
    local(async {
        let ground = Ground::new();
        let (token, key) = (ground.token(ORDER), Key::generate().unwrap());
        let server = ground.serve().await;
        let mut client = server.client(None).await;
        let first = client.bootstrap(&token, &key).await.unwrap();

        let again = client.bootstrap(&token, &key).await.unwrap();
        let spent = client.bootstrap(&token, &Key::generate().unwrap()).await.unwrap_err();
        let foreign = client.bootstrap(&Ground::new().token(ORDER), &key).await.unwrap_err();
        let nonsense = client.bootstrap("no token", &key).await.unwrap_err();

        assert_eq!(again.chain, first.chain, "an answer that was lost can be asked for again");
        for status in [&spent, &foreign, &nonsense] {
            assert_eq!(status.code(), Code::Unauthenticated);
            assert_eq!(status.message(), spent.message());
        }
        server.stop().await.unwrap().unwrap();
        let audit = std::fs::read_to_string(ground.file("audit.jsonl")).unwrap();
        assert_eq!(audit.matches("used already").count(), 1, "{audit}");
        assert_eq!(audit.matches("is unknown").count(), 2, "{audit}");
        assert!(audit.contains("127.0.0.1:"), "who asked");
        assert!(audit.contains("server_started") && audit.contains("server_stopped"));
        assert!(!audit.contains(&token));
    });
}

#[test]
fn a_renewal_needs_the_certificate_before_and_keeps_the_instance() {
    local(async {
        let ground = Ground::new();
        let (token, key) = (ground.token(ORDER), Key::generate().unwrap());
        let server = ground.serve().await;
        let mut stranger = server.client(None).await;
        let issued = stranger.bootstrap(&token, &key).await.unwrap();
        let member = Workload { key, chain: issued.chain };
        let next = Key::generate().unwrap();

        let refused = stranger.renew(&next).await.unwrap_err();
        let renewed = server.client(Some(&member)).await.renew(&next).await.unwrap();

        assert_eq!(refused.code(), Code::Unauthenticated);
        assert_eq!(renewed.instance, issued.instance);
        assert_eq!(certificate::svid(&renewed.chain[0]).unwrap().key, next.fingerprint());
    });
}

#[test]
fn watching_needs_a_certificate_too() {
    local(async {
        let server = Ground::new().serve().await;

        let refused = server.client(None).await.call.watch_bundle(tokio_stream::empty()).await.unwrap_err();

        assert_eq!(refused.code(), Code::Unauthenticated);
    });
}

#[test]
fn a_certificate_that_the_ledger_does_not_know_is_not_renewed() {
    local(async {
        let ground = Ground::new();
        ground.register(ORDER, Grants::default());
        let server = ground.serve().await;
        let forged = ground.forged(ORDER, -60, 3600);

        let refused = server.client(Some(&forged)).await.renew(&Key::generate().unwrap()).await.unwrap_err();

        assert_eq!(refused.code(), Code::PermissionDenied);
    });
}

#[test]
fn requests_that_are_too_large_or_wrong_are_refused_and_the_connection_lives() {
    local(async {
        let ground = Ground::new();
        let (token, key) = (ground.token(ORDER), Key::generate().unwrap());
        let server = ground.serve().await;
        let mut client = server.client(None).await;
        let request = |token: &str, csr: Vec<u8>| BootstrapRequest { token: token.to_owned(), csr, ttl: 0 };

        let large = client.call.bootstrap(request(&"x".repeat(65_536), Vec::new())).await.unwrap_err();
        let huge = client.call.bootstrap(request(&token, vec![0; 1 << 20])).await.unwrap_err();
        let long = client.call.bootstrap(request(&token, vec![0; 20_000])).await.unwrap_err();
        let garbage = client.call.bootstrap(request(&token, vec![0x30; 500])).await.unwrap_err();

        assert_eq!([large.code(), huge.code()], [Code::OutOfRange; 2]);
        assert_eq!([long.code(), garbage.code()], [Code::InvalidArgument; 2]);
        assert!(client.bootstrap(&token, &key).await.is_ok(), "the token was not spent");
    });
}

#[test]
fn a_member_that_is_revoked_is_refused_whatever_it_asks() {
    local(async {
        let ground = Ground::new();
        let member = ground.workload(ORDER);
        let limits = Limits { look: Duration::from_secs(3600), ..Limits::default() };
        let server = ground.serve_with(limits).await;
        let mut client = server.client(Some(&member)).await;

        // The server will not look for an hour; the authority knows at once.
        ground.authority.revoke(&Revoke::Id(member.id()), "stolen", clock::wall()).unwrap();
        let refused = client.renew(&Key::generate().unwrap()).await.unwrap_err();

        assert_eq!(refused.code(), Code::PermissionDenied);
    });
}

#[test]
fn the_client_that_workloads_use_joins_acknowledges_and_renews() {
    local(async {
        let ground = Ground::new();
        ground.register(ORDER, Grants::default());
        let server = ground.serve().await;
        let urls = vec![format!("https://{}", server.address)];
        let new = NewToken { entry: ORDER.parse().unwrap(), ttl: Duration::from_secs(600), urls };
        let (token, _) = ground.authority.create_token(&new, clock::wall()).unwrap();
        let dir = StateDir::open(&ground.file("../svid")).unwrap();

        let joined = client::bootstrap(&dir, &token, None).await.unwrap();
        let trust = client::sync(&dir, &joined).await.unwrap();
        let renewed = client::renew(&dir, &joined, false).await.unwrap();

        let instances = ground.authority.live_instances(clock::wall()).unwrap();
        assert_eq!(instances.len(), 1);
        assert_eq!(instances[0].acknowledged, trust.bundle.sequence, "heard before the stream ended");
        assert_eq!(renewed.instance, joined.instance);
        assert_ne!(renewed.svid.serial, joined.svid.serial);
    });
}

#[test]
fn health_is_told_to_everybody_and_turns_when_the_store_cannot_be_read() {
    local(async {
        let ground = Ground::new();
        let server = ground.serve().await;
        let client = server.client(None).await;
        let mut health = HealthClient::with_origin(Channel(client.send.clone()), client.origin.clone());
        let asked = |service: &str| HealthCheckRequest { service: service.to_owned() };
        let service = "portcullis.ca.v1.CertificateAuthority";

        let well = health.check(asked(service)).await.unwrap().into_inner();
        let mut watched = health.watch(asked("")).await.unwrap().into_inner();
        let first = watched.message().await.unwrap().unwrap();
        for file in ["ca.db", "ca.db-wal", "ca.db-shm"] {
            let path = ground.file(file);
            if path.exists() {
                let length = usize::try_from(path.metadata().unwrap().len()).unwrap();
                std::fs::write(path, vec![0xff; length]).unwrap();
            }
        }
        let turned = watched.message().await.unwrap().unwrap();

        assert_eq!([well.status(), first.status()], [ServingStatus::Serving; 2]);
        assert_eq!(turned.status(), ServingStatus::NotServing);
        let unknown = health.check(asked("other")).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
    });
}

#[test]
fn other_paths_are_no_calls() {
    local(async {
        let server = Ground::new().serve().await;
        let mut client = server.client(None).await;
        for path in ["/", "/portcullis.ca.v1.CertificateAuthority/Issue", "/x/Bootstrap", "/metrics"] {
            let uri = format!("https://{}{path}", server.address);
            let request = Request::get(uri).body(Body::empty()).unwrap();

            let response = client.send.send_request(request).await.unwrap();

            assert_eq!(response.headers()["grpc-status"], "12", "{path}");
            assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
        }
        assert!(client.bootstrap("no token", &Key::generate().unwrap()).await.is_err());
    });
}
