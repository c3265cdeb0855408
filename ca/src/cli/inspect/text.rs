//! The words for what was found, for people.

use super::facts::{Certificate, Found, PrivateKey, Request, RevocationList, Role, Roots, State, Token};
use crate::cli::words::{facts, harmless, moment};
use crate::time::Timestamp;
use std::fmt::Display;

/// So many revoked certificates are listed; `--json` has all.
const SHOWN: usize = 20;

/// Lines of a name and a value, the values under each other; rows without a value are left out. Values come from
/// certificates that anybody may have made.
pub(in crate::cli) fn rows(rows: &[(&str, String)]) -> String {
    let full = rows.iter().filter(|(_, value)| !value.is_empty());
    let indented: Vec<_> = full.map(|(name, value)| (format!("  {name}"), harmless(value))).collect();
    let borrowed: Vec<_> = indented.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    facts(&borrowed)
}

/// All that was found, with an empty line between.
pub(super) fn text(found: &[Found], now: Timestamp) -> String {
    let certificates = found.iter().filter(|one| matches!(one, Found::Certificate(_))).count();
    let mut number = 0;
    let texts = found.iter().map(|one| match one {
        Found::Certificate(one) => {
            number += 1;
            let of = if certificates > 1 { format!(" {number} of {certificates}") } else { String::new() };
            format!("certificate{of}: {}\n{}", role(one.role), certificate(one, number, now))
        }
        Found::CertificateRequest(one) => request(one),
        Found::PrivateKey(one) => private_key(one),
        Found::PublicKey(one) => {
            format!("public key\n{}", rows(&[("kind", one.key_kind.clone()), ("fingerprint", sha(&one.key))]))
        }
        Found::RevocationList(one) => revocation_list(one, now),
        Found::Bundle(one) => bundle(one, now),
        Found::JoinToken(one) => token(one),
        Found::Other { label } => format!("{}: not looked into\n", harmless(label)),
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Workload => "of a workload",
        Role::Intermediate => "of an intermediate",
        Role::Root => "of a root (self-signed)",
        Role::Other => "not an SVID",
    }
}

fn certificate(one: &Certificate, number: usize, now: Timestamp) -> String {
    let signed_by = match one.signed_by {
        Some(by) if by == number => "itself".to_owned(),
        Some(by) => format!("certificate {by} of this file: {}", one.issuer),
        None => format!("{} (not in this file)", one.issuer),
    };
    let path_len = one.path_len.map(|depth| format!("{depth} intermediates may stand below it"));
    rows(&[
        ("SPIFFE ID", one.uris.join(", ")),
        ("DNS names", one.dns.join(", ")),
        ("other names", one.other_names.join(", ")),
        ("valid from", moment(one.not_before, now)),
        ("valid until", moment(one.not_after, now)),
        ("", stale(one.state).to_owned()),
        ("serial", one.serial.clone()),
        ("subject", one.subject.clone()),
        ("signed by", signed_by),
        ("key", format!("{}, {}", one.key_kind, sha(&one.key))),
        ("usages", one.usages.join(", ")),
        ("path length", path_len.unwrap_or_default()),
        ("fingerprint", sha(&one.fingerprint)),
        ("not an SVID", one.not_svid.clone().unwrap_or_default()),
    ])
}

fn stale(state: State) -> &'static str {
    match state {
        State::Valid => "",
        State::Expired => "EXPIRED by the clock of this machine",
        State::NotYetValid => "NOT YET VALID by the clock of this machine: is the clock right?",
    }
}

fn sha(fingerprint: &impl Display) -> String {
    format!("SHA-256 {fingerprint}")
}

fn request(one: &Request) -> String {
    let ignored = |text: &str| if text.is_empty() { String::new() } else { format!("{text} (ignored)") };
    let mut wishes = Vec::new();
    wishes.extend(one.other_names.then_some("names that are neither URI nor DNS"));
    wishes.extend(one.ca.then_some("to be an authority"));
    let verdict = match (&one.refused, wishes.as_slice()) {
        (Some(reason), _) => format!("no: {reason}"),
        (None, []) => "yes, if the entry allows the names; `portcullis ca sign` signs it".to_owned(),
        (None, wishes) => format!("no: it asks for {}", wishes.join(" and ")),
    };
    let known = rows(&[
        ("key", format!("{}, {}", one.key_kind, sha(&one.key))),
        ("asks for ID", one.uris.join(", ")),
        ("asks for DNS", one.dns.join(", ")),
        ("subject", ignored(&one.subject)),
        ("acceptable", verdict),
    ]);
    format!("certificate request\n{known}")
}

fn private_key(one: &PrivateKey) -> String {
    let exposed = one.exposed.as_ref().map(|mode| {
        format!("the file has mode {mode}: others can read or change it. chmod 600, and think of a new key")
    });
    let known = rows(&[
        ("kind", one.key_kind.clone().unwrap_or_default()),
        ("form", one.form.clone()),
        ("encrypted", if one.encrypted { "yes" } else { "no" }.to_owned()),
        ("public key", one.key.map(|key| sha(&key)).unwrap_or_default()),
        ("note", one.problem.as_ref().map(|problem| format!("it {problem}")).unwrap_or_default()),
        ("WARNING", exposed.unwrap_or_default()),
    ]);
    format!("private key (the key itself is not shown)\n{known}")
}

fn revocation_list(one: &RevocationList, now: Timestamp) -> String {
    let next = one.next_update.map(|next| moment(next, now));
    let known = rows(&[
        ("signed by", one.issuer.clone()),
        ("number", one.number.clone().unwrap_or_default()),
        ("made", moment(one.this_update, now)),
        ("next update", next.unwrap_or_default()),
        (
            "",
            if one.state == State::Expired {
                "TOO OLD: make it anew with `portcullis ca crl`"
            } else {
                stale(one.state)
            }
            .to_owned(),
        ),
        ("revoked", one.revoked.len().to_string()),
    ]);
    let listed: String =
        one.revoked.iter().take(SHOWN).map(|one| format!("    {}  since {}\n", one.serial, one.at)).collect();
    let more = one.revoked.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!("    and {more} more: --json lists all\n") } else { String::new() };
    format!("certificate revocation list\n{known}{listed}{rest}")
}

fn bundle(one: &Roots, now: Timestamp) -> String {
    let unnamed = || "its roots do not say (name it with --trust-domain where it is asked for)".to_owned();
    let roots = match one.roots.len() {
        0 => "none: whoever holds this bundle believes nobody".to_owned(),
        some => some.to_string(),
    };
    let known = rows(&[
        ("trust domain", one.trust_domain.clone().unwrap_or_else(unnamed)),
        ("sequence", one.sequence.to_string()),
        ("refresh hint", format!("{} s", one.refresh_hint)),
        ("roots", roots),
    ]);
    let roots = one.roots.iter().enumerate().map(|(index, root)| {
        format!("\nroot {} of {}\n{}", index + 1, one.roots.len(), certificate(root, index + 1, now))
    });
    format!("trust bundle\n{known}{}", roots.collect::<String>())
}

fn token(one: &Token) -> String {
    let nowhere = "it does not say".to_owned();
    let urls = if one.urls.is_empty() { nowhere } else { one.urls.join(", ") };
    let roots: Vec<_> = one.roots.iter().map(sha).collect();
    let known = rows(&[
        ("trust domain", one.trust_domain.clone()),
        ("authority at", urls),
        ("root", roots.join(", ")),
        ("hash", format!("{} (of the secret, which is not shown)", sha(&one.hash))),
        ("good for", "one join, until its time is over: 10 m, unless it was made otherwise".to_owned()),
    ]);
    format!("join token\n{known}")
}
