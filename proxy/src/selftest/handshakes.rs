//! Attacks on the handshake: whoever is no member gets no answer, and no handshake stands for another.

use super::probe::Prober;
use super::requests::get;
use super::strangers::{Camp, Stranger, StrangerError, replaced};
use super::verdict::{Reply, Verdict, kept_out, let_in};
use super::{Row, row};
use crate::tls::knock::Knock;
use portcullis_ca::key::Key;
use portcullis_ca::spiffe::{SpiffeId, TrustDomain};

const OUT: &str = "not let in";

/// The premise of everything: a member is let in, so whoever is not was kept out for a reason.
pub(super) async fn premise(prober: &Prober<'_>) -> Row {
    let reply = prober.tls(prober.member(), &get("")).await;
    row("0", "a member of the mesh connects", "let in", let_in(&reply))
}

/// Those without a certificate that counts.
pub(super) async fn run(prober: &Prober<'_>) -> Vec<Row> {
    let mut rows =
        vec![row("3a", "no certificate", OUT, kept_out(&prober.tls(Knock::default(), &get("")).await))];
    match company(&prober.subject.own.svid.id) {
        Ok(company) => {
            for (number, attack, stranger) in company {
                rows.push(row(
                    number,
                    attack,
                    OUT,
                    kept_out(&show(prober, &stranger.chain, &stranger.key).await),
                ));
            }
        }
        Err(error) => {
            rows.push(row("3b", "certificates of strangers", OUT, Verdict::Failed(error.to_string())))
        }
    }
    rows.extend(stolen(prober).await);
    rows.push(resumption(prober).await);
    rows
}

/// Strangers, by row.
fn company(id: &SpiffeId) -> Result<Vec<(&'static str, &'static str, Stranger)>, StrangerError> {
    let domain = id.trust_domain();
    let camp = Camp::new(domain)?;
    let foreign = foreign(domain);
    let abroad = SpiffeId::new(foreign.clone(), id.path())?;
    let other = SpiffeId::new(domain.clone(), "/edge")?;
    let dotted = SpiffeId::new(domain.clone(), "/svc/aaaaa")?;
    let (lower, upper) =
        (format!("spiffe://{domain}/"), format!("spiffe://{}/", domain.as_str().to_ascii_uppercase()));
    Ok(vec![
        ("3b", "a certificate with our names, by a root of a stranger", camp.member(id)?),
        ("3c", "a root's own certificate, made by a stranger", Camp::root(domain)?),
        ("3d", "a certificate of a foreign trust domain", Camp::new(&foreign)?.member(&abroad)?),
        ("3e", "a stranger's certificate that is over", camp.expired(id)?),
        ("25a", "a stranger with two SPIFFE IDs in one certificate", camp.double(id, &other)?),
        ("25b", "a stranger with the trust domain in upper case", camp.odd(id, (&lower, &upper))?),
        ("25c", "a stranger with %2e in the path", camp.odd(&dotted, ("/svc/aaaaa", "/svc/%2e%2"))?),
        ("25d", "a stranger with a path that ends in /", camp.odd(&dotted, ("/svc/aaaaa", "/svc/aaaa/"))?),
    ])
}

/// Another trust domain.
fn foreign(domain: &TrustDomain) -> TrustDomain {
    "selftest.invalid".parse().unwrap_or_else(|_| domain.clone())
}

/// With what was stolen from a member, short of its key.
async fn stolen(prober: &Prober<'_>) -> Vec<Row> {
    let own = &prober.subject.own;
    let without_key = match Key::generate() {
        Ok(key) => kept_out(&show(prober, &own.chain, &key).await),
        Err(error) => Verdict::Failed(error.to_string()),
    };
    let mut renamed = own.chain.clone();
    let name = own.svid.id.as_str();
    let other: String =
        name.char_indices().map(|(at, c)| if at + 1 == name.len() { other(c) } else { c }).collect();
    let forged = renamed.first().and_then(|leaf| replaced(leaf, name.as_bytes(), other.as_bytes()));
    let renaming = match (forged, renamed.first_mut()) {
        (Some(forged), Some(leaf)) => {
            *leaf = forged;
            kept_out(&show(prober, &renamed, &own.key).await)
        }
        _ => Verdict::Failed("the name is not found in our certificate".to_owned()),
    };
    vec![
        row("3f", "a member's certificate without its key", OUT, without_key),
        row("3g", "a member's own certificate with another name written in", OUT, renaming),
    ]
}

/// Another letter.
const fn other(letter: char) -> char {
    if letter == 'a' { 'b' } else { 'a' }
}

async fn show(prober: &Prober<'_>, chain: &[Vec<u8>], key: &Key) -> Reply {
    prober.tls(Knock { shown: Some((chain, key)), ..Knock::default() }, &get("")).await
}

async fn resumption(prober: &Prober<'_>) -> Row {
    let verdict = match prober.twice(&get("")).await {
        Ok(seen) => never_resumed(seen),
        Err(reply) => Verdict::Failed(reply.text()),
    };
    row("18", "a handshake that leans on an earlier one (tickets)", "never resumed", verdict)
}

fn never_resumed((tickets, resumed): (u32, bool)) -> Verdict {
    match (tickets, resumed) {
        (0, false) => Verdict::Ok("no tickets, a full handshake each time".to_owned()),
        (_, true) => Verdict::Failed("the second handshake was resumed".to_owned()),
        (tickets, false) => Verdict::Failed(format!("{tickets} tickets were given")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_of_every_kind_are_made_for_any_workload() {
        for id in ["spiffe://shop.example/svc/order", "spiffe://a/b", "spiffe://aaaaa/svc/aaaaa"] {
            let company = company(&id.parse().unwrap()).unwrap();

            assert_eq!(company.len(), 8, "{id}");
        }
    }

    #[test]
    fn tickets_are_a_failure_even_when_nobody_resumed() {
        assert!(matches!(never_resumed((0, false)), Verdict::Ok(_)));
        assert!(matches!(never_resumed((2, false)), Verdict::Failed(_)));
        assert!(matches!(never_resumed((0, true)), Verdict::Failed(_)));
    }
}
