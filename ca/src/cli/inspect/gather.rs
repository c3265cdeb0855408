//! Taking the facts from each piece. Pure: the moment comes in.

use super::content::{ContentError, Piece, bundle};
use super::facts::{
    Certificate, Found, PrivateKey, PublicKey, Request, RevocationList, Revoked, Role, Roots, State, Token,
};
use crate::bundle::Bundle;
use crate::certificate::{self, Facts};
use crate::csr::{self, CsrError, Wishes};
use crate::key::{Key, KeyError, KeyFault, Password};
use crate::names::{Fingerprint, to_hex};
use crate::time::Timestamp;
use crate::token::JoinToken;
use x509_parser::certificate::X509Certificate;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::SubjectPublicKeyInfo;
use zeroize::Zeroize;

/// What there is beside the bytes.
pub(super) struct View<'a> {
    pub(super) now: Timestamp,
    /// For encrypted keys.
    pub(super) password: Option<&'a Password>,
    /// The permissions of the file.
    pub(super) mode: Option<u32>,
}

/// Reads all pieces.
///
/// # Errors
/// When one is damaged.
pub(super) fn facts(pieces: &[Piece<'_>], view: &View<'_>) -> Result<Vec<Found>, ContentError> {
    let certificates: Vec<&[u8]> = pieces
        .iter()
        .filter_map(|piece| if let Piece::Certificate(der) = piece { Some(der.as_slice()) } else { None })
        .collect();
    pieces.iter().map(|piece| found(piece, &certificates, view)).collect()
}

fn found(piece: &Piece<'_>, certificates: &[&[u8]], view: &View<'_>) -> Result<Found, ContentError> {
    Ok(match piece {
        Piece::Certificate(der) => Found::Certificate(Box::new(certificate(der, certificates, view.now)?)),
        Piece::Request(der) => Found::CertificateRequest(request(der)?),
        Piece::RevocationList(der) => Found::RevocationList(revocation_list(der, view.now)?),
        Piece::PublicKey(der) => Found::PublicKey(public_key(der).ok_or(ContentError::PublicKey)?),
        Piece::PrivateKey { label, pem } => Found::PrivateKey(private_key(label, pem, view)?),
        Piece::Bundle(text) => {
            let (bundle, named) = bundle(text.as_bytes(), None)?;
            Found::Bundle(roots(&bundle, named.map(|name| name.to_string()), view.now)?)
        }
        Piece::Token(text) => Found::JoinToken(token(&text.parse()?)),
        Piece::Other(label) => Found::Other { label: label.clone() },
    })
}

fn certificate(der: &[u8], others: &[&[u8]], now: Timestamp) -> Result<Certificate, ContentError> {
    let facts = certificate::read(der)?;
    let not_svid = certificate::svid(der).err().filter(|_| !facts.ca).map(|error| error.to_string());
    let signed_by = others.iter().position(|other| signed(der, other)).map(|index| index + 1);
    let own = others.iter().position(|other| *other == der).map(|index| index + 1);
    let role = match (&not_svid, facts.ca) {
        (Some(_), _) => Role::Other,
        (None, false) => Role::Workload,
        (None, true) if signed_by == own && facts.subject == facts.issuer => Role::Root,
        (None, true) => Role::Intermediate,
    };
    Ok(told(facts, role, not_svid, signed_by, now))
}

fn told(
    facts: Facts,
    role: Role,
    not_svid: Option<String>,
    signed_by: Option<usize>,
    now: Timestamp,
) -> Certificate {
    Certificate {
        role,
        not_svid,
        state: state(facts.not_before, facts.not_after, now),
        serial: to_hex(&facts.serial),
        uris: facts.uris,
        dns: facts.dns,
        other_names: facts.other_names,
        not_before: facts.not_before,
        not_after: facts.not_after,
        subject: facts.subject,
        issuer: facts.issuer,
        signed_by,
        key_kind: facts.key_kind,
        key: facts.key,
        fingerprint: facts.fingerprint,
        usages: facts.usages,
        path_len: facts.path_len,
    }
}

fn state(first: Timestamp, last: Timestamp, now: Timestamp) -> State {
    if now < first {
        State::NotYetValid
    } else if now > last {
        State::Expired
    } else {
        State::Valid
    }
}

/// Whether the key of `above` made the signature of `der`. Names are compared first: a signature costs more.
fn signed(der: &[u8], above: &[u8]) -> bool {
    let (Ok((_, one)), Ok((_, above))) = (X509Certificate::from_der(der), X509Certificate::from_der(above))
    else {
        return false;
    };
    one.issuer().as_raw() == above.subject().as_raw()
        && one.verify_signature(Some(above.public_key())).is_ok()
}

fn request(der: &[u8]) -> Result<Request, ContentError> {
    let refused = match csr::parse(der) {
        Err(error @ (CsrError::TooLarge(_) | CsrError::Malformed)) => return Err(error.into()),
        checked => checked,
    };
    let (_, read) = X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?;
    let info = &read.certification_request_info;
    let wishes = refused.as_ref().map(|csr| csr.wishes.clone());
    let Wishes { uris, dns, other_names, ca } = wishes.unwrap_or_default();
    Ok(Request {
        key_kind: certificate::key_kind(&info.subject_pki),
        key: Fingerprint::of(info.subject_pki.raw),
        subject: info.subject.to_string(),
        uris,
        dns,
        other_names,
        ca,
        refused: refused.err().map(|error| error.to_string()),
    })
}

fn public_key(der: &[u8]) -> Option<PublicKey> {
    let (_, key) = SubjectPublicKeyInfo::from_der(der).ok().filter(|(rest, _)| rest.is_empty())?;
    Some(PublicKey { key_kind: certificate::key_kind(&key), key: Fingerprint::of(der) })
}

fn private_key(label: &str, pem: &str, view: &View<'_>) -> Result<PrivateKey, ContentError> {
    // Before PKCS#8, a header of the block said that it is encrypted (RFC 1421); such keys are not read at all.
    let old = pem.contains("Proc-Type: 4,ENCRYPTED");
    let encrypted = old || label.starts_with("ENCRYPTED");
    let read = if old { Err(KeyFault::Scheme.into()) } else { Key::from_pem(pem, view.password) };
    let (public, problem) = match read {
        Ok(key) => (public_key(key.public()), None),
        // All that can be told of it is that it is locked; that is an answer.
        Err(KeyError::Content(
            fault @ (KeyFault::Encrypted | KeyFault::WrongPassword | KeyFault::Scheme),
        )) => (None, Some(fault)),
        Err(KeyError::Content(fault @ (KeyFault::NotP256(_) | KeyFault::Label(_)))) => {
            (foreign(pem).filter(|_| !encrypted), Some(fault))
        }
        Err(error) => return Err(error.into()),
    };
    let exposed = view.mode.filter(|mode| mode & 0o077 != 0).map(|mode| format!("{mode:04o}"));
    Ok(PrivateKey {
        form: label.to_owned(),
        encrypted,
        key: public.as_ref().map(|public| public.key),
        key_kind: public.map(|public| public.key_kind),
        problem: problem.map(|fault| fault.to_string()),
        exposed,
    })
}

/// The public key of a private key that is not used here: of another kind, or in an older form.
fn foreign(pem: &str) -> Option<PublicKey> {
    let mut pair = rcgen::KeyPair::from_pem(pem).ok()?;
    let public = rcgen::PublicKeyData::subject_public_key_info(&pair);
    pair.zeroize();
    public_key(&public)
}

fn revocation_list(der: &[u8], now: Timestamp) -> Result<RevocationList, ContentError> {
    let (_, list) = CertificateRevocationList::from_der(der).map_err(|_| ContentError::RevocationList)?;
    let this_update = Timestamp(list.last_update().timestamp());
    let next_update = list.next_update().map(|moment| Timestamp(moment.timestamp()));
    let revoked = list.iter_revoked_certificates().map(|one| Revoked {
        serial: to_hex(one.raw_serial()),
        at: Timestamp(one.revocation_date.timestamp()),
    });
    Ok(RevocationList {
        issuer: list.issuer().to_string(),
        number: list.crl_number().map(ToString::to_string),
        this_update,
        next_update,
        state: state(this_update, next_update.unwrap_or(Timestamp(i64::MAX)), now),
        revoked: revoked.collect(),
    })
}

fn roots(bundle: &Bundle, trust_domain: Option<String>, now: Timestamp) -> Result<Roots, ContentError> {
    let all: Vec<&[u8]> = bundle.roots.iter().map(Vec::as_slice).collect();
    Ok(Roots {
        trust_domain,
        sequence: bundle.sequence,
        refresh_hint: bundle.refresh_hint.as_secs(),
        roots: all.iter().map(|root| certificate(root, &all, now)).collect::<Result<_, _>>()?,
    })
}

fn token(token: &JoinToken) -> Token {
    Token {
        trust_domain: token.trust_domain.to_string(),
        urls: token.urls.clone(),
        roots: token.roots.clone(),
        hash: token.hash(),
    }
}
