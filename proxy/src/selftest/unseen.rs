//! Attacks that cannot be judged from outside of a running sidecar: listed all the same, with where they are judged.

use super::verdict::Verdict;
use super::{Row, row};

/// Number, attack, what must happen, why it cannot be judged here.
const LIST: &[(&str, &str, &str, &str)] = &[
    ("1", "a client outside sends X-Auth-User to the edge", "removed", "asked of an edge"),
    ("2", "a client outside sends a passport to the edge", "removed", "asked of an edge"),
    ("3h", "a certificate on the deny-list", "not let in", "needs one that was revoked"),
    ("5", "a member sends X-Auth-User", "removed", "what the application gets is not seen from here"),
    (
        "6c",
        "a member replays a passport it was given",
        "in its own hands only",
        "needs a passport of a real user",
    ),
    (
        "8",
        "the same passport twice",
        "once where it counts",
        "passports are good for a minute in the same hands",
    ),
    ("15", "X-Auth-User as a trailer", "removed", "what the application gets is not seen from here"),
    ("20", "two callers share a connection", "kept apart", "needs two members"),
    (
        "21",
        "a member calls without the user it should bring",
        "403",
        "see `portcullis explain --from` and `tests:`",
    ),
    ("24", "a forged X-Forwarded-Client-Cert", "replaced", "what the application gets is not seen from here"),
    ("26", "a request during a change of the policy", "old or new rules", "changes nothing here"),
    (
        "28c",
        "X-HTTP-Method-Override, X-Original-URL",
        "removed",
        "what the application gets is not seen from here",
    ),
    (
        "30",
        "another process on this host calls the application",
        "kept out",
        "loopback is open to all processes of a host: give them network namespaces",
    ),
    ("31", "certificates change while requests are in flight", "no harm", "renews nothing here"),
];

/// All of them.
pub(super) fn rows() -> Vec<Row> {
    let unseen = |why: &str| Verdict::NotApplicable(why.to_owned());
    LIST.iter().map(|(number, attack, must, why)| row(number, attack, must, unseen(why))).collect()
}
