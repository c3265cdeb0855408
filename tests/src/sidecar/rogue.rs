//! Certificates no authority should give: signed with the key of ours, so that nothing but their content is wrong.

use super::{Mesh, Svid};
use portcullis_ca::certificate::pem;
use portcullis_ca::clock;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use std::path::{Path, PathBuf};

/// Somebody with the key of an intermediate.
pub struct Rogue {
    issuer: Issuer<'static, KeyPair>,
    /// DER of the intermediates between its certificates and the root.
    above: Vec<Vec<u8>>,
    folder: PathBuf,
}

impl Rogue {
    /// Steals the key of the intermediate of `mesh`.
    pub(super) fn new(mesh: &Mesh) -> Self {
        let victim = mesh.svid("svc/other");
        let key = std::fs::read_to_string(mesh.ca().dir().join("keys/intermediate-1.key")).expect("a key");
        let key = KeyPair::from_pem(&key).expect("a key");
        let intermediate = victim.chain()[1].clone();
        let issuer = Issuer::from_ca_cert_pem(&pem("CERTIFICATE", &intermediate), key).expect("an issuer");
        Self { issuer, above: vec![intermediate], folder: mesh.fresh_path("rogue") }
    }

    /// Somebody without that key, who writes the name and the key id of the intermediate of `mesh` all the same, and
    /// shows it above what they signed.
    pub fn lookalike(mesh: &Mesh) -> Self {
        let intermediate = mesh.svid("svc/other").chain()[1].clone();
        let key = KeyPair::generate().expect("a key");
        let issuer = Issuer::from_ca_cert_pem(&pem("CERTIFICATE", &intermediate), key).expect("an issuer");
        Self { issuer, above: vec![intermediate], folder: mesh.fresh_path("lookalike") }
    }

    /// What a good certificate for `name` says.
    pub fn params(name: &str) -> CertificateParams {
        Self::params_for(&[&super::id(name)])
    }

    /// The same with these URIs.
    ///
    /// # Panics
    /// When one is not ASCII.
    pub fn params_for(uris: &[&str]) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let uri = |uri: &&str| SanType::URI((*uri).try_into().expect("ASCII"));
        params.subject_alt_names = uris.iter().map(uri).collect();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let now = clock::wall().calendar();
        params.not_before = now - std::time::Duration::from_secs(60);
        params.not_after = now + std::time::Duration::from_secs(3600);
        params.use_authority_key_identifier_extension = true;
        // 16 bytes, positive, as our authority gives them.
        let serial = (fastrand::u128(..) >> 1 | 1 << 126).to_be_bytes();
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&serial));
        params
    }

    /// Signs.
    pub fn issue(&self, params: &CertificateParams) -> Svid {
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.issuer).expect("a certificate");
        let mut chain = vec![leaf.der().to_vec()];
        chain.extend(self.above.iter().cloned());
        self.write("svc/rogue", chain, key.serialize_der())
    }

    /// A certificate for `name` that nobody signed but itself.
    pub fn self_signed(&self, name: &str) -> Svid {
        let key = KeyPair::generate().expect("a key");
        let made = Self::params(name).self_signed(&key).expect("a certificate");
        self.write(name, vec![made.der().to_vec()], key.serialize_der())
    }

    /// A certificate for `name` signed by `leaf`, which is no authority.
    pub fn issue_by_leaf(&self, leaf: &Svid, name: &str) -> Svid {
        let key = KeyPair::try_from(leaf.key()).expect("a key");
        let issuer = Issuer::from_ca_cert_pem(&pem("CERTIFICATE", &leaf.chain()[0]), key).expect("an issuer");
        let own = KeyPair::generate().expect("a key");
        let made = Self::params(name).signed_by(&own, &issuer).expect("a certificate");
        let mut chain = vec![made.der().to_vec()];
        chain.extend(leaf.chain().iter().cloned());
        self.write(name, chain, own.serialize_der())
    }

    /// A certificate for `name` under one more intermediate than the path length allows.
    pub fn issue_too_deep(&self, name: &str) -> Svid {
        let mut params = ca_params();
        params.distinguished_name.push(DnType::CommonName, "one too many");
        let key = KeyPair::generate().expect("a key");
        let middle = params.signed_by(&key, &self.issuer).expect("an intermediate");
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().expect("a key");
        let made = Self::params(name).signed_by(&own, &issuer).expect("a certificate");
        let mut chain = vec![made.der().to_vec(), middle.der().to_vec()];
        chain.extend(self.above.iter().cloned());
        self.write(name, chain, own.serialize_der())
    }

    fn write(&self, name: &str, chain: Vec<Vec<u8>>, key: Vec<u8>) -> Svid {
        let folder = self.folder.join(super::digest(&chain[0]));
        std::fs::create_dir_all(&folder).expect("a folder");
        let text: String = chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
        write(&folder.join("svid.pem"), &text);
        write(&folder.join("svid.key"), &pem("PRIVATE KEY", &key));
        Svid::made(name, folder, chain, key)
    }
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).expect("written");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(file, private).expect("permissions");
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
