//! Every refusal as the caller sees it: a gRPC status.
//!
//! | why | status | retry |
//! |--|--|--|
//! | token unknown, expired, spent: one and the same answer | UNAUTHENTICATED | with a new token |
//! | no client certificate, or one that is over | UNAUTHENTICATED | with one |
//! | revoked, not registered, not in the ledger, key in use | PERMISSION_DENIED | no |
//! | the request for a certificate is wrong, or asks for too much | INVALID_ARGUMENT | no |
//! | over a limit | RESOURCE_EXHAUSTED | after `grpc-retry-pushback-ms` |
//! | store, key or disk in trouble, too much to do, going down | UNAVAILABLE | after `grpc-retry-pushback-ms` |
//!
//! The words are for who runs the workload. They must not tell a guesser how near it was, nor who else is there, nor
//! how this machine looks inside: the audit and the log have the truth. Pure.

use crate::authority::{Refusal, RefusalKind};
use std::time::Duration;
use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};

/// gRPC, "retry design": how long to wait, in milliseconds.
pub(super) const PUSHBACK: &str = "grpc-retry-pushback-ms";
/// When something here is in trouble.
const TROUBLE: Duration = Duration::from_secs(2);

/// The status of a refusal.
pub(super) fn of_refusal(refusal: &Refusal) -> Status {
    match refusal.kind() {
        RefusalKind::Unauthenticated => Status::unauthenticated("the join token is not accepted"),
        RefusalKind::NotPermitted => Status::permission_denied(not_permitted(refusal)),
        RefusalKind::BadRequest => Status::invalid_argument(refusal.to_string()),
        RefusalKind::Unavailable => unavailable(),
    }
}

fn not_permitted(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NoEntry(_) => {
            "the workload is not registered any more: register it with `portcullis ca entry create`"
        }
        Refusal::NotInLedger(_) => "the certificate was not given out here: join again with a new token",
        Refusal::Superseded { .. } => {
            "a newer certificate of this workload is in use: if its state was not copied, join again with a new token"
        }
        Refusal::OlderThanEntry { .. } => "the workload was registered anew: join again with a new token",
        Refusal::KeyTaken(_) => "the public key is in use by another workload: make a new key for each",
        _ => "the workload is revoked",
    }
}

/// The authority cannot do it now. Why is its operator's business.
pub(super) fn unavailable() -> Status {
    with_pushback(Status::unavailable("the authority cannot do this now: try again"), TROUBLE)
}

/// The authority is going down.
pub(super) fn going_down() -> Status {
    with_pushback(
        Status::unavailable("the authority is going down: try again, or ask another server"),
        TROUBLE,
    )
}

/// Too much is asked; it may be asked again after `wait`.
pub(super) fn over_limit(wait: Duration) -> Status {
    with_pushback(Status::resource_exhausted("too many requests: come back later"), wait)
}

/// The call needs a client certificate.
pub(super) fn no_certificate() -> Status {
    Status::unauthenticated("this needs a client certificate: join first, with a token")
}

/// The client certificate has been denied or has expired since the connection was made.
pub(super) fn not_believed_any_more() -> Status {
    Status::permission_denied("the client certificate is revoked or has expired")
}

/// The request did not come in time.
pub(super) fn too_slow() -> Status {
    Status::deadline_exceeded("the request did not come, or could not be answered, in time: try again")
}

fn with_pushback(mut status: Status, wait: Duration) -> Status {
    // Rounded up: who comes back exactly then is let through.
    let millis = wait.as_nanos().div_ceil(1_000_000);
    let mut metadata = MetadataMap::new();
    if let Ok(value) = MetadataValue::try_from(millis.to_string()) {
        metadata.insert(PUSHBACK, value);
    }
    *status.metadata_mut() = metadata;
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::AuthorityError;
    use crate::certificate::SvidError;
    use crate::csr::CsrError;
    use crate::names::Serial;
    use crate::policy;
    use crate::time::Timestamp;
    use tonic::Code;

    const SECRETIVE: [&str; 3] = ["svc/order", "ca.db", "2026-"];

    fn pushback(status: &Status) -> Option<u64> {
        status.metadata().get(PUSHBACK)?.to_str().ok()?.parse().ok()
    }

    #[test]
    fn each_refusal_has_its_code_and_says_nothing_of_others() {
        let order = || "spiffe://shop.example/svc/order".parse().unwrap();
        let moment = Timestamp(1_790_000_000);
        let serial = Serial::from_random([1; 16]);
        let damaged = AuthorityError::NotInitialised("/var/lib/ca.db".into());
        let table = [
            (Refusal::UnknownToken, Code::Unauthenticated),
            (Refusal::TokenExpired { entry: order(), expires: moment }, Code::Unauthenticated),
            (Refusal::TokenSpent { entry: order(), at: moment, serial }, Code::Unauthenticated),
            (Refusal::Superseded { serial, by: serial }, Code::PermissionDenied),
            (Refusal::OlderThanEntry { id: order(), created: moment }, Code::PermissionDenied),
            (Refusal::NoEntry(order()), Code::PermissionDenied),
            (Refusal::Denied(order()), Code::PermissionDenied),
            (Refusal::KeyTaken(order()), Code::PermissionDenied),
            (Refusal::NotInLedger(serial), Code::PermissionDenied),
            (Refusal::Csr(CsrError::TooLarge(20_000)), Code::InvalidArgument),
            (Refusal::Policy(policy::Refusal::Authority), Code::InvalidArgument),
            (Refusal::Svid(SvidError::Authority), Code::InvalidArgument),
            (Refusal::Policy(policy::Refusal::IssuerExpires { not_after: moment }), Code::Unavailable),
            (Refusal::Unavailable(Box::new(damaged)), Code::Unavailable),
        ];
        for (refusal, code) in table {
            let status = of_refusal(&refusal);
            assert_eq!(status.code(), code, "{refusal:?}");
            assert_eq!(pushback(&status).is_some(), code == Code::Unavailable, "{refusal:?}");
            for secret in SECRETIVE {
                assert!(!status.message().contains(secret), "{}", status.message());
            }
        }
    }

    #[test]
    fn a_guesser_cannot_tell_one_bad_token_from_another() {
        let moment = Timestamp(1_790_000_000);

        let entry: crate::spiffe::SpiffeId = "spiffe://shop.example/svc/order".parse().unwrap();
        let expired = Refusal::TokenExpired { entry: entry.clone(), expires: moment };
        let spent = Refusal::TokenSpent { entry, at: moment, serial: Serial::from_random([1; 16]) };
        let answers = [Refusal::UnknownToken, expired, spent].map(|refusal| {
            let status = of_refusal(&refusal);
            (status.code(), status.message().to_owned(), status.metadata().clone().into_headers())
        });

        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
    }

    #[test]
    fn the_wait_is_rounded_up_to_whole_milliseconds() {
        assert_eq!(pushback(&over_limit(Duration::from_micros(1))), Some(1));
        assert_eq!(pushback(&over_limit(Duration::from_millis(20))), Some(20));
        assert_eq!(over_limit(Duration::from_millis(20)).code(), Code::ResourceExhausted);
    }
}
