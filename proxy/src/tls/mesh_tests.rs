//! Real handshakes between members, strangers and those who pretend.

use super::*;
use crate::mesh::support::{Ca, ORDER, PAYMENT, leaf, local, period, uri};
use portcullis_ca::deny::Denial;
use portcullis_ca::verify::{Side, VerifyError};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::version::TLS12;
use rustls::{AlertDescription, DigitallySignedStruct, HandshakeKind, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::LazyConfigAcceptor;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

type Accepted = Result<(server::TlsStream<DuplexStream>, TlsFacts, bool), MeshFault>;
type Connected = Result<(client::TlsStream<DuplexStream>, Arc<Peer>), MeshFault>;

fn tls(ca: &Ca, own: &Own) -> MeshTls {
    MeshTls::new(own, ca.believed(Vec::new())).unwrap()
}

fn id(text: &str) -> SpiffeId {
    text.parse().unwrap()
}

async fn accept(tls: &MeshTls, io: DuplexStream) -> Accepted {
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io).await;
    let mut accepted = tls.accept(hello.map_err(MeshFault::Io)?).await?;
    // The client hears whether it was let in.
    accepted.0.write_all(b"!").await.unwrap();
    accepted.0.flush().await.unwrap();
    Ok(accepted)
}

/// `client` connects to `server` and means `expected`. What each of them says; the client also of the first byte.
async fn meet(client: &MeshTls, server: &MeshTls, expected: &str) -> (Connected, Accepted) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let expected = id(expected);
    let connecting = async {
        let mut connected = client.connect(&expected, HERE, near).await?;
        let mut byte = [0];
        match connected.0.read_exact(&mut byte).await {
            Ok(_) => Ok(connected),
            Err(error) => Err(fault(error, &Slot::default())),
        }
    };
    tokio::join!(connecting, accept(server, far))
}

/// How somebody with plain rustls fares at the door of `server`.
async fn knock(
    config: ClientConfig,
    server: &MeshTls,
) -> (io::Result<client::TlsStream<DuplexStream>>, Accepted) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from("payment.shop.internal").unwrap();
    let knocking = async {
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, near).await?;
        stream.read_exact(&mut [0]).await?;
        Ok(stream)
    };
    tokio::join!(knocking, accept(server, far))
}

fn refusal(fault: MeshFault) -> Refusal {
    match fault {
        MeshFault::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

/// Believes everybody: the tests are about the other side.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

fn plain(own: Option<&Own>, version: &'static rustls::SupportedProtocolVersion) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(crate::tls::provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody));
    match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain = own.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
            let key = PrivatePkcs8KeyDer::from(own.key.pkcs8().to_vec());
            builder.with_client_auth_cert(chain, key.into()).unwrap()
        }
    }
}

fn alert(result: io::Result<client::TlsStream<DuplexStream>>) -> AlertDescription {
    let error = result.map(drop).unwrap_err();
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_members_know_each_other_and_speak_http2() {
    local(async {
        let ca = Ca::new();
        let order = ca.own(ORDER);
        let payment = ca.spoiled(PAYMENT, |params| {
            params
                .subject_alt_names
                .push(rcgen::SanType::DnsName("payment.shop.internal".try_into().unwrap()));
        });

        let (connected, accepted) = meet(&tls(&ca, &order), &tls(&ca, &payment), PAYMENT).await;

        let (_, peer) = connected.unwrap();
        let (_, facts, is_h2) = accepted.unwrap();
        assert_eq!((peer.svid.id.as_str(), peer.leaf), (PAYMENT, payment.leaf));
        let peer = facts.peer.unwrap();
        assert_eq!((peer.svid.id.as_str(), &peer.chain), (ORDER, &order.chain));
        assert_eq!((facts.version, facts.sni, is_h2), ("TLSv1.3", None, true));
        assert_eq!(facts.names.to_vec(), [Box::from("payment.shop.internal")]);
    });
}

#[test]
fn another_client_is_held_to_the_name_it_asked_for_and_may_speak_http1() {
    local(async {
        let ca = Ca::new();
        let (order, payment) = (ca.own(ORDER), ca.own(PAYMENT));
        let mut config = plain(Some(&order), &TLS13);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];

        let (knocked, accepted) = knock(config, &tls(&ca, &payment)).await;

        knocked.unwrap();
        let (_, facts, is_h2) = accepted.unwrap();
        assert!(!is_h2);
        assert!(facts.serves("payment.shop.internal") && !facts.serves("order.shop.internal"));
    });
}

#[test]
fn who_shows_no_certificate_is_told_that_one_is_required() {
    local(async {
        let ca = Ca::new();

        let (knocked, accepted) = knock(plain(None, &TLS13), &tls(&ca, &ca.own(PAYMENT))).await;

        assert_eq!(alert(knocked), AlertDescription::CertificateRequired);
        assert!(matches!(accepted, Err(MeshFault::NoCertificate)));
    });
}

#[test]
fn who_speaks_only_tls_1_2_is_refused() {
    local(async {
        let ca = Ca::new();
        let order = ca.own(ORDER);

        let (knocked, accepted) = knock(plain(Some(&order), &TLS12), &tls(&ca, &ca.own(PAYMENT))).await;

        assert_eq!(alert(knocked), AlertDescription::ProtocolVersion);
        assert!(matches!(accepted, Err(MeshFault::Incompatible(_))));
    });
}

#[test]
fn nothing_is_resumed_because_there_is_no_ticket() {
    local(async {
        let ca = Ca::new();
        let (order, server) = (ca.own(ORDER), tls(&ca, &ca.own(PAYMENT)));
        let config = plain(Some(&order), &TLS13);

        for _ in 0..2 {
            let (knocked, accepted) = knock(config.clone(), &server).await;

            let knocked = knocked.unwrap();
            assert_eq!(knocked.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
            assert_eq!(knocked.get_ref().1.tls13_tickets_received(), 0);
            accepted.unwrap();
        }
    });
}

/// A certificate that is not good as it should be, and what is said of it.
type Row = (&'static str, fn(&mut CertificateParams), fn(&VerifyError) -> bool, &'static str);

const SPOILED: [Row; 6] = [
    (
        "expired",
        |params| period(params, -7_200, -60),
        |why| matches!(why, VerifyError::Expired { .. }),
        "CertificateExpired",
    ),
    (
        "not yet valid",
        |params| period(params, 61, 3_600),
        |why| matches!(why, VerifyError::NotYetValid { .. }),
        "CertificateExpired",
    ),
    (
        "two names",
        |params| params.subject_alt_names.push(uri("spiffe://shop.example/svc/admin")),
        |why| matches!(why, VerifyError::Svid(_)),
        "AccessDenied",
    ),
    (
        "a name with an escape",
        |params| params.subject_alt_names = vec![uri("spiffe://shop.example/svc/%2e%2e")],
        |why| matches!(why, VerifyError::Svid(_)),
        "AccessDenied",
    ),
    (
        "another trust domain",
        |params| params.subject_alt_names = vec![uri("spiffe://lab.example/svc/order")],
        |why| matches!(why, VerifyError::ForeignTrustDomain { .. }),
        "AccessDenied",
    ),
    (
        "no use",
        |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning],
        |why| matches!(why, VerifyError::Usage(_)),
        "UnsupportedCertificate",
    ),
];

#[test]
fn a_client_with_a_bad_certificate_is_refused_and_the_alert_says_the_kind() {
    local(async {
        for (what, spoil, said, told) in SPOILED {
            let ca = Ca::new();
            let (bad, good) = (ca.spoiled(ORDER, spoil), ca.own(PAYMENT));

            let (connected, accepted) = meet(&tls(&ca, &bad), &tls(&ca, &good), PAYMENT).await;

            let refusal = refusal(accepted.map(drop).unwrap_err());
            assert!(matches!(&refusal, Refusal::Chain(why) if said(why)), "{what}: {refusal}");
            let heard = connected.map(drop).unwrap_err();
            assert!(matches!(&heard, MeshFault::Told(alert) if alert == told), "{what}: {heard}");
        }
    });
}

#[test]
fn a_server_with_a_bad_certificate_is_refused_and_the_alert_says_the_kind() {
    local(async {
        for (what, spoil, said, told) in SPOILED {
            let ca = Ca::new();
            let (bad, good) = (ca.spoiled(PAYMENT, spoil), ca.own(ORDER));

            let (connected, accepted) = meet(&tls(&ca, &good), &tls(&ca, &bad), PAYMENT).await;

            let refusal = refusal(connected.map(drop).unwrap_err());
            assert!(matches!(&refusal, Refusal::Chain(why) if said(why)), "{what}: {refusal}");
            let heard = accepted.map(drop).unwrap_err();
            assert!(matches!(&heard, MeshFault::Told(alert) if alert == told), "{what}: {heard}");
        }
    });
}

#[test]
fn a_certificate_for_one_side_is_no_good_on_the_other() {
    local(async {
        let ca = Ca::new();
        let only = |usage| move |params: &mut CertificateParams| params.extended_key_usages = vec![usage];
        let server_only = tls(&ca, &ca.spoiled(ORDER, only(ExtendedKeyUsagePurpose::ServerAuth)));
        let client_only = tls(&ca, &ca.spoiled(PAYMENT, only(ExtendedKeyUsagePurpose::ClientAuth)));
        let good = tls(&ca, &ca.own(PAYMENT));

        let (_, as_client) = meet(&server_only, &good, PAYMENT).await;
        let (as_server, _) = meet(&good, &client_only, PAYMENT).await;
        let (connected, accepted) = meet(&client_only, &server_only, ORDER).await;

        let usage = |side| Refusal::Chain(VerifyError::Usage(side));
        assert_eq!(refusal(as_client.map(drop).unwrap_err()), usage(Side::Client));
        assert_eq!(refusal(as_server.map(drop).unwrap_err()), usage(Side::Server));
        assert!(connected.is_ok() && accepted.is_ok());
    });
}

#[test]
fn a_member_of_another_authority_with_the_same_names_is_unknown() {
    local(async {
        let (ca, other) = (Ca::new(), Ca::new());
        let stranger = MeshTls::new(&other.own(ORDER), ca.believed(Vec::new())).unwrap();
        let payment = tls(&ca, &ca.own(PAYMENT));

        let (connected, accepted) = meet(&stranger, &payment, PAYMENT).await;
        let (back, _) = meet(&payment, &stranger, ORDER).await;

        let unknown = |fault| matches!(refusal(fault), Refusal::Chain(VerifyError::UnknownRoot { .. }));
        assert!(unknown(accepted.map(drop).unwrap_err()));
        assert!(unknown(back.map(drop).unwrap_err()));
        assert!(matches!(connected, Err(MeshFault::Told(alert)) if alert == "UnknownCA"));
    });
}

#[test]
fn who_is_denied_is_refused_by_name_and_by_intermediate() {
    local(async {
        let ca = Ca::new();
        let (order, payment) = (ca.own(ORDER), ca.own(PAYMENT));
        let above = certificate::read(ca.intermediate()).unwrap().serial;
        let above = portcullis_ca::names::Serial::from_bytes(&above).unwrap();
        let rules = [Denial::Serial(order.svid.serial), Denial::Id(id(ORDER)), Denial::Serial(above)];
        for rule in rules {
            let strict = MeshTls::new(&payment, ca.believed(vec![rule])).unwrap();

            let (connected, accepted) = meet(&tls(&ca, &order), &strict, PAYMENT).await;

            assert_eq!(accepted.map(drop).unwrap_err().word(), "denied");
            assert!(matches!(connected, Err(MeshFault::Told(alert)) if alert == "CertificateRevoked"));
        }
    });
}

#[test]
fn whoever_is_not_the_one_that_was_meant_is_refused_however_good_the_certificate() {
    local(async {
        let ca = Ca::new();
        let (order, payment) = (tls(&ca, &ca.own(ORDER)), tls(&ca, &ca.own(PAYMENT)));
        for meant in [ORDER, "spiffe://shop.example/svc/payment2", "spiffe://shop.example/svc/Payment"] {
            let (connected, accepted) = meet(&order, &payment, meant).await;

            let other = Refusal::Other { found: id(PAYMENT), expected: id(meant) };
            assert_eq!(refusal(connected.map(drop).unwrap_err()), other);
            assert!(matches!(accepted, Err(MeshFault::Told(alert)) if alert == "AccessDenied"));
        }
    });
}

#[test]
fn a_leaf_that_signs_a_leaf_brings_nobody_in() {
    local(async {
        let ca = Ca::new();
        let (thief, payment) = (ca.own(ORDER), ca.own(PAYMENT));
        let key = Arc::new(portcullis_ca::key::Key::generate().unwrap());
        let stolen = rcgen::KeyPair::try_from(thief.key.pkcs8()).unwrap();
        let forged = leaf("spiffe://shop.example/svc/admin");
        let forged = forged.signed_by(&*key, &Issuer::new(leaf(ORDER), stolen)).unwrap().der().to_vec();
        let mut chain = vec![forged];
        chain.extend(thief.chain.iter().cloned());
        let forger = Own { chain, key, ..thief };

        let (_, accepted) = meet(&tls(&ca, &forger), &tls(&ca, &payment), PAYMENT).await;

        let refusal = refusal(accepted.map(drop).unwrap_err());
        assert_eq!(refusal, Refusal::Chain(VerifyError::NotAuthority));
    });
}

#[test]
fn who_has_a_certificate_but_not_its_key_is_refused() {
    local(async {
        let ca = Ca::new();
        let payment = ca.own(PAYMENT);
        let copied = Own { key: Arc::new(portcullis_ca::key::Key::generate().unwrap()), ..ca.own(ORDER) };

        let (connected, accepted) = meet(&tls(&ca, &copied), &tls(&ca, &payment), PAYMENT).await;

        assert!(accepted.is_err());
        assert!(matches!(connected, Err(MeshFault::Told(alert)) if alert == "DecryptError"));
    });
}

#[test]
fn after_a_renewal_new_connections_show_the_new_certificate() {
    local(async {
        let ca = Ca::new();
        let (old, new, payment) = (ca.own(ORDER), ca.own(ORDER), tls(&ca, &ca.own(PAYMENT)));

        let mut shown = Vec::new();
        for own in [&old, &new] {
            let (_, accepted) = meet(&tls(&ca, own), &payment, PAYMENT).await;
            shown.push(accepted.unwrap().1.peer.unwrap().leaf);
        }

        assert_eq!(shown, [old.leaf, new.leaf]);
    });
}

#[test]
fn a_server_that_speaks_no_http2_is_no_member() {
    local(async {
        let ca = Ca::new();
        let (order, payment) = (tls(&ca, &ca.own(ORDER)), tls(&ca, &ca.own(PAYMENT)));
        for protocols in [Vec::new(), vec![b"http/1.1".to_vec()]] {
            let (near, far) = tokio::io::duplex(64 * 1024);
            let mut config = ServerConfig::clone(&payment.server(&Slot::default()).unwrap());
            config.alpn_protocols = protocols;
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            let expected = id(PAYMENT);

            let (connected, _accepted) =
                tokio::join!(order.connect(&expected, HERE, near), acceptor.accept(far));

            let fault = connected.map(drop).unwrap_err();
            let told = matches!(&fault, MeshFault::Told(alert) if alert == "NoApplicationProtocol");
            assert!(told || matches!(fault, MeshFault::NoHttp2), "{fault:?}");
        }
    });
}
