//! The people of the demo: an authority of their own, a certificate for each, one for the edge to show them; and TLS as
//! one of them. It has nothing to do with the authority of the mesh.

use crate::folder::write_private;
use crate::partner;
use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Who has a certificate. What they may do is for the edge to say.
const PEOPLE: [&str; 2] = ["alice", "bob"];
/// The name in the certificate of the edge.
pub const HOST: &str = "localhost";
const DAY: Duration = Duration::from_secs(86_400);

/// Everything that is shown to the edge from outside: the certificates, and the API key of the partner.
pub async fn make(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    write(folder)?;
    partner::write(folder).await
}

/// Writes `ca.pem`, and a certificate and a key for each of the people and for the edge (`server`).
fn write(folder: &Path) -> anyhow::Result<()> {
    let mut root = named("People of the demo shop", &[])?;
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
    write_private(&folder.join("ca.pem"), &authority.pem())?;
    let people = PEOPLE.map(|name| (name, named(name, &[]), ExtendedKeyUsagePurpose::ClientAuth));
    let server = ("server", named(HOST, &[HOST, "127.0.0.1"]), ExtendedKeyUsagePurpose::ServerAuth);
    for (name, params, purpose) in people.into_iter().chain([server]) {
        let mut params = params?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority)?;
        write_private(&folder.join(format!("{name}.pem")), &certificate.pem())?;
        write_private(&folder.join(format!("{name}.key")), &key.serialize_pem())?;
    }
    Ok(())
}

/// A certificate for a week, with this common name and these hosts and addresses.
fn named(common_name: &str, hosts: &[&str]) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(hosts.iter().map(|&host| host.to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = portcullis::clock::wall();
    params.not_before = (now - DAY).into();
    params.not_after = (now + 7 * DAY).into();
    Ok(params)
}

/// Shakes hands with the edge as the one whose certificate is `folder/name.pem`.
pub async fn connect(folder: &Path, name: &str, stream: TcpStream) -> anyhow::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(as_one(folder, name)?));
    Ok(connector.connect(ServerName::try_from(HOST)?, stream).await?)
}

fn as_one(folder: &Path, name: &str) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem"))?)?;
    let chain = vec![CertificateDer::from_pem_file(folder.join(format!("{name}.pem")))?];
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key")))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    versions
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .with_context(|| format!("cannot use the certificate of {name}"))
}
