//! What tests of the mesh need: a small authority whose certificates can be spoiled, and members by its hand.

use super::{Believed, Membership, Origin, Own, now};
use portcullis_ca::bundle::{Bundle, REFRESH_HINT};
use portcullis_ca::certificate::{self, Svid};
use portcullis_ca::client::Identity;
use portcullis_ca::deny::{Denial, DenyList};
use portcullis_ca::key::Key;
use portcullis_ca::names::{Fingerprint, Serial};
use portcullis_ca::trust::Trust;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const DOMAIN: &str = "shop.example";
pub(crate) const EDGE: &str = "spiffe://shop.example/edge";
pub(crate) const ORDER: &str = "spiffe://shop.example/svc/order";
pub(crate) const PAYMENT: &str = "spiffe://shop.example/svc/payment";

/// Runs a test that needs a local runtime. None takes longer than half a minute.
pub(crate) fn local<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap();
    let limit = Duration::from_secs(30);
    runtime.block_on(async { tokio::time::timeout(limit, test).await.expect("the test takes too long") })
}

/// A root and an intermediate.
pub(crate) struct Ca {
    root: Vec<u8>,
    intermediate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root_params = authority(BasicConstraints::Unconstrained);
        let root = root_params.self_signed(&root_key).unwrap().der().to_vec();
        let params = authority(BasicConstraints::Constrained(0));
        let above = Issuer::new(root_params, root_key);
        let intermediate = params.signed_by(&key, &above).unwrap().der().to_vec();
        Self { root, intermediate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn root(&self) -> &[u8] {
        &self.root
    }

    pub(crate) fn intermediate(&self) -> &[u8] {
        &self.intermediate
    }

    /// The certificate of `id`, good for an hour.
    pub(crate) fn own(&self, id: &str) -> Own {
        self.spoiled(id, |_| {})
    }

    /// The certificate of `id` after `spoil`; what it says of itself is what an unspoiled one would.
    pub(crate) fn spoiled(&self, id: &str, spoil: impl FnOnce(&mut CertificateParams)) -> Own {
        let key = Arc::new(Key::generate().unwrap());
        let mut params = leaf(id);
        let good = certificate::svid(params.signed_by(&*key, &self.issuer).unwrap().der()).unwrap();
        spoil(&mut params);
        let leaf = params.signed_by(&*key, &self.issuer).unwrap().der().to_vec();
        Own {
            svid: certificate::svid(&leaf).unwrap_or(good),
            leaf: Fingerprint::of(&leaf),
            chain: vec![leaf, self.intermediate.clone()],
            key,
            generation: 1,
        }
    }

    pub(crate) fn trust(&self, sequence: u64, denied: Vec<Denial>) -> Trust {
        let bundle = Bundle {
            trust_domain: DOMAIN.parse().unwrap(),
            roots: vec![self.root.clone()],
            sequence,
            refresh_hint: REFRESH_HINT,
        };
        Trust { bundle, denied, asserters: vec![EDGE.parse().unwrap()] }
    }

    pub(crate) fn believed(&self, denied: Vec<Denial>) -> Arc<Believed> {
        let Trust { bundle, denied, asserters } = self.trust(1, denied);
        Arc::new(Believed { bundle, denied: DenyList::new(denied), asserters, version: 1 })
    }

    /// `own` as a member that believes this authority.
    pub(crate) fn member(&self, own: Own) -> Membership {
        Membership::new(Arc::new(own), self.believed(Vec::new()), Origin::Authority).unwrap()
    }

    /// What the agent of a workload would have.
    pub(crate) fn identity(&self, own: &Own) -> Identity {
        Identity {
            chain: own.chain.clone(),
            key: Arc::clone(&own.key),
            svid: own.svid.clone(),
            trust: self.trust(1, Vec::new()),
            instance: "00112233aabbccdd".parse().unwrap(),
            renew_after: now().after(Duration::from_secs(1800)),
            urls: vec!["https://127.0.0.1:1".to_owned()],
            ttl: None,
        }
    }
}

/// A certificate of `id` that says it is good until then.
pub(crate) fn svid(id: &str, not_after: i64) -> Svid {
    let (not_before, serial) = (now(), Serial::from_random([7; 16]));
    Svid {
        id: id.parse().unwrap(),
        serial,
        not_before,
        not_after: portcullis_ca::time::Timestamp(not_after),
        key: Fingerprint::of(b"key"),
    }
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// As our authority's profile has it.
pub(crate) fn leaf(id: &str) -> CertificateParams {
    let mut params = lasting(-60, 3_600);
    params.subject_alt_names = vec![uri(id)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn authority(limits: BasicConstraints) -> CertificateParams {
    let mut params = lasting(-3_600, 86_400);
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("portcullis {limits:?}"));
    params.subject_alt_names = vec![uri("spiffe://shop.example")];
    params.is_ca = IsCa::Ca(limits);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn lasting(first: i64, last: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let bits = std::array::from_fn(|_| fastrand::u8(..));
    params.serial_number = Some(SerialNumber::from_slice(Serial::from_random(bits).as_bytes()));
    period(&mut params, first, last);
    params
}

/// First and last second, from now.
pub(crate) fn period(params: &mut CertificateParams, first: i64, last: i64) {
    let from_now = |seconds| portcullis_ca::time::Timestamp(now().0 + seconds).calendar();
    (params.not_before, params.not_after) = (from_now(first), from_now(last));
}
