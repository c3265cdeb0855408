//! Who gets through the handshake, and the alert that tells the others why.

use super::*;
use crate::authority::Revoke;
use crate::openssl::OpenSsl;
use crate::profile;
use rustls::AlertDescription;
use tokio::io::AsyncReadExt;

/// The alert the server ends the handshake with.
async fn alert(server: &Running, config: ClientConfig) -> AlertDescription {
    let error = match server.shake(config).await {
        // In TLS 1.3 a client is done before the server has looked at its certificate.
        Ok(mut stream) => stream.read(&mut [0; 64]).await.expect_err("an alert"),
        Err(error) => error,
    };
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("no alert: {error:?}"),
    }
}

#[test]
fn a_client_certificate_that_is_not_good_meets_the_alert_that_says_why() {
    local(async {
        let ground = Ground::new();
        let foreign = Ground::new();
        let server = ground.serve().await;
        let table = [
            (ground.forged(ORDER, -7200, -1), AlertDescription::CertificateExpired),
            (ground.forged(ORDER, 300, 7200), AlertDescription::CertificateExpired),
            (foreign.workload(ORDER), AlertDescription::UnknownCA),
            (Ground::of("other.example").forged(ORDER, -60, 7200), AlertDescription::UnknownCA),
            (ground.forged("spiffe://other.example/svc/order", -60, 7200), AlertDescription::AccessDenied),
        ];
        for (workload, expected) in table {
            assert_eq!(alert(&server, server.tls(Some(&workload))).await, expected, "{}", workload.id());
        }
    });
}

#[test]
fn a_workload_that_signs_for_another_does_not_get_it_through() {
    local(async {
        let ground = Ground::new();
        let thief = ground.workload(&format!("{ORDER}-2"));
        let server = ground.serve().await;
        let pair = rcgen::KeyPair::try_from(thief.key.pkcs8()).unwrap();
        let signs =
            rcgen::Issuer::from_ca_cert_der(&CertificateDer::from(thief.chain[0].clone()), pair).unwrap();
        let now = clock::wall().0;
        let (not_before, not_after) = (Timestamp(now - 60), Timestamp(now + 3600));
        let grant = Grant { id: ORDER.parse().unwrap(), dns: Vec::new(), not_before, not_after };
        let key = Key::generate().unwrap();
        let params = profile::leaf(&grant, Serial::from_random([7; 16])).unwrap();
        let public = rcgen::SubjectPublicKeyInfo::from_der(key.public()).unwrap();
        let leaf = params.signed_by(&public, &signs).unwrap().der().to_vec();
        let forged = Workload { key, chain: [vec![leaf], thief.chain].concat() };

        let alert = alert(&server, server.tls(Some(&forged))).await;

        assert!(matches!(alert, AlertDescription::BadCertificate | AlertDescription::UnknownCA), "{alert:?}");
    });
}

#[test]
fn who_was_revoked_does_not_get_through_and_who_was_forgiven_does() {
    local(async {
        let ground = Ground::new();
        let (member, other) = (ground.workload(ORDER), ground.workload(&format!("{ORDER}-2")));
        let server = ground.serve().await;
        server.client(Some(&member)).await.renew(&Key::generate().unwrap()).await.unwrap();

        let revoke = Revoke::Id(member.id());
        let rule = ground.authority.revoke(&revoke, "stolen", clock::wall()).unwrap().rules.remove(0);
        until_it_sees(&server, &ground, &other).await;
        let alert = alert(&server, server.tls(Some(&member))).await;
        ground.authority.lift(&rule, clock::wall()).unwrap();
        until_it_sees(&server, &ground, &other).await;

        assert_eq!(alert, AlertDescription::CertificateRevoked);
        assert!(server.client(Some(&member)).await.renew(&Key::generate().unwrap()).await.is_ok());
    });
}

/// Waits until the server has the newest trust: a member that watches is told.
async fn until_it_sees(server: &Running, ground: &Ground, watcher: &Workload) {
    let newest = ground.authority.settings().unwrap().sequence;
    let mut client = server.client(Some(watcher)).await;
    let (_say, heard) = tokio::sync::mpsc::channel(1);
    let heard = tokio_stream::wrappers::ReceiverStream::new(heard);
    let mut stream = client.call.watch_bundle(heard).await.unwrap().into_inner();
    while stream.message().await.unwrap().unwrap().sequence < newest {}
}

#[test]
fn the_certificate_shown_follows_the_root_that_signs() {
    local(async {
        let ground = Ground::new();
        let member = ground.workload(ORDER);
        let mut server = ground.serve().await;
        let before = shown_root(&server).await;
        ground.authority.prepare_root(Duration::from_secs(365 * 86_400), clock::wall()).unwrap();
        ground.authority.activate_root(true, clock::wall()).unwrap();
        server.pins = ground.pins();

        // The new one is shown once the change was seen.
        let mut after = before.clone();
        while after == before {
            after = shown_root(&server).await;
        }

        let signing = ground.authority.settings().unwrap().phase.active().clone();
        let authorities = ground.authority.authorities().unwrap();
        let root = authorities.into_iter().find(|record| record.id == signing).unwrap();
        assert_eq!(after, root.der);
        let old = server.client(Some(&member)).await.renew(&Key::generate().unwrap()).await;
        assert!(old.is_ok(), "certificates under the old root are good until it is retired");
    });
}

async fn shown_root(server: &Running) -> Vec<u8> {
    let stream = server.shake(server.tls(None)).await.unwrap();
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    assert_eq!(chain.len(), 3, "certificate, intermediate, root");
    chain[2].to_vec()
}

#[test]
fn nothing_can_be_resumed() {
    local(async {
        let ground = Ground::new();
        let server = ground.serve().await;
        let config = Arc::new(server.tls(None));
        for _ in 0..2 {
            let stream = TcpStream::connect(server.address).await.unwrap();
            let name = ServerName::from(server.address.ip());
            let mut stream = TlsConnector::from(Arc::clone(&config)).connect(name, stream).await.unwrap();
            // Its first bytes come after any ticket.
            stream.read_exact(&mut [0; 9]).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            assert_eq!(kind, Some(rustls::HandshakeKind::Full));
            assert_eq!(stream.get_ref().1.tls13_tickets_received(), 0);
        }
    });
}

#[test]
fn only_http_2_is_spoken() {
    local(async {
        let server = Ground::new().serve().await;
        let mut other = server.tls(None);
        other.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut none = server.tls(None);
        none.alpn_protocols = Vec::new();

        let alert = alert(&server, other).await;
        let mut silent = server.shake(none).await.unwrap();
        let read = silent.read(&mut [0; 64]).await;

        assert_eq!(alert, AlertDescription::NoApplicationProtocol);
        assert!(!matches!(read, Ok(1..)), "closed without a byte: {read:?}");
    });
}

#[test]
fn openssl_gets_through_with_tls_1_3_only() {
    local(async {
        let ground = Ground::new();
        let server = ground.serve().await;
        let openssl = OpenSsl::new();
        openssl.write("bundle.pem", ground.authority.trust().unwrap().bundle.to_pem());
        let words = move |more: &str| {
            format!(
                "s_client -connect {} -CAfile bundle.pem -verify_return_error -alpn h2 {more}",
                server.address
            )
        };
        let (new, old) = (words("-tls1_3"), words("-tls1_2"));

        let (good, refused) =
            tokio::task::spawn_blocking(move || (openssl.run(&new), openssl.refused(&old))).await.unwrap();

        assert!(good.contains("ALPN protocol: h2"), "{good}");
        assert!(good.contains("Verify return code: 0 (ok)") || good.contains("Verification: OK"), "{good}");
        assert!(refused.contains("protocol version"), "{refused}");
    });
}
